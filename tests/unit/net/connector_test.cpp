// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/connector.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/peer_info.hpp>
#include <portunus/testing/run.hpp>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::connector;
using portunus::connector_options;
using portunus::errc;
using portunus::link_event;
using portunus::link_state;
using portunus::result;
using portunus::tcp_stream;
using portunus::testing::destroy_at_every_point;

namespace {

/// To that endpoint, with delays that chance has no part in: 1 s, 2 s, 4 s, 8 s, 8 s ...
connector_options to(const tcp::endpoint& where) {
    connector_options o;
    o.host = where.address().to_string();
    o.port = where.port();
    o.retry = {.first = 1s, .cap = 8s, .spread = portunus::jitter::none, .stable = 30s};
    o.connect.stream.idle_limit = {};
    o.log = portunus::logger::silent();
    return o;
}

tcp::endpoint nobody() {
    return plain_listener().endpoint();
}

/// What has happened so far.
std::vector<link_event> events_of(world& w, connector& link) {
    std::vector<link_event> all;
    for (;;) {
        auto one = w.start(link.next_event());
        w.settle();
        if (!one.done()) {
            one.cancel();
            w.settle();
            return all;
        }
        auto e = one.get();
        if (!e) return all;
        all.push_back(*e);
    }
}
std::string states_of(world& w, connector& link) {
    std::string text;
    for (const auto& e : events_of(w, link)) text.append(text.empty() ? "" : " ").append(to_string(e.state));
    return text;
}

} // namespace

TEST_CASE("a connector gives connected streams, one after the other") {
    world w;
    plain_listener listener;
    connector link(w.context.get_executor(), to(listener.endpoint()));
    for (std::uint64_t n = 1; n <= 3; ++n) {
        auto next = w.start(link.next());
        if (n > 1) w.pass(8s); // the rest after a loss
        w.until([&] { return next.done(); });
        tcp_stream stream = must(next.get());
        auto peer = listener.accept();
        CHECK(must(stream.try_write_some(asio::buffer("hello", 5))) == 5);
        CHECK(peer.read(5) == "hello");
        CHECK(link.connections() == n);
        CHECK(link.state() == link_state::connected);
        CHECK(w.time.armed() == 0); // a connection that stands costs the connector no timer
    }
    CHECK(states_of(w, link) == "resolving connecting connected "
                                "waiting resolving connecting connected "
                                "waiting resolving connecting connected");
}

TEST_CASE("a connector rests longer after each failure, up to the cap, and each failure is an event") {
    world w;
    const auto where = nobody();
    connector link(w.context.get_executor(), to(where));
    auto next = w.start(link.next());
    w.settle();
    for (const auto delay : {1s, 2s, 4s, 8s, 8s}) {
        CHECK(link.state() == link_state::waiting);
        const auto events = events_of(w, link);
        REQUIRE(events.size() == 3);
        CHECK(events[0].state == link_state::resolving);
        CHECK(events[1].state == link_state::connecting);
        CHECK(events[2].state == link_state::waiting);
        CHECK(events[2].delay == delay);
        CHECK(events[2].cause == boost::system::errc::connection_refused);
        CHECK(events[2].attempt == link.failed_attempts());
        CHECK(w.time.armed() == 1); // the rest, and nothing else
        w.pass(delay - 1ns);
        CHECK(link.state() == link_state::waiting);
        w.pass(1ns);
    }
    CHECK(link.last_error().detail().find(portunus::to_string(where)) != std::string_view::npos);
    CHECK_FALSE(next.done());
    link.stop();
    w.run();
}

TEST_CASE(
    "the failures of a connector end with the first success, and begin anew after a stable connection") {
    const bool stable = GENERATE(true, false);
    world w;
    const auto where = nobody();
    connector link(w.context.get_executor(), to(where));
    auto next = w.start(link.next());
    w.settle();
    w.pass(1s);
    w.pass(2s); // three failures by now
    CHECK(link.failed_attempts() == 3);
    plain_socket late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); // the peer is back on its port
    const int on = 1;
    ::setsockopt(late.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    REQUIRE(::bind(late.fd(), where.data(), static_cast<socklen_t>(where.size())) == 0);
    REQUIRE(::listen(late.fd(), 8) == 0);
    w.pass(4s);
    REQUIRE(next.done());
    CHECK(link.last_error().code() == boost::system::error_code());
    {
        auto stream = must(next.get());
        w.pass(stable ? 30s : 29s);
    }
    (void)events_of(w, link);
    next = w.start(link.next());
    w.settle();
    const auto events = events_of(w, link);
    REQUIRE(events.size() == 1);
    CHECK(events[0].state == link_state::waiting);
    CHECK(events[0].delay == (stable ? 1s : 8s));
    CHECK(events[0].attempt == (stable ? 1U : 4U));
    CHECK(events[0].cause.code() == boost::system::error_code()); // a loss, not a failed attempt
    link.stop();
    w.run();
}

