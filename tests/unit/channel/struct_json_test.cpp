// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/struct_json.hpp>

#include "support/catch.hpp"
#include "unit/channel/codec_support.hpp"

#include <string>

using namespace portunus;
using namespace channel_test;
using namespace std::string_literals;

TEST_CASE("struct_json is three big-endian numbers, the data and its CRC-32, byte for byte") {
    // The checksums are zlib's.
    CHECK(hex(encode(struct_json(), {{}, service_id::read_request, data_id(7), "null"})) == "00000000"
                                                                                            "0000000a"
                                                                                            "00000007"
                                                                                            "6e756c6c"
                                                                                            "cf3a3e88");
    CHECK(hex(encode(struct_json(), {message_status(3), service_id(0xfffffffe), data_id(0x01020304),
                                     "[1,\"x\"]"})) == "00000003"
                                                       "fffffffe"
                                                       "01020304"
                                                       "5b312c2278225d"
                                                       "30816e5c");
}

TEST_CASE("struct_json gives back every message, and accepts no part of one") {
    check_laws(struct_json());
}

TEST_CASE("a damaged struct_json message is a checksum mismatch, never another message") {
    check_damage(struct_json());
}

TEST_CASE("the data of struct_json is one JSON value, without the white space around it") {
    const std::string head("\0\0\0\0\0\0\0\x0A\0\0\0\7", 12);
    CHECK(decode(struct_json(), with_crc(head + " \n[1, 2] ")).value() ==
          message({}, service_id(10), data_id(7), "[1, 2]"));
    CHECK(refusal(struct_json(), with_crc(head)) == "a message of 16 bytes: the shortest has 17");
    CHECK(refusal(struct_json(), with_crc(head + " ")) == "data: expected a value at byte 1, found the end");
    CHECK(refusal(struct_json(), with_crc(head + "1 2")) ==
          "data: expected the end at byte 2, found a number");
    CHECK(refusal(struct_json(), "") == "a message of 0 bytes: the shortest has 17");
}

TEST_CASE("the numbers of a damaged struct_json message are salvaged, its data is not") {
    std::string bytes = encode(struct_json(), {{}, service_id::write_request, data_id(7), "21.5"});
    bytes[13] = '\xFF';
    CHECK(refusal(struct_json(), bytes, errc::checksum_mismatch).find("CRC-32 of 16 bytes is") == 0);
    CHECK(struct_json().salvage(bytes).value() ==
          message_view{{}, service_id::write_request, data_id(7), "null"});
    CHECK(struct_json().salvage("short").has_error());
}
