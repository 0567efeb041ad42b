// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/replace_policy.hpp>

#include "support/catch.hpp"

#include <boost/asio/ip/address.hpp>

#include <set>
#include <string>

using portunus::connection_attempt;
using portunus::replace_policy;
using portunus::replaces;

namespace {
connection_attempt from(const char* remote, std::uint16_t port, const char* local = "10.0.0.1",
                        std::uint16_t local_port = 7001) {
    const auto address = [](const char* text) { return boost::asio::ip::make_address(text); };
    return {address(remote), port, address(local), local_port};
}
} // namespace

TEST_CASE("each mode replaces as its table says") {
    struct row {
        const char* what;
        connection_attempt older, newer;
        bool same_socket, same_address, anybody;
    };
    const auto old = from("10.0.0.7", 4000);
    const row r = GENERATE_COPY(
        row{"the same socket", old, from("10.0.0.7", 4000), true, true, true},
        row{"another port of the peer", old, from("10.0.0.7", 4001), false, true, true},
        row{"another peer", old, from("10.0.0.8", 4000), false, false, true},
        row{"another port of ours", old, from("10.0.0.7", 4000, "10.0.0.1", 7002), false, false, false},
        row{"another address of ours", old, from("10.0.0.7", 4000, "10.0.0.2"), false, false, false},
        row{"a mapped form of the same", old, from("::ffff:10.0.0.7", 4000, "::ffff:10.0.0.1"), true, true,
            true},
        row{"the other family", old, from("fe80::7%2", 4000, "fe80::1%2"), false, false, false},
        row{"the same link-local address on another link", from("fe80::7%2", 4000, "fe80::1%2"),
            from("fe80::7%3", 4000, "fe80::1%3"), false, false, false});
    CAPTURE(r.what);
    CHECK_FALSE(replace_policy()(r.older, r.newer));
    CHECK_FALSE(replace_policy(replaces::nobody)(r.older, r.newer));
    CHECK(replace_policy(replaces::same_address_and_port)(r.older, r.newer) == r.same_socket);
    CHECK(replace_policy(replaces::same_address)(r.older, r.newer) == r.same_address);
    CHECK(replace_policy(replaces::anybody)(r.older, r.newer) == r.anybody);
}

TEST_CASE("a predicate is given the older and the newer one, and only those on the same door") {
    int calls = 0;
    const replace_policy policy([&](const connection_attempt& older, const connection_attempt& newer) {
        ++calls;
        return newer.port > older.port;
    });
    CHECK(policy(from("10.0.0.7", 1), from("10.0.0.8", 2)));
    CHECK_FALSE(policy(from("10.0.0.7", 2), from("10.0.0.8", 1)));
    CHECK_FALSE(policy(from("10.0.0.7", 1), from("10.0.0.8", 2, "10.0.0.1", 7002)));
    CHECK(calls == 2);
    CHECK(policy.mode() == replaces::chosen);
    CHECK_FALSE(policy.never());
}

TEST_CASE("a choice without a predicate is refused when it is made") {
    CHECK_THROWS_AS(replace_policy(replaces::chosen), portunus::failure);
    CHECK_THROWS_AS(replace_policy(replace_policy::predicate()), portunus::failure);
}

TEST_CASE("every mode of replacement has a name of its own") {
    std::set<std::string> names;
    for (const auto mode : {replaces::nobody, replaces::same_address_and_port, replaces::same_address,
                            replaces::anybody, replaces::chosen})
        names.insert(std::string(to_string(mode)));
    CHECK(names.size() == 5);
    CHECK(names.count("unknown") == 0);
}
