// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/gzip.hpp>

#include "support/catch.hpp"
#include "unit/http/gzip_support.hpp"

#include <portunus/testing/grind.hpp>

#include <random>
#include <string>
#include <string_view>

using namespace http_test;
using portunus::errc;
using portunus::http::compression;
using portunus::http::gunzip_limits;
using portunus::http::gzip_decoder;
using portunus::http::gzip_encoder;
using portunus::http::gzip_options;

namespace {

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return bytes;
}

// Python's gzip and zlib have written these.
const std::string hello = from_hex("1f8b08000000000002ffcb48cdc9c957c84090008088f9e511000000");
const std::string nothing = from_hex("1f8b08000000000002ff03000000000000000000");
const std::string named = from_hex("1f8b08080000000002ff66696c652e74787400cb4bcc4d4d010087cce07105000000");
const std::string stored = from_hex("1f8b08000000000000ff010600f9ff73746f7265640bf9435606000000");
const std::string hello_zlib = from_hex("789ccb48cdc9c957c84090003a2e067d");
const std::string hello_raw = from_hex("cb48cdc9c957c8409000");
const std::string hello_dictionary = from_hex("78bb062c0215cb001100062c0215");

gunzip_outcome every_cut(std::string_view bytes, compression form = compression::gzip) {
    return portunus::testing::grind(bytes, [&](std::span<const std::string_view> pieces) {
        gzip_decoder decoder(form);
        auto roomy = gunzip(pieces, decoder);
        decoder.reset();
        if (gunzip(pieces, decoder, 1) != roomy) throw std::logic_error("the room makes a difference");
        return roomy;
    });
}

std::string gzipped(std::string_view text, gzip_options options = {}) {
    gzip_encoder coding(options);
    std::string out;
    coding.write(text, out);
    coding.finish(out);
    return out;
}

/// Neither all the same nor all random.
std::string text_of_size(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::string text;
    while (text.size() < size) text += "word" + std::to_string(random() % 1000) + (random() % 9 ? " " : "\n");
    text.resize(size);
    return text;
}

} // namespace

TEST_CASE("what others have compressed is read, however it was cut and whatever the room") {
    CHECK(every_cut(hello) == gunzip_outcome{"hello hello hello", {}});
    CHECK(every_cut(nothing) == gunzip_outcome{});
    CHECK(every_cut(named) == gunzip_outcome{"named", {}});
    CHECK(every_cut(stored) == gunzip_outcome{"stored", {}});
    CHECK(every_cut(hello_zlib, compression::deflate) == gunzip_outcome{"hello hello hello", {}});
    CHECK(every_cut("") == gunzip_outcome{});
}

TEST_CASE("several members are one text") {
    CHECK(every_cut(hello + nothing + stored) == gunzip_outcome{"hello hello hellostored", {}});
}

TEST_CASE("a compressed text that is cut off is an error at every byte") {
    for (std::size_t n = 1; n < named.size(); ++n) {
        const auto o = gunzip(named.substr(0, n));
        INFO(n);
        CHECK(o.why == errc::partial_frame);
    }
    gzip_decoder decoder;
    std::string out;
    REQUIRE(decoder.write(hello.substr(0, 20), out));
    CHECK(decoder.finish().error().detail().find("after 20 bytes") != std::string_view::npos);
}

TEST_CASE("what is no compressed text, or follows it, is malformed") {
    CHECK(every_cut("hello").why == errc::malformed_frame);
    CHECK(every_cut(hello + "hello").why == errc::malformed_frame);
    CHECK(every_cut(hello_zlib).why == errc::malformed_frame);
    CHECK(every_cut(hello, compression::deflate).why == errc::malformed_frame);
    CHECK(every_cut(hello_zlib + "x", compression::deflate).why == errc::malformed_frame);
    CHECK(every_cut(hello_raw, compression::deflate).why == errc::malformed_frame);
    CHECK(every_cut(hello_dictionary, compression::deflate).why == errc::malformed_frame);
}

TEST_CASE("a byte that was changed in the text, its sum or its length is noticed") {
    for (std::size_t i = 10; i < hello.size(); ++i) {
        std::string bytes = hello;
        bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
        INFO(i);
        CHECK(gunzip(bytes).why);
    }
}

