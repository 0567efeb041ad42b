// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/crc32.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <random>
#include <string>

using namespace portunus;

namespace {

/// A bit at a time, as the standard describes it.
std::uint32_t model(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    return ~crc;
}

} // namespace

TEST_CASE("the CRC-32 of the check string is that of the catalogue, at compile time as well") {
    static_assert(crc32("123456789") == 0xCBF43926);
    const std::string check = "123456789";
    CHECK(crc32(check) == 0xCBF43926);
    CHECK(crc32("") == 0);
    CHECK(crc32("The quick brown fox jumps over the lazy dog") == 0x414FA339);
}

TEST_CASE("any bytes give what a bit at a time gives, in one piece and in two") {
    std::mt19937 random(2);
    for (std::size_t size = 0; size < 300; ++size) {
        std::string bytes(size, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        const std::uint32_t expected = model(bytes);
        REQUIRE(crc32(bytes) == expected);
        const std::string_view view = bytes;
        const std::size_t cut = random() % (size + 1);
        REQUIRE(crc32(view.substr(cut), crc32(view.substr(0, cut))) == expected);
    }
}
