// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/task_group.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <portunus/core/detail/event.hpp>
#include <portunus/core/event_queue.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using portunus::awaitable;
using portunus::errc;
using portunus::error;
using portunus::event_queue;
using portunus::log_level;
using portunus::result;
using portunus::steady_clock;
using portunus::task_group;
using portunus_tests::log_book;
using portunus_tests::world;

namespace {

/// What a task has seen of its life.
struct trace {
    bool started = false;
    bool canceled = false;  // an operation of the library said so
    bool ended = false;     // the last line was reached
    bool destroyed = false; // the frame is gone
};

/// Lives in a frame and tells that the frame is gone.
struct tell_tale {
    explicit tell_tale(trace& t) : seen(&t) {}
    tell_tale(const tell_tale&) = delete;
    tell_tale& operator=(const tell_tale&) = delete;
    ~tell_tale() { seen->destroyed = true; }
    trace* seen;
};

/// Waits in an operation of the library until it is cancelled.
awaitable<void> wait_for_ever(trace& seen) {
    const tell_tale tale(seen);
    seen.started = true;
    event_queue<int> nothing(co_await asio::this_coro::executor, 1);
    auto event = co_await nothing.pop();
    seen.canceled = !event && event.error() == errc::canceled;
    seen.ended = true;
}

/// The same in an operation of Asio's own.
awaitable<void> wait_in_asio(trace& seen) {
    const tell_tale tale(seen);
    seen.started = true;
    asio::steady_timer timer(co_await asio::this_coro::executor, steady_clock::time_point::max());
    try {
        co_await timer.async_wait(asio::use_awaitable);
    } catch (const boost::system::system_error& e) {
        seen.canceled = e.code() == asio::error::operation_aborted;
    }
    seen.ended = true;
}

awaitable<void> yield_often(trace& seen, int times) {
    const tell_tale tale(seen);
    seen.started = true;
    for (int i = 0; i < times; ++i) co_await asio::post(asio::use_awaitable);
    seen.ended = true;
}

awaitable<void> until_stop_requested(std::stop_token token, trace& seen) {
    const tell_tale tale(seen);
    seen.started = true;
    portunus::detail::event asked(co_await asio::this_coro::executor);
    const std::stop_callback wake(token, [&asked] { asked.notify(); });
    while (!token.stop_requested()) co_await asked.wait_op();
    seen.ended = true;
}

awaitable<void> throw_this(std::string text) {
    co_await asio::post(asio::use_awaitable);
    throw std::runtime_error(text);
}

struct outcome {
    bool done = false;
    bool value = false;
    error failed;
};

awaitable<void> stop_it(task_group& group, steady_clock::duration grace, outcome& out) {
    auto r = co_await group.stop(grace);
    out.done = true;
    if (r)
        out.value = *r;
    else
        out.failed = r.error();
}

awaitable<void> join_it(task_group& group, steady_clock::duration limit, outcome& out) {
    auto r = co_await group.join(limit);
    out.done = true;
    if (r)
        out.value = *r;
    else
        out.failed = r.error();
}

} // namespace

TEST_CASE("spawn does not run the body inside the call") {
    world w;
    task_group group(w.context.get_executor());
    trace t;
    CHECK(group.spawn(yield_often(t, 3)));
    CHECK_FALSE(t.started);
    CHECK(group.size() == 1);
    w.run();
    CHECK(t.ended);
    CHECK(t.destroyed);
    CHECK(group.size() == 0);
}

