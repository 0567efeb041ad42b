// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/websocket_frame.hpp>

#include "support/catch.hpp"
#include "unit/http/websocket_support.hpp"

#include <portunus/testing/grind.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace websocket_test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using portunus::testing::grind;

namespace {

constexpr unsigned fin = 0x80;
constexpr unsigned text = 1, binary = 2, closing = 8, ping = 9, pong = 10;

/// The same verdict however the bytes are cut, with and without messages that are put aside.
std::string ground(std::string_view bytes, std::size_t max_message = 1 << 20,
                   websocket_role role = websocket_role::server) {
    const std::string kept = grind(bytes, [&](std::span<const std::string_view> pieces) {
        return decode(pieces, role, max_message, true);
    });
    const std::string plain = grind(
        bytes, [&](std::span<const std::string_view> pieces) { return decode(pieces, role, max_message); });
    CHECK(kept == plain);
    return plain;
}

} // namespace

TEST_CASE("the examples of RFC 6455 5.7 are read") {
    using namespace std::string_view_literals;
    CHECK(ground("\x81\x05\x48\x65\x6c\x6c\x6f"sv, 100, websocket_role::client) == "text[Hello] ");
    CHECK(ground("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv) == "text[Hello] ");
    CHECK(ground("\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"sv, 100, websocket_role::client) == "text[Hello] ");
    CHECK(ground("\x89\x05\x48\x65\x6c\x6c\x6f"sv, 100, websocket_role::client) == "ping[Hello] ");
    CHECK(ground("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv) == "pong[Hello] ");
}

TEST_CASE("messages of every length around the forms of its field come whole, both ways") {
    for (const std::size_t size :
         {0u, 1u, 7u, 8u, 124u, 125u, 126u, 127u, 4095u, 4096u, 65535u, 65536u, 70000u}) {
        for (const bool masked : {false, true}) {
            const std::string payload(size, 'p');
            std::string ours;
            const http::websocket_mask mask{0x37, 0xfa, 0x21, 0x3d};
            append_frame(ours, websocket_opcode::binary, payload, masked ? &mask : nullptr);
            const std::string theirs = raw(fin | binary, payload, masked);
            CHECK((ours == theirs));
            const std::string got =
                decode(theirs + theirs, masked ? websocket_role::server : websocket_role::client);
            CHECK((got == "binary[" + payload + "] binary[" + payload + "] "));
        }
    }
}

TEST_CASE("a long message in many pieces is the same message") {
    std::string payload;
    for (std::size_t i = 0; i != 200'000; ++i) payload += static_cast<char>('a' + i * 7 % 26);
    const std::string bytes =
        from_client(fin | text, "first") + from_client(fin | text, payload) + from_client(fin | text, "last");
    for (const std::size_t step : {1u, 13u, 4096u, 65536u}) {
        std::vector<std::string_view> pieces;
        for (std::size_t i = 0; i < bytes.size(); i += step)
            pieces.push_back(std::string_view(bytes).substr(i, step));
        CHECK((decode(pieces) == "text[first] text[" + payload + "] text[last] "));
        CHECK((decode(pieces, websocket_role::server, 1 << 20, true) ==
               "text[first] text[" + payload + "] text[last] "));
    }
}

TEST_CASE("fragments are put together, with control frames between them") {
    CHECK(ground(from_client(text, "ab") + from_client(fin | ping, "?") + from_client(0, "") +
                 from_client(fin | pong, "!") + from_client(fin, "cd") + from_client(fin | binary, "e") +
                 from_client(binary, "f") + from_client(fin, "g")) ==
          "ping[?] pong[!] text[abcd] binary[e] binary[fg] ");
    CHECK(ground(from_client(text, "") + from_client(fin, "")) == "text[] ");
}

TEST_CASE("a close tells its code and reason, and nothing follows it") {
    CHECK(ground(from_client(fin | closing, "") + from_client(fin | text, "more")) == "close 1005[] ");
    CHECK(ground(from_client(fin | closing, close_payload(1001, "bye")) + "\xff\xff\xff") ==
          "close 1001[bye] ");
    for (const unsigned fine : {1000u, 1003u, 1007u, 1011u, 1014u, 3000u, 4999u})
        CHECK_THAT(decode(from_client(fin | closing, close_payload(fine))),
                   StartsWith("close " + std::to_string(fine)));
    for (const unsigned bad : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 2999u, 5000u, 65535u})
        CHECK_THAT(decode(from_client(fin | closing, close_payload(bad))), StartsWith("failed 1002"));
    CHECK_THAT(ground(from_client(fin | closing, "x")), StartsWith("failed 1002"));
    CHECK_THAT(ground(from_client(fin | closing, close_payload(1000, "\xc3"))), StartsWith("failed 1007"));
}

TEST_CASE("what breaks the rules is refused with its code, at the same byte however it comes") {
    struct row {
        std::string bytes;
        const char* expected;
    };
    const std::string before = from_client(fin | text, "ok"); // 8 bytes
    const std::vector<row> rows{
        {from_client(0xc0 | text, "a"), "failed 1002: a frame with reserved bits"},
        {from_client(0xa0 | text, "a"), "failed 1002: a frame with reserved bits"},
        {from_client(0x90 | text, "a"), "failed 1002: a frame with reserved bits"},
        {from_client(fin | 3, "a"), "failed 1002: a frame of opcode 3"},
        {from_client(fin | 7, ""), "failed 1002: a frame of opcode 7"},
        {from_client(fin | 11, ""), "failed 1002: a frame of opcode 11"},
        {from_client(fin | 15, ""), "failed 1002: a frame of opcode 15"},
        {from_client(ping, "a"), "failed 1002: a control frame in fragments"},
        {from_client(fin | ping, std::string(126, 'a')), "failed 1002: a control frame of more than 125"},
        {from_client(fin, "a"), "failed 1002: a continuation of nothing"},
        {from_client(text, "a") + from_client(fin | text, "b"), "failed 1002: a new message inside"},
        {from_server(fin | text, "a"), "failed 1002: a client's frame without a mask"},
        {std::string("\x81\xfe\x00\x7d", 4), "failed 1002: a length that is not in its shortest"},
        {std::string("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10), "failed 1002: a length that is not"},
        {std::string("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", 10), "failed 1009: a message of 2^63"},
        {from_client(fin | text, "\xff"), "failed 1007: a text that is not UTF-8"},
        {from_client(fin | text, "caf\xc3"), "failed 1007: a text that is not UTF-8"},
        {from_client(text, "\xc3") + from_client(fin, "("), "failed 1007: a text that is not UTF-8"},
    };
    for (const row& r : rows) {
        const std::string got = ground(before + r.bytes);
        CHECK_THAT(got, StartsWith("text[ok] "));
        CHECK_THAT(got, Contains(r.expected));
        CHECK_THAT(got, Contains("(byte "));
    }
    CHECK_THAT(ground(from_client(fin | text, "a"), 100, websocket_role::client),
               StartsWith("failed 1002: a server's frame with a mask (byte 0 "));
    CHECK(ground(from_client(text, "\xc3") + from_client(fin, "\xa9")) == "text[\xc3\xa9] ");
    CHECK(ground(from_client(fin | binary, "\xff\x80")) == "binary[\xff\x80] ");
}

TEST_CASE("a message over the limit is refused by its header, also when it comes in fragments") {
    CHECK(ground(from_client(fin | binary, "12345"), 5) == "binary[12345] ");
    CHECK_THAT(ground(from_client(fin | binary, "123456"), 5),
               StartsWith("failed 1009: a message of 6 bytes exceeds max_message 5"));
    CHECK_THAT(ground(std::string("\x82\x86", 2), 5), StartsWith("failed 1009"));
    CHECK(ground(from_client(binary, "123") + from_client(fin, "45"), 5) == "binary[12345] ");
    CHECK_THAT(ground(from_client(binary, "123") + from_client(0, "45") + from_client(0, "6"), 5),
               StartsWith("failed 1009: a message of 6 bytes"));
    CHECK(ground(from_client(binary, "123") + from_client(fin | ping, "123456") + from_client(fin, "45"),
                 5) == "ping[123456] binary[12345] "); // control frames do not count
    CHECK_THAT(decode(std::string("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10)),
               StartsWith("failed 1009"));
}

TEST_CASE("a decoder holds memory for what has come, not for what was announced, and gives it back") {
    websocket_decoder decoder(websocket_role::server, 100 << 20);
    const auto put = [&](std::string_view bytes) {
        while (!bytes.empty()) {
            const auto room = decoder.prepare();
            const std::size_t n = std::min(room.size(), bytes.size());
            std::copy_n(bytes.data(), n, room.data());
            decoder.commit(n);
            bytes.remove_prefix(n);
        }
    };
    const std::string message = from_client(fin | binary, std::string(90 << 20, 'x'));
    put(std::string_view(message).substr(0, 3000));
    CHECK(decoder.next().what == websocket_event::kind::more);
    CHECK(decoder.capacity() <= 8192);
    put(std::string_view(message).substr(3000, 500'000));
    CHECK(decoder.capacity() <= 2'200'000);
    put(std::string_view(message).substr(503'000));
    CHECK(decoder.next().what == websocket_event::kind::binary);
    put(from_client(fin | text, "small"));
    CHECK(decoder.capacity() <= 65536);
    CHECK(decoder.next().payload == "small");
}

TEST_CASE("a close frame's reason is cut at a character") {
    std::string out;
    append_close(out, websocket_code::policy, std::string(122, 'r') + "\xe2\x82\xac", nullptr);
    CHECK(decode(out, websocket_role::client) == "close 1008[" + std::string(122, 'r') + "] ");
    out.clear();
    append_close(out, websocket_code::policy, std::string(123, 'r'), nullptr);
    CHECK(decode(out, websocket_role::client) == "close 1008[" + std::string(123, 'r') + "] ");
    out.clear();
    append_close(out, websocket_code::no_code, "never sent", nullptr);
    CHECK(decode(out, websocket_role::client) == "close 1005[] ");
}
