// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_URGENT_IPP
#define PORTUNUS_NET_IMPL_URGENT_IPP

#include <portunus/net/urgent.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/stream_watch.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL int events_of(int fd) noexcept {
    pollfd now = {fd, POLLIN | POLLPRI | POLLRDHUP, 0};
    return ::poll(&now, 1, 0) > 0 ? now.revents : 0;
}

PORTUNUS_DECL bool is_at_mark(int fd) noexcept {
    int at = 0;
    return ::ioctl(fd, SIOCATMARK, &at) == 0 && at != 0;
}

PORTUNUS_DECL bool takes_urgent_inline(int fd) noexcept {
    int on = 0;
    socklen_t size = sizeof on;
    return ::getsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, &size) == 0 && on != 0;
}

// sending

PORTUNUS_DECL result<void> send_urgent_byte(tcp_stream_state& s, char byte) {
    if (auto e = s.blocked()) return *std::move(e);
    if (s.send_ended) return error(errc::closed_locally, "the sending direction was shut down");
    for (;;) {
        const auto n = ::send(s.socket->native_handle(), &byte, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            ++s.bytes_out;
            if (s.counts) s.counts->bytes_out.add(1);
            s.touch();
            return {};
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return errc::would_block;
        if (errno != EINTR) return s.transport_failed(system_error(errno).code());
    }
}

PORTUNUS_DECL awaitable<result<void>> send_urgent(tcp_stream_state::pointer s,
                                                  boost::asio::const_buffer data) {
    if (data.size() == 0) {
        auto nothing = co_await tcp_stream_state::write(std::move(s), data);
        co_return nothing;
    }
    const std::size_t before = data.size() - 1;
    if (before != 0) {
        auto written = co_await tcp_stream_state::write(s, boost::asio::buffer(data, before));
        if (!written) co_return written;
    }
    if (s->writing) co_return second_operation(tcp_stream_state::direction::writing);
    const char last = static_cast<const char*>(data.data())[before];
    auto sent = send_urgent_byte(*s, last);
    while (!sent && sent.error() == errc::would_block) {
        auto room = co_await tcp_stream_state::wait_writable(s);
        if (!room) {
            if (room.error() != errc::canceled || before == 0) co_return room;
            s->fail_both(errc::torn_write); // as in a write: what follows would be read as the rest of it
            co_return errc::torn_write;
        }
        sent = send_urgent_byte(*s, last);
    }
    co_return sent;
}

// waiting and receiving, out of line

/// Whether there is nothing to wait for: an urgent byte is there, or none can come.
PORTUNUS_DECL bool urgent_or_ended(tcp_stream_state& s, result<void>& outcome) {
    if (auto e = s.blocked()) {
        outcome = *std::move(e);
        return true;
    }
    const int fd = s.socket->native_handle();
    const int events = events_of(fd);
    if (events & POLLPRI) return true;
    if (s.stop_requested) { // as a read: what has arrived is delivered, nothing more is waited for
        outcome = errc::shutting_down;
        return true;
    }
    if (auto e = s.ended()) {
        outcome = *std::move(e);
        return true;
    }
    // The peer's end has come, so every byte before it has. Not so for a connection that broke: a read that
    // was woken by it has the error.
    if ((events & (POLLRDHUP | POLLHUP)) && tcp_state_of(fd) != TCP_CLOSE) {
        outcome = errc::end_of_stream;
        return true;
    }
    if ((events & POLLERR) && !s.reading) { // or it would wait for ever for what is there already
        outcome = error(boost::system::errc::make_error_code(boost::system::errc::operation_not_supported),
                        "the socket has an error queue that somebody else has to read");
        return true;
    }
    return false;
}

PORTUNUS_DECL awaitable<result<void>> wait_urgent(tcp_stream_state::pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    result<void> outcome;
    if (stop_asked(asked)) co_return errc::canceled;
    if (urgent_or_ended(*s, outcome)) co_return outcome;
    if (s->watches == stream_watch::most) co_return too_many_watches();
    stream_watch mine(s->socket->get_executor(), s.get(), s->watches);
    do {
        if (mine.canceled || stop_asked(asked)) co_return errc::canceled;
        const auto [ec] =
            co_await s->socket->async_wait(tcp_stream_state::socket_type::wait_error, use_result);
        if (ec && ec != boost::asio::error::operation_aborted) co_return s->transport_failed(ec);
    } while (!urgent_or_ended(*s, outcome));
    co_return outcome;
}

PORTUNUS_DECL result<char> take_urgent(tcp_stream_state& s) {
    if (auto e = s.blocked()) return *std::move(e);
    const int fd = s.socket->native_handle();
    char byte = 0;
    for (;;) {
        const auto n = ::recv(fd, &byte, 1, MSG_OOB | MSG_DONTWAIT);
        if (n > 0) {
            s.received(1);
            return byte;
        }
        if (n == 0) return errc::end_of_stream; // announced, and the peer ended before it came
        switch (errno) {
        case EINTR:
            continue;
        case EAGAIN: // announced, and not there yet
            return errc::would_block;
        case EINVAL: // there is none, or it was received
            if (takes_urgent_inline(fd))
                return error(errc::invalid_option, "urgent data is taken in line here");
            return errc::would_block;
        default:
            return s.transport_failed(system_error(errno).code());
        }
    }
}

PORTUNUS_DECL awaitable<result<char>> receive_urgent(tcp_stream_state::pointer s) {
    for (;;) {
        auto byte = take_urgent(*s);
        if (byte || byte.error() != errc::would_block) co_return byte;
        auto there = co_await wait_urgent(s);
        if (!there) co_return std::move(there).error();
    }
}

// in line

struct urgent_reader_state {
    tcp_stream_state::pointer stream;
    urgent_extent extent;
    bool in_run = false; // urgent bytes were delivered, and their mark was not
};

/// What is there. The order of the questions matters, as bytes and pointers may arrive between any two of
/// them: a pointer that comes later never points into bytes that were counted before, so a read of no more
/// than those cannot go over a mark that was not seen.
PORTUNUS_DECL result<urgent_piece> urgent_piece_now(urgent_reader_state& r,
                                                    boost::asio::mutable_buffer into) {
    tcp_stream_state& s = *r.stream;
    if (s.reading) return second_operation(tcp_stream_state::direction::reading);
    if (auto e = s.blocked()) return *std::move(e);
    if (into.size() == 0) return error(errc::invalid_option, "the buffer is empty");
    const auto take = [&s](boost::asio::mutable_buffer to) {
        return s.stop_requested ? s.receive_rest(to) : s.receive(to);
    };
    const int fd = s.socket->native_handle();
    const int events = events_of(fd);
    int queued = 0;
    if (::ioctl(fd, SIOCINQ, &queued) != 0) queued = 0;
    if (queued <= 0) {
        if (s.broken_by != 0) return system_error(s.broken_by);
        if (events & POLLERR) {
            if (auto e = s.ended()) return *std::move(e);
        }
        if (!s.stop_requested && !(events & (POLLRDHUP | POLLHUP))) return errc::would_block;
        auto end = take(boost::asio::buffer(into, 1)); // nothing can follow: it gives the end
        if (!end) return std::move(end).error();
        return urgent_piece{std::string_view(static_cast<char*>(into.data()), *end)};
    }
    if (is_at_mark(fd)) {
        auto one = take(boost::asio::buffer(into, 1));
        if (!one) return std::move(one).error();
        const bool first = !std::exchange(r.in_run, false);
        return urgent_piece{{static_cast<char*>(into.data()), *one}, true, first, true};
    }
    const bool urgent = r.extent == urgent_extent::to_mark && (r.in_run || (events & POLLPRI));
    auto got = take(boost::asio::buffer(into, static_cast<std::size_t>(queued)));
    if (!got) return std::move(got).error();
    urgent_piece piece{{static_cast<char*>(into.data()), *got}, urgent};
    if (!urgent) return piece;
    piece.first = !std::exchange(r.in_run, true);
    into += *got;
    if (into.size() == 0 || !is_at_mark(fd)) return piece;
    auto last = take(boost::asio::buffer(into, 1));
    if (!last) return piece; // the next read meets what this one met
    r.in_run = false;
    piece.data = {piece.data.data(), *got + *last};
    piece.mark = true;
    return piece;
}

PORTUNUS_DECL awaitable<result<urgent_piece>> read_urgent(std::shared_ptr<urgent_reader_state> r,
                                                          boost::asio::mutable_buffer into) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    for (;;) {
        if (stop_asked(asked)) co_return errc::canceled;
        auto piece = urgent_piece_now(*r, into);
        if (piece || piece.error() != errc::would_block) co_return piece;
        auto readable = co_await tcp_stream_state::wait_readable(r->stream);
        if (!readable) co_return std::move(readable).error();
    }
}

} // namespace detail

