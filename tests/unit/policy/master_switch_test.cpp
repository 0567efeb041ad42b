// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/master_switch.hpp>

#include "support/catch.hpp"

#include <thread>
#include <utility>

using portunus::master_switch;

TEST_CASE("a new master switch is on") {
    CHECK(master_switch().is_on());
}

TEST_CASE("copies of a master switch are one switch") {
    const master_switch original;
    const master_switch copy = original;
    copy.off();
    CHECK(!original.is_on());
    original.on();
    CHECK(copy.is_on());
    CHECK(copy == original);
    CHECK(copy != master_switch());
}

TEST_CASE("a master switch that was moved from is still a handle of its switch") {
    master_switch original;
    const master_switch moved = std::move(original);
    original.off(); // NOLINT: that is what is tested
    CHECK(!moved.is_on());
}

TEST_CASE("a master switch may be turned on another thread") {
    const master_switch here;
    std::thread([there = here] { there.off(); }).join();
    CHECK(!here.is_on());
}
