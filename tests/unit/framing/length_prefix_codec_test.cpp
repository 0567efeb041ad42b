// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/length_prefix_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

using namespace portunus;
using namespace framing_test;
using namespace std::string_literals;

namespace {

/// The number as the field has it.
std::string field(std::uint64_t value, unsigned width, std::endian order = std::endian::big) {
    std::string bytes;
    for (unsigned i = 0; i < width; ++i) bytes.insert(bytes.begin(), static_cast<char>(value >> (8 * i)));
    return order == std::endian::big ? bytes : std::string(bytes.rbegin(), bytes.rend());
}

__extension__ using wide = __int128;

/// The definition, in arithmetic that cannot overflow.
outcome model(const length_prefix_options& o, std::string_view bytes) {
    outcome result;
    const std::size_t header = o.length_offset + o.width;
    const std::size_t strip = o.strip == strip_header ? header : o.strip;
    const auto fail = [&](errc why) {
        result.end = make_error_code(why);
        return result;
    };
    while (bytes.size() >= header) {
        wide value = 0;
        for (unsigned i = 0; i < o.width; ++i) {
            const std::size_t at = o.length_offset + (o.order == std::endian::big ? i : o.width - 1 - i);
            value = value * 256 + static_cast<unsigned char>(bytes[at]);
        }
        const wide behind = value + o.adjustment - (o.header_counted ? static_cast<wide>(header) : 0);
        if (behind < 0) return fail(errc::malformed_frame);
        const wide whole = behind + static_cast<wide>(header);
        if (whole > static_cast<wide>(o.max_frame + strip)) return fail(errc::frame_too_large);
        if (whole < static_cast<wide>(strip)) return fail(errc::malformed_frame);
        if (whole > static_cast<wide>(bytes.size())) break;
        result.frames.emplace_back(bytes.substr(strip, static_cast<std::size_t>(whole) - strip));
        bytes.remove_prefix(static_cast<std::size_t>(whole));
    }
    if (!bytes.empty()) {
        result.left = bytes;
        return fail(errc::partial_frame);
    }
    return result;
}

} // namespace

TEST_CASE(
    "a length-prefixed stream is cut as the pictures in the header show, wherever it arrives in pieces") {
    const std::string hello = "HELLO, WORLD";
    struct row {
        length_prefix_options options;
        std::string stream, frame;
    };
    const row rows[] = {
        {{}, field(12, 4) + hello, hello},
        {{.width = 2, .strip = 0}, field(12, 2) + hello, field(12, 2) + hello},
        {{.width = 2, .header_counted = true}, field(14, 2) + hello, hello},
        {{.width = 3, .length_offset = 2, .strip = 0},
         "TT" + field(12, 3) + hello,
         "TT" + field(12, 3) + hello},
        {{.width = 2, .adjustment = 1}, field(12, 2) + "F" + hello, "F" + hello},
        {{.width = 2, .length_offset = 1, .header_counted = true},
         "T" + field(16, 2) + "F" + hello,
         "F" + hello},
        {{.width = 2, .adjustment = 2}, field(12, 2) + hello + "CC", hello + "CC"},
        {{.width = 2, .adjustment = -2}, field(14, 2) + hello, hello},
        {{.width = 1, .strip = 4}, field(15, 1) + "abc" + hello, hello},
        {{.width = 8, .order = std::endian::little}, field(12, 8, std::endian::little) + hello, hello},
        {{.width = 5, .order = std::endian::little}, field(12, 5, std::endian::little) + hello, hello},
    };
    for (const row& r : rows) {
        CAPTURE(printable(r.stream));
        const length_prefix_codec codec(r.options);
        CHECK(grind(codec, r.stream) == frames({r.frame}));
        CHECK(grind(codec, r.stream + r.stream) == frames({r.frame, r.frame}));
        CHECK(grind(codec, r.stream.substr(0, r.stream.size() - 1)) ==
              frames_then({}, errc::partial_frame, r.stream.substr(0, r.stream.size() - 1)));
    }
}

TEST_CASE("empty frames are frames") {
    CHECK(grind(packet_1(), "\0\0\1x\0"s) == frames({"", "", "x", ""}));
    CHECK(grind(packet_2(), "\0\0\0\1x"s) == frames({"", "x"}));
}

