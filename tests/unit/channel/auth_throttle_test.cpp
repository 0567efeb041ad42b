// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/auth_throttle.hpp>

#include "support/catch.hpp"

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

namespace {
using time_point = auth_throttle::time_point;
constexpr time_point t0{1h};
const auto peer = boost::asio::ip::make_address("10.0.0.7");

/// One wrong key, or how long to wait before it can be given.
std::chrono::milliseconds guess(auth_throttle& house, time_point now, const char* from = "10.0.0.7") {
    auto told = house.begin(boost::asio::ip::make_address(from), now);
    told.attempt.wrong(now);
    return std::chrono::duration_cast<std::chrono::milliseconds>(told.wait);
}
} // namespace

TEST_CASE("the first wrong keys cost nothing, each further one twice the time of the one before") {
    auth_throttle house({.free = 2, .first = 1s, .cap = 5s, .forgive_after = 24h});
    time_point now = t0;
    CHECK(guess(house, now) == 0ms);
    CHECK(guess(house, now) == 0ms);
    CHECK(guess(house, now) == 0ms); // the third is heard, and then
    for (const auto wait : {1s, 2s, 4s, 5s, 5s, 5s}) {
        CHECK(guess(house, now) == wait);
        CHECK(guess(house, now + wait - 1ms) == 1ms);
        now += wait;
        CHECK(guess(house, now) == 0ms);
    }
    CHECK(house.snapshot().wrong == 9);
    CHECK(house.snapshot().slowed == 12);
}

TEST_CASE("time forgives one wrong key after the other") {
    auth_throttle house({.free = 1, .first = 10s, .cap = 10s, .forgive_after = 60s});
    CHECK(guess(house, t0) == 0ms);
    CHECK(guess(house, t0) == 0ms);
    CHECK(guess(house, t0) == 10'000ms);
    CHECK(guess(house, t0 + 59s) == 0ms); // two in the books and a third now
    CHECK(guess(house, t0 + 60s) == 9'000ms);
    CHECK(guess(house, t0 + 300s) == 0ms); // all forgiven
    CHECK(guess(house, t0 + 300s) == 0ms);
    CHECK(guess(house, t0 + 300s) == 10'000ms);
}

TEST_CASE("a right key or an abandoned attempt counts neither way") {
    auth_throttle house({.free = 1, .first = 1s});
    for (int i = 0; i < 100; ++i) {
        auto told = house.begin(peer, t0);
        REQUIRE(told.attempt);
        if (i % 2 == 0) told.attempt.right(t0);
    }
    CHECK(house.snapshot().tracked == 0);
    guess(house, t0);
    house.begin(peer, t0).attempt.right(t0); // forgives nothing
    guess(house, t0);
    CHECK(guess(house, t0) == 1000ms);
}

TEST_CASE(
    "attempts of one address that run side by side are bounded, and to one for an address that guessed") {
    auth_throttle house({.free = 1, .first = 1s, .at_once = 3});
    std::vector<auth_attempt> running;
    for (int i = 0; i < 3; ++i) running.push_back(std::move(house.begin(peer, t0).attempt));
    CHECK_FALSE(house.begin(peer, t0).attempt);
    CHECK(house.begin(peer, t0).wait == 1s);
    CHECK(house.begin(boost::asio::ip::make_address("10.0.0.8"), t0).attempt);
    running.pop_back();
    CHECK(house.begin(peer, t0).attempt);
    for (auto& each : running) each.wrong(t0);
    auto one = house.begin(peer, t0 + 1s);
    CHECK(one.attempt);
    CHECK_FALSE(house.begin(peer, t0 + 1s).attempt);
    one.attempt.abandon();
    CHECK(house.begin(peer, t0 + 1s).attempt);
}

TEST_CASE("an address is counted in every form that it has, and one of IPv6 with its /64") {
    auth_throttle house({.free = 0, .first = 1s});
    CHECK(guess(house, t0) == 0ms);
    CHECK(guess(house, t0, "::ffff:10.0.0.7") == 1000ms);
    CHECK(guess(house, t0, "2001:db8::1") == 0ms);
    CHECK(guess(house, t0, "2001:db8::ffff:2") == 1000ms);
    CHECK(guess(house, t0, "2001:db8:0:1::1") == 0ms);
    CHECK(guess(house, t0, "fe80::1%1") == 0ms);
    CHECK(guess(house, t0, "fe80::2%1") == 0ms);
}

TEST_CASE("the table is bounded, forgets whom it has not heard longest, and refuses nobody for being full") {
    auth_throttle house({.free = 0, .first = 10s, .most_remembered = 100});
    for (int i = 0; i < 250; ++i) CHECK(guess(house, t0, ("10.0.0." + std::to_string(i)).c_str()) == 0ms);
    CHECK(house.snapshot().tracked == 100);
    CHECK(house.snapshot().forgotten == 150);
    CHECK(guess(house, t0, "10.0.0.249") == 10'000ms);
    CHECK(guess(house, t0, "10.0.0.150") == 10'000ms);
    CHECK(guess(house, t0, "10.0.0.0") == 0ms);
    CHECK(guess(house, t0, "10.0.0.150") == 10'000ms); // was heard, so another one had to go
    CHECK(guess(house, t0, "10.0.0.151") == 0ms);
}

TEST_CASE("an attempt whose address was forgotten, or whose throttle is gone, ends quietly") {
    auth_attempt left;
    {
        auth_throttle house({.most_remembered = 1});
        left = house.begin(peer, t0).attempt;
        CHECK(house.begin(boost::asio::ip::make_address("10.0.0.8"), t0).attempt);
        CHECK(house.snapshot().forgotten == 1);
    }
    CHECK(left);
    left.wrong(t0);
    CHECK_FALSE(left);
    left.wrong(t0);
}

TEST_CASE("options of a throttle that mean nothing are refused by name") {
    const auto said = [](const auth_throttle_options& o) {
        try {
            const auth_throttle house(o);
        } catch (const failure& f) {
            return std::string(f.reason().detail());
        }
        return std::string();
    };
    using Catch::Matchers::Contains;
    CHECK(said({}).empty());
    CHECK_THAT(said({.free = 1001}), Contains("free"));
    CHECK_THAT(said({.first = 0ms}), Contains("first"));
    CHECK_THAT(said({.first = 2s, .cap = 1s}), Contains("first"));
    CHECK_THAT(said({.cap = 25h}), Contains("cap"));
    CHECK_THAT(said({.forgive_after = 10ms}), Contains("forgive_after"));
    CHECK_THAT(said({.at_once = 0}), Contains("at_once"));
    CHECK_THAT(said({.most_remembered = 0}), Contains("most_remembered"));
}
