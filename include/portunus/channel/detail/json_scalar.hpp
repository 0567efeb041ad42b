// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_JSON_SCALAR_HPP
#define PORTUNUS_CHANNEL_DETAIL_JSON_SCALAR_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// \file
/// What the library itself says in a message is one string, a truth value, or nothing. This is the one place
/// where these become JSON text and are read from it (RFC 8259), so that the machines of the handshake need
/// no JSON library.

namespace portunus::detail {

enum class json_kind : unsigned char {
    other, ///< a number, an array, an object, or no JSON at all
    null,
    no,
    yes,
    text,
};

struct json_scalar {
    json_kind kind = json_kind::null;
    std::string text{};
};

/// The bytes of one code point of UTF-8 at the beginning of `text`, or 0 where there is none: too long forms,
/// surrogates and what lies beyond U+10FFFF are none (RFC 3629).
constexpr std::size_t utf8_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return i < text.size() && byte(i) >= low && byte(i) <= high;
    };
    if (text.empty()) return 0;
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF)
        return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
    if (first >= 0xF0 && first <= 0xF4)
        return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2) &&
                       follows(3)
                   ? 4
                   : 0;
    return 0;
}

/// Text for people: UTF-8 without control characters (those of Latin 1 included).
constexpr bool is_plain_text(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto first = static_cast<unsigned char>(text[0]);
        if (length == 0 || first < 0x20 || first == 0x7F) return false;
        if (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) return false;
        text.remove_prefix(length);
    }
    return true;
}

inline void append_utf8(std::string& to, std::uint32_t point) {
    const auto tail = [&](unsigned shift) { to += static_cast<char>(0x80U | (point >> shift & 0x3FU)); };
    if (point < 0x80) {
        to += static_cast<char>(point);
    } else if (point < 0x800) {
        to += static_cast<char>(0xC0U | point >> 6);
        tail(0);
    } else if (point < 0x10000) {
        to += static_cast<char>(0xE0U | point >> 12);
        tail(6);
        tail(0);
    } else {
        to += static_cast<char>(0xF0U | point >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
}

/// The string that `json` is, quotes and all; nothing where it is something else.
inline std::optional<std::string> read_json_string(std::string_view json) {
    if (json.size() < 2 || json.front() != '"' || json.back() != '"') return std::nullopt;
    json = json.substr(1, json.size() - 2);
    std::string text;
    text.reserve(json.size());
    const auto hex4 = [&json]() -> std::optional<std::uint32_t> {
        if (json.size() < 6 || json[0] != '\\' || json[1] != 'u') return std::nullopt;
        std::uint32_t value = 0;
        for (const char c : json.substr(2, 4)) {
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) return std::nullopt;
            value = value << 4 | static_cast<std::uint32_t>(digit);
        }
        json.remove_prefix(6);
        return value;
    };
    while (!json.empty()) {
        if (json[0] == '"' || static_cast<unsigned char>(json[0]) < 0x20) return std::nullopt;
        if (json[0] != '\\') {
            const std::size_t length = utf8_length(json);
            if (length == 0) return std::nullopt;
            text.append(json.substr(0, length));
            json.remove_prefix(length);
            continue;
        }
        if (json.size() < 2) return std::nullopt;
        if (json[1] != 'u') {
            constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
            const std::size_t which = names.find(json[1]);
            if (which == std::string_view::npos) return std::nullopt;
            text += meanings[which];
            json.remove_prefix(2);
            continue;
        }
        auto point = hex4();
        if (!point || (*point >= 0xDC00 && *point <= 0xDFFF)) return std::nullopt;
        if (*point >= 0xD800 && *point <= 0xDBFF) {
            const auto low = hex4();
            if (!low || *low < 0xDC00 || *low > 0xDFFF) return std::nullopt;
            point = 0x10000 + ((*point - 0xD800) << 10) + (*low - 0xDC00);
        }
        append_utf8(text, *point);
    }
    return text;
}

inline json_scalar read_json_scalar(std::string_view json) {
    constexpr std::string_view white = " \t\r\n";
    const std::size_t begin = json.find_first_not_of(white);
    if (begin == std::string_view::npos) return {json_kind::other, {}};
    json = json.substr(begin, json.find_last_not_of(white) - begin + 1);
    if (json == "null") return {json_kind::null, {}};
    if (json == "true") return {json_kind::yes, {}};
    if (json == "false") return {json_kind::no, {}};
    if (auto text = read_json_string(json)) return {json_kind::text, *std::move(text)};
    return {json_kind::other, {}};
}

/// The JSON text of a string, which has to be UTF-8.
inline std::string write_json_string(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    std::string json = "\"";
    json.reserve(text.size() + 2);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\')
            json.append("\\").append(1, c);
        else if (byte < 0x20)
            json.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        else
            json += c;
    }
    return json += '"';
}

inline std::string write_json_scalar(const json_scalar& value) {
    switch (value.kind) {
    case json_kind::text:
        return write_json_string(value.text);
    case json_kind::yes:
        return "true";
    case json_kind::no:
        return "false";
    case json_kind::null:
    case json_kind::other:
        break;
    }
    return "null";
}

} // namespace portunus::detail

#endif
