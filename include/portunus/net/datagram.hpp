// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DATAGRAM_HPP
#define PORTUNUS_NET_DATAGRAM_HPP

#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace portunus {

/// "10.0.0.7:4411", "[fe80::1%2]:4411"; an IPv4-mapped address is written as the IPv4 address that it is.
inline std::string to_string(const boost::asio::ip::udp::endpoint& e) {
    const boost::asio::ip::address address = normalised(e.address());
    const std::string text = address.to_string();
    return (address.is_v6() ? '[' + text + ']' : text) + ':' + std::to_string(e.port());
}

/// Where a datagram is to leave from, on a machine with several addresses. Every part may be left out; then
/// the system chooses by its routes.
struct datagram_source {
    /// One of our addresses, which the receiver will see as the sender.
    boost::asio::ip::address local{};
    /// The number of the interface by which it leaves; what a multicast needs. 0: any.
    std::uint32_t interface { 0 };
    /// One of the socket's own ports; 0: the first one.
    std::uint16_t port{0};
};
static_assert(std::is_trivially_destructible_v<datagram_source>);

/// One received datagram. It owns nothing: `bytes` lie in the socket's buffer and are valid until its next
/// receive of any form.
struct datagram {
    /// What arrived. Empty is a datagram like every other one, and no end of anything.
    std::string_view bytes{};
    /// Who sent it, as an IPv4 address where it came by IPv4, whatever the socket is.
    boost::asio::ip::udp::endpoint sender{};
    /// The address that the sender wrote on it: one of ours, a group, or a broadcast address.
    boost::asio::ip::address local{};
    /// Our port that it came to.
    std::uint16_t local_port{0};
    /// The number of the interface by which it came.
    std::uint32_t interface { 0 };
    /// How many bytes the sender sent; more than `bytes` where it was truncated.
    std::size_t size{0};
    /// How many datagrams the kernel had to drop between the one before and this one, because nobody received
    /// them in time (row T-30b).
    std::uint32_t lost_before{0};
    /// It was larger than `udp_options::max_datagram`; the rest is lost.
    bool truncated{false};
    bool to_broadcast{false};
    bool to_multicast{false};

    /// Where an answer has to leave from so that the sender takes it for one: from the address and the port
    /// that it wrote to. After a multicast or broadcast, from the interface by which it came.
    datagram_source reply_source() const {
        datagram_source from;
        from.port = local_port;
        const bool link_local = local.is_v6() && local.to_v6().is_link_local();
        if (!to_broadcast && !to_multicast) from.local = local;
        if (to_broadcast || to_multicast || link_local) from.interface = interface;
        return from;
    }
};
static_assert(std::is_trivially_destructible_v<datagram>);

/// What one call of the system has brought, in the order of arrival: at most 64, at least one. All of them
/// are valid until the socket's next receive of any form.
using datagram_batch = std::span<const datagram>;

/// A datagram to be sent. It owns nothing.
struct outgoing_datagram {
    boost::asio::ip::udp::endpoint to{};
    std::string_view bytes{};
};

/// What the network reported about a datagram that this socket had sent (row M-22, event ICMPReceived).
struct icmp_error {
    std::uint8_t type{0}; ///< as in RFC 792, or RFC 4443 where `destination` is an IPv6 address
    std::uint8_t code{0}; ///< destination unreachable is type 3, port unreachable its code 3; in IPv6 1 and 4
    /// Who reported it: a router on the way, or the destination itself. Unspecified where it is not known.
    boost::asio::ip::address offender{};
    /// Where the datagram was to go.
    boost::asio::ip::udp::endpoint destination{};
    /// What the system makes of it: ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ...
    boost::system::error_code meaning{};
    /// The largest packet that passes, where that was the trouble; else 0.
    std::uint32_t mtu{0};
};

/// What a UDP socket has counted since it was opened. A snapshot.
struct udp_counters {
    std::uint64_t received{0};  ///< datagrams that a receive has given out
    std::uint64_t sent{0};      ///< datagrams that the system took
    std::uint64_t filtered{0};  ///< refused by the policy, or broadcasts that nobody wants
    std::uint64_t truncated{0}; ///< of the received ones
    /// Dropped by the kernel because its receive buffer was full (or a checksum was wrong). Known at once,
    /// without another datagram.
    std::uint64_t overruns{0};
    std::uint64_t icmp_errors{0}; ///< reports of the network, where `udp_options` asks for them
};

} // namespace portunus

#endif
