// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_INTERFACES_HPP
#define PORTUNUS_NET_INTERFACES_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/mac_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

/// How far an address reaches (rtnetlink(7), RFC 4007).
enum class address_scope : std::uint8_t {
    global,  ///< everywhere, as far as the network goes; private IPv4 addresses count as that
    site,    ///< within an organisation (only where somebody said so)
    link,    ///< on this link alone: 169.254.0.0/16, fe80::/10
    host,    ///< inside this machine
    nowhere, ///< it is there and cannot be used
};

constexpr std::string_view to_string(address_scope scope) noexcept {
    switch (scope) {
    case address_scope::global:
        return "global";
    case address_scope::site:
        return "site";
    case address_scope::link:
        return "link";
    case address_scope::host:
        return "host";
    case address_scope::nowhere:
        return "nowhere";
    }
    return "unknown";
}

/// One address of an interface of ours.
struct interface_address {
    /// Ready to bind to: a link-local IPv6 address has the number of its interface as scope id.
    boost::asio::ip::address address{};
    /// How many leading bits all of the subnet has in common: 0 to 32, or 0 to 128.
    std::uint8_t prefix_length{0};
    address_scope scope{address_scope::global};
    /// Where a datagram to everybody on the subnet goes; IPv4 alone, and not every interface has it.
    std::optional<boost::asio::ip::address> broadcast{};
    /// The far end of a point-to-point link.
    std::optional<boost::asio::ip::address> peer{};
    /// IPv6: still being checked for duplicates, or found to be one; nobody can bind to it (RFC 4862).
    bool tentative{false};
    /// IPv6: works, but new connections should come from another one (RFC 4862).
    bool deprecated{false};

    /// The prefix as a mask, 255.255.255.0; row M-1 wants its number: `mask().to_v4().to_uint()`.
    boost::asio::ip::address mask() const;
    /// Whether `other` is on the subnet of this address.
    bool on_subnet(const boost::asio::ip::address& other) const;

    friend bool operator==(const interface_address&, const interface_address&) = default;
};

/// "192.168.1.7/24"
std::string to_string(const interface_address& a);
inline std::ostream& operator<<(std::ostream& out, const interface_address& a) {
    return out << to_string(a);
}

/// A network interface of this machine, as it was when it was asked for.
struct network_interface {
    std::string name{};     ///< "eth0"; may be changed by the administrator, also while it is up
    std::uint32_t index{0}; ///< the system's number for it, from 1; never used again while the system runs
    std::uint32_t mtu{0};   ///< the largest packet in bytes
    mac_address mac{};      ///< zeros where it has none, or none of six bytes
    bool up{false};         ///< the administrator wants it to work
    bool running{false};    ///< it can: the cable is in, the wireless network is joined
    bool loopback{false};
    bool broadcast{false};
    bool multicast{false};
    bool point_to_point{false};
    std::vector<interface_address> addresses{};

    /// Whether packets can pass now.
    bool usable() const noexcept { return up && running; }
    /// This address among its own, or null. Asked without a scope id, one with a scope id matches, too.
    const interface_address* find(const boost::asio::ip::address& address) const;

    friend bool operator==(const network_interface&, const network_interface&) = default;
};

/// All interfaces of this machine (of the calling thread's network namespace) with their addresses, in the
/// order of their numbers. Asks the kernel each time and does not wait. `interface_watch` tells when to ask
/// again.
///
/// Errors: that of the system where it cannot be asked (no descriptor is left); "try again" where the list
/// kept changing while it was read.
///
/// Semantics rows M-1, T-7 (availableinterfaces).
result<std::vector<network_interface>> interfaces();

/// The interface of this name, or number: `errc::no_such_interface`. The interface that has this address:
/// `errc::address_not_available`. IPv4-mapped addresses are taken for what they mean, all of 127.0.0.0/8 for
/// the loopback, and a scope id has the last word.
result<network_interface> find_interface(std::string_view name);
result<network_interface> find_interface(std::uint32_t index);
result<network_interface> find_interface(const boost::asio::ip::address& address);

/// The way that a packet would take.
struct outgoing_path {
    std::uint32_t index{0};                            ///< the interface by which it leaves
    std::string interface {};                          ///< its name
    std::uint32_t mtu{0};                              ///< its MTU in bytes (row M-1's UDPMTU)
    boost::asio::ip::address local{};                  ///< the address of ours that the peer would see
    std::optional<boost::asio::ip::address> gateway{}; ///< the first router on the way; none on the link
    bool to_ourselves{false};                          ///< the address is one of ours
};

/// Which interface and which address of ours would be used to reach `destination` now, by the machine's
/// routes: where a VPN takes part of the traffic, this tells which part. Sends nothing; an answer does not
/// mean that anybody is there. One of our own addresses is reached by the loopback.
///
/// Errors: the system's ENETUNREACH (no route), EHOSTUNREACH or EACCES (a route that forbids it);
/// `errc::invalid_address` for the unspecified address; `errc::address_not_available` where the interface has
/// no address to send from.
///
/// Semantics rows T-14, X-22 (the address found by connecting a UDP socket), X-23.
result<outgoing_path> interface_towards(const boost::asio::ip::address& destination);

} // namespace portunus

#include <portunus/net/impl/interfaces.hpp>

#endif