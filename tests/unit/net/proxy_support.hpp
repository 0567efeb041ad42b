// SPDX-License-Identifier: BSL-1.0
// Headers of the PROXY protocol as a sender writes them.
#ifndef PORTUNUS_TESTS_UNIT_NET_PROXY_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_NET_PROXY_SUPPORT_HPP

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus_tests {

inline std::string big_endian(std::size_t n) {
    return {static_cast<char>(n >> 8), static_cast<char>(n & 0xff)};
}

/// A header of version 2: command, family, and what follows the length.
inline std::string proxy_v2(unsigned version_command, unsigned family, std::string_view rest) {
    std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
    header += static_cast<char>(version_command);
    header += static_cast<char>(family);
    return header.append(big_endian(rest.size())).append(rest);
}

inline std::string proxy_tlv(unsigned type, std::string_view value) {
    return std::string(1, static_cast<char>(type)).append(big_endian(value.size())).append(value);
}

inline std::string v4_bytes(const std::string& text) {
    const auto bytes = boost::asio::ip::make_address_v4(text).to_bytes();
    return {bytes.begin(), bytes.end()};
}
inline std::string v6_bytes(const std::string& text) {
    const auto bytes = boost::asio::ip::make_address_v6(text).to_bytes();
    return {bytes.begin(), bytes.end()};
}

/// TCP over IPv4, from and to.
inline std::string proxy_v2_tcp4(const std::string& from, std::uint16_t from_port, const std::string& to,
                                 std::uint16_t to_port, std::string_view values = {}) {
    return proxy_v2(0x21, 0x11,
                    v4_bytes(from) + v4_bytes(to) + big_endian(from_port) + big_endian(to_port) +
                        std::string(values));
}

/// Bit by bit, as the definition has it, and not as the library does it.
inline std::uint32_t slow_crc32c(std::string_view bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const char c : bytes)
        for (int bit = 0; bit < 8; ++bit) {
            const bool one = ((crc ^ (static_cast<std::uint8_t>(c) >> bit)) & 1) != 0;
            crc = one ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
        }
    return ~crc;
}

} // namespace portunus_tests

#endif
