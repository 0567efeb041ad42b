// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_TASK_GROUP_HPP
#define PORTUNUS_CORE_TASK_GROUP_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/detail/intrusive_list.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

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
inline std::string text_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception that is not a std::exception";
    }
}
} // namespace detail

inline void task_group::cancel_all(const std::shared_ptr<state>& group) {
    if (group->gone || group->count == 0) return;
    // Inside of the context's run: elsewhere Asio 1.81 keeps a pointer into a task until the context runs
    // again, and the task may end before that.
    boost::asio::dispatch(group->executor, [group] {
        // The signal may end a task, and so unlink it or others, while the list is walked: take them off one
        // by one.
        detail::intrusive_list<node> now;
        now.splice(group->tasks);
        while (node* task = now.pop_front()) {
            group->tasks.push_back(*task);
            task->signal.emit(boost::asio::cancellation_type::terminal);
        }
    });
}

inline void task_group::start(const std::shared_ptr<state>& group, awaitable<void> body) {
    auto task = std::make_unique<node>(group);
    auto slot = task->signal.slot();
    boost::asio::co_spawn(
        group->executor, run(group.get(), std::move(body)),
        boost::asio::bind_cancellation_slot(slot, [task = std::move(task)](std::exception_ptr e) {
            if (e) // only what Asio itself throws: the body's exceptions end in run()
                task->group->log(log_level::error, "a task could not run: " + detail::text_of(e));
        }));
}

// `group` outlives the frame: the node in the completion handler, which is destroyed after it, holds the
// state.
inline awaitable<void> task_group::run(state* group, awaitable<void> body) {
    namespace this_coro = boost::asio::this_coro;
    // Without these two a cancellation before the first suspension, or between two awaits, throws from
    // nowhere.
    co_await this_coro::throw_if_cancelled(false);
    co_await this_coro::reset_cancellation_state(boost::asio::enable_terminal_cancellation());
    co_await boost::asio::post(boost::asio::deferred);
    std::exception_ptr thrown;
    try {
        co_await std::move(body);
    } catch (...) {
        thrown = std::current_exception();
    }
    if (thrown) group->log(log_level::error, "an exception left a task: " + detail::text_of(thrown));
}

inline awaitable<result<bool>> task_group::join_tasks(std::shared_ptr<state> group,
                                                      steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct watch { // of this call alone: several may wait for one group
        state* group;
        bool late;
    } mine{group.get(), false};
    deadline late(deadline_service::of(group->executor), &mine, [](void* owner) {
        auto& w = *static_cast<watch*>(owner);
        w.late = true;
        w.group->changed.notify();
    });
    if (limit != steady_clock::duration::max()) late.arm(limit);
    while (group->count != 0 && !mine.late && !detail::stop_asked(asked)) co_await group->changed.wait_op();
    if (group->count != 0 && !mine.late) co_return errc::canceled;
    co_return group->count == 0;
}

inline awaitable<result<bool>> task_group::stop_tasks(std::shared_ptr<state> group,
                                                      steady_clock::duration grace) {
    group->stop.request_stop();
    auto clean = co_await join_tasks(group, grace);
    if (clean && *clean) co_return true;
    cancel_all(group);
    auto joined = co_await join_tasks(group, steady_clock::duration::max());
    if (!joined) co_return std::move(joined).error();
    co_return false;
}

} // namespace portunus

#endif
