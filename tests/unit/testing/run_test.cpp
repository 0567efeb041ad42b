// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/run.hpp>

#include <portunus/testing/memory_stream.hpp>

#include "support/catch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

using namespace portunus;
using namespace portunus::testing;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Catch::Matchers::Contains;

namespace {

/// The text of the test_failure that a function throws; empty when it throws none.
template <class Function>
std::string failure_of(Function function) {
    try {
        function();
    } catch (const test_failure& e) {
        return e.what();
    }
    return {};
}

/// Waits for what never comes.
awaitable<void> wait_for_ever() {
    asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(portunus::detail::use_result);
}

awaitable<void> throw_number(int n) {
    co_await asio::post(asio::deferred);
    throw n;
}

constexpr run_options impatient{.watchdog = 30ms, .drain = 30ms, .manual_time = false};

} // namespace

TEST_CASE("run runs an awaitable, a function without arguments, and one that wants the context") {
    int ran = 0;
    const auto count = [](int* n) -> awaitable<void> {
        co_await asio::post(asio::deferred);
        ++*n;
    };
    run(count(&ran));
    run([&] { return count(&ran); });
    run([&](asio::io_context& context) {
        CHECK(!context.stopped());
        return count(&ran);
    });
    CHECK(ran == 3);
}

TEST_CASE("run rethrows what left the body") {
    CHECK_THROWS_AS(run(throw_number(7)), int);
}

TEST_CASE("run rethrows what left the body though other work is pending") {
    CHECK_THROWS_AS(run([](asio::io_context& context) -> awaitable<void> {
                        asio::co_spawn(context, wait_for_ever(), asio::detached);
                        return throw_number(7);
                    }),
                    int);
}

TEST_CASE("an exception of a started coroutine that nobody asked for comes out of run") {
    CHECK_THROWS_AS(run([](asio::io_context& context) -> awaitable<void> {
                        auto forgotten = start(context.get_executor(), throw_number(7));
                        co_await settle();
                    }),
                    int);
}

TEST_CASE("the watchdog ends a body that waits, and says what for") {
    const std::string text = failure_of([] {
        run(
            []() -> awaitable<void> {
                auto [near, far] = make_memory_stream_pair(co_await asio::this_coro::executor);
                (void)co_await near.wait_readable();
            },
            impatient);
    });
    CHECK_THAT(text, Contains("watchdog expired") && Contains("30 ms") && Contains("wait_readable: 1"));
}

TEST_CASE("the watchdog ends a body that keeps the context busy") {
    const std::string text = failure_of([] {
        run(
            []() -> awaitable<void> {
                for (;;) co_await asio::post(asio::deferred);
            },
            impatient);
    });
    CHECK_THAT(text, Contains("watchdog expired"));
}

TEST_CASE("with manual time the watchdog says that nobody moves it") {
    const std::string text = failure_of([] {
        run(
            []() -> awaitable<void> {
                auto [near, far] = make_memory_stream_pair(co_await asio::this_coro::executor);
                (void)co_await near.close(1s);
            },
            {.watchdog = 30ms, .drain = 30ms, .manual_time = true});
    });
    CHECK_THAT(text, Contains("deadlines armed: 1 (time is manual and stands still)"));
}

TEST_CASE("a body that nothing can wake any more fails at once") {
    const auto began = std::chrono::steady_clock::now();
    const std::string text = failure_of([] {
        run([]() -> awaitable<void> {
            // An initiation that forgets its handler.
            co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(
                [](auto&& handler) { (void)handler; }, asio::use_awaitable);
        });
    });
    CHECK(std::chrono::steady_clock::now() - began < 5s);
    // Asio destroys the coroutine with the handler: it has ended without a value, and the context is empty.
    CHECK_THAT(text, Contains("ran out of work before the body had finished"));
}

TEST_CASE("run fails when the body leaves a pending operation behind") {
    const std::string text = failure_of([] {
        run(
            [](asio::io_context& context) -> awaitable<void> {
                asio::co_spawn(context, wait_for_ever(), asio::detached);
                co_return;
            },
            impatient);
    });
    CHECK_THAT(text, Contains("has finished, but the context did not run out of work within 30 ms"));
}

TEST_CASE("run fails when the body leaves a deadline armed, in manual time too") {
    const auto leave = [](bool manual) {
        struct owner {
            std::unique_ptr<deadline> limit;
        } kept; // outlives the body, and the context
        return failure_of([&] {
            run(
                [&](asio::io_context& context) -> awaitable<void> {
                    kept.limit =
                        std::make_unique<deadline>(deadline_service::of(context), nullptr, [](void*) {});
                    kept.limit->arm(1h);
                    co_return;
                },
                {.watchdog = 30ms, .drain = 30ms, .manual_time = manual});
        });
    };
    CHECK_THAT(leave(false), Contains("deadlines armed: 1"));
    CHECK_THAT(leave(true), Contains("deadlines armed: 1"));
}

