// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_TCP_STREAM_HPP
#define PORTUNUS_NET_IMPL_TCP_STREAM_HPP

#include <portunus/net/tcp_stream.hpp>

#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/metrics.hpp>
#include <portunus/net/detail/parking.hpp>
#include <portunus/net/detail/stream_watch.hpp>
#include <portunus/net/detail/tcp_info.hpp>
#include <portunus/policy/admission.hpp>

#include <boost/asio/post.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace portunus {
namespace detail {

inline error system_error(int number) {
    return error(boost::system::error_code(number, boost::system::system_category()));
}

/// Sets what the kernel does by itself; before connecting, as the window is agreed on then. On a listening
/// socket it holds for every connection accepted from it.
inline void apply_to_socket(int fd, const tcp_stream_options& options) noexcept {
    const auto set = [fd](int level, int name, int value) {
        ::setsockopt(fd, level, name, &value, sizeof value);
    };
    if (options.no_delay) set(IPPROTO_TCP, TCP_NODELAY, 1);
    if (options.receive_buffer > 0) set(SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
    if (options.send_buffer > 0) set(SOL_SOCKET, SO_SNDBUF, options.send_buffer);
    if (options.user_timeout.count() > 0)
        set(IPPROTO_TCP, TCP_USER_TIMEOUT,
            static_cast<int>(std::min<std::int64_t>(options.user_timeout.count(), INT32_MAX)));
    if (options.icmp_errors) {
        set(IPPROTO_IP, IP_RECVERR, 1); // on an IPv6 socket for the IPv4 peers that it may have
        set(IPPROTO_IPV6, IPV6_RECVERR, 1);
    }
    if (options.keep_alive.count() <= 0) return;
    const auto longest = std::chrono::seconds(32767); // the kernel's own
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(std::min(options.keep_alive, longest).count()));
    set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

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
                     const endpoint_type& remote_end, const endpoint_type& local_end)
        : context_bound(connected.get_executor()), socket(std::move(connected)),
          place(parking::of(socket->get_executor())),
          idle(deadline_service::of(socket->get_executor()), this,
               [](void* self) { static_cast<tcp_stream_state*>(self)->idle_too_long(); }),
          remote(remote_end), local(local_end), idle_limit(milliseconds_of(options.idle_limit)),
          write_limit(milliseconds_of(options.write_limit)) {
        touch();
    }

    /// A stream whose ends are known already, and whose socket has its options from the listener.
    static tcp_stream make(socket_type connected, const tcp_stream_options& options,
                           const endpoint_type& remote_end, const endpoint_type& local_end) {
        tcp_stream stream;
        stream.state_.reset(new tcp_stream_state(std::move(connected), options, remote_end, local_end));
        return stream;
    }

    static tcp_stream_state& of(tcp_stream& s) noexcept { return *s.state_; }
    static const pointer& pointer_of(const tcp_stream& s) noexcept { return s.state_; }

    /// Bytes moved: the idle limit starts anew.
    void touch() {
        if (idle_limit.count() != 0) idle.arm(idle_limit);
    }

    /// Bytes that the peer has not acknowledged, or that have not left yet.
    std::uint32_t unacknowledged() noexcept {
        int queued = 0;
        if (!socket || ::ioctl(socket->native_handle(), SIOCOUTQ, &queued) != 0) return 0;
        return static_cast<std::uint32_t>(queued);
    }
    /// Whether the peer has taken bytes since the last time that this was asked, or since `sent_before` was
    /// noted: a slow peer that takes what we send is neither idle nor stalled, though no call of ours moves a
    /// byte.
    bool peer_takes_bytes() noexcept {
        const std::uint32_t now = unacknowledged();
        const bool fewer = now != 0 && (sent_before == 0 || now < sent_before);
        sent_before = now;
        return fewer;
    }

    void idle_too_long() {
        if (peer_takes_bytes()) return touch();
        fail_both(errc::idle_timeout);
    }

