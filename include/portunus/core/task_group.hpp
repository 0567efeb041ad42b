// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_TASK_GROUP_HPP
#define PORTUNUS_CORE_TASK_GROUP_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/detail/intrusive_list.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <stop_token>
#include <utility>

namespace portunus {

/// Coroutines that belong together: started, asked to stop, cancelled and waited for as one.
///
///     task_group group(co_await asio::this_coro::executor);
///     group.spawn(watch_sensor());
///     ...
///     co_await group.stop(10s);       // ask, wait ten seconds, cancel what is left, join
///
/// - `spawn` never runs the body inside the call: it starts from the context's queue.
/// - An exception that leaves a task is logged as an error and ends that task alone.
/// - Inside a task a cancellation arrives as a result (`errc::canceled`), not as an exception; operations of
/// the
///   library then fail at once, so a loop that ends on errors ends.
/// - A group belongs to one context; all of its functions are called on that context's thread.
/// - Destroying the group cancels its tasks and does not wait: each completes, or is destroyed with the
///   context.
class task_group {
  public:
    explicit task_group(boost::asio::any_io_executor executor, logger log = {})
        : state_(std::make_shared<state>(std::move(executor), std::move(log))) {}
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
    task_group(task_group&&) noexcept = default;
    task_group& operator=(task_group&&) = delete;
    ~task_group() {
        if (state_) cancel_all(state_);
    }

    /// Starts `body`. False, and the body is destroyed unstarted, when the group is stopping.
    bool spawn(awaitable<void> body) {
        if (state_->stopping()) return false;
        start(state_, std::move(body));
        return true;
    }

    /// What tasks look at, or hang a `std::stop_callback` on, to learn that they should finish.
    std::stop_token stop_token() const noexcept { return state_->stop.get_token(); }

    /// Asks the tasks to finish, and lets no new one in. Returns at once; may be called again, and from a
    /// task.
    void request_stop() { state_->stop.request_stop(); }

    /// Cancels every task that runs now. They end on their own, in their own order.
    void cancel() { cancel_all(state_); }

    std::size_t size() const noexcept { return state_->count; }

    /// Asks, waits for `grace`, cancels what is left, and joins.
    ///
    /// Completes when no task is left. True when all of them ended by themselves, false when some were
    /// cancelled. A task that awaits the stop of its own group is itself cancelled at `grace` and then gets
    /// `errc::canceled`.
    awaitable<result<bool>> stop(steady_clock::duration grace) { return stop_tasks(state_, grace); }

    /// Completes when no task is left (true), or when `limit` has passed (false). `errc::canceled` when the
    /// caller is cancelled; the tasks go on in both cases.
    awaitable<result<bool>> join(steady_clock::duration limit = steady_clock::duration::max()) {
        return join_tasks(state_, limit);
    }

  private:
    struct node;
    struct state final : private detail::context_bound {
        state(boost::asio::any_io_executor e, logger l)
            : context_bound(e), executor(std::move(e)), log(std::move(l)), changed(executor) {}

        bool stopping() const noexcept { return stop.stop_requested(); }

        boost::asio::any_io_executor executor;
        logger log;
        detail::event changed;
        std::stop_source stop;
        detail::intrusive_list<node> tasks;
        std::size_t count = 0;
        bool gone = false; // the context is: what the tasks wait on goes with it, and bears no cancellation

      private:
        void release_context() noexcept override { gone = true; }
    };

    /// One task. Asio's completion handler owns it, so it goes when the task does, or when the context does.
    struct node : detail::intrusive_hook {
        explicit node(std::shared_ptr<state> g) : group(std::move(g)) {
            group->tasks.push_back(*this);
            ++group->count;
        }
        ~node() {
            unlink();
            if (--group->count == 0) group->changed.notify();
        }
        std::shared_ptr<state> group;
        boost::asio::cancellation_signal signal;
    };

    static void start(const std::shared_ptr<state>& group, awaitable<void> body);
    static void cancel_all(const std::shared_ptr<state>& group);
    static awaitable<void> run(state* group, awaitable<void> body);
    static awaitable<result<bool>> stop_tasks(std::shared_ptr<state> group, steady_clock::duration grace);
    static awaitable<result<bool>> join_tasks(std::shared_ptr<state> group, steady_clock::duration limit);

    std::shared_ptr<state> state_;
};

namespace detail {
/// The text of an exception that nobody else will see.
PORTUNUS_DECL std::string text_of(const std::exception_ptr& thrown);
} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/task_group.ipp>
#endif

#endif
