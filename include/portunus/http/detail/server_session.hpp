// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_SERVER_SESSION_HPP
#define PORTUNUS_HTTP_DETAIL_SERVER_SESSION_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/http/chunked.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/router.hpp>
#include <portunus/http/server_options.hpp>
#include <portunus/http/streaming.hpp>
#include <portunus/net/any_stream.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http::detail {

/// What all connections of a server share. The counters may be bumped from several contexts.
struct server_state {
    server_state(server_options o, std::optional<handler> h, router<handler> r)
        : options(std::move(o)), everything(std::move(h)), routes(std::move(r)) {}

    /// What the listener is to do; once, before the first session. Throws for options that contradict.
    listener_options door();

    server_options options;
    std::optional<handler> everything; // answers all requests; else the routes do
    router<handler> routes;
    struct {
        std::atomic<std::uint64_t> requests{0};
        std::array<std::atomic<std::uint64_t>, 6> answers{};
        std::array<std::atomic<std::uint64_t>, refusal_kinds> refused{};
        std::atomic<std::uint64_t> head_timeouts{0}, body_timeouts{0}, handler_timeouts{0},
            handler_failures{0}, too_large{0}, client_gone{0}, turned_away{0}, handshake_failures{0};
    } counts;
    std::atomic<std::size_t> seated{0}; // connections, where who comes too late is told so
    std::size_t seats = 0;              // 0: the door counts, and nobody comes too late

    static void bump(std::atomic<std::uint64_t>& count) noexcept {
        count.fetch_add(1, std::memory_order_relaxed);
    }
};

/// A connection's place among those that are served.
class seat {
  public:
    explicit seat(std::shared_ptr<server_state> of) noexcept : server_(std::move(of)) {
        if (server_->seats == 0)
            server_.reset();
        else
            taken_ = server_->seated.fetch_add(1) < server_->seats;
    }
    seat(seat&&) noexcept = default;
    seat& operator=(seat&&) = delete;
    ~seat() {
        if (server_) server_->seated.fetch_sub(1);
    }
    /// False: the house was full, and all that is left is to say so.
    bool taken() const noexcept { return taken_; }

  private:
    std::shared_ptr<server_state> server_;
    bool taken_ = true;
};

/// A connection. Its parts: the bytes that have come and were not used, the answers that have not left, and
/// the request that is being answered.
class session final : public request_source, public body_sink {
  public:
    using pointer = std::shared_ptr<session>;

    session(any_stream peer, std::shared_ptr<server_state> of, bool secure = false);

    /// The whole life of a connection; completes when nothing more is to be said on it.
    static awaitable<void> serve(pointer s, seat place);

    awaitable<result<std::string_view>> body() override;
    awaitable<result<std::string_view>> read_body() override;
    awaitable<result<void>> write_body(body_writer& w, std::string_view bytes) override;
    awaitable<result<void>> flush_body() override;
    bool is_open() const noexcept override { return stream_.is_open(); }

    const request_head& head() const noexcept override { return parser_.head(); }
    const route_match& match() const noexcept override { return match_; }
    const any_stream& stream() const noexcept override { return stream_; }
    bool is_tls() const noexcept override { return secure_; }

    /// How long somebody who was turned away may take for each of the two things that he has to do.
    static constexpr steady_clock::duration farewell = std::chrono::seconds(1);

  private:
    enum class phase : std::uint8_t { none, head, body, handler, gone };
    enum class body_use : std::uint8_t { untouched, whole, pieces };

    static awaitable<void> run(pointer s);
    static awaitable<void> turn_away(pointer s);
    /// Sends what waits in `out_`.
    static awaitable<result<void>> flush(pointer s);
    static awaitable<result<void>> put_body(pointer s, body_writer& w, std::string_view bytes);
    static awaitable<bool> discard_body(pointer s);
    static awaitable<void> answer_by_coroutine(pointer s, const handler* by);
    static awaitable<void> send_source(pointer s);
    static awaitable<result<std::string_view>> next_piece(pointer s, std::uint64_t most_of_all);
    /// What has come already of the body; empty where more has to be read, or it is over.
    result<std::string_view> piece_at_hand(std::uint64_t most_of_all);
    static awaitable<result<std::string_view>> collect_body(pointer s);

    std::string_view unread() const noexcept { return {in_.data() + begin_, end_ - begin_}; }
    boost::asio::mutable_buffer room();
    void begin_request(std::size_t head_size);
    /// Who answers; nobody where the answer is known already.
    const handler* choose();
    /// Whether what is around all handlers has answered.
    bool answered_before();
    void end_request();
    void append(const response& answer);
    void write_head(const response& answer, const answer_form& form);
    any_stream hand_over();
    void append_answer();
    /// What is wrong with an answer as an answer to this request; 200 where nothing is.
    http::status objection(const response& answer) const noexcept;
    void refuse(const refused& why);
    void reading_failed(const error& why);
    void handler_failed(const std::exception_ptr& why);
    void fail_body(http::status answer) noexcept;
    bool will_keep() const noexcept;
    void watch(phase what, steady_clock::duration after);
    void time_is_up();
    /// Nothing is awaited of the client any more: the handler's time counts again.
    void body_is_over();
    /// A coroutine of the program's begins or ends to work for this client.
    void working(bool on);
    void look_for_client();
    /// Whether this answer is the last one because of a stop.
    bool is_last();

    static constexpr steady_clock::duration look_period = std::chrono::seconds(1); // at the client
    static constexpr std::size_t first_room = 4096, most_kept = 64 * 1024, most_out = 64 * 1024,
                                 most_discarded = 64 * 1024, body_room = 16 * 1024, body_part = 64 * 1024;

    any_stream stream_;
    std::shared_ptr<server_state> server_;
    std::vector<char> in_;
    std::size_t begin_ = 0, end_ = 0; // of what has come and was not used
    std::string out_;

    std::array<field_slot, 100> slots_;
    request_parser parser_;
    request request_{*this};
    route_match match_;
    std::optional<response> answer_;
    std::unique_ptr<successor> next_; // takes the connection over

    // the body of the current request
    std::uint64_t body_left_ = 0; // of one with a length
    chunked_decoder chunks_;
    bool body_done_ = true;
    body_use body_use_ = body_use::untouched;
    std::size_t since_watch_ = 0; // bytes of the body
    bool asked_to_continue_ = false;
    http::status body_failure_ = status::ok;
    std::string body_complaint_;
    std::string_view whole_body_;
    std::string collected_;
    std::vector<char> more_; // what comes while a handler holds views of `in_`
    std::size_t more_begin_ = 0, more_end_ = 0;

    bool closing_ = false;
    bool working_ = false;      // a coroutine of the program's
    bool reading_body_ = false; // and waits for the client
    phase phase_ = phase::none;
    phase late_ = phase::none;
    deadline limit_, look_;
    boost::asio::cancellation_signal cancel_;
    const bool secure_;
};

} // namespace portunus::http::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/detail/impl/server_session.ipp>
#endif

#endif
