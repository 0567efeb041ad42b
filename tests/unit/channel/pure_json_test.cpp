// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/pure_json.hpp>

#include <portunus/framing/escaped_codec.hpp>

#include "support/catch.hpp"
#include "unit/channel/codec_support.hpp"
#include "unit/framing/decode_support.hpp"

#include <string>

using namespace portunus;
using namespace channel_test;

TEST_CASE("pure_json is an object with its CRC-32 behind it, byte for byte") {
    // The checksums are zlib's.
    CHECK(hex(encode(pure_json(), {{}, service_id::read_request, data_id(7), "null"})) ==
          hex(R"({"data_id":7,"service_id":10,"status":0,"data":null})") + "3dd434a8");
    CHECK(hex(encode(pure_json(), {{},
                                   service_id(11),
                                   data_id(7),
                                   "{\"room\":\"K\xC3\xBC"
                                   "che\",\"celsius\":21.5}"})) ==
          "7b22646174615f6964223a372c22736572766963655f6964223a31312c22737461747573223a302c2264617461223a7b22"
          "726f6f6d"
          "223a224bc3bc636865222c2263656c73697573223a32312e357d7d33dd0507");
}

TEST_CASE("pure_json gives back every message, and accepts no part of one") {
    check_laws(pure_json());
}

TEST_CASE("pure_json reads its envelope in any form and refuses what is none, with the field") {
    check_envelope(pure_json(), with_crc);
}

TEST_CASE("a damaged pure_json message is a checksum mismatch, never another message") {
    check_damage(pure_json());
}

TEST_CASE("a wrong checksum is told with both, and what can be read of the message is salvaged") {
    std::string bytes = encode(pure_json(), {{}, service_id::write_request, data_id(7), "21.5"});
    bytes.back() ^= 1;
    CHECK(refusal(pure_json(), bytes, errc::checksum_mismatch) ==
          "CRC-32 of 52 bytes is 3e718b43, the message says 3e718b42");
    const auto rest = pure_json().salvage(bytes);
    REQUIRE(rest.has_value());
    CHECK(rest->service == service_id::write_request);
    CHECK(rest->id == data_id(7));
    bytes[0] = '[';
    CHECK(pure_json().salvage(bytes).has_error());
    CHECK(pure_json().salvage("{}").has_error());
    CHECK(refusal(pure_json(), "{}123") == "a message of 5 bytes: the shortest has 6");
}

TEST_CASE("pure_json messages survive their usual framing, wherever the stream is cut") {
    const escaped_codec framing = stp();
    std::string bytes;
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < 5; ++i) {
        expected.push_back(encode(pure_json(), samples()[i]));
        bytes += framing_test::encode(framing, expected.back()).bytes;
    }
    const framing_test::outcome found = framing_test::grind(framing, bytes);
    REQUIRE(found == framing_test::frames(expected));
    for (std::size_t i = 0; i < 5; ++i) CHECK(decode(pure_json(), found.frames[i]).value() == samples()[i]);
}
