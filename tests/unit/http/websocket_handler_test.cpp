// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/websocket_handler.hpp>

#include "support/catch.hpp"
#include "unit/http/server_support.hpp"
#include "unit/http/websocket_support.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using portunus::errc;
using portunus::error;
using websocket_test::close_payload;
using websocket_test::from_client;
using websocket_test::from_server;

namespace {

constexpr unsigned fin = 0x80;
constexpr unsigned text = 1, binary = 2, closed = 8, ping = 9, pong = 10;

std::string upgrade_request(std::string_view more = "", std::string_view line = "GET /live") {
    return request(line, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                             std::string(more));
}
std::string upgrade_answer(std::string_view more = "") {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
           std::string(more) + "Connection: Upgrade\r\n\r\n";
}

/// Reads one head.
std::string read_head(plain_socket& peer) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
        const std::string byte = peer.read(1);
        if (byte.empty()) break;
        head += byte;
    }
    return undated(head);
}

awaitable<void> echo(http::websocket socket) {
    for (;;) {
        auto message = co_await socket.read();
        if (!message) co_return;
        auto sent = co_await socket.write(message->data);
        if (!sent) co_return;
    }
}

http::router<http::handler> routes(http::websocket_handler_options options = {}) {
    http::router<http::handler> r;
    r.add(verb::get, "/live", http::websocket_handler(std::move(options), &echo));
    return r;
}

} // namespace

TEST_CASE("a request becomes a WebSocket, together with the frames that came right behind it") {
    house h(routes());
    auto peer = connect_to(h.server);
    peer.send(upgrade_request() + from_client(fin | text, "early"));
    CHECK(read_head(peer) == upgrade_answer());
    CHECK(peer.read(7) == from_server(fin | text, "early"));
    peer.send(from_client(text, "in ") + from_client(fin | ping, "?") + from_client(fin, "pieces"));
    CHECK(peer.read(3) == from_server(fin | pong, "?"));
    CHECK(peer.read(11) == from_server(fin | text, "in pieces"));
    peer.send(from_client(fin | closed, close_payload(1000)));
    const auto [rest, how] = peer.read_to_end();
    CHECK(rest == from_server(fin | closed, close_payload(1000)));
    CHECK(how == ending::eof);
}

TEST_CASE("frames of 125, 126, 65535 and 65536 bytes come back") {
    house h(routes());
    auto peer = connect_to(h.server);
    peer.send(upgrade_request());
    read_head(peer);
    for (const std::size_t size : {125u, 126u, 65535u, 65536u}) {
        const std::string payload(size, 'f');
        peer.send(from_client(fin | text, payload));
        const std::string expected = from_server(fin | text, payload);
        CHECK((peer.read(expected.size()) == expected));
    }
}

