// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/auth_client.hpp>

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

using client = auth_client<told_scheme>;

client manual(auth_client_options options = {}) {
    options.auto_auth = false;
    return client(told_scheme::client{}, options);
}

/// A client that rests in this state, connected at t0 and started at t0.
client in(auth_state state) {
    client c = manual();
    c.connected(t0);
    if (state == auth_state::untrusted) return c;
    c.start(t0);
    if (state == auth_state::seed_requested) return c;
    c.received(to_client(data_id::auth_seed, "\"s\""), t0);
    if (state == auth_state::key_transferred) return c;
    c.received(to_client(data_id::auth_key, "true"), t0);
    return c;
}

using what_happens = std::function<auth_step(client&)>;
const std::vector<std::pair<std::string, what_happens>> events = {
    {"connected", [](client& c) { return c.connected(t0); }},
    {"disconnected", [](client& c) { return c.disconnected(errc::idle_timeout); }},
    {"time", [](client& c) { return c.timed_out(t0 + 2s); }},
    {"start", [](client& c) { return c.start(t0); }},
    {"seed", [](client& c) { return c.received(to_client(data_id::auth_seed, "\"s\""), t0); }},
    {"no seed", [](client& c) { return c.received(to_client(data_id::auth_seed, "7"), t0); }},
    {"seed refused",
     [](client& c) {
         return c.received(to_client(data_id::auth_seed, "null", message_status::operation_not_permitted),
                           t0);
     }},
    {"granted", [](client& c) { return c.received(to_client(data_id::auth_key, "true"), t0); }},
    {"granted without proof", [](client& c) { return c.received(to_client(data_id::auth_key, "7"), t0); }},
    {"refused",
     [](client& c) {
         return c.received(to_client(data_id::auth_key, "false", message_status::operation_not_permitted),
                           t0);
     }},
};

struct transition {
    auth_state from;
    std::string event;
    auth_state to;
    std::string does;
};
constexpr auto U = auth_state::untrusted, S = auth_state::seed_requested, K = auth_state::key_transferred,
               T = auth_state::trusted;
/// Everything that a client does. What is not here does nothing.
const std::vector<transition> all = {
    {U, "start", S, "request \"please\""},
    {S, "connected", U, "nothing"},
    {S, "disconnected", U, "failed"},
    {S, "time", U, "failed, close"},
    {S, "start", S, "failed"}, // "under way already"
    {S, "seed", K, "key \"key to s\""},
    {S, "no seed", U, "failed, close"},
    {S, "seed refused", U, "failed"},
    {S, "granted", U, "failed, close"},
    {S, "granted without proof", U, "failed, close"},
    {S, "refused", U, "failed, close"},
    {K, "connected", U, "nothing"},
    {K, "disconnected", U, "failed"},
    {K, "time", U, "failed, close"},
    {K, "start", K, "failed"},
    {K, "seed", U, "failed, close"},
    {K, "no seed", U, "failed, close"},
    {K, "seed refused", U, "failed, close"},
    {K, "granted", T, "trusted"},
    {K, "granted without proof", U, "failed, close"},
    {K, "refused", U, "failed"},
    {T, "connected", U, "nothing"},
    {T, "disconnected", U, "nothing"},
    {T, "start", S, "request \"please\""},
};

} // namespace

TEST_CASE("a client of a handshake does what its table says, and nothing else") {
    std::size_t found = 0;
    for (const auth_state from : {U, S, K, T})
        for (const auto& [name, happens] : events) {
            CAPTURE(from, name);
            client c = in(from);
            REQUIRE(c.state() == from);
            const auth_step step = happens(c);
            auth_state to = from;
            std::string does = "nothing";
            for (const transition& t : all)
                if (t.from == from && t.event == name) {
                    to = t.to;
                    does = t.does;
                    ++found;
                }
            CHECK(c.state() == to);
            CHECK(shown(step) == does);
            CHECK(c.deadline().has_value() == (to == S || to == K));
            CHECK(c.is_trusted() == (to == T));
        }
    CHECK(found == all.size());
}

TEST_CASE("the client's table has one row at most for a state and an event, and every state is left") {
    std::set<std::pair<auth_state, detail::auth_event>> seen;
    std::set<auth_state> left;
    for (const auto& row : detail::auth_client_table) {
        CHECK(seen.insert({row.state, row.event}).second);
        if (row.next != row.state) left.insert(row.state);
    }
    CHECK(left.size() == 5);
}

