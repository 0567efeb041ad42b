// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_TCP_STREAM_HPP
#define PORTUNUS_NET_TCP_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus {

namespace detail {
class tcp_stream_state;
}

/// How a TCP stream behaves. Trivially destructible, so it may be written in place in a `co_await`
/// expression.
struct tcp_stream_options {
    /// No byte in either direction for so long ends the connection (`errc::idle_timeout`). Zero: no limit.
    steady_clock::duration idle_limit{std::chrono::seconds(60)};
    /// A peer that takes no byte for so long while a write waits ends the connection (`errc::write_timeout`).
    steady_clock::duration write_limit{std::chrono::seconds(30)};
    /// Small writes leave at once (TCP_NODELAY).
    bool no_delay{true};
    /// The kernel probes a silent peer, first after this many seconds of silence (SO_KEEPALIVE,
    /// TCP_KEEPIDLE); four unanswered probes 10 s apart end the connection. Zero: off.
    std::chrono::seconds keep_alive{60};
    /// Bytes that the kernel buffers in each direction (SO_RCVBUF, SO_SNDBUF; it doubles and caps them). The
    /// receive buffer bounds the window that a peer sees. Zero: the kernel adapts them to the connection,
    /// which is best nearly always.
    int receive_buffer{0};
    int send_buffer{0};
    /// Bytes that are sent and not acknowledged, or that a peer with a closed window does not let out, for so
    /// long end the connection (TCP_USER_TIMEOUT, RFC 5482): whatever waits gets ETIMEDOUT, or what the
    /// network reported last where the kernel remembers that (EHOSTUNREACH); `close_reason` is timed_out. The
    /// kernel looks at it when it sends again, so up to one retransmission late; it also takes the place of
    /// the count of unanswered keep-alive probes. Zero: the kernel's own patience, 13 to 30 minutes.
    /// `wait_stalled` reports instead (M-12).
    std::chrono::milliseconds user_timeout{0};
    /// What the network reports about the peer (ICMP unreachable and the like, answering a segment that is
    /// not acknowledged yet) ends the connection at once, with the system's code: EHOSTUNREACH, ENETUNREACH,
    /// ECONNREFUSED, ... (IP_RECVERR, IPV6_RECVERR; M-6). Off: TCP goes on trying, as RFC 1122 4.2.3.9 wants,
    /// for a route that is away mostly comes back. Anybody on the path can send such reports.
    bool icmp_errors{false};
};
static_assert(std::is_trivially_destructible_v<tcp_stream_options>);

/// What `wait_stalled` reports: a connection that does not move.
struct stall {
    std::uint64_t unacknowledged{0};     ///< bytes that were sent and that the peer has not acknowledged
    std::uint64_t unsent{0};             ///< bytes that did not leave yet; its window, or the path, is full
    std::chrono::milliseconds lasted{0}; ///< for how long not one byte was acknowledged
};

/// A TCP connection. A thin handle, move-only; models `byte_stream`.
///
/// Every connection gets exactly one `close_reason`: the first cause that was recorded. Destroying the handle
/// closes the connection at once (reason `aborted_locally`); use `close` for a graceful end.
class tcp_stream {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    /// A handle without a connection: operations give `errc::not_connected`.
    tcp_stream() noexcept;
    /// Takes over a connected socket. Its executor must be that of an io_context.
    explicit tcp_stream(boost::asio::ip::tcp::socket connected, const tcp_stream_options& options = {});
    tcp_stream(tcp_stream&&) noexcept;
    tcp_stream& operator=(tcp_stream&&) noexcept;
    ~tcp_stream();

    boost::asio::any_io_executor get_executor() const;

