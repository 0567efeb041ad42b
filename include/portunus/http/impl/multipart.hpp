// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_MULTIPART_HPP
#define PORTUNUS_HTTP_IMPL_MULTIPART_HPP

#include <portunus/http/multipart.hpp>

#include <portunus/framing/detail/scan.hpp>
#include <portunus/http/detail/characters.hpp>
#include <portunus/http/detail/parameters.hpp>
#include <portunus/http/media_type.hpp>

#include <algorithm>
#include <utility>

namespace portunus::http {

inline std::string unescaped(std::string_view raw) {
    return detail::unquoted(raw);
}

inline std::string_view safe_file_name(std::string_view name) noexcept {
    const std::size_t slash = name.find_last_of("/\\");
    if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
    if (name == "." || name == "..") return {};
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return {};
    return name;
}

inline multipart_parser::multipart_parser(std::string_view boundary, const multipart_limits& limits)
    : multipart_parser(open(boundary, limits).value()) {}

inline result<multipart_parser> multipart_parser::open(std::string_view boundary,
                                                       const multipart_limits& limits) {
    if (boundary.empty() || boundary.size() > 70 || boundary.back() == ' ' ||
        !detail::all_of(detail::class_boundary, boundary))
        return error(errc::malformed_frame,
                     detail::quoted(boundary) +
                         " is no boundary of a multipart body: 1 to 70 of the characters of "
                         "RFC 2046, no blank at the end");
    return multipart_parser(unchecked{}, boundary, limits);
}

inline result<multipart_parser> multipart_parser::from_content_type(std::string_view content_type,
                                                                    const multipart_limits& limits) {
    const auto type = media_type::parse(content_type);
    const auto boundary =
        type && type->is("multipart/form-data") ? type->parameter("boundary") : std::nullopt;
    if (!boundary)
        return error(errc::malformed_frame, "content type " + detail::quoted(content_type) +
                                                " is not multipart/form-data with a boundary");
    return open(*boundary, limits);
}

inline multipart_step multipart_parser::step(multipart_step::kind what, std::size_t consumed) noexcept {
    position_ += consumed;
    return {what, consumed, {}, {}};
}

inline multipart_step multipart_parser::refuse(std::uint64_t at, refusal kind,
                                               std::uint64_t number) noexcept {
    why_ = {kind, 0, at, number};
    state_ = state::failed;
    return {multipart_step::kind::refused, 0, {}, {}};
}

inline std::size_t multipart_parser::find_delimiter(std::string_view bytes, bool& whole) const noexcept {
    const char* const begin = bytes.data();
    const char* const end = begin + bytes.size();
    if (bytes.size() >= delimiter_.size()) {
        const char* const found = portunus::detail::find_pattern(begin, begin, end, delimiter_);
        whole = found != end;
        if (whole) return static_cast<std::size_t>(found - begin);
    }
    whole = false;
    const std::size_t tail = std::min(bytes.size(), delimiter_.size() - 1);
    for (std::size_t at = bytes.size() - tail; at != bytes.size(); ++at)
        if (std::string_view(delimiter_).starts_with(bytes.substr(at))) return at;
    return bytes.size();
}

inline multipart_step multipart_parser::read_preamble(std::string_view bytes) {
    using kind = multipart_step::kind;
    if (state_ == state::begin) {
        const std::string_view first = std::string_view(delimiter_).substr(2);
        if (bytes.size() < first.size() && first.starts_with(bytes)) return step(kind::more, 0);
        if (bytes.starts_with(first)) {
            state_ = state::boundary;
            return step(kind::more, first.size());
        }
        state_ = state::preamble;
    }
    bool whole = false;
    const std::size_t at = find_delimiter(bytes, whole);
    if (position_ + at > limits_.max_part_head)
        return refuse(limits_.max_part_head, refusal::preamble_too_large, limits_.max_part_head);
    if (whole) state_ = state::boundary;
    return step(kind::more, whole ? at + delimiter_.size() : at);
}

/// Byte by byte: "--", or blanks and CR LF.
inline multipart_step multipart_parser::after_boundary(std::string_view bytes) {
    using kind = multipart_step::kind;
    for (std::size_t i = 0; i != bytes.size(); ++i) {
        const char c = bytes[i];
        bool fits = true;
        if (state_ == state::boundary) {
            padding_ = 0;
            state_ = c == '-' ? state::dash : state::padding;
        } else if (state_ == state::dash) {
            fits = c == '-';
            if (fits) state_ = state::done;
        }
        if (state_ == state::padding && c == '\r') {
            state_ = state::line_end;
        } else if (state_ == state::padding) {
            fits = detail::is_blank(c) && ++padding_ <= max_padding;
        } else if (state_ == state::line_end) {
            fits = c == '\n';
            state_ = state::head;
        }
        if (!fits) return refuse(position_ + i, refusal::malformed_multipart, static_cast<unsigned char>(c));
        if (state_ == state::done) return step(kind::end, i + 1);
        if (state_ == state::head) {
            if (parts_ == limits_.max_parts)
                return refuse(position_ + i + 1, refusal::too_many_parts, limits_.max_parts);
            searched_ = 0;
            return step(kind::more, i + 1);
        }
    }
    return step(kind::more, bytes.size());
}

inline bool multipart_parser::read_fields(std::string_view head, multipart_part& part) const {
    bool disposition = false;
    while (!head.empty()) {
        const std::size_t end = head.find("\r\n");
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + 2);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !detail::is_token(line.substr(0, colon)) ||
            !detail::all_of(detail::class_value, line))
            return false;
        const std::string_view value = detail::trimmed(line.substr(colon + 1));
        if (detail::same_word(line.substr(0, colon), "content-type")) part.content_type = value;
        if (!detail::same_word(line.substr(0, colon), "content-disposition")) continue;
        const std::size_t semicolon = value.find(';');
        if (disposition || semicolon == std::string_view::npos ||
            !detail::same_word(detail::trimmed(value.substr(0, semicolon)), "form-data"))
            return false;
        bool named = false;
        detail::parameter_reader reader(value.substr(semicolon));
        while (reader.next()) {
            if (detail::same_word(reader.name, "name")) {
                if (named) return false;
                named = true;
                part.name = reader.raw;
            } else if (detail::same_word(reader.name, "filename")) {
                if (part.file_name) return false;
                part.file_name = reader.raw;
            }
        }
        if (reader.malformed() || !named) return false;
        disposition = true;
    }
    return disposition;
}

