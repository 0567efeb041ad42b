// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_HOST_HPP
#define PORTUNUS_HTTP_DETAIL_HOST_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus::http::detail {

/// The most bytes that a host name may have: those of DNS.
inline constexpr std::size_t max_host_name = 255;

/// A host with its optional port, "name:port", as in Host and in URLs (RFC 9110 7.2, RFC 3986 3.2.2).
struct host_reading {
    bool fine = false;
    std::uint32_t name_size = 0; ///< an IPv6 address with its brackets
    bool has_port = false;       ///< false for "name:" too, which means the scheme's own
    std::uint16_t port = 0;
};

/// Four numbers of 0 to 255 without leading zeros.
constexpr bool is_ipv4(std::string_view text) noexcept {
    std::size_t at = 0;
    for (int part = 0; part != 4; ++part) {
        if (part != 0 && (at == text.size() || text[at++] != '.')) return false;
        const std::size_t from = at;
        unsigned value = 0;
        while (at != text.size() && is_digit(text[at]) && at - from != 4)
            value = value * 10 + static_cast<unsigned>(text[at++] - '0');
        const std::size_t size = at - from;
        if (size == 0 || size > 3 || value > 255 || (size > 1 && text[from] == '0')) return false;
    }
    return at == text.size();
}

/// Without brackets and without a zone, which has no meaning on another machine.
constexpr bool is_ipv6(std::string_view text) noexcept {
    std::size_t groups = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
        if (text.empty()) return true;
    }
    for (;;) {
        std::size_t size = 0;
        while (size != text.size() && hex_value(text[size]) >= 0) ++size;
        if (size != text.size() && text[size] == '.') {
            groups += 2;
            return is_ipv4(text) && (gap ? groups < 8 : groups == 8);
        }
        if (size == 0 || size > 4) return false;
        ++groups;
        text.remove_prefix(size);
        if (text.empty()) return gap ? groups < 8 : groups == 8;
        if (text.front() != ':' || groups == 8) return false;
        text.remove_prefix(1);
        if (text.starts_with(':')) {
            if (gap) return false;
            gap = true;
            text.remove_prefix(1);
            if (text.empty()) return groups < 8;
        }
        if (text.empty()) return false;
    }
}

/// A name (which an IPv4 address is, too): not empty, its percent-encoding well-formed.
constexpr bool is_host_name(std::string_view text) noexcept {
    if (text.empty() || text.size() > max_host_name) return false;
    for (std::size_t i = 0; i != text.size(); ++i) {
        if (is_of(class_name, text[i])) continue;
        if (text[i] != '%' || text.size() - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
            return false;
        i += 2;
    }
    return true;
}

/// One to five digits; 0 for what is no port.
constexpr std::uint16_t read_port(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5) return 0;
    unsigned port = 0;
    for (const char c : text) {
        if (!is_digit(c)) return 0;
        port = port * 10 + static_cast<unsigned>(c - '0');
    }
    return port <= 65535 ? static_cast<std::uint16_t>(port) : std::uint16_t(0);
}

constexpr host_reading read_host(std::string_view text) noexcept {
    host_reading read;
    std::size_t name = 0;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return read;
        name = close + 1;
    } else {
        name = text.find(':');
        if (name == std::string_view::npos) name = text.size();
        if (!is_host_name(text.substr(0, name))) return read;
    }
    read.name_size = static_cast<std::uint32_t>(name);
    const std::string_view rest = text.substr(name);
    if (rest.size() > 1) {
        if (rest.front() != ':' || (read.port = read_port(rest.substr(1))) == 0) return read;
        read.has_port = true;
    } else if (!rest.empty() && rest.front() != ':') {
        return read;
    }
    read.fine = true;
    return read;
}

} // namespace portunus::http::detail

#endif
