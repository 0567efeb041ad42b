// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/line_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus;
using namespace framing_test;
using namespace std::string_literals;

namespace {

constexpr line_mode all_modes[] = {line_mode::any, line_mode::crlf, line_mode::crlf_strict, line_mode::lf,
                                   line_mode::nul};

/// What the table of `line_mode` says, a character at a time.
outcome model(line_mode mode, bool keep, std::size_t max_frame, std::string_view bytes) {
    outcome result;
    std::string line;
    bool in_run = false;
    const auto payload_of = [&](std::string_view text) {
        if ((mode == line_mode::crlf || mode == line_mode::crlf_strict) && text.ends_with('\r'))
            text.remove_suffix(1);
        return text;
    };
    for (const char c : bytes) {
        if (mode == line_mode::any) {
            const bool ends = c == '\r' || c == '\n';
            if (ends && in_run) continue;
            in_run = ends;
            if (ends) {
                result.frames.push_back(line);
                line.clear();
                continue;
            }
        } else if (c == (mode == line_mode::nul ? '\0' : '\n') &&
                   (mode != line_mode::crlf_strict || line.ends_with('\r'))) {
            result.frames.push_back(keep ? line + c : std::string(payload_of(line)));
            line.clear();
            continue;
        }
        line += c;
        if (payload_of(line).size() > max_frame) {
            result.end = make_error_code(errc::frame_too_large);
            return result;
        }
    }
    if (!line.empty()) {
        result.end = make_error_code(errc::partial_frame);
        result.left = line;
    }
    return result;
}

} // namespace

TEST_CASE("each line mode ends lines as its table says, wherever the stream is cut") {
    struct row {
        line_mode mode;
        std::string bytes;
        outcome expected;
    };
    const row rows[] = {
        {line_mode::any, "", frames({})},
        {line_mode::any, "one\r\ntwo\r\n", frames({"one", "two"})},
        {line_mode::any, "one\ntwo\rthree\n\rfour\r\n", frames({"one", "two", "three", "four"})},
        {line_mode::any, "one\r\n\r\n\n\n\r\rtwo\n", frames({"one", "two"})},
        {line_mode::any, "\r\n\r\none\n", frames({"", "one"})},
        {line_mode::any, "\none\n", frames({"", "one"})},
        {line_mode::any, "\r", frames({""})},
        {line_mode::any, "a\0b\r\n"s, frames({"a\0b"s})},
        {line_mode::any, "one\r\ntw", frames_then({"one"}, errc::partial_frame, "tw")},
        {line_mode::crlf, "one\r\ntwo\nthree\r\r\n\n\r\n", frames({"one", "two", "three\r", "", ""})},
        {line_mode::crlf, "\rone\r\ntwo\r", frames_then({"\rone"}, errc::partial_frame, "two\r")},
        {line_mode::crlf_strict, "one\r\ntwo\nstill\rtwo\r\n\r\n", frames({"one", "two\nstill\rtwo", ""})},
        {line_mode::crlf_strict, "\n\r\r\n", frames({"\n\r"})},
        {line_mode::crlf_strict, "one\r\n\r", frames_then({"one"}, errc::partial_frame, "\r")},
        {line_mode::crlf_strict, "one\n", frames_then({}, errc::partial_frame, "one\n")},
        {line_mode::lf, "one\ntwo\r\n\n", frames({"one", "two\r", ""})},
        {line_mode::nul, "one\0two\r\n\0\0"s, frames({"one", "two\r\n", ""})},
        {line_mode::nul, "one"s, frames_then({}, errc::partial_frame, "one")},
    };
    for (const row& r : rows) {
        CAPTURE(to_string(r.mode), printable(r.bytes));
        CHECK(grind(line_codec(r.mode), r.bytes) == r.expected);
    }
}

TEST_CASE("with keep_delimiter a line contains its terminator as it came") {
    const auto kept = [](line_mode mode, std::string_view bytes) {
        return grind(line_codec(mode, {.keep_delimiter = true}), bytes);
    };
    CHECK(kept(line_mode::crlf, "one\r\ntwo\n\n") == frames({"one\r\n", "two\n", "\n"}));
    CHECK(kept(line_mode::crlf_strict, "one\ntwo\r\n\r\n") == frames({"one\ntwo\r\n", "\r\n"}));
    CHECK(kept(line_mode::lf, "one\ntwo\r\n") == frames({"one\n", "two\r\n"}));
    CHECK(kept(line_mode::nul, "one\0\0"s) == frames({"one\0"s, "\0"s}));
}

