// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_RUN_HPP
#define PORTUNUS_TESTING_RUN_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/testing/start.hpp>
#include <portunus/testing/test_failure.hpp>

#include <chrono>
#include <cstddef>
#include <type_traits>

namespace portunus::testing {

/// How `run` runs. Times are real ones, also when the time of the test is manual.
struct run_options {
    /// The body must have finished after so long. It is asked between handlers: a handler that never returns
    /// is for the limit of the test framework or of ctest.
    std::chrono::milliseconds watchdog{10'000};
    /// When the body has finished, the context must run out of work within so long. The library's own timer
    /// needs up to a fifth of a second.
    std::chrono::milliseconds drain{1'000};
    /// The deadlines of the context move only by `advance`.
    bool manual_time{false};
};
static_assert(std::is_trivially_destructible_v<run_options>);

/// Runs the body of a test on an io_context of its own.
///
///     TEST_CASE("a line comes back") {                    // or a plain function: no framework is needed
///         run([]() -> awaitable<void> {
///             auto [near, far] = make_memory_stream_pair(co_await asio::this_coro::executor);
///             ...
///         });
///     }
///
/// `body` is an `awaitable<void>`, or is called with the io_context or with nothing and returns one; what is
/// called lives until the context is gone, so it may be a lambda with captures.
///
/// Returns when the body has finished and the context has run out of work. Throws
/// - what left the body, or a coroutine of `start` that nobody has asked for its value;
/// - `test_failure` when the watchdog expires; when the context runs out of work before the body has
///   finished, so that nothing can wake it any more; when work is left after it: a pending operation, a
///   timer, an armed deadline. The text says what the kit knows about it.
///
/// Everything that is left in the context is destroyed in each case.
template <class Body>
void run(Body&& body, const run_options& options = {});

/// Completes when no handler of the context is ready: whatever can happen without time, or somebody else,
/// has happened. Only in a context that `run` or `destroy_at_every_point` runs; elsewhere `test_failure`.
awaitable<void> settle();

/// Moves manual time and lets everybody act on it: `settle`, `deadline_service::advance`, `settle`. Deadlines
/// expire in their order; what they arm anew expires in the same call only when it is for no time at all.
/// `test_failure` when the time is not manual.
awaitable<void> advance(steady_clock::duration by);

/// How `destroy_at_every_point` works.
struct destroy_options {
    std::chrono::milliseconds watchdog{10'000}; ///< of one round, in real time
    bool manual_time{false};                    ///< as in `run_options`
    std::size_t most_handlers{10'000};          ///< a body that needs more is a `test_failure`
};
static_assert(std::is_trivially_destructible_v<destroy_options>);

/// Proves that everything can be destroyed at any time: for n = 0, 1, 2, ... it runs n handlers of a fresh
/// context and then destroys everything, until the body has finished by itself. To be run with
/// AddressSanitizer, which sees what is touched too late and what is never freed.
///
/// `make(context)` returns an `awaitable<void>`, or a scene: an object that owns what the body works on and
/// is called, without arguments, to get the body.
///
///     struct scene {
///         std::optional<framed_stream<memory_stream>> frames;
///         memory_stream far;
///         awaitable<void> operator()() {
///             while (frames) {
///                 auto line = co_await frames->read();
///                 if (!line) co_return;
///             }
///         }
///         void drop() { frames.reset(); }
///     };
///
/// With a scene there are two passes: it is destroyed before the context, handles first and then the
/// coroutines that wait in them; and after the context. One that has a member `drop` gets a third: `drop`
/// destroys the handles and the context runs on. Then whatever was pending has to complete, the body has to
/// finish, and the context has to run out of work.
///
/// Returns n, the number of handlers that the body took. Throws what the body throws, and `test_failure` with
/// n and the pass. The body has to come to the same points in each round: nothing random in it.
template <class MakeScene>
std::size_t destroy_at_every_point(MakeScene make, const destroy_options& options = {});

} // namespace portunus::testing

#include <portunus/testing/impl/run.hpp>

#endif