// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_HPP
#define PORTUNUS_HTTP_WEBSOCKET_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/websocket_frame.hpp>
#include <portunus/net/any_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

namespace portunus::http {

namespace detail {
class websocket_state;
}

/// Limits of a WebSocket. Trivially destructible, so it may be written in place in a `co_await` expression.
struct websocket_options {
    /// The largest message that is received; a larger one ends the connection (1009,
    /// `errc::frame_too_large`). A compressed one counts as it comes and as it unfolds.
    std::size_t max_message{1024 * 1024};
    /// How many bytes may wait to be sent: `queue` refuses what does not fit, `write` waits for room.
    std::size_t max_queued{1024 * 1024};
    /// When nothing has come for so long the peer is asked for a sign of life (a ping). Zero: never.
    steady_clock::duration ping_interval{std::chrono::seconds(20)};
    /// How long it may take to give one: then `errc::idle_timeout`, and the connection is broken off.
    steady_clock::duration pong_limit{std::chrono::seconds(20)};
    /// How long it may take nothing of what we send: then `errc::write_timeout`.
    steady_clock::duration write_limit{std::chrono::seconds(30)};
    /// How long `close` waits for the peer's own close, and for its end, together.
    steady_clock::duration close_limit{std::chrono::seconds(5)};
};
static_assert(std::is_trivially_destructible_v<websocket_options>);

struct websocket_message {
    std::string_view data{};
    bool is_text = false; ///< it is UTF-8 then
};

/// A WebSocket (RFC 6455), either end. A thin handle, move-only. Made by `upgrade` and `websocket_handler`
/// (<portunus/http/websocket_handler.hpp>) and by `connect_websocket` (<portunus/http/websocket_client.hpp>).
///
///     awaitable<void> echo(http::websocket socket) {
///         for (;;) {
///             auto message = co_await socket.read();
///             if (!message) break;
///             auto sent = co_await socket.write(message->data);
///             if (!sent) break;
///         }
///         auto closed = co_await socket.close();
///     }
///
/// One may read while several write. Pings are answered, and the peer is asked for signs of life, by itself,
/// while nobody reads as well; but not beyond a whole message that nobody has read yet. A cancelled call
/// leaves the WebSocket as it was: no message is torn or lost by it.
///
/// How it ends, for `read`, and for `write` after that:
///
/// | | |
/// |---|---|
/// | `errc::end_of_stream` | the peer closed in good order; `close_code` tells why |
/// | `connection_reset` | the connection ended without a word (`websocket_code::abnormal`) |
/// | `errc::malformed_frame`, `errc::frame_too_large` | the peer broke the rules, and was told so |
/// | `errc::idle_timeout`, `errc::write_timeout` | it gave no sign of life, or took nothing |
/// | `errc::shutting_down` | our program stops; the peer was told (1001) |
/// | `errc::closed_locally`, `errc::aborted_locally` | our own `close` or `abort` |
///
/// Destroying the handle while it is open tells the peer that we go away (1001) where that fits at once, and
/// destroys the connection; what is pending completes with `errc::canceled`. In a server the WebSocket of a
/// handler that has returned is closed in good order.
class websocket {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    /// A handle without a connection: operations give `errc::not_connected`.
    websocket() noexcept;
    /// Speaks over a stream on which the handshake is done.
    explicit websocket(any_stream stream, websocket_role we_are, const websocket_options& options = {},
                       std::string subprotocol = {});
    websocket(websocket&&) noexcept;
    websocket& operator=(websocket&&) noexcept;
    ~websocket();

    boost::asio::any_io_executor get_executor() const;

    /// Completes with the next whole message, in however many frames it came; a view that is valid until the
    /// next `read` or `try_read`, or until the handle is destroyed. A second reader gets
    /// `errc::operation_in_progress`.
    awaitable<result<websocket_message>> read();
    /// The same without waiting: `errc::would_block` when no whole message has arrived.
    result<websocket_message> try_read();

    /// Completes when the stream below has taken all of the message; what others wrote before goes first.
    /// While `max_queued` bytes wait it waits before it copies. The text has to be UTF-8
    /// (`errc::unencodable_payload`, nothing was sent). A cancelled write (`errc::canceled`) was copied, and
    /// then is sent all the same, or was not.
    awaitable<result<void>> write(std::string_view text);
    awaitable<result<void>> write_binary(std::string_view bytes);

    /// Copies the message, to be sent by and by without anybody waiting for it: what is queued in one go
    /// leaves in one piece. `errc::queue_full` when it does not fit into `max_queued`, and nothing was
    /// queued: for sending to many, of whom some are slow.
    result<void> queue(std::string_view text);
    result<void> queue_binary(std::string_view bytes);
    /// How many bytes wait to be sent, headers included.
    std::size_t queued() const noexcept;

    /// Sends a ping and completes with the time until its pong. `errc::read_timeout` after `limit`; where
    /// messages come, somebody has to read them, or the pong behind them is not seen. For keeping a
    /// connection alive nobody needs it.
    awaitable<result<steady_clock::duration>> ping(steady_clock::duration limit = std::chrono::seconds(20));

    /// Sends what is queued and our close, waits for the peer's, then closes the connection: all within
    /// `close_limit`, or `errc::drain_timeout`. Messages that come meanwhile are dropped. Where the peer has
    /// closed first, or the connection is gone, only the rest of that is done. A reason of more than 123
    /// bytes is cut. `errc::invalid_option` for a code that must not be sent. To be called once; a second
    /// call meanwhile gets `errc::operation_in_progress`. Cancelling it breaks the connection off.
    awaitable<result<void>> close(websocket_code code = websocket_code::normal, std::string_view reason = {});
    /// At once: what was not sent is lost.
    void abort() noexcept;

    /// Whether messages may still come and go.
    bool is_open() const noexcept;
    /// What the peer closed with; `websocket_code::none` while it has not.
    websocket_code close_code() const noexcept;
    std::string close_text() const;
    /// What was agreed on; empty: nothing.
    std::string_view subprotocol() const noexcept;

    endpoint_type remote_endpoint() const noexcept;
    endpoint_type local_endpoint() const noexcept;

  private:
    friend class detail::websocket_state;
    explicit websocket(boost::intrusive_ptr<detail::websocket_state> state) noexcept;
    boost::intrusive_ptr<detail::websocket_state> state_;
};

} // namespace portunus::http

#include <portunus/http/impl/websocket.hpp>

#endif