TEST_CASE("random bytes give the lines that a model reading single characters finds") {
    std::mt19937 random(11);
    for (int i = 0; i < 6000; ++i) {
        const line_mode mode = all_modes[random() % 5];
        const bool keep = mode != line_mode::any && random() % 2;
        const std::size_t max_frame = 1 + random() % 60;
        const std::string bytes =
            random_bytes(random, 120, i % 2 ? "\r\n\0ab"s : "abcdefghijklmnopqrstuvwxyz\r\n\0"s);
        const line_codec codec(mode, {.max_frame = max_frame, .keep_delimiter = keep});
        CAPTURE(to_string(mode), keep, max_frame, printable(bytes));
        const outcome expected = model(mode, keep, max_frame, bytes);
        REQUIRE(decode_in_pieces(codec, bytes, {}) == expected);
        REQUIRE(decode_in_pieces(codec, bytes, random_cuts(random, bytes.size())) == expected);
        REQUIRE(decode_by_decoder(codec, bytes, random_cuts(random, bytes.size())) == expected);
    }
}

TEST_CASE("a line of max_frame bytes passes, one more is too large, with the numbers") {
    for (const line_mode mode : all_modes) {
        CAPTURE(to_string(mode));
        const std::string end = mode == line_mode::lf ? "\n" : mode == line_mode::nul ? "\0"s : "\r\n";
        for (const std::size_t max_frame : {1u, 5u, 16u, 33u}) {
            const line_codec codec(mode, {.max_frame = max_frame});
            const std::string fits(max_frame, 'x');
            CHECK(grind(codec, fits + end + fits + end) == frames({fits, fits}));
            CHECK(grind(codec, fits + end + fits + "x" + end) == frames_then({fits}, errc::frame_too_large));
            CHECK(grind(codec, fits + "xxxx") == frames_then({}, errc::frame_too_large));
        }
    }
    line_codec codec(line_mode::any, {.max_frame = 5});
    std::string whole = "123456789\n", open = "1234567";
    CHECK(codec.decode(whole.data(), whole.size()).what == decode_step::kind::failed);
    CHECK(codec.failure().detail() == "frame of 9 bytes exceeds max_frame 5");
    codec.reset();
    CHECK(codec.decode(open.data(), open.size()).what == decode_step::kind::failed);
    CHECK(codec.failure().detail() == "frame of at least 7 bytes exceeds max_frame 5");
    codec.reset();
    CHECK(codec.finish(open.data(), 3).what == decode_step::kind::failed);
    CHECK(codec.failure() == error(errc::partial_frame, "stream ended after 3 bytes of a frame"));
}

TEST_CASE("a limit of line length does not count a CR that turns out to belong to the terminator") {
    for (const line_mode mode : {line_mode::crlf, line_mode::crlf_strict}) {
        line_codec codec(mode, {.max_frame = 3});
        std::string bytes = "abc\r\n";
        CHECK(codec.decode(bytes.data(), 4).what == decode_step::kind::more);
        CHECK(codec.decode(bytes.data(), 5).frame == "abc");
    }
}

TEST_CASE("no byte of an unfinished line is searched twice") {
    for (const line_mode mode : all_modes) {
        line_codec codec(mode, {.max_frame = 5000});
        std::string bytes(5000, 'x');
        for (std::size_t size = 1; size <= bytes.size(); ++size) {
            REQUIRE(codec.decode(bytes.data(), size).what == decode_step::kind::more);
            REQUIRE(codec.scanned() == size);
        }
        // Proof that the position is used: a terminator that is put where the search has been is not found.
        bytes[17] = mode == line_mode::nul ? '\0' : '\n';
        bytes[16] = '\r';
        CHECK(codec.decode(bytes.data(), bytes.size()).what == decode_step::kind::more);
    }
}

TEST_CASE("a line of mode any is delivered at the first byte of its end, not when the run is over") {
    line_codec codec;
    std::string bytes = "one\r";
    const decode_step step = codec.decode(bytes.data(), bytes.size());
    CHECK(step.frame == "one");
    CHECK(step.consumed == 4);
    CHECK(codec.awaits_lf());
    std::string rest = "\n";
    const decode_step skipped = codec.decode(rest.data(), rest.size());
    CHECK(skipped.what == decode_step::kind::more);
    CHECK(skipped.consumed == 1);
    CHECK_FALSE(codec.awaits_lf());
}

