// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/tls_engine.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"

#include <portunus/testing/grind.hpp>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using portunus::condition;
using portunus::errc;
using portunus::error;
using portunus::result;
using portunus::tls_client_certificates;
using portunus::tls_client_context;
using portunus::tls_client_options;
using portunus::tls_engine;
using portunus::tls_errc;
using portunus::tls_facts;
using portunus::tls_server_context;
using portunus::tls_server_options;
using portunus::tls_version;
using portunus::testing::grind;

namespace {

std::string pattern(std::size_t size, std::size_t from = 0) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t n = from + i;
        text[i] = static_cast<char>((n * 131 + n / 251) & 0xff);
    }
    return text;
}

error error_of(const result<void>& r) {
    return r ? error() : r.error();
}
error read_error(tls_engine& engine) {
    char buffer[64];
    const auto got = engine.read(buffer);
    return got ? error() : got.error();
}
std::string take_output(tls_engine& engine) {
    std::string all(engine.pending_output());
    engine.consume_output(all.size());
    return all;
}
void put(tls_engine& engine, std::string_view text) {
    CHECK(engine.write(text).value() == text.size());
}

/// Where a failed handshake ended: which side refused, and what the two were told.
struct refusal {
    error client;
    error server;
};
refusal refused(engines& both) {
    both.shake();
    refusal r{error_of(both.client_outcome), error_of(both.server_outcome)};
    // With TLS 1.3 a client is done before the server has judged it; the alert comes with the first read.
    if (!r.client.code().failed()) r.client = read_error(both.client);
    return r;
}

} // namespace

TEST_CASE("two engines shake hands, by TLS 1.3 unless told otherwise, and talk in both directions") {
    const tls_version newest = GENERATE(tls_version::tls1_3, tls_version::tls1_2);
    auto options = client_options();
    options.max_version = newest;
    engines both(options);
    CHECK(!both.client.handshake_done());
    both.connect();
    CHECK(both.client.handshake_done());
    put(both.client, "question");
    CHECK(engines::receive(both.client, both.server) == "question");
    put(both.server, "answer");
    CHECK(engines::receive(both.server, both.client) == "answer");
    CHECK(read_error(both.client) == errc::would_block);
    const tls_facts facts = both.client.facts();
    CHECK(facts.version == (newest == tls_version::tls1_3 ? "TLSv1.3" : "TLSv1.2"));
    CHECK(facts.cipher == both.server.facts().cipher);
    CHECK(!facts.cipher.empty());
    CHECK(facts.verified);
    CHECK(!facts.resumed);
    CHECK(facts.peer_subject == "CN=server.test");
    CHECK(facts.peer_names ==
          std::vector<std::string>{"DNS:server.test", "DNS:*.many.test", "IP:127.0.0.1", "IP:::1"});
    CHECK(facts.peer_fingerprint.size() == 64);
    CHECK(both.server.facts().server_name == "server.test");
    CHECK(both.server.facts().peer_subject.empty());
    CHECK(!both.server.facts().verified);
}

TEST_CASE("the channel binding is the same on both sides and different on each connection") {
    const tls_version newest = GENERATE(tls_version::tls1_3, tls_version::tls1_2);
    auto options = client_options();
    options.max_version = newest;
    std::set<std::array<unsigned char, 32>> seen;
    for (int i = 0; i < 3; ++i) {
        engines both(options);
        CHECK(both.client.channel_binding().error() == errc::not_connected);
        both.connect();
        const auto here = both.client.channel_binding();
        CHECK(here.value() == both.server.channel_binding().value());
        seen.insert(*here);
    }
    CHECK(seen.size() == 3);
}