TEST_CASE("the packet presets are big endian, count what follows, and read back what they write") {
    const std::string payload(200, 'p');
    for (const auto& [codec, width] : {std::pair{packet_1(), 1u}, {packet_2(), 2u}, {packet_4(), 4u}}) {
        CHECK(encode(codec, payload).bytes == field(200, width) + payload);
        CHECK(grind(codec, field(200, width) + payload) == frames({payload}));
        CHECK(encode(codec, "").bytes == field(0, width));
        CHECK(codec.max_frame() == default_max_frame);
    }
    CHECK(encode(packet_1(), std::string(255, 'x')).bytes.size() == 256);
    CHECK(encode(packet_1(), std::string(256, 'x')).refused);
    CHECK(packet_1().encode_failure(std::string(256, 'x')).detail() ==
          "payload of 256 bytes does not fit a length field of 1 bytes: its value would be 256, the largest "
          "is 255");
    CHECK(packet_4(10).encode_failure(std::string(11, 'x')).detail() ==
          "payload of 11 bytes exceeds max_frame 10");
}

TEST_CASE("a length of max_frame passes, one more is refused before any byte of the frame has come") {
    length_prefix_codec codec = packet_4(1000);
    std::string bytes = field(1000, 4) + std::string(1000, 'x');
    CHECK(codec.decode(bytes.data(), 4).need == 1000);
    CHECK(codec.decode(bytes.data(), bytes.size()).frame.size() == 1000);
    bytes = field(1001, 4);
    CHECK(codec.decode(bytes.data(), 4).what == decode_step::kind::failed);
    CHECK(codec.failure() ==
          error(errc::frame_too_large, "length field 1001 announces more than max_frame 1000"));
    bytes = field(0xFFFFFFFF, 4);
    CHECK(codec.decode(bytes.data(), 4).what == decode_step::kind::failed);
    CHECK(codec.failure().detail() == "length field 4294967295 announces more than max_frame 1000");
    // What is left of the header counts.
    CHECK(grind(length_prefix_codec({.width = 2, .strip = 0, .max_frame = 6}), field(4, 2) + "abcd") ==
          frames({field(4, 2) + "abcd"}));
    CHECK(grind(length_prefix_codec({.width = 2, .strip = 0, .max_frame = 6}), field(5, 2)) ==
          frames_then({}, errc::frame_too_large));
}

TEST_CASE("a length that overflows 64 bits, or falls below zero, is an error and nothing else") {
    const std::string all_ones(8, '\xff');
    const auto end = [](const length_prefix_options& options, const std::string& bytes) {
        return grind(length_prefix_codec(options), bytes).end;
    };
    CHECK(end({.width = 8}, all_ones) == errc::frame_too_large);
    CHECK(end({.width = 8, .adjustment = 1}, all_ones) == errc::frame_too_large);
    CHECK(end({.width = 8, .adjustment = std::int64_t{1} << 62}, all_ones) == errc::frame_too_large);
    CHECK(end({.width = 8, .adjustment = -(std::int64_t{1} << 62)}, all_ones) == errc::frame_too_large);
    CHECK(end({.width = 8, .adjustment = 100, .strip = 0}, field(~std::uint64_t{0} - 50, 8)) ==
          errc::frame_too_large);
    CHECK(end({.width = 8, .adjustment = -(std::int64_t{1} << 62)}, field(17, 8)) == errc::malformed_frame);
    CHECK(end({.width = 2, .header_counted = true}, field(1, 2)) == errc::malformed_frame);
    CHECK(end({.width = 2, .header_counted = true}, field(2, 2)) == boost::system::error_code());
    CHECK(end({.width = 1, .strip = 4}, field(2, 1)) == errc::malformed_frame);

    length_prefix_codec counted({.width = 2, .header_counted = true});
    std::string one = field(1, 2);
    CHECK(counted.decode(one.data(), 2).what == decode_step::kind::failed);
    CHECK(counted.failure().detail() == "length field 1 with adjustment -2 is too small: the frame would not "
                                        "reach past the 2 bytes of its header");
    length_prefix_codec stripped({.width = 1, .strip = 4});
    one = field(2, 1);
    CHECK(stripped.decode(one.data(), 1).what == decode_step::kind::failed);
    CHECK(stripped.failure().detail() ==
          "length field 2 is too small: the frame would not reach past the 4 bytes "
          "that are stripped");
}

