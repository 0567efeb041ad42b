// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/websocket_client.hpp>

#include "support/catch.hpp"
#include "unit/http/server_support.hpp"
#include "unit/http/websocket_support.hpp"

#include <portunus/http/websocket_handler.hpp>
#include <portunus/http/websocket_upgrade.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/start.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using namespace portunus::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using http::websocket;
using http::websocket_client_options;
using portunus::any_stream;
using portunus::errc;
using portunus::error;
using portunus::failure;
using portunus::result;
using websocket_test::from_client;
using websocket_test::from_server;

namespace {

std::string bytes_at(memory_stream& far) {
    std::string all;
    char buffer[4096];
    for (;;) {
        const auto n = far.try_read_some(asio::buffer(buffer));
        if (!n) return all;
        all.append(buffer, *n);
    }
}

std::string key_in(const std::string& request) {
    const std::string_view name = "Sec-WebSocket-Key: ";
    const std::size_t at = request.find(name);
    REQUIRE(at != std::string::npos);
    return request.substr(at + name.size(), 24);
}
std::string accept_for(const std::string& request) {
    const auto accept = http::websocket_accept(key_in(request));
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           std::string(accept.data(), accept.size()) + "\r\n";
}

/// Opens over a stream whose other end answers with what `answer` makes of the request; then looks at what
/// came of it.
void opened(const websocket_client_options& options,
            const std::function<std::string(const std::string&)>& answer,
            const std::function<awaitable<void>(result<websocket>, memory_stream)>& look, bool end = false) {
    run(
        [&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto opening =
                start(context.get_executor(), http::open_websocket(any_stream(std::move(near)),
                                                                   "ws://hub.test:81/live?a=b", options));
            co_await settle();
            const std::string request = bytes_at(far);
            const std::string bytes = answer(request);
            for (const char c : bytes) { // byte by byte
                if (!far.try_write_some(std::string_view(&c, 1))) break;
                co_await settle();
            }
            if (end) {
                auto ended = co_await far.shutdown_send();
                (void)ended;
            }
            auto socket = co_await opening.join();
            auto looking = look(std::move(socket), std::move(far));
            co_await std::move(looking);
        },
        {.manual_time = true});
}

error failed(const std::string& answer, const websocket_client_options& options = {}, bool end = false) {
    error why;
    opened(
        options, [&](const std::string&) { return answer; },
        [&why](result<websocket> socket, memory_stream) {
            return [](result<websocket> s, error* to) -> awaitable<void> {
                REQUIRE_FALSE(s.has_value());
                *to = s.error();
                co_return;
            }(std::move(socket), &why);
        },
        end);
    return why;
}

} // namespace

TEST_CASE("a client asks as RFC 6455 wants it, and speaks when the answer belongs to it") {
    websocket_client_options options;
    options.offer("v2.lamps")
        .offer("v1.lamps")
        .add("Authorization", "Bearer secret")
        .add(http::field::origin, "http://here");
    std::string request;
    opened(
        options,
        [&](const std::string& r) {
            request = r;
            return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + accept_for(r) +
                   "Sec-WebSocket-Protocol: v1.lamps\r\n\r\n" + from_server(0x81, "welcome");
        },
        [](result<websocket> socket, memory_stream far) -> awaitable<void> {
            REQUIRE(socket.has_value());
            CHECK(socket->subprotocol() == "v1.lamps");
            auto message = co_await socket->read();
            REQUIRE(message.has_value());
            CHECK(message->data == "welcome");
            auto sent = co_await socket->write("hello");
            CHECK(sent);
            CHECK(websocket_test::decode(bytes_at(far)) == "text[hello] ");
        });
    const std::string key = key_in(request);
    CHECK(request == "GET /live?a=b HTTP/1.1\r\nHost: hub.test:81\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                         key +
                         "\r\nSec-WebSocket-Protocol: v2.lamps, v1.lamps\r\n"
                         "Authorization: Bearer secret\r\nOrigin: http://here\r\n\r\n");
    std::string second;
    opened(
        {}, [&](const std::string& r) { return second = r, accept_for(r) + "\r\n"; },
        [](result<websocket> socket, memory_stream) -> awaitable<void> {
            CHECK(socket.has_value());
            co_return;
        });
    CHECK(key_in(second) != key);
}

