// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/tls_websocket.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/http/https_server.hpp>
#include <portunus/http/websocket_handler.hpp>
#include <portunus/testing/run.hpp>

#include <string>

using namespace portunus_tests;
using portunus::tls_client_context;
using portunus::tls_server_context;

namespace {

awaitable<void> echo(http::websocket socket) {
    for (;;) {
        auto message = co_await socket.read();
        if (!message) co_return;
        auto sent = co_await socket.write(message->data);
        if (!sent) co_return;
    }
}

/// A server over TLS with an address that speaks WebSocket.
struct secure_house {
    secure_house()
        : rt(1, open_house().door.log),
          server(http::serve(rt, open_house(), tls_server_context(server_options()),
                             http::websocket_handler(&echo))),
          runs(rt) {}
    std::string url(std::string_view scheme) const {
        return std::string(scheme) + "://localhost:" + std::to_string(server.endpoints().front().port()) +
               "/";
    }
    runtime rt;
    http::server server;
    running runs;
};

} // namespace

TEST_CASE("a WebSocket over TLS carries messages, and a stranger's certificate is refused") {
    secure_house h;
    portunus::testing::run([&]() -> awaitable<void> {
        auto trusting_anybody = client_options();
        trusting_anybody.trust_anybody_without_verification = true; // the name in the tests is another one
        const tls_client_context trusting(trusting_anybody), system;
        const http::websocket_client_options options;
        const std::string url = h.url("wss");
        auto socket = co_await http::connect_websocket(url, trusting, options);
        REQUIRE(socket.has_value());
        const std::string payload(100'000, 's');
        auto sent = co_await socket->write(payload);
        CHECK(sent);
        auto back = co_await socket->read();
        REQUIRE(back.has_value());
        CHECK((back->data == payload));
        auto closed = co_await socket->close();
        CHECK(closed);
        auto refused = co_await http::connect_websocket(url, system, options);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == portunus::condition::unauthenticated);
    });
}
