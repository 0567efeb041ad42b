// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/seed_key.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

using namespace portunus;

namespace {
std::shared_ptr<const secret_text> shared(std::string_view text) {
    return std::make_shared<const secret_text>(text);
}
auth_value text(std::string_view t) {
    return {auth_kind::text, std::string(t)};
}
/// Three peers, and one with an empty secret.
std::shared_ptr<seed_key_server_settings> house() {
    auto settings = std::make_shared<seed_key_server_settings>();
    settings->find = [](std::string_view name) -> std::optional<secret_text> {
        if (name == "kitchen") return secret_text("k");
        if (name == "K\xC3\xBC"
                    "che")
            return secret_text("u");
        if (name.empty()) return secret_text("nameless");
        if (name == "empty") return secret_text();
        return std::nullopt;
    };
    return settings;
}
} // namespace

TEST_CASE("a key is the SHA-512 of the seed's text and the secret, in hexadecimal digits") {
    CHECK(seed_key::key_for("00112233", "secret").value() ==
          "b41615e0d3a674375314d3f181f68a9b6148fd5f0fb8cbe87de4d08cd05c4912"
          "728b4c585e575b90a12d7fc03ba193ac96c9ed7e8e526ee412402d78d490c780");
}

TEST_CASE("client and server agree where they have the same secret, by name or without, and only there") {
    struct row {
        const char *name, *secret;
        bool good;
    };
    const row r = GENERATE(row{"kitchen", "k", true},
                           row{"K\xC3\xBC"
                               "che",
                               "u", true},
                           row{"", "nameless", true}, row{"kitchen", "u", false}, row{"kitchen", "K", false},
                           row{"", "k", false}, row{"nobody", "k", false}, row{"empty", "k", false});
    CAPTURE(r.name, r.secret);
    seed_key::client client({.secret = shared(r.secret), .name = r.name});
    seed_key::server server(house());
    const auto request = client.begin();
    REQUIRE(request.has_value());
    CHECK(request->kind == (*r.name ? auth_kind::text : auth_kind::null));
    const auto seed = server.challenge(*request);
    REQUIRE(seed.has_value());
    CHECK(seed->text.size() == 64);
    CHECK(seed->text.find_first_not_of("0123456789abcdef") == std::string::npos);
    const auto key = client.answer(*seed);
    REQUIRE(key.has_value());
    CHECK(key->text.size() == 128);
    const auto verdict = server.judge(*key);
    REQUIRE(verdict.has_value() == r.good);
    if (!r.good) {
        CHECK(verdict.error() == errc::unauthenticated);
        CHECK(verdict.error().detail() == "wrong name or secret");
        return;
    }
    CHECK(verdict->kind == auth_kind::yes);
    CHECK(server.peer_name() == r.name);
    CHECK(client.confirm(*verdict).has_value());
}

TEST_CASE("no key is right twice, for another seed, without a seed, or in another form") {
    seed_key::server server(house());
    const auto key_to = [&](const result<auth_value>& seed) {
        return text(seed_key::key_for(seed->text, "k").value());
    };
    const auto first = server.challenge(text("kitchen"));
    const auto key = key_to(first);
    CHECK(server.judge(key).has_value());
    CHECK_FALSE(server.judge(key).has_value());
    CHECK_FALSE(seed_key::server(house()).judge(key).has_value());
    const auto second = server.challenge(text("kitchen"));
    CHECK(second->text != first->text);
    CHECK_FALSE(server.judge(key).has_value());
    const auto third = server.challenge(text("kitchen"));
    std::string upper = key_to(third).text;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    CHECK_FALSE(server.judge(text(upper)).has_value());
    for (const auth_value& other :
         {text(""), auth_value{auth_kind::yes, {}}, auth_value{auth_kind::other, {}}}) {
        server.challenge(text("kitchen")).value();
        CHECK_FALSE(server.judge(other).has_value());
    }
    const auto fourth = server.challenge(text("kitchen"));
    auth_value wrong_kind = key_to(fourth);
    wrong_kind.kind = auth_kind::other;
    CHECK_FALSE(server.judge(wrong_kind).has_value());
}

TEST_CASE("an empty secret, or none, authenticates nobody") {
    auto settings = std::make_shared<seed_key_server_settings>();
    seed_key::server nobody(settings);
    const auto seed = nobody.challenge({});
    CHECK_FALSE(nobody.judge(text(seed_key::key_for(seed->text, "").value())).has_value());
    seed_key::server server(house());
    const auto other = server.challenge(text("empty"));
    CHECK_FALSE(server.judge(text(seed_key::key_for(other->text, "").value())).has_value());
    CHECK_FALSE(seed_key::client({}).has_secret());
    CHECK_FALSE(seed_key::client({.secret = shared("")}).has_secret());
}

TEST_CASE("with one secret for all, a name is what the peer calls itself") {
    seed_key::server server(seed_key_server_settings::one_secret(shared("s")));
    const auto seed = server.challenge(text("whoever"));
    CHECK(server.judge(text(seed_key::key_for(seed->text, "s").value())).has_value());
    CHECK(server.peer_name() == "whoever");
}

TEST_CASE(
    "a seed that is no text, empty or endless is not answered, nor a name that could write into a log") {
    seed_key::client client({.secret = shared("s")});
    for (const auth_value& seed :
         {auth_value{}, auth_value{auth_kind::yes, {}}, text(""), text(std::string(1025, 'x'))})
        CHECK(client.answer(seed).error() == errc::malformed_data);
    CHECK(client.answer(text(std::string(1024, 'x'))).has_value());
    CHECK(client.confirm({auth_kind::no, {}}).error() == errc::unauthenticated);
    CHECK(client.confirm(text("true")).error() == errc::unauthenticated);
    seed_key::server server(house());
    CHECK(server.challenge(text("a\nb")).error() == errc::malformed_data);
    CHECK(server.challenge(text(std::string(257, 'x'))).error() == errc::malformed_data);
    CHECK(server.challenge({auth_kind::other, {}}).has_value());
    CHECK(seed_key::client({.secret = shared("s"), .name = "a\nb"}).begin().error() == errc::invalid_option);
}

TEST_CASE("where there are no random bytes there is no seed") {
    auto settings = house();
    settings->random = [](std::span<unsigned char>) { return result<void>(error(errc::not_connected)); };
    seed_key::server server(settings);
    CHECK(server.challenge({}).error() == errc::not_connected);
    CHECK_FALSE(server.judge(text(seed_key::key_for("", "nameless").value())).has_value());
}
