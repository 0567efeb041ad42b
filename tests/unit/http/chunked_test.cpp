// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/chunked.hpp>

#include "support/catch.hpp"
#include "unit/http/chunked_support.hpp"

#include <portunus/testing/grind.hpp>

#include <random>
#include <string>
#include <string_view>

using namespace http_test;
using portunus::http::chunk_head;
using portunus::http::chunked_decoder;
using portunus::http::chunked_limits;
using portunus::http::refusal;
using portunus::http::status;

namespace {

chunked_outcome decode(std::string_view bytes, const chunked_limits& limits = {}) {
    return portunus::testing::grind(
        bytes, [&](std::span<const std::string_view> pieces) { return decode_chunked(pieces, limits); });
}

} // namespace

TEST_CASE("chunks come out as one body, and what follows the last one is left alone") {
    const chunked_outcome o = decode("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /");
    CHECK(o.body == "hello world");
    CHECK(o.ended);
    CHECK(o.consumed == 26);
    CHECK(decode("0\r\n\r\n").ended);
    CHECK(decode("0000\r\n\r\n").ended);
    CHECK(decode("A\r\n0123456789\r\n0\r\n\r\n").body == "0123456789");
    CHECK(decode("00a\r\n0123456789\r\n0\r\n\r\n").body == "0123456789");
    CHECK(decode("1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n").body == "\r\n");
    CHECK_FALSE(decode("5\r\nhello\r\n0\r\n").ended);
    CHECK_FALSE(decode("5\r\nhell").why);
}

TEST_CASE("extensions and trailers are checked and dropped") {
    CHECK(decode("3;a;b=c;d=\"e f\"\r\nabc\r\n0;x\r\n\r\n").body == "abc");
    CHECK(decode("3 \t;a\r\nabc\r\n0\r\n\r\n").ended);
    CHECK(decode("0\r\nX-Sum: abc\r\nContent-Length: 7\r\nEmpty:\r\n\r\n").ended);
}

TEST_CASE("chunked bodies: each deviation has its own reason, at its byte") {
    const struct {
        std::string bytes;
        refusal kind;
        std::uint64_t at;
    } rows[] = {
        {"\r\n", refusal::malformed_chunk_size, 0},
        {"g\r\n", refusal::malformed_chunk_size, 0},
        {"0x5\r\n", refusal::malformed_chunk_size, 1},
        {"-5\r\n", refusal::malformed_chunk_size, 0},
        {"+5\r\n", refusal::malformed_chunk_size, 0},
        {" 5\r\n", refusal::malformed_chunk_size, 0},
        {"5\n", refusal::malformed_chunk_size, 1},
        {"5\r\r", refusal::malformed_chunk_size, 2},
        {"5\rhello", refusal::malformed_chunk_size, 2},
        {"5 \r\n", refusal::malformed_chunk_extension, 2},
        {"5 6\r\n", refusal::malformed_chunk_extension, 2},
        {"5;a\nb", refusal::malformed_chunk_extension, 3},
        {std::string("5;a\0", 4), refusal::malformed_chunk_extension, 3},
        {"8000000000000000\r\n", refusal::chunk_size_too_large, 15},
        {"ffffffffffffffff\r\n", refusal::chunk_size_too_large, 15},
        {"00000000000000005\r\n", refusal::chunk_size_too_large, 16},
        {"5\r\nhello0\r\n", refusal::malformed_chunk_end, 8},
        {"5\r\nhello\n", refusal::malformed_chunk_end, 8},
        {"5\r\nhello\rx", refusal::malformed_chunk_end, 9},
        {"5\r\nhello!\r\n", refusal::malformed_chunk_end, 8},
        {"0\r\n\n", refusal::malformed_trailer, 3},
        {"0\r\n\rx", refusal::malformed_trailer, 4},
        {"0\r\n folded\r\n\r\n", refusal::malformed_trailer, 3},
        {"0\r\nX\r\n", refusal::malformed_trailer, 4},
        {"0\r\nX : y\r\n", refusal::malformed_trailer, 4},
        {"0\r\n: y\r\n", refusal::malformed_trailer, 3},
        {"0\r\nX: y\n", refusal::malformed_trailer, 7},
        {"0\r\nX: y\rz", refusal::malformed_trailer, 8},
        {"0\r\nX: y\x01", refusal::malformed_trailer, 7},
    };
    for (const auto& row : rows) {
        INFO(row.bytes);
        const chunked_outcome o = decode(row.bytes);
        CHECK(to_string(o.why.kind) == to_string(row.kind));
        CHECK(o.why.at == row.at);
        CHECK(o.consumed == row.at);
    }
    CHECK(decode("7fffffffffffffff\r\nx").body == "x"); // the largest that there is
    CHECK(decode("5\r\nhello!").why.detail() == "byte 8: no CR LF behind a chunk (met 0x21)");
    CHECK(decode("8000000000000000\r\n").why.answer() == status::payload_too_large);
}

