// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_START_HPP
#define PORTUNUS_TESTING_START_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/testing/detail/run_service.hpp>
#include <portunus/testing/test_failure.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace portunus::testing {

/// A coroutine that runs beside the test's body, so that the body can look at it while it waits:
///
///     auto read = start(frames.get_executor(), frames.read());
///     co_await settle();
///     CHECK(!read.done());
///     frames.cancel();
///     auto got = co_await read.join();
///     CHECK(got.error() == errc::canceled);
///
/// A handle on shared state; destroying it neither ends nor waits for the coroutine. What the coroutine
/// throws comes out of `get` or `join`; when the test asks for neither, out of `run`: no failed assertion
/// vanishes.
template <class T>
class started {
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  public:
    /// Whether it has ended, by a value or by an exception.
    bool done() const noexcept { return state_->done; }

    /// The value, moved out; throws what the coroutine threw, or `test_failure` when it has not ended, or
    /// when the value was taken before.
    T get() { return take(*state_); }

    /// Completes when it has ended, with what `get` gives. `test_failure` when the caller is cancelled first.
    awaitable<T> join() { return wait_for(state_); }

    /// Cancels the coroutine as a task group would: its present wait ends, its next ones give
    /// `errc::canceled`.
    void cancel() {
        // Inside of the context's run: elsewhere Asio 1.81 keeps a pointer into the coroutine until the
        // context runs again, and it may end before that.
        boost::asio::dispatch(state_->executor, [s = state_] {
            if (!s->done) s->signal.emit(boost::asio::cancellation_type::terminal);
        });
    }

  private:
    template <class U>
    friend started<U> start(const boost::asio::any_io_executor& executor, awaitable<U> body);

    struct state : detail::thrown_in_background {
        explicit state(const boost::asio::any_io_executor& e) : executor(e), ended(e) {}
        boost::asio::any_io_executor executor;
        portunus::detail::event ended;
        boost::asio::cancellation_signal signal;
        std::optional<stored> value;
        bool done = false;
    };
    using pointer = std::shared_ptr<state>;

    explicit started(pointer s) : state_(std::move(s)) {}

    static T take(state& s) {
        if (s.exception) {
            s.seen = true;
            std::rethrow_exception(s.exception);
        }
        if (!s.done) throw test_failure("get(): the started coroutine still runs");
        if (!s.value) throw test_failure("get(): the value of the started coroutine was taken before");
        [[maybe_unused]] stored value = std::move(*s.value);
        s.value.reset();
        if constexpr (!std::is_void_v<T>) return value;
    }

    static awaitable<T> wait_for(pointer s) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        while (!s->done) {
            if (portunus::detail::stop_asked(asked)) throw test_failure("join(): the caller was cancelled");
            co_await s->ended.wait_op();
        }
        co_return take(*s);
    }

    static awaitable<void> run(pointer s, awaitable<T> body) {
        // As in a task group: without these a cancellation before the first wait would throw from nowhere.
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        co_await boost::asio::this_coro::reset_cancellation_state(
            boost::asio::enable_terminal_cancellation());
        co_await boost::asio::post(boost::asio::deferred);
        const auto executor = co_await boost::asio::this_coro::executor;
        auto& service = detail::run_service::of(executor);
        const detail::wait_note note(service, "started coroutines");
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(body);
                s->value.emplace();
            } else {
                T value = co_await std::move(body);
                s->value.emplace(std::move(value));
            }
        } catch (...) {
            s->exception = std::current_exception();
        }
        s->done = true;
        if (s->exception) service.note(s);
        s->ended.notify();
    }

    pointer state_;
};

/// Starts `body` on `executor`; it begins from the context's queue, never inside the call.
template <class T>
[[nodiscard]] started<T> start(const boost::asio::any_io_executor& executor, awaitable<T> body) {
    auto state = std::make_shared<typename started<T>::state>(executor);
    auto slot = state->signal.slot();
    boost::asio::co_spawn(executor, started<T>::run(state, std::move(body)),
                          boost::asio::bind_cancellation_slot(slot, [state](const std::exception_ptr&) {}));
    return started<T>(std::move(state));
}

} // namespace portunus::testing

#endif