TEST_CASE("encoding ends a payload as the mode does, and decoding gives it back") {
    CHECK(encode(line_codec(), "one").bytes == "one\r\n");
    CHECK(encode(line_codec(), "").bytes == "\r\n");
    CHECK(encode(line_codec(line_mode::crlf), "one").bytes == "one\r\n");
    CHECK(encode(line_codec(line_mode::crlf_strict), "one").bytes == "one\r\n");
    CHECK(encode(line_codec(line_mode::lf), "one").bytes == "one\n");
    CHECK(encode(line_codec(line_mode::nul), "one").bytes == "one\0"s);
    CHECK(encode(csp(), "message").bytes == "\x6D\x65\x73\x73\x61\x67\x65\x0A"); // row S-23

    std::mt19937 random(5);
    for (int i = 0; i < 6000; ++i) {
        const line_mode mode = all_modes[random() % 5];
        const line_codec codec(mode, {.max_frame = 60});
        const std::string payload =
            random_bytes(random, 70, i % 2 ? "\r\n\0ab"s : "abcdefghijklmnopqrstuvwxyz\r"s);
        CAPTURE(to_string(mode), printable(payload));
        const encoded sent = encode(codec, payload);
        // A payload is refused exactly when the peer would not get it as it is. (Mode any merges empty
        // lines.)
        const std::string end = mode == line_mode::lf ? "\n" : mode == line_mode::nul ? "\0"s : "\r\n";
        REQUIRE(sent.refused == (decode_in_pieces(codec, payload + end, {}) != frames({payload})));
        if (sent.refused) continue;
        REQUIRE(sent.bytes == payload + end);
        REQUIRE(decode_in_pieces(codec, sent.bytes, random_cuts(random, sent.bytes.size())) ==
                frames({payload}));
    }
}

TEST_CASE("a payload that would end the line, or is too long, is refused with the reason") {
    const auto reason = [](const line_codec& codec, std::string_view payload) {
        CHECK(encode(codec, payload).refused);
        return std::string(codec.encode_failure(payload).detail());
    };
    CHECK(reason(line_codec(), "one\rtwo") ==
          "payload of 7 bytes contains CR at offset 3, which would end the frame");
    CHECK(reason(line_codec(), "\n") ==
          "payload of 1 bytes contains LF at offset 0, which would end the frame");
    CHECK(reason(line_codec(line_mode::crlf), "a\r\nb").find("LF at offset 2") != std::string::npos);
    CHECK(reason(line_codec(line_mode::crlf_strict), "a\r\nb").find("CR LF at offset 1") !=
          std::string::npos);
    CHECK(reason(line_codec(line_mode::lf), "a\n").find("LF at offset 1") != std::string::npos);
    CHECK(reason(line_codec(line_mode::nul), "a\0"s).find("NUL at offset 1") != std::string::npos);
    CHECK(reason(line_codec(line_mode::lf, {.max_frame = 3}), "four") ==
          "payload of 4 bytes exceeds max_frame 3");
    CHECK(line_codec(line_mode::lf, {.max_frame = 3}).encode_bound(std::string(1000, 'x')) == 0);
}

TEST_CASE("with keep_delimiter what was decoded can be sent as it is, and is ended once") {
    const line_codec codec(line_mode::crlf, {.max_frame = 5, .keep_delimiter = true});
    CHECK(encode(codec, "hello\r\n").bytes == "hello\r\n");
    CHECK(encode(codec, "hello\n").bytes == "hello\r\n");
    CHECK(encode(codec, "hello").bytes == "hello\r\n");
    CHECK(encode(codec, "a\nb\n").refused);
    CHECK(encode(codec, "hello!\r\n").refused);
    CHECK(encode(line_codec(line_mode::crlf_strict, {.keep_delimiter = true}), "a\n\r\n").bytes == "a\n\r\n");
    CHECK(encode(line_codec(line_mode::lf, {.keep_delimiter = true}), "a\n").bytes == "a\n");
    CHECK(encode(line_codec(line_mode::nul, {.keep_delimiter = true}), "a\0"s).bytes == "a\0"s);
}

TEST_CASE("a line codec refuses a broken configuration with the value and what is allowed") {
    CHECK(refusal([] { line_codec(line_mode::lf, {.max_frame = 0}); }).find("max_frame 0 is not in 1 to") ==
          0);
    CHECK(refusal([] { line_codec(line_mode::any, {.keep_delimiter = true}); }).find("line_mode::any") !=
          std::string::npos);
    CHECK(refusal([] { line_codec(static_cast<line_mode>(9)); }) == "line mode 9 is not in 0 to 4");
    CHECK(refusal([] {
              line_codec(line_mode::lf, {.max_frame = static_cast<std::size_t>(-1)});
          }).find("max_frame 1844") == 0);
}
