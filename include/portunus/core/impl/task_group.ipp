// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_TASK_GROUP_IPP
#define PORTUNUS_CORE_IMPL_TASK_GROUP_IPP

#include <portunus/core/task_group.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
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
#include <exception>
#include <memory>
#include <stop_token>
#include <utility>

namespace portunus {
namespace detail {

PORTUNUS_DECL std::string text_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception that is not a std::exception";
    }
}

} // namespace detail

PORTUNUS_DECL void task_group::cancel_all(const std::shared_ptr<state>& group) {
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

PORTUNUS_DECL void task_group::start(const std::shared_ptr<state>& group, awaitable<void> body) {
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
PORTUNUS_DECL awaitable<void> task_group::run(state* group, awaitable<void> body) {
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

PORTUNUS_DECL awaitable<result<bool>> task_group::join_tasks(std::shared_ptr<state> group,
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

PORTUNUS_DECL awaitable<result<bool>> task_group::stop_tasks(std::shared_ptr<state> group,
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
