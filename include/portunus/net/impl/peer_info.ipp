// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_PEER_INFO_IPP
#define PORTUNUS_NET_IMPL_PEER_INFO_IPP

#include <portunus/net/peer_info.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <string>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

namespace portunus {

PORTUNUS_DECL std::string to_string(const boost::asio::ip::tcp::endpoint& e) {
    const boost::asio::ip::address address = normalised(e.address());
    const std::string text = address.to_string();
    return (address.is_v6() ? '[' + text + ']' : text) + ':' + std::to_string(e.port());
}

namespace detail {

PORTUNUS_DECL bool same_address(const sockaddr& a, const boost::asio::ip::address& wanted) {
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

PORTUNUS_DECL std::string interface_of(const boost::asio::ip::address& local) {
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

} // namespace portunus

#endif
