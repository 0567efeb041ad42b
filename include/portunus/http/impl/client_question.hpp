// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_QUESTION_HPP
#define PORTUNUS_HTTP_IMPL_CLIENT_QUESTION_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/client_options.hpp>
#include <portunus/http/client_request.hpp>
#include <portunus/http/head.hpp>
#include <portunus/http/impl/client_pool.hpp>
#include <portunus/http/url.hpp>

#include <memory>
#include <string>
#include <utility>

namespace portunus::http::detail {

/// "https://host:443", in lower case: whom connections, credentials and redirections are told apart by.
PORTUNUS_DECL std::string origin_of(const url_view& url);
/// RFC 9110 9.2.2.
PORTUNUS_DECL bool is_idempotent(verb method) noexcept;

/// What is asked, and of whom, through redirections and challenges. Waits for nothing.
class client_question : public place_seeker {
  protected:
    client_question(std::shared_ptr<client_state> of, client_request r)
        : place_seeker(of->executor), client_(std::move(of)), request_(std::move(r)) {}
    ~client_question() = default;

    /// From `url_`.
    result<void> read_url();
    /// The head of the request, into the connection's `out`.
    result<void> compose();
    bool expects() const;
    /// What the answer's head means: true, another request follows.
    result<bool> judge(const response_head& head);

    std::shared_ptr<client_state> client_;
    client_request request_;
    std::string url_, first_key_;
    dial_target where_;
    verb method_ = verb::get;
    bool has_body_ = false;
    bool decodes_ = false;
    bool repeated_ = false;
    unsigned redirects_ = 0;

  private:
    const credentials& who() const noexcept;
    result<void> append_authorization(std::string& out);
    result<void> follow(const response_head& head);
    bool answer_challenge(const response_head& head);

    std::string authority_, target_;
    unsigned challenges_ = 0;
    bool crossed_ = false; // was redirected to somebody else
    bool authorized_ = false;
    bool no_expect_ = false;
};

} // namespace portunus::http::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_question.ipp>
#endif

#endif
