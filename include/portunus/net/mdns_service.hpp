// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_MDNS_SERVICE_HPP
#define PORTUNUS_NET_MDNS_SERVICE_HPP

#include <portunus/core/result.hpp>
#include <portunus/net/detail/dns_name.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {

/// Something that is offered on the link, as DNS-SD describes it (RFC 6763).
struct mdns_service {
    /// What a person calls it, "Study": up to 63 bytes of UTF-8, dots and blanks included. Empty: the name of
    /// the host.
    std::string name{};
    /// What is spoken there, "_portunus._tcp": up to 15 letters, digits and hyphens behind the underscore.
    std::string type{};
    std::uint16_t port{0}; ///< where it listens, 1 to 65535
    /// Keys and values that a client wants to know before it connects (TXT). A key is printable ASCII without
    /// "=", better at most 9 bytes; with its value at most 254, all together at most 1300.
    std::vector<std::pair<std::string, std::string>> text{};

    friend bool operator==(const mdns_service&, const mdns_service&) = default;
};

namespace detail {

/// "_portunus._tcp" -> _portunus._tcp.local; `errc::invalid_name`.
result<dns::name> service_type(std::string_view type);
/// The strings of a TXT record; `errc::invalid_option`.
result<std::string> encode_text(const std::vector<std::pair<std::string, std::string>>& text);
/// One of its strings. False where it has no key, which is to be ignored (RFC 6763 6.4).
bool decode_text(std::string_view string, std::pair<std::string, std::string>& to);

inline result<dns::name> service_type(std::string_view type) {
    const auto refuse = [type](const char* why) {
        return error(errc::invalid_name, "service type \"" + std::string(type.substr(0, 100)) + "\": " + why);
    };
    const std::size_t dot = type.find('.');
    const std::string_view service = type.substr(0, dot);
    const std::string_view protocol = dot == type.npos ? std::string_view() : type.substr(dot + 1);
    if (protocol != "_tcp" && protocol != "_udp")
        return refuse("it has to end with ._tcp or ._udp, as \"_portunus._tcp\"");
    if (service.size() < 2 || service.size() > 16 || service[0] != '_')
        return refuse("an underscore and 1 to 15 characters have to stand before the dot");
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    };
    if (!std::all_of(service.begin() + 1, service.end(), fits))
        return refuse("letters, digits and hyphens are possible (RFC 6335 5.1)");
    dns::name whole;
    for (const std::string_view label : {service, protocol, std::string_view("local")})
        (void)whole.append(label);
    return whole;
}

inline result<std::string> encode_text(const std::vector<std::pair<std::string, std::string>>& text) {
    std::string bytes;
    for (const auto& [key, value] : text) {
        const auto fits = [](char c) { return c >= ' ' && c <= '~' && c != '='; };
        if (key.empty() || !std::all_of(key.begin(), key.end(), fits))
            return error(errc::invalid_option,
                         "text key \"" + key + "\": printable ASCII without \"=\" is possible");
        const std::size_t size = key.size() + 1 + value.size();
        if (size > 255)
            return error(errc::invalid_option, "text key \"" + key + "\" has with its value " +
                                                   std::to_string(size - 1) + " bytes, more than 254");
        bytes += static_cast<char>(size);
        bytes.append(key).append("=").append(value);
    }
    if (bytes.size() > 1300)
        return error(errc::invalid_option,
                     "the text takes " + std::to_string(bytes.size()) + " bytes, more than 1300");
    return bytes;
}

inline bool decode_text(std::string_view string, std::pair<std::string, std::string>& to) {
    const std::size_t equals = string.find('=');
    if (equals == 0 || string.empty()) return false;
    to.first = std::string(string.substr(0, equals));
    to.second = equals == string.npos ? std::string() : std::string(string.substr(equals + 1));
    return true;
}

} // namespace detail
} // namespace portunus

#endif
