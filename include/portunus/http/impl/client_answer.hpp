// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_ANSWER_HPP
#define PORTUNUS_HTTP_IMPL_CLIENT_ANSWER_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/chunked.hpp>
#include <portunus/http/client_response.hpp>
#include <portunus/http/impl/client_question.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace portunus::http::detail {

/// What has come of the answer, as far as it lies in the connection's buffer. Waits for nothing.
class client_answer : public client_question {
  protected:
    client_answer(std::shared_ptr<client_state> of, client_request r, bool collects)
        : client_question(std::move(of), std::move(r)), collects_(collects) {}
    ~client_answer() = default;

    /// What has come: the head of the answer, an interim one, which is dropped, or not enough.
    enum class heard : std::uint8_t { nothing, interim, answer };
    result<heard> listen();
    void begin_body();
    result<std::string_view> at_hand();
    std::uint64_t most() const noexcept;
    error too_large(std::uint64_t size) const;
    error truncated() const;
    /// Whether the connection may serve another request.
    bool keeps() const noexcept;
    /// Tells how far it is. False: it is to stop, and `cause_` says so.
    bool report();

    std::optional<error> cause_; // why it ends
    owned_head head_;
    bool has_head_ = false;
    unsigned interim_ = 0;
    bool may_send_ = false; // 100 has come
    bool reusable_ = true;
    body_end body_ = body_end::none;
    std::uint64_t left_ = 0, received_ = 0, decoded_ = 0, sent_ = 0;
    std::uint64_t part_ = 0;          // bytes since the limit began anew
    steady_clock::duration waited_{}; // since then
    chunked_decoder chunks_;
    bool done_ = true;
    std::unique_ptr<content_decoder> decoder_;
    std::string_view coded_;      // what the decoder has not taken
    bool plain_was_full_ = false; // it may have more to give
    bool collects_;
};

} // namespace portunus::http::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_answer.ipp>
#endif

#endif