TEST_CASE("a handshake does not depend on how its flights are cut") {
    // The bytes are different each time, so each way to cut makes its own connection.
    const auto size_of_flights = [](std::size_t piece, std::size_t first) {
        engines both;
        std::size_t moved = 0;
        const auto carry = [&](tls_engine& from, tls_engine& to) {
            std::string all = take_output(from);
            moved += all.size();
            std::size_t n = first == 0 ? piece : first;
            for (std::string_view rest = all; !rest.empty(); n = piece) {
                const std::string_view part = rest.substr(0, n);
                rest.remove_prefix(part.size());
                REQUIRE(to.feed(part) == part.size());
                const auto step = to.handshake();
                if (!step) REQUIRE(step.error() == errc::would_block);
            }
        };
        const auto began = both.client.handshake();
        REQUIRE(began.error() == errc::would_block);
        for (int i = 0; i < 4; ++i) {
            carry(both.client, both.server);
            carry(both.server, both.client);
        }
        REQUIRE(both.client.handshake_done());
        REQUIRE(both.server.handshake_done());
        put(both.client, "after it");
        REQUIRE(engines::receive(both.client, both.server) == "after it");
        return moved;
    };
    const std::size_t all = size_of_flights(1, 0); // byte by byte
    CHECK(all > 1000);
    // Every flight is cut at every point at which the longest one can be.
    for (std::size_t cut = 1; cut < 1400; ++cut) size_of_flights(std::string::npos, cut);
}

TEST_CASE("records are read however they are cut, and give the same text") {
    // One connection for each way to cut, as records cannot be replayed; the sizes are always the same.
    engines sample;
    sample.connect();
    (void)engines::receive(sample.server, sample.client); // tickets
    put(sample.server, "first");
    put(sample.server, "second");
    const std::string shape = take_output(sample.server);
    CHECK(shape.size() < 80);
    grind(std::string(shape.size(), 'x'),
          [](std::span<const std::string_view> pieces) {
              engines both;
              both.connect();
              (void)engines::receive(both.server, both.client);
              put(both.server, "first");
              put(both.server, "second");
              std::string bytes = take_output(both.server);
              std::string text;
              for (const std::string_view piece : pieces) {
                  REQUIRE(both.client.feed(std::string_view(bytes).substr(0, piece.size())) == piece.size());
                  bytes.erase(0, piece.size());
                  char buffer[100];
                  const auto got = both.client.read(buffer);
                  if (got) text.append(buffer, *got);
              }
              return text;
          },
          {.pairs_up_to = 0});
}

TEST_CASE("what is damaged on its way ends the connection with an alert, wherever it is damaged") {
    engines sample;
    sample.connect();
    (void)engines::receive(sample.server, sample.client);
    put(sample.server, "a text");
    const std::size_t size = take_output(sample.server).size();
    for (std::size_t at = 0; at < size; ++at) {
        CAPTURE(at);
        engines both;
        both.connect();
        (void)engines::receive(both.server, both.client);
        put(both.server, "a text");
        std::string bytes = take_output(both.server);
        bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
        (void)both.client.feed(bytes);
        both.client.feed_end();
        const error e = read_error(both.client);
        // A length that was made longer waits for bytes that never come.
        if (at == 3 || at == 4)
            CHECK((e == tls_errc::truncated || e == tls_errc::protocol_violation));
        else
            CHECK(e == tls_errc::protocol_violation);
        CHECK(read_error(both.client) == e); // for good
        if (e == tls_errc::protocol_violation) {
            CHECK(e == condition::malformed);
            CHECK(!both.client.pending_output().empty());
            CHECK_THAT(e.message(), Contains("alert"));
            CHECK(both.client.write("x").error() == e);
        }
    }
}

TEST_CASE("garbage in a handshake is an error at each point, never a hang and never a success") {
    engines sample;
    (void)sample.client.handshake();
    const std::string hello = take_output(sample.client);
    for (std::size_t at = 0; at < hello.size(); ++at) {
        CAPTURE(at);
        engines both;
        (void)both.client.handshake();
        std::string bytes = take_output(both.client);
        bytes[at] = static_cast<char>(bytes[at] ^ 0xA5);
        (void)both.server.feed(bytes);
        (void)both.server.handshake();
        (void)both.client.feed(take_output(both.server));
        (void)both.client.handshake();
        (void)both.server.feed(take_output(both.client));
        both.server.feed_end();
        const auto server = both.server.handshake();
        if (at == 2) continue; // the minor version of the record, which nobody looks at (RFC 8446 5.1)
        // The whole ClientHello is part of what both sign.
        CHECK(!server);
        CHECK(server.error() != errc::would_block);
    }
}