    /// Records why the connection ends; the first reason wins.
    void end(close_reason why) noexcept {
        if (reason == close_reason::none) reason = why;
    }
    void end(const error& failed) { end_because(reason_of(failed), failed); }
    void end_because(close_reason why, const error& failed) {
        if (reason != close_reason::none) return;
        reason = why;
        cause = std::make_unique<const error>(failed);
    }

    /// Ends both directions with a cause that every later operation reports as well.
    void fail_both(errc why) {
        if (obstacle == errc{}) obstacle = why;
        end(error(obstacle));
        wake();
    }

    /// Wakes whatever waits. A direction without a cause of its own waits again.
    void wake() noexcept {
        if (!socket) return;
        if (idle_wait.waiting()) idle_wait.cancel(place);
        boost::system::error_code ignored;
        socket->cancel(ignored);
        wake_watches(false);
    }
    /// The waits beside reading and writing; `cancel`: they end.
    void wake_watches(bool cancel) noexcept {
        if (watches != 0 && socket) stream_watch::wake(socket->get_executor(), this, cancel);
    }

    /// What keeps an operation from starting or going on.
    std::optional<error> blocked() const {
        if (obstacle != errc{}) return error(obstacle);
        if (!socket || !socket->is_open()) return error(errc::not_connected);
        return std::nullopt;
    }

    bool& busy(direction d) noexcept { return d == direction::reading ? reading : writing; }
    bool& canceled(direction d) noexcept { return d == direction::reading ? read_canceled : write_canceled; }

    /// A failure of the transport itself: remembered as the reason.
    error transport_failed(const boost::system::error_code& ec) {
        if (ec == boost::asio::error::eof) {
            // The kernel tells of a broken connection once, to whoever comes first; to the next one it looks
            // like an orderly end.
            if (broken_by != 0 && !peer_finished) return system_error(broken_by);
            peer_finished = true;
            if (watches != 0) wake(); // nothing urgent can come any more
            return errc::end_of_stream;
        }
        if (broken_by != 0 && ended_here) return system_error(broken_by); // what follows is our own doing
        broken_by = ec.value();
        if (reported_by_network(broken_by)) {
            // Where the kernel has given the connection up, it ran out of time, and this is only what it
            // heard last. Where it has not, this is a report, and no policy of ours has denied anything.
            const bool gave_up = tcp_state_of(socket->native_handle()) == TCP_CLOSE;
            end_because(gave_up ? close_reason::timed_out : close_reason::reset, error(ec));
            end_in_kernel();
        }
        end(error(ec));
        return error(ec);
    }

    /// With `icmp_errors`: the kernel tells once what the network reported, and would then go on trying.
    static bool reported_by_network(int number) noexcept {
        switch (number) {
        case ENETUNREACH:
        case EHOSTUNREACH:
        case EHOSTDOWN:
        case ENONET:
        case ECONNREFUSED:
        case ENOPROTOOPT:
        case EPROTO:
        case EOPNOTSUPP:
        case EACCES:
            return true;
        default:
            return false;
        }
    }
    /// Ends a connection that the kernel holds to be alive, and keeps the descriptor; the other direction
    /// wakes up by it.
    void end_in_kernel() noexcept {
        if (tcp_state_of(socket->native_handle()) == TCP_CLOSE) return;
        sockaddr nobody = {};
        nobody.sa_family = AF_UNSPEC;
        ended_here = ::connect(socket->native_handle(), &nobody, sizeof nobody) == 0;
    }

