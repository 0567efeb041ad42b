// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_TCP_STREAM_IPP
#define PORTUNUS_NET_IMPL_TCP_STREAM_IPP

#include <portunus/net/impl/tcp_stream.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/parking.hpp>
#include <portunus/net/detail/stream_watch.hpp>
#include <portunus/net/detail/tcp_info.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL void apply_to_socket(int fd, const tcp_stream_options& options) noexcept {
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

PORTUNUS_DECL tcp_stream_state::tcp_stream_state(socket_type connected, const tcp_stream_options& options,
                                                 const endpoint_type& remote_end,
                                                 const endpoint_type& local_end)
    : context_bound(connected.get_executor()), socket(std::move(connected)),
      place(parking::of(socket->get_executor())),
      idle(deadline_service::of(socket->get_executor()), this,
           [](void* self) { static_cast<tcp_stream_state*>(self)->idle_too_long(); }),
      remote(remote_end), local(local_end), idle_limit(milliseconds_of(options.idle_limit)),
      write_limit(milliseconds_of(options.write_limit)) {
    touch();
}

PORTUNUS_DECL tcp_stream tcp_stream_state::make(socket_type connected, const tcp_stream_options& options,
                                                const endpoint_type& remote_end,
                                                const endpoint_type& local_end) {
    tcp_stream stream;
    stream.state_.reset(new tcp_stream_state(std::move(connected), options, remote_end, local_end));
    return stream;
}

PORTUNUS_DECL std::uint32_t tcp_stream_state::unacknowledged() noexcept {
    int queued = 0;
    if (!socket || ::ioctl(socket->native_handle(), SIOCOUTQ, &queued) != 0) return 0;
    return static_cast<std::uint32_t>(queued);
}

PORTUNUS_DECL bool tcp_stream_state::peer_takes_bytes() noexcept {
    const std::uint32_t now = unacknowledged();
    const bool fewer = now != 0 && (sent_before == 0 || now < sent_before);
    sent_before = now;
    return fewer;
}

PORTUNUS_DECL void tcp_stream_state::end_because(close_reason why, const error& failed) {
    if (reason != close_reason::none) return;
    reason = why;
    cause = std::make_unique<const error>(failed);
}

PORTUNUS_DECL void tcp_stream_state::fail_both(errc why) {
    if (obstacle == errc{}) obstacle = why;
    end(error(obstacle));
    wake();
}

PORTUNUS_DECL void tcp_stream_state::wake() noexcept {
    if (!socket) return;
    if (idle_wait.waiting()) idle_wait.cancel(place);
    boost::system::error_code ignored;
    socket->cancel(ignored);
    wake_watches(false);
}

PORTUNUS_DECL std::optional<error> tcp_stream_state::blocked() const {
    if (obstacle != errc{}) return error(obstacle);
    if (!socket || !socket->is_open()) return error(errc::not_connected);
    return std::nullopt;
}

