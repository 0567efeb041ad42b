// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/escaped_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

using namespace portunus;
using namespace framing_test;

namespace {

// In text the markers are readable: ':' is 3A, '<' is 3C, '=' is 3D, '>' is 3E.

struct counted {
    outcome result;
    std::uint64_t dropped = 0, skipped = 0;
    bool operator==(const counted&) const = default;
};

/// The recovery rules, a character at a time.
counted model(std::size_t max_frame, std::size_t max_noise, std::string_view bytes) {
    counted c;
    bool inside = false, escape = false;
    std::string payload, raw;
    std::size_t noise = 0;
    const auto skip = [&](std::size_t count) {
        noise += count;
        c.skipped += count;
        return noise > max_noise;
    };
    const auto fail = [&](errc why) {
        c.result.end = make_error_code(why);
        return c;
    };
    for (const char byte : bytes) {
        if (!inside) {
            if (escape && byte == '<') {
                inside = true;
                escape = false;
                payload.clear();
                raw = ":<";
                continue;
            }
            if (escape && skip(1)) return fail(errc::malformed_frame);
            escape = byte == ':';
            if (!escape && skip(1)) return fail(errc::malformed_frame);
            continue;
        }
        raw += byte;
        if (!escape && byte == ':') {
            escape = true;
            continue;
        }
        if (escape && byte == '>') {
            c.result.frames.push_back(payload);
            inside = escape = false;
            noise = 0;
            continue;
        }
        if (escape && byte == '<') {
            ++c.dropped;
            if (skip(raw.size() - 2)) return fail(errc::malformed_frame);
            payload.clear();
            raw = ":<";
            escape = false;
            continue;
        }
        if (escape && byte != '=') {
            ++c.dropped;
            inside = false;
            escape = byte == ':';
            if (skip(raw.size() - (escape ? 1u : 0u))) return fail(errc::malformed_frame);
            continue;
        }
        payload += escape ? ':' : byte;
        escape = false;
        if (payload.size() > max_frame) return fail(errc::frame_too_large);
    }
    if (inside) {
        c.result.left = raw;
        return fail(errc::partial_frame);
    }
    if (escape) skip(1);
    return c;
}

counted decode_and_count(escaped_codec codec, std::string_view bytes, std::size_t piece) {
    counted c;
    frame_decoder decoder(codec);
    decode_step step;
    const auto drain = [&](bool ended) {
        while ((step = ended ? decoder.finish() : decoder.next()).what == decode_step::kind::frame)
            c.result.frames.emplace_back(step.frame);
    };
    for (std::size_t at = 0; at < bytes.size() && step.what != decode_step::kind::failed; at += piece) {
        const std::string_view part = bytes.substr(at, piece);
        std::memcpy(decoder.prepare(part.size()).data(), part.data(), part.size());
        decoder.commit(part.size());
        drain(false);
    }
    if (step.what != decode_step::kind::failed) drain(true);
    if (step.what == decode_step::kind::failed) c.result.end = decoder.failure().code();
    if (c.result.end == errc::partial_frame) c.result.left = decoder.buffered();
    c.dropped = decoder.codec().dropped();
    c.skipped = decoder.codec().skipped();
    return c;
}

} // namespace

TEST_CASE("the documented stp vector encodes and decodes") {
    const std::string_view wire = "\x3A\x3C\x3A\x3D\x6D\x65\x73\x73\x61\x67\x65\x3A\x3D\x3A\x3E";
    CHECK(encode(stp(), ":message:").bytes == wire);
    CHECK(grind(stp(), wire) == frames({":message:"}));
}

TEST_CASE("escapes are removed and broken frames are dropped and counted, wherever the stream is cut") {
    struct row {
        std::string_view bytes;
        outcome expected;
        std::uint64_t dropped, skipped;
    };
    const row rows[] = {
        {":<:>", frames({""}), 0, 0},
        {":<one:>:<two:>", frames({"one", "two"}), 0, 0},
        {":<:=:=a:=:>", frames({"::a:"}), 0, 0},
        {":<<=>:>", frames({"<=>"}), 0, 0},
        {"noise:<one:>more:<two:>end", frames({"one", "two"}), 0, 12},
        {":::<one:>", frames({"one"}), 0, 2},
        {":>:=:<one:>:", frames({"one"}), 0, 5},
        {":<lost:<one:>", frames({"one"}), 1, 6},
        {":<lost:xyz:<one:>", frames({"one"}), 1, 10},
        {":<lost::<one:>", frames({"one"}), 1, 7},
        {":<lost:::>:<one:>", frames({"one"}), 1, 10},
        {":<:<:<:>", frames({""}), 2, 4},
        {":<one:>:<tw", frames_then({"one"}, errc::partial_frame, ":<tw"), 0, 0},
        {":<one:>:<t:=w:", frames_then({"one"}, errc::partial_frame, ":<t:=w:"), 0, 0},
        {"only noise:", frames({}), 0, 11},
    };
    for (const row& r : rows) {
        CAPTURE(r.bytes);
        CHECK(grind(stp(), r.bytes) == r.expected);
        for (const std::size_t piece : {1u, 2u, 3u, 100u})
            CHECK(decode_and_count(stp(), r.bytes, piece) == counted{r.expected, r.dropped, r.skipped});
    }
}

