// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_MEDIA_TYPE_HPP
#define PORTUNUS_HTTP_IMPL_MEDIA_TYPE_HPP

#include <portunus/http/media_type.hpp>

#include <portunus/http/detail/characters.hpp>
#include <portunus/http/detail/parameters.hpp>
#include <portunus/http/list_elements.hpp>

#include <cstddef>

namespace portunus::http {

inline std::optional<media_type> media_type::parse(std::string_view text) noexcept {
    text = detail::trimmed(text);
    const std::size_t semicolon = text.find(';');
    const std::string_view essence = detail::trimmed(text.substr(0, semicolon));
    const std::size_t slash = essence.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    media_type m;
    m.type = essence.substr(0, slash);
    m.subtype = essence.substr(slash + 1);
    if (!detail::is_token(m.type) || !detail::is_token(m.subtype)) return std::nullopt;
    if (semicolon != std::string_view::npos) m.parameters = text.substr(semicolon);
    detail::parameter_reader reader(m.parameters);
    while (reader.next()) {
    }
    if (reader.malformed()) return std::nullopt;
    return m;
}

inline bool media_type::is(std::string_view essence) const noexcept {
    const std::size_t slash = essence.find('/');
    return slash != std::string_view::npos && detail::same_word(type, essence.substr(0, slash)) &&
           detail::same_word(subtype, essence.substr(slash + 1));
}

inline std::optional<std::string> media_type::parameter(std::string_view name) const {
    detail::parameter_reader reader(parameters);
    while (reader.next())
        if (detail::same_word(reader.name, name))
            return reader.quoted ? detail::unquoted(reader.raw) : std::string(reader.raw);
    return std::nullopt;
}

inline std::string_view content_type_of(std::string_view file_name) noexcept {
    struct row {
        std::string_view extension, type;
    };
    static constexpr row rows[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"ics", "text/calendar; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"webmanifest", "application/manifest+json"},
        {"xml", "application/xml"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"tar", "application/x-tar"},
        {"wasm", "application/wasm"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"bmp", "image/bmp"},
        {"ico", "image/x-icon"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"mp3", "audio/mpeg"},
        {"ogg", "audio/ogg"},
        {"wav", "audio/wav"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
    };
    const std::size_t slash = file_name.rfind('/');
    if (slash != std::string_view::npos) file_name.remove_prefix(slash + 1);
    const std::size_t dot = file_name.rfind('.');
    if (dot != std::string_view::npos && dot != 0)
        for (const row& r : rows)
            if (detail::same_word(r.extension, file_name.substr(dot + 1))) return r.type;
    return "application/octet-stream";
}

inline bool is_compressible(std::string_view content_type) noexcept {
    const auto m = media_type::parse(content_type);
    if (!m) return false;
    const auto ends_with = [&](std::string_view end) {
        return m->subtype.size() >= end.size() &&
               detail::same_word(m->subtype.substr(m->subtype.size() - end.size()), end);
    };
    if (m->is("text/event-stream")) return false; // every event has to leave at once
    return detail::same_word(m->type, "text") || m->is("application/json") || m->is("application/xml") ||
           m->is("application/javascript") || m->is("application/wasm") || m->is("image/bmp") ||
           m->is("image/x-icon") || ends_with("+json") || ends_with("+xml");
}

namespace detail {

/// A weight (RFC 9110 12.4.2) in thousandths, or -1.
inline int read_weight(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
    if (text.size() > 1 && text[1] != '.') return -1;
    int weight = (text[0] - '0') * 1000, unit = 100;
    for (std::size_t i = 2; i < text.size(); ++i, unit /= 10) {
        if (!is_digit(text[i])) return -1;
        weight += (text[i] - '0') * unit;
    }
    return weight <= 1000 ? weight : -1;
}

} // namespace detail

inline bool accepts_encoding(std::string_view accept_encoding, std::string_view coding) noexcept {
    int named = -1, any = -1;
    for (const std::string_view element : list_elements(accept_encoding)) {
        const std::size_t semicolon = element.find(';');
        std::string_view name = detail::trimmed(element.substr(0, semicolon));
        if (!detail::is_token(name)) return false;
        int weight = 1000;
        detail::parameter_reader reader(semicolon == std::string_view::npos ? std::string_view()
                                                                            : element.substr(semicolon));
        while (reader.next())
            if (detail::same_word(reader.name, "q")) weight = detail::read_weight(reader.raw);
        if (reader.malformed() || weight < 0) return false;
        if (detail::same_word(name, "x-gzip")) name = "gzip";
        if (name == "*")
            any = weight;
        else if (detail::same_word(name, coding))
            named = weight;
    }
    return named >= 0 ? named > 0 : any > 0;
}

} // namespace portunus::http

#endif
