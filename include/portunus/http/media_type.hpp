// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_MEDIA_TYPE_HPP
#define PORTUNUS_HTTP_MEDIA_TYPE_HPP

#include <optional>
#include <string>
#include <string_view>

namespace portunus::http {

/// A media type as in Content-Type (RFC 9110 8.3.1): views into the text that was parsed.
struct media_type {
    std::string_view type{};       ///< "text"
    std::string_view subtype{};    ///< "html"
    std::string_view parameters{}; ///< "; charset=utf-8", checked

    /// Nothing for what is none.
    static std::optional<media_type> parse(std::string_view text) noexcept;

    /// Whether it is this one, "application/json", whatever its parameters and the case of its letters.
    bool is(std::string_view essence) const noexcept;

    /// A parameter's text, without quotes and escapes.
    std::optional<std::string> parameter(std::string_view name) const;
};

/// The content type of a file by the extension of its name, for text with its charset;
/// "application/octet-stream" where nothing is known. Semantics row T-42 and what pages consist of today.
std::string_view content_type_of(std::string_view file_name) noexcept;

/// Whether compressing bytes of that content type is worth it: text, JSON, JavaScript, XML, SVG.
bool is_compressible(std::string_view content_type) noexcept;

/// Whether an Accept-Encoding (of all its fields, joined with commas) lets us answer with this coding: named
/// with a weight above 0, or not named and "*" with one. "gzip" is "x-gzip", too. A value that is malformed
/// accepts nothing. Without the field: `false`, because who wants gzip says so.
bool accepts_encoding(std::string_view accept_encoding, std::string_view coding) noexcept;

} // namespace portunus::http

#include <portunus/http/impl/media_type.hpp>

#endif