TEST_CASE(
    "random options and bytes give what arithmetic without overflow gives, and encoding is its reverse") {
    std::mt19937 random(31);
    int encoded_payloads = 0;
    for (int i = 0; i < 20000; ++i) {
        length_prefix_options o;
        o.width = 1 + random() % 8;
        o.order = random() % 2 ? std::endian::big : std::endian::little;
        o.length_offset = random() % 3 ? 0 : random() % 4;
        o.adjustment = random() % 3 ? 0 : static_cast<std::int64_t>(random() % 13) - 6;
        o.header_counted = random() % 4 == 0;
        o.strip = random() % 2 ? strip_header : random() % 3 ? 0 : random() % 14;
        o.max_frame = 12 + random() % 30;
        const length_prefix_codec codec(o);
        CAPTURE(o.width, o.order == std::endian::big, o.length_offset, o.adjustment, o.header_counted,
                o.strip, o.max_frame);

        std::string bytes;
        for (int frame = 0; frame < 3; ++frame) {
            bytes += std::string(o.length_offset, 'h');
            bytes += field(random() % 40, o.width, o.order);
            bytes += std::string(random() % 40, 'b');
        }
        const outcome expected = model(o, bytes);
        REQUIRE(decode_in_pieces(codec, bytes, {}) == expected);
        REQUIRE(decode_in_pieces(codec, bytes, random_cuts(random, bytes.size())) == expected);
        REQUIRE(decode_by_decoder(codec, bytes, random_cuts(random, bytes.size())) == expected);

        // What was decoded can be encoded, to the same bytes that the model reads as that frame.
        for (const std::string& frame : expected.frames) {
            const encoded sent = encode(codec, frame);
            REQUIRE(sent.refused == !codec.can_encode());
            if (!sent.refused) REQUIRE(model(o, sent.bytes) == frames({frame}));
        }
        std::string payload(random() % 45, 'p');
        const encoded sent = encode(codec, payload);
        if (sent.refused) continue;
        ++encoded_payloads;
        if (o.strip == 0) // the codec fills the length in; nothing else changes
            payload.replace(o.length_offset, o.width, sent.bytes, o.length_offset, o.width);
        REQUIRE(model(o, sent.bytes) == frames({payload}));
    }
    CHECK(encoded_payloads > 1000);
}

TEST_CASE("what cannot be encoded is refused with the reason") {
    const auto reason = [](const length_prefix_options& options, std::string_view payload) {
        const length_prefix_codec codec(options);
        CHECK(encode(codec, payload).refused);
        return std::string(codec.encode_failure(payload).detail());
    };
    CHECK(reason({.length_offset = 1}, "x").find("decoding strips 5 bytes of a header of 5") == 0);
    CHECK(reason({.width = 2, .strip = 3}, "x").find("decoding strips 3 bytes of a header of 2") == 0);
    CHECK(reason({.width = 2, .strip = 0}, "x") ==
          "payload of 1 bytes is shorter than the header of 2 that it has to bring");
    CHECK(reason({.width = 2, .adjustment = 3}, "xx") ==
          "payload of 2 bytes: behind the length field stand 2, with adjustment 3 at least that many are "
          "needed");
    CHECK(encode(length_prefix_codec({.width = 2, .strip = 0}), "??abc").bytes == field(3, 2) + "abc");
}

TEST_CASE("a length-prefix codec refuses a broken configuration with the value and what is allowed") {
    const auto with = [](const length_prefix_options& options) {
        return refusal([&] { length_prefix_codec{options}; });
    };
    CHECK(with({.width = 0}) == "width 0 of a length field is not in 1 to 8");
    CHECK(with({.width = 9}) == "width 9 of a length field is not in 1 to 8");
    CHECK(with({.length_offset = 65536}) == "length_offset 65536 is not in 0 to 65535");
    CHECK(with({.adjustment = (std::int64_t{1} << 62) + 1}) ==
          "adjustment 4611686018427387905 is not in -4611686018427387904 to 4611686018427387904");
    CHECK(with({.strip = 65536}) == "strip 65536 is not in 0 to 65535, nor strip_header");
    CHECK(with({.max_frame = 0}).find("max_frame 0 is not in 1 to") == 0);
    CHECK(with({.width = 4, .strip = 0, .max_frame = 3}) ==
          "max_frame 3 has no room for the 4 bytes of the header that stay in the frame");
    CHECK(with({.length_offset = 65535}).empty());
}
