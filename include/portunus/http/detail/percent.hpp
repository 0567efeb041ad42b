// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_PERCENT_HPP
#define PORTUNUS_HTTP_DETAIL_PERCENT_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <string_view>

namespace portunus::http::detail {

/// What decoding came to: how much was written, or where it went wrong.
struct percent_reading {
    enum class kind { fine, malformed, nul, too_long } what = kind::fine;
    std::size_t size = 0; ///< written; or the place in the input
};

/// Writes the decoded text to [out, out + room). `out` may be where the text itself begins, since it never
/// grows.
inline percent_reading percent_decode_to(std::string_view text, char* out, std::size_t room,
                                         bool plus_is_space, bool allow_nul) noexcept {
    using kind = percent_reading::kind;
    std::size_t size = 0;
    for (std::size_t i = 0; i != text.size(); ++i) {
        const std::size_t at = i;
        char c = text[i];
        if (c == '%') {
            if (text.size() - i < 3) return {kind::malformed, at};
            const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return {kind::malformed, at};
            c = static_cast<char>(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0' && !allow_nul) return {kind::nul, at};
        if (size == room) return {kind::too_long, at};
        out[size++] = c;
    }
    return {kind::fine, size};
}

} // namespace portunus::http::detail

#endif
