// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/proxy_protocol.hpp>

#include "support/catch.hpp"
#include "unit/net/proxy_support.hpp"

#include <portunus/net/peer_info.hpp>
#include <portunus/testing/grind.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using portunus::errc;
using portunus::parse_proxy_header;
using portunus::proxy_command;
using portunus::proxy_family;
using portunus::proxy_header;
using portunus::proxy_type;
using portunus::proxy_values;
using portunus::testing::grind;

namespace {

/// The verdict in words: fed piece by piece, as a listener does, until there is one.
std::string verdict(std::span<const std::string_view> pieces) {
    std::string received;
    for (const std::string_view piece : pieces) {
        received += piece;
        const auto parsed = parse_proxy_header(received, 400);
        if (!parsed) return parsed.error().message();
        if (!*parsed) continue;
        const proxy_header& h = **parsed;
        std::string text = "v" + std::to_string(h.version) +
                           (h.command == proxy_command::local ? " local " : " proxy ") +
                           std::to_string(static_cast<int>(h.family)) + ' ' + portunus::to_string(h.source) +
                           ' ' + portunus::to_string(h.destination) + ' ' + std::string(h.source_path) + ' ' +
                           std::string(h.destination_path) + ' ' + std::to_string(h.size);
        for (const auto v : h.values) text += ' ' + std::to_string(v.type) + '=' + std::string(v.bytes);
        return text;
    }
    return "more";
}
std::string verdict(std::string_view whole) {
    return grind(whole, [](std::span<const std::string_view> pieces) { return verdict(pieces); });
}

std::string with_checksum(const std::string& type_and_length = proxy_tlv(3, std::string(4, '\0'))) {
    std::string header = proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10, type_and_length + proxy_tlv(4, "xyz"));
    const std::uint32_t crc = slow_crc32c(header);
    for (std::size_t i = 0; i < 4; ++i) header[28 + 3 + i] = static_cast<char>(crc >> (24 - 8 * i));
    return header;
}

} // namespace

TEST_CASE("a line of the PROXY protocol gives the same answer however it comes") {
    struct row {
        std::string_view bytes;
        std::string expected; // beginning of the verdict
    };
    const std::vector<row> rows{
        {"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET",
         "v1 proxy 1 192.168.0.1:56324 192.168.0.11:443   47"},
        {"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "v1 proxy 1 255.255.255.255:65535 0.0.0.0:0 "},
        {"PROXY TCP6 2001:db8::1 ::FFFF:10.0.0.7 1 2\r\n", "v1 proxy 1 [2001:db8::1]:1 10.0.0.7:2 "},
        {"PROXY UNKNOWN\r\n", "v1 proxy 0 0.0.0.0:0 "},
        {"PROXY UNKNOWN ffff:f:f \x01 what ever\r\n", "v1 proxy 0 "},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", "more"},
        {"PROXY ", "more"},
        {"P", "more"},
        {"", "more"},
        {"GET / HTTP/1.1\r\n", "malformed_frame"},
        {"PROXX", "malformed_frame"},
        {"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", ""},
        {"PROXY \n", ""},
        {"PROXY \r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", ""},
        {"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", ""},
        {"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", ""},
        {"PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", ""},
        {"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", ""},
        {"PROXY TCP4 ::1 ::2 1 2\r\n", ""},
        {"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", ""},
        {"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", ""},
        {"PROXY TCP6 ::1%1 ::2 1 2\r\n", ""},
        {std::string_view("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n", 33), ""},
        {"PROXY TCP4\r\n", ""},
        {"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", ""},
        {"PROXY UNKNOWNX\r\n", ""},
        {"PROXY UNKNOWN a\rb\r\n", ""},
    };
    for (const row& r : rows) {
        CAPTURE(std::string(r.bytes));
        const std::string said = verdict(r.bytes);
        if (r.expected.empty() || r.expected == "malformed_frame")
            CHECK_THAT(said, Contains("PROXY header: "));
        else
            CHECK_THAT(said, Catch::Matchers::StartsWith(r.expected));
    }
}

TEST_CASE("a line of the PROXY protocol has 107 bytes at most, its end included") {
    const std::string longest = "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n";
    REQUIRE(longest.size() == portunus::max_proxy_line);
    CHECK_THAT(verdict(longest + "more"), Catch::Matchers::StartsWith("v1 proxy 0 "));
    const std::string longer = "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n";
    CHECK_THAT(verdict(longer), Contains("107 bytes"));
    CHECK(verdict(longer.substr(0, 106)) == "more");
    CHECK_THAT(verdict(longer.substr(0, 107)), Contains("107 bytes"));
}

TEST_CASE("a binary header of the PROXY protocol gives the same answer however it comes") {
    const std::string tcp6 = v6_bytes("2001:db8::1") + v6_bytes("::2") + big_endian(40000) + big_endian(443);
    std::string paths = "/run/client.sock";
    paths.resize(108);
    paths += std::string("\0server", 7);
    paths.resize(216);
    CHECK(verdict(proxy_v2_tcp4("10.1.2.3", 4711, "10.0.0.1", 80) + "hello") ==
          "v2 proxy 1 10.1.2.3:4711 10.0.0.1:80   28");
    CHECK(verdict(proxy_v2(0x21, 0x21, tcp6)) == "v2 proxy 1 [2001:db8::1]:40000 [::2]:443   52");
    CHECK(verdict(proxy_v2(0x21, 0x22, tcp6)) == "v2 proxy 2 [2001:db8::1]:40000 [::2]:443   52");
    CHECK(verdict(proxy_v2(0x21, 0x31, paths)) ==
          "v2 proxy 3 0.0.0.0:0 0.0.0.0:0 /run/client.sock " + std::string("\0server", 7) + " 232");
    CHECK_THAT(verdict(proxy_v2(0x21, 0x32, paths)), Catch::Matchers::StartsWith("v2 proxy 4 "));
    CHECK(verdict(proxy_v2(0x20, 0x00, "")) == "v2 local 0 0.0.0.0:0 0.0.0.0:0   16");
    CHECK(verdict(proxy_v2(0x20, 0xff, "anything")) == "v2 local 0 0.0.0.0:0 0.0.0.0:0   24");
    CHECK(verdict(proxy_v2(0x21, 0x00, "anything")) == "v2 proxy 0 0.0.0.0:0 0.0.0.0:0   24");
    CHECK(
        verdict(proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10, proxy_tlv(2, "example.org") + proxy_tlv(4, ""))) ==
        "v2 proxy 1 1.2.3.4:5 6.7.8.9:10   45 2=example.org 4=");
}