    /// Why the connection has ended, where nobody may be reading who would have met it.
    std::optional<error> ended() {
        if (auto e = blocked()) return e;
        if (broken_by != 0) return system_error(broken_by);
        const int fd = socket->native_handle();
        pollfd now = {fd, 0, 0};
        if (::poll(&now, 1, 0) <= 0) return std::nullopt; // neither an error nor the end of both directions
        const bool over = tcp_state_of(fd) == TCP_CLOSE;
        int number = 0;
        socklen_t size = sizeof number;
        // Only then, as SO_ERROR also tells what TCP is about to get over.
        if ((over || (now.revents & POLLERR)) && ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
            return system_error(errno);
        // The kernel tells it once; a read that follows finds it in `broken_by`.
        if (number != 0) return transport_failed(system_error(number).code());
        // A read that was woken may hold the error already.
        if (reading || !over) return std::nullopt;
        if (unacknowledged() == 0) return error(errc::end_of_stream);
        return transport_failed(boost::asio::error::connection_reset);
    }

    result<std::size_t> receive(boost::asio::mutable_buffer into) {
        if (auto e = blocked()) return *std::move(e);
        for (;;) {
            const auto n = ::recv(socket->native_handle(), into.data(), into.size(), MSG_DONTWAIT);
            if (n > 0) return received(static_cast<std::size_t>(n));
            if (n == 0) {
                if (into.size() == 0) return std::size_t{0};
                return transport_failed(boost::asio::error::eof);
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) return errc::would_block;
            if (errno != EINTR) return transport_failed(system_error(errno).code());
        }
    }

    /// What is read after `request_stop`: the bytes that had arrived by then, and the end if it is right
    /// behind them. A peer that never pauses would otherwise put off the end for as long as it likes.
    result<std::size_t> receive_rest(boost::asio::mutable_buffer into) {
        if (left_to_read != 0) {
            auto got = receive(boost::asio::buffer(into, left_to_read));
            if (got) left_to_read -= static_cast<std::uint32_t>(*got);
            if (got || got.error() != errc::would_block) return got;
            return errc::shutting_down;
        }
        int at_mark = 0;
        if (!mark_crossed && socket && ::ioctl(socket->native_handle(), SIOCATMARK, &at_mark) == 0 &&
            at_mark != 0) { // what had arrived was counted up to the mark of urgent data only
            mark_crossed = true;
            auto got = receive(into);
            if (got) count_rest();
            if (got || got.error() != errc::would_block) return got;
        }
        if (auto e = blocked()) return *std::move(e);
        char one;
        const auto n = ::recv(socket->native_handle(), &one, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0) return transport_failed(boost::asio::error::eof);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return transport_failed(system_error(errno).code());
        return errc::shutting_down;
    }

    std::size_t received(std::size_t n) {
        bytes_in += n;
        if (counts) counts->bytes_in.add(n);
        touch();
        return n;
    }

    result<std::size_t> send(boost::asio::const_buffer data) {
        if (auto e = blocked()) return *std::move(e);
        if (send_ended) return error(errc::closed_locally, "the sending direction was shut down");
        for (;;) {
            const auto n =
                ::send(socket->native_handle(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n >= 0) {
                bytes_out += static_cast<std::size_t>(n);
                if (counts) counts->bytes_out.add(static_cast<std::uint64_t>(n));
                touch();
                return static_cast<std::size_t>(n);
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) return errc::would_block;
            if (errno != EINTR) return transport_failed(system_error(errno).code());
        }
    }

    void request_stop() noexcept {
        if (stop_requested) return;
        stop_requested = true;
        count_rest();
        if (reading || watches != 0) wake();
    }
    void count_rest() noexcept {
        int there = 0;
        if (socket && ::ioctl(socket->native_handle(), FIONREAD, &there) == 0 && there > 0)
            left_to_read = static_cast<std::uint32_t>(there);
    }

    void shutdown_send() noexcept {
        if (!socket || send_ended) return;
        send_ended = true;
        ::shutdown(socket->native_handle(), SHUT_WR);
    }

    auto yield_op() { return place.yield_op(idle_wait); }

    /// Waits for bytes, or for the end, with next to no memory; for a stream that is idle.
    auto park_op() { return place.wait_op(idle_wait, socket->native_handle()); }

    void close_socket() noexcept {
        idle.disarm();
        if (!kept) ticket.release(); // or when its session is over
        if (!socket) return;
        wake_watches(false);
        if (idle_wait.waiting()) idle_wait.cancel(place);
        boost::system::error_code ignored;
        socket->close(ignored);
    }

    void abort(close_reason why) noexcept {
        end(why);
        if (obstacle == errc{})
            obstacle = why == close_reason::replaced   ? errc::replaced
                       : why == close_reason::shutdown ? errc::shutting_down
                                                       : errc::aborted_locally;
        if (!socket || !socket->is_open()) return;
        const struct linger at_once = {1, 0};
        ::setsockopt(socket->native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close_socket();
    }

    /// The handle is gone.
    void drop() noexcept {
        if (!socket || !socket->is_open()) return;
        if (kept) { // whoever keeps it closes it in good order; nobody else uses it any more
            if (reading || writing) {
                read_canceled = reading;
                write_canceled = writing;
                wake();
            }
            wake_watches(true);
            return;
        }
        end(peer_finished ? close_reason::eof : close_reason::aborted_locally);
        if (obstacle == errc{}) obstacle = errc::canceled;
        dropped = true;
        close_socket();
    }

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
    void release_context() noexcept override {
        idle.disarm();
        counts = nullptr; // they may go next
        socket.reset();
    }
};

/// Marks a direction as busy for the life of an operation.
class operation_mark {
  public:
    operation_mark(tcp_stream_state& s, tcp_stream_state::direction d) noexcept : flag_(s.busy(d)) {
        flag_ = true;
        s.canceled(d) = false;
    }
    operation_mark(const operation_mark&) = delete;
    operation_mark& operator=(const operation_mark&) = delete;
    ~operation_mark() { flag_ = false; }

  private:
    bool& flag_;
};

inline error second_operation(tcp_stream_state::direction d) {
    return error(errc::operation_in_progress, d == tcp_stream_state::direction::reading
                                                  ? "another coroutine already reads from this stream"
                                                  : "another coroutine already writes to this stream");
}

inline bool tcp_stream_state::must_wait(boost::asio::mutable_buffer into,
                                        const boost::asio::cancellation_state& asked,
                                        result<std::size_t>& outcome) {
    if (auto e = blocked()) {
        outcome = *std::move(e);
        return false;
    }
    if (read_canceled || stop_asked(asked)) {
        outcome = errc::canceled;
        return false;
    }
    if (peer_finished || broken_by != 0) { // Asio would wait for an event that has been
        outcome = receive(into);
        return false;
    }
    if (!stop_requested) return true;
    outcome = receive_rest(into);
    return false;
}

inline bool tcp_stream_state::came_meanwhile(boost::asio::mutable_buffer into, result<std::size_t>& outcome) {
    if (obstacle != errc{} || read_canceled || stop_requested || !socket) return false;
    const auto n = ::recv(socket->native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    luck.learn(n > 0);
    if (n > 0)
        outcome = received(static_cast<std::size_t>(n));
    else if (n < 0 && errno != EAGAIN && errno != EINTR) // told once: the read that follows would see an end
        outcome = transport_failed(system_error(errno).code());
    else
        return false;
    return true;
}

inline bool tcp_stream_state::read_ended(const boost::system::error_code& ec, std::size_t n,
                                         result<std::size_t>& outcome) {
    if (ec == boost::asio::error::operation_aborted) return false; // why, says must_wait()
    if (!ec)
        outcome = received(n);
    else if (auto e = blocked())
        outcome = *std::move(e);
    else
        outcome = transport_failed(ec);
    return true;
}

inline awaitable<result<std::size_t>> tcp_stream_state::read_some(pointer s,
                                                                  boost::asio::mutable_buffer into) {
    if (s->reading) co_return second_operation(direction::reading);
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const operation_mark mark(*s, direction::reading);
    result<std::size_t> outcome = std::size_t{0};
    while (s->must_wait(into, asked, outcome)) {
        if (s->luck.first()) {
            if (s->came_meanwhile(into, outcome)) break;
        } else if (s->luck.worth_a_yield()) {
            co_await s->yield_op();
            if (s->came_meanwhile(into, outcome)) break;
            if (!s->must_wait(into, asked, outcome)) break;
        }
        const auto [ec, n] = co_await s->socket->async_read_some(into, use_result);
        if (s->read_ended(ec, n, outcome)) break;
    }
    co_return outcome;
}

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

inline awaitable<result<void>> tcp_stream_state::wait_readable(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    result<std::size_t> outcome = std::size_t{0};
    for (;;) {
        if (stop_asked(asked)) co_return errc::canceled;
        if (!s->begin_idle(outcome)) break;
        auto [ec] = co_await s->park_op();
        if (ec == boost::asio::error::no_buffer_space) { // no room in the set: the expensive way
            const auto [waited] = co_await s->socket->async_wait(socket_type::wait_read, use_result);
            ec = waited;
        }
        s->end_idle(ec, outcome);
        if (outcome || s->read_canceled || outcome.error() != errc::canceled) break;
        outcome = std::size_t{0}; // the other direction was cancelled, or this coroutine
    }
    if (outcome) co_return result<void>();
    co_return std::move(outcome).error();
}

inline awaitable<result<void>> tcp_stream_state::wait_writable(pointer s) {
    if (s->writing) co_return second_operation(direction::writing);
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    operation_mark mark(*s, direction::writing);
    if (auto e = s->blocked()) co_return *std::move(e);
    struct watch {
        tcp_stream_state* stream;
        deadline* limit;
    } mine{s.get(), nullptr};
    deadline stalled(deadline_service::of(s->socket->get_executor()), &mine, [](void* owner) {
        auto& w = *static_cast<watch*>(owner);
        // The kernel calls a socket writable only when a third of its buffer is free.
        if (w.stream->peer_takes_bytes()) return w.limit->arm(w.stream->write_limit);
        w.stream->fail_both(errc::write_timeout);
    });
    mine.limit = &stalled;
    s->sent_before = s->unacknowledged();
    if (s->write_limit.count() != 0) stalled.arm(s->write_limit);
    for (;;) {
        if (auto e = s->blocked()) co_return *std::move(e);
        if (s->write_canceled || stop_asked(asked)) co_return errc::canceled;
        const auto [ec] = co_await s->socket->async_wait(socket_type::wait_write, use_result);
        if (!ec) co_return result<void>();
        if (ec != boost::asio::error::operation_aborted) co_return s->transport_failed(ec);
    }
}

inline awaitable<result<void>> tcp_stream_state::write(pointer s, boost::asio::const_buffer data) {
    if (s->writing) co_return second_operation(direction::writing);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled; // or a loop of writes to a quick peer would never see it
    if (data.size() == 0) {
        if (auto e = s->blocked()) co_return *std::move(e);
        co_return result<void>();
    }
    auto sent = s->send(data); // at once: nearly always all of it
    if (sent && *sent == data.size()) co_return result<void>();
    if (!sent && sent.error() != errc::would_block) co_return std::move(sent).error();
    const std::size_t n = sent ? *sent : 0;
    co_return co_await write_rest(std::move(s), data + n, n != 0);
}

inline awaitable<result<void>> tcp_stream_state::write_rest(pointer s, boost::asio::const_buffer data,
                                                            bool some_left) {
    while (data.size() != 0) {
        auto room = co_await wait_writable(s);
        if (!room) {
            if (room.error() != errc::canceled || !some_left) co_return room;
            // A part of a message is out: whatever followed would be read as the rest of it.
            s->fail_both(errc::torn_write);
            co_return errc::torn_write;
        }
        auto sent = s->send(data);
        if (sent) {
            data += *sent;
            some_left = true;
        } else if (sent.error() != errc::would_block) {
            co_return std::move(sent).error();
        }
    }
    co_return result<void>();
}

inline awaitable<result<void>> tcp_stream_state::half_close(pointer s) {
    if (auto e = s->blocked()) co_return *std::move(e);
    s->shutdown_send();
    co_return result<void>();
}

inline awaitable<result<void>> tcp_stream_state::close(pointer s, steady_clock::duration limit) {
    if (!s->socket || !s->socket->is_open()) co_return result<void>();
    s->closing = true;
    s->end(s->peer_finished ? close_reason::eof : close_reason::closed_locally);
    const bool broken = s->obstacle != errc{} && s->obstacle != errc::closed_locally; // or it closes already
    if (!broken) s->obstacle = errc::closed_locally;
    s->idle.disarm();
    if (s->reading || s->writing || s->watches != 0) s->wake();
    s->shutdown_send();
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct counted {
        tcp_stream_state& stream;
        ~counted() { --stream.closers; }
    } mine{*s};
    ++s->closers;
    bool late = false;
    bool over = broken || s->peer_finished; // nothing more can come
    if (!over) {
        struct watch { // the deadline's owner: it wakes this wait and nothing else
            tcp_stream_state* stream;
            bool* late;
        } target{s.get(), &late};
        deadline drain(deadline_service::of(s->socket->get_executor()), &target, [](void* owner) {
            auto& w = *static_cast<watch*>(owner);
            *w.late = true;
            w.stream->wake();
        });
        drain.arm(limit);
        while (!late && !stop_asked(asked) && s->socket && s->socket->is_open()) {
            // MSG_TRUNC lets the kernel discard without copying.
            const auto n =
                ::recv(s->socket->native_handle(), nullptr, std::size_t(1) << 30, MSG_TRUNC | MSG_DONTWAIT);
            if (n > 0) continue;
            over = n == 0 || (errno != EAGAIN && errno != EINTR);
            if (over) break;
            co_await s->socket->async_wait(socket_type::wait_read, use_result);
        }
    }
    if (s->drained) co_return result<void>(); // seen by another call
    if (!s->socket || !s->socket->is_open())  // by abort(), or with the handle
        co_return s->dropped ? errc::canceled : errc::aborted_locally;
    s->drained = over;
    if (over || s->closers == 1) s->close_socket(); // others may still wait for the peer's end
    if (late)
        co_return error(
            errc::drain_timeout,
            "the peer did not finish within " +
                std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) + " ms");
    if (!over) co_return errc::canceled;
    co_return result<void>();
}

inline bool tcp_stream_state::drained_or_ended(result<void>& outcome) {
    if (auto e = blocked()) {
        outcome = *std::move(e);
        return true;
    }
    int queued = 0;
    if (::ioctl(socket->native_handle(), SIOCOUTQ, &queued) != 0) {
        outcome = system_error(errno);
        return true;
    }
    if (queued == 0) return true; // also where the connection broke after that
    if (auto e = ended()) {
        outcome = *std::move(e);
        return true;
    }
    return false;
}

inline error tcp_stream_state::not_drained(steady_clock::duration limit) {
    int unsent = 0;
    ::ioctl(socket->native_handle(), SIOCOUTQNSD, &unsent);
    const std::uint32_t all = unacknowledged();
    return error(errc::drain_timeout,
                 std::to_string(all) + " bytes are not acknowledged, " + std::to_string(unsent) +
                     " of them not sent, after " +
                     std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                     " ms");
}

inline error too_many_watches() {
    return error(errc::operation_in_progress,
                 std::to_string(stream_watch::most) + " coroutines already wait for this stream");
}

inline awaitable<result<void>> tcp_stream_state::drain(pointer s, steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    result<void> outcome;
    if (stop_asked(asked)) co_return errc::canceled;
    if (s->drained_or_ended(outcome)) co_return outcome;
    if (s->watches == stream_watch::most) co_return too_many_watches();
    constexpr auto shortest = std::chrono::milliseconds(1), longest = std::chrono::milliseconds(50);
    const auto executor = s->socket->get_executor();
    stream_watch mine(executor, s.get(), s->watches);
    deadline end(deadline_service::of(executor), &mine, &stream_watch::end);
    deadline next(deadline_service::of(executor), &mine, &stream_watch::due);
    end.arm(limit);
    const auto round_trip = std::chrono::microseconds(
        tcp_info_block(s->socket->native_handle())[tcp_info_fields::rtt].value_or(0));
    steady_clock::duration period = std::clamp<steady_clock::duration>(round_trip / 2, shortest, longest);
    do {
        if (mine.canceled || stop_asked(asked)) co_return errc::canceled;
        if (mine.late) co_return s->not_drained(limit);
        if (!next.armed()) {
            next.arm(period);
            period = std::min<steady_clock::duration>(period * 2, longest);
        }
        co_await mine.changed.wait_op();
    } while (!s->drained_or_ended(outcome));
    co_return outcome;
}

inline bool tcp_stream_state::stalled_or_ended(stall_clock& clock, steady_clock::time_point now,
                                               steady_clock::duration limit, result<stall>& outcome) {
    if (auto e = ended()) {
        outcome = *std::move(e);
        return true;
    }
    const int fd = socket->native_handle();
    const std::uint64_t all = unacknowledged();
    const std::uint64_t acknowledged = tcp_info_block(fd)[tcp_info_fields::bytes_acknowledged].value_or(
        bytes_out - std::min(all, bytes_out));
    if (all == 0 || acknowledged != clock.acknowledged) {
        clock = {acknowledged, now};
        return false;
    }
    if (now - clock.since < limit) return false;
    int unsent = 0;
    ::ioctl(fd, SIOCOUTQNSD, &unsent);
    outcome =
        stall{all - std::min(all, static_cast<std::uint64_t>(unsent)), static_cast<std::uint64_t>(unsent),
              std::chrono::duration_cast<std::chrono::milliseconds>(now - clock.since)};
    return true;
}

inline awaitable<result<stall>> tcp_stream_state::wait_stalled(pointer s, steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (auto e = s->blocked()) co_return *std::move(e);
    if (s->watches == stream_watch::most) co_return too_many_watches();
    constexpr steady_clock::duration shortest = std::chrono::milliseconds(1),
                                     longest = std::chrono::seconds(1);
    limit = std::max(limit, shortest);
    const auto executor = s->socket->get_executor();
    auto& time = deadline_service::of(executor);
    stream_watch mine(executor, s.get(), s->watches);
    deadline next(time, &mine, &stream_watch::due);
    stall_clock clock{std::uint64_t(-1), time.now()}; // the first look only notes where it stands
    result<stall> outcome = stall{};
    while (!s->stalled_or_ended(clock, time.now(), limit, outcome)) {
        if (mine.canceled || stop_asked(asked)) co_return errc::canceled;
        if (!next.armed()) next.arm(std::clamp(limit / 16, shortest, longest));
        co_await mine.changed.wait_op();
    }
    co_return outcome;
}

/// An operation on a handle without a connection.
template <class T>
awaitable<result<T>> not_connected() {
    co_return errc::not_connected;
}

} // namespace detail

inline tcp_stream::tcp_stream() noexcept = default;
inline tcp_stream::tcp_stream(boost::asio::ip::tcp::socket connected, const tcp_stream_options& options)
    : state_([&] {
          boost::system::error_code ignored;
          const endpoint_type remote = connected.remote_endpoint(ignored),
                              local = connected.local_endpoint(ignored);
          detail::apply_to_socket(connected.native_handle(), options);
          return new detail::tcp_stream_state(std::move(connected), options, remote, local);
      }()) {}
inline tcp_stream::tcp_stream(tcp_stream&&) noexcept = default;
inline tcp_stream& tcp_stream::operator=(tcp_stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
inline tcp_stream::~tcp_stream() {
    if (state_) state_->drop();
}

inline boost::asio::any_io_executor tcp_stream::get_executor() const {
    return state_ && state_->socket ? state_->socket->get_executor() : boost::asio::any_io_executor();
}
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
inline awaitable<result<void>> tcp_stream::wait_readable() {
    return state_ ? detail::tcp_stream_state::wait_readable(state_) : detail::not_connected<void>();
}
inline awaitable<result<void>> tcp_stream::wait_writable() {
    return state_ ? detail::tcp_stream_state::wait_writable(state_) : detail::not_connected<void>();
}
inline awaitable<result<void>> tcp_stream::shutdown_send() {
    return state_ ? detail::tcp_stream_state::half_close(state_) : detail::not_connected<void>();
}
inline awaitable<result<void>> tcp_stream::close(steady_clock::duration limit) {
    return state_ ? detail::tcp_stream_state::close(state_, limit) : detail::not_connected<void>();
}
inline awaitable<result<void>> tcp_stream::drain(steady_clock::duration limit) {
    return state_ ? detail::tcp_stream_state::drain(state_, limit) : detail::not_connected<void>();
}
inline awaitable<result<stall>> tcp_stream::wait_stalled(steady_clock::duration limit) {
    return state_ ? detail::tcp_stream_state::wait_stalled(state_, limit) : detail::not_connected<stall>();
}
inline void tcp_stream::abort(close_reason why) noexcept {
    if (state_) state_->abort(why);
}
inline void tcp_stream::cancel() noexcept {
    if (!state_) return;
    state_->read_canceled = state_->reading;
    state_->write_canceled = state_->writing;
    state_->wake();
    state_->wake_watches(true);
}
inline void tcp_stream::cancel_read() noexcept {
    if (!state_ || !state_->reading) return;
    state_->read_canceled = true;
    state_->wake();
}
inline void tcp_stream::request_stop() noexcept {
    if (state_) state_->request_stop();
}
inline bool tcp_stream::is_open() const noexcept {
    return state_ && state_->socket && state_->socket->is_open();
}
inline close_reason tcp_stream::reason() const noexcept {
    return state_ ? state_->reason : close_reason::none;
}
inline void tcp_stream::record_failure(const error& cause) {
    if (state_) state_->end(cause);
}
inline error tcp_stream::failure_cause() const {
    return state_ && state_->cause ? *state_->cause : error();
}
inline void tcp_stream::count_full_queue() const noexcept {
    if (state_ && state_->counts) state_->counts->queue_full.add();
}
inline void tcp_stream::count_messages(std::uint64_t received, std::uint64_t sent) noexcept {
    if (!state_ || !state_->counts) return;
    state_->counts->messages_in.add(received);
    state_->counts->messages_out.add(sent);
}
inline tcp_stream::endpoint_type tcp_stream::remote_endpoint() const noexcept {
    return state_ ? state_->remote : endpoint_type();
}
inline tcp_stream::endpoint_type tcp_stream::local_endpoint() const noexcept {
    return state_ ? state_->local : endpoint_type();
}
inline std::uint64_t tcp_stream::bytes_received() const noexcept {
    return state_ ? state_->bytes_in : 0;
}
inline std::uint64_t tcp_stream::bytes_sent() const noexcept {
    return state_ ? state_->bytes_out : 0;
}
inline void tcp_stream::set_idle_limit(steady_clock::duration limit) noexcept {
    if (!state_) return;
    state_->idle_limit = detail::milliseconds_of(limit);
    state_->idle.disarm();
    if (is_open()) state_->touch();
}
inline int tcp_stream::native_handle() const noexcept {
    return is_open() ? state_->socket->native_handle() : -1;
}
inline result<void> tcp_stream::set_no_delay(bool on) noexcept {
    const int value = on;
    if (::setsockopt(native_handle(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0) return {};
    return detail::system_error(errno);
}
inline result<void> tcp_stream::set_cork(bool on) noexcept {
    const int value = on;
    if (::setsockopt(native_handle(), IPPROTO_TCP, TCP_CORK, &value, sizeof value) == 0) return {};
    return detail::system_error(errno);
}

static_assert(byte_stream<tcp_stream>);

} // namespace portunus

#endif
