// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/event_broadcaster.hpp>

#include "support/catch.hpp"

#include <string>
#include <utility>

using portunus::http::event;
using portunus::http::event_broadcaster;
using portunus::http::event_subscription;
using portunus::http::slow_client;

TEST_CASE("everybody who has subscribed is told, and who has gone is forgotten") {
    const event_broadcaster b;
    CHECK(b.publish(event("x")) == 0);
    event_subscription one = b.subscribe();
    {
        const event_subscription two = b.subscribe();
        CHECK(b.subscribers() == 2);
        CHECK(b.publish(event("x")) == 2);
    }
    CHECK(b.subscribers() == 1);
    CHECK(event_broadcaster(b).publish(event("x")) == 1);
    one.close();
    CHECK(b.publish(event("x")) == 0);
    CHECK_FALSE(one.push(event("x")));
    CHECK(b.counters().published == 4);
}

TEST_CASE("a client that is too slow loses what is oldest, or its stream, and is counted") {
    const bool loses = GENERATE(true, false);
    const event_broadcaster b(
        {.capacity = 2, .when_full = loses ? slow_client::loses_oldest : slow_client::disconnected});
    const event_subscription slow = b.subscribe();
    CHECK(b.publish(event("1")) == 1);
    CHECK(b.publish(event("2")) == 1);
    CHECK(b.publish(event("3")) == (loses ? 1 : 0));
    CHECK(slow.closed() == !loses);
    CHECK(slow.dropped() == (loses ? 1 : 3));
    CHECK(b.counters().dropped == (loses ? 1 : 0));
    CHECK(b.counters().disconnected == (loses ? 0 : 1));
    CHECK(b.subscribers() == (loses ? 1 : 0));
}

TEST_CASE("a broadcaster that is closed ends its streams, and those that come") {
    const event_broadcaster b;
    const event_subscription before = b.subscribe();
    b.close();
    CHECK(before.closed());
    CHECK(b.subscribe().closed());
    CHECK(b.publish(event("x")) == 0);
}

TEST_CASE("a queue for nothing is refused") {
    CHECK_THROWS_AS(event_subscription(0), portunus::failure);
    CHECK_THROWS_AS(event_broadcaster({.capacity = 0}), portunus::failure);
}
