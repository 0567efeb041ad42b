// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_DETAIL_LENGTH_FIELD_HPP
#define PORTUNUS_FRAMING_DETAIL_LENGTH_FIELD_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// \file
/// Unsigned numbers of 1 to 8 bytes in either byte order, at any address.

namespace portunus::detail {

/// The largest number that `width` bytes hold.
constexpr std::uint64_t largest_of_width(unsigned width) noexcept {
    return ~std::uint64_t{0} >> (64 - 8 * width);
}

/// Compilers make one instruction of it.
constexpr std::uint64_t bytes_reversed(std::uint64_t n) noexcept {
    n = (n & 0x00FF00FF00FF00FFu) << 8 | (n >> 8 & 0x00FF00FF00FF00FFu);
    n = (n & 0x0000FFFF0000FFFFu) << 16 | (n >> 16 & 0x0000FFFF0000FFFFu);
    return n << 32 | n >> 32;
}

/// \param there how many bytes may be read from `field` on, at least `width`. With eight or more, which is
/// the rule in a buffer full of frames, one load does it.
inline std::uint64_t load_length(const char* field, std::size_t there, unsigned width,
                                 std::endian order) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
        if (there >= 8) {
            std::uint64_t word;
            std::memcpy(&word, field, sizeof word);
            const unsigned unused = 64 - 8 * width;
            return order == std::endian::big ? bytes_reversed(word) >> unused : word << unused >> unused;
        }
    }
    std::uint64_t value = 0;
    for (unsigned i = 0; i != width; ++i)
        value = value << 8 | static_cast<unsigned char>(field[order == std::endian::big ? i : width - 1 - i]);
    return value;
}

inline void store_length(char* field, std::uint64_t value, unsigned width, std::endian order) noexcept {
    // The usual widths as one store.
    const std::uint64_t ordered =
        order == std::endian::native ? value : bytes_reversed(value) >> (64 - 8 * width);
    if constexpr (std::endian::native == std::endian::little) {
        switch (width) {
        case 1:
            std::memcpy(field, &ordered, 1);
            return;
        case 2:
            std::memcpy(field, &ordered, 2);
            return;
        case 4:
            std::memcpy(field, &ordered, 4);
            return;
        case 8:
            std::memcpy(field, &ordered, 8);
            return;
        }
    }
    for (unsigned i = 0; i != width; ++i, value >>= 8)
        field[order == std::endian::big ? width - 1 - i : i] =
            static_cast<char>(static_cast<unsigned char>(value));
}

} // namespace portunus::detail

#endif