TEST_CASE("with auto_auth and a secret a client begins when it is connected, else when it is told to") {
    told_scheme::client scheme;
    client c(scheme);
    CHECK(shown(c.connected(t0)) == "request \"please\"");
    CHECK(c.deadline() == t0 + 2s);
    scheme.wish->secret = false;
    client without(scheme);
    CHECK(shown(without.connected(t0)) == "nothing");
    CHECK_FALSE(without.has_secret());
    const auth_step step = without.start(t0);
    CHECK(step.failed == errc::invalid_option);
    CHECK(without.state() == U);
    client by_hand = manual();
    CHECK(shown(by_hand.connected(t0)) == "nothing");
}

TEST_CASE("the limit in time is one for the whole handshake, and can be changed") {
    client c = manual({.handshake = 500ms});
    c.connected(t0);
    c.start(t0);
    CHECK(c.deadline() == t0 + 500ms);
    c.received(to_client(data_id::auth_seed, "\"s\""), t0 + 400ms);
    CHECK(c.deadline() == t0 + 500ms);
    CHECK(shown(c.timed_out(t0 + 499ms)) == "nothing");
    const auth_step step = c.timed_out(t0 + 500ms);
    CHECK(step.close);
    CHECK(step.failed == errc::handshake_timeout);
    CHECK_THAT(step.failed.message(), Contains("no verdict within 500 ms"));
    CHECK(shown(c.timed_out(t0 + 600ms)) == "nothing");
}

TEST_CASE("a client that is refused may try again on the same connection") {
    client c = in(K);
    const auth_step step =
        c.received(to_client(data_id::auth_key, "false", message_status::operation_not_permitted), t0);
    CHECK(step.failed == errc::unauthenticated);
    CHECK_THAT(step.failed.message(), Contains("status 6"));
    CHECK(shown(c.start(t0)) == "request \"please\"");
}

TEST_CASE("a client that cannot begin sends nothing and fails") {
    told_scheme::client scheme;
    scheme.wish->can_begin = false;
    client c(scheme);
    const auth_step step = c.connected(t0);
    CHECK(shown(step) == "failed");
    CHECK(step.failed.detail() == "no beginning");
    CHECK(c.state() == U);
    CHECK_FALSE(c.deadline());
}

TEST_CASE(
    "only messages of the handshake are the client machine's, and those that nobody awaits are counted") {
    client c = in(T);
    CHECK_FALSE(
        c.received(message(message_status::okay, service_id::read_response, data_id(0), "1"), t0).taken);
    CHECK(c.ignored() == 0);
    CHECK(c.received(to_client(data_id::auth_seed, "\"s\""), t0).taken);
    CHECK(c.received(to_client(data_id::auth_key, "false"), t0).taken);
    CHECK(c.received(to_client(data_id(2), "1"), t0).taken);
    CHECK(c.received(to_server(data_id::auth_seed, "null"), t0).taken); // a client serves none
    CHECK(c.ignored() == 4);
    CHECK(c.state() == T);
}

TEST_CASE("a seed or a verdict beyond the limit ends the handshake and the connection, with both numbers") {
    for (const auth_state state : {S, K}) {
        client c = in(state);
        const std::string large = "\"" + std::string(4095, 'x') + "\"";
        const auth_step step =
            c.received(to_client(state == S ? data_id::auth_seed : data_id::auth_key, large), t0);
        CHECK(step.close);
        CHECK(step.failed == errc::frame_too_large);
        CHECK_THAT(step.failed.message(), Contains("4097") && Contains("4096"));
        CHECK(c.state() == U);
    }
    client c = in(S);
    CHECK(c.received(to_client(data_id::auth_seed, "\"" + std::string(4094, 'x') + "\""), t0).send);
}

TEST_CASE("the five states have the documented numbers and names") {
    CHECK(static_cast<int>(auth_state::untrusted) == 0);
    CHECK(static_cast<int>(auth_state::trusted) == 4);
    CHECK(to_string(auth_state::untrusted) == "Untrusted Connection");
    CHECK(to_string(auth_state::seed_requested) == "Seed was requested");
    CHECK(to_string(auth_state::seed_transferred) == "Seed has been sent");
    CHECK(to_string(auth_state::key_transferred) == "Key has been sent");
    CHECK(to_string(auth_state::trusted) == "Trusted Connection");
}
