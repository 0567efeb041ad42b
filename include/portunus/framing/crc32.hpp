// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_CRC32_HPP
#define PORTUNUS_FRAMING_CRC32_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace portunus {
namespace detail {

/// Table k gives what a byte does to the checksum k bytes later, so that eight bytes can be looked up side by
/// side.
inline constexpr auto crc32_tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t byte = 0; byte < 256; ++byte)
            tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 0xFF];
    return tables;
}();

} // namespace detail

/// The CRC-32 of zlib, Ethernet and PNG (ISO 3309: reflected, polynomial 0x04C11DB7, both ends inverted). Of
/// pieces: `crc32(second, crc32(first))`.
constexpr std::uint32_t crc32(std::string_view bytes, std::uint32_t before = 0) noexcept {
    const auto& t = detail::crc32_tables;
    std::uint32_t crc = ~before;
    const char* p = bytes.data();
    std::size_t left = bytes.size();
    if (!std::is_constant_evaluated() && std::endian::native == std::endian::little) {
        for (; left >= 8; left -= 8, p += 8) {
            std::uint32_t low = 0, high = 0;
            std::memcpy(&low, p, 4);
            std::memcpy(&high, p + 4, 4);
            low ^= crc;
            crc = t[7][low & 0xFF] ^ t[6][low >> 8 & 0xFF] ^ t[5][low >> 16 & 0xFF] ^ t[4][low >> 24] ^
                  t[3][high & 0xFF] ^ t[2][high >> 8 & 0xFF] ^ t[1][high >> 16 & 0xFF] ^ t[0][high >> 24];
        }
    }
    for (; left != 0; --left, ++p) crc = crc >> 8 ^ t[0][(crc ^ static_cast<unsigned char>(*p)) & 0xFF];
    return ~crc;
}

} // namespace portunus

#endif
