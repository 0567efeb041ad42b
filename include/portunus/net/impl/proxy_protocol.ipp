// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_PROXY_PROTOCOL_IPP
#define PORTUNUS_NET_IMPL_PROXY_PROTOCOL_IPP

#include <portunus/net/proxy_protocol.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

namespace portunus {
namespace detail {

inline constexpr std::string_view proxy_signature("\r\n\r\n\0\r\nQUIT\n", 12);
inline constexpr std::string_view proxy_word = "PROXY ";

inline error proxy_refused(const char* why) {
    return error(errc::malformed_frame, std::string("PROXY header: ") + why);
}

/// CRC-32C (Castagnoli; RFC 3720 B.4), continued from `crc`, which begins as all ones and is inverted at the
/// end.
inline std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes) noexcept {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> t{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? c >> 1 ^ 0x82f63b78U : c >> 1;
            t[i] = c;
        }
        return t;
    }();
    for (const char b : bytes) crc = table[(crc ^ static_cast<std::uint8_t>(b)) & 0xff] ^ crc >> 8;
    return crc;
}

inline std::uint16_t proxy_u16(std::string_view bytes, std::size_t at) noexcept {
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[at]) << 8 |
                                      static_cast<std::uint8_t>(bytes[at + 1]));
}

// version 1

/// The text up to the next blank, which is taken away with it.
inline std::string_view proxy_next(std::string_view& line) noexcept {
    const std::size_t blank = line.find(' ');
    const std::string_view word = line.substr(0, blank);
    line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
    return word;
}

inline bool proxy_address(std::string_view text, bool v6, boost::asio::ip::address& to) {
    namespace ip = boost::asio::ip;
    const std::string_view allowed = v6 ? "0123456789abcdefABCDEF:." : "0123456789."; // no scope, no NUL
    if (text.empty() || text.find_first_not_of(allowed) != std::string_view::npos) return false;
    boost::system::error_code ec;
    const std::string whole(text); // ends in NUL, for the system
    if (v6)
        to = ip::make_address_v6(whole, ec);
    else
        to = ip::make_address_v4(whole, ec);
    return !ec;
}

inline bool proxy_port(std::string_view text, std::uint16_t& to) noexcept {
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), to);
    return failed == std::errc() && end == text.data() + text.size();
}

PORTUNUS_DECL result<std::optional<proxy_header>> parse_proxy_line(std::string_view bytes) {
    const std::size_t lf = bytes.substr(0, max_proxy_line).find('\n');
    if (lf == std::string_view::npos) {
        if (bytes.size() < max_proxy_line) return std::optional<proxy_header>();
        return proxy_refused("a line of more than 107 bytes");
    }
    if (bytes[lf - 1] != '\r')
        return proxy_refused("a line that does not end in CR LF"); // lf is behind the word
    std::string_view line = bytes.substr(proxy_word.size(), lf - 1 - proxy_word.size());
    if (line.find('\r') != std::string_view::npos) return proxy_refused("a CR within the line");
    proxy_header h;
    h.version = 1;
    h.size = lf + 1;
    h.command = proxy_command::proxy;
    const bool alone = line.find(' ') == std::string_view::npos;
    const std::string_view protocol = proxy_next(line);
    if (protocol == "UNKNOWN") return std::optional(h);
    const bool v6 = protocol == "TCP6";
    if ((!v6 && protocol != "TCP4") || alone) return proxy_refused("neither TCP4, TCP6 nor UNKNOWN");
    boost::asio::ip::address from, to;
    std::uint16_t from_port = 0, to_port = 0;
    if (!proxy_address(proxy_next(line), v6, from)) return proxy_refused("no source address of its family");
    if (!proxy_address(proxy_next(line), v6, to))
        return proxy_refused("no destination address of its family");
    if (!proxy_port(proxy_next(line), from_port)) return proxy_refused("no source port");
    if (!proxy_port(line, to_port)) return proxy_refused("no destination port, or something behind it");
    h.family = proxy_family::stream;
    h.source = {from, from_port};
    h.destination = {to, to_port};
    return std::optional(h);
}

// version 2

/// Checks the CRC32c, where there is one: over the whole header, with zeros in its place.
inline const char* proxy_checksum_failure(std::string_view header, const proxy_values& values) noexcept {
    std::string_view sum;
    for (const proxy_value v : values) {
        if (v.type != static_cast<std::uint8_t>(proxy_type::crc32c)) continue;
        if (v.bytes.size() != 4) return "a CRC32c that has not 4 bytes";
        if (!sum.empty()) return "two values of the type CRC32c";
        sum = v.bytes;
    }
    if (sum.empty()) return nullptr;
    const auto at = static_cast<std::size_t>(sum.data() - header.data());
    std::uint32_t crc = crc32c(0xffffffff, header.substr(0, at));
    crc = crc32c(crc, std::string_view("\0\0\0\0", 4));
    crc = ~crc32c(crc, header.substr(at + 4));
    const std::uint32_t said = std::uint32_t(proxy_u16(sum, 0)) << 16 | proxy_u16(sum, 2);
    return crc == said ? nullptr : "the CRC32c is not that of the bytes";
}

