// SPDX-License-Identifier: BSL-1.0
// TLS with strangers: OpenSSL's own programs, and Python's ssl.
#include <portunus/net/tls_stream.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/crypto/tls_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/net/connect.hpp>
#include <portunus/net/framed_stream.hpp>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using portunus::errc;
using portunus::error;
using portunus::framed_stream;
using portunus::runtime;
using portunus::tcp_stream;
using portunus::tls_accept;
using portunus::tls_client_context;
using portunus::tls_connect;
using portunus::tls_errc;
using portunus::tls_facts;
using portunus::tls_server_context;
using portunus::tls_server_options;
using portunus::tls_stream;

namespace {

/// What a server saw of its last client.
struct seen {
    std::mutex mutex;
    tls_facts facts;
    error failed; // the handshake's
    error ended;  // what ended the reading
    int sessions = 0;

    template <class Change>
    void set(Change change) {
        const std::lock_guard lock(mutex);
        change(*this);
    }
    int count() {
        const std::lock_guard lock(mutex);
        return sessions;
    }
};

/// Answers lines over TLS, until the client has finished; then says goodbye and closes.
awaitable<void> echo_securely(tcp_stream stream, tls_server_context context, seen* to) {
    auto secure = co_await tls_accept(std::move(stream), context);
    if (!secure) {
        to->set([&](seen& s) {
            s.failed = secure.error();
            ++s.sessions;
        });
        co_return;
    }
    const tls_facts facts = secure->facts();
    framed_stream frames(std::move(*secure), portunus::line_codec(portunus::line_mode::lf));
    error ended;
    for (;;) {
        auto batch = co_await frames.read_batch();
        if (!batch) {
            ended = batch.error();
            break;
        }
        for (const std::string_view line : *batch) (void)frames.queue(line);
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
    auto closed = co_await frames.close(20s);
    (void)closed;
    to->set([&](seen& s) {
        s.facts = facts;
        s.ended = ended;
        ++s.sessions;
    });
}

/// A TLS server of the library in a thread of its own.
struct secure_server {
    explicit secure_server(const tls_server_options& options = server_options())
        : context(options), rt(1, portunus::logger::silent()),
          server(rt.listen(any_door(),
                           [this](tcp_stream s) { return echo_securely(std::move(s), context, &last); })),
          running_now(rt) {}
    std::string port() const { return std::to_string(server.port()); }

    seen last;
    tls_server_context context;
    runtime rt;
    portunus::tcp_server server;
    running running_now;
};

/// The authority of the tests as a file, for other programs.
struct trust_file {
    scratch files;
    std::string path = files.write("ca.pem", good_authority().pair.certificate);
};

child_process s_client(const secure_server& server, const trust_file& trust, std::vector<std::string> more) {
    // It says some things on one output and some on the other.
    std::vector<std::string> arguments{"-c", "exec openssl s_client \"$@\" 2>&1", "s_client"};
    for (const std::string& each :
         {std::string("-connect"), "127.0.0.1:" + server.port(), std::string("-servername"),
          std::string("server.test"), std::string("-verify_hostname"), std::string("server.test"),
          std::string("-CAfile"), trust.path, std::string("-verify_return_error")})
        arguments.push_back(each);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return child_process("sh", std::move(arguments));
}

child_process python(const std::string& program, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-c", program});
    return child_process(PORTUNUS_TEST_PYTHON, std::move(arguments));
}
bool python_has_ssl() {
    return python("import ssl", {}).wait().code == 0;
}

/// Runs a client of the library to its end.
void run_client(awaitable<void> body) {
    world w(world::clock::real);
    w.run(std::move(body));
}

} // namespace

TEST_CASE("openssl s_client verifies our server and gets its lines back, by TLS 1.2 and 1.3") {
    if (!has_program("openssl")) PORTUNUS_SKIP("openssl is not on this machine");
    const std::string version = GENERATE(std::string("-tls1_2"), std::string("-tls1_3"));
    CAPTURE(version);
    const trust_file trust;
    secure_server server;
    auto client = s_client(server, trust, {version, "-quiet", "-no_ign_eof"});
    client.write("hello from s_client\n");
    CHECK(client.line_after("hello from ") == "s_client");
    client.close_input(); // it says close_notify
    CHECK(client.wait().code == 0);
    eventually([&] { return server.last.count() == 1; });
    CHECK(server.last.ended == errc::end_of_stream);
    CHECK(server.last.facts.version == (version == "-tls1_2" ? "TLSv1.2" : "TLSv1.3"));
    CHECK(server.last.facts.server_name == "server.test");
    CHECK(server.running_now.stop() == 0);
}

TEST_CASE("openssl s_client asks for new keys in the midst of it and goes on talking") {
    if (!has_program("openssl")) PORTUNUS_SKIP("openssl is not on this machine");
    const trust_file trust;
    secure_server server;
    auto client = s_client(server, trust, {"-tls1_3"});
    client.write("before\n");
    CHECK(client.line_after("before").empty());
    for (int i = 0; i < 3; ++i) {
        client.write("K\n"); // new keys of its own, and it asks for ours
        (void)client.line_after("KEYUPDATE");
        client.write("line " + std::to_string(i) + "\n");
        CHECK(client.line_after("line ") == std::to_string(i));
    }
    client.write("Q\n");
    CHECK(client.wait().code == 0);
    CHECK(server.running_now.stop() == 0);
}

TEST_CASE("openssl s_client with a version that is too old is refused") {
    if (!has_program("openssl")) PORTUNUS_SKIP("openssl is not on this machine");
    const trust_file trust;
    secure_server server;
    auto client = s_client(server, trust, {"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"});
    client.close_input();
    CHECK(client.wait().code != 0);
    eventually([&] { return server.last.count() == 1; });
    CHECK(server.last.failed == tls_errc::nothing_in_common);
    CHECK_THAT(server.last.failed.message(), Contains("from 127.0.0.1:"));
    CHECK(server.running_now.stop() == 0);
}

TEST_CASE("openssl s_client shows its certificate where we ask for one, and is refused without") {
    if (!has_program("openssl")) PORTUNUS_SKIP("openssl is not on this machine");
    const trust_file trust;
    auto options = server_options();
    options.client_certificates = portunus::tls_client_certificates::required;
    options.client_trust = {good_authority().trust()};
    secure_server server(options);
    const std::string own = trust.files.write("client.pem", client_pair().certificate + client_pair().key);
    auto client = s_client(server, trust, {"-quiet", "-no_ign_eof", "-cert", own, "-key", own});
    client.write("it is me\n");
    CHECK(client.line_after("it is ") == "me");
    client.close_input();
    CHECK(client.wait().code == 0);
    eventually([&] { return server.last.count() == 1; });
    CHECK(server.last.facts.verified);
    CHECK(server.last.facts.peer_subject == "CN=client.test");
    auto nameless = s_client(server, trust, {"-quiet"});
    CHECK(nameless.wait().code != 0);
    eventually([&] { return server.last.count() == 2; });
    CHECK(server.last.failed == tls_errc::certificate_refused);
    CHECK(server.running_now.stop() == 0);
}

TEST_CASE("our client talks to openssl s_server, and refuses it by the wrong name") {
    if (!has_program("openssl")) PORTUNUS_SKIP("openssl is not on this machine");
    const scratch files;
    const std::string own = files.write("server.pem", server_pair().certificate + server_pair().key);
    child_process server("openssl", {"s_server", "-accept", "127.0.0.1:0", "-cert", own, "-key", own, "-rev",
                                     "-alpn", "lines"});
    const std::string where = server.line_after("ACCEPT ");
    const auto port = static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1)));
    auto options = client_options();
    options.alpn = {"other", "lines"};
    const tls_client_context context(options);
    run_client([](const tls_client_context* with, std::uint16_t to) -> awaitable<void> {
        auto peer = co_await portunus::connect("127.0.0.1", to);
        REQUIRE(peer.has_value());
        auto secure = co_await tls_connect(std::move(*peer), *with, "127.0.0.1"); // an address that it is for
        REQUIRE(secure.has_value());
        CHECK(secure->facts().alpn == "lines");
        CHECK(secure->facts().verified);
        framed_stream frames(std::move(*secure), portunus::line_codec(portunus::line_mode::lf));
        auto sent = co_await frames.write("abcdef");
        CHECK(sent);
        auto answer = co_await frames.read();
        CHECK(answer.value() == "fedcba"); // it turns lines round
        auto closed = co_await frames.close(20s);
        CHECK(closed);

        auto again = co_await portunus::connect("127.0.0.1", to);
        REQUIRE(again.has_value());
        auto refused = co_await tls_connect(std::move(*again), *with, "other.test");
        CHECK(refused.error() == tls_errc::certificate_refused);
        CHECK_THAT(refused.error().message(), Contains("DNS:server.test"));
    }(&context, port));
}