TEST_CASE("a binary header that the specification does not allow is refused, at the byte that is wrong") {
    const std::string good = proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10);
    const auto changed = [&](std::size_t at, unsigned to) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(to);
        return bytes;
    };
    CHECK_THAT(verdict(changed(11, 'X')), Contains("another beginning"));
    CHECK_THAT(verdict(changed(12, 0x11)), Contains("a version that is not 2"));
    CHECK_THAT(verdict(changed(12, 0x22)), Contains("neither LOCAL nor PROXY"));
    for (const unsigned family : {0x01U, 0x10U, 0x13U, 0x30U, 0x41U, 0xffU})
        CHECK_THAT(verdict(changed(13, family)), Contains("unknown family"));
    CHECK_THAT(verdict(changed(15, 11)), Contains("too short for its addresses"));
    CHECK_THAT(verdict(changed(13, 0x21)), Contains("too short for its addresses"));
    CHECK(parse_proxy_header(changed(12, 0x11).substr(0, 13)).has_error());
    CHECK(parse_proxy_header(changed(13, 0x13).substr(0, 14)).has_error());
    CHECK(parse_proxy_header(changed(14, 0x20)).error() == errc::frame_too_large);
    CHECK_THAT(verdict(changed(14, 0x20)), Contains("exceeds 400"));
    for (const std::string& values : {std::string("\x02", 1), std::string("\x02\x00", 2),
                                      std::string("\x02\x00\x01", 3), proxy_tlv(2, "a") + "x"})
        CHECK_THAT(verdict(proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10, values)), Contains("values"));
}

TEST_CASE("the CRC32c of a header is that of RFC 3720 and is checked with its own place zeroed") {
    REQUIRE(slow_crc32c("123456789") == 0xe3069283U);
    const std::string good = with_checksum();
    CHECK_THAT(verdict(good), Catch::Matchers::StartsWith("v2 proxy 1 1.2.3.4:5 "));
    for (std::size_t at = 16; at < good.size(); ++at) {
        if (at >= 28 && at < 31) continue; // type and length of the value itself
        if (at >= 35 && at < 38) continue; // and of the next
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        CAPTURE(at);
        CHECK(parse_proxy_header(bad).has_error());
    }
    CHECK_THAT(verdict(proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10, proxy_tlv(3, "abc"))), Contains("4 bytes"));
    CHECK_THAT(
        verdict(proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10, proxy_tlv(3, "abcd") + proxy_tlv(3, "abcd"))),
        Contains("two values"));
}

TEST_CASE("values of a header are found by type, and values within a value can be read") {
    const std::string inner = proxy_tlv(0x21, "TLSv1.3") + proxy_tlv(0x22, "client.example");
    const std::string ssl = std::string("\x07\0\0\0\0", 5) + inner;
    const std::string bytes =
        proxy_v2_tcp4("1.2.3.4", 5, "6.7.8.9", 10, proxy_tlv(0x20, ssl) + proxy_tlv(0x01, "h2"));
    const auto parsed = parse_proxy_header(bytes);
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->has_value());
    const proxy_header& h = **parsed;
    CHECK(h.values.find(proxy_type::alpn) == "h2");
    CHECK_FALSE(h.values.find(proxy_type::authority));
    const auto found = h.values.find(proxy_type::ssl);
    REQUIRE(found);
    const auto within = proxy_values::parse(found->substr(5));
    REQUIRE(within);
    CHECK(within->find(0x22) == "client.example");
    CHECK_FALSE(proxy_values::parse(found->substr(4)));
    CHECK(std::distance(h.values.begin(), h.values.end()) == 2);
}
