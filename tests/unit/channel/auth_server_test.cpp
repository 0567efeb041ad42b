// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/auth_server.hpp>

#include "support/catch.hpp"
#include "unit/channel/auth_support.hpp"

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;

namespace {

using server = auth_server<told_scheme>;

/// A server that rests in this state, connected at t0, with "seed 1" out.
server in(auth_state state, const auth_server_options& options = {}) {
    server s(told_scheme::server{}, options);
    s.connected(t0);
    if (state == auth_state::untrusted) return s;
    s.received(to_server(data_id::auth_seed, "null"), t0);
    if (state == auth_state::seed_transferred) return s;
    s.received(to_server(data_id::auth_key, "\"key to seed 1\""), t0);
    return s;
}

using what_happens = std::function<auth_step(server&)>;
const std::vector<std::pair<std::string, what_happens>> events = {
    {"connected", [](server& s) { return s.connected(t0); }},
    {"disconnected", [](server& s) { return s.disconnected(); }},
    {"time of the handshake", [](server& s) { return s.timed_out(t0 + 2s); }},
    {"time of trust", [](server& s) { return s.timed_out(t0 + 10s); }},
    {"request", [](server& s) { return s.received(to_server(data_id::auth_seed, "null"), t0); }},
    {"bad request", [](server& s) { return s.received(to_server(data_id::auth_seed, "7"), t0); }},
    {"right key",
     [](server& s) { return s.received(to_server(data_id::auth_key, "\"key to seed 1\""), t0); }},
    {"wrong key", [](server& s) { return s.received(to_server(data_id::auth_key, "\"key\""), t0); }},
};

struct transition {
    auth_state from;
    std::string event;
    auth_state to;
    std::string does;
};
constexpr auto U = auth_state::untrusted, S = auth_state::seed_transferred, T = auth_state::trusted;
/// Everything that a server does. What is not here does nothing.
const std::vector<transition> all = {
    {U, "time of trust", U, "failed, close"},
    {U, "request", S, "seed \"seed 1\""},
    {U, "bad request", U, "seed 6 null, failed"},
    {U, "right key", U, "verdict 6 false, failed"}, // without a seed none is right
    {U, "wrong key", U, "verdict 6 false, failed"},
    {S, "connected", U, "nothing"},
    {S, "disconnected", U, "failed"},
    {S, "time of the handshake", U, "failed, close"},
    {S, "time of trust", U, "failed, close"},
    {S, "request", S, "seed \"seed 2\""},
    {S, "bad request", U, "seed 6 null, failed"},
    {S, "right key", T, "verdict true, trusted"},
    {S, "wrong key", U, "verdict 6 false, failed"},
    {T, "connected", U, "nothing"},
    {T, "disconnected", U, "nothing"},
    {T, "request", S, "seed \"seed 2\""},
    {T, "bad request", U, "seed 6 null, failed"},
    {T, "right key", U, "verdict 6 false, failed"}, // a replay
    {T, "wrong key", U, "verdict 6 false, failed"},
};

} // namespace

TEST_CASE("a server of a handshake does what its table says, and nothing else") {
    std::size_t found = 0;
    for (const auth_state from : {U, S, T})
        for (const auto& [name, happens] : events) {
            CAPTURE(from, name);
            server s = in(from);
            REQUIRE(s.state() == from);
            const auth_step step = happens(s);
            auth_state to = from;
            std::string does = "nothing";
            for (const transition& t : all)
                if (t.from == from && t.event == name) {
                    to = t.to;
                    does = t.does;
                    ++found;
                }
            CHECK(s.state() == to);
            CHECK(shown(step) == does);
            CHECK(s.is_trusted() == (to == T));
            CHECK(s.peer_name() == (to == T ? "somebody" : ""));
        }
    CHECK(found == all.size());
}

TEST_CASE("the server's table has one row at most for a state and an event, and every state is left") {
    std::set<std::pair<auth_state, detail::auth_event>> seen;
    std::set<auth_state> left;
    for (const auto& row : detail::auth_server_table) {
        CHECK(seen.insert({row.state, row.event}).second);
        if (row.next != row.state) left.insert(row.state);
    }
    CHECK(left.size() == 5);
}

TEST_CASE("a second request for a seed kills the first seed, and does not prolong the time") {
    server s = in(S);
    CHECK(s.deadline() == t0 + 2s);
    s.received(to_server(data_id::auth_seed, "null"), t0 + 1s);
    CHECK(s.deadline() == t0 + 2s);
    server other = in(S);
    other.received(to_server(data_id::auth_seed, "null"), t0);
    CHECK(shown(other.received(to_server(data_id::auth_key, "\"key to seed 1\""), t0)) ==
          "verdict 6 false, failed");
    CHECK(shown(s.received(to_server(data_id::auth_key, "\"key to seed 2\""), t0)) ==
          "verdict true, trusted");
}

TEST_CASE("a seed is good for one key, also when that is wrong") {
    server s = in(S);
    s.received(to_server(data_id::auth_key, "\"guess\""), t0);
    CHECK(shown(s.received(to_server(data_id::auth_key, "\"key to seed 1\""), t0)) ==
          "verdict 6 false, failed");
}