inline multipart_step multipart_parser::read_head(std::string_view bytes) {
    using kind = multipart_step::kind;
    const std::size_t limit = limits_.max_part_head;
    const std::size_t end = bytes.substr(0, limit).find("\r\n\r\n", searched_);
    const bool without = bytes.starts_with("\r\n");
    if (end == std::string_view::npos && !without) {
        if (bytes.size() >= limit) return refuse(position_ + limit, refusal::part_head_too_large, limit);
        searched_ = bytes.size() < 3 ? 0 : bytes.size() - 3;
        return step(kind::more, 0);
    }
    multipart_part part;
    if (without || !read_fields(bytes.substr(0, end + 2), part))
        return refuse(position_, refusal::malformed_part_head);
    ++parts_;
    part_size_ = 0;
    state_ = state::content;
    multipart_step s = step(kind::part, end + 4);
    s.part = part;
    return s;
}

inline multipart_step multipart_parser::read_content(std::string_view bytes) {
    using kind = multipart_step::kind;
    bool whole = false;
    const std::size_t size = find_delimiter(bytes, whole);
    if (size == 0) {
        if (!whole) return step(kind::more, 0);
        state_ = state::boundary;
        return step(kind::part_end, delimiter_.size());
    }
    // Up to a limit everything is handed out, so that what the caller got does not depend on how the bytes
    // came.
    const std::uint64_t part_left = limits_.max_part - part_size_, total_left = limits_.max_total - total_;
    const std::uint64_t fits = std::min<std::uint64_t>({size, part_left, total_left});
    if (fits == 0) {
        if (part_left == 0) return refuse(position_, refusal::part_too_large, limits_.max_part);
        return refuse(position_, refusal::form_too_large, limits_.max_total);
    }
    part_size_ += fits;
    total_ += fits;
    multipart_step s = step(kind::data, static_cast<std::size_t>(fits));
    s.data = bytes.substr(0, s.consumed);
    return s;
}

inline multipart_step multipart_parser::next(std::string_view bytes) {
    using kind = multipart_step::kind;
    std::size_t before = 0; // consumed by what gives the caller nothing to see
    for (;;) {
        multipart_step s;
        switch (state_) {
        case state::begin:
        case state::preamble:
            s = read_preamble(bytes);
            break;
        case state::boundary:
        case state::dash:
        case state::padding:
        case state::line_end:
            s = after_boundary(bytes);
            break;
        case state::head:
            s = read_head(bytes);
            break;
        case state::content:
            s = read_content(bytes);
            break;
        case state::done:
            return {kind::end, before + bytes.size(), {}, {}};
        case state::failed:
            return {kind::refused, before, {}, {}};
        }
        before += s.consumed;
        if (s.what != kind::more || s.consumed == 0) {
            s.consumed = before;
            return s;
        }
        bytes.remove_prefix(s.consumed);
    }
}

} // namespace portunus::http

#endif
