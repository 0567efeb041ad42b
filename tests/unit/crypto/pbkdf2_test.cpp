// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/pbkdf2.hpp>

#include "support/catch.hpp"

#include <array>
#include <span>

using portunus::errc;
using portunus::pbkdf2;
using portunus::sha256;
using portunus::to_hex;

TEST_CASE("PBKDF2 gives the keys of RFC 7914, section 11") {
    std::array<unsigned char, 64> key{};
    REQUIRE(pbkdf2<sha256>("passwd", "salt", 1, key));
    CHECK(to_hex(key) == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                         "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    REQUIRE(pbkdf2<sha256>("Password", "NaCl", 80'000, key));
    CHECK(to_hex(key) == "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
                         "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

TEST_CASE(
    "PBKDF2 without iterations, with more than can be counted, or for no key is refused with the numbers") {
    std::array<unsigned char, 32> key{};
    for (const std::uint32_t iterations : {0U, 0x80000000U}) {
        const auto made = pbkdf2<sha256>("p", "s", iterations, key);
        REQUIRE_FALSE(made);
        CHECK(made.error() == errc::invalid_option);
        CHECK_THAT(made.error().message(), Catch::Matchers::Contains(std::to_string(iterations)));
    }
    CHECK(pbkdf2<sha256>("p", "s", 1, std::span<unsigned char>()).error() == errc::invalid_option);
    CHECK(pbkdf2<sha256>({}, {}, 1, key));
}