TEST_CASE("whoever authenticates again is not trusted until it has succeeded again") {
    server s = in(T);
    CHECK_FALSE(s.deadline());
    s.received(to_server(data_id::auth_seed, "null"), t0 + 100s);
    CHECK_FALSE(s.is_trusted());
    CHECK(s.deadline() == t0 + 102s);
    CHECK(shown(s.received(to_server(data_id::auth_key, "\"key to seed 2\""), t0 + 101s)) ==
          "verdict true, trusted");
    CHECK_FALSE(s.deadline());
}

TEST_CASE("a connection is closed at its third failed attempt, and a success forgives those before") {
    server s = in(U);
    const message wrong = to_server(data_id::auth_key, "\"x\"");
    CHECK(shown(s.received(wrong, t0)) == "verdict 6 false, failed");
    CHECK(shown(s.received(to_server(data_id::auth_seed, "7"), t0)) == "seed 6 null, failed");
    CHECK(s.failures() == 2);
    CHECK(shown(s.received(wrong, t0)) == "verdict 6 false, failed, close");
    server forgiven = in(U);
    forgiven.received(wrong, t0);
    forgiven.received(wrong, t0);
    forgiven.received(to_server(data_id::auth_seed, "null"), t0);
    CHECK(forgiven.received(to_server(data_id::auth_key, "\"key to seed 1\""), t0).trusted);
    CHECK(forgiven.failures() == 0);
    server strict = in(U, {.most_failures = 1});
    CHECK(strict.received(wrong, t0).close);
}

TEST_CASE("trust has to be there in time, however many attempts are made, unless the limit is 0") {
    server s = in(U);
    CHECK(s.deadline() == t0 + 10s);
    s.received(to_server(data_id::auth_seed, "null"), t0 + 9s);
    CHECK(s.deadline() == t0 + 10s);
    const auth_step step = s.timed_out(t0 + 10s);
    CHECK(step.failed == errc::handshake_timeout);
    CHECK_THAT(step.failed.message(), Contains("not trusted within 10000 ms"));
    CHECK_FALSE(s.deadline());
    server stays = in(U, {.before_trust = 0ms});
    CHECK_FALSE(stays.deadline());
    CHECK(shown(stays.timed_out(t0 + 1h)) == "nothing");
    stays.received(to_server(data_id::auth_seed, "null"), t0);
    CHECK(stays.deadline() == t0 + 2s);
    CHECK_THAT(stays.timed_out(t0 + 2s).failed.message(), Contains("no key within 2000 ms"));
}

TEST_CASE("more than 4 KiB in one message before trust end the connection, whatever message it is") {
    const std::string large(4097, '1');
    const message ask(message_status::okay, service_id::read_request, data_id(7), large);
    for (const auth_state state : {U, S}) {
        server s = in(state);
        const auth_step step = s.received(ask, t0);
        CHECK(step.taken);
        CHECK(shown(step) == "failed, close");
        CHECK(step.failed == errc::frame_too_large);
        CHECK_THAT(step.failed.message(), Contains("4097") && Contains("4096"));
    }
    server s = in(T);
    CHECK_FALSE(s.received(ask, t0).taken);
    CHECK(shown(in(S).received(to_server(data_id::auth_key, large), t0)) == "verdict 6 false, failed, close");
    CHECK(shown(s.received(to_server(data_id::auth_key, large), t0)) == "verdict 6 false, failed, close");
    CHECK_FALSE(s.is_trusted());
    server exact = in(U);
    CHECK_FALSE(exact
                    .received(message(message_status::okay, service_id::read_request, data_id(7),
                                      std::string(4096, '1')),
                              t0)
                    .taken);
}

TEST_CASE("messages of a handshake that a server does not serve are taken, counted and not answered") {
    server s = in(T);
    CHECK(shown(s.received(to_client(data_id::auth_seed, "\"x\""), t0)) == "nothing");
    CHECK(s.received(to_server(data_id(2), "null"), t0).taken);
    CHECK(s.ignored() == 2);
    CHECK(s.is_trusted());
}

TEST_CASE("wrong keys slow their address down across connections, requests for seeds alone do not") {
    const auth_throttle house({.free = 2, .first = 1s});
    const auto connect = [&](const char* address) {
        server s(told_scheme::server{}, {}, house, boost::asio::ip::make_address(address));
        s.connected(t0);
        return s;
    };
    for (int i = 0; i < 20; ++i) connect("10.0.0.7").received(to_server(data_id::auth_seed, "null"), t0);
    for (int i = 0; i < 3; ++i) {
        server s = connect("10.0.0.7");
        CHECK(s.received(to_server(data_id::auth_seed, "null"), t0).send->status == message_status::okay);
        s.received(to_server(data_id::auth_key, "\"guess\""), t0);
    }
    server slow = connect("::ffff:10.0.0.7");
    const auth_step step = slow.received(to_server(data_id::auth_seed, "null"), t0);
    CHECK(shown(step) == "seed 6 null, failed");
    CHECK(step.failed == errc::rate_exceeded);
    CHECK_THAT(step.failed.message(), Contains("1000 ms"));
    CHECK(shown(slow.received(to_server(data_id::auth_seed, "null"), t0 + 1s)) == "seed \"seed 1\"");
    CHECK(shown(slow.received(to_server(data_id::auth_key, "\"key to seed 1\""), t0 + 1s)) ==
          "verdict true, trusted");
    CHECK(shown(connect("10.0.0.8").received(to_server(data_id::auth_seed, "null"), t0)) ==
          "seed \"seed 1\"");
}
