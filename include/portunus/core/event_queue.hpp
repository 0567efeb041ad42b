// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_EVENT_QUEUE_HPP
#define PORTUNUS_CORE_EVENT_QUEUE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace portunus {

/// A bounded queue between coroutines of one context: events go in without waiting and come out one at a
/// time, in order. A handle on shared state: copies are the same queue, and it may be destroyed while
/// somebody waits in `pop`.
///
/// A full queue refuses (`push` gives `errc::queue_full`) and counts what it refused; it never drops what it
/// took. `close` lets what is queued be read; after that `pop` gives `errc::end_of_stream`.
template <class T>
class event_queue {
  public:
    /// `capacity`: how many events may wait, at least 1. Memory is taken as it is needed.
    event_queue(const boost::asio::any_io_executor& executor, std::size_t capacity)
        : state_(std::make_shared<state>(executor, capacity)) {
        if (capacity == 0)
            throw failure(error(errc::invalid_option, "event_queue capacity 0: it has to hold at least 1"));
    }

    /// Queues `value`, or refuses it: `errc::queue_full`, `errc::end_of_stream` after `close`.
    result<void> push(T value) {
        if (state_->closed) return errc::end_of_stream;
        if (state_->items.size() == state_->capacity) {
            ++state_->refused;
            return error(errc::queue_full, "all " + std::to_string(state_->capacity) + " places are taken");
        }
        state_->items.push_back(std::move(value));
        state_->changed.notify();
        return {};
    }

    /// The oldest event, or nothing when there is none now.
    std::optional<T> try_pop() { return take(*state_); }

    /// Completes with the oldest event. One at a time may wait; a second one gets
    /// `errc::operation_in_progress`. `errc::canceled` when the caller is cancelled: no event is lost by it.
    awaitable<result<T>> pop() { return wait_for_one(state_); }

    /// No more events. Everybody who waits is told once the queue is empty.
    void close() {
        state_->closed = true;
        state_->changed.notify();
    }

    std::size_t size() const noexcept { return state_->items.size(); }
    std::size_t capacity() const noexcept { return state_->capacity; }
    bool closed() const noexcept { return state_->closed; }

    /// How many events were refused because the queue was full.
    std::uint64_t refused() const noexcept { return state_->refused; }

  private:
    struct state {
        state(const boost::asio::any_io_executor& executor, std::size_t n) : changed(executor), capacity(n) {}
        detail::event changed;
        std::deque<T> items;
        std::size_t capacity;
        std::uint64_t refused = 0;
        bool closed = false;
        bool waiting = false;
    };

    static std::optional<T> take(state& s) {
        if (s.items.empty()) return std::nullopt;
        std::optional<T> first(std::move(s.items.front()));
        s.items.pop_front();
        return first;
    }

    static awaitable<result<T>> wait_for_one(std::shared_ptr<state> s) {
        if (s->waiting)
            co_return error(errc::operation_in_progress, "another coroutine already waits in pop()");
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        while (s->items.empty()) {
            if (s->closed) co_return errc::end_of_stream;
            if (detail::stop_asked(asked)) co_return errc::canceled;
            s->waiting = true;
            co_await s->changed.wait_op();
            s->waiting = false;
        }
        result<T> first(std::move(s->items.front()));
        s->items.pop_front();
        co_return first;
    }

    std::shared_ptr<state> state_;
};

} // namespace portunus

#endif
