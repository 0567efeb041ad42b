// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DETAIL_EVENT_HPP
#define PORTUNUS_CORE_DETAIL_EVENT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>

namespace portunus::detail {

/// Whether the coroutine that runs has been asked to stop. Asked before every wait of the library, because a
/// cancellation that comes while a coroutine runs is not seen by the operation that it starts next. Each
/// operation also says `throw_if_cancelled(false)`, which holds for the whole coroutine from then on:
/// cancellations are results.
inline bool stop_asked(const boost::asio::cancellation_state& state) noexcept {
    return state.cancelled() != boost::asio::cancellation_type::none;
}

/// Where coroutines of one context wait until somebody says `notify`. It carries no state: a waiter checks
/// its condition before it waits and again after, since a notification may come for several waiters at once.
class event final : private context_bound {
  public:
    explicit event(const boost::asio::any_io_executor& executor)
        : context_bound(executor),
          timer_(std::in_place, executor, boost::asio::steady_timer::time_point::max()) {}

    /// One wait, for a loop of the form `while (!condition) co_await event.wait_op();`, in the caller's own
    /// frame.
    auto wait_op() { return timer_->async_wait(use_result); }

    void notify() {
        if (timer_) timer_->cancel();
    }

  private:
    void release_context() noexcept override { timer_.reset(); }

    std::optional<boost::asio::steady_timer> timer_;
};

} // namespace portunus::detail

#endif
