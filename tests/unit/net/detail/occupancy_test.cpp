// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/occupancy.hpp>

#include "support/catch.hpp"

#include <boost/asio/ip/address.hpp>

#include <stdexcept>
#include <string>
#include <utility>

using portunus::admission;
using portunus::admission_ticket;
using portunus::connection_attempt;
using portunus::replaces;
using places = portunus::detail::occupancy<std::string>;

namespace {

const auto local = boost::asio::ip::make_address("10.0.0.1");

connection_attempt peer(int host, std::uint16_t port = 4000) {
    return {boost::asio::ip::make_address("10.0.0." + std::to_string(host)), port, local, 7001};
}

places::entry enter(places& p, std::uint64_t id, const connection_attempt& who) {
    std::string name = "newcomer " + std::to_string(id);
    return p.enter(id, static_cast<unsigned>(id % 2), who, name);
}

} // namespace

TEST_CASE("who replaces nobody begins at once") {
    places p(replaces::same_address);
    for (int host = 1; host <= 100; ++host) {
        CHECK_FALSE(p.replaces_anybody(peer(host)));
        const auto e = enter(p, static_cast<std::uint64_t>(host), peer(host));
        CHECK_FALSE(e.waits);
        CHECK(e.replaced.empty());
    }
    CHECK(p.replaces_anybody(peer(7, 9)));
    CHECK(p.leave(7, {}).empty());
    CHECK_FALSE(p.replaces_anybody(peer(7)));
    CHECK(p.size() == 99);
}

TEST_CASE("a newcomer waits until the one whose place it takes has left, and inherits the place") {
    admission house({.max_connections = 1});
    auto first = house.enter(peer(7).remote, {});
    REQUIRE(first);
    places p(replaces::same_address);
    enter(p, 1, peer(7));
    const auto e = enter(p, 2, peer(7, 4001));
    CHECK(e.waits);
    REQUIRE(e.replaced.size() == 1);
    CHECK(e.replaced[0].id == 1);
    CHECK(e.replaced[0].context == 1);
    const auto ready = p.leave(1, std::move(first.ticket));
    REQUIRE(ready.size() == 1);
    CHECK(ready[0].id == 2);
    CHECK(ready[0].context == 0);
    CHECK(ready[0].waiting == "newcomer 2");
    CHECK(static_cast<bool>(ready[0].ticket));
    CHECK(house.full()); // nobody could come in between
    CHECK(p.size() == 1);
}

TEST_CASE("a newcomer that waits is itself replaced by the next one, which waits for the same session") {
    places p(replaces::same_address);
    enter(p, 1, peer(7));
    enter(p, 2, peer(7));
    const auto third = enter(p, 3, peer(7));
    CHECK(third.waits);
    CHECK(third.replaced.empty()); // it has been told already
    REQUIRE(third.outdated.size() == 1);
    CHECK(third.outdated[0].waiting == "newcomer 2");
    const auto ready = p.leave(1, {});
    REQUIRE(ready.size() == 1);
    CHECK(ready[0].id == 3);
}

TEST_CASE("a newcomer that takes several places waits for the last of them") {
    places p(replaces::anybody);
    enter(p, 1, peer(1));
    places chosen(portunus::replace_policy(
        [](const connection_attempt&, const connection_attempt& newer) { return newer.port == 1; }));
    for (std::uint64_t id = 1; id <= 5; ++id) enter(chosen, id, peer(static_cast<int>(id)));
    const auto e = enter(chosen, 6, peer(6, 1));
    CHECK(e.replaced.size() == 5);
    for (std::uint64_t id = 1; id <= 4; ++id) CHECK(chosen.leave(id, {}).empty());
    CHECK(chosen.leave(5, {}).size() == 1);
    CHECK(chosen.size() == 1);
}

TEST_CASE("another address does not inherit the place, whose count is by address") {
    admission house({.max_connections = 2});
    auto first = house.enter(peer(7).remote, {});
    places p(replaces::anybody);
    enter(p, 1, peer(7));
    enter(p, 2, peer(8));
    const auto ready = p.leave(1, std::move(first.ticket));
    REQUIRE(ready.size() == 1);
    CHECK_FALSE(static_cast<bool>(ready[0].ticket));
    CHECK(house.snapshot().open == 0);
}

TEST_CASE("who begins can learn that somebody newer has come since") {
    places p(replaces::same_address);
    enter(p, 1, peer(7));
    enter(p, 2, peer(7));
    REQUIRE(p.leave(1, {}).size() == 1); // 2 may begin, and has not yet
    CHECK_FALSE(p.leaving(2));
    CHECK(enter(p, 3, peer(7)).waits);
    CHECK(p.leaving(2));
    CHECK_FALSE(p.leaving(9));
}

TEST_CASE("a predicate that throws leaves everything as it was") {
    places p(portunus::replace_policy([](const connection_attempt& older, const connection_attempt&) -> bool {
        if (older.port == 2) throw std::runtime_error("no idea");
        return true;
    }));
    enter(p, 1, peer(7, 2));
    CHECK_THROWS_AS(enter(p, 2, peer(8)), std::runtime_error);
    CHECK(p.size() == 1);
    CHECK(p.leave(1, {}).empty()); // nobody waits
}

TEST_CASE("leaving twice, or without having entered, changes nothing") {
    places p(replaces::same_address);
    enter(p, 1, peer(7));
    CHECK(p.leave(9, {}).empty());
    CHECK(p.leave(1, {}).empty());
    CHECK(p.leave(1, {}).empty());
    CHECK(p.size() == 0);
}