TEST_CASE("a connector can be stopped whatever it does, at once, and stays stopped") {
    const bool destroy = GENERATE(false, true);
    world w;
    const plain_listener listener(loopback, 0); // its queue is full: the kernel drops who comes
    std::vector<plain_socket> fill;
    for (int i = 0; i < 8; ++i) {
        fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        ::connect(fill.back().fd(), listener.endpoint().data(),
                  static_cast<socklen_t>(listener.endpoint().size()));
    }
    auto options = to(listener.endpoint());
    link_state during = link_state::idle;
    SECTION("before it began") {}
    SECTION("while it resolves") {
        options.host = "localhost";
        during = link_state::resolving;
    }
    SECTION("while it connects") {
        during = link_state::connecting;
    }
    SECTION("while it rests") {
        options = to(nobody());
        during = link_state::waiting;
    }
    std::optional<connector> link(std::in_place, w.context.get_executor(), options);
    auto next = w.start(link->next());
    if (during == link_state::resolving)
        while (link->state() != link_state::resolving) w.context.run_one();
    else if (during != link_state::idle)
        w.settle();
    CHECK(link->state() == during);
    if (destroy)
        link.reset();
    else
        link->stop();
    w.settle();
    REQUIRE(next.done());
    CHECK(error_of(next.get()) == errc::closed_locally);
    CHECK(w.time.armed() == 0);
    w.run();
    if (destroy) return;
    CHECK(link->state() == link_state::stopped);
    auto again = w.start(link->next());
    w.run();
    CHECK(error_of(again.get()) == errc::closed_locally);
    const auto events = events_of(w, *link);
    REQUIRE_FALSE(events.empty());
    CHECK(events.back().state == link_state::stopped);
    auto after = w.start(link->next_event());
    w.run();
    CHECK(error_of(after.get()) == errc::end_of_stream);
}

TEST_CASE("a cancelled next drops the attempt, and asking again goes on") {
    const int handlers = GENERATE(0, 1, 2, 3, 4, 5, 6);
    world w;
    plain_listener listener;
    connector link(w.context.get_executor(), to(listener.endpoint()));
    auto next = w.start(link.next());
    for (int i = 0; i < handlers; ++i) w.context.poll_one();
    next.cancel();
    auto second = w.start(link.next());
    w.settle();
    REQUIRE(next.done());
    const auto first = next.get();
    if (!first) CHECK(error_of(first) == errc::canceled);
    if (!second.done()) w.pass(8s);
    w.until([&] { return second.done(); });
    const auto outcome = second.get();
    if (!outcome) { // it was asked before the first had gone
        CHECK(error_of(outcome) == errc::operation_in_progress);
        auto third = w.start(link.next());
        w.pass(8s);
        w.until([&] { return third.done(); });
        CHECK(third.get().has_value());
    }
    CHECK(link.failed_attempts() <= 1); // a cancelled attempt is no failure
}

TEST_CASE("a second next while one waits is refused") {
    world w;
    connector link(w.context.get_executor(), to(nobody()));
    auto next = w.start(link.next());
    w.settle();
    auto second = w.start(link.next());
    w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    CHECK_FALSE(next.done());
    link.stop();
    w.run();
}

TEST_CASE("a connector with a limit on attempts gives up with the last error, and may be asked anew") {
    world w;
    auto options = to(nobody());
    options.max_attempts = 3;
    connector link(w.context.get_executor(), options);
    for (int round = 0; round < 2; ++round) {
        auto next = w.start(link.next());
        w.pass(1s);
        CHECK_FALSE(next.done());
        w.pass(2s);
        REQUIRE(next.done());
        CHECK(error_of(next.get()) == boost::system::errc::connection_refused);
        CHECK(link.state() == link_state::idle);
        CHECK(w.time.armed() == 0);
    }
    w.run();
}