TEST_CASE("a peer that does not speak TLS is named by its first bytes") {
    struct row {
        std::string bytes;
        std::string shown;
    };
    const row r = GENERATE(
        row{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it began with \"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\""},
        row{"hello\n", "it began with \"hello\\n\""}, row{"hi", "it began with \"hi\""},
        row{std::string("\x16\x02\x00\x00\x10", 5), "it began with \"\\x16\\x02\\x00\\x00\\x10\""},
        row{std::string("\x80\x2e\x01\x03\x01", 5), "it began with \"\\x80.\\x01\\x03\\x01\""},
        row{std::string(100, 'x'), "it began with \"" + std::string(32, 'x') + "\"..."});
    CAPTURE(r.shown);
    for (const bool at_server : {true, false}) {
        engines both;
        tls_engine& engine = at_server ? both.server : both.client;
        (void)engine.handshake();
        for (const char c : r.bytes) { // byte by byte: it waits for enough of them to be worth showing
            if (engine.feed({&c, 1}) == 0) break;
            if (engine.unused_input() < 5) CHECK(engine.handshake().error() == errc::would_block);
        }
        engine.feed_end();
        const auto step = engine.handshake();
        CHECK(step.error() == tls_errc::not_tls);
        CHECK(step.error() == condition::malformed);
        CHECK(step.error().message() == "the peer does not speak TLS: " + r.shown);
    }
}

TEST_CASE("a client refuses a certificate that is not for the name that it asked by, and says whose it is") {
    struct row {
        const char* host;
        bool good;
    };
    const row r = GENERATE(row{"server.test", true}, row{"server.test.", true}, row{"SERVER.test", true},
                           row{"a.many.test", true}, row{"127.0.0.1", true}, row{"::1", true},
                           row{"[::1]", true}, row{"other.test", false}, row{"many.test", false},
                           row{"a.b.many.test", false}, row{"127.0.0.2", false}, row{"fe80::1%eth0", false});
    CAPTURE(r.host);
    engines both(client_options(), server_options(), r.host);
    if (r.good) {
        CHECK_NOTHROW(both.connect());
        return;
    }
    const refusal ended = refused(both);
    CHECK(ended.client == tls_errc::certificate_refused);
    CHECK(ended.client == condition::unauthenticated);
    CHECK_THAT(ended.client.message(), Contains("DNS:server.test") && Contains("CN=server.test") &&
                                           Contains(std::string(r.host).substr(0, 7)) &&
                                           Contains("alert \"bad certificate\""));
    CHECK(ended.server == tls_errc::refused_by_peer);
    CHECK(ended.server == condition::remote);
    CHECK_THAT(ended.server.message(), Contains("alert") && Contains("bad certificate"));
}

TEST_CASE("a client refuses certificates that nobody it trusts has signed, or that are out of time") {
    struct row {
        const char* what;
        const char* said;
        const char* alert;
    };
    const row r = GENERATE(row{"stranger", "nobody whom we trust has signed it", "unknown CA"},
                           row{"self-signed", "it is signed by itself and not known here", "unknown CA"},
                           row{"expired", "it was good until", "certificate expired"},
                           row{"not yet", "it is good from", "bad certificate"});
    CAPTURE(r.what);
    const std::string_view what = r.what;
    portunus::self_signed_options whom;
    whom.names = {"server.test"};
    pem_pair pair;
    if (what == "stranger") pair = authority("Strange Authority").sign(whom);
    if (what == "self-signed") pair = portunus::make_self_signed(whom).value();
    if (what == "expired") {
        whom.age = std::chrono::hours(240);
        whom.validity = std::chrono::hours(24);
        pair = good_authority().sign(whom);
    }
    if (what == "not yet") {
        whom.age = std::chrono::hours(-24);
        pair = good_authority().sign(whom);
    }
    engines both(client_options(), server_options(pair));
    const refusal ended = refused(both);
    CHECK(ended.client == tls_errc::certificate_refused);
    CHECK_THAT(ended.client.message(), Contains(r.said) && Contains(r.alert));
    CHECK(ended.server == tls_errc::refused_by_peer);
    CHECK_THAT(ended.server.message(), Contains(r.alert));
}

