// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_TCP_STREAM_HPP
#define PORTUNUS_NET_IMPL_TCP_STREAM_HPP

#include <portunus/net/tcp_stream.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/metrics.hpp>
#include <portunus/net/detail/parking.hpp>
#include <portunus/net/detail/stream_watch.hpp>
#include <portunus/net/detail/tcp_info.hpp>
#include <portunus/policy/admission.hpp>

#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>
#include <memory>
#include <optional>

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace portunus {
namespace detail {

inline error system_error(int number) {
    return error(boost::system::error_code(number, boost::system::system_category()));
}

/// Sets what the kernel does by itself; before connecting, as the window is agreed on then. On a listening
/// socket it holds for every connection accepted from it.
PORTUNUS_DECL void apply_to_socket(int fd, const tcp_stream_options& options) noexcept;

/// A limit in the half of the space: up to 49 days, zero for none. Limits below a millisecond become one.
using milliseconds32 = std::chrono::duration<std::uint32_t, std::milli>;
inline milliseconds32 milliseconds_of(steady_clock::duration d) noexcept {
    if (d <= steady_clock::duration::zero()) return milliseconds32(0);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(d).count();
    return milliseconds32(static_cast<std::uint32_t>(std::min<std::int64_t>(ms, UINT32_MAX)));
}

/// Guesses whether the next bytes will be there once the context has served its other connections.
///
/// Asio tries to receive at once when a read begins. Right after an answer nothing can be there yet: on a
/// busy context that is a wasted system call for every message. Where yielding first proved to pay, a read
/// yields and then receives by itself, with no wait at all; where it did not (one connection, a slow peer),
/// it is tried again now and then.
class read_luck {
  public:
    /// The first read of all: a peer that connects mostly has something to say, and has said it by now.
    bool first() noexcept { return reads_ == 0 && ++reads_ == 1; }
    bool worth_a_yield() noexcept { return score_ >= threshold || (reads_ += 2) % 64 == 1; }
    void learn(bool was_there) noexcept {
        if (was_there)
            score_ = static_cast<std::uint8_t>(std::min(score_ + 2, 2 * threshold));
        else
            score_ = static_cast<std::uint8_t>(std::max(score_ - 5, 0));
    }

  private:
    static constexpr int threshold = 8;
    std::uint8_t score_ = 0;
    std::uint8_t reads_ = 0;
};

/// What a `tcp_stream` and its pending operations share. The count is not atomic: a connection belongs to one
/// thread.
class tcp_stream_state final
    : public boost::intrusive_ref_counter<tcp_stream_state, boost::thread_unsafe_counter>,
      private context_bound {
  public:
    using pointer = boost::intrusive_ptr<tcp_stream_state>;
    using socket_type = boost::asio::ip::tcp::socket;
    using endpoint_type = boost::asio::ip::tcp::endpoint;
    enum class direction : bool { reading, writing };

    tcp_stream_state(socket_type connected, const tcp_stream_options& options,
                     const endpoint_type& remote_end, const endpoint_type& local_end);

    /// A stream whose ends are known already, and whose socket has its options from the listener.
    static tcp_stream make(socket_type connected, const tcp_stream_options& options,
                           const endpoint_type& remote_end, const endpoint_type& local_end);

    static tcp_stream_state& of(tcp_stream& s) noexcept { return *s.state_; }
    static const pointer& pointer_of(const tcp_stream& s) noexcept { return s.state_; }

    /// Bytes moved: the idle limit starts anew.
    void touch() {
        if (idle_limit.count() != 0) idle.arm(idle_limit);
    }

    /// Bytes that the peer has not acknowledged, or that have not left yet.
    std::uint32_t unacknowledged() noexcept;
    /// Whether the peer has taken bytes since the last time that this was asked, or since `sent_before` was
    /// noted: a slow peer that takes what we send is neither idle nor stalled, though no call of ours moves a
    /// byte.
    bool peer_takes_bytes() noexcept;

    void idle_too_long() {
        if (peer_takes_bytes()) return touch();
        fail_both(errc::idle_timeout);
    }

    /// Records why the connection ends; the first reason wins.
    void end(close_reason why) noexcept {
        if (reason == close_reason::none) reason = why;
    }
    void end(const error& failed) { end_because(reason_of(failed), failed); }
    void end_because(close_reason why, const error& failed);

    /// Ends both directions with a cause that every later operation reports as well.
    void fail_both(errc why);

    /// Wakes whatever waits. A direction without a cause of its own waits again.
    void wake() noexcept;
    /// The waits beside reading and writing; `cancel`: they end.
    void wake_watches(bool cancel) noexcept {
        if (watches != 0 && socket) stream_watch::wake(socket->get_executor(), this, cancel);
    }

    /// What keeps an operation from starting or going on.
    std::optional<error> blocked() const;

    bool& busy(direction d) noexcept { return d == direction::reading ? reading : writing; }
    bool& canceled(direction d) noexcept { return d == direction::reading ? read_canceled : write_canceled; }

    /// A failure of the transport itself: remembered as the reason.
    error transport_failed(const boost::system::error_code& ec);

    /// With `icmp_errors`: the kernel tells once what the network reported, and would then go on trying.
    static bool reported_by_network(int number) noexcept;
    /// Ends a connection that the kernel holds to be alive, and keeps the descriptor; the other direction
    /// wakes up by it.
    void end_in_kernel() noexcept;

    /// Why the connection has ended, where nobody may be reading who would have met it.
    std::optional<error> ended();

    result<std::size_t> receive(boost::asio::mutable_buffer into);

    /// What is read after `request_stop`: the bytes that had arrived by then, and the end if it is right
    /// behind them. A peer that never pauses would otherwise put off the end for as long as it likes.
    result<std::size_t> receive_rest(boost::asio::mutable_buffer into);

    std::size_t received(std::size_t n);

    result<std::size_t> send(boost::asio::const_buffer data);

    void request_stop() noexcept;
    void count_rest() noexcept;

    void shutdown_send() noexcept;

    auto yield_op() { return place.yield_op(idle_wait); }

    /// Waits for bytes, or for the end, with next to no memory; for a stream that is idle.
    auto park_op() { return place.wait_op(idle_wait, socket->native_handle()); }

    void close_socket() noexcept;

    void abort(close_reason why) noexcept;

    /// The handle is gone.
    void drop() noexcept;

    static awaitable<result<std::size_t>> read_some(pointer s, boost::asio::mutable_buffer into);
    // Its steps, kept out of the coroutine: what is local there stays in memory for as long as it waits.
    bool must_wait(boost::asio::mutable_buffer into, const boost::asio::cancellation_state& asked,
                   result<std::size_t>& outcome);
    bool came_meanwhile(boost::asio::mutable_buffer into, result<std::size_t>& outcome);
    bool read_ended(const boost::system::error_code& ec, std::size_t n, result<std::size_t>& outcome);

    /// The idle wait in pieces, for a coroutine that wants it in its own frame: `begin_idle`, `co_await
    /// park_op()`, `end_idle`. A wait that was ended for no reason of its own (the other direction was
    /// cancelled) gives `canceled`.
    /// False when there is nothing to wait for; `outcome` then says why.
    bool begin_idle(result<std::size_t>& outcome);
    void end_idle(const boost::system::error_code& ec, result<std::size_t>& outcome);

    static awaitable<result<void>> wait_readable(pointer s);
    static awaitable<result<void>> wait_writable(pointer s);
    static awaitable<result<void>> write(pointer s, boost::asio::const_buffer data);
    static awaitable<result<void>> write_rest(pointer s, boost::asio::const_buffer data, bool some_left);
    static awaitable<result<void>> half_close(pointer s);
    static awaitable<result<void>> close(pointer s, steady_clock::duration limit);

    static awaitable<result<void>> drain(pointer s, steady_clock::duration limit);
    /// Whether there is nothing more to wait for; `outcome` then says why.
    bool drained_or_ended(result<void>& outcome);
    error not_drained(steady_clock::duration limit);

    static awaitable<result<stall>> wait_stalled(pointer s, steady_clock::duration limit);
    struct stall_clock {
        std::uint64_t acknowledged;
        steady_clock::time_point since;
    };
    bool stalled_or_ended(stall_clock& clock, steady_clock::time_point now, steady_clock::duration limit,
                          result<stall>& outcome);

    std::optional<socket_type> socket; // none once the context is gone
    parking& place;                    // of the context; not used once the socket is gone
    parked idle_wait;
    deadline idle;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    endpoint_type remote;
    endpoint_type local;
    admission_ticket ticket;            // its place in the house of the listener it came through
    context_counters* counts = nullptr; // of the server it belongs to, if any; outlives the context
    std::unique_ptr<const error> cause; // of a reason that needs explaining
    milliseconds32 idle_limit;
    milliseconds32 write_limit;
    std::uint32_t sent_before = 0;  // unacknowledged bytes when a limit was last looked at
    std::uint32_t left_to_read = 0; // bytes, after request_stop()
    int broken_by = 0;              // the errno of the transport's failure
    errc obstacle{};                // why nothing goes any more; errc{} while it does
    close_reason reason = close_reason::none;
    read_luck luck;
    bool reading = false;
    bool writing = false;
    bool read_canceled = false;
    bool write_canceled = false;
    bool stop_requested = false;
    bool mark_crossed = false; // of urgent data, after request_stop()
    bool send_ended = false;
    bool peer_finished = false;
    bool closing = false;
    bool drained = false;     // a close() has seen the peer's end
    std::uint8_t closers = 0; // calls of close() that wait
    bool dropped = false;     // its handle was destroyed
    bool kept = false;        // outlives its handle: a server closes it gracefully after the session
    bool ended_here = false;  // the kernel's connection was ended by us, after what `broken_by` says
    stream_watch::count_type watches = 0; // waits beside reading and writing

  private:
    void release_context() noexcept override;
};

PORTUNUS_DECL error second_operation(tcp_stream_state::direction d);

inline bool tcp_stream_state::begin_idle(result<std::size_t>& outcome) {
    if (reading) {
        outcome = second_operation(direction::reading);
        return false;
    }
    if (auto e = blocked()) {
        outcome = *std::move(e);
        return false;
    }
    if (stop_requested) return false; // there is something to say: the rest, or shutting_down
    reading = true;
    read_canceled = false;
    return true;
}

inline void tcp_stream_state::end_idle(const boost::system::error_code& ec, result<std::size_t>& outcome) {
    reading = false;
    if (auto e = blocked())
        outcome = *std::move(e);
    else if (ec && ec != boost::asio::error::no_buffer_space && (read_canceled || !stop_requested))
        outcome = errc::canceled;
}

PORTUNUS_DECL error too_many_watches();

/// An operation on a handle without a connection.
template <class T>
awaitable<result<T>> not_connected() {
    co_return errc::not_connected;
}

} // namespace detail
inline awaitable<result<std::size_t>> tcp_stream::read_some(boost::asio::mutable_buffer into) {
    return state_ ? detail::tcp_stream_state::read_some(state_, into) : detail::not_connected<std::size_t>();
}
inline result<std::size_t> tcp_stream::try_read_some(boost::asio::mutable_buffer into) {
    if (!state_) return errc::not_connected;
    if (state_->reading) return detail::second_operation(detail::tcp_stream_state::direction::reading);
    return state_->stop_requested ? state_->receive_rest(into) : state_->receive(into);
}
inline awaitable<result<void>> tcp_stream::write(boost::asio::const_buffer data) {
    return state_ ? detail::tcp_stream_state::write(state_, data) : detail::not_connected<void>();
}
inline result<std::size_t> tcp_stream::try_write_some(boost::asio::const_buffer data) {
    if (!state_) return errc::not_connected;
    if (state_->writing) return detail::second_operation(detail::tcp_stream_state::direction::writing);
    return state_->send(data);
}
inline bool tcp_stream::is_open() const noexcept {
    return state_ && state_->socket && state_->socket->is_open();
}
inline bool tcp_stream::stop_requested() const noexcept {
    return state_ && state_->stop_requested;
}
inline void tcp_stream::count_full_queue() const noexcept {
    if (state_ && state_->counts) state_->counts->queue_full.add();
}
inline void tcp_stream::count_messages(std::uint64_t received, std::uint64_t sent) noexcept {
    if (!state_ || !state_->counts) return;
    state_->counts->messages_in.add(received);
    state_->counts->messages_out.add(sent);
}

static_assert(byte_stream<tcp_stream>);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/tcp_stream.ipp>
#endif

#endif
