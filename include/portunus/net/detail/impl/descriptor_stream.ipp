// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_DESCRIPTOR_STREAM_IPP
#define PORTUNUS_NET_DETAIL_IMPL_DESCRIPTOR_STREAM_IPP

#include <portunus/net/detail/descriptor_stream.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/ioctl.h>

namespace portunus::detail {

PORTUNUS_DECL descriptor_state::descriptor_state(descriptor_type d, steady_clock::duration idle_limit_,
                                                 steady_clock::duration write_limit_)
    : context_bound(d.get_executor()), descriptor(std::move(d)), changed(descriptor->get_executor()),
      idle(deadline_service::of(descriptor->get_executor()), this,
           [](void* self) { static_cast<descriptor_state*>(self)->idle_too_long(); }),
      idle_limit(idle_limit_), write_limit(write_limit_) {
    touch();
}

PORTUNUS_DECL bool descriptor_state::bytes_leave() noexcept {
    const std::size_t now = unsent();
    const bool fewer = now != 0 && (unsent_before == 0 || now < unsent_before);
    unsent_before = now;
    return fewer;
}

PORTUNUS_DECL void descriptor_state::end(const error& failed) {
    if (reason != close_reason::none) return;
    reason = reason_of(failed);
    cause = std::make_unique<const error>(failed);
}

PORTUNUS_DECL void descriptor_state::fail_both(errc why) {
    if (obstacle == errc{}) obstacle = why;
    end(error(obstacle));
    wake();
}

PORTUNUS_DECL void descriptor_state::wake() noexcept {
    changed.notify();
    boost::system::error_code ignored;
    if (descriptor) descriptor->cancel(ignored);
}

PORTUNUS_DECL std::optional<error> descriptor_state::blocked() const {
    if (obstacle != errc{}) return error(obstacle);
    if (!is_open()) return error(errc::not_connected);
    return std::nullopt;
}

PORTUNUS_DECL error descriptor_state::broke(int number) {
    const error e(boost::system::error_code(number, boost::system::system_category()));
    end(e);
    return e;
}

PORTUNUS_DECL error descriptor_state::second(direction d) {
    return error(errc::operation_in_progress, d == direction::reading
                                                  ? "another coroutine already reads from this stream"
                                                  : "another coroutine already writes to this stream");
}

/// Marks a direction as busy for the life of an operation.
class descriptor_mark {
  public:
    descriptor_mark(descriptor_state& s, descriptor_state::direction d) noexcept : flag_(s.busy(d)) {
        flag_ = true;
        s.canceled(d) = false;
    }
    descriptor_mark(const descriptor_mark&) = delete;
    descriptor_mark& operator=(const descriptor_mark&) = delete;
    ~descriptor_mark() { flag_ = false; }