TEST_CASE("a self-signed certificate that is trusted itself is good, and for its own names alone") {
    portunus::self_signed_options whom;
    whom.names = {"device.test", "10.0.0.7"};
    const pem_pair pair = portunus::make_self_signed(whom).value();
    auto options = client_options();
    options.trust = {pair.as_trust()};
    engines named(options, server_options(pair), "device.test");
    CHECK_NOTHROW(named.connect());
    CHECK(named.client.facts().verified);
    engines addressed(options, server_options(pair), "10.0.0.7");
    CHECK_NOTHROW(addressed.connect());
    CHECK(addressed.server.facts().server_name.empty()); // no SNI for addresses
    engines other(options, server_options(pair), "other.test");
    CHECK(refused(other).client == tls_errc::certificate_refused);
    // It vouches for itself and for nobody else.
    engines signed_by_another(options, server_options());
    CHECK(refused(signed_by_another).client == tls_errc::certificate_refused);
}

TEST_CASE("without verification everybody is taken, and the facts say so") {
    tls_client_options options;
    options.trust_anybody_without_verification = true;
    const pem_pair pair = portunus::make_self_signed().value();
    for (const char* host : {"", "anything.test"}) {
        engines both(options, server_options(pair), host);
        CHECK_NOTHROW(both.connect());
        CHECK(!both.client.facts().verified);
        CHECK(both.client.facts().peer_subject == "CN=localhost");
    }
}

TEST_CASE("what can be no name is refused before anything is sent") {
    const tls_client_context context(client_options());
    for (const std::string& host : {std::string(), std::string("a\0b", 3), std::string(300, 'x'),
                                    std::string("."), std::string("%eth0")}) {
        const auto engine = tls_engine::client(context, host);
        CHECK(engine.error() == errc::invalid_name);
    }
}

TEST_CASE("the server asks for a certificate of the client, takes a good one and refuses the others") {
    struct row {
        tls_client_certificates asks;
        const char* shows;
        bool good;
        const char* said;
    };
    const row r = GENERATE(
        row{tls_client_certificates::required, "good", true, ""},
        row{tls_client_certificates::required, "none", false, "peer did not return a certificate"},
        row{tls_client_certificates::required, "stranger's", false, "nobody whom we trust has signed it"},
        row{tls_client_certificates::optional, "good", true, ""},
        row{tls_client_certificates::optional, "none", true, ""},
        row{tls_client_certificates::optional, "stranger's", false, "tls_server_options::client_trust"});
    const tls_version newest = GENERATE(tls_version::tls1_3, tls_version::tls1_2);
    const std::string_view shows = r.shows;
    CAPTURE(shows, r.asks, newest);
    auto server = server_options();
    server.client_certificates = r.asks;
    server.client_trust = {good_authority().trust()};
    server.max_version = newest;
    auto client = client_options();
    if (shows == "good") client.certificate = client_pair().as_certificate();
    if (shows == "stranger's") client.certificate = authority("Other").sign({"client.test"}).as_certificate();
    engines both(client, server);
    if (r.good) {
        both.connect();
        CHECK(both.server.facts().verified == (shows == "good"));
        CHECK(both.server.facts().peer_subject == (shows == "good" ? "CN=client.test" : ""));
        return;
    }
    const refusal ended = refused(both);
    CHECK(ended.server == tls_errc::certificate_refused);
    CHECK_THAT(ended.server.message(), Contains(r.said));
    CHECK(ended.client == tls_errc::refused_by_peer);
}

