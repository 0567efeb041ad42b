// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/awaitable.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>

namespace asio = boost::asio;
using portunus::awaitable;
using portunus_tests::world;

static_assert(std::is_same_v<awaitable<int>, asio::awaitable<int>>,
              "any Asio operation can be awaited beside ours");

TEST_CASE("an operation of Asio's can be awaited beside ours") {
    world w;
    bool reached = false;
    w.run([](bool& done) -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        asio::steady_timer timer(executor, asio::steady_timer::time_point::min());
        co_await timer.async_wait(asio::use_awaitable);
        done = true;
    }(reached));
    CHECK(reached);
}

TEST_CASE("with the token of the library a failure is a value, not an exception") {
    world w;
    boost::system::error_code got;
    w.run([](boost::system::error_code& out) -> awaitable<void> {
        asio::ip::tcp::socket closed(co_await asio::this_coro::executor);
        char byte = 0;
        const auto [failed, n] =
            co_await closed.async_read_some(asio::buffer(&byte, 1), portunus::detail::use_result);
        CHECK(n == 0);
        out = failed;
    }(got));
    CHECK(got == asio::error::bad_descriptor);
}
