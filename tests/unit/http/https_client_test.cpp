// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/https_client.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"
#include "unit/http/client_support.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/tls_stream.hpp>

#include <memory>
#include <string>
#include <utility>

using namespace portunus_tests;
using namespace portunus::testing;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using http::verb;
using portunus::errc;
using portunus::tls_errc;

namespace {

/// A TLS server on a free port that follows one script for each connection.
class secure_house {
  public:
    secure_house(asio::io_context& context, const portunus::tls_server_options& o)
        : acceptor_(context, {asio::ip::address_v4::loopback(), 0}), context_(o) {}

    std::string url(std::string_view path, std::string_view host = "127.0.0.1") const {
        return "https://" + std::string(host) + ":" + std::to_string(acceptor_.local_endpoint().port()) +
               std::string(path);
    }
    std::string host() const { return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

    /// Accepts one connection; what differs from the script, or the error of the handshake.
    awaitable<std::string> serve(scripted_peer script) {
        auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
        portunus::tcp_stream plain(std::move(socket));
        auto secure = co_await portunus::tls_accept(std::move(plain), context_);
        if (!secure) co_return secure.error().message();
        facts = secure->facts();
        auto text = co_await script.play(*secure);
        co_return text;
    }

    portunus::tls_facts facts;

  private:
    asio::ip::tcp::acceptor acceptor_;
    portunus::tls_server_context context_;
};

portunus::tls_client_options trusting() {
    return client_options();
}

} // namespace

TEST_CASE("https is verified, agrees on http/1.1, and its connection serves the next request") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto o = server_options();
        o.alpn.emplace_back("http/1.1");
        secure_house house(context, o);
        scripted_peer script;
        const std::string host = "Host: " + house.host() + "\r\n";
        script.expect("GET /1 HTTP/1.1\r\n" + host + "\r\n")
            .send(told("one"))
            .expect("GET /2 HTTP/1.1\r\n" + host + "\r\n")
            .send("HTTP/1.1 200 OK\r\n\r\nto the end")
            .close();
        auto serving = start(context.get_executor(), house.serve(script));
        http::client_options plain;
        plain.user_agent.clear();
        http::https_client web(context.get_executor(), plain, trusting());
        auto first = co_await web.get(house.url("/1"));
        REQUIRE(first.has_value());
        CHECK(first->body() == "one");
        CHECK(house.facts.alpn == "http/1.1");
        auto second = co_await web.get(house.url("/2"));
        REQUIRE(second.has_value());
        CHECK(second->body() == "to the end");
        CHECK(web.counters().connections == 1);
        const std::string difference = co_await serving.join();
        CHECK(difference == "");
    });
}

TEST_CASE("a server that cannot prove who it is gets no request") {
    run([](asio::io_context& context) -> awaitable<void> {
        const auto self = portunus::make_self_signed().value();
        secure_house house(context, server_options(self));
        http::https_client web(context.get_executor(), {}, trusting());
        auto serving = start(context.get_executor(), house.serve(scripted_peer()));
        auto stranger = co_await web.get(house.url("/"));
        REQUIRE(stranger.has_error());
        CHECK_THAT(stranger.error().message(),
                   Contains("while connecting, GET at https://127.0.0.1:") && Contains("self"));
        const std::string refused = co_await serving.join();
        CHECK(refused != "");

        // Trusted by name, as a device on its first day is.
        portunus::tls_client_options known;
        known.trust.push_back(self.as_trust());
        http::https_client friendly(context.get_executor(), {}, known);
        scripted_peer script;
        script.expect("GET / ").send(told("hello"));
        auto again = start(context.get_executor(), house.serve(script));
        auto answer = co_await friendly.get(house.url("/"));
        REQUIRE(answer.has_value());
        CHECK(answer->body() == "hello");
        const std::string difference = co_await again.join();
        CHECK(difference == "");
    });
}

TEST_CASE("a body that ends with the connection is whole only when TLS has ended in order") {
    run([](asio::io_context& context) -> awaitable<void> {
        secure_house house(context, server_options());
        http::https_client web(context.get_executor(), {}, trusting());
        scripted_peer script;
        script.expect("GET / ").send("HTTP/1.1 200 OK\r\n\r\nabc").wait(50ms).reset();
        auto serving = start(context.get_executor(), house.serve(script));
        auto cut = co_await web.get(house.url("/"));
        CHECK(cut.has_error());
        const std::string difference = co_await serving.join();
        CHECK(difference == "");
    });
}

TEST_CASE("a client shows its certificate where it has one") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto o = server_options();
        o.client_certificates = portunus::tls_client_certificates::required;
        o.client_trust.push_back(good_authority().trust());
        secure_house house(context, o);
        auto tls = trusting();
        tls.certificate = client_pair().as_certificate();
        http::https_client web(context.get_executor(), {}, tls);
        scripted_peer script;
        script.expect("GET / ").send(told("known"));
        auto serving = start(context.get_executor(), house.serve(script));
        auto answer = co_await web.get(house.url("/"));
        REQUIRE(answer.has_value());
        CHECK(answer->body() == "known");
        const std::string difference = co_await serving.join();
        CHECK(difference == "");
    });
}

TEST_CASE("digest is preferred to basic, and its nonce is counted and renewed") {
    wire net;
    const std::string both = "WWW-Authenticate: Basic realm=\"r\"\r\nWWW-Authenticate: Digest realm=\"r\", "
                             "qop=\"auth\", algorithm=SHA-256, nonce=\"one\"\r\n";
    const std::string head = "GET / HTTP/1.1\r\nHost: device\r\nAuthorization: Digest username=\"u\", ";
    bool counted = false;
    net.next()
        .expect(asked("GET /"))
        .send(told("", "401 Unauthorized", both))
        .expect(head + "realm=\"r\", nonce=\"one\", uri=\"/\", algorithm=SHA-256, response=\"");
    run([&](asio::io_context& context) -> awaitable<void> {
        auto o = net.options();
        http::https_client web(context.get_executor(), std::move(o), trusting());
        web.authenticate("http://device/", "u", "p");
        auto asking = start(context.get_executor(), web.get("http://device/"));
        co_await settle();
        counted = net.difference() == "";
        CHECK(counted);
    });
}