TEST_CASE("the application protocol is the server's first that the client offers") {
    struct row {
        std::vector<std::string> server;
        std::vector<std::string> client;
        const char* agreed;
    };
    const row r =
        GENERATE(row{{"h2", "http/1.1"}, {"http/1.1", "h2"}, "h2"},
                 row{{"http/1.1"}, {"h2", "http/1.1"}, "http/1.1"}, row{{"x"}, {}, ""}, row{{}, {"x"}, ""});
    auto server = server_options();
    server.alpn = r.server;
    auto client = client_options();
    client.alpn = r.client;
    engines both(client, server);
    both.connect();
    CHECK(both.client.facts().alpn == r.agreed);
    CHECK(both.server.facts().alpn == r.agreed);
}

TEST_CASE("no common application protocol refuses the client, unless the server takes it without one") {
    auto server = server_options();
    server.alpn = {"modbus"};
    auto client = client_options();
    client.alpn = {"http/1.1"};
    engines both(client, server);
    const refusal ended = refused(both);
    CHECK(ended.server == tls_errc::nothing_in_common);
    CHECK(ended.server == condition::denied);
    CHECK_THAT(ended.server.message(), Contains("ALPN"));
    CHECK(ended.client == tls_errc::refused_by_peer);
    CHECK_THAT(ended.client.message(), Contains("no application protocol"));
    server.alpn_must_match = false;
    engines lenient(client, server);
    lenient.connect();
    CHECK(lenient.client.facts().alpn.empty());
}

TEST_CASE("versions that do not meet are refused on both sides") {
    auto server = server_options();
    server.min_version = tls_version::tls1_3;
    auto client = client_options();
    client.max_version = tls_version::tls1_2;
    engines both(client, server);
    const refusal ended = refused(both);
    CHECK(ended.server == tls_errc::nothing_in_common);
    CHECK(ended.client == tls_errc::refused_by_peer);
    CHECK_THAT(ended.client.message(), Contains("none of our versions"));
}

TEST_CASE("the client's server name chooses the certificate; the first one is for everybody else") {
    const pem_pair first = good_authority().sign({"one.test"}), second = good_authority().sign({"two.test"}),
                   wild = good_authority().sign({"*.three.test"});
    auto server = server_options(first);
    server.certificates.push_back(second.as_certificate());
    server.certificates.push_back(wild.as_certificate());
    const tls_server_context context(server);
    auto options = client_options();
    for (const auto& [host, subject] :
         {std::pair{"one.test", "CN=one.test"}, std::pair{"two.test", "CN=two.test"},
          std::pair{"a.three.test", "CN=*.three.test"}}) {
        engines both(tls_client_context(options), context, host);
        both.connect();
        CHECK(both.client.facts().peer_subject == subject);
        CHECK(both.server.facts().server_name == host);
    }
    options = {};
    options.trust_anybody_without_verification = true;
    for (const char* host : {"", "four.test", "10.0.0.1"}) {
        engines both(tls_client_context(options), context, host);
        both.connect();
        CHECK(both.client.facts().peer_subject == "CN=one.test");
    }
    server.refuse_unknown_names = true;
    engines strict(options, server, "four.test");
    const refusal ended = refused(strict);
    CHECK(ended.client == tls_errc::refused_by_peer);
    CHECK_THAT(ended.client.message(), Contains("it does not have the name that it was asked for"));
    engines nameless(options, server, "");
    CHECK_NOTHROW(nameless.connect());
}

TEST_CASE("bytes that end without close_notify are truncated, with it they are the end") {
    const tls_version newest = GENERATE(tls_version::tls1_3, tls_version::tls1_2);
    auto options = client_options();
    options.max_version = newest;
    engines cut(options);
    cut.connect();
    put(cut.client, "half a mess");
    (void)engines::carry(cut.client, cut.server);
    cut.server.feed_end();
    char buffer[64];
    CHECK(cut.server.read(buffer).value() == 11);
    const error e = read_error(cut.server);
    CHECK(e == tls_errc::truncated);
    CHECK(e == condition::closed);
    CHECK(e != errc::end_of_stream);
    CHECK_THAT(e.message(), Contains("without its close_notify"));
    CHECK(!cut.server.close_notify_seen());

    engines whole(options);
    whole.connect();
    put(whole.client, "a message");
    CHECK(whole.client.shutdown());
    CHECK(whole.client.shutdown()); // twice is once
    CHECK(whole.client.close_notify_sent());
    CHECK(whole.client.write("more").error() == errc::closed_locally);
    (void)engines::carry(whole.client, whole.server);
    whole.server.feed_end();
    CHECK(whole.server.read(buffer).value() == 9);
    CHECK(read_error(whole.server) == errc::end_of_stream);
    CHECK(read_error(whole.server) == errc::end_of_stream);
    CHECK(whole.server.close_notify_seen());
    put(whole.server, "the other direction goes on");
    CHECK(engines::receive(whole.server, whole.client) == "the other direction goes on");
    CHECK(!whole.client.close_notify_seen());
}

