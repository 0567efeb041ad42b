// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_HPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_HPP

#include <portunus/http/websocket.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/http/websocket_extension.hpp>

#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portunus::http::detail {

/// What a `websocket` and its pending operations share.
///
/// Reading: one coroutine at a time is in `receive`, that of a `read` where there is one, else one in the
/// background, which is started when something other than a message is waited for (a pong, the peer's close).
/// It goes no further than one whole message. While the user still looks at the message before, the decoder
/// keeps that one's bytes where they are.
///
/// Writing never waits by itself: whoever has appended to `out` tries to send it at once, and where the
/// stream below is full one coroutine (`send_rest`) sends the rest; everybody else waits for that one. So no
/// message is torn by a cancelled call.
class websocket_state : public boost::intrusive_ref_counter<websocket_state, boost::thread_unsafe_counter> {
  public:
    using pointer = boost::intrusive_ptr<websocket_state>;

    websocket_state(any_stream s, websocket_role role, const websocket_options& o, std::string protocol,
                    std::shared_ptr<websocket_compression> c = {});

    /// A handle on it, for the server, which goes on with the state when the handle is gone.
    static websocket handle(pointer s) { return websocket(std::move(s)); }

    // the operations
    static awaitable<result<websocket_message>> read(pointer s);
    result<websocket_message> try_read();
    static awaitable<result<void>> write(pointer s, websocket_opcode what, std::string_view payload);
    result<void> queue(websocket_opcode what, std::string_view payload);
    static awaitable<result<steady_clock::duration>> ping(pointer s, steady_clock::duration limit);
    static awaitable<result<void>> close(pointer s, websocket_code code, std::string reason);
    void abort() noexcept;
    /// The handle is gone.
    void drop() noexcept;

    std::size_t unsent() const noexcept { return out.size() - out_begin; }

    any_stream stream;
    boost::asio::any_io_executor executor;
    websocket_options options;
    std::string subprotocol;
    std::shared_ptr<websocket_compression> compression; // null: none
    std::optional<error> ended{};                       // what reading and writing give from then on
    websocket_code peer_code = websocket_code::none;
    std::string peer_text{};
    bool managed = false; // the server closes it when the handler has returned

  private:
    using event_kind = websocket_event::kind;
    class mark;

    // the end
    void end(error why);
    /// The same where nothing can be received or sent any more.
    void break_off(error why, close_reason reason) noexcept;

    // output
    const websocket_mask* next_mask();
    error check_writable(websocket_opcode what, std::string_view payload) const;
    void append(websocket_opcode what, std::string_view payload);
    void append_our_close(websocket_code code, std::string_view reason);
    void push_output();
    bool send_now();
    void send_in_background();
    static awaitable<void> send_rest(pointer s);
    void output_failed(error why);

    // input
    void take_frames();
    void take(const websocket_event& e);
    void take_message(const websocket_event& e);
    /// The peer broke the rules.
    void refuse(websocket_code code, error why);
    void reading_failed(const error& why);
    void heard();
    websocket_message hold();
    void let_go();
    /// Completes when there is a message, or the input has ended; `errc::canceled` and the like else.
    static awaitable<result<void>> receive(pointer s);
    static awaitable<void> receive_in_background(pointer s);
    void ensure_receiving();

    // time
    void on_quiet();
    void on_stall();

    portunus::detail::event changed;
    websocket_decoder decoder;
    deadline alive;
    deadline stalled;
    deadline closing_limit;

    websocket_message ready{};                     // a whole message that nobody has read, where has_ready
    std::vector<char> inflated{}, kept_inflated{}; // what `ready`, or who holds a message, looks at
    std::string deflated{};
    std::string out{};
    std::size_t out_begin = 0;
    std::uint64_t appended = 0; // since the beginning
    std::uint64_t sent = 0;
    std::size_t pong_bytes = 0; // in `out`, since it was empty
    std::array<websocket_mask, 64> masks{};
    std::size_t masks_left = 0;
    std::uint64_t pings = 0; // the number of the last one that was sent
    std::uint64_t pongs = 0; // and of the last one that was answered
    bool is_client;
    bool has_ready = false;
    bool held = false; // the user has a view of a message
    bool kept = false; // whose bytes the decoder has put aside
    bool reading = false;
    bool receiving = false;
    bool input_over = false;
    bool output_over = false;
    bool close_sent = false; // appended to `out`, and nothing after it
    bool sending = false;    // send_rest runs
    bool asked = false;      // the peer, for a sign of life
    bool closing = false;
    bool close_late = false;
    bool dropped = false;
    bool compression_lost = false; // for want of memory: later messages would refer to one that never went
};

} // namespace portunus::http::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/websocket.ipp>
#endif

#endif
