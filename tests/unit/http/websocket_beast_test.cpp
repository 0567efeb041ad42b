// SPDX-License-Identifier: BSL-1.0
// Beast's WebSocket as the peer of ours, through async_stream, in both roles.
#include <portunus/http/websocket.hpp>

#include "support/catch.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/http/websocket_client.hpp>
#include <portunus/http/websocket_handler.hpp>
#include <portunus/net/any_stream.hpp>
#include <portunus/net/async_stream.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/start.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using namespace portunus::testing;
using http::websocket;
using http::websocket_code;
using portunus::any_stream;
using portunus::async_stream;
using portunus::errc;
using portunus::detail::use_result;

namespace {

namespace beast = boost::beast;
using beast_socket = beast::websocket::stream<async_stream<any_stream>>;

beast_socket beast_over(any_stream stream) {
    return beast_socket(async_stream<any_stream>(std::move(stream)));
}

std::string text_in(const beast::flat_buffer& b) {
    return std::string(static_cast<const char*>(b.data().data()), b.size());
}

/// Lengths around every change of a frame's header, and one that no buffer holds at once.
std::vector<std::string> payloads() {
    std::vector<std::string> all;
    for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 65'535u, 65'536u, 1'048'576u})
        all.push_back(pattern(size));
    for (std::string& p : all)
        for (char& c : p) c = static_cast<char>(c & 0x7f);
    return all;
}

/// What Beast's end says and hears when ours is an echo: the same for both roles.
awaitable<void> beast_talks(beast_socket& peer) {
    for (const bool text : {true, false}) {
        peer.text(text);
        for (const std::string& payload : payloads()) {
            auto [failed, n] = co_await peer.async_write(asio::buffer(payload), use_result);
            REQUIRE(!failed);
            beast::flat_buffer in;
            auto [code, m] = co_await peer.async_read(in, use_result);
            REQUIRE(!code);
            CHECK(peer.got_text() == text);
            CHECK((text_in(in) == payload));
        }
    }
    // in pieces, with a ping between them
    bool ponged = false;
    peer.control_callback([&ponged](beast::websocket::frame_type kind, beast::string_view payload) {
        ponged = ponged || (kind == beast::websocket::frame_type::pong && payload == "are you there?");
    });
    peer.text(true);
    auto [f1, n1] = co_await peer.async_write_some(false, asio::buffer("one, ", 5), use_result);
    auto [f2] = co_await peer.async_ping("are you there?", use_result);
    auto [f3, n3] = co_await peer.async_write_some(false, asio::buffer("two, ", 5), use_result);
    auto [f4, n4] = co_await peer.async_write_some(true, asio::buffer("three", 5), use_result);
    REQUIRE((!f1 && !f2 && !f3 && !f4));
    beast::flat_buffer in;
    auto [code, m] = co_await peer.async_read(in, use_result);
    REQUIRE(!code);
    CHECK(text_in(in) == "one, two, three");
    CHECK(ponged);
    peer.control_callback();
}

/// What our end says and hears when Beast's is an echo.
awaitable<void> we_talk(websocket& socket) {
    for (const bool text : {true, false}) {
        for (const std::string& payload : payloads()) {
            auto writing = text ? socket.write(payload) : socket.write_binary(payload);
            auto sent = co_await std::move(writing);
            REQUIRE(sent);
            auto back = co_await socket.read();
            REQUIRE(back.has_value());
            CHECK(back->is_text == text);
            CHECK((back->data == payload));
        }
    }
    auto listening = start(socket.get_executor(), socket.read());
    auto ponged = co_await socket.ping();
    CHECK(ponged);
    auto sent = co_await socket.write("last");
    CHECK(sent);
    auto last = co_await listening.join();
    REQUIRE(last.has_value());
    CHECK(last->data == "last");
}

awaitable<void> our_echo(websocket socket) {
    for (;;) {
        auto message = co_await socket.read();
        if (!message) break;
        auto writing = message->is_text ? socket.write(message->data) : socket.write_binary(message->data);
        auto sent = co_await std::move(writing);
        if (!sent) break;
    }
    auto closed = co_await socket.close();
    (void)closed;
}

/// Echoes in frames of 1000 bytes until the end, and tells how that was.
awaitable<boost::system::error_code> beast_echo(beast_socket* peer) {
    peer->write_buffer_bytes(1000);
    for (;;) {
        beast::flat_buffer in;
        auto [code, n] = co_await peer->async_read(in, use_result);
        if (code) co_return code;
        peer->text(peer->got_text());
        auto [failed, m] = co_await peer->async_write(in.data(), use_result);
        if (failed) co_return failed;
    }
}

} // namespace

