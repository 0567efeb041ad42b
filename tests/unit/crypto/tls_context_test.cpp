// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/tls_context.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using portunus::errc;
using portunus::error;
using portunus::failure;
using portunus::tls_certificate;
using portunus::tls_client_certificates;
using portunus::tls_client_context;
using portunus::tls_client_options;
using portunus::tls_server_context;
using portunus::tls_server_options;
using portunus::tls_version;
namespace sys = boost::system::errc;

namespace {

error error_of(const tls_server_options& options) {
    const auto opened = tls_server_context::open(options);
    return opened ? error() : opened.error();
}
error error_of(const tls_client_options& options) {
    const auto opened = tls_client_context::open(options);
    return opened ? error() : opened.error();
}
/// No piece of a key in a text.
bool keeps_secrets(const std::string& text, const pem_pair& pair) {
    const std::string body = pair.key.substr(28, 40);
    return text.find(body) == std::string::npos && text.find("PRIVATE KEY-----\n") == std::string::npos;
}
/// The subject of the certificate that a server shows now.
std::string shown_by(const tls_server_context& context) {
    tls_client_options options;
    options.trust_anybody_without_verification = true;
    engines both(tls_client_context(options), context, "");
    both.connect();
    return both.client.facts().peer_subject;
}

constexpr auto encrypted_key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                               "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhs/a3x\n"
                               "-----END ENCRYPTED PRIVATE KEY-----\n";

} // namespace

TEST_CASE("certificates come from files as from texts, with the key in a file of its own or in the same") {
    const scratch files;
    const pem_pair& pair = server_pair();
    tls_server_options two, one;
    two.certificates.push_back({pem_source::file(files.write("chain.pem", pair.certificate)),
                                pem_source::file(files.write("key.pem", pair.key))});
    one.certificates.push_back({pem_source::file(files.write("both.pem", pair.certificate + pair.key)), {}});
    tls_client_options client;
    client.trust = {pem_source::file(files.write("ca.pem", good_authority().pair.certificate))};
    for (const tls_server_options& server : {two, one, server_options()}) {
        engines both(client, server);
        CHECK_NOTHROW(both.connect());
    }
}

TEST_CASE("a chain is sent whole, so that a client that trusts its root alone can follow it") {
    const authority root("Root");
    // An authority of its own between the two is signed by the root.
    const portunus::detail::openssl_ptr<X509> root_certificate(std::move(
        portunus::detail::load_certificates(pem_source::text(root.pair.certificate)).value().front()));
    const auto root_key = portunus::detail::load_key(pem_source::text(root.pair.key)).value();
    portunus::self_signed_options between;
    between.names = {"between.test"};
    const portunus::detail::certificate_issuer by_root{root_certificate.get(), root_key.get()};
    const pem_pair middle = portunus::detail::make_certificate(between, &by_root, true).value();
    const auto middle_certificate =
        std::move(portunus::detail::load_certificates(pem_source::text(middle.certificate)).value().front());
    const auto middle_key = portunus::detail::load_key(pem_source::text(middle.key)).value();
    const portunus::detail::certificate_issuer by_middle{middle_certificate.get(), middle_key.get()};
    portunus::self_signed_options leaf;
    leaf.names = {"server.test"};
    const pem_pair pair = portunus::detail::make_certificate(leaf, &by_middle, false).value();
    tls_client_options client;
    client.trust = {root.trust()};
    tls_server_options server;
    server.certificates.push_back(
        {pem_source::text(pair.certificate + middle.certificate), pem_source::text(pair.key)});
    engines with_chain(client, server);
    CHECK_NOTHROW(with_chain.connect());
    server.certificates[0].chain = pem_source::text(pair.certificate);
    engines without(client, server);
    without.shake();
    CHECK(without.client_outcome.error() == portunus::tls_errc::certificate_refused);
}

