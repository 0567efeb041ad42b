// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/scram_sha_256.hpp>

#include <portunus/channel/any_scheme.hpp>

#include "support/catch.hpp"

#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>

using namespace portunus;
using Catch::Matchers::Contains;

namespace {

// RFC 7677, section 3
constexpr std::string_view client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view client_final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="
                                          "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::shared_ptr<const secret_text> shared(std::string_view text) {
    return std::make_shared<const secret_text>(text);
}
auth_value text(std::string_view t) {
    return {auth_kind::text, std::string(t)};
}
nonce_source always(std::string_view nonce) {
    return [nonce = std::string(nonce)] { return result<std::string>(nonce); };
}
scram_client_settings user(std::string_view secret = "pencil", std::string name = "user") {
    scram_client_settings settings;
    settings.name = std::move(name);
    settings.secret = shared(secret);
    settings.nonce = always(client_nonce);
    return settings;
}
std::shared_ptr<scram_server_settings> house() {
    static const auto stored =
        scram_credentials::parse(
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXku"
            "LmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
            .value();
    auto settings = std::make_shared<scram_server_settings>();
    settings->find = [](std::string_view name) -> std::optional<scram_credentials> {
        if (name == "user" || name == "a,b=c") return stored.copy();
        return std::nullopt;
    };
    settings->decoy_iterations = 4096;
    settings->nonce = always(server_nonce);
    return settings;
}
std::string some_binding() {
    std::string bytes(32, '\0');
    std::iota(bytes.begin(), bytes.end(), '\0');
    return bytes;
}
/// Whether the server lets the client in and the client believes the server.
struct outcome {
    bool challenged = false, granted = false, believed = false;
    std::string said{};
};
template <class Client, class Server>
outcome run(Client&& client, Server&& server) {
    outcome o;
    const auto begin = client.begin();
    REQUIRE(begin.has_value());
    const auto seed = server.challenge(*begin);
    o.challenged = seed.has_value();
    if (!seed) return o.said = seed.error().message(), o;
    const auto key = client.answer(*seed);
    if (!key) return o.said = key.error().message(), o;
    const auto verdict = server.judge(*key);
    o.granted = verdict.has_value();
    if (!verdict) return o.said = verdict.error().message(), o;
    const auto proof = client.confirm(*verdict);
    o.believed = proof.has_value();
    if (!proof) o.said = proof.error().message();
    return o;
}

} // namespace

TEST_CASE("SCRAM-SHA-256 says on both sides what the example of RFC 7677 says") {
    scram_sha_256::client client(user());
    scram_sha_256::server server(house());
    const auto first = client.begin();
    CHECK(first->text == client_first);
    const auto challenge = server.challenge(*first);
    REQUIRE(challenge.has_value());
    CHECK(challenge->text == server_first);
    const auto proof = client.answer(*challenge);
    REQUIRE(proof.has_value());
    CHECK(proof->text == client_final);
    const auto verdict = server.judge(*proof);
    REQUIRE(verdict.has_value());
    CHECK(verdict->text == server_final);
    CHECK(client.confirm(*verdict).has_value());
    CHECK(server.peer_name() == "user");
}

