// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/start.hpp>

#include <portunus/testing/run.hpp>

#include "support/catch.hpp"

#include <boost/asio/steady_timer.hpp>

using namespace portunus;
using namespace portunus::testing;
namespace asio = boost::asio;

namespace {

awaitable<std::string> say(std::string text) {
    co_await asio::post(asio::deferred);
    co_return text;
}
awaitable<std::unique_ptr<int>> make_number(int n) {
    co_return std::make_unique<int>(n);
}
awaitable<int> fail() {
    co_await asio::post(asio::deferred);
    throw std::runtime_error("no number today");
}
awaitable<bool> sleep_for_ever() {
    co_await asio::this_coro::throw_if_cancelled(false);
    asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(portunus::detail::use_result);
    const auto asked = co_await asio::this_coro::cancellation_state;
    co_return portunus::detail::stop_asked(asked);
}

} // namespace

TEST_CASE("a started coroutine begins from the queue, and its value can be fetched once") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto text = start(context.get_executor(), say("hello"));
        CHECK(!text.done());
        CHECK_THROWS_AS(text.get(), test_failure);
        co_await settle();
        REQUIRE(text.done());
        CHECK(text.get() == "hello");
        CHECK_THROWS_AS(text.get(), test_failure);
    });
}

TEST_CASE("join waits for the value, which may be one that can only be moved") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto number = start(context.get_executor(), make_number(42));
        const auto got = co_await number.join();
        REQUIRE(got);
        CHECK(*got == 42);
    });
}

TEST_CASE("get and join throw what the started coroutine threw, and run then does not") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto first = start(context.get_executor(), fail());
        auto second = start(context.get_executor(), fail());
        co_await settle();
        CHECK_THROWS_AS(first.get(), std::runtime_error);
        bool thrown = false;
        try {
            (void)co_await second.join();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
    });
}

TEST_CASE("cancel ends the present wait of a started coroutine") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto sleeper = start(context.get_executor(), sleep_for_ever());
        co_await settle();
        CHECK(!sleeper.done());
        sleeper.cancel();
        const bool asked = co_await sleeper.join();
        CHECK(asked);
    });
}

TEST_CASE("a cancellation before the started coroutine has begun is seen by its first wait") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto sleeper = start(context.get_executor(), sleep_for_ever());
        sleeper.cancel();
        co_await settle();
        // The library's operations ask for the cancellation before they wait; a bare timer does not.
        sleeper.cancel();
        const bool asked = co_await sleeper.join();
        CHECK(asked);
    });
}

TEST_CASE("the handle of a started coroutine may be destroyed first") {
    bool ended = false;
    run([&](asio::io_context& context) -> awaitable<void> {
        {
            auto forgotten = start(context.get_executor(), [](bool* flag) -> awaitable<void> {
                co_await settle();
                *flag = true;
            }(&ended));
        }
        co_await settle();
    });
    CHECK(ended);
}