TEST_CASE("what is wrong with a certificate or a key says where, what OpenSSL says, and what to do") {
    const scratch files;
    const pem_pair& pair = server_pair();
    const std::string cut = pair.certificate.substr(0, pair.certificate.size() / 2);
    std::string damaged = pair.certificate;
    damaged[damaged.size() / 2] = '!';
    struct row {
        const char* what;
        std::string chain;
        std::string key;
        std::string said;
    };
    const row r = GENERATE_REF(
        row{"empty", "", pair.key, "x.pem has no certificate; it should have a block"},
        row{"no PEM", "hello", pair.key, "x.pem has no certificate"},
        row{"damaged", damaged, pair.key,
            "x.pem has a damaged certificate after 0 good ones; OpenSSL says: "},
        row{"second damaged", pair.certificate + damaged, pair.key, "after 1 good ones"},
        row{"cut", cut, pair.key, "x.pem has"},
        row{"key as chain", pair.key, pair.key, "x.pem has no certificate"},
        row{"no key", pair.certificate, "", "y.pem has no private key; it should have a block"},
        row{"chain as key", pair.certificate, pair.certificate, "y.pem has no private key"},
        row{"key damaged", pair.certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "y.pem has a private key that cannot be read; OpenSSL says: "},
        row{"encrypted", pair.certificate, encrypted_key, "encrypted with a password; OpenSSL says: "},
        row{"another key", pair.certificate, client_pair().key, "y.pem do not belong together"});
    CAPTURE(r.what);
    tls_server_options options;
    options.certificates.push_back(
        {pem_source::file(files.write("x.pem", r.chain)), pem_source::file(files.write("y.pem", r.key))});
    const error e = error_of(options);
    CHECK(e == errc::invalid_option);
    CHECK_THAT(e.message(), Contains(r.said));
    CHECK(keeps_secrets(e.message(), pair));
    CHECK(keeps_secrets(e.message(), client_pair()));
    CHECK(ERR_peek_error() == 0); // nothing is left for whoever asks OpenSSL next
    try {
        tls_server_context thrown(options);
        CHECK(false);
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_option);
    }
}

TEST_CASE("a file that cannot be read gives the system's own code and the path") {
    const scratch files;
    tls_server_options options;
    options.certificates.push_back({pem_source::file(files.path("none.pem")), {}});
    CHECK(error_of(options) == sys::no_such_file_or_directory);
    CHECK_THAT(error_of(options).message(), Contains("none.pem"));
    options.certificates[0].chain = pem_source::file("/");
    CHECK(error_of(options) == sys::is_a_directory);
    options.certificates[0].chain =
        pem_source::file(files.write("large.pem", std::string((1 << 20) + 20000, 'x')));
    CHECK_THAT(error_of(options).message(), Contains("larger than 1 MiB"));
    tls_client_options client;
    client.trust = {pem_source::file(files.path("ca.pem"))};
    CHECK(error_of(client) == sys::no_such_file_or_directory);
    client.trust = {pem_source::text("nothing", "the authorities")};
    CHECK_THAT(error_of(client).message(), Contains("the authorities has no certificate"));
}

TEST_CASE("options that make no sense are refused by name") {
    CHECK_THAT(error_of(tls_server_options{}).message(),
               Contains("certificates: a TLS server needs at least one"));
    auto server = server_options();
    server.min_version = tls_version::tls1_3;
    server.max_version = tls_version::tls1_2;
    CHECK_THAT(error_of(server).message(), Contains("min_version is newer than max_version"));
    server = server_options();
    server.alpn = {""};
    CHECK_THAT(error_of(server).message(), Contains("alpn: \"\" has 0 bytes"));
    server.alpn = {std::string(256, 'x')};
    CHECK_THAT(error_of(server).message(), Contains("has 256 bytes"));
    server.alpn.assign(300, std::string(255, 'x'));
    CHECK_THAT(error_of(server).message(), Contains("65535"));
    server = server_options();
    server.client_certificates = tls_client_certificates::required;
    CHECK_THAT(error_of(server).message(), Contains("say whose certificates are good"));
    server.client_certificates = tls_client_certificates::none;
    server.client_trust = {good_authority().trust()};
    CHECK_THAT(error_of(server).message(), Contains("choose optional or required"));
    server = server_options();
    server.certificates.push_back({});
    CHECK_THAT(error_of(server).message(), Contains("give tls_certificate::chain"));
    auto client = client_options();
    client.certificate.key = pem_source::text(client_pair().key);
    CHECK_THAT(error_of(client).message(), Contains("a key without a certificate"));
    CHECK(keeps_secrets(error_of(client).message(), client_pair()));
}

