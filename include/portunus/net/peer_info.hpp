// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_PEER_INFO_HPP
#define PORTUNUS_NET_PEER_INFO_HPP

#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

namespace portunus {

/// "10.0.0.7:4411", "[fe80::1%2]:4411"; an IPv4-mapped address is written as the IPv4 address that it is.
inline std::string to_string(const boost::asio::ip::tcp::endpoint& e) {
    const boost::asio::ip::address address = normalised(e.address());
    const std::string text = address.to_string();
    return (address.is_v6() ? '[' + text + ']' : text) + ':' + std::to_string(e.port());
}

namespace detail {

inline bool same_address(const sockaddr& a, const boost::asio::ip::address& wanted) {
    if (a.sa_family == AF_INET && wanted.is_v4())
        return ntohl(reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr) == wanted.to_v4().to_uint();
    if (a.sa_family == AF_INET6 && wanted.is_v6()) {
        boost::asio::ip::address_v6::bytes_type bytes;
        const auto& in6 = reinterpret_cast<const sockaddr_in6&>(a);
        std::copy(std::begin(in6.sin6_addr.s6_addr), std::end(in6.sin6_addr.s6_addr), bytes.begin());
        return bytes == wanted.to_v6().to_bytes();
    }
    return false;
}

/// The name of the interface that has this address of ours, empty when there is none. Asks the system each
/// time.
inline std::string interface_of(const boost::asio::ip::address& local) {
    const boost::asio::ip::address address = normalised(local);
    if (address.is_v6() && address.to_v6().scope_id() != 0) {
        char name[IF_NAMESIZE] = {};
        if (::if_indextoname(static_cast<unsigned>(address.to_v6().scope_id()), name)) return name;
    }
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return {};
    std::string found, loop;
    for (const ifaddrs* i = list; i && found.empty(); i = i->ifa_next) {
        if (i->ifa_addr && same_address(*i->ifa_addr, address)) found = i->ifa_name;
        if (loop.empty() && (i->ifa_flags & IFF_LOOPBACK)) loop = i->ifa_name;
    }
    ::freeifaddrs(list);
    // All of 127.0.0.0/8 is this machine, whichever of it was given to the interface.
    return found.empty() && address.is_loopback() ? loop : found;
}

} // namespace detail

/// Who came in, where and when. Known at accept time; owns nothing.
struct peer_info {
    boost::asio::ip::tcp::endpoint remote{}; ///< the peer
    boost::asio::ip::tcp::endpoint local{};  ///< our end: the address and the port that it came to
    std::uint64_t id{0};                     ///< of this connection, unique within its listener, from 1
    std::uint32_t listener{0}; ///< which of the listener's endpoints, by its place in `endpoints()`
    std::chrono::system_clock::time_point time{}; ///< when it was accepted

    /// The name of the interface it came in by ("eth0"), empty when it cannot be found. Asks the system.
    std::string interface() const { return detail::interface_of(local.address()); }
};
static_assert(std::is_trivially_destructible_v<peer_info>);

} // namespace portunus

#endif
