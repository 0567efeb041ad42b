// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/channel_name.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using namespace portunus;

namespace {
message named(service_id service, std::string json, message_status status = message_status::okay) {
    return message(status, service, data_id::channel_name, std::move(json));
}
} // namespace

TEST_CASE("both sides of a channel end with the name that the table of conflicts gives") {
    struct row {
        const char *client, *server, *both;
        bool warns;
    };
    const row r = GENERATE_COPY(row{"kitchen", "", "kitchen", false}, row{"", "kitchen", "kitchen", false},
                                row{"kitchen", "kitchen", "kitchen", false},
                                row{"kitchen", "cellar", "kitchen", true}, row{"", "", "", false});
    CAPTURE(r.client, r.server);
    auto client = channel_name::client(r.client);
    auto server = channel_name::server(r.server);
    CHECK_FALSE(server.connected());
    const auto request = client.connected();
    REQUIRE(request);
    CHECK(request->service == service_id::channel_name_request);
    const auto at_server = server.received(*request);
    REQUIRE(at_server);
    REQUIRE(at_server->send);
    CHECK(at_server->send->status == message_status::okay);
    CHECK(at_server->send->service == service_id::channel_name_response);
    CHECK(at_server->changed == (std::string(r.server) != r.both));
    const auto at_client = client.received(*at_server->send);
    REQUIRE(at_client);
    CHECK_FALSE(at_client->send);
    CHECK(at_client->warning.empty());
    CHECK(at_client->changed == (std::string(r.client) != r.both));
    CHECK(client.name() == r.both);
    CHECK(server.name() == r.both);
    CHECK(at_server->warning.empty() != r.warns);
    if (r.warns)
        CHECK(at_server->warning ==
              "the channel has the name \"cellar\" here and \"kitchen\" at the client, whose name is taken");
}

TEST_CASE("the name of one connection is forgotten for the next") {
    auto server = channel_name::server("cellar");
    REQUIRE(server.received(named(service_id::channel_name_request, "\"kitchen\"")));
    CHECK(server.name() == "kitchen");
    server.connected();
    CHECK(server.name() == "cellar");
}

TEST_CASE("a name that could write into a log, is too long or is no text is not taken, and not shown") {
    const std::string bad = GENERATE(std::string("\"a\\nb\""), "\"" + std::string(65, 'x') + "\"",
                                     std::string("7"), std::string("[\"a\"]"), std::string("\"\\u001b[2J\""));
    auto server = channel_name::server("cellar");
    const auto step = server.received(named(service_id::channel_name_request, bad));
    REQUIRE(step);
    CHECK(server.name() == "cellar");
    REQUIRE(step->send);
    CHECK(step->send->status == message_status::operation_not_permitted);
    CHECK(step->send->data == "\"cellar\"");
    CHECK_THAT(step->warning, Catch::Matchers::Contains(std::to_string(bad.size()) + " bytes of JSON"));
    if (bad.size() > 4) CHECK(step->warning.find(bad.substr(1, 3)) == std::string::npos);
}

TEST_CASE("a client whose name is refused keeps it, and says so") {
    auto client = channel_name::client("kitchen");
    client.connected();
    const auto step = client.received(
        named(service_id::channel_name_response, "null", message_status::operation_not_permitted));
    REQUIRE(step);
    CHECK(client.name() == "kitchen");
    CHECK_THAT(step->warning, Catch::Matchers::Contains("status 6"));
}

TEST_CASE("other messages are not part of the exchange of names") {
    auto client = channel_name::client("a");
    auto server = channel_name::server("b");
    CHECK_FALSE(client.received(named(service_id::channel_name_request, "\"x\"")));
    CHECK_FALSE(server.received(named(service_id::channel_name_response, "\"x\"")));
    CHECK_FALSE(server.received(
        message(message_status::okay, service_id::channel_name_request, data_id(1), "\"x\"")));
    CHECK_THROWS_AS(channel_name::client("a\nb"), failure);
    CHECK_THROWS_AS(channel_name::server(std::string(65, 'x')), failure);
    CHECK_NOTHROW(channel_name::server(std::string(64, 'x')));
}
