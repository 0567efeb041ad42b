// SPDX-License-Identifier: BSL-1.0
// Peers whose name the link knows are in tests/integration/mdns_test.cpp.
#include <portunus/net/peer_name.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <portunus/testing/run.hpp>

#include <string>

using namespace portunus_tests;
using portunus::peer_info;
using portunus::peer_name;

TEST_CASE("a peer whose name the system knows has it, also by its mapped address") {
    world w;
    peer_info peer;
    peer.remote = {asio::ip::make_address("::ffff:127.0.0.1"), 4411};
    auto asked = w.start(peer_name(peer));
    w.until([&] { return asked.done(); });
    const std::string name = asked.get();
    CHECK_FALSE(name.empty());
    CHECK(name != "?");
    w.run();
}

TEST_CASE("a peer whose name nobody says in time, or for whom nobody waits any more, is a question mark") {
    world w;
    auto late = w.start(peer_name(asio::ip::make_address("192.0.2.1"), 0s)); // RFC 5737: nobody's
    auto left = w.start(peer_name(asio::ip::make_address("192.0.2.1")));
    left.cancel();
    w.pass(0s);
    w.until([&] { return late.done() && left.done(); });
    CHECK(late.get() == "?");
    CHECK(left.get() == "?");
}

TEST_CASE("asking for a peer's name can be destroyed at every point") {
    struct scene {
        awaitable<void> operator()() {
            auto name = co_await peer_name(asio::ip::make_address("127.0.0.1"));
            (void)name;
        }
    };
    CHECK(portunus::testing::destroy_at_every_point([](asio::io_context&) { return scene(); }) > 1);
}