TEST_CASE("extensions and trailers are bounded over the whole body") {
    const chunked_limits limits{.max_extensions = 4, .max_trailers = 8};
    CHECK(decode("1;a\r\nx\r\n1;b\r\nx\r\n0\r\n\r\n", limits).ended);
    const chunked_outcome extensions = decode("1;a\r\nx\r\n1;b\r\nx\r\n0;\r\n\r\n", limits);
    CHECK(extensions.why.kind == refusal::chunk_extensions_too_large);
    CHECK(extensions.why.at == 17);
    CHECK(decode("0\r\na: 3456\r\n\r\n", limits).why.kind == refusal::trailers_too_large);
    CHECK(decode("0\r\na: 34\r\n\r\n", {.max_extensions = 4, .max_trailers = 6}).why.kind ==
          refusal::trailers_too_large);
    CHECK(decode("0\r\na: 34\r\n\r\n", limits).ended);
    CHECK(decode("0\r\na:\r\nb:\r\n\r\n", limits).ended);
    CHECK(decode("0\r\na:\r\nb:\r\nc:\r\n\r\n", limits).why.kind == refusal::trailers_too_large);
}

TEST_CASE("a decoder tells what it handed out and what the chunk will still bring") {
    chunked_decoder decoder;
    CHECK(decoder.announced() == 0);
    CHECK(decoder.next("a\r\n").what == portunus::http::chunked_step::kind::more);
    CHECK(decoder.announced() == 10);
    CHECK(decoder.next("abc").data == "abc");
    CHECK(decoder.announced() == 7);
    CHECK(decoder.decoded() == 3);
    decoder.reset();
    CHECK(decoder.decoded() == 0);
    CHECK(decoder.next(portunus::http::last_chunk).what == portunus::http::chunked_step::kind::end);
}

TEST_CASE("what is encoded in chunks is decoded to the same") {
    CHECK(chunk_head(1).text() == "1\r\n");
    CHECK(chunk_head(255).text() == "ff\r\n");
    CHECK(chunk_head(0x7fffffffffffffff).text() == "7fffffffffffffff\r\n");
    CHECK(chunk_head(0xffffffffffffffff).text() == "ffffffffffffffff\r\n");
    CHECK(chunk_head(0).text().empty()); // it would end the body
    std::mt19937 random(11);
    for (int i = 0; i != 200; ++i) {
        std::string body, sent;
        for (std::size_t chunks = random() % 5; chunks != 0; --chunks) {
            const std::string piece(1 + random() % 300, static_cast<char>('a' + chunks));
            body += piece;
            sent.append(chunk_head(piece.size()).text()).append(piece).append(portunus::http::chunk_end);
        }
        sent += portunus::http::last_chunk;
        const chunked_outcome o = decode_chunked_by_byte(sent);
        CHECK(o.ended);
        CHECK(o.body == body);
        CHECK(o.consumed == sent.size());
    }
}

TEST_CASE("chunked bodies: whole and by the byte come to the same, whatever the bytes are") {
    std::mt19937 random(13);
    constexpr std::string_view alphabet = "0123aF;\r\n\r\n\r\n :x=\"\t\0";
    for (int i = 0; i != 20000; ++i) {
        std::string bytes = i % 2 == 0 ? "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n" : "";
        for (std::size_t steps = 1 + random() % 6; steps != 0; --steps) {
            const std::size_t at = random() % (bytes.size() + 1);
            if (random() % 3 != 0)
                bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                             alphabet[random() % alphabet.size()]);
            else
                bytes.erase(at, 1);
        }
        const chunked_limits limits{.max_extensions = random() % 8, .max_trailers = random() % 16};
        const std::string_view whole = bytes;
        CHECK(decode_chunked(std::span(&whole, 1), limits) == decode_chunked_by_byte(bytes, limits));
    }
}