TEST_CASE("retry_now ends a rest and forgets the failures") {
    world w;
    connector link(w.context.get_executor(), to(nobody()));
    auto next = w.start(link.next());
    w.settle();
    w.pass(1s);
    w.pass(2s);
    CHECK(link.failed_attempts() == 3);
    link.retry_now();
    w.settle();
    CHECK(link.failed_attempts() == 1);
    link.stop();
    w.run();
}

TEST_CASE("the first failure is told at once, the others in a summary, and the end of the row too") {
    world w;
    const log_book book;
    const auto where = nobody();
    auto options = to(where);
    options.retry.cap = 60s;
    options.log = book.logger();
    connector link(w.context.get_executor(), options);
    auto next = w.start(link.next());
    w.settle();
    CHECK(book.count("cannot connect, will go on trying") == 1);
    CHECK(book.count("Connection refused") == 1);
    for (int i = 0; i < 60; ++i) w.pass(9s);
    CHECK(book.count(portunus::log_level::warning) == 1);
    for (int i = 0; i < 20; ++i) w.pass(9s);
    CHECK(book.count("still cannot connect") == 1);
    plain_socket late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(late.fd(), where.data(), static_cast<socklen_t>(where.size())) == 0);
    REQUIRE(::listen(late.fd(), 8) == 0);
    w.pass(60s);
    REQUIRE(next.done());
    CHECK(book.count("connected again") == 1);
    CHECK(book.count(portunus::log_level::warning) == 3);
}

TEST_CASE("events that nobody takes are bounded, and how many were missed is told") {
    world w;
    auto options = to(nobody());
    options.max_events = 4;
    connector link(w.context.get_executor(), options);
    auto next = w.start(link.next());
    w.settle();
    for (int i = 0; i < 9; ++i) w.pass(8s); // 10 failures, three events each
    const auto events = events_of(w, link);
    REQUIRE(events.size() == 4);
    std::uint64_t missed = 0;
    for (const auto& e : events) missed += e.missed;
    CHECK(missed == 30 - 4);
    CHECK(events.back().state == link_state::waiting);
    link.stop();
    w.run();
}

TEST_CASE("a connector to nowhere is refused when it is made") {
    world w;
    connector_options options;
    CHECK_THROWS_AS(connector(w.context.get_executor(), options), portunus::failure);
    options.host = "localhost";
    CHECK_THROWS_AS(connector(w.context.get_executor(), options), portunus::failure);
    options.port = 1;
    options.retry.first = -1ms;
    CHECK_THROWS_AS(connector(w.context.get_executor(), options), portunus::failure);
}

TEST_CASE("a thousand reconnects leave no descriptor") {
    const std::size_t before = open_descriptors();
    std::size_t during = 0;
    {
        world w;
        plain_listener listener;
        connector link(w.context.get_executor(), to(listener.endpoint()));
        for (int i = 0; i < 1000; ++i) {
            auto next = w.start(link.next());
            w.settle();
            if (!next.done()) w.pass(8s);
            w.until([&] { return next.done(); });
            auto stream = must(next.get());
            auto peer = listener.accept();
            if (i % 2 == 0)
                peer.reset();
            else
                stream.abort();
            if (i == 10) during = open_descriptors();
        }
        CHECK(open_descriptors() <= during);
        CHECK(link.connections() == 1000);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a connector can be destroyed at every point") {
    const auto by_name = GENERATE(false, true);
    const plain_listener listener;
    struct scene {
        std::optional<connector> link;
        awaitable<void> operator()() {
            if (!link) co_return;
            auto stream = co_await link->next();
            if (!stream || !link) co_return;
            stream->abort();
            auto again = co_await link->next(); // rests first
            (void)again;
        }
        void drop() { link.reset(); }
    };
    CHECK(destroy_at_every_point([&](asio::io_context& context) {
              auto options = to(listener.endpoint());
              if (by_name) options.host = "localhost";
              options.retry.first = 1ms;
              return scene{std::optional<connector>(std::in_place, context.get_executor(), options)};
          }) > 3);
}