TEST_CASE("Beast's client and our server's handler understand each other") {
    http::router<http::handler> routes;
    http::websocket_handler_options options;
    options.rules.subprotocols = {"echo"};
    routes.add(verb::get, "/live", http::websocket_handler(options, &our_echo));
    house h(std::move(routes));
    const auto where = h.server.endpoints().front();
    run([&]() -> awaitable<void> {
        auto peer = co_await portunus::connect("127.0.0.1", where.port());
        REQUIRE(peer.has_value());
        auto socket = beast_over(any_stream(std::move(*peer)));
        socket.set_option(beast::websocket::stream_base::decorator([](beast::websocket::request_type& asked) {
            asked.set(beast::http::field::sec_websocket_protocol, "other, echo");
        }));
        beast::websocket::response_type answer;
        auto [code] = co_await socket.async_handshake(answer, "here", "/live", use_result);
        REQUIRE(!code);
        CHECK(answer[beast::http::field::sec_websocket_protocol] == "echo");
        co_await beast_talks(socket);
        auto [closed] = co_await socket.async_close(
            beast::websocket::close_reason(beast::websocket::close_code::going_away, "home"), use_result);
        CHECK(!closed);
        CHECK(socket.reason().code == beast::websocket::close_code::going_away);
    });
}

TEST_CASE("our client and Beast's server understand each other") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 10'000});
        auto peer = beast_over(any_stream(std::move(far)));
        auto accepting =
            start(context.get_executor(), peer.async_accept(asio::as_tuple(asio::use_awaitable)));
        const http::websocket_client_options options;
        auto socket = co_await http::open_websocket(any_stream(std::move(near)), "ws://here/live", options);
        REQUIRE(socket.has_value());
        auto [accepted] = co_await accepting.join();
        REQUIRE(!accepted);
        auto echoing = start(context.get_executor(), beast_echo(&peer));
        co_await we_talk(*socket);
        auto closed = co_await socket->close(static_cast<websocket_code>(3001), "enough");
        CHECK(closed);
        const auto how = co_await echoing.join();
        CHECK(how == beast::websocket::error::closed);
        CHECK(peer.reason().code == 3001);
        CHECK(peer.reason().reason == "enough");
        CHECK(static_cast<unsigned>(socket->close_code()) == 3001);
    });
}

TEST_CASE("every code that Beast closes with arrives here, with its reason, and comes back") {
    for (const unsigned number : {1000u, 1001u, 1003u, 1007u, 1008u, 1009u, 1011u, 3000u, 4999u}) {
        run([&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto peer = beast_over(any_stream(std::move(far)));
            auto accepting =
                start(context.get_executor(), peer.async_accept(asio::as_tuple(asio::use_awaitable)));
            const http::websocket_client_options options;
            auto socket = co_await http::open_websocket(any_stream(std::move(near)), "ws://here/", options);
            REQUIRE(socket.has_value());
            (void)co_await accepting.join();
            const beast::websocket::close_reason why(static_cast<beast::websocket::close_code>(number),
                                                     "because");
            auto closing =
                start(context.get_executor(), peer.async_close(why, asio::as_tuple(asio::use_awaitable)));
            auto message = co_await socket->read();
            CHECK(error_of(message) == errc::end_of_stream);
            CHECK(static_cast<unsigned>(socket->close_code()) == number);
            CHECK(socket->close_text() == "because");
            auto closed = co_await socket->close();
            CHECK(closed);
            auto [code] = co_await closing.join();
            CHECK(!code);
        });
    }
}

TEST_CASE("what breaks our rules is told to Beast by the right code") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto peer = beast_over(any_stream(std::move(far)));
        auto accepting =
            start(context.get_executor(), peer.async_accept(asio::as_tuple(asio::use_awaitable)));
        http::websocket_client_options options;
        options.socket.max_message = 1000;
        auto socket = co_await http::open_websocket(any_stream(std::move(near)), "ws://here/", options);
        REQUIRE(socket.has_value());
        (void)co_await accepting.join();
        const std::string large(1001, 'x');
        auto [failed, n] = co_await peer.async_write(asio::buffer(large), use_result);
        CHECK(!failed);
        auto message = co_await socket->read();
        CHECK(error_of(message) == errc::frame_too_large);
        auto closing = start(context.get_executor(), socket->close());
        beast::flat_buffer in;
        auto [code, m] = co_await peer.async_read(in, use_result);
        CHECK(code == beast::websocket::error::closed);
        CHECK(peer.reason().code == beast::websocket::close_code::too_big);
        (void)co_await closing.join();
    });
}
