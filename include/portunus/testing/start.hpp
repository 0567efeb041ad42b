// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_START_HPP
#define PORTUNUS_TESTING_START_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/testing/detail/run_service.hpp>
#include <portunus/testing/test_failure.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace portunus::testing {

namespace detail {

/// What a started coroutine and its handle share, whatever its value is.
struct started_state : thrown_in_background {
    explicit started_state(const boost::asio::any_io_executor& e) : executor(e), ended(e) {}
    boost::asio::any_io_executor executor;
    portunus::detail::event ended;
    boost::asio::cancellation_signal signal;
    bool done = false;
};

/// Runs `body`, which keeps its value by itself, to its end.
PORTUNUS_DECL void start(std::shared_ptr<started_state> s, awaitable<void> body);
PORTUNUS_DECL void cancel(const std::shared_ptr<started_state>& s);
/// Completes when the coroutine has ended.
PORTUNUS_DECL awaitable<void> wait_for(std::shared_ptr<started_state> s);

/// Asio's `co_spawn`, instantiated once for all tests: `ended` is called with what the coroutine threw, if
/// anything.
PORTUNUS_DECL void spawn(const boost::asio::any_io_executor& executor, awaitable<void> body,
                         const boost::asio::cancellation_slot& slot,
                         std::function<void(std::exception_ptr)> ended);

} // namespace detail

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
    void cancel() { detail::cancel(state_); }

  private:
    template <class U>
    friend started<U> start(const boost::asio::any_io_executor& executor, awaitable<U> body);

    struct state : detail::started_state {
        using started_state::started_state;
        std::optional<stored> value;
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
        co_await detail::wait_for(s);
        co_return take(*s);
    }

    static awaitable<void> run(pointer s, awaitable<T> body) {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(body);
            s->value.emplace();
        } else {
            T value = co_await std::move(body);
            s->value.emplace(std::move(value));
        }
    }

    pointer state_;
};

/// Starts `body` on `executor`; it begins from the context's queue, never inside the call.
template <class T>
[[nodiscard]] started<T> start(const boost::asio::any_io_executor& executor, awaitable<T> body) {
    auto state = std::make_shared<typename started<T>::state>(executor);
    detail::start(state, started<T>::run(state, std::move(body)));
    return started<T>(std::move(state));
}

} // namespace portunus::testing

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/testing/impl/start.ipp>
#endif

#endif