  private:
    bool& flag_;
};

PORTUNUS_DECL result<std::size_t> descriptor_state::receive(boost::asio::mutable_buffer into) {
    if (auto e = blocked()) return *std::move(e);
    if (peer_finished) return errc::end_of_stream;
    if (into.size() == 0) return std::size_t{0};
    for (;;) {
        const auto n = receive_now(into.data(), into.size());
        if (n > 0) {
            bytes_in += static_cast<std::uint64_t>(n);
            touch();
            return static_cast<std::size_t>(n);
        }
        const int number = n < 0 ? errno : 0;
        if (number == EAGAIN || number == EWOULDBLOCK) return errc::would_block;
        if (number == EINTR) continue;
        if (n < 0 && !is_end(number)) return broke(number);
        peer_finished = true;
        return errc::end_of_stream;
    }
}

PORTUNUS_DECL result<std::size_t> descriptor_state::receive_rest(boost::asio::mutable_buffer into) {
    if (auto e = blocked()) return *std::move(e);
    if (left_to_read != 0) {
        auto got = receive(boost::asio::buffer(into, left_to_read));
        if (got) left_to_read -= *got;
        if (got || got.error() != errc::would_block) return got;
        return errc::shutting_down;
    }
    // The end, if it is right behind what was read.
    pollfd ended = {descriptor->native_handle(), POLLIN, 0};
    int there = 0;
    if (::poll(&ended, 1, 0) > 0 && ::ioctl(ended.fd, FIONREAD, &there) == 0 && there == 0) {
        char one;
        auto got = receive(boost::asio::buffer(&one, 1));
        if (!got && got.error() != errc::would_block) return got;
    }
    return errc::shutting_down;
}

PORTUNUS_DECL result<std::size_t> descriptor_state::send(boost::asio::const_buffer data) {
    if (auto e = blocked()) return *std::move(e);
    if (send_ended) return error(errc::closed_locally, "the sending direction was shut down");
    if (data.size() == 0) return std::size_t{0};
    for (;;) {
        const auto n = send_now(data.data(), data.size());
        if (n > 0) {
            bytes_out += static_cast<std::uint64_t>(n);
            touch();
            return static_cast<std::size_t>(n);
        }
        const int number = n < 0 ? errno : EAGAIN;
        if (number == EAGAIN || number == EWOULDBLOCK) return errc::would_block;
        if (number != EINTR) return broke(number);
    }
}

PORTUNUS_DECL void descriptor_state::request_stop() noexcept {
    if (stop_requested) return;
    stop_requested = true;
    int there = 0;
    if (is_open() && ::ioctl(descriptor->native_handle(), FIONREAD, &there) == 0 && there > 0)
        left_to_read = static_cast<std::size_t>(there);
    if (reading) wake();
}

PORTUNUS_DECL void descriptor_state::close_now(bool discard) noexcept {
    idle.disarm();
    if (!is_open()) return;
    before_close(discard);
    boost::system::error_code ignored;
    descriptor->close(ignored);
    changed.notify();
}

PORTUNUS_DECL void descriptor_state::abort(close_reason why) noexcept {
    end(why);
    if (obstacle == errc{})
        obstacle = why == close_reason::replaced   ? errc::replaced
                   : why == close_reason::shutdown ? errc::shutting_down
                                                   : errc::aborted_locally;
    close_now(true);
}

PORTUNUS_DECL void descriptor_state::drop() noexcept {
    if (!is_open()) return;
    end(peer_finished ? close_reason::eof : close_reason::aborted_locally);
    if (obstacle == errc{}) obstacle = errc::canceled;
    dropped = true;
    close_now(unsent() != 0);
}

PORTUNUS_DECL bool descriptor_state::discard_input() noexcept {
    char scrap[1024];
    for (;;) {
        const auto n = receive_now(scrap, sizeof scrap);
        if (n > 0) continue;
        if (n == 0) return true;
        if (errno != EINTR) return errno != EAGAIN && errno != EWOULDBLOCK;
    }
}

PORTUNUS_DECL awaitable<result<std::size_t>> descriptor_state::read_some(pointer s,
                                                                         boost::asio::mutable_buffer into) {
    if (s->reading) co_return second(direction::reading);
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const descriptor_mark mark(*s, direction::reading);
    for (;;) {
        if (auto e = s->blocked()) co_return *std::move(e);
        if (s->read_canceled || stop_asked(asked)) co_return errc::canceled;
        auto got = s->receive_any(into);
        if (got || got.error() != errc::would_block) co_return got;
        const auto [ec] = co_await s->descriptor->async_wait(descriptor_type::wait_read, use_result);
        if (ec && ec != boost::asio::error::operation_aborted) co_return s->broke(ec.value());
    }
}

PORTUNUS_DECL awaitable<result<void>> descriptor_state::wait_readable(pointer s) {
    if (s->reading) co_return second(direction::reading);
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const descriptor_mark mark(*s, direction::reading);
    for (;;) {
        if (auto e = s->blocked()) co_return *std::move(e);
        if (s->read_canceled || stop_asked(asked)) co_return errc::canceled;
        if (s->stop_requested || s->peer_finished) co_return result<void>(); // there is something to say
        const auto [ec] = co_await s->descriptor->async_wait(descriptor_type::wait_read, use_result);
        if (auto e = s->blocked()) co_return *std::move(e);
        if (!ec) co_return result<void>();
        if (ec != boost::asio::error::operation_aborted) co_return s->broke(ec.value());
    }
}

PORTUNUS_DECL awaitable<result<void>> descriptor_state::wait_writable(pointer s) {
    if (s->writing) co_return second(direction::writing);
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const descriptor_mark mark(*s, direction::writing);
    if (auto e = s->blocked()) co_return *std::move(e);
    struct watch {
        descriptor_state* stream;
        deadline* limit;
    } mine{s.get(), nullptr};
    deadline stalled(deadline_service::of(s->descriptor->get_executor()), &mine, [](void* owner) {
        auto& w = *static_cast<watch*>(owner);
        if (w.stream->bytes_leave()) return w.limit->arm(w.stream->write_limit); // a slow line, but it moves
        w.stream->fail_both(errc::write_timeout);
    });
    mine.limit = &stalled;
    s->unsent_before = s->unsent();
    if (s->write_limit > steady_clock::duration::zero()) stalled.arm(s->write_limit);
    for (;;) {
        if (auto e = s->blocked()) co_return *std::move(e);
        if (s->write_canceled || stop_asked(asked)) co_return errc::canceled;
        const auto [ec] = co_await s->descriptor->async_wait(descriptor_type::wait_write, use_result);
        if (!ec) {
            if (auto e = s->blocked()) co_return *std::move(e);
            co_return result<void>();
        }
        if (ec != boost::asio::error::operation_aborted) co_return s->broke(ec.value());
    }
}

PORTUNUS_DECL awaitable<result<void>> descriptor_state::write(pointer s, boost::asio::const_buffer data) {
    if (s->writing) co_return second(direction::writing);
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (auto e = s->blocked()) co_return *std::move(e);
    if (stop_asked(asked)) co_return errc::canceled;
    bool some_left = false;
    while (data.size() != 0) {
        auto sent = s->send(data);
        if (sent) {
            data += *sent;
            some_left = true;
            continue;
        }
        if (sent.error() != errc::would_block) co_return std::move(sent).error();
        auto room = co_await wait_writable(s);
        if (room) continue;
        if (room.error() != errc::canceled || !some_left) co_return room;
        // A part of a message is out: whatever followed would be read as the rest of it.
        s->fail_both(errc::torn_write);
        co_return errc::torn_write;
    }
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> descriptor_state::half_close(pointer s) {
    if (auto e = s->blocked()) co_return *std::move(e);
    if (!std::exchange(s->send_ended, true)) s->end_sending();
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> descriptor_state::close(pointer s, steady_clock::duration limit) {
    if (!s->is_open()) co_return result<void>();
    s->end(s->peer_finished ? close_reason::eof : close_reason::closed_locally);
    const bool broken = s->obstacle != errc{} && s->obstacle != errc::closed_locally;
    if (!broken) s->obstacle = errc::closed_locally;
    s->idle.disarm();
    if (s->reading || s->writing) s->wake();
    if (!std::exchange(s->send_ended, true)) s->end_sending();
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct counted {
        descriptor_state& stream;
        ~counted() { --stream.closers; }
    } mine{*s};
    ++s->closers;
    bool late = false;
    bool over = broken;
    if (!over) {
        struct watch { // the deadlines' owner: they wake this wait and nothing else
            descriptor_state* stream;
            bool* late;
        } target{s.get(), &late};
        auto& time = deadline_service::of(s->descriptor->get_executor());
        deadline drain(time, &target, [](void* owner) {
            auto& w = *static_cast<watch*>(owner);
            *w.late = true;
            w.stream->wake();
        });
        // There is no event for "all has left", and tcdrain(3) would stop the whole context.
        deadline look_again(time, &target, [](void* owner) { static_cast<watch*>(owner)->stream->wake(); });
        drain.arm(limit);
        bool ended = !s->close_waits_for_end() || s->peer_finished;
        while (!late && !stop_asked(asked) && s->is_open()) {
            if (!ended) ended = s->discard_input();
            const bool empty = s->unsent() == 0;
            over = empty && ended;
            if (over) break;
            if (!empty) look_again.arm(std::chrono::milliseconds(10));
            if (ended)
                co_await s->changed.wait_op();
            else
                co_await s->descriptor->async_wait(descriptor_type::wait_read, use_result);
        }
    }
    if (s->drained) co_return result<void>(); // seen by another call
    if (!s->is_open()) co_return s->dropped ? errc::canceled : errc::aborted_locally;
    s->drained = over;
    const std::size_t left = late ? s->unsent() : 0;
    if (over || s->closers == 1) s->close_now(!over); // others may still wait
    if (late)
        co_return error(
            errc::drain_timeout,
            (left != 0 ? std::to_string(left) + " bytes were not sent within "
                       : std::string("the peer did not finish within ")) +
                std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) + " ms");
    if (!over) co_return errc::canceled;
    co_return result<void>();
}

} // namespace portunus::detail

#endif