TEST_CASE("a proof that is bound to a channel covers the channel's bytes") {
    scram_sha_256::client client(user(), some_binding());
    scram_sha_256::server server(house(), some_binding());
    const auto first = client.begin();
    CHECK(first->text == "p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    const auto proof = client.answer(server.challenge(*first).value());
    CHECK(proof->text == "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,"
                         "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=");
    const auto verdict = server.judge(*proof);
    CHECK(verdict->text == "v=2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=");
    CHECK(client.confirm(*verdict).has_value());
}

TEST_CASE("both sides bind to the same channel, or nobody is let in") {
    struct row {
        bool client, server, same, lenient, challenged, granted;
    };
    const row r =
        GENERATE(row{false, false, true, false, true, true}, row{true, true, true, false, true, true},
                 row{true, true, false, false, true, false}, row{true, false, true, false, false, false},
                 row{false, true, true, false, false, false}, row{false, true, true, true, true, true});
    CAPTURE(r.client, r.server, r.same, r.lenient);
    auto settings = house();
    settings->accept_unbound = r.lenient;
    const std::string here = some_binding(), there = r.same ? here : std::string(32, 'x');
    const outcome o = run(scram_sha_256::client(user(), r.client ? here : ""),
                          scram_sha_256::server(settings, r.server ? there : ""));
    CHECK(o.challenged == r.challenged);
    CHECK(o.granted == r.granted);
    CHECK(o.believed == r.granted);
}

TEST_CASE("a client that believes that the server cannot bind, although it can, was lied to") {
    auto settings = house();
    settings->accept_unbound = true;
    scram_sha_256::server server(settings, some_binding());
    CHECK(server.challenge(text("y,,n=user,r=abc")).error() == errc::denied);
    scram_sha_256::server unbound(settings);
    CHECK(unbound.challenge(text("y,,n=user,r=abc")).has_value());
    CHECK(server.challenge(text("p=tls-unique,,n=user,r=abc")).error() == errc::denied);
}

TEST_CASE("a wrong secret, a wrong case and a name that nobody has are not let in, with the same words") {
    struct row {
        const char *name, *secret;
    };
    const row r = GENERATE(row{"user", "Pencil"}, row{"user", "pencil "}, row{"User", "pencil"},
                           row{"nobody", "pencil"}, row{"nobody", "x"});
    CAPTURE(r.name, r.secret);
    const outcome o = run(scram_sha_256::client(user(r.secret, r.name)), scram_sha_256::server(house()));
    CHECK(o.challenged);
    CHECK_FALSE(o.granted);
    CHECK_THAT(o.said, Contains("wrong name or secret"));
    scram_sha_256::server server(house());
    CHECK(server.refusal().text == "e=other-error");
}

TEST_CASE("names with commas and equals signs, and UTF-8, come through") {
    CHECK(run(scram_sha_256::client(user("pencil", "a,b=c")), scram_sha_256::server(house())).believed);
    auto client = scram_sha_256::client(user("pencil", "a,b=c"));
    CHECK_THAT(client.begin()->text, Contains("n=a=2Cb=3Dc,"));
    const std::string umlaut = "K\xC3\xBC"
                               "che";
    auto settings = house();
    settings->find = [&](std::string_view name) -> std::optional<scram_credentials> {
        if (name != umlaut) return std::nullopt;
        return scram_credentials::make(umlaut, 4096).value();
    };
    scram_sha_256::server server(settings);
    CHECK(run(scram_sha_256::client(user(umlaut, umlaut)), server).believed);
    CHECK(server.peer_name() == umlaut);
}

TEST_CASE("a name that nobody has gets a salt like any other, the same one each time") {
    auto settings = house();
    const auto challenge = [&](std::string_view name) {
        scram_sha_256::server server(settings);
        return server.challenge(text("n,,n=" + std::string(name) + ",r=abc"))->text;
    };
    CHECK(challenge("nobody") == challenge("nobody"));
    CHECK(challenge("nobody") != challenge("nobody else"));
    CHECK(challenge("nobody").size() == challenge("user").size());
    CHECK_THAT(challenge("nobody"), Catch::Matchers::EndsWith(",i=4096"));
    const std::string before = challenge("nobody");
    settings->decoy_key = secret_bytes<32>();
    CHECK(challenge("nobody") != before);
}

TEST_CASE("a server that does not know the secret is not believed") {
    const std::string verdict =
        GENERATE(std::string("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="),
                 std::string("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), std::string("v="),
                 std::string("v=AAAA"), std::string(""), std::string("e=other-error"), std::string("true"));
    CAPTURE(verdict);
    scram_sha_256::client client(user());
    REQUIRE(client.begin().has_value());
    REQUIRE(client.answer(text(server_first)).has_value());
    CHECK_FALSE(client.confirm(text(verdict)).has_value());
    CHECK_FALSE(client.confirm(text(server_final)).has_value()); // one verdict a proof
    REQUIRE(client.begin().has_value());
    REQUIRE(client.answer(text(server_first)).has_value());
    CHECK_FALSE(client.confirm({auth_kind::yes, {}}).has_value());
    CHECK_FALSE(scram_sha_256::client(user()).confirm(text(server_final)).has_value());
}

TEST_CASE("a client computes nothing for a challenge that is not its own, too cheap or too dear") {
    struct row {
        const char* challenge;
        const char* why;
    };
    const row r = GENERATE(
        row{"r=other%x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "does not continue ours"},
        row{"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "does not continue ours"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", "asks for 4095 iterations"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=600001", "4096 to 600000"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "salt"}, row{"r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096", "salt"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=04096", "no number"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-1", "no number"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096x", "no number"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=99999999999", "no number"},
        row{"m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096", "nonce"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096,m=x", "extension"},
        row{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA", "iterations"}, row{"", "nonce"});
    CAPTURE(r.challenge);
    scram_sha_256::client client(user());
    REQUIRE(client.begin().has_value());
    const auto answer = client.answer(text(r.challenge));
    REQUIRE(answer.has_error());
    CHECK_THAT(answer.error().message(), Contains(r.why));
    CHECK_FALSE(client.answer(text(server_first)).has_value()); // one challenge a beginning
}

TEST_CASE("an extension that is not mandatory changes nothing but what is proved") {
    scram_sha_256::client client(user());
    REQUIRE(client.begin().has_value());
    CHECK(client.answer(text(std::string(server_first) + ",x=hello")).has_value());
    CHECK(scram_sha_256::server(house()).challenge(text("n,,n=user,r=abc,x=hello=")).has_value());
}

TEST_CASE("a server refuses a first message that breaks the grammar, and says where") {
    struct row {
        std::string message;
        const char* why;
    };
    const row r = GENERATE(
        row{"", "empty"}, row{"x,,n=user,r=abc", "n, y or p="}, row{"n,n=user,r=abc", "authorisation"},
        row{"n,a=admin,n=user,r=abc", "authorisation"}, row{"p=,,n=user,r=abc", "channel binding"},
        row{"p,,n=user,r=abc", "channel binding"}, row{"nn,,n=user,r=abc", "no comma"},
        row{"n,,m=x,n=user,r=abc", "name"}, row{"n,,r=abc,n=user", "name"}, row{"n,,n=user", "name"},
        row{"n,,n=user,r=", "nonce"}, row{"n,,n=user,r=a b", "nonce"},
        row{"n,,n=user,r=" + std::string(257, 'x'), "nonce"}, row{"n,,n=,r=abc", "a name has"},
        row{"n,,n=us=er,r=abc", "=2C"}, row{"n,,n=us=2c,r=abc", "=2C"}, row{"n,,n=us=2,r=abc", "=2C"},
        row{"n,,n=a\nb,r=abc", "control"}, row{"n,,n=\xC3,r=abc", "UTF-8"},
        row{"n,,n=" + std::string(257, 'x') + ",r=abc", "256"}, row{"n,,n=user,r=abc,", "extension"},
        row{"n,,n=user,r=abc,m=x", "extension"}, row{"n,,n=user,r=abc,7=x", "extension"});
    CAPTURE(r.message);
    scram_sha_256::server server(house());
    const auto seed = server.challenge(text(r.message));
    REQUIRE(seed.has_error());
    CHECK(seed.error() == errc::malformed_data);
    CHECK_THAT(seed.error().message(), Contains(r.why));
    CHECK_FALSE(server.judge(text(client_final)).has_value());
    CHECK_FALSE(server.challenge({}).has_value());
}

TEST_CASE("every part of a proof and every change of a byte of it is not the proof") {
    const auto judged = [](std::string_view proof) {
        scram_sha_256::server server(house());
        REQUIRE(server.challenge(text(client_first)).has_value());
        return server.judge(text(proof)).has_value();
    };
    CHECK(judged(client_final));
    for (std::size_t i = 0; i < client_final.size(); ++i) {
        CHECK_FALSE(judged(client_final.substr(0, i)));
        std::string changed(client_final);
        changed[i] = static_cast<char>(changed[i] ^ 1);
        CHECK_FALSE(judged(changed));
    }
    CHECK_FALSE(judged(std::string(client_final) + "A"));
    CHECK_FALSE(judged(std::string(client_final) + ",x=y"));
}

TEST_CASE("a proof is good once, and for its own challenge") {
    scram_sha_256::server server(house());
    REQUIRE(server.challenge(text(client_first)).has_value());
    CHECK(server.judge(text(client_final)).has_value());
    CHECK_FALSE(server.judge(text(client_final)).has_value());
    auto settings = house();
    settings->nonce = &random_nonce;
    scram_sha_256::server fresh(settings);
    REQUIRE(fresh.challenge(text(client_first)).has_value());
    CHECK(fresh.judge(text(client_final)).error() == errc::unauthenticated);
}

TEST_CASE("names and secrets that SCRAM cannot carry are refused before anything is sent") {
    CHECK(scram_sha_256::client(user("pencil", "")).begin().error() == errc::invalid_option);
    CHECK(scram_sha_256::client(user("pencil", "a\tb")).begin().error() == errc::invalid_option);
    CHECK(scram_sha_256::client(user("a\nb")).begin().error() == errc::invalid_option);
    CHECK(scram_sha_256::client(user("")).begin().error() == errc::invalid_option);
    CHECK_FALSE(scram_sha_256::client(user("")).has_secret());
    auto settings = user();
    settings.nonce = [] { return result<std::string>(error(errc::not_connected)); };
    CHECK(scram_sha_256::client(settings).begin().error() == errc::not_connected);
    CHECK(random_nonce().value() != random_nonce().value());
}

TEST_CASE("a scheme that is chosen at run time does what that scheme does, and no two of them mix") {
    any_scheme::server scram = scram_sha_256::server(house());
    any_scheme::server seeds = seed_key::server(seed_key_server_settings::one_secret(shared("s")));
    CHECK(run(any_scheme::client(scram_sha_256::client(user())), scram).believed);
    CHECK(scram.peer_name() == "user");
    CHECK(run(any_scheme::client(seed_key::client({.secret = shared("s")})), seeds).believed);
    CHECK(scram.refusal().kind == auth_kind::text);
    CHECK(seeds.refusal().kind == auth_kind::no);
    CHECK(any_scheme::client(seed_key::client({.secret = shared("s")})).has_secret());
    CHECK_FALSE(run(any_scheme::client(seed_key::client({.secret = shared("s")})), scram).granted);
    CHECK_FALSE(run(any_scheme::client(scram_sha_256::client(user())), seeds).granted);
}
