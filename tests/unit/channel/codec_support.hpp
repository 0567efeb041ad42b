// SPDX-License-Identifier: BSL-1.0
// Messages in hexadecimal digits, and what every message codec is asked.
#ifndef PORTUNUS_TESTS_UNIT_CHANNEL_CODEC_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_CHANNEL_CODEC_SUPPORT_HPP

#include <portunus/channel/message_codec.hpp>
#include <portunus/framing/crc32.hpp>

#include "support/catch.hpp"

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace channel_test {

using namespace portunus;

inline std::string hex(std::string_view bytes) {
    std::string digits;
    for (const char c : bytes) {
        digits += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        digits += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
    }
    return digits;
}

inline std::string with_crc(std::string text) {
    const std::uint32_t crc = crc32(text);
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(crc >> shift);
    return text;
}

template <class Codec>
std::string encode(const Codec& codec, const message_view& m) {
    std::string out;
    codec.encode(out, m);
    return out;
}

/// Decodes a copy in memory of exactly its size; the data is looked at before the copy goes.
template <class Codec>
result<message> decode(const Codec& codec, std::string_view bytes) {
    const std::unique_ptr<char[]> copy(new char[bytes.size()]);
    if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
    const result<message_view> m = codec.decode({copy.get(), bytes.size()});
    if (!m) return m.error();
    return message(*m);
}

template <class Codec>
std::string refusal(const Codec& codec, std::string_view bytes, errc code = errc::malformed_data) {
    INFO(bytes);
    const result<message> m = decode(codec, bytes);
    REQUIRE_FALSE(m.has_value());
    CHECK(m.error() == code);
    CHECK(m.error() == condition::malformed);
    CHECK_FALSE(is_fatal(m.error()));
    return std::string(m.error().detail());
}

inline const std::vector<message>& samples() {
    static const std::vector<message> all{
        {},
        {message_status::okay, service_id::read_request, data_id(7), "null"},
        {message_status(0xffffffff), service_id(0xffffffff), data_id(0xffffffff), "\"\""},
        {message_status::callback_error, service_id::execute_response, data_id(0),
         "[1,-2.5e3,true,{\"a\":\"}\\\"\"}]"},
        {message_status(100), service_id(40), data_id(1000000),
         "\"K\xC3\xBC"
         "che :> := \\u003a\""},
        {{}, service_id(10), data_id(1), std::string(32, '[') + std::string(32, ']')},
        {{}, service_id(10), data_id(1), "\"" + std::string(5000, 'x') + "\""},
    };
    return all;
}

/// The laws that hold for every codec.
template <class Codec>
void check_laws(const Codec& codec) {
    for (const message& m : samples()) {
        const std::string bytes = encode(codec, m);
        CAPTURE(m.data.substr(0, 100));
        const auto decoded = decode(codec, bytes);
        REQUIRE(decoded.has_value());
        CHECK(*decoded == m);

        // In two halves, behind something else.
        std::string out = "before";
        const std::size_t start = codec.begin(out, m);
        CHECK(start == 6);
        out += m.data;
        codec.finish(out, start);
        CHECK(out == "before" + bytes);

        // No beginning of a message is a message.
        for (std::size_t size = 0; size < bytes.size(); size += size < 200 ? 1 : 97)
            if (decode(codec, std::string_view(bytes).substr(0, size)).has_value())
                FAIL("cut off at " << size);
    }
    const message deep({}, service_id(10), data_id(1), std::string(33, '[') + std::string(33, ']'));
    CHECK(refusal(codec, encode(codec, deep)).find("data: nested deeper than 32 levels") == 0);
    for (const char* data : {"", "nul", "1 2", "[1,]", "\"\xC3\"", "\"\\ud800\"", "{\"a\":01}", "]", "NaN"}) {
        const message bad({}, service_id(10), data_id(1), data);
        CHECK(decode(codec, encode(codec, bad)).has_error());
    }
}

/// Bytes that changed on their way are never taken for another message.
template <class Codec>
void check_damage(const Codec& codec) {
    std::mt19937 random(4);
    for (int i = 0; i < 20000; ++i) {
        const message& m = samples()[random() % 6];
        std::string bytes = encode(codec, m);
        for (unsigned long n = 1 + random() % 3; n != 0; --n)
            bytes[random() % bytes.size()] ^= char(1u << random() % 8);
        if (bytes == encode(codec, m)) continue;
        const auto decoded = decode(codec, bytes);
        if (decoded.has_value() || !(decoded.error() == errc::checksum_mismatch)) FAIL(hex(bytes));
        (void)codec.salvage(bytes);
    }
}

/// What holds for an envelope of JSON; `seal` makes a message of its text.
template <class Codec, class Seal>
void check_envelope(const Codec& codec, Seal seal) {
    const message expected(message_status(3), service_id(11), data_id(7), R"({"a": [1, 2]})");
    for (
        const char* text : {
            R"({"data_id":7,"service_id":11,"status":3,"data":{"a": [1, 2]}})",
            R"({"status":3,"data":{"a": [1, 2]},"service_id":11,"data_id":7})",
            " {\t\"data\" :  {\"a\": [1, 2]}  , \"status\" : 3.0 ,\"data_id\":7e0,\r\n\"service_id\" : 11 } "
            "\n",
            R"({"data":{"a": [1, 2]},"st\u0061tus":3,"dat\u0061_id":7,"serv\u0069ce_id":11})",
            R"({"x":null,"data_id":7,"x":[{"data_id":8}],"service_id":11,"":{},"status":3,"data":{"a": [1, 2]},"dat":0})",
        }) {
        CAPTURE(text);
        const auto m = decode(codec, seal(text));
        REQUIRE(m.has_value());
        CHECK(*m == expected);
    }
    CHECK(decode(codec, seal(R"({"service_id":10,"data_id":7})")).value() ==
          message({}, service_id(10), data_id(7), "null"));

    const auto reason = [&](std::string_view text) { return refusal(codec, seal(std::string(text))); };
    CHECK(reason("[]") == "expected an object, found an array");
    CHECK(reason("{}") == "service_id: missing");
    CHECK(reason(R"({"service_id":10})") == "data_id: missing");
    CHECK(reason(R"({"service_id":10,"data_id":7,"data_id":7})") == "data_id: appears twice");
    CHECK(reason(R"({"data":1,"data":2,"service_id":10,"data_id":7})") == "data: appears twice");
    CHECK(reason(R"({"status":0,"st\u0061tus":0,"service_id":10,"data_id":7})") == "status: appears twice");
    CHECK(reason(R"({"service_id":"10","data_id":7})") == "service_id: expected a number, found a string");
    CHECK(reason(R"({"service_id":-1,"data_id":7})") == "service_id: -1 is not in 0 to 4294967295");
    CHECK(reason(R"({"service_id":4294967296,"data_id":7})") ==
          "service_id: 4294967296 is not in 0 to 4294967295");
    CHECK(reason(R"({"service_id":1,"data_id":7.5})") == "data_id: expected an integer, found 7.5");
    CHECK(reason(R"({"service_id":1,"data_id":7,"status":null})") == "status: expected a number, found null");
    CHECK(reason(R"({"service_id":1,"data_id":7,"data":[1,})") ==
          "data: expected a value at byte 38, found \"}\"");
    CHECK(reason("{\"service_id\":1,\"data_id\":7,\"data\":\"\xFF\"}") == "data: invalid UTF-8 at byte 36");
    CHECK(reason("{\"service_id\":1,\"data_id\":7,\"x\":\"\xFF\"}") == "invalid UTF-8 at byte 33");
    CHECK(reason(R"({"service_id":1,"data_id":7} {})") == "expected the end at byte 29, found an object");
}

} // namespace channel_test

#endif
