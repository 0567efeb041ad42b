// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_BASE64_HPP
#define PORTUNUS_HTTP_DETAIL_BASE64_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portunus::http::detail {

/// Overwrites a secret, in a way that no compiler takes for superfluous.
inline void wipe(std::string& text) noexcept {
    volatile char* p = text.data();
    for (std::size_t i = 0; i != text.size(); ++i) p[i] = 0;
    text.clear();
}

/// Base64 with its padding (RFC 4648 4), strictly: nothing but its characters, a multiple of four, and no
/// bits behind the last byte.
inline std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding != 2 && text.ends_with('=')) {
        text.remove_suffix(1);
        ++padding;
    }
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 26
                          : is_digit(c)          ? c - '0' + 52
                          : c == '+'             ? 62
                          : c == '/'             ? 63
                                                 : -1;
        if (value < 0) {
            wipe(bytes);
            return std::nullopt;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xff);
        bits &= (1u << count) - 1;
    }
    if (bits != 0) return std::nullopt;
    return bytes;
}

} // namespace portunus::http::detail

#endif