PORTUNUS_DECL awaitable<result<void>> send_urgent(tcp_stream& stream, boost::asio::const_buffer data) {
    const auto& state = detail::tcp_stream_state::pointer_of(stream);
    return state ? detail::send_urgent(state, data) : detail::not_connected<void>();
}
PORTUNUS_DECL result<void> try_send_urgent(tcp_stream& stream, char byte) {
    const auto& state = detail::tcp_stream_state::pointer_of(stream);
    if (!state) return errc::not_connected;
    if (state->writing) return detail::second_operation(detail::tcp_stream_state::direction::writing);
    return detail::send_urgent_byte(*state, byte);
}
PORTUNUS_DECL awaitable<result<void>> wait_urgent(tcp_stream& stream) {
    const auto& state = detail::tcp_stream_state::pointer_of(stream);
    return state ? detail::wait_urgent(state) : detail::not_connected<void>();
}
PORTUNUS_DECL awaitable<result<char>> receive_urgent(tcp_stream& stream) {
    const auto& state = detail::tcp_stream_state::pointer_of(stream);
    return state ? detail::receive_urgent(state) : detail::not_connected<char>();
}
PORTUNUS_DECL result<char> try_receive_urgent(tcp_stream& stream) {
    const auto& state = detail::tcp_stream_state::pointer_of(stream);
    if (!state) return errc::not_connected;
    return detail::take_urgent(*state);
}
PORTUNUS_DECL result<bool> at_mark(const tcp_stream& stream) {
    int at = 0;
    if (!stream.is_open()) return errc::not_connected;
    if (::ioctl(stream.native_handle(), SIOCATMARK, &at) != 0) return detail::system_error(errno);
    return at != 0;
}
PORTUNUS_DECL result<void> set_urgent_inline(tcp_stream& stream, bool on) {
    if (!stream.is_open()) return errc::not_connected;
    const int value = on;
    if (::setsockopt(stream.native_handle(), SOL_SOCKET, SO_OOBINLINE, &value, sizeof value) != 0)
        return detail::system_error(errno);
    return {};
}

