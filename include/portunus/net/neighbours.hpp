// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_NEIGHBOURS_HPP
#define PORTUNUS_NET_NEIGHBOURS_HPP

#include <portunus/core/result.hpp>
#include <portunus/net/mac_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

/// What the kernel believes of a neighbour (RFC 4861, 7.3.2; ARP has the same here).
enum class neighbour_state : std::uint8_t {
    unknown,    ///< nothing yet
    incomplete, ///< it has been asked for, and has not answered
    reachable,  ///< it answered lately
    stale,      ///< it answered once; asked again when there is something to send
    delayed,    ///< something was sent; a sign of life is awaited
    probing,    ///< it is being asked again
    failed,     ///< it did not answer
    permanent,  ///< entered by hand
    unresolved, ///< nothing to find out: a tunnel, a group, the loopback
};

constexpr std::string_view to_string(neighbour_state state) noexcept {
    switch (state) {
    case neighbour_state::unknown:
        return "unknown";
    case neighbour_state::incomplete:
        return "incomplete";
    case neighbour_state::reachable:
        return "reachable";
    case neighbour_state::stale:
        return "stale";
    case neighbour_state::delayed:
        return "delayed";
    case neighbour_state::probing:
        return "probing";
    case neighbour_state::failed:
        return "failed";
    case neighbour_state::permanent:
        return "permanent";
    case neighbour_state::unresolved:
        return "unresolved";
    }
    return "unknown";
}

/// An entry of the kernel's neighbour table.
struct neighbour {
    boost::asio::ip::address address{}; ///< a link-local IPv6 address has its scope id
    std::optional<mac_address> mac{};   ///< none while it is not known, or where there is none of six bytes
    std::uint32_t index{0};             ///< of the interface that it is reached by
    std::string interface {};           ///< its name
    neighbour_state state{neighbour_state::unknown};
    bool router{false}; ///< it says that it forwards packets (IPv6)
};

/// The kernel's neighbour table: with whom this machine has lately exchanged packets on its own links, IPv4
/// (ARP) and IPv6 (neighbour discovery). Asks the kernel each time, sends nothing and does not wait.
///
/// Errors: the system's, where it cannot be asked.
result<std::vector<neighbour>> neighbours();

/// The hardware address of a peer, from the kernel's neighbour table. It is there while a connection with a
/// peer on the same link works, and for some time after; nothing is sent to find out, and nobody waits. So
/// it is for a session that wants to know, and is never asked on the way from `accept`.
///
/// Nothing, which is no error: when the peer is behind a router (not the router's address, which all peers
/// out there would share; `mac_of(*path->gateway)` of `interface_towards` gives it), on this machine, or
/// reached by something without hardware addresses, when the kernel does not know it (yet, or any more), or
/// when no route leads to it. The semantics' systems show zeros then: `value_or(mac_address())`.
///
/// A link-local IPv6 address should carry its scope id, as that of an accepted peer does; without one it is
/// looked for on all links, and found when it is on exactly one.
///
/// Errors: the system's, where it cannot be asked.
///
/// Semantics row X-11 (xtKeyMacAddress).
result<std::optional<mac_address>> mac_of(const boost::asio::ip::address& peer);

} // namespace portunus

#include <portunus/net/impl/neighbours.hpp>

#endif