// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_START_IPP
#define PORTUNUS_TESTING_IMPL_START_IPP

#include <portunus/testing/start.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/testing/detail/run_service.hpp>
#include <portunus/testing/test_failure.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace portunus::testing::detail {

PORTUNUS_DECL awaitable<void> run_started(std::shared_ptr<started_state> s, awaitable<void> body) {
    // As in a task group: without these a cancellation before the first wait would throw from nowhere.
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::enable_terminal_cancellation());
    co_await boost::asio::post(boost::asio::deferred);
    const auto executor = co_await boost::asio::this_coro::executor;
    auto& service = run_service::of(executor);
    const wait_note note(service, "started coroutines");
    try {
        co_await std::move(body);
    } catch (...) {
        s->exception = std::current_exception();
    }
    s->done = true;
    if (s->exception) service.note(s);
    s->ended.notify();
}

PORTUNUS_DECL void start(std::shared_ptr<started_state> s, awaitable<void> body) {
    const auto executor = s->executor;
    const auto slot = s->signal.slot();
    auto running = run_started(s, std::move(body));
    boost::asio::co_spawn(
        executor, std::move(running),
        boost::asio::bind_cancellation_slot(slot, [s = std::move(s)](const std::exception_ptr&) {}));
}

PORTUNUS_DECL void cancel(const std::shared_ptr<started_state>& s) {
    // Inside of the context's run: elsewhere Asio 1.81 keeps a pointer into the coroutine until the context
    // runs again, and it may end before that.
    boost::asio::dispatch(s->executor, [s] {
        if (!s->done) s->signal.emit(boost::asio::cancellation_type::terminal);
    });
}

PORTUNUS_DECL awaitable<void> wait_for(std::shared_ptr<started_state> s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    while (!s->done) {
        if (portunus::detail::stop_asked(asked)) throw test_failure("join(): the caller was cancelled");
        co_await s->ended.wait_op();
    }
}

PORTUNUS_DECL void spawn(const boost::asio::any_io_executor& executor, awaitable<void> body,
                         const boost::asio::cancellation_slot& slot,
                         std::function<void(std::exception_ptr)> ended) {
    boost::asio::co_spawn(executor, std::move(body),
                          boost::asio::bind_cancellation_slot(slot, std::move(ended)));
}

} // namespace portunus::testing::detail

#endif
