// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_NEIGHBOURS_IPP
#define PORTUNUS_NET_IMPL_NEIGHBOURS_IPP

#include <portunus/net/impl/neighbours.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/netlink_socket.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/mac_address.hpp>
#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

PORTUNUS_DECL neighbour_state neighbour_state_of(std::uint16_t nud) noexcept {
    switch (nud) {
    case NUD_INCOMPLETE:
        return neighbour_state::incomplete;
    case NUD_REACHABLE:
        return neighbour_state::reachable;
    case NUD_STALE:
        return neighbour_state::stale;
    case NUD_DELAY:
        return neighbour_state::delayed;
    case NUD_PROBE:
        return neighbour_state::probing;
    case NUD_FAILED:
        return neighbour_state::failed;
    case NUD_PERMANENT:
        return neighbour_state::permanent;
    case NUD_NOARP:
        return neighbour_state::unresolved;
    default:
        return neighbour_state::unknown;
    }
}

PORTUNUS_DECL bool collect_neighbour(const netlink::message& m,
                                     std::vector<netlink::neighbour_message>& into) {
    if (m.type != RTM_NEWNEIGH) return true;
    auto one = netlink::read_neighbour(m.body);
    if (!one) return false;
    if ((one->family == AF_INET || one->family == AF_INET6) && one->address) into.push_back(*one);
    return true;
}

/// The table; of one family and one link where these are not 0.
PORTUNUS_DECL result<std::vector<netlink::neighbour_message>>
ask_neighbours(netlink::netlink_socket& kernel, unsigned char family, std::uint32_t link) {
    ndmsg header{};
    header.ndm_family = family;
    netlink::request question(RTM_GETNEIGH, NLM_F_DUMP, header);
    if (link != 0) question.add(NDA_IFINDEX, link); // older kernels do not filter, so it is done here again
    auto all =
        kernel.collect<netlink::neighbour_message>(std::move(question), "neighbours", &collect_neighbour);
    if (!all) return all;
    all->erase(std::remove_if(all->begin(), all->end(),
                              [&](const auto& n) {
                                  return (link != 0 && n.index != link) ||
                                         (family != AF_UNSPEC && n.family != family);
                              }),
               all->end());
    return all;
}

PORTUNUS_DECL std::optional<mac_address> mac_in_entry(const netlink::neighbour_message& n) noexcept {
    constexpr unsigned without = NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP;
    if (n.state == NUD_NONE || (n.state & without) != 0 || !n.mac || n.mac->is_zero()) return std::nullopt;
    return n.mac;
}

PORTUNUS_DECL std::optional<mac_address> mac_in_table(const std::vector<netlink::neighbour_message>& table,
                                                      const boost::asio::ip::address& peer) {
    const address_bytes wanted(peer);
    const std::uint32_t link = link_of(peer);
    std::optional<mac_address> found;
    for (const auto& entry : table) {
        if (!entry.address || entry.address->is_v4() != peer.is_v4() ||
            address_bytes(*entry.address).raw != wanted.raw || (link != 0 && entry.index != link))
            continue;
        const auto mac = mac_in_entry(entry);
        if (found && mac && *found != *mac) return std::nullopt;
        if (mac) found = mac;
    }
    return found;
}

PORTUNUS_DECL result<std::optional<mac_address>>
ask_neighbour(netlink::netlink_socket& kernel, const boost::asio::ip::address& peer, std::uint32_t link) {
    ndmsg header{};
    header.ndm_family = peer.is_v4() ? AF_INET : AF_INET6;
    header.ndm_ifindex = static_cast<int>(link);
    netlink::request question(RTM_GETNEIGH, 0, header);
    question.add(NDA_DST, peer);
    auto found =
        kernel.collect<netlink::neighbour_message>(std::move(question), "a neighbour", &collect_neighbour);
    if (!found) {
        namespace sys = boost::system::errc;
        const error& e = found.error();
        // No entry, or the interface has gone meanwhile.
        if (e == sys::no_such_file_or_directory || e == sys::no_such_device) return std::nullopt;
        if (e != sys::operation_not_supported && e != sys::invalid_argument) return e;
        found = ask_neighbours(kernel, header.ndm_family, link);
        if (!found) return found.error();
    }
    return mac_in_table(*found, peer);
}

} // namespace detail

PORTUNUS_DECL result<std::vector<neighbour>> neighbours() {
    auto kernel = detail::netlink::netlink_socket::open();
    if (!kernel) return kernel.error();
    const auto table = detail::ask_neighbours(*kernel, AF_UNSPEC, 0);
    if (!table) return table.error();
    const auto links = kernel->collect<network_interface>({RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}},
                                                          "interfaces", &detail::collect_link);
    if (!links) return links.error();
    std::vector<neighbour> all;
    for (const auto& entry : *table) {
        neighbour n;
        n.address = *entry.address;
        n.mac = detail::mac_in_entry(entry);
        n.index = entry.index;
        for (const network_interface& i : *links)
            if (i.index == entry.index) n.interface = i.name;
        n.state = detail::neighbour_state_of(entry.state);
        n.router = (entry.flags & NTF_ROUTER) != 0;
        all.push_back(std::move(n));
    }
    return all;
}

PORTUNUS_DECL result<std::optional<mac_address>> mac_of(const boost::asio::ip::address& address) {
    const auto peer = normalised(address);
    if (peer.is_unspecified() || peer.is_loopback() || peer.is_multicast()) return std::nullopt;
    auto kernel = detail::netlink::netlink_socket::open();
    if (!kernel) return kernel.error();
    const std::uint32_t link = detail::link_of(peer);
    if (peer.is_v6() && peer.to_v6().is_link_local()) { // always on the link: no route need be asked
        if (link != 0) return detail::ask_neighbour(*kernel, peer, link);
        const auto table = detail::ask_neighbours(*kernel, AF_INET6, 0);
        if (!table) return table.error();
        return detail::mac_in_table(*table, peer);
    }
    const auto route = detail::ask_route(*kernel, peer, link);
    if (!route) {
        namespace sys = boost::system::errc;
        const error& e = route.error();
        if (e == sys::network_unreachable || e == sys::host_unreachable || e == sys::permission_denied ||
            e == sys::invalid_argument)
            return std::nullopt; // nobody there to know
        return e;
    }
    if (route->gateway || route->type != RTN_UNICAST) return std::nullopt;
    return detail::ask_neighbour(*kernel, peer, route->index);
}

} // namespace portunus

#endif