template <class Address>
boost::asio::ip::tcp::endpoint proxy_endpoint(std::string_view address, std::uint16_t port) {
    typename Address::bytes_type bytes;
    std::memcpy(bytes.data(), address.data(), bytes.size());
    return {Address(bytes), port};
}

/// A path fills its 108 bytes up with NULs; an abstract name begins with one.
inline std::string_view proxy_path(std::string_view room) noexcept {
    const bool abstract = room.front() == '\0';
    const std::size_t last = room.find_last_not_of('\0');
    if (abstract) return room.substr(0, last == std::string_view::npos ? 0 : last + 1);
    return room.substr(0, room.find('\0'));
}

PORTUNUS_DECL result<std::optional<proxy_header>> parse_proxy_binary(std::string_view bytes,
                                                                     std::size_t max_header) {
    constexpr std::size_t head = 16;
    // Each byte is judged when it has come, so that nobody waits for the rest of what is refused anyway.
    if (bytes.size() < 13) return std::optional<proxy_header>();
    const unsigned version_command = static_cast<std::uint8_t>(bytes[12]);
    if (version_command >> 4 != 2) return proxy_refused("a version that is not 2 behind its signature");
    if ((version_command & 15) > 1) return proxy_refused("neither LOCAL nor PROXY");
    proxy_header h;
    h.version = 2;
    h.command = (version_command & 15) == 0 ? proxy_command::local : proxy_command::proxy;
    if (bytes.size() < 14) return std::optional<proxy_header>();
    const unsigned kind = static_cast<std::uint8_t>(bytes[13]);
    std::size_t addresses = 0;
    if (h.command == proxy_command::proxy) {
        switch (kind) {
        case 0x00:
            break;
        case 0x11:
        case 0x12:
            addresses = 12;
            break;
        case 0x21:
        case 0x22:
            addresses = 36;
            break;
        case 0x31:
        case 0x32:
            addresses = 216;
            break;
        default:
            return proxy_refused("an unknown family or transport");
        }
    }
    if (bytes.size() < head) return std::optional<proxy_header>();
    const std::size_t length = proxy_u16(bytes, 14);
    h.size = head + length;
    if (length < addresses) return proxy_refused("too short for its addresses");
    if (h.size > max_header)
        return error(errc::frame_too_large, "PROXY header of " + std::to_string(h.size) + " bytes exceeds " +
                                                std::to_string(max_header));
    if (bytes.size() < h.size) return std::optional<proxy_header>();
    if (addresses == 0) return std::optional(h); // the ends of the connection itself
    bytes = bytes.substr(0, h.size);
    const auto values = proxy_values::parse(bytes.substr(head + addresses));
    if (!values) return proxy_refused("values that do not end where the header does");
    h.values = *values;
    if (const char* wrong = proxy_checksum_failure(bytes, h.values)) return proxy_refused(wrong);
    const bool stream = (kind & 15) == 1;
    const std::string_view at = bytes.substr(head);
    namespace ip = boost::asio::ip;
    switch (kind >> 4) {
    case 1:
        h.source = proxy_endpoint<ip::address_v4>(at, proxy_u16(at, 8));
        h.destination = proxy_endpoint<ip::address_v4>(at.substr(4), proxy_u16(at, 10));
        break;
    case 2:
        h.source = proxy_endpoint<ip::address_v6>(at, proxy_u16(at, 32));
        h.destination = proxy_endpoint<ip::address_v6>(at.substr(16), proxy_u16(at, 34));
        break;
    default:
        h.family = stream ? proxy_family::local_stream : proxy_family::local_datagram;
        h.source_path = proxy_path(at.substr(0, 108));
        h.destination_path = proxy_path(at.substr(108, 108));
        return std::optional(h);
    }
    h.family = stream ? proxy_family::stream : proxy_family::datagram;
    return std::optional(h);
}

} // namespace detail

PORTUNUS_DECL result<std::optional<proxy_header>> parse_proxy_header(std::string_view bytes,
                                                                     std::size_t max_header) {
    const auto begins_as = [bytes](std::string_view wanted) {
        return bytes.substr(0, wanted.size()) == wanted.substr(0, bytes.size());
    };
    if (begins_as(detail::proxy_word)) {
        if (bytes.size() < detail::proxy_word.size()) return std::optional<proxy_header>();
        return detail::parse_proxy_line(bytes);
    }
    if (begins_as(detail::proxy_signature)) return detail::parse_proxy_binary(bytes, max_header);
    return detail::proxy_refused("another beginning");
}

} // namespace portunus

#endif
