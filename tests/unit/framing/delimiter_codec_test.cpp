// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/delimiter_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <random>
#include <string>
#include <string_view>

using namespace portunus;
using namespace framing_test;
using namespace std::string_literals;

namespace {

outcome model(std::string_view delimiter, bool keep, std::size_t max_frame, std::string_view bytes) {
    outcome result;
    for (;;) {
        const std::size_t at = bytes.find(delimiter);
        const std::size_t known = at != bytes.npos                      ? at
                                  : bytes.size() + 1 > delimiter.size() ? bytes.size() + 1 - delimiter.size()
                                                                        : 0;
        if (known > max_frame) {
            result.end = make_error_code(errc::frame_too_large);
            return result;
        }
        if (at == bytes.npos) break;
        result.frames.emplace_back(bytes.substr(0, at + (keep ? delimiter.size() : 0)));
        bytes.remove_prefix(at + delimiter.size());
    }
    if (!bytes.empty()) {
        result.end = make_error_code(errc::partial_frame);
        result.left = bytes;
    }
    return result;
}

const std::string delimiters[] = {"\x03",
                                  "\0"s,
                                  "ab",
                                  "aa",
                                  "aba",
                                  "abab",
                                  "abaab",
                                  std::string(32, 'a'),
                                  "abaababaabaababaababaabaababaaba"};

} // namespace

TEST_CASE("a delimiter ends a frame where it first occurs, wherever the stream is cut") {
    CHECK(grind(delimiter_codec("|"), "one|two||") == frames({"one", "two", ""}));
    CHECK(grind(delimiter_codec("<EOF>"), "one<EOF><<EOF>two<EO><EOF><EOF>") ==
          frames({"one", "<", "two<EO>", ""}));
    CHECK(grind(delimiter_codec("aba"), "xababaaba") == frames({"x", "ba"}));
    CHECK(grind(delimiter_codec("\0\0"s), "a\0b\0\0\0c\0\0"s) == frames({"a\0b"s, "\0c"s}));
    CHECK(grind(delimiter_codec("<EOF>"), "one<EOF>two<EOF") ==
          frames_then({"one"}, errc::partial_frame, "two<EOF"));
    CHECK(grind(delimiter_codec("\r\n", {.keep_delimiter = true}), "one\r\n\r\n") ==
          frames({"one\r\n", "\r\n"}));
}

TEST_CASE("random bytes give the frames that a plain search in the whole finds") {
    std::mt19937 random(23);
    for (int i = 0; i < 8000; ++i) {
        const std::string& delimiter = delimiters[random() % std::size(delimiters)];
        const bool keep = random() % 2;
        const std::size_t max_frame = 1 + random() % 60;
        std::string bytes = random_bytes(random, 120, i % 3 ? "ab\x03\0"s : "aaaaaaaaaaaaaaaab"s);
        if (i % 2) bytes.insert(random() % (bytes.size() + 1), delimiter);
        const delimiter_codec codec(delimiter, {.max_frame = max_frame, .keep_delimiter = keep});
        CAPTURE(printable(delimiter), keep, max_frame, printable(bytes));
        const outcome expected = model(delimiter, keep, max_frame, bytes);
        REQUIRE(decode_in_pieces(codec, bytes, {}) == expected);
        REQUIRE(decode_in_pieces(codec, bytes, random_cuts(random, bytes.size())) == expected);
        REQUIRE(decode_by_decoder(codec, bytes, random_cuts(random, bytes.size())) == expected);
    }
}

TEST_CASE("a delimited frame of max_frame bytes passes, one more is too large") {
    for (const std::string& delimiter : delimiters) {
        const delimiter_codec codec(delimiter, {.max_frame = 7});
        CAPTURE(printable(delimiter));
        CHECK(grind(codec, "xxxxxxx" + delimiter + "xxxxxxx" + delimiter) == frames({"xxxxxxx", "xxxxxxx"}));
        CHECK(grind(codec, "xxxxxxxx" + delimiter) == frames_then({}, errc::frame_too_large));
    }
}

TEST_CASE("an incomplete search for a delimiter goes on where one could begin, and nowhere before") {
    for (const std::string& delimiter : delimiters) {
        delimiter_codec codec(delimiter, {.max_frame = 4000});
        std::string bytes(4000, 'x');
        for (std::size_t size = 1; size <= bytes.size(); ++size) {
            REQUIRE(codec.decode(bytes.data(), size).what == decode_step::kind::more);
            REQUIRE(codec.scanned() == (size < delimiter.size() ? 0 : size - delimiter.size() + 1));
        }
    }
}

TEST_CASE("a payload is refused exactly when the peer would find the delimiter too early") {
    std::mt19937 random(29);
    for (int i = 0; i < 8000; ++i) {
        const std::string& delimiter = delimiters[random() % std::size(delimiters)];
        const delimiter_codec codec(delimiter, {.max_frame = 60});
        const std::string payload = random_bytes(random, 65, i % 3 ? "abc\x03\0"s : "aaab"s);
        CAPTURE(printable(delimiter), printable(payload));
        const encoded sent = encode(codec, payload);
        REQUIRE(sent.refused == (decode_in_pieces(codec, payload + delimiter, {}) != frames({payload})));
        if (!sent.refused) REQUIRE(sent.bytes == payload + delimiter);
    }
    CHECK(delimiter_codec("aba").encode_failure("xab").detail() ==
          "payload of 3 bytes contains the delimiter \"aba\" at offset 1, which would end the frame");
    CHECK(delimiter_codec("\x03", {.max_frame = 2}).encode_failure("abc").detail() ==
          "payload of 3 bytes exceeds max_frame 2");
}

TEST_CASE("with keep_delimiter a payload may bring its delimiter, and is ended once") {
    const delimiter_codec codec("--", {.max_frame = 4, .keep_delimiter = true});
    CHECK(encode(codec, "four--").bytes == "four--");
    CHECK(encode(codec, "four").bytes == "four--");
    CHECK(encode(codec, "five5--").refused);
    CHECK(encode(codec, "a--b--").refused);
    CHECK(encode(delimiter_codec("--"), "four--").refused);
}

TEST_CASE("a delimiter codec refuses a broken configuration with the value and what is allowed") {
    CHECK(refusal([] { delimiter_codec(""); }) == "delimiter \"\" of 0 bytes: 1 to 32 are allowed");
    CHECK(refusal([] {
              delimiter_codec(std::string(33, '\x01'));
          }).find("of 33 bytes: 1 to 32 are allowed") != std::string::npos);
    CHECK(refusal([] { delimiter_codec("\n", {.max_frame = 0}); }).find("max_frame 0") == 0);
    CHECK(refusal([] { delimiter_codec(std::string(32, 'x')); }).empty());
}