TEST_CASE("spawning from a task runs the new task later, not inside") {
    world w;
    task_group group(w.context.get_executor());
    std::vector<int> order;
    group.spawn([](task_group& g, std::vector<int>& o) -> awaitable<void> {
        o.push_back(1);
        auto second = [](std::vector<int>& to) -> awaitable<void> {
            to.push_back(3);
            co_return;
        };
        g.spawn(second(o));
        o.push_back(2);
        co_return;
    }(group, order));
    w.run();
    CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("an exception ends its own task alone, and is logged as an error with its text") {
    world w;
    const log_book book;
    task_group group(w.context.get_executor(), book.logger());
    trace other;
    group.spawn(yield_often(other, 10));
    group.spawn(throw_this("the sensor has melted"));
    group.spawn([]() -> awaitable<void> {
        throw 42; // before its first suspension, and no std::exception
        co_return;
    }());
    w.run();
    CHECK(other.ended);
    CHECK(group.size() == 0);
    CHECK(book.count(log_level::error) == 2);
    CHECK(book.count("the sensor has melted") == 1);
    CHECK(book.count("not a std::exception") == 1);
}

TEST_CASE("a group goes on taking tasks after one of them has thrown") {
    world w;
    task_group group(w.context.get_executor(), portunus::logger::silent());
    group.spawn(throw_this("x"));
    w.run();
    trace t;
    CHECK(group.spawn(yield_often(t, 1)));
    w.run();
    CHECK(t.ended);
}

TEST_CASE("a task that is cancelled before its first step still ends, and does not end the program") {
    world w;
    task_group group(w.context.get_executor());
    trace waiting, in_asio, busy;
    group.spawn(wait_for_ever(waiting));
    group.spawn(wait_in_asio(in_asio));
    group.spawn(yield_often(busy, 5));
    group.cancel();
    w.settle();
    CHECK(waiting.destroyed);
    CHECK(waiting.canceled);
    CHECK(busy.destroyed);
    // what Asio starts after the cancellation does not know of it: the next cancel reaches it
    group.cancel();
    w.run();
    CHECK(in_asio.destroyed);
    CHECK(group.size() == 0);
}

TEST_CASE("a task that waits is cancelled in an operation of the library and of Asio alike") {
    world w;
    task_group group(w.context.get_executor());
    trace ours, theirs;
    group.spawn(wait_for_ever(ours));
    group.spawn(wait_in_asio(theirs));
    w.settle();
    CHECK(group.size() == 2);
    group.cancel();
    CHECK_FALSE(ours.ended); // never inside the call
    CHECK_FALSE(theirs.ended);
    w.run();
    CHECK(ours.canceled);
    CHECK(ours.ended);
    CHECK(theirs.canceled);
    CHECK(theirs.ended);
}

TEST_CASE("a task that runs when it is cancelled meets the cancellation at its next wait") {
    world w;
    task_group group(w.context.get_executor());
    trace t;
    group.spawn([](task_group& g, trace& seen) -> awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        g.cancel(); // itself, from inside
        co_await wait_for_ever(seen);
    }(group, t));
    w.run();
    CHECK(t.canceled);
    CHECK(t.ended);
}

TEST_CASE("every operation of a cancelled task fails at once, so a loop that ends on errors ends") {
    world w;
    task_group group(w.context.get_executor());
    int rounds = 0;
    group.spawn([](task_group& g, int& n) -> awaitable<void> {
        event_queue<int> nothing(co_await asio::this_coro::executor, 1);
        g.cancel();
        for (; n < 3; ++n) {
            auto r = co_await nothing.pop();
            CHECK(error(r ? error() : r.error()) == errc::canceled);
        }
    }(group, rounds));
    w.run();
    CHECK(rounds == 3);
}

TEST_CASE("cancel reaches the tasks that a cancelled task spawns only with the next cancel") {
    world w;
    task_group group(w.context.get_executor());
    trace parent, child;
    group.spawn([](task_group& g, trace& p, trace& c) -> awaitable<void> {
        co_await wait_for_ever(p);
        g.spawn(wait_for_ever(c));
    }(group, parent, child));
    w.settle();
    group.cancel();
    w.settle();
    CHECK(parent.canceled);
    CHECK(child.started);
    CHECK_FALSE(child.ended);
    group.cancel();
    w.run();
    CHECK(child.canceled);
}

TEST_CASE("a task may cancel the group, and with it the tasks beside it") {
    world w;
    task_group group(w.context.get_executor());
    trace before, after;
    group.spawn(wait_for_ever(before));
    group.spawn([](task_group& g) -> awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        co_await asio::post(asio::use_awaitable);
        g.cancel();
    }(group));
    group.spawn(wait_for_ever(after));
    w.run();
    CHECK(before.canceled);
    CHECK(after.canceled);
}

// stop
// ---------------------------------------------------------------------------------------------------------------

