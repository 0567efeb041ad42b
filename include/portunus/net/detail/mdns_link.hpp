// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_MDNS_LINK_HPP
#define PORTUNUS_NET_DETAIL_MDNS_LINK_HPP

#include <portunus/net/interfaces.hpp>
#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace portunus::detail {

using steady_point = std::chrono::steady_clock::time_point;

/// One family of addresses on one interface. For multicast DNS these are worlds of their own (RFC 6762 14 and
/// 20): what is asked by IPv4 on eth0 is answered by IPv4 on eth0.
struct mdns_link {
    std::uint32_t index = 0; // of the interface
    bool v6 = false;
    std::string interface {};
    std::vector<interface_address> addresses{}; // all of the interface, of both families

    friend bool operator==(const mdns_link&, const mdns_link&) = default;
};

/// 224.0.0.251 or ff02::fb (RFC 6762 3).
inline boost::asio::ip::address mdns_group_address(bool v6) {
    if (!v6) return boost::asio::ip::address_v4(0xe00000fbu);
    boost::asio::ip::address_v6::bytes_type raw{};
    raw[0] = 0xff;
    raw[1] = 0x02;
    raw[15] = 0xfb;
    return boost::asio::ip::address_v6(raw);
}

/// Where a multicast goes to on a link.
inline boost::asio::ip::udp::endpoint mdns_group(const mdns_link& link, std::uint16_t port) {
    auto group = mdns_group_address(link.v6);
    if (link.v6) {
        auto scoped = group.to_v6();
        scoped.scope_id(link.index);
        group = scoped;
    }
    return {group, port};
}

/// Adds the links of an interface: the families of which it has an address to send from.
inline void append_links(std::vector<mdns_link>& links, const network_interface& i) {
    bool v4 = false, v6 = false;
    std::vector<interface_address> good;
    for (const interface_address& a : i.addresses) {
        if (a.tentative || a.scope == address_scope::nowhere) continue;
        (a.address.is_v4() ? v4 : v6) = true;
        good.push_back(a);
    }
    if (v4) links.push_back({i.index, false, i.name, good});
    if (v6) links.push_back({i.index, true, i.name, good});
}

/// Whether packets of this group can pass there, unless somebody asks for it by name.
inline bool suits_mdns(const network_interface& i) {
    return i.usable() && i.multicast && !i.loopback;
}

/// Whether `sender` is on the link by which his packet came (RFC 6762 11). What our own machine sends to
/// itself by unicast comes by the loopback, whatever the address: then any link of ours will do.
inline bool is_on_link(const std::vector<network_interface>& present, const boost::asio::ip::address& sender,
                       std::uint32_t arrival) {
    const auto address = normalised(sender);
    for (const network_interface& i : present) {
        const bool here = i.index == arrival;
        if (here && i.loopback) {
            if (address.is_loopback()) return true;
            for (const network_interface& other : present)
                if (other.find(address)) return true;
        }
        if (!here) continue;
        if (address.is_v6() && address.to_v6().is_link_local()) return true;
        for (const interface_address& a : i.addresses)
            if (a.address == address || a.on_subnet(address)) return true;
    }
    return false;
}

} // namespace portunus::detail

#endif