TEST_CASE("a text of as many bytes as are allowed is read, and one more is too large") {
    const std::string text = text_of_size(200'000, 1);
    const std::string bytes = gzipped(text);
    const std::size_t room = GENERATE(1u, 1000u, 65536u, 1u << 20);
    CHECK((gunzip(bytes, compression::gzip, {.max_decoded = text.size()}, room).text == text));
    const auto o = gunzip(bytes, compression::gzip, {.max_decoded = text.size() - 1}, room);
    CHECK(o.why == errc::frame_too_large);
    gzip_decoder decoder(compression::gzip, {.max_decoded = text.size() - 1});
    std::string out;
    CHECK(decoder.write(bytes, out).has_error());
    CHECK((out.size() < text.size() && text.starts_with(out)));
    CHECK(gunzip(hello, compression::gzip, {.max_decoded = 0}).why == errc::frame_too_large);
    CHECK_FALSE(gunzip(nothing, compression::gzip, {.max_decoded = 0}).why);
}

TEST_CASE("a bomb is noticed before it has unfolded, with its numbers") {
    const std::string bomb = gzipped(std::string(64 * 1024 * 1024, '\0'), {.level = 9});
    gzip_decoder decoder;
    std::string out;
    const auto r = decoder.write(bomb, out);
    REQUIRE(r.has_error());
    CHECK(r.error() == errc::frame_too_large);
    CHECK(r.error().detail().find("more than 200 for one") != std::string_view::npos);
    CHECK(out.size() <= 1024 * 1024 + 65536);
    // Without that limit the other one holds.
    decoder = gzip_decoder(compression::gzip, {.max_ratio = 0});
    out.clear();
    CHECK(decoder.write(bomb, out).error().detail().find("exceeds 16777216") != std::string_view::npos);
    CHECK(out.size() <= 16u * 1024 * 1024);
    // Little is never a bomb.
    const std::string little = gzipped(std::string(1024 * 1024 - 1, '\0'));
    CHECK(gunzip(little).text.size() == 1024 * 1024 - 1);
    // Nor does it help to pack many that are little one after the other.
    std::string many;
    for (int i = 0; i < 64; ++i) many += little;
    CHECK(gunzip(many).why == errc::frame_too_large);
}

TEST_CASE("what the encoder writes, the decoder reads, whatever the sizes and options") {
    const auto form = GENERATE(compression::gzip, compression::deflate);
    const int bits = GENERATE(9, 12, 15);
    gzip_encoder coding({.form = form, .level = bits - 8, .window_bits = bits, .memory = bits - 7});
    gzip_decoder decoder(form);
    std::mt19937 random(7);
    for (const std::size_t size : {0u, 1u, 100u, 16384u, 70'000u, 300'000u}) {
        const std::string text = text_of_size(size, static_cast<unsigned>(size));
        std::string bytes, read;
        for (std::string_view rest = text; !rest.empty();) {
            const std::size_t n = std::min<std::size_t>(rest.size(), random() % 50'000);
            coding.write(rest.substr(0, n), bytes);
            if (random() % 3 == 0) coding.flush(bytes);
            rest.remove_prefix(n);
        }
        coding.finish(bytes);
        CHECK(coding.finished());
        REQUIRE(decoder.write(bytes, read));
        REQUIRE(decoder.finish());
        CHECK((read == text));
        coding.reset();
        decoder.reset();
    }
}

TEST_CASE("after a flush everything that was written can be read, and a second flush adds little") {
    gzip_encoder coding;
    gzip_decoder decoder;
    std::string all;
    for (int i = 0; i < 100; ++i) {
        const std::string piece = "line " + std::to_string(i * 7919) + '\n';
        std::string bytes, read;
        coding.write(piece, bytes);
        coding.flush(bytes);
        REQUIRE(decoder.write(bytes, read));
        CHECK(read == piece);
        bytes.clear();
        coding.flush(bytes);
        CHECK(bytes.size() <= 5);
        REQUIRE(decoder.write(bytes, read));
    }
}

TEST_CASE("what cannot be compressed grows by little") {
    std::mt19937 random(1);
    std::string noise(100'000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    CHECK(gzipped(noise).size() < noise.size() + 100);
    CHECK((gunzip(gzipped(noise)).text == noise));
}

TEST_CASE("options that zlib does not know, and writing behind the end, are thrown") {
    CHECK_THROWS_AS(gzip_encoder({.level = 10}), portunus::failure);
    CHECK_THROWS_AS(gzip_encoder({.window_bits = 8}), portunus::failure);
    CHECK_THROWS_AS(gzip_encoder({.memory = 0}), portunus::failure);
    gzip_encoder coding;
    std::string out;
    coding.finish(out);
    CHECK(gunzip(out) == gunzip_outcome{});
    CHECK_THROWS_AS(coding.write("x", out), portunus::failure);
}