TEST_CASE("a client trusts the system's authorities unless told otherwise, and so no certificate of a test") {
    const tls_client_context context;
    CHECK(context.verifies());
    engines both(context, tls_server_context(server_options()));
    both.shake();
    CHECK(both.client_outcome.error() == portunus::tls_errc::certificate_refused);
    tls_client_options careless;
    careless.trust_anybody_without_verification = true;
    CHECK(!tls_client_context(careless).verifies());
}

TEST_CASE("a reload serves new connections with the new certificate; the old ones keep theirs") {
    const scratch files;
    const pem_pair first = good_authority().sign({"first.test"}),
                   second = good_authority().sign({"second.test"});
    files.write("cert.pem", first.certificate + first.key);
    tls_server_options options;
    options.certificates.push_back({pem_source::file(files.path("cert.pem")), {}});
    tls_server_context context(options);
    const tls_server_context same = context; // a handle: it sees the reload too
    CHECK(shown_by(context) == "CN=first.test");

    engines old(tls_client_context(client_options()), context, "first.test");
    old.connect();
    engines midway(tls_client_context(client_options()), context, "first.test");
    (void)midway.client.handshake();
    files.write("cert.pem", second.certificate + second.key);
    CHECK(shown_by(context) == "CN=first.test"); // not by itself
    CHECK(context.reload());
    CHECK(shown_by(context) == "CN=second.test");
    CHECK(shown_by(same) == "CN=second.test");
    CHECK(old.client.write("still here").value() == 10);
    CHECK(engines::receive(old.client, old.server) == "still here");
    CHECK_NOTHROW(midway.connect()); // it began before
    CHECK(midway.client.facts().peer_subject == "CN=first.test");
}

TEST_CASE("a reload that fails keeps what was, and says why") {
    const scratch files;
    const pem_pair first = good_authority().sign({"first.test"}),
                   second = good_authority().sign({"second.test"});
    files.write("cert.pem", first.certificate + first.key);
    tls_server_options options;
    options.certificates.push_back({pem_source::file(files.path("cert.pem")), {}});
    tls_server_context context(options);
    files.write("cert.pem", second.certificate); // the key was forgotten
    const auto failed = context.reload();
    CHECK(failed.error() == errc::invalid_option);
    CHECK_THAT(failed.error().message(), Contains("cert.pem has no private key"));
    CHECK(shown_by(context) == "CN=first.test");
    auto others = server_options(second);
    CHECK(context.reload(others));
    CHECK(shown_by(context) == "CN=second.test");
    others.certificates.clear();
    CHECK(!context.reload(others));
    CHECK(context.reload()); // as the last one that succeeded
    CHECK(shown_by(context) == "CN=second.test");
}

TEST_CASE("contexts are used and reloaded from several threads") {
    tls_server_context server(server_options());
    const tls_client_context client(client_options());
    std::atomic<int> connected{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            for (int j = 0; j < 20; ++j) {
                engines both(client, server);
                both.shake();
                connected += both.client_outcome.has_value() && both.server_outcome.has_value();
            }
        });
    int reloaded = 0;
    for (int i = 0; i < 20; ++i) reloaded += server.reload().has_value();
    for (auto& t : threads) t.join();
    CHECK(connected == 60);
    CHECK(reloaded == 20);
}