TEST_CASE("an answer other than 101 gives its status and how its body begins") {
    auto why = failed("HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nnot for you\n and what follows");
    CHECK(why == errc::remote_error);
    CHECK(why.detail() == "the server answered 403 Forbidden: not for you");
    why = failed("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nthe \r\n4\r\nlamp\r\n0\r\n\r\n",
                 {}, true);
    CHECK_THAT(std::string(why.detail()), Contains("500 Oops") && Contains("the lamp"));
    why = failed("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n" + std::string(5000, 'x'));
    CHECK(why == errc::remote_error);
    CHECK(why.detail().size() < 300);
    why = failed("HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(why.detail() == "the server answered 204 No Content");
    why = failed("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\n\x1b\x07");
    CHECK_THAT(std::string(why.detail()), StartsWith("the server answered 302 Found"));
    CHECK(why.detail().find('\x1b') == std::string_view::npos);
}

TEST_CASE("an answer that is none, or of somebody else, is malformed") {
    CHECK(failed("SSH-2.0-OpenSSH_9.2\r\n\r\n") == errc::malformed_frame);
    CHECK(failed("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n") == errc::malformed_frame);
    CHECK(failed("HTTP/1.1 101 Yes\r\n" + std::string(20'000, 'x')) == errc::frame_too_large);
    CHECK(failed("HTTP/1.1 101 Yes\r\n", {}, true) == errc::end_of_stream);
}

TEST_CASE("a server that does not answer is waited for no longer than the limit, however it trickles") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            websocket_client_options options;
            options.handshake_limit = 10s;
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto opening = start(context.get_executor(), http::open_websocket(any_stream(std::move(near)),
                                                                              "ws://hub.test/", options));
            for (int i = 0; i != 9; ++i) {
                co_await advance(1s);
                CHECK(far.try_write_some("H"));
                CHECK_FALSE(opening.done());
            }
            co_await advance(1s);
            const auto socket = co_await opening.join();
            REQUIRE_FALSE(socket.has_value());
            CHECK(socket.error() == errc::handshake_timeout);
        },
        {.manual_time = true});
}

TEST_CASE("opening may be cancelled, and destroyed at every point") {
    run([](asio::io_context& context) -> awaitable<void> {
        const websocket_client_options options;
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto opening = start(context.get_executor(),
                             http::open_websocket(any_stream(std::move(near)), "ws://hub.test/", options));
        co_await settle();
        opening.cancel();
        const auto socket = co_await opening.join();
        REQUIRE_FALSE(socket.has_value());
        CHECK(socket.error() == errc::canceled);
    });
    const std::size_t points = destroy_at_every_point(
        [](asio::io_context& context) {
            auto ends = make_memory_stream_pair(context.get_executor());
            return [](memory_stream near, memory_stream far) -> awaitable<void> {
                const websocket_client_options options;
                const asio::any_io_executor executor = near.get_executor();
                auto opening =
                    start(executor, http::open_websocket(any_stream(std::move(near)), "ws://x/", options));
                auto readable = co_await far.wait_readable();
                if (!readable) co_return;
                const std::string answer = accept_for(bytes_at(far)) + "\r\n";
                auto put = far.try_write_some(answer);
                if (!put) co_return;
                auto socket = co_await opening.join();
                CHECK(socket.has_value());
            }(std::move(ends.first), std::move(ends.second));
        },
        {.manual_time = true});
    CHECK(points > 5);
}

TEST_CASE("a stream that is no connection cannot become a WebSocket") {
    run([]() -> awaitable<void> {
        const websocket_client_options options;
        auto socket = co_await http::open_websocket(any_stream(), "ws://hub.test/", options);
        REQUIRE_FALSE(socket.has_value());
        CHECK(socket.error() == errc::not_connected);
        const websocket none{any_stream(), http::websocket_role::client};
        CHECK_FALSE(none.is_open());
    });
}

TEST_CASE("URLs of other kinds and fields of the handshake are refused before anybody is asked") {
    run([]() -> awaitable<void> {
        for (const std::string_view url : {"http://hub.test/", "wss://hub.test/", "ws://", "hub.test"}) {
            auto socket = co_await http::connect_websocket(url);
            REQUIRE_FALSE(socket.has_value());
            CHECK(socket.error() == errc::invalid_address);
        }
    });
    websocket_client_options options;
    for (const std::string_view name : {"Host", "upgrade", "Connection", "sec-websocket-key", "bad name", ""})
        CHECK_THROWS_AS(options.add(name, "x"), failure);
    CHECK_THROWS_AS(options.add("Cookie", "a\r\nb: c"), failure);
    CHECK_THROWS_AS(options.offer("two words"), failure);
    CHECK_THROWS_AS(options.offer(""), failure);
    CHECK(options.fields().empty());
}

TEST_CASE("our client and our server speak over TCP") {
    house h(http::websocket_handler([](websocket socket) -> awaitable<void> {
        for (;;) {
            auto message = co_await socket.read();
            if (!message) co_return;
            auto sent = co_await socket.write_binary(message->data);
            if (!sent) co_return;
        }
    }));
    const std::string url =
        "ws://127.0.0.1:" + std::to_string(h.server.endpoints().front().port()) + "/anything";
    run([&]() -> awaitable<void> {
        auto socket = co_await http::connect_websocket(url);
        REQUIRE(socket.has_value());
        for (const std::size_t size : {0u, 126u, 1u << 20}) {
            const std::string payload(size, 'w');
            auto sent = co_await socket->write(payload);
            CHECK(sent);
            auto back = co_await socket->read();
            REQUIRE(back.has_value());
            CHECK((back->data == payload));
        }
        auto closed = co_await socket->close();
        CHECK(closed);
    });
}