TEST_CASE("a handshake that the peer ends tells after how many bytes") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{100}}) {
        engines both;
        (void)both.client.handshake();
        (void)both.server.feed(std::string_view(both.client.pending_output()).substr(0, size));
        CHECK(both.server.handshake().error() == errc::would_block);
        both.server.feed_end();
        const auto step = both.server.handshake();
        CHECK(step.error() == tls_errc::truncated);
        CHECK_THAT(step.error().message(), Contains("after " + std::to_string(size) + " bytes"));
    }
}

TEST_CASE("megabytes go both ways at once through the bounded buffers") {
    engines both;
    both.connect();
    const std::string there = pattern(3'000'000), back = pattern(3'000'000, 77);
    std::string at_server, at_client;
    std::size_t sent = 0, answered = 0;
    std::string buffer(10'000, '\0');
    while (at_server.size() < there.size() || at_client.size() < back.size()) {
        const std::size_t before = at_server.size() + at_client.size() + sent + answered;
        if (const auto n = both.client.write(std::string_view(there).substr(sent))) sent += *n;
        if (const auto n = both.server.write(std::string_view(back).substr(answered))) answered += *n;
        CHECK(both.client.pending_output().size() <= 24 * 1024);
        (void)engines::carry(both.client, both.server);
        (void)engines::carry(both.server, both.client);
        CHECK(both.server.unused_input() <= 17 * 1024);
        if (const auto n = both.server.read(buffer)) at_server.append(buffer, 0, *n);
        if (const auto n = both.client.read(buffer)) at_client.append(buffer, 0, *n);
        REQUIRE(at_server.size() + at_client.size() + sent + answered > before); // it moves
    }
    CHECK((at_server == there));
    CHECK((at_client == back));
}

TEST_CASE("an output that nobody takes holds writes back, and loses nothing") {
    engines both;
    both.connect();
    std::string sent;
    for (;;) {
        const std::string block = pattern(7'000, sent.size());
        const auto n = both.client.write(block);
        if (!n) {
            CHECK(n.error() == errc::would_block);
            break;
        }
        sent.append(block, 0, *n);
        REQUIRE(sent.size() < 100'000);
    }
    CHECK(both.client.shutdown()); // there is always room for it
    CHECK((engines::receive(both.client, both.server) == sent));
    CHECK(read_error(both.server) == errc::end_of_stream);
}

TEST_CASE("new keys come and go without anybody's doing, also while a peer asks for ours") {
    engines both;
    both.connect();
    for (int i = 0; i < 5; ++i) {
        CHECK(both.client.update_keys(true));
        put(both.client, "with new keys");
        CHECK(engines::receive(both.client, both.server) == "with new keys");
        put(both.server, "with new keys of mine");
        CHECK(engines::receive(both.server, both.client) == "with new keys of mine");
    }
    auto old = client_options();
    old.max_version = tls_version::tls1_2;
    engines older(old);
    older.connect();
    CHECK(older.client.update_keys(true).error() == errc::invalid_option); // there is no such thing there
    put(older.client, "goes on");
    CHECK(engines::receive(older.client, older.server) == "goes on");
}

TEST_CASE("tickets of the server are read past, and are not text") {
    engines both;
    both.shake();
    CHECK(both.client.handshake_done());
    CHECK(!both.client.readable());
    CHECK(read_error(both.client) == errc::would_block);
    auto options = server_options();
    options.session_tickets = false;
    engines without(client_options(), options);
    CHECK_NOTHROW(without.connect());
}

TEST_CASE(
    "in the midst of a ticket that comes in several records nothing is written, and after it all goes on") {
    fragmenting_server server;
    auto client = tls_engine::client(tls_client_context(fragmenting_server::client()), "server.test").value();
    std::string rest;
    while (!server.done()) {
        (void)client.handshake();
        rest = server.answer(take_output(client));
        if (!server.done()) REQUIRE(client.feed(rest) == rest.size());
    }
    REQUIRE(rest.size() > 600); // the ticket, in several records
    REQUIRE(client.handshake_done());
    CHECK(!client.wants_input());
    REQUIRE(client.feed(std::string_view(rest).substr(0, 560)) == 560); // the first and a part of the second
    CHECK(read_error(client) == errc::would_block);
    CHECK(client.wants_input());
    CHECK(client.write("text").error() == errc::would_block);
    CHECK(client.shutdown().error() == errc::would_block);
    CHECK(!client.close_notify_sent());
    CHECK(client.feed(std::string_view(rest).substr(560)) == rest.size() - 560);
    CHECK(!client.wants_input());
    put(client, "text");
    (void)server.answer(take_output(client));
    CHECK(server.read() == "text");
    CHECK(client.shutdown());
}

TEST_CASE("readable tells whether a read has something to say, and takes nothing") {
    engines both;
    both.connect();
    (void)engines::receive(both.server, both.client);
    CHECK(!both.client.readable());
    put(both.server, "text");
    const std::string bytes = take_output(both.server);
    (void)both.client.feed(std::string_view(bytes).substr(0, bytes.size() - 1));
    CHECK(!both.client.readable()); // a part of a record says nothing yet
    (void)both.client.feed(std::string_view(bytes).substr(bytes.size() - 1));
    CHECK(both.client.readable());
    CHECK(both.client.readable());
    char buffer[64];
    CHECK(both.client.read(buffer).value() == 4);
    CHECK(!both.client.readable());
    both.client.feed_end();
    CHECK(both.client.readable());
    CHECK(read_error(both.client) == tls_errc::truncated);
}

TEST_CASE("several small records come with one read") {
    engines both;
    both.connect();
    (void)engines::receive(both.server, both.client);
    for (int i = 0; i < 10; ++i) put(both.server, "0123456789");
    (void)engines::carry(both.server, both.client);
    char buffer[200];
    CHECK(both.client.read(buffer).value() == 100);
    CHECK(both.client.read(std::span<char>()).value() == 0);
}

TEST_CASE("buffers are given back when they are empty, and come again") {
    engines both;
    both.connect();
    both.client.release_buffers();
    both.server.release_buffers();
    put(both.client, "again");
    both.client.release_buffers(); // it is not empty: nothing happens
    CHECK(engines::receive(both.client, both.server) == "again");
    CHECK(both.client.pending_output().empty());
}

TEST_CASE("an engine that is none, or has not shaken hands, says so") {
    tls_engine none;
    char buffer[4];
    CHECK(none.handshake().error() == errc::not_connected);
    CHECK(none.read(buffer).error() == errc::not_connected);
    CHECK(none.write("x").error() == errc::not_connected);
    CHECK(none.shutdown().error() == errc::not_connected);
    CHECK(none.channel_binding().error() == errc::not_connected);
    CHECK(none.update_keys(true).error() == errc::not_connected);
    CHECK(none.feed("x") == 0);
    CHECK(none.prepare_input().empty());
    CHECK(none.pending_output().empty());
    CHECK(none.facts().version.empty());
    engines both;
    CHECK(both.client.read(buffer).error() == errc::not_connected);
    CHECK(both.client.write("x").error() == errc::not_connected);
    CHECK(both.client.shutdown().error() == errc::not_connected);
    both.connect();
    tls_engine moved = std::move(both.client);
    put(moved, "moved");
    CHECK(engines::receive(moved, both.server) == "moved");
}