TEST_CASE("stop is true when every task ended by itself within the grace") {
    world w;
    task_group group(w.context.get_executor());
    trace polite;
    group.spawn(until_stop_requested(group.stop_token(), polite));
    w.settle();
    outcome out;
    w.run(stop_it(group, 10s, out));
    CHECK(out.done);
    CHECK(out.value);
    CHECK(polite.ended);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("stop waits for the grace, then cancels what is left, joins, and is false") {
    world w;
    task_group group(w.context.get_executor());
    trace deaf;
    group.spawn(wait_for_ever(deaf));
    outcome out;
    w.spawn(stop_it(group, 10s, out));
    w.pass(10s - 1ns);
    CHECK_FALSE(out.done);
    CHECK_FALSE(deaf.ended);
    w.time.advance(1ns);
    w.run();
    CHECK(out.done);
    CHECK_FALSE(out.value);
    CHECK_FALSE(out.failed.code().failed());
    CHECK(deaf.canceled);
    CHECK(group.size() == 0);
}

TEST_CASE("stop with a grace of nothing cancels at once, and of an empty group is true") {
    world w;
    task_group group(w.context.get_executor());
    outcome out;
    SECTION("empty") {
        w.run(stop_it(group, 0s, out));
        CHECK(out.done);
        CHECK(out.value);
    }
    SECTION("not empty") {
        trace deaf;
        group.spawn(wait_for_ever(deaf));
        w.spawn(stop_it(group, 0s, out));
        w.pass(0s);
        w.run();
        CHECK(out.done);
        CHECK_FALSE(out.value);
        CHECK(deaf.canceled);
    }
}

TEST_CASE("the longest duration may be given as a grace: then stop waits for as long as it takes") {
    world w;
    task_group group(w.context.get_executor());
    trace deaf;
    group.spawn(wait_for_ever(deaf));
    outcome out;
    w.spawn(stop_it(group, steady_clock::duration::max(), out));
    w.pass(24h);
    CHECK_FALSE(out.done);
    group.cancel();
    w.run();
    CHECK(out.done);
}

TEST_CASE("after a stop was requested nothing more is spawned, and the body is destroyed unstarted") {
    world w;
    task_group group(w.context.get_executor());
    group.request_stop();
    group.request_stop();
    const auto held = std::make_shared<int>(1);
    trace t;
    auto body = [](std::shared_ptr<int>, trace& seen) -> awaitable<void> {
        seen.started = true;
        co_return;
    };
    CHECK_FALSE(group.spawn(body(held, t)));
    CHECK(held.use_count() == 1);
    w.run();
    CHECK_FALSE(t.started);
}

TEST_CASE("a task that awaits the stop of its own group is cancelled at the grace and does not hang") {
    world w;
    task_group group(w.context.get_executor());
    trace deaf;
    outcome out;
    group.spawn(wait_for_ever(deaf));
    group.spawn(stop_it(group, 10s, out));
    w.pass(9s);
    CHECK_FALSE(out.done);
    w.time.advance(1s);
    w.run();
    CHECK(out.done);
    CHECK(out.failed == errc::canceled);
    CHECK(deaf.canceled);
    CHECK(group.size() == 0);
}

TEST_CASE("two may stop a group at once: both wait, and the shorter grace counts") {
    world w;
    task_group group(w.context.get_executor());
    trace deaf;
    group.spawn(wait_for_ever(deaf));
    outcome first, second;
    w.spawn(stop_it(group, GENERATE(1s, 30s), first));
    w.settle();
    w.spawn(stop_it(group, first.done ? 1s : 5s, second));
    w.pass(5s);
    w.run();
    CHECK(first.done);
    CHECK(second.done);
    CHECK(deaf.canceled);
}

TEST_CASE("somebody who joins meanwhile does not take the grace away from the one who stops") {
    world w;
    task_group group(w.context.get_executor());
    trace deaf;
    group.spawn(wait_for_ever(deaf));
    outcome stopped, joined, briefly;
    asio::cancellation_signal signal;
    w.spawn(stop_it(group, 10s, stopped));
    w.settle();
    w.spawn(join_it(group, steady_clock::duration::max(), joined), signal);
    w.spawn(join_it(group, 1s, briefly));
    w.settle();
    signal.emit(asio::cancellation_type::terminal);
    w.pass(1s);
    CHECK(joined.failed == errc::canceled);
    CHECK(briefly.done);
    CHECK_FALSE(briefly.value);
    CHECK_FALSE(stopped.done);
    w.time.advance(9s);
    w.run();
    CHECK(stopped.done);
    CHECK_FALSE(stopped.value);
}

TEST_CASE("a stop that is itself cancelled says so, and the tasks are cancelled, not waited for") {
    world w;
    task_group group(w.context.get_executor());
    trace deaf;
    group.spawn(wait_for_ever(deaf));
    outcome out;
    asio::cancellation_signal signal;
    w.spawn(stop_it(group, 10s, out), signal);
    w.settle();
    signal.emit(asio::cancellation_type::terminal);
    w.run();
    CHECK(out.failed == errc::canceled);
    CHECK(deaf.canceled);
}

// join
// ---------------------------------------------------------------------------------------------------------------

TEST_CASE("join is true when no task is left, false at its limit, and leaves the tasks alone") {
    world w;
    task_group group(w.context.get_executor());
    outcome empty, late, last;
    w.run(join_it(group, 0s, empty));
    CHECK(empty.value);
    trace deaf;
    group.spawn(wait_for_ever(deaf));
    w.spawn(join_it(group, 3s, late));
    w.pass(3s);
    CHECK(late.done);
    CHECK_FALSE(late.value);
    CHECK_FALSE(deaf.ended);
    w.spawn(join_it(group, steady_clock::duration::max(), last));
    w.settle();
    group.cancel();
    w.run();
    CHECK(last.done);
    CHECK(last.value);
}

// lifetimes
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("destroying a group cancels its tasks and does not wait for them") {
    world w;
    trace waiting, fresh;
    {
        task_group group(w.context.get_executor());
        group.spawn(wait_for_ever(waiting));
        w.settle();
        group.spawn(wait_for_ever(fresh));
    }
    CHECK_FALSE(waiting.ended);
    w.run();
    CHECK(waiting.canceled);
    CHECK(fresh.canceled);
}

TEST_CASE("a task may destroy its own group") {
    world w;
    trace other;
    auto group = std::make_unique<task_group>(w.context.get_executor());
    group->spawn(wait_for_ever(other));
    group->spawn([](std::unique_ptr<task_group>& g) -> awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        co_await asio::post(asio::use_awaitable);
        g.reset();
        co_await asio::post(asio::use_awaitable);
    }(group));
    w.run();
    CHECK(other.canceled);
    CHECK(group == nullptr);
}

