// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_DETAIL_UTF8_HPP
#define PORTUNUS_JSON_DETAIL_UTF8_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace portunus::json::detail {

/// The bytes of the character that begins at `p`, which is not ASCII; 0 when it is no UTF-8 (overlong, a
/// surrogate, beyond U+10FFFF, cut off). Unicode 15, table 3-7.
inline std::size_t utf8_length(const char* p, const char* end) noexcept {
    const auto byte = [p](std::size_t i) { return static_cast<unsigned char>(p[i]); };
    const auto between = [&](std::size_t i, unsigned low, unsigned high) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned lead = byte(0);
    const std::size_t left = static_cast<std::size_t>(end - p);
    if (lead < 0xC2 || lead > 0xF4) return 0;
    if (lead < 0xE0) return left >= 2 && between(1, 0x80, 0xBF) ? 2 : 0;
    if (lead < 0xF0)
        return left >= 3 && between(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) &&
                       between(2, 0x80, 0xBF)
                   ? 3
                   : 0;
    return left >= 4 && between(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) &&
                   between(2, 0x80, 0xBF) && between(3, 0x80, 0xBF)
               ? 4
               : 0;
}

/// Appends a code point that is no surrogate.
inline void append_utf8(std::string& out, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (point < 0x80) return put(point);
    if (point < 0x800) {
        put(0xC0 | point >> 6);
    } else {
        if (point < 0x10000) {
            put(0xE0 | point >> 12);
        } else {
            put(0xF0 | point >> 18);
            put(0x80 | (point >> 12 & 0x3F));
        }
        put(0x80 | (point >> 6 & 0x3F));
    }
    put(0x80 | (point & 0x3F));
}

/// The first byte from `p` on that is more than itself inside of a JSON string: a quote, a backslash, a
/// control character, or a byte that is not ASCII. `end` when there is none.
inline const char* plain_end(const char* p, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    if constexpr (std::endian::native == std::endian::little) {
        // Eight bytes at a time. A borrow can mark a byte that is none, but only above one that is; the
        // lowest is right.
        while (end - p >= 8) {
            std::uint64_t w;
            std::memcpy(&w, p, 8);
            const std::uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');
            const std::uint64_t found =
                (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | (w - ones * 0x20) | w) &
                tops;
            if (found != 0) return p + std::countr_zero(found) / 8;
            p += 8;
        }
    }
    while (p != end) {
        const auto c = static_cast<unsigned char>(*p);
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
        ++p;
    }
    return p;
}

} // namespace portunus::json::detail

#endif
