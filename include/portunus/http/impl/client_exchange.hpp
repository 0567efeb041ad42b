// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_EXCHANGE_HPP
#define PORTUNUS_HTTP_IMPL_CLIENT_EXCHANGE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/http/client_request.hpp>
#include <portunus/http/client_response.hpp>
#include <portunus/http/impl/client_answer.hpp>
#include <portunus/net/any_stream.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portunus::http::detail {

/// One request with all that it takes: redirections, challenges, a second try.
class exchange_state final : public client_answer, public std::enable_shared_from_this<exchange_state> {
  public:
    using pointer = std::shared_ptr<exchange_state>;

    exchange_state(std::shared_ptr<client_state> of, client_request r, bool collects);
    ~exchange_state();

    /// To the head of the answer.
    static awaitable<result<void>> run(pointer x);
    /// To the end of the answer.
    static awaitable<result<client_response>> send(pointer x);
    static awaitable<result<std::string_view>> read_for_user(pointer x);
    static awaitable<result<std::string>> collect(pointer x);
    static awaitable<result<void>> put(pointer x, upload_writer& to, std::string_view bytes);

    const response_head& head() const noexcept { return head_.get(); }
    const std::string& url() const noexcept { return url_; }
    any_stream take_stream();
    /// Nobody is interested any more.
    void drop();
    void fail(error why) override;

  private:
    enum class phase : std::uint8_t { none, place, connect, send, patience, head, body };

    static awaitable<result<void>> attempt(pointer x);
    static awaitable<result<void>> connect(pointer x);
    static awaitable<void> dial(pointer x);
    static awaitable<result<void>> send_request(pointer x);
    static awaitable<result<void>> send_body(pointer x);
    static awaitable<result<void>> write(pointer x, std::string_view bytes);
    static awaitable<result<bool>> wait_for_permission(pointer x);
    static awaitable<result<void>> read_head(pointer x);
    static awaitable<result<std::size_t>> read_more(pointer x);
    /// The next piece of the body, decoded; empty at the end, where the exchange is over.
    static awaitable<result<std::string_view>> read_piece(pointer x);
    static awaitable<result<std::string_view>> raw_piece(pointer x);
    static awaitable<bool> discard(pointer x);

    result<void> begin();
    /// Whether an answer may have come though a write has failed.
    bool listens_after(const error& failed_write) const noexcept;
    /// Whether the request is worth sending again after this error.
    bool repeats(const error& why);
    result<bool> answered_early();
    void finish();
    error failed(const error& why);
    void enter(phase what, steady_clock::duration limit);
    void leave() { enter(phase::none, {}); }
    void expired();
    void out_of_time();
    void wake();
    std::string_view doing() const noexcept;

    static constexpr std::size_t most_inline = 64 * 1024, most_discarded = 64 * 1024, body_part = 64 * 1024;
    static constexpr steady_clock::duration discard_limit = std::chrono::seconds(1);

    deadline limit_, total_;
    std::optional<task_group> dialing_;
    std::optional<result<any_stream>> dialed_;
    std::vector<char> plain_; // what the decoder gave
    phase phase_ = phase::none;
    bool any_byte_ = false; // of an answer
    bool answered_ = false; // before our body was sent
    bool all_sent_ = false;
    bool impatient_ = false; // the limit of phase::patience has passed
    bool busy_ = false;      // a coroutine of ours runs
    bool over_ = false;
};

} // namespace portunus::http::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_exchange.ipp>
#endif

#endif
