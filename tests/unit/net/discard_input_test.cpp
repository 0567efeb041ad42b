// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/discard_input.hpp>

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <utility>

using namespace portunus_tests;
using portunus::discard_input;
using portunus::errc;

TEST_CASE("everything up to the peer's end is thrown away and counted, and writing goes on meanwhile") {
    world w;
    auto c = connect_pair(w.context);
    auto discarding = w.start(discard_input(c.stream));
    std::uint64_t sent = 0;
    for (int i = 0; i < 100; ++i) {
        const auto n = ::send(c.peer.fd(), pattern(100'000).data(), 100'000, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<std::uint64_t>(n);
        w.settle();
    }
    CHECK(sent > 1'000'000); // more than any buffer holds: somebody reads
    CHECK(must(c.stream.try_write_some(asio::buffer("still here", 10))) == 10);
    CHECK(c.peer.read(10) == "still here");
    CHECK_FALSE(discarding.done());
    c.peer.shutdown_send();
    w.until([&] { return discarding.done(); });
    CHECK(must(discarding.get()) == sent);
    CHECK(c.stream.bytes_received() == sent);
}

TEST_CASE("it ends with the stream's error, or when it is cancelled, and the idle limit counts on") {
    world w;
    portunus::tcp_stream_options options;
    options.idle_limit = 5s;
    auto c = connect_pair(w.context, options);
    auto discarding = w.start(discard_input(c.stream));
    SECTION("cancelled") {
        w.settle();
        discarding.cancel();
        w.settle();
        CHECK(error_of(discarding.get()) == errc::canceled);
        CHECK(c.stream.is_open());
    }
    SECTION("idle") {
        w.pass(4s);
        c.peer.send("x");
        w.until([&] { return c.stream.bytes_received() == 1; });
        w.pass(4s);
        CHECK_FALSE(discarding.done());
        w.pass(1s);
        CHECK(error_of(discarding.get()) == errc::idle_timeout);
    }
    SECTION("reset") {
        c.peer.reset();
        w.until([&] { return discarding.done(); });
        CHECK(error_of(discarding.get()) == boost::system::errc::connection_reset);
    }
}

TEST_CASE("discarding can be destroyed at every point") {
    struct scene {
        std::optional<connection> c;
        awaitable<void> operator()() {
            if (!c) co_return;
            c->peer.send("some bytes");
            c->peer.shutdown_send();
            auto count = co_await discard_input(c->stream);
            (void)count;
        }
    };
    CHECK(portunus::testing::destroy_at_every_point(
              [](asio::io_context& context) { return scene{connect_pair(context)}; }) >= 1);
}