PORTUNUS_DECL urgent_reader::urgent_reader(const tcp_stream& stream, urgent_extent extent, bool)
    : state_(std::make_shared<detail::urgent_reader_state>()) {
    state_->stream = detail::tcp_stream_state::pointer_of(stream);
    state_->extent = extent;
}
PORTUNUS_DECL urgent_reader::urgent_reader(tcp_stream& borrowed, urgent_extent extent)
    : urgent_reader(borrowed, extent, true) {
    (void)set_urgent_inline(borrowed, true); // fails where there is no connection: reads will say so
}
PORTUNUS_DECL urgent_reader::urgent_reader(tcp_stream&& owned, urgent_extent extent)
    : urgent_reader(owned, extent, true) {
    (void)set_urgent_inline(owned, true);
    owned_ = std::move(owned);
}
PORTUNUS_DECL urgent_reader::urgent_reader(urgent_reader&&) noexcept = default;
PORTUNUS_DECL urgent_reader& urgent_reader::operator=(urgent_reader&&) noexcept = default;
PORTUNUS_DECL urgent_reader::~urgent_reader() = default;

PORTUNUS_DECL awaitable<result<urgent_piece>> urgent_reader::read(boost::asio::mutable_buffer into) {
    return state_ && state_->stream ? detail::read_urgent(state_, into)
                                    : detail::not_connected<urgent_piece>();
}
PORTUNUS_DECL result<urgent_piece> urgent_reader::try_read(boost::asio::mutable_buffer into) {
    if (!state_ || !state_->stream) return errc::not_connected;
    return detail::urgent_piece_now(*state_, into);
}

} // namespace portunus

#endif