    /// Completes with the number of bytes read, 1 to `into.size()`. May overlap with a write, not with
    /// another read. `into` belongs to the caller until it has completed. `errc::end_of_stream` when the peer
    /// has finished, `errc::idle_timeout` at the idle limit, the system's code (ECONNRESET, ...) when the
    /// connection broke. After a cancellation (`errc::canceled`) no byte is lost.
    awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into);

    /// The same without waiting: `errc::would_block` when nothing has arrived.
    result<std::size_t> try_read_some(boost::asio::mutable_buffer into);

    /// Completes when everything has been handed to the kernel. All or an error: `errc::write_timeout` when
    /// the peer takes nothing for the write limit, `errc::canceled` when nothing had left, `errc::torn_write`
    /// when a part had; after that the connection is of no use. `data` belongs to the caller until it has
    /// completed.
    awaitable<result<void>> write(boost::asio::const_buffer data);
    awaitable<result<void>> write(std::string_view data) { return write(boost::asio::buffer(data)); }

    /// What the kernel takes now, at least 1 byte; `errc::would_block` when it takes nothing.
    result<std::size_t> try_write_some(boost::asio::const_buffer data);

    /// Completes when `try_read_some` has something to say: bytes, the end, or an error that was met; then
    /// this call may report that error. Counts as the stream's read; costs next to no memory while it waits.
    /// Errors and cancellation as `read_some`.
    awaitable<result<void>> wait_readable();
    /// Completes when `try_write_some` would take at least a byte. Counts as the stream's write: errors,
    /// limit and cancellation as `write`, of which nothing has left.
    awaitable<result<void>> wait_writable();

    /// Half close: sends our end after what was written, without waiting; reading goes on. A second call is
    /// fine. Fails as any operation on a stream that has ended.
    awaitable<result<void>> shutdown_send();

    /// Completes when the peer's kernel has acknowledged everything that was written, and our end where
    /// `shutdown_send` was called: the peer has it, whether or not it has read it. May overlap with reads,
    /// writes and other drains; what is written meanwhile counts as well. `errc::drain_timeout` after
    /// `limit`, with the bytes that are missing; `errc::closed_locally` and the like when our side ends it,
    /// the system's code when the connection breaks first. Cancelling takes nothing away (`errc::canceled`).
    /// Asks the kernel (SIOCOUTQ) after half a round trip, at least a millisecond, then at distances that
    /// double up to 50 ms (M-13, M-16).
    awaitable<result<void>> drain(steady_clock::duration limit = default_drain_limit);

    /// Completes when not one byte was acknowledged for `limit` (at least a millisecond) though something is
    /// outstanding: written and not acknowledged, or not sent because the peer's window is closed. Reports
    /// and changes nothing; called again at once it starts anew, so a loop is told once a `limit` (M-12's
    /// action "report"). While nothing is outstanding it waits. May overlap with everything. Never early;
    /// late by up to a sixteenth of `limit`, at most a second, which is how often the kernel is asked. Ends
    /// with the error that ended the connection, `errc::end_of_stream` when both sides finished in order, or
    /// `errc::canceled`.
    awaitable<result<stall>> wait_stalled(steady_clock::duration limit);

    /// Graceful: sends our end, reads and discards until the peer's end or `limit`, closes. So the peer gets
    /// everything that was written, where a plain close of a socket with unread input would send a reset and
    /// destroy it. `errc::drain_timeout` when the peer did not finish in time (the connection is closed all
    /// the same). A pending read completes with `errc::closed_locally`. Several calls may wait at the same
    /// time, each by its own limit: the connection is closed when the last of them ends, or the peer has.
    awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit);

    /// At once and with RST: what is unsent or unread is dropped on both sides. Safe to call at any time.
    void abort(close_reason why = close_reason::aborted_locally) noexcept;

    /// Pending reads and writes, drains and watches for stalls complete with `errc::canceled`; the connection
    /// stays.
    void cancel() noexcept;
    /// The same for a pending read, or wait for readability, alone.
    void cancel_read() noexcept;

    /// Reads deliver what has arrived and then give `errc::shutting_down`; writing goes on.
    void request_stop() noexcept;
    bool stop_requested() const noexcept;

    bool is_open() const noexcept;
    /// Whether the connection has broken, or both ends have finished, though nobody has met it by reading or
    /// writing: asks the kernel and takes nothing of what has arrived. False while a read is pending, which
    /// meets it itself.
    bool is_broken() noexcept;
    /// Whether the peer's end has arrived, also where there is something to read before it.
    bool peer_finished() const noexcept;
    /// Why it ended, or is about to; `close_reason::none` while all is well.
    close_reason reason() const noexcept;
    /// Records why it is about to end, for whoever knows better than the transport (a codec that met
    /// malformed bytes). The first record wins.
    void record_failure(const error& cause);
    /// The error behind `reason()`, with its numbers; an empty one where the reason says it all.
    error failure_cause() const;

    /// Adds to the message counters of the server that it belongs to, if any: for whoever cuts messages.
    void count_messages(std::uint64_t received, std::uint64_t sent) noexcept;
    void count_full_queue() const noexcept;

    /// The two ends; they stay readable after the connection has ended.
    endpoint_type remote_endpoint() const noexcept;
    endpoint_type local_endpoint() const noexcept;
    std::uint64_t bytes_received() const noexcept;
    std::uint64_t bytes_sent() const noexcept;

    /// Changes the idle limit of a live connection; zero turns it off.
    void set_idle_limit(steady_clock::duration limit) noexcept;
    result<void> set_no_delay(bool on) noexcept;
    /// Holds small segments back until `false` (TCP_CORK): for writing one message in several pieces.
    result<void> set_cork(bool on) noexcept;

    /// For system options that have no function here; -1 without a connection.
    int native_handle() const noexcept;

  private:
    friend class detail::tcp_stream_state;
    boost::intrusive_ptr<detail::tcp_stream_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/tcp_stream.hpp>

#endif