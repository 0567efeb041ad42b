// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_ETAG_HPP
#define PORTUNUS_HTTP_ETAG_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace portunus::http {

/// An entity tag (RFC 9110 8.8.3): `"abc"`, or `W/"abc"` for a weak one. A view into the text that was
/// parsed.
struct entity_tag {
    std::string_view opaque{}; ///< with its quotes
    bool weak = false;

    /// Nothing for what is none.
    static std::optional<entity_tag> parse(std::string_view text) noexcept {
        entity_tag tag;
        tag.weak = text.starts_with("W/");
        tag.opaque = tag.weak ? text.substr(2) : text;
        if (tag.opaque.size() < 2 || tag.opaque.front() != '"' || tag.opaque.back() != '"')
            return std::nullopt;
        for (const char c : tag.opaque.substr(1, tag.opaque.size() - 2))
            if (c == '"' || detail::is_blank(c) || !detail::is_of(detail::class_value, c))
                return std::nullopt;
        return tag;
    }
};

namespace detail {

/// Whether a list of tags, or "*", contains this one. A backslash in a tag escapes nothing, so the list is
/// cut at the commas that stand behind a closing quote.
inline bool etag_list_contains(std::string_view list, const entity_tag& tag, bool weak_counts) noexcept {
    list = trimmed(list);
    if (list == "*") return true;
    while (!list.empty()) {
        const std::size_t open = list.find('"');
        if (open == std::string_view::npos) return false;
        const std::size_t close = list.find('"', open + 1);
        if (close == std::string_view::npos) return false;
        const auto one = entity_tag::parse(trimmed(list.substr(0, close + 1)));
        if (!one) return false;
        if (one->opaque == tag.opaque && (weak_counts || (!one->weak && !tag.weak))) return true;
        list = trimmed(list.substr(close + 1));
        if (list.empty()) return false;
        if (list.front() != ',') return false;
        list = trimmed(list.substr(1));
    }
    return false;
}

} // namespace detail

/// If-None-Match (RFC 9110 13.1.2): true when the representation with this tag is among those that the client
/// has, so that GET is answered with 304. Weak tags count. "*" matches every representation that exists.
inline bool if_none_match_hits(std::string_view field, const entity_tag& current) noexcept {
    return detail::etag_list_contains(field, current, true);
}

/// If-Match (RFC 9110 13.1.1): false when the request must not be carried out: 412. Weak tags never match.
inline bool if_match_holds(std::string_view field, const entity_tag& current) noexcept {
    return detail::etag_list_contains(field, current, false);
}

} // namespace portunus::http

#endif
