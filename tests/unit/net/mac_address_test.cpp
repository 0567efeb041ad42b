// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/mac_address.hpp>

#include "support/catch.hpp"

#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>

using portunus::errc;
using portunus::failure;
using portunus::mac_address;

static_assert(std::is_trivially_copyable_v<mac_address> && sizeof(mac_address) == 6);

TEST_CASE("a hardware address is read in the four ways in which it is written, letters large or small") {
    const mac_address expected(mac_address::bytes_type{0x02, 0xfc, 0x00, 0xab, 0xCD, 0x01});
    for (const char* text : {"02:fc:00:ab:cd:01", "02:FC:00:AB:CD:01", "02-fc-00-ab-cd-01", "02fc.00ab.cd01",
                             "02fc00abcd01", "02Fc00aBCd01"}) {
        CAPTURE(text);
        const auto read = mac_address::parse(text);
        REQUIRE(read);
        CHECK(*read == expected);
        CHECK(to_string(*read) == "02:fc:00:ab:cd:01");
    }
}

TEST_CASE("what is no hardware address is refused, with the text in the error") {
    for (const char* text : {"",
                             ":",
                             "02:fc:00:ab:cd",
                             "02:fc:00:ab:cd:",
                             "02:fc:00:ab:cd:0",
                             "02:fc:00:ab:cd:011",
                             "02:fc:00:ab:cd:01:02",
                             "2:fc:0:ab:cd:1",
                             "02:fc:00:ab:cd-01",
                             "02.fc.00.ab.cd.01",
                             "02fc:00ab:cd01",
                             "02fc.00abcd.01",
                             "02fc00abcd0",
                             "02fc00abcd012",
                             "02fc00abcd0g",
                             "0x:fc:00:ab:cd:01",
                             " 2:fc:00:ab:cd:01",
                             "02:fc:00:ab:cd:0 ",
                             "-2:fc:00:ab:cd:01",
                             "02 fc 00 ab cd 01",
                             "::::::::::::",
                             ":::::::::::::::::",
                             "..............",
                             "----------------:",
                             "02:fc:00:ab:cd:\xc3\xa9"}) {
        CAPTURE(text);
        const auto read = mac_address::parse(text);
        REQUIRE_FALSE(read);
        CHECK(read.error() == errc::invalid_address);
        CHECK(read.error().detail().find(text) != std::string_view::npos);
        CHECK_THROWS_AS(mac_address(std::string_view(text)), failure);
    }
    using namespace std::string_view_literals;
    CHECK_FALSE(mac_address::parse("02:fc:00:ab:cd:0\0"sv));
    const auto huge = mac_address::parse(std::string(1'000'000, '0'));
    REQUIRE_FALSE(huge);
    CHECK(huge.error().detail().size() < 500);
}

TEST_CASE("what is written is read back as the same address") {
    for (unsigned i = 0; i < 256; ++i) {
        mac_address::bytes_type bytes;
        for (unsigned n = 0; n < bytes.size(); ++n) bytes[n] = static_cast<std::uint8_t>(i * (n + 1) + n);
        const mac_address mac(bytes);
        CHECK(mac_address::parse(to_string(mac)).value() == mac);
        std::ostringstream out;
        out << mac;
        CHECK(out.str() == to_string(mac));
    }
}

TEST_CASE("a default-made address is zero; groups, broadcast and chosen addresses are told by their bits") {
    CHECK(mac_address().is_zero());
    CHECK(to_string(mac_address()) == "00:00:00:00:00:00");
    CHECK_FALSE(mac_address("00:00:00:00:00:01").is_zero());
    CHECK(mac_address("ff:ff:ff:ff:ff:ff").is_broadcast());
    CHECK(mac_address("ff:ff:ff:ff:ff:ff").is_multicast());
    CHECK(mac_address("01:00:5e:00:00:fb").is_multicast());
    CHECK_FALSE(mac_address("01:00:5e:00:00:fb").is_broadcast());
    CHECK_FALSE(mac_address("00:1b:a9:12:34:56").is_multicast());
    CHECK_FALSE(mac_address("00:1b:a9:12:34:56").is_local());
    CHECK(mac_address("02:fc:00:00:00:01").is_local());
}

TEST_CASE("addresses are ordered by their bytes, and equal ones have equal hashes") {
    const mac_address a("00:00:00:00:00:ff"), b("00:00:00:00:01:00"), c("80:00:00:00:00:00");
    CHECK(a < b);
    CHECK(b < c);
    CHECK(a != b);
    const std::unordered_set<mac_address> set{a, b, c, a};
    CHECK(set.size() == 3);
    CHECK(set.count(mac_address("0000.0000.0100")) == 1);
    CHECK(std::hash<mac_address>()(a) == std::hash<mac_address>()(mac_address("0000000000ff")));
}
