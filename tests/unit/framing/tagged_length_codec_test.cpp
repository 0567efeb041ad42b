// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/tagged_length_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <string>

using namespace portunus;
using namespace framing_test;
using namespace std::string_literals;

TEST_CASE("both kinds of tagged frames come out of one stream, without their headers, wherever it is cut") {
    const std::string stream =
        "J\x08\0HELLO"s + "K\x0a\0\0\0WORLD"s + "J\x03\0"s + "K\x05\0\0\0"s + "J\x04\0!"s;
    CHECK(grind(xtension_packets(), stream) == frames({"HELLO", "WORLD", "", "", "!"}));
    CHECK(grind(xtension_packets(), "J\x08\0HEL"s) == frames_then({}, errc::partial_frame, "J\x08\0HEL"s));
    CHECK(grind(xtension_packets(), "K\x0a"s) == frames_then({}, errc::partial_frame, "K\x0a"));
    const tagged_length_codec other({.short_tag = 1,
                                     .short_width = 1,
                                     .long_tag = 2,
                                     .long_width = 3,
                                     .order = std::endian::big,
                                     .header_counted = false});
    CHECK(grind(other, "\1\2ab\2\0\0\3abc\1\0"s) == frames({"ab", "abc", ""}));
}

TEST_CASE("a byte that is no tag is malformed, and is named") {
    CHECK(grind(xtension_packets(), "J\x04\0!X\0\0\0"s) == frames_then({"!"}, errc::malformed_frame));
    tagged_length_codec codec = xtension_packets();
    std::string bytes = "L";
    CHECK(codec.decode(bytes.data(), 1).what == decode_step::kind::failed);
    CHECK(codec.failure().detail() == "a frame begins with 0x4C 'L', only 0x4A 'J' and 0x4B 'K' are known");
    bytes = "\xff";
    CHECK(codec.decode(bytes.data(), 1).what == decode_step::kind::failed);
    CHECK(codec.failure().detail().find("a frame begins with 0xFF, only") == 0);
}

TEST_CASE("a tagged length below its header is malformed, one above max_frame too large") {
    CHECK(grind(xtension_packets(), "J\2\0"s) == frames_then({}, errc::malformed_frame));
    CHECK(grind(xtension_packets(), "K\4\0\0\0"s) == frames_then({}, errc::malformed_frame));
    CHECK(grind(xtension_packets(5), "J\x08\0HELLO"s) == frames({"HELLO"}));
    CHECK(grind(xtension_packets(5), "J\x09\0"s) == frames_then({}, errc::frame_too_large));
    CHECK(grind(xtension_packets(), "K\xff\xff\xff\xff"s) == frames_then({}, errc::frame_too_large));
    CHECK(grind(tagged_length_codec({.long_width = 8}), "K"s + std::string(8, '\xff')) ==
          frames_then({}, errc::frame_too_large));
    tagged_length_codec codec = xtension_packets(5);
    std::string bytes = "J\x09\0"s;
    CHECK(codec.decode(bytes.data(), 3).what == decode_step::kind::failed);
    CHECK(codec.failure().detail() == "frame of 6 bytes exceeds max_frame 5");
}

TEST_CASE("encoding takes the shorter header that can tell the length, and reads back") {
    const tagged_length_codec codec = xtension_packets();
    CHECK(encode(codec, "HELLO").bytes == "J\x08\0HELLO"s);
    CHECK(encode(codec, "").bytes == "J\3\0"s);
    for (const std::size_t size : {0u, 1u, 65532u, 65533u, 70000u}) {
        const std::string payload(size, 'p');
        const std::string bytes = encode(codec, payload).bytes;
        CHECK(bytes.substr(0, 1) == (size + 3 <= 65535 ? "J" : "K"));
        CHECK(decode_in_pieces(codec, bytes, {1, 4}) == frames({payload}));
    }
    CHECK(encode(xtension_packets(4), "HELLO").refused);
    CHECK(xtension_packets(4).encode_failure("HELLO").detail() == "payload of 5 bytes exceeds max_frame 4");
    const tagged_length_codec narrow({.short_width = 1, .long_width = 2});
    CHECK(encode(narrow, std::string(65533, 'x')).refused);
    CHECK(narrow.encode_failure(std::string(65533, 'x')).detail() ==
          "payload of 65533 bytes does not fit a length field of 2 bytes, the largest value is 65535");
}

TEST_CASE("a tagged codec refuses a broken configuration with the value and what is allowed") {
    CHECK(refusal([] {
              tagged_length_codec({.short_width = 4, .long_width = 4});
          }).find("widths 4 and 4: 1 to 8") == 0);
    CHECK(refusal([] { tagged_length_codec({.short_width = 0}); }).find("widths 0 and 4") == 0);
    CHECK(refusal([] { tagged_length_codec({.long_width = 9}); }).find("widths 2 and 9") == 0);
    CHECK(refusal([] { tagged_length_codec({.long_tag = 'J'}); }) ==
          "both tags are 0x4A 'J', they must differ");
    CHECK(refusal([] { xtension_packets(0); }).find("max_frame 0") == 0);
}