TEST_CASE("Python's ssl verifies our server by address, and both say goodbye in order") {
    if (!python_has_ssl()) PORTUNUS_SKIP("this Python has no ssl");
    const trust_file trust;
    auto options = server_options();
    options.alpn = {"lines"};
    secure_server server(options);
    auto client = python(R"(
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.set_alpn_protocols(["x", "lines"])
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as plain:
    peer = context.wrap_socket(plain, server_hostname="127.0.0.1")
    print("alpn", peer.selected_alpn_protocol(), peer.version(), flush=True)
    text = b"".join(b"line %d\n" % i for i in range(20000))
    got = b""
    peer.sendall(text)
    while len(got) < len(text):
        got += peer.recv(65536)
    print("same", got == text, flush=True)
    peer.unwrap() # sends close_notify and waits for ours
    print("in order", flush=True)
)",
                         {server.port(), trust.path});
    CHECK(client.line_after("alpn ") == "lines TLSv1.3");
    CHECK(client.line_after("same ") == "True");
    CHECK(client.line_after("in ") == "order");
    CHECK(client.wait().code == 0);
    eventually([&] { return server.last.count() == 1; });
    CHECK(server.last.ended == errc::end_of_stream);
    CHECK(server.running_now.stop() == 0);
}

TEST_CASE("a Python peer that hangs up without a goodbye is a truncation, one that says it an end") {
    if (!python_has_ssl()) PORTUNUS_SKIP("this Python has no ssl");
    const bool in_order = GENERATE(true, false);
    const scratch files;
    const std::string own = files.write("server.pem", server_pair().certificate + server_pair().key);
    auto server = python(R"(
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
door = socket.create_server(("127.0.0.1", 0))
print("port", door.getsockname()[1], flush=True)
plain, _ = door.accept()
plain.settimeout(20)
peer = context.wrap_socket(plain, server_side=True)
peer.recv(100)
peer.sendall(b"half a mess")
if sys.argv[2] == "in order":
    peer.unwrap().close()
else:
    plain = peer.detach()
    socket.socket(fileno=plain).close()
)",
                         {own, in_order ? "in order" : "rudely"});
    const auto port = static_cast<std::uint16_t>(std::stoi(server.line_after("port ")));
    const tls_client_context context(client_options());
    run_client([](const tls_client_context* with, std::uint16_t to, bool orderly) -> awaitable<void> {
        auto peer = co_await portunus::connect("127.0.0.1", to);
        REQUIRE(peer.has_value());
        auto secure = co_await tls_connect(std::move(*peer), *with, "server.test");
        REQUIRE(secure.has_value());
        auto sent = co_await secure->write("go");
        CHECK(sent);
        std::string got;
        char buffer[100];
        error end;
        for (;;) {
            auto n = co_await secure->read_some(asio::buffer(buffer));
            if (!n) {
                end = n.error();
                break;
            }
            got.append(buffer, *n);
        }
        CHECK(got == "half a mess");
        if (orderly)
            CHECK(end == errc::end_of_stream);
        else
            CHECK(end == tls_errc::truncated);
        auto closed = co_await secure->close(20s);
        CHECK(closed);
    }(&context, port, in_order));
    CHECK(server.wait().code == 0);
}

TEST_CASE("a Python client that trusts others, or expects another name, refuses our server and tells it") {
    if (!python_has_ssl()) PORTUNUS_SKIP("this Python has no ssl");
    const bool wrong_name = GENERATE(true, false);
    const scratch files;
    const std::string trust =
        files.write("ca.pem", wrong_name ? good_authority().pair.certificate
                                         : portunus::make_self_signed().value().certificate);
    secure_server server;
    auto client = python(R"(
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20) as plain:
    try:
        context.wrap_socket(plain, server_hostname=sys.argv[3])
    except ssl.SSLCertVerificationError as refused:
        print("refused", refused.verify_code, flush=True)
)",
                         {server.port(), trust, wrong_name ? "other.test" : "server.test"});
    CHECK(client.line_after("refused ") == (wrong_name ? "62" : "20"));
    CHECK(client.wait().code == 0);
    eventually([&] { return server.last.count() == 1; });
    const error& heard = server.last.failed.code().failed() ? server.last.failed : server.last.ended;
    CHECK(heard == tls_errc::refused_by_peer);
    CHECK(server.running_now.stop() == 0);
}