TEST_CASE("run waits for what ends by itself after the body") {
    bool ended = false;
    run([&](asio::io_context& context) -> awaitable<void> {
        asio::co_spawn(
            context,
            [](bool* flag) -> awaitable<void> {
                for (int i = 0; i < 20; ++i) co_await asio::post(asio::deferred);
                *flag = true;
            }(&ended),
            asio::detached);
        co_return;
    });
    CHECK(ended);
}

TEST_CASE("settle comes back when no other handler is ready") {
    run([](asio::io_context& context) -> awaitable<void> {
        int steps = 0;
        auto other = start(context.get_executor(), [](int* n) -> awaitable<void> {
            for (; *n < 50; ++*n) co_await asio::post(asio::deferred);
        }(&steps));
        CHECK(steps == 0);
        co_await settle();
        CHECK(steps == 50);
        CHECK(other.done());
    });
}

TEST_CASE("two coroutines can settle at the same time") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto other = start(context.get_executor(), []() -> awaitable<void> {
            for (int i = 0; i < 5; ++i) co_await settle();
        }());
        for (int i = 0; i < 5; ++i) co_await settle();
        co_await other.join();
    });
}

TEST_CASE("settle says that it needs run") {
    asio::io_context context;
    std::exception_ptr thrown;
    asio::co_spawn(context, settle(), [&](std::exception_ptr e) { thrown = e; });
    context.run();
    CHECK_THROWS_AS(std::rethrow_exception(thrown), test_failure);
}

TEST_CASE("advance lets expire what is due and lets its handlers run") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto closing = start(context.get_executor(), near.close(500ms));
            co_await advance(499ms);
            CHECK(!closing.done());
            co_await advance(1ms);
            REQUIRE(closing.done());
            const auto closed = closing.get();
            CHECK(closed.error() == errc::drain_timeout);
        },
        {.manual_time = true});
}

TEST_CASE("advance refuses to move real time") {
    CHECK_THROWS_AS(run([]() -> awaitable<void> { co_await advance(1s); }), test_failure);
}

// ---------------------------------------------------------------------------------------------------------------

namespace {

struct counted {
    explicit counted(int* n) : alive(n) { ++*alive; }
    counted(counted&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (alive) --*alive;
    }
    int* alive;
};

struct scene {
    std::optional<memory_stream> near;
    memory_stream far;
    awaitable<void> operator()() {
        char byte;
        for (int i = 0; i < 3 && near; ++i) {
            (void)far.try_write_some("x");
            const auto got = co_await near->read_some(asio::buffer(&byte, 1));
            if (!got) co_return;
        }
    }
    void drop() { near.reset(); }
};

scene make_scene(asio::io_context& context) {
    auto [near, far] = make_memory_stream_pair(context.get_executor());
    return scene{std::move(near), std::move(far)};
}

} // namespace

TEST_CASE("destroy_at_every_point comes to each handler of the body once in each pass") {
    std::vector<int> points;
    int alive = 0;
    const std::size_t n = destroy_at_every_point([&](asio::io_context&) -> awaitable<void> {
        points.push_back(0);
        return [](std::vector<int>* reached, counted) -> awaitable<void> {
            for (int i = 0; i < 4; ++i) {
                co_await asio::post(asio::deferred);
                ++reached->back();
            }
        }(&points, counted(&alive));
    });
    CHECK(alive == 0);
    REQUIRE(points.size() == n + 1);
    CHECK(points.front() == 0);
    CHECK(points.back() == 4);
    CHECK(std::is_sorted(points.begin(), points.end()));
    for (int i = 0; i <= 4; ++i) CHECK(std::count(points.begin(), points.end(), i) > 0);
}

TEST_CASE("destroy_at_every_point destroys a scene before and after the context") {
    CHECK(destroy_at_every_point(&make_scene) > 3);
}

TEST_CASE("destroy_at_every_point throws what the body throws") {
    CHECK_THROWS_AS(destroy_at_every_point([](asio::io_context&) { return throw_number(7); }), int);
}

TEST_CASE("destroy_at_every_point names the point at which a dropped handle leaves the body waiting") {
    struct stubborn : scene {
        awaitable<void> operator()() {
            char byte;
            if (near) (void)co_await near->read_some(asio::buffer(&byte, 1));
            if (!near) co_await wait_for_ever();
        }
    };
    const std::string text = failure_of([] {
        (void)destroy_at_every_point(
            [](asio::io_context& context) {
                scene s = make_scene(context);
                (void)s.far.try_write_some("x");
                return stubborn{std::move(s)};
            },
            {.watchdog = 30ms});
    });
    CHECK_THAT(text,
               Contains("destroyed after ") && Contains("handles only") && Contains("watchdog expired"));
}

TEST_CASE("destroy_at_every_point fails for a body that never finishes") {
    CHECK_THAT(failure_of([] {
                   (void)destroy_at_every_point([](asio::io_context&) { return wait_for_ever(); },
                                                {.watchdog = 30ms});
               }),
               Contains("watchdog expired"));
    CHECK_THAT(failure_of([] {
                   (void)destroy_at_every_point(
                       [](asio::io_context&) {
                           return []() -> awaitable<void> {
                               for (;;) co_await asio::post(asio::deferred);
                           }();
                       },
                       {.most_handlers = 20});
               }),
               Contains("not finished after 20 handlers"));
}
