// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_JSON_SCALAR_HPP
#define PORTUNUS_CHANNEL_DETAIL_JSON_SCALAR_HPP

#include <portunus/json/detail/utf8.hpp>
#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

/// \file
/// What the library itself says in a message is one string, a truth value, or nothing. This is the one place
/// where these become JSON text and are read from it.

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

/// The bytes of the character that `text` begins with; 0 where that is no UTF-8, or nothing.
inline std::size_t utf8_length(std::string_view text) noexcept {
    if (text.empty()) return 0;
    if (static_cast<unsigned char>(text[0]) < 0x80) return 1;
    return json::detail::utf8_length(text.data(), text.data() + text.size());
}

/// Text for people: UTF-8 without control characters (those of Latin 1 included).
inline bool is_plain_text(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto first = static_cast<unsigned char>(text[0]);
        if (length == 0 || first < 0x20 || first == 0x7F) return false;
        if (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) return false;
        text.remove_prefix(length);
    }
    return true;
}

inline json_scalar read_json_scalar(std::string_view text) {
    constexpr std::string_view white = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(white);
    if (begin == std::string_view::npos) return {json_kind::other, {}};
    text = text.substr(begin, text.find_last_not_of(white) - begin + 1);
    if (text == "null") return {json_kind::null, {}};
    if (text == "true") return {json_kind::yes, {}};
    if (text == "false") return {json_kind::no, {}};
    if (text.front() != '"') return {json_kind::other, {}};
    auto read = json::read<std::string>(text);
    if (!read) return {json_kind::other, {}};
    return {json_kind::text, *std::move(read)};
}

/// The JSON text of a string. Null for what is no UTF-8, which is nothing that this library says.
inline std::string write_json_string(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    if (!json::escape(out, text)) return "null";
    return out;
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