TEST_CASE("random markers give what a model reading single characters finds, and the same counts") {
    std::mt19937 random(37);
    for (int i = 0; i < 12000; ++i) {
        const escaped_options options{.max_frame = 1 + random() % 30, .max_noise = random() % 60};
        const std::string bytes = random_bytes(random, 120, i % 2 ? ":<=>a" : ":<::=:>abcdefghijkl");
        const escaped_codec codec(options);
        CAPTURE(bytes, options.max_frame, options.max_noise);
        const counted expected = model(options.max_frame, codec.max_noise(), bytes);
        REQUIRE(decode_in_pieces(codec, bytes, random_cuts(random, bytes.size())) == expected.result);
        REQUIRE(decode_and_count(codec, bytes, 200).result == expected.result);
        if (expected.result.end.failed() && expected.result.end != errc::partial_frame) continue;
        REQUIRE(decode_and_count(codec, bytes, 200) == expected);
        REQUIRE(decode_and_count(codec, bytes, 1 + random() % 7) == expected);
    }
}

TEST_CASE("every payload can be carried, and comes back as it was") {
    std::mt19937 random(41);
    for (int i = 0; i < 4000; ++i) {
        const std::string payload =
            random_bytes(random, 100, i % 2 ? ":<=>a" : "abcdefghijklmnopqrstuvwxyz:");
        const encoded sent = encode(stp(100), payload);
        REQUIRE_FALSE(sent.refused);
        REQUIRE(decode_in_pieces(stp(100), sent.bytes, random_cuts(random, sent.bytes.size())) ==
                frames({payload}));
    }
    CHECK(encode(stp(3), "four").refused);
    CHECK(stp(3).encode_failure("four").detail() == "payload of 4 bytes exceeds max_frame 3");
    CHECK(encode(stp(3), ":::").bytes == ":<:=:=:=:>");
}

TEST_CASE("the limit of an escaped frame counts the payload, not its escapes") {
    CHECK(grind(stp(3), ":<:=:=:=:>:<abc:>") == frames({":::", "abc"}));
    CHECK(grind(stp(3), ":<:=:=:=:=:>") == frames_then({}, errc::frame_too_large));
    CHECK(grind(stp(3), ":<abcd") == frames_then({}, errc::frame_too_large));
    escaped_codec codec = stp(3);
    std::string bytes = ":<abcde";
    CHECK(codec.decode(bytes.data(), bytes.size()).what == decode_step::kind::failed);
    CHECK(codec.failure().detail() == "frame of at least 5 bytes exceeds max_frame 3");
}

TEST_CASE("noise without end is given up, one spoilt frame of the largest size is not") {
    CHECK(grind(escaped_codec({.max_noise = 5}), "12345:<a:>12345:<b:>") == frames({"a", "b"}));
    CHECK(grind(escaped_codec({.max_noise = 5}), "123456:<a:>") == frames_then({}, errc::malformed_frame));
    CHECK(grind(escaped_codec({.max_noise = 5}), ":<12:<12:<a:>") == frames_then({}, errc::malformed_frame));
    CHECK(grind(stp(4), ":<:=:=:=:=:!:<good:>") == frames({"good"}));
    escaped_codec codec({.max_noise = 5});
    std::string bytes = "noises";
    CHECK(codec.decode(bytes.data(), bytes.size()).what == decode_step::kind::failed);
    CHECK(codec.failure() == error(errc::malformed_frame, "no complete frame in 6 bytes, max_noise is 5"));
}

TEST_CASE("no byte of an unfinished escaped frame is searched twice, and it stays as it came") {
    escaped_codec codec = stp(3000);
    std::string bytes = ":<";
    for (int i = 0; i < 1000; ++i) bytes += "x:=";
    const std::string before = bytes;
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        const decode_step step = codec.decode(bytes.data(), size);
        REQUIRE(step.what == decode_step::kind::more);
        REQUIRE(step.consumed == 0);
        if (size > 1) REQUIRE(codec.scanned() >= size - 1); // a last 3A waits for what follows it
    }
    CHECK(bytes == before);
}

TEST_CASE("an escaped codec refuses a broken configuration with the value and what is allowed") {
    CHECK(refusal([] { escaped_codec({.max_frame = 0}); }).find("max_frame 0 is not in 1 to") == 0);
}
