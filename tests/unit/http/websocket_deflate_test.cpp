// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/websocket_deflate.hpp>

#include "support/catch.hpp"
#include "unit/http/server_support.hpp"
#include "unit/http/websocket_support.hpp"

#include <portunus/http/websocket_client.hpp>
#include <portunus/http/websocket_handler.hpp>
#include <portunus/net/async_stream.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/testing/grind.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/start.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using namespace portunus::testing;
using http::websocket;
using http::websocket_code;
using http::websocket_deflate;
using http::websocket_deflate_options;
using http::websocket_deflate_terms;
using http::websocket_deflater;
using portunus::any_stream;
using portunus::async_stream;
using portunus::errc;
using portunus::detail::use_result;
using websocket_test::from_client;
namespace beast = boost::beast;

namespace {

/// Bytes that may contain zeros.
template <std::size_t N>
std::string bytes(const char (&text)[N]) {
    return std::string(text, N - 1);
}
const std::string hello = bytes("\xf2\x48\xcd\xc9\xc9\x07\x00"); // RFC 7692 7.2.3.1

websocket_deflater plain(websocket_deflate_options o = {}) {
    o.min_size = 0;
    return websocket_deflater(o, o.window_bits, o.keep_context, 15, o.peer_keeps_context);
}
std::string unfold(websocket_deflater& d, std::string_view compressed, std::size_t most = 1 << 20) {
    std::vector<char> out;
    const auto done = d.decompress(compressed, most, out);
    return done ? std::string(out.data(), out.size()) : done.error().message();
}
std::string fold(websocket_deflater& d, std::string_view message) {
    std::string out;
    return d.compress(message, out) ? out : "as it is";
}

std::shared_ptr<const http::websocket_extension> deflate(const websocket_deflate_options& o = {}) {
    return std::make_shared<const websocket_deflate>(o);
}

awaitable<void> echo(websocket socket) {
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

house echo_house(const websocket_deflate_options& o) {
    http::router<http::handler> routes;
    http::websocket_handler_options options;
    options.extension = deflate(o);
    options.socket.max_message = 2'000'000;
    routes.add(verb::get, "/live", http::websocket_handler(options, &echo));
    return house(std::move(routes));
}

using beast_socket = beast::websocket::stream<async_stream<any_stream>>;
beast_socket beast_over(any_stream stream, const beast::websocket::permessage_deflate& o) {
    beast_socket s{async_stream<any_stream>(std::move(stream))};
    s.set_option(o);
    return s;
}

beast::websocket::permessage_deflate server_side() {
    beast::websocket::permessage_deflate o;
    o.server_enable = true;
    return o;
}

std::vector<std::string> payloads() {
    std::vector<std::string> all;
    for (const std::size_t size : {0u, 1u, 63u, 64u, 126u, 65'535u, 65'536u, 1'048'576u}) {
        std::string p = pattern(size);
        for (char& c : p) c = static_cast<char>(c & 0x7f);
        all.push_back(p);
        all.push_back(std::string(size, 'a'));
    }
    return all;
}

} // namespace

TEST_CASE("the examples of RFC 7692 are read, and the first two written") {
    auto d = plain(), e = plain();
    CHECK(fold(d, "Hello") == hello);
    CHECK(fold(d, "Hello") == bytes("\xf2\x00\x11\x00\x00")); // from the message before
    CHECK(unfold(e, hello) == "Hello");
    CHECK(unfold(e, bytes("\xf2\x00\x11\x00\x00")) == "Hello");
    CHECK(unfold(e, bytes("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")) == "Hello");
    CHECK(unfold(e, bytes("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")) == "Hello"); // a final block
    CHECK(unfold(e, bytes("\xf2\x00\x11\x00\x00")) == "Hello");             // the window is still there
    CHECK(unfold(e, bytes("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")) == "Hello");
    CHECK(unfold(e, bytes("\x00")).empty());
}

TEST_CASE("without context takeover no message refers to another one") {
    websocket_deflate_options o;
    o.keep_context = o.peer_keeps_context = false;
    auto d = plain(o);
    CHECK(fold(d, "Hello") == hello);
    CHECK(fold(d, "Hello") == hello);
    CHECK(unfold(d, hello) == "Hello");
    CHECK_FALSE(unfold(d, bytes("\xf2\x00\x11\x00\x00")) == "Hello");
}

TEST_CASE("a message that unfolds to too much, or is broken, is refused with what is wrong") {
    using Catch::Matchers::Contains;
    auto packer = plain();
    const std::string zeros = fold(packer, std::string(2'000'000, '\0'));
    {
        websocket_deflate_options o;
        o.max_ratio = 0;
        auto d = plain(o);
        CHECK_THAT(unfold(d, zeros, 1'999'999), Contains("more than max_message 1999999"));
    }
    {
        websocket_deflate_options o;
        o.max_ratio = 0;
        auto d = plain(o);
        CHECK(unfold(d, zeros, 2'000'000).size() == 2'000'000);
    }
    {
        auto d = plain();
        CHECK_THAT(unfold(d, zeros, 3'000'000), Contains("more than 200 for one"));
    }
    {
        auto d = plain();
        CHECK(unfold(d, bytes("\x00"), 0).empty()); // nothing fits into nothing
        CHECK_THAT(unfold(d, hello, 4), Contains("max_message 4"));
    }
    for (const std::string& wrong :
         {bytes("\xff\xff\xff"), bytes("\x06"), hello.substr(0, 3), hello.substr(0, 6) + "\x80\x80",
          bytes("\x00\x05\x00\xfa\xffHe"), bytes("\xf2\x00\x11\x00\x00")}) {
        auto d = plain();
        std::vector<char> out;
        const auto done = d.decompress(wrong, 1000, out);
        CHECK(error_of(done) == errc::malformed_frame);
    }
}

TEST_CASE("what one deflater packs another one unpacks, whatever the window, and small ones go as they are") {
    for (const int bits : {9, 12, 15})
        for (const bool keep : {true, false}) {
            websocket_deflate_options o;
            o.window_bits = bits;
            o.memory = 1;
            o.keep_context = keep;
            o.max_ratio = 0;
            websocket_deflater out(o, bits, keep, 15, true), in(o, 9, true, bits, keep);
            for (const std::string& p : payloads()) {
                const std::string packed = fold(out, p);
                if (p.size() < o.min_size)
                    CHECK(packed == "as it is");
                else
                    CHECK((unfold(in, packed, p.size()) == p));
            }
        }
    websocket_deflater tiny({}, 8, true, 8, true); // zlib has no window so small: then nothing is packed
    CHECK(fold(tiny, std::string(1000, 'a')) == "as it is");
}

TEST_CASE("offers and answers are read strictly") {
    const auto reading = [](std::string_view text) {
        const auto t = websocket_deflate_terms::parse(text);
        return t ? t->to_string() : std::string(t.error() == errc::malformed_frame ? "malformed" : "?");
    };
    for (const char* fine :
         {"permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
          "permessage-deflate; server_max_window_bits=8; client_max_window_bits",
          "permessage-deflate; client_max_window_bits=15"})
        CHECK(reading(fine) == fine);
    CHECK(reading("Permessage-Deflate ;client_max_window_bits=\"10\"") ==
          "permessage-deflate; client_max_window_bits=10");
    for (const char* wrong :
         {"", "x-webkit-deflate-frame", "permessage-deflate;", "permessage-deflate; ", "permessage-deflate;;",
          "permessage-deflate; other", "permessage-deflate; server_no_context_takeover=1",
          "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
          "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
          "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
          "permessage-deflate; server_max_window_bits=", "permessage-deflate; client_max_window_bits=x",
          "permessage-deflate; client_max_window_bits; client_max_window_bits=10"})
        CHECK(reading(wrong) == "malformed");
}

TEST_CASE("a server grants what is asked for and asks for what it needs, and a client holds it to that") {
    const auto answer = [](std::string_view offer, websocket_deflate_options o = {}) {
        return websocket_deflate(o).accept(offer).answer;
    };
    websocket_deflate_options frugal;
    frugal.keep_context = frugal.peer_keeps_context = false;
    frugal.peer_window_bits = 10;
    CHECK(answer("permessage-deflate") == "permessage-deflate");
    CHECK(answer("permessage-deflate; client_max_window_bits") == "permessage-deflate");
    CHECK(answer("permessage-deflate; server_max_window_bits=15") ==
          "permessage-deflate; server_max_window_bits=12");
    CHECK(answer("permessage-deflate; server_max_window_bits=9") ==
          "permessage-deflate; server_max_window_bits=9");
    CHECK(answer("permessage-deflate", frugal) ==
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    CHECK(answer("permessage-deflate; client_max_window_bits", frugal) ==
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
          "client_max_window_bits=10");
    CHECK(answer("permessage-deflate; other").empty());
    CHECK(websocket_deflate().offer() == "permessage-deflate; client_max_window_bits");
    CHECK(websocket_deflate(frugal).offer() ==
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
          "server_max_window_bits=10; client_max_window_bits");
    const auto confirmed = [](std::string_view text, websocket_deflate_options o = {}) {
        return websocket_deflate(o).confirm(text).has_value();
    };
    CHECK(confirmed("permessage-deflate"));
    CHECK(confirmed("permessage-deflate; client_max_window_bits=8; server_max_window_bits=9"));
    CHECK_FALSE(confirmed("permessage-deflate; client_max_window_bits"));
    CHECK_FALSE(confirmed("something-else"));
    CHECK(confirmed("permessage-deflate; server_no_context_takeover; server_max_window_bits=10", frugal));
    CHECK_FALSE(confirmed("permessage-deflate; server_max_window_bits=10", frugal));
    CHECK_FALSE(confirmed("permessage-deflate; server_no_context_takeover", frugal));
    CHECK_FALSE(
        confirmed("permessage-deflate; server_no_context_takeover; server_max_window_bits=11", frugal));
    websocket_deflate_options wrong;
    wrong.window_bits = 8;
    CHECK_THROWS_AS(websocket_deflate(wrong), portunus::failure);
}

TEST_CASE("compressed messages are told by their first frame, however the bytes are cut") {
    const std::string all = from_client(0xc1, hello) + from_client(0x41, hello.substr(0, 2)) +
                            from_client(0x89, "ping") + from_client(0x00, "") +
                            from_client(0x80, hello.substr(2)) + from_client(0x81, "plain") +
                            from_client(0xc2, std::string(1, 0)) + from_client(0xd1, "x");
    const std::string told = grind(all, [](std::span<const std::string_view> pieces) {
        http::websocket_decoder decoder(http::websocket_role::server, 1000);
        decoder.allow_compressed();
        websocket_deflate_options o;
        websocket_deflater d(o, 15, false, 15, false);
        std::string text;
        for (std::string_view piece : pieces) {
            const auto room = decoder.prepare();
            std::copy(piece.begin(), piece.end(), room.begin());
            decoder.commit(piece.size());
            for (;;) {
                const auto e = decoder.next();
                if (e.what == http::websocket_event::kind::more) break;
                text += e.compressed ? unfold(d, e.payload) + ' ' : websocket_test::tell(e);
                if (e.what == http::websocket_event::kind::failed) return text;
            }
        }
        return text;
    });
    CHECK(told.substr(0, 60).find("Hello ping[ping] Hello text[plain]  failed 1002") == 0);
    for (const unsigned first : {0xc9u, 0xc8u, 0xcau, 0xc0u, 0xa1u, 0x91u}) {
        http::websocket_decoder decoder(http::websocket_role::server, 1000);
        decoder.allow_compressed();
        const std::string frame = from_client(first, "x");
        std::copy(frame.begin(), frame.end(), decoder.prepare().begin());
        decoder.commit(frame.size());
        CHECK(decoder.next().what == http::websocket_event::kind::failed);
    }
}

TEST_CASE("our client and our server compress what they agreed on, and nothing is compressed without that") {
    const bool asked = GENERATE(true, false);
    auto h = echo_house({});
    run([&]() -> awaitable<void> {
        http::websocket_client_options options;
        if (asked) options.extension = deflate();
        auto peer = co_await portunus::connect("127.0.0.1", h.server.endpoints().front().port());
        REQUIRE(peer.has_value());
        auto socket = co_await http::open_websocket(any_stream(std::move(*peer)), "ws://here/live", options);
        REQUIRE(socket.has_value());
        const std::string message(100'000, 'm');
        REQUIRE(socket->queue(message));
        CHECK((socket->queued() < 1000) == asked);
        for (const std::string& p : payloads()) REQUIRE(socket->queue_binary(p.substr(0, 1000)));
        auto back = co_await socket->read();
        REQUIRE(back.has_value());
        CHECK((back->data == message));
        for (const std::string& p : payloads()) {
            // The view holds while the next message arrives behind it.
            auto next = co_await socket->read();
            REQUIRE(next.has_value());
            auto ponged = start(socket->get_executor(), socket->ping());
            co_await settle();
            CHECK((next->data == p.substr(0, 1000)));
        }
        auto closed = co_await socket->close();
        CHECK(closed);
    });
}

TEST_CASE("what cannot be unpacked closes with 1007, what is too large with 1009") {
    struct row {
        std::string payload;
        unsigned first, code;
    };
    auto packer = plain();
    const std::vector<row> rows = {{"\xff\xff\xff", 0xc2, 1007},
                                   {hello.substr(0, 3), 0xc1, 1007},
                                   {fold(packer, "\xff\xfe"), 0xc1, 1007}, // text, but not UTF-8
                                   {fold(packer, std::string(1001, 'x')), 0xc1, 1009}};
    for (const row& r : rows) {
        run([&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto peer = beast_over(any_stream(std::move(far)), server_side());
            auto accepting =
                start(context.get_executor(), peer.async_accept(asio::as_tuple(asio::use_awaitable)));
            http::websocket_client_options options;
            options.extension = deflate();
            options.socket.max_message = 1000;
            auto socket = co_await http::open_websocket(any_stream(std::move(near)), "ws://here/", options);
            REQUIRE(socket.has_value());
            (void)co_await accepting.join();
            const std::string frame = websocket_test::from_server(r.first, r.payload);
            (void)must(peer.next_layer().stream().try_write_some(asio::buffer(frame)));
            auto message = co_await socket->read();
            CHECK(error_of(message) == (r.code == 1009 ? errc::frame_too_large : errc::malformed_frame));
            auto closing = start(context.get_executor(), socket->close());
            beast::flat_buffer in;
            auto [code, n] = co_await peer.async_read(in, use_result);
            CHECK(code == beast::websocket::error::closed);
            CHECK(peer.reason().code == r.code);
            (void)co_await closing.join();
        });
    }
}

namespace {

struct terms {
    const char* name;
    bool no_context;
    int bits;
};

} // namespace

TEST_CASE("Beast's client and our server exchange compressed messages") {
    const auto t =
        GENERATE(terms{"usual", false, 15}, terms{"no context", true, 15}, terms{"small", false, 9});
    INFO(t.name);
    websocket_deflate_options ours;
    ours.peer_window_bits = t.bits;
    ours.max_ratio = 0;
    auto h = echo_house(ours);
    run([&]() -> awaitable<void> {
        auto peer = co_await portunus::connect("127.0.0.1", h.server.endpoints().front().port());
        REQUIRE(peer.has_value());
        beast::websocket::permessage_deflate o;
        o.client_enable = true;
        o.server_no_context_takeover = o.client_no_context_takeover = t.no_context;
        o.server_max_window_bits = o.client_max_window_bits = t.bits;
        auto socket = beast_over(any_stream(std::move(*peer)), o);
        beast::websocket::response_type answer;
        auto [failed] = co_await socket.async_handshake(answer, "here", "/live", use_result);
        REQUIRE(!failed);
        CHECK(answer[beast::http::field::sec_websocket_extensions].starts_with("permessage-deflate"));
        for (const std::string& p : payloads()) {
            auto [code, n] = co_await socket.async_write(asio::buffer(p), use_result);
            REQUIRE(!code);
            beast::flat_buffer in;
            auto [code2, m] = co_await socket.async_read(in, use_result);
            REQUIRE(!code2);
            CHECK((std::string_view(static_cast<const char*>(in.data().data()), in.size()) == p));
        }
        auto [closed] = co_await socket.async_close(beast::websocket::close_code::normal, use_result);
        CHECK(!closed);
    });
}

TEST_CASE("our client and Beast's server exchange compressed messages") {
    const auto t =
        GENERATE(terms{"usual", false, 15}, terms{"no context", true, 15}, terms{"small", false, 9});
    INFO(t.name);
    run([&](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        beast::websocket::permessage_deflate o;
        o.server_enable = true;
        o.server_max_window_bits = o.client_max_window_bits = t.bits;
        auto peer = beast_over(any_stream(std::move(far)), o);
        auto accepting =
            start(context.get_executor(), peer.async_accept(asio::as_tuple(asio::use_awaitable)));
        http::websocket_client_options options;
        websocket_deflate_options ours;
        ours.keep_context = ours.peer_keeps_context = !t.no_context;
        ours.peer_window_bits = t.bits;
        ours.max_ratio = 0;
        options.extension = deflate(ours);
        options.socket.max_message = 2'000'000;
        auto socket = co_await http::open_websocket(any_stream(std::move(near)), "ws://here/", options);
        REQUIRE(socket.has_value());
        (void)co_await accepting.join();
        for (const std::string& p : payloads()) {
            auto writing = start(context.get_executor(), socket->write_binary(p));
            beast::flat_buffer in;
            auto [code, n] = co_await peer.async_read(in, use_result);
            REQUIRE(!code);
            CHECK((std::string_view(static_cast<const char*>(in.data().data()), in.size()) == p));
            auto sent = co_await writing.join();
            CHECK(sent);
            auto sending = start(context.get_executor(),
                                 peer.async_write(in.data(), asio::as_tuple(asio::use_awaitable)));
            auto back = co_await socket->read();
            REQUIRE(back.has_value());
            CHECK((back->data == p));
            (void)co_await sending.join();
        }
        socket->abort();
    });
}
