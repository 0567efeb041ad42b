// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_MAC_ADDRESS_HPP
#define PORTUNUS_NET_MAC_ADDRESS_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace portunus {

/// The hardware address of a network interface: the 48 bits that Ethernet, Wi-Fi and Bluetooth use.
///
///     mac_address printer("00:1b:a9:12:34:56");
///     if (auto mac = mac_of(peer); mac && *mac == printer) ...
///
/// A plain value of six bytes; default-made it is all zeros, which is what an interface without hardware (the
/// loopback, a tunnel) has. Anybody on the same link can claim any such address: it identifies, it proves
/// nothing.
///
/// Semantics row X-11 (xtKeyMacAddress).
class mac_address {
  public:
    using bytes_type = std::array<std::uint8_t, 6>;

    constexpr mac_address() noexcept = default;
    constexpr explicit mac_address(const bytes_type& bytes) noexcept : bytes_(bytes) {}

    /// From text; throws `failure` where `parse` returns the error.
    explicit mac_address(std::string_view text) : mac_address(parse(text).value()) {}

    /// Reads the ways in which such addresses are written: `02:fc:00:00:00:01`, `02-FC-00-00-00-01`,
    /// `02fc.0000.0001` and `02fc00000001`. Every digit must be there: `2:fc:0:0:0:1` is refused, because the
    /// same text without its separators would be another address.
    ///
    /// Errors: `errc::invalid_address`, with a detail that quotes the text and says what is allowed.
    static result<mac_address> parse(std::string_view text);

    constexpr const bytes_type& bytes() const noexcept { return bytes_; }

    constexpr bool is_zero() const noexcept { return bytes_ == bytes_type{}; }
    /// Whether it means a group of stations, and not one (the broadcast address included).
    constexpr bool is_multicast() const noexcept { return (bytes_[0] & 1) != 0; }
    constexpr bool is_broadcast() const noexcept {
        return bytes_ == bytes_type{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    }
    /// Whether somebody chose it (a virtual machine, a phone that hides), and not the hardware's maker.
    constexpr bool is_local() const noexcept { return (bytes_[0] & 2) != 0; }

    friend constexpr auto operator<=>(const mac_address&, const mac_address&) noexcept = default;

  private:
    bytes_type bytes_{};
};

/// "02:fc:00:00:00:01", with small letters.
PORTUNUS_DECL std::string to_string(const mac_address& mac);

inline std::ostream& operator<<(std::ostream& out, const mac_address& mac) {
    return out << to_string(mac);
}

namespace detail {

constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace detail

} // namespace portunus

template <>
struct std::hash<portunus::mac_address> {
    std::size_t operator()(const portunus::mac_address& mac) const noexcept {
        std::uint64_t bits = 0;
        for (const std::uint8_t byte : mac.bytes()) bits = bits << 8 | byte;
        return std::hash<std::uint64_t>()(bits);
    }
};

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/mac_address.ipp>
#endif

#endif