TEST_CASE("a context may be destroyed with tasks in every state, and the group may outlive it") {
    trace waiting, in_asio, fresh, busy;
    std::optional<task_group> group;
    {
        world w;
        group.emplace(w.context.get_executor());
        group->spawn(wait_for_ever(waiting));
        group->spawn(wait_in_asio(in_asio));
        group->spawn(yield_often(busy, 1000));
        w.context.run_for(1ms);
        w.context.restart();
        for (int i = 0; i < 5; ++i) w.context.poll_one();
        group->spawn(wait_for_ever(fresh));
    }
    CHECK(waiting.destroyed);
    CHECK(in_asio.destroyed);
    CHECK(busy.destroyed);
    CHECK_FALSE(fresh.started);
    CHECK(group->size() == 0);
    group->cancel();
}

namespace {

/// A session as users write it: a group of its own in the frame, tasks in it, and a wait.
awaitable<void> nested(int depth, int& frames) {
    struct count {
        explicit count(int& f) : frames(f) { ++frames; }
        ~count() { --frames; }
        int& frames;
    } const counted(frames);
    task_group mine(co_await asio::this_coro::executor);
    if (depth > 0) {
        mine.spawn(nested(depth - 1, frames));
        mine.spawn(nested(depth - 1, frames));
    }
    asio::ip::tcp::acceptor acceptor(co_await asio::this_coro::executor,
                                     {asio::ip::address_v4::loopback(), 0});
    event_queue<int> nothing(co_await asio::this_coro::executor, 1);
    static trace unused; // outlives every frame: when a context goes, frames go in any order
    mine.spawn(wait_in_asio(unused));
    if (depth % 2 == 0) {
        auto r = co_await nothing.pop();
        CHECK(error(r ? error() : r.error()) == errc::canceled);
    } else {
        const auto [failed] =
            co_await acceptor.async_wait(asio::socket_base::wait_read, portunus::detail::use_result);
        CHECK(failed == asio::error::operation_aborted);
    }
    auto stopped = co_await mine.stop(1s);
    (void)stopped;
}

} // namespace

TEST_CASE("groups inside the frames of tasks end with them: when they are cancelled, and when the context "
          "goes at any "
          "point") {
    int frames = 0;
    SECTION("cancelled") {
        world w;
        task_group group(w.context.get_executor());
        group.spawn(nested(3, frames));
        w.settle();
        CHECK(frames == 15);
        group.cancel();
        w.settle();
        for (int i = 0; i < 5; ++i) w.pass(1s);
        w.run();
    }
    SECTION("destroyed after n handlers") {
        for (int n = 0; n < 120; ++n) {
            CAPTURE(n);
            std::optional<task_group> outer;
            {
                world w;
                outer.emplace(w.context.get_executor());
                outer->spawn(nested(3, frames));
                for (int i = 0; i < n; ++i) w.context.poll_one();
                if (n % 3 == 1) outer->cancel();
                if (n % 3 == 2) outer.reset();
                for (int i = 0; i < n % 7; ++i) w.context.poll_one();
            }
            REQUIRE(frames == 0);
        }
    }
    CHECK(frames == 0);
}
