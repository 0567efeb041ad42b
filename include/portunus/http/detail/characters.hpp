// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_CHARACTERS_HPP
#define PORTUNUS_HTTP_DETAIL_CHARACTERS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// \file
/// Which byte may stand where (RFC 9110 5.5 and 5.6, RFC 3986 2), as one table.

namespace portunus::http::detail {

enum : std::uint8_t {
    class_token = 1,       ///< of a method, a field name, a list's token
    class_target = 2,      ///< of a request target: visible ASCII but '#', which starts a fragment
    class_value = 4,       ///< of a field value: visible ASCII, space, tab, and 0x80 to 0xff
    class_name = 8,        ///< of a registered name in a URL, '%' excluded
    class_unreserved = 16, ///< never percent-encoded
    class_path = 32,       ///< of a path or a query, '%' excluded
    class_boundary = 64,   ///< of a multipart boundary
};

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

constexpr std::array<std::uint8_t, 256> classify() noexcept {
    std::array<std::uint8_t, 256> table{};
    const auto among = [](std::string_view set, char c) { return set.find(c) != std::string_view::npos; };
    for (unsigned i = 0; i != 256; ++i) {
        const char c = static_cast<char>(i);
        const bool word = is_digit(c) || is_alpha(c);
        const bool visible = i > 0x20 && i < 0x7f;
        unsigned classes = 0;
        if (word || (i != 0 && among("!#$%&'*+-.^_`|~", c))) classes |= class_token;
        if (visible && c != '#') classes |= class_target;
        if (visible || is_blank(c) || i >= 0x80) classes |= class_value;
        if (word || (i != 0 && among("-._~", c))) classes |= class_unreserved;
        if (word || (i != 0 && among("-._~!$&'()*+,;=", c))) classes |= class_name;
        if (word || (i != 0 && among("-._~!$&'()*+,;=:@/?", c))) classes |= class_path;
        if (word || (i != 0 && among("'()+_,-./:=? ", c))) classes |= class_boundary;
        table[i] = static_cast<std::uint8_t>(classes);
    }
    return table;
}

inline constexpr std::array<std::uint8_t, 256> character_classes = classify();

constexpr bool is_of(std::uint8_t classes, char c) noexcept {
    return (character_classes[static_cast<unsigned char>(c)] & classes) != 0;
}
constexpr bool all_of(std::uint8_t classes, std::string_view text) noexcept {
    for (const char c : text)
        if (!is_of(classes, c)) return false;
    return true;
}
/// A token: not empty.
constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && all_of(class_token, text);
}

/// 0 to 15, or -1.
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
/// Equal without regard to the case of ASCII letters.
constexpr bool same_word(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i != a.size(); ++i)
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
    return true;
}

constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// What reading a decimal number came to.
enum class number_reading : std::uint8_t { fine, malformed, overflow };

/// Digits and nothing else; `most` is the largest value that is fine.
constexpr number_reading read_number(std::string_view text, std::uint64_t most,
                                     std::uint64_t& value) noexcept {
    if (text.empty()) return number_reading::malformed;
    std::uint64_t sum = 0;
    bool over = false;
    if (text.size() < 19) { // cannot overflow
        for (const char c : text) {
            if (!is_digit(c)) return number_reading::malformed;
            sum = sum * 10 + static_cast<unsigned>(c - '0');
        }
        if (sum > most) return number_reading::overflow;
        value = sum;
        return number_reading::fine;
    }
    for (const char c : text) {
        if (!is_digit(c)) return number_reading::malformed;
        const unsigned digit = static_cast<unsigned>(c - '0');
        if (sum > (most - digit) / 10 || digit > most) over = true;
        if (!over) sum = sum * 10 + digit;
    }
    if (over) return number_reading::overflow;
    value = sum;
    return number_reading::fine;
}

/// The text in double quotes, cut at 80 bytes and with its control characters spelled out: fit for a log.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t most = 80;
    constexpr char hex[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        } else {
            out += c;
        }
    }
    out += text.size() > most ? "...\"" : "\"";
    return out;
}

} // namespace portunus::http::detail

#endif
