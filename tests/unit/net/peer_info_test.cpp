// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/peer_info.hpp>

#include "support/catch.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <string>
#include <type_traits>

namespace ip = boost::asio::ip;
using portunus::peer_info;
using portunus::to_string;

static_assert(std::is_trivially_destructible_v<peer_info>,
              "a coroutine may take it by value in any expression");

TEST_CASE("an endpoint is written so that it can be read, and a mapped address as what it means") {
    const auto text = [](const char* address, unsigned short port) {
        return to_string(ip::tcp::endpoint(ip::make_address(address), port));
    };
    CHECK(text("10.0.0.7", 4411) == "10.0.0.7:4411");
    CHECK(text("::1", 80) == "[::1]:80");
    CHECK(text("::ffff:10.0.0.7", 4411) == "10.0.0.7:4411");
    CHECK(text("::", 0) == "[::]:0");
    CHECK(text("0.0.0.0", 65535) == "0.0.0.0:65535");
    CHECK(text("fe80::1%1", 7).find('%') != std::string::npos); // the scope is part of it
}

TEST_CASE("the interface of an address of ours is found, also of a mapped one, and of a foreign one none") {
    peer_info peer;
    const auto on = [&peer](const char* address) {
        peer.local = ip::tcp::endpoint(ip::make_address(address), 7001);
        return peer.interface();
    };
    CHECK(on("127.0.0.1") == "lo");
    CHECK(on("::ffff:127.0.0.1") == "lo");
    CHECK(on("127.1.2.3") == "lo"); // no interface has it, and yet it is this machine
    CHECK(on("::1") == "lo");
    CHECK(on("203.0.113.77").empty()); // kept for documentation: nobody has it (RFC 5737)
    CHECK(on("2001:db8::77").empty());
    CHECK(on("fe80::1%1") == "lo"); // by its scope, whatever the address
}

TEST_CASE("a default-made peer is nobody") {
    const peer_info nobody;
    CHECK(nobody.id == 0);
    CHECK(nobody.listener == 0);
    CHECK(nobody.remote == ip::tcp::endpoint());
    CHECK(nobody.interface().empty());
}