TEST_CASE("what asks for no WebSocket, or not rightly, is answered by HTTP") {
    house h(routes());
    CHECK_THAT(h.ask(request("GET /live")), StartsWith("HTTP/1.1 426 Upgrade Required\r\n"));
    CHECK_THAT(h.ask(request("GET /live")), Contains("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    CHECK_THAT(h.ask(request("POST /live")), StartsWith("HTTP/1.1 405"));
    CHECK_THAT(h.ask(request("GET /live", "Upgrade: websocket\r\nConnection: Upgrade\r\n")),
               StartsWith("HTTP/1.1 426"));
    CHECK_THAT(h.ask(upgrade_request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
               StartsWith("HTTP/1.1 400"));
    CHECK_THAT(h.ask(upgrade_request("Origin: http://elsewhere\r\n")), StartsWith("HTTP/1.1 403"));
    // and the connection is good for another request
    CHECK_THAT(h.ask(request("GET /live") + request("GET /nowhere")), Contains("HTTP/1.1 404"));
    CHECK(h.server.counters().answers[1] == 0);
}

TEST_CASE("a subprotocol that both speak is chosen and told to the session") {
    http::websocket_handler_options options;
    options.rules.subprotocols = {"v2.lamps", "v1.lamps"};
    http::router<http::handler> r;
    r.add(verb::get, "/live",
          http::websocket_handler(std::move(options), [](http::websocket socket) -> awaitable<void> {
              const std::string chosen(socket.subprotocol());
              auto sent = co_await socket.write(chosen);
              (void)sent;
          }));
    house h(std::move(r));
    auto peer = connect_to(h.server);
    peer.send(upgrade_request("Sec-WebSocket-Protocol: chat, v1.lamps\r\n"));
    CHECK(read_head(peer) == upgrade_answer("Sec-WebSocket-Protocol: v1.lamps\r\n"));
    CHECK(peer.read(10) == from_server(fin | text, "v1.lamps"));
    CHECK(peer.read(4) == from_server(fin | closed, close_payload(1000)));
}

TEST_CASE("a handler may look at the request before it answers with a WebSocket") {
    const auto options = std::make_shared<const http::websocket_handler_options>();
    house h(http::handler([options](http::request& r) {
        if (r.find("Cookie") != "key=right") return http::response(status::unauthorized);
        const std::string path(r.path());
        return http::upgrade(r, *options, [path](http::websocket socket) {
            return [](http::websocket s, std::string where) -> awaitable<void> {
                auto sent = co_await s.write(where);
                (void)sent;
            }(std::move(socket), path);
        });
    }));
    CHECK_THAT(h.ask(upgrade_request()), StartsWith("HTTP/1.1 401"));
    auto peer = connect_to(h.server);
    peer.send(upgrade_request("Cookie: key=right\r\n"));
    CHECK(read_head(peer) == upgrade_answer());
    CHECK(peer.read(7) == from_server(fin | text, "/live"));
}

TEST_CASE("the WebSocket of a handler that has returned is closed, with what was queued sent before") {
    house h(http::websocket_handler([](http::websocket socket) -> awaitable<void> {
        for (int i = 0; i != 3; ++i) {
            auto queued = socket.queue("news");
            if (!queued) co_return;
        }
    }));
    auto peer = connect_to(h.server);
    peer.send(upgrade_request() + from_client(fin | text, "not read by anybody"));
    read_head(peer);
    const std::string news = from_server(fin | text, "news");
    CHECK(peer.read(22) == news + news + news + from_server(fin | closed, close_payload(1000)));
    peer.send(from_client(fin | closed, close_payload(1000)));
    const auto [rest, how] = peer.read_to_end();
    CHECK(rest.empty());
    CHECK(how == ending::eof);
}

TEST_CASE("an exception that leaves the session closes with 1011 and is logged") {
    log_book book;
    http::server_options o = open_house();
    o.door.log = book.logger();
    house h(http::websocket_handler([](http::websocket) -> awaitable<void> {
                co_await asio::post(asio::deferred);
                throw std::runtime_error("the lamp fell");
            }),
            std::move(o));
    auto peer = connect_to(h.server);
    peer.send(upgrade_request());
    read_head(peer);
    CHECK(peer.read(4) == from_server(fin | closed, close_payload(1011)));
    peer.send(from_client(fin | closed, close_payload(1011)));
    peer.read_to_end();
    eventually([&] { return book.count("the lamp fell") != 0; });
}

TEST_CASE("when the program stops, WebSockets are told that it goes away, and it stops in good order") {
    house h(routes());
    auto peer = connect_to(h.server);
    peer.send(upgrade_request() + from_client(fin | text, "hello"));
    read_head(peer);
    CHECK(peer.read(7) == from_server(fin | text, "hello"));
    h.rt.request_stop(20s);
    CHECK(peer.read(4) == from_server(fin | closed, close_payload(1001)));
    peer.send(from_client(fin | closed, close_payload(1001)));
    peer.close();
    CHECK(h.runs.wait() == 0);
}

TEST_CASE("a client that gives no sign of life is given up, however long the server's phases are") {
    http::websocket_handler_options options;
    options.socket.ping_interval = 20s;
    options.socket.pong_limit = 20s;
    house h(http::websocket_handler(std::move(options), &echo), open_house(), true);
    auto peer = connect_to(h.server);
    peer.send(upgrade_request());
    read_head(peer);
    peer.send(from_client(fin | text, "hello"));
    CHECK(peer.read(7) == from_server(fin | text, "hello"));
    for (int i = 0; i != 10; ++i) { // longer than any limit of HTTP
        h.pass(20s);
        CHECK(peer.read(2) == from_server(fin | ping, ""));
        peer.send(from_client(fin | pong, "") + from_client(fin | text, "x"));
        CHECK(peer.read(3) == from_server(fin | text, "x"));
    }
    h.pass(20s);
    CHECK(peer.read(2) == from_server(fin | ping, ""));
    h.pass(20s);
    CHECK(peer.read_to_end().second == ending::reset);
}
