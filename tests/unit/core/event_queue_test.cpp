// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/event_queue.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <boost/asio/cancellation_signal.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using portunus::awaitable;
using portunus::errc;
using portunus::error;
using portunus::event_queue;
using portunus::failure;
using portunus::result;
using portunus_tests::world;

namespace {

/// Pops until the queue ends; then says what the end was.
awaitable<void> drain(event_queue<int> queue, std::vector<int>& into, error& end) {
    for (;;) {
        auto next = co_await queue.pop();
        if (!next) {
            end = next.error();
            co_return;
        }
        into.push_back(*next);
    }
}

} // namespace

TEST_CASE("events come out in the order in which they went in") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 10);
    for (int i = 0; i < 5; ++i) CHECK(queue.push(i).has_value());
    queue.close();
    std::vector<int> got;
    error end;
    w.run(drain(queue, got, end));
    CHECK(got == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(end == errc::end_of_stream);
}

TEST_CASE("a waiting pop completes with the event that comes") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 1);
    std::vector<int> got;
    error end;
    w.spawn(drain(queue, got, end));
    w.settle();
    CHECK(got.empty());
    CHECK(queue.push(7).has_value());
    w.settle();
    CHECK(got == std::vector<int>{7});
    queue.close();
    w.run();
    CHECK(end == errc::end_of_stream);
}

TEST_CASE("a full queue refuses with the number, counts what it refused, and keeps what it has") {
    world w;
    event_queue<std::string> queue(w.context.get_executor(), 2);
    CHECK(queue.push("a").has_value());
    CHECK(queue.push("b").has_value());
    for (int i = 0; i < 3; ++i) {
        const auto refused = queue.push("c");
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == errc::queue_full);
        CHECK(refused.error().detail().find('2') != std::string_view::npos);
    }
    CHECK(queue.refused() == 3);
    CHECK(queue.size() == 2);
    CHECK(queue.capacity() == 2);
    CHECK(queue.try_pop() == std::optional<std::string>("a"));
    CHECK(queue.push("d").has_value());
    CHECK(queue.try_pop() == std::optional<std::string>("b"));
    CHECK(queue.try_pop() == std::optional<std::string>("d"));
    CHECK(queue.try_pop() == std::nullopt);
}

TEST_CASE("a queue without a place is refused at construction") {
    world w;
    CHECK_THROWS_AS(event_queue<int>(w.context.get_executor(), 0), failure);
}

TEST_CASE("after close nothing goes in, and what is queued still comes out") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 4);
    CHECK(queue.push(1).has_value());
    queue.close();
    CHECK(queue.closed());
    const auto late = queue.push(2);
    REQUIRE_FALSE(late);
    CHECK(late.error() == errc::end_of_stream);
    std::vector<int> got;
    error end;
    w.run(drain(queue, got, end));
    CHECK(got == std::vector<int>{1});
}

TEST_CASE("close wakes whoever waits") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 1);
    std::vector<int> got;
    error end;
    w.spawn(drain(queue, got, end));
    w.settle();
    queue.close();
    w.run();
    CHECK(end == errc::end_of_stream);
}

TEST_CASE("a second waiting pop is told that there is one already, and the first one goes on") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 1);
    std::vector<int> got, none;
    error end, second;
    w.spawn(drain(queue, got, end));
    w.settle();
    w.spawn(drain(queue, none, second));
    w.settle();
    CHECK(second == errc::operation_in_progress);
    CHECK(queue.push(3).has_value());
    queue.close();
    w.run();
    CHECK(got == std::vector<int>{3});
    CHECK(none.empty());
}

TEST_CASE("a cancelled pop takes no event with it") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 4);
    asio::cancellation_signal signal;
    std::vector<int> got;
    error end;
    w.spawn(drain(queue, got, end), signal);
    w.settle();
    SECTION("cancelled, then an event comes") {
        signal.emit(asio::cancellation_type::terminal);
        CHECK(queue.push(5).has_value());
    }
    SECTION("an event comes, then cancelled before the waiter ran") {
        CHECK(queue.push(5).has_value());
        signal.emit(asio::cancellation_type::terminal);
    }
    w.run();
    CHECK(end == errc::canceled);
    // taken by the waiter, or still there: never gone
    const std::size_t left = queue.size();
    CHECK(got.size() + left == 1);
}

TEST_CASE("a cancelled queue can be waited for again") {
    world w;
    event_queue<int> queue(w.context.get_executor(), 4);
    asio::cancellation_signal signal;
    std::vector<int> got;
    error end;
    w.spawn(drain(queue, got, end), signal);
    w.settle();
    signal.emit(asio::cancellation_type::terminal);
    w.run();
    w.spawn(drain(queue, got, end));
    w.settle();
    CHECK(queue.push(1).has_value());
    queue.close();
    w.run();
    CHECK(got == std::vector<int>{1});
}

TEST_CASE("events that can only be moved pass through") {
    world w;
    event_queue<std::unique_ptr<int>> queue(w.context.get_executor(), 2);
    CHECK(queue.push(std::make_unique<int>(7)).has_value());
    int got = 0;
    w.run([](event_queue<std::unique_ptr<int>> q, int& out) -> awaitable<void> {
        auto next = co_await q.pop();
        out = *next.value();
    }(queue, got));
    CHECK(got == 7);
}

TEST_CASE("the queue's handle may go while somebody waits") {
    world w;
    std::vector<int> got;
    error end;
    auto queue = std::make_unique<event_queue<int>>(w.context.get_executor(), 1);
    const event_queue<int> other = *queue;
    w.spawn(drain(*queue, got, end));
    w.settle();
    queue.reset();
    event_queue<int> copy = other;
    CHECK(copy.push(1).has_value());
    copy.close();
    w.run();
    CHECK(got == std::vector<int>{1});
}

TEST_CASE("a queue may outlive its context, with somebody waiting in it") {
    std::vector<int> got;
    error end;
    std::optional<event_queue<int>> queue;
    {
        world w;
        queue.emplace(w.context.get_executor(), 4);
        w.spawn(drain(*queue, got, end));
        w.settle();
    }
    CHECK(queue->push(1).has_value());
    CHECK(queue->try_pop() == std::optional<int>(1));
    queue->close();
    CHECK(got.empty());
}