PORTUNUS_DECL error tcp_stream_state::transport_failed(const boost::system::error_code& ec) {
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

PORTUNUS_DECL bool tcp_stream_state::reported_by_network(int number) noexcept {
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

PORTUNUS_DECL void tcp_stream_state::end_in_kernel() noexcept {
    if (tcp_state_of(socket->native_handle()) == TCP_CLOSE) return;
    sockaddr nobody = {};
    nobody.sa_family = AF_UNSPEC;
    ended_here = ::connect(socket->native_handle(), &nobody, sizeof nobody) == 0;
}

PORTUNUS_DECL std::optional<error> tcp_stream_state::ended() {
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

PORTUNUS_DECL result<std::size_t> tcp_stream_state::receive(boost::asio::mutable_buffer into) {
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

PORTUNUS_DECL result<std::size_t> tcp_stream_state::receive_rest(boost::asio::mutable_buffer into) {
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

PORTUNUS_DECL std::size_t tcp_stream_state::received(std::size_t n) {
    bytes_in += n;
    if (counts) counts->bytes_in.add(n);
    touch();
    return n;
}

PORTUNUS_DECL result<std::size_t> tcp_stream_state::send(boost::asio::const_buffer data) {
    if (auto e = blocked()) return *std::move(e);
    if (send_ended) return error(errc::closed_locally, "the sending direction was shut down");
    for (;;) {
        const auto n = ::send(socket->native_handle(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
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

PORTUNUS_DECL void tcp_stream_state::request_stop() noexcept {
    if (stop_requested) return;
    stop_requested = true;
    count_rest();
    if (reading || watches != 0) wake();
}

PORTUNUS_DECL void tcp_stream_state::count_rest() noexcept {
    int there = 0;
    if (socket && ::ioctl(socket->native_handle(), FIONREAD, &there) == 0 && there > 0)
        left_to_read = static_cast<std::uint32_t>(there);
}

PORTUNUS_DECL void tcp_stream_state::shutdown_send() noexcept {
    if (!socket || send_ended) return;
    send_ended = true;
    ::shutdown(socket->native_handle(), SHUT_WR);
}

PORTUNUS_DECL void tcp_stream_state::close_socket() noexcept {
    idle.disarm();
    if (!kept) ticket.release(); // or when its session is over
    if (!socket) return;
    wake_watches(false);
    if (idle_wait.waiting()) idle_wait.cancel(place);
    boost::system::error_code ignored;
    socket->close(ignored);
}

PORTUNUS_DECL void tcp_stream_state::abort(close_reason why) noexcept {
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

PORTUNUS_DECL void tcp_stream_state::drop() noexcept {
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

PORTUNUS_DECL void tcp_stream_state::release_context() noexcept {
    idle.disarm();
    counts = nullptr; // they may go next
    socket.reset();
}

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

PORTUNUS_DECL error second_operation(tcp_stream_state::direction d) {
    return error(errc::operation_in_progress, d == tcp_stream_state::direction::reading
                                                  ? "another coroutine already reads from this stream"
                                                  : "another coroutine already writes to this stream");
}

PORTUNUS_DECL bool tcp_stream_state::must_wait(boost::asio::mutable_buffer into,
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

PORTUNUS_DECL bool tcp_stream_state::came_meanwhile(boost::asio::mutable_buffer into,
                                                    result<std::size_t>& outcome) {
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

PORTUNUS_DECL bool tcp_stream_state::read_ended(const boost::system::error_code& ec, std::size_t n,
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

PORTUNUS_DECL awaitable<result<std::size_t>> tcp_stream_state::read_some(pointer s,
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

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::wait_readable(pointer s) {
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

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::wait_writable(pointer s) {
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

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::write(pointer s, boost::asio::const_buffer data) {
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

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::write_rest(pointer s, boost::asio::const_buffer data,
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

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::half_close(pointer s) {
    if (auto e = s->blocked()) co_return *std::move(e);
    s->shutdown_send();
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::close(pointer s, steady_clock::duration limit) {
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

PORTUNUS_DECL bool tcp_stream_state::drained_or_ended(result<void>& outcome) {
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

PORTUNUS_DECL error tcp_stream_state::not_drained(steady_clock::duration limit) {
    int unsent = 0;
    ::ioctl(socket->native_handle(), SIOCOUTQNSD, &unsent);
    const std::uint32_t all = unacknowledged();
    return error(errc::drain_timeout,
                 std::to_string(all) + " bytes are not acknowledged, " + std::to_string(unsent) +
                     " of them not sent, after " +
                     std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                     " ms");
}

PORTUNUS_DECL error too_many_watches() {
    return error(errc::operation_in_progress,
                 std::to_string(stream_watch::most) + " coroutines already wait for this stream");
}

PORTUNUS_DECL awaitable<result<void>> tcp_stream_state::drain(pointer s, steady_clock::duration limit) {
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

PORTUNUS_DECL bool tcp_stream_state::stalled_or_ended(stall_clock& clock, steady_clock::time_point now,
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

PORTUNUS_DECL awaitable<result<stall>> tcp_stream_state::wait_stalled(pointer s,
                                                                      steady_clock::duration limit) {
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

} // namespace detail

PORTUNUS_DECL tcp_stream::tcp_stream() noexcept = default;
PORTUNUS_DECL tcp_stream::tcp_stream(boost::asio::ip::tcp::socket connected,
                                     const tcp_stream_options& options)
    : state_([&] {
          boost::system::error_code ignored;
          const endpoint_type remote = connected.remote_endpoint(ignored),
                              local = connected.local_endpoint(ignored);
          detail::apply_to_socket(connected.native_handle(), options);
          return new detail::tcp_stream_state(std::move(connected), options, remote, local);
      }()) {}
PORTUNUS_DECL tcp_stream::tcp_stream(tcp_stream&&) noexcept = default;
PORTUNUS_DECL tcp_stream& tcp_stream::operator=(tcp_stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL tcp_stream::~tcp_stream() {
    if (state_) state_->drop();
}

PORTUNUS_DECL boost::asio::any_io_executor tcp_stream::get_executor() const {
    return state_ && state_->socket ? state_->socket->get_executor() : boost::asio::any_io_executor();
}
PORTUNUS_DECL awaitable<result<void>> tcp_stream::wait_readable() {
    return state_ ? detail::tcp_stream_state::wait_readable(state_) : detail::not_connected<void>();
}
PORTUNUS_DECL awaitable<result<void>> tcp_stream::wait_writable() {
    return state_ ? detail::tcp_stream_state::wait_writable(state_) : detail::not_connected<void>();
}
PORTUNUS_DECL awaitable<result<void>> tcp_stream::shutdown_send() {
    return state_ ? detail::tcp_stream_state::half_close(state_) : detail::not_connected<void>();
}
PORTUNUS_DECL awaitable<result<void>> tcp_stream::close(steady_clock::duration limit) {
    return state_ ? detail::tcp_stream_state::close(state_, limit) : detail::not_connected<void>();
}
PORTUNUS_DECL awaitable<result<void>> tcp_stream::drain(steady_clock::duration limit) {
    return state_ ? detail::tcp_stream_state::drain(state_, limit) : detail::not_connected<void>();
}
PORTUNUS_DECL awaitable<result<stall>> tcp_stream::wait_stalled(steady_clock::duration limit) {
    return state_ ? detail::tcp_stream_state::wait_stalled(state_, limit) : detail::not_connected<stall>();
}
PORTUNUS_DECL void tcp_stream::abort(close_reason why) noexcept {
    if (state_) state_->abort(why);
}
PORTUNUS_DECL void tcp_stream::cancel() noexcept {
    if (!state_) return;
    state_->read_canceled = state_->reading;
    state_->write_canceled = state_->writing;
    state_->wake();
    state_->wake_watches(true);
}
PORTUNUS_DECL void tcp_stream::cancel_read() noexcept {
    if (!state_ || !state_->reading) return;
    state_->read_canceled = true;
    state_->wake();
}
PORTUNUS_DECL void tcp_stream::request_stop() noexcept {
    if (state_) state_->request_stop();
}
PORTUNUS_DECL bool tcp_stream::is_broken() noexcept {
    return state_ && state_->ended().has_value();
}
PORTUNUS_DECL bool tcp_stream::peer_finished() const noexcept {
    if (!is_open()) return false;
    if (state_->peer_finished) return true;
    pollfd now = {native_handle(), POLLRDHUP, 0};
    return ::poll(&now, 1, 0) > 0 && (now.revents & POLLRDHUP) != 0;
}
PORTUNUS_DECL close_reason tcp_stream::reason() const noexcept {
    return state_ ? state_->reason : close_reason::none;
}
PORTUNUS_DECL void tcp_stream::record_failure(const error& cause) {
    if (state_) state_->end(cause);
}
PORTUNUS_DECL error tcp_stream::failure_cause() const {
    return state_ && state_->cause ? *state_->cause : error();
}
PORTUNUS_DECL tcp_stream::endpoint_type tcp_stream::remote_endpoint() const noexcept {
    return state_ ? state_->remote : endpoint_type();
}
PORTUNUS_DECL tcp_stream::endpoint_type tcp_stream::local_endpoint() const noexcept {
    return state_ ? state_->local : endpoint_type();
}
PORTUNUS_DECL std::uint64_t tcp_stream::bytes_received() const noexcept {
    return state_ ? state_->bytes_in : 0;
}
PORTUNUS_DECL std::uint64_t tcp_stream::bytes_sent() const noexcept {
    return state_ ? state_->bytes_out : 0;
}
PORTUNUS_DECL void tcp_stream::set_idle_limit(steady_clock::duration limit) noexcept {
    if (!state_) return;
    state_->idle_limit = detail::milliseconds_of(limit);
    state_->idle.disarm();
    if (is_open()) state_->touch();
}
PORTUNUS_DECL int tcp_stream::native_handle() const noexcept {
    return is_open() ? state_->socket->native_handle() : -1;
}
PORTUNUS_DECL result<void> tcp_stream::set_no_delay(bool on) noexcept {
    const int value = on;
    if (::setsockopt(native_handle(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0) return {};
    return detail::system_error(errno);
}
PORTUNUS_DECL result<void> tcp_stream::set_cork(bool on) noexcept {
    const int value = on;
    if (::setsockopt(native_handle(), IPPROTO_TCP, TCP_CORK, &value, sizeof value) == 0) return {};
    return detail::system_error(errno);
}

} // namespace portunus

#endif
