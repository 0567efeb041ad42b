// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_URL_HPP
#define PORTUNUS_HTTP_IMPL_URL_HPP

#include <portunus/http/url.hpp>

#include <portunus/http/detail/characters.hpp>
#include <portunus/http/detail/host.hpp>
#include <portunus/http/detail/percent.hpp>

#include <algorithm>

namespace portunus::http {

namespace detail {

inline void append_encoded(std::string& out, std::string_view text, std::uint8_t plain, hex_case digits) {
    const char* const hex = digits == hex_case::upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (const char c : text) {
        if (is_of(plain, c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += hex[byte >> 4];
        out += hex[byte & 15];
    }
}

inline error percent_failure(std::string_view text, const percent_reading& read) {
    std::string detail = "byte " + std::to_string(read.size) + " of " + quoted(text);
    detail += read.what == percent_reading::kind::nul ? ": %00 is not allowed"
                                                      : ": '%' without two hexadecimal digits";
    return error(errc::malformed_frame, std::move(detail));
}

inline error url_failure(std::string_view text, std::string_view problem) {
    return error(errc::invalid_address, quoted(text).append(" ").append(problem));
}

inline bool is_http_scheme(std::string_view scheme) noexcept {
    return same_word(scheme, "http") || same_word(scheme, "https") || same_word(scheme, "ws") ||
           same_word(scheme, "wss");
}

/// Characters of paths and queries, each '%' with its two digits.
inline bool is_encoded(std::string_view text) noexcept {
    for (std::size_t i = 0; i != text.size(); ++i) {
        if (is_of(class_path, text[i])) continue;
        // What browsers leave as it is in a query, though RFC 3986 has it encoded.
        if (std::string_view("[]{}|\\^`").find(text[i]) != std::string_view::npos) continue;
        if (text[i] != '%' || text.size() - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
            return false;
        i += 2;
    }
    return true;
}

/// RFC 3986 5.2.4.
inline std::string without_dot_segments(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t next = path.find('/', 1);
        const std::string_view segment = path.substr(0, next); // with the slash before it
        const bool last = next == std::string_view::npos;
        if (segment == "/." || segment == "/..") {
            if (segment == "/..") out.erase(std::min(out.rfind('/'), out.size()));
            if (last) out += '/';
        } else {
            out += segment;
        }
        path.remove_prefix(segment.size());
    }
    return out.empty() ? "/" : out;
}

} // namespace detail

inline std::string percent_encode(std::string_view text, hex_case digits) {
    std::string out;
    detail::append_encoded(out, text, detail::class_unreserved, digits);
    return out;
}

inline result<std::string> percent_decode(std::string_view text, const decode_options& options) {
    std::string out(text.size(), '\0');
    const auto read =
        detail::percent_decode_to(text, out.data(), out.size(), options.plus_is_space, options.allow_nul);
    if (read.what != detail::percent_reading::kind::fine) return detail::percent_failure(text, read);
    out.resize(read.size);
    return out;
}

inline std::string url_view::target() const {
    std::string text(path);
    if (query) text.append("?").append(*query);
    return text;
}

inline result<url_view> parse_url(std::string_view text, const url_options& options) {
    const auto refuse = [text](std::string_view problem) { return detail::url_failure(text, problem); };
    url_view url;
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos) return refuse("is no absolute URL: it has no \"://\"");
    url.scheme = text.substr(0, colon);
    if (!detail::is_http_scheme(url.scheme)) return refuse("has a scheme other than http, https, ws and wss");
    std::string_view rest = text.substr(colon + 3);

    url.authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(url.authority.size());
    if (const std::size_t at = url.authority.rfind('@'); at != std::string_view::npos) {
        if (!options.allow_userinfo) return refuse("contains a user, which is not allowed here");
        url.userinfo = url.authority.substr(0, at);
        url.authority.remove_prefix(at + 1);
        if (url.userinfo.find('@') != std::string_view::npos ||
            url.userinfo.find('/') != std::string_view::npos || !detail::is_encoded(url.userinfo))
            return refuse("has a user that is not percent-encoded");
    }
    const detail::host_reading host = detail::read_host(url.authority);
    if (!host.fine) return refuse("has no valid host, or a port that is not in 1 to 65535");
    url.host = url.authority.substr(0, host.name_size);
    if (url.host.starts_with('[')) {
        url.host = url.host.substr(1, url.host.size() - 2);
        url.is_ipv6 = true;
    }
    if (host.has_port) url.port = host.port;

    if (const std::size_t mark = rest.find('#'); mark != std::string_view::npos) {
        url.fragment = rest.substr(mark + 1);
        rest = rest.substr(0, mark);
    }
    if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
        url.query = rest.substr(mark + 1);
        rest = rest.substr(0, mark);
    }
    url.path = rest.empty() ? std::string_view("/") : rest;
    if (!detail::is_encoded(url.path)) return refuse("has a path that is not percent-encoded");
    if (url.query && !detail::is_encoded(*url.query))
        return refuse("has a query that is not percent-encoded");
    if (url.fragment && !detail::is_encoded(*url.fragment))
        return refuse("has a fragment that is not percent-encoded");
    return url;
}

inline result<std::string> resolve_url(const url_view& base, std::string_view reference) {
    const auto with_base = [&base](std::string_view rest) {
        return std::string(base.scheme).append("://").append(base.authority).append(rest);
    };
    std::string whole;
    const std::size_t scheme_end = reference.find(':');
    const std::size_t first_mark = reference.find_first_of("/?#");
    if (scheme_end != std::string_view::npos && scheme_end < first_mark) {
        whole = reference;
    } else if (reference.starts_with("//")) {
        whole = std::string(base.scheme).append(":").append(reference);
    } else if (reference.starts_with('/')) {
        whole = with_base(reference);
    } else if (reference.empty() || reference.starts_with('#')) {
        whole = with_base(base.target()).append(reference);
    } else if (reference.starts_with('?')) {
        whole = with_base(base.path).append(reference);
    } else {
        whole = with_base(base.path.substr(0, base.path.rfind('/') + 1)).append(reference);
    }
    const auto read = parse_url(whole);
    if (!read) return read.error();
    std::string out(read->scheme);
    out.append("://").append(read->authority).append(detail::without_dot_segments(read->path));
    if (read->query) out.append("?").append(*read->query);
    if (read->fragment) out.append("#").append(*read->fragment);
    return out;
}

inline std::string encode_parameters(const url_parameters& parameters, hex_case digits) {
    std::string out;
    for (const auto& [key, value] : parameters) {
        if (!out.empty()) out += '&';
        detail::append_encoded(out, key, detail::class_unreserved, digits);
        out += '=';
        detail::append_encoded(out, value, detail::class_unreserved, digits);
    }
    return out;
}

inline result<std::string> build_url(const url_parts& parts, hex_case digits) {
    if (!detail::is_http_scheme(parts.scheme))
        return detail::url_failure(parts.scheme, "is no scheme of a URL; allowed: http, https, ws, wss");
    const bool ipv6 = detail::is_ipv6(parts.host);
    if (!ipv6 && !detail::is_host_name(parts.host))
        return detail::url_failure(parts.host, "is neither the name nor the address of a host");
    if (parts.port && *parts.port == 0) return detail::url_failure("0", "is no port; allowed: 1 to 65535");
    if (!parts.path.empty() && !parts.path.starts_with('/'))
        return detail::url_failure(parts.path, "is no path of a URL: it has to begin with '/'");

    std::string out = parts.scheme + "://";
    out.append(ipv6 ? "[" : "").append(parts.host).append(ipv6 ? "]" : "");
    if (parts.port) out.append(":").append(std::to_string(*parts.port));
    if (parts.path.empty()) out += '/';
    for (std::string_view rest = parts.path; !rest.empty();) {
        const std::size_t slash = std::min(rest.find('/'), rest.size());
        detail::append_encoded(out, rest.substr(0, slash), detail::class_unreserved, digits);
        if (slash != rest.size()) out += '/';
        rest.remove_prefix(std::min(slash + 1, rest.size()));
    }
    if (!parts.query.empty()) out.append("?").append(encode_parameters(parts.query, digits));
    if (!parts.fragment.empty()) {
        out += '#';
        detail::append_encoded(out, parts.fragment, detail::class_unreserved, digits);
    }
    return out;
}

inline result<std::string> normalise_path(std::string_view path) {
    const auto refuse = [path](std::string_view problem) {
        return error(errc::malformed_frame, "path " + detail::quoted(path) + " " + std::string(problem));
    };
    if (!path.starts_with('/')) return refuse("does not begin with '/'");
    std::string out = "/";
    bool directory = true; // the last segment was empty, "." or ".."
    while (!path.empty()) {
        path.remove_prefix(1); // its slash
        const std::string_view raw = path.substr(0, path.find('/'));
        path.remove_prefix(raw.size());
        auto segment = percent_decode(raw);
        if (!segment) return segment.error();
        if (segment->find('/') != std::string::npos) return refuse("contains an encoded slash");
        directory = segment->empty() || *segment == "." || *segment == "..";
        if (*segment == "..") {
            if (out.size() == 1) return refuse("leads out of the root");
            out.resize(out.rfind('/', out.size() - 2) + 1);
        } else if (!directory) {
            out.append(*segment).append("/");
        }
    }
    if (!directory) out.pop_back();
    return out;
}

inline query_pairs::iterator& query_pairs::iterator::operator++() noexcept {
    while (!rest_.empty()) {
        const std::string_view piece = rest_.substr(0, rest_.find('&'));
        rest_.remove_prefix(std::min(piece.size() + 1, rest_.size()));
        if (piece.empty()) continue;
        const std::size_t equals = piece.find('=');
        pair_.has_value = equals != std::string_view::npos;
        pair_.raw_key = piece.substr(0, equals);
        pair_.raw_value = pair_.has_value ? piece.substr(equals + 1) : std::string_view();
        return *this;
    }
    more_ = false;
    return *this;
}

} // namespace portunus::http

#endif
