// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_INTERFACES_IPP
#define PORTUNUS_NET_IMPL_INTERFACES_IPP

#include <portunus/net/impl/interfaces.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/netlink_socket.hpp>
#include <portunus/net/mac_address.hpp>
#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL address_scope scope_of(std::uint8_t scope) noexcept {
    if (scope == RT_SCOPE_NOWHERE) return address_scope::nowhere;
    if (scope >= RT_SCOPE_HOST) return address_scope::host;
    if (scope >= RT_SCOPE_LINK) return address_scope::link;
    return scope == RT_SCOPE_UNIVERSE ? address_scope::global : address_scope::site;
}

/// The leading `bits` of byte number `i`, as a mask.
constexpr unsigned char mask_byte(unsigned bits, std::size_t i) noexcept {
    const std::size_t before = i * 8;
    if (bits <= before) return 0;
    const std::size_t here = bits - before;
    return static_cast<unsigned char>(here >= 8 ? 0xff : 0xff << (8 - here));
}

PORTUNUS_DECL interface_address to_interface_address(const netlink::address_message& m) {
    interface_address a;
    a.address = m.address;
    a.prefix_length = m.prefix;
    a.scope = scope_of(m.scope);
    a.broadcast = m.broadcast;
    a.peer = m.peer;
    a.tentative = m.address.is_v6() && (m.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 &&
                  (m.flags & IFA_F_OPTIMISTIC) == 0;
    a.deprecated = (m.flags & IFA_F_DEPRECATED) != 0;
    return a;
}

PORTUNUS_DECL network_interface to_interface(netlink::link_message m) {
    network_interface i;
    i.name = std::move(m.name);
    i.index = m.index;
    i.mtu = m.mtu;
    i.mac = m.mac;
    i.up = (m.flags & IFF_UP) != 0;
    i.running = (m.flags & IFF_RUNNING) != 0;
    i.loopback = (m.flags & IFF_LOOPBACK) != 0;
    i.broadcast = (m.flags & IFF_BROADCAST) != 0;
    i.multicast = (m.flags & IFF_MULTICAST) != 0;
    i.point_to_point = (m.flags & IFF_POINTOPOINT) != 0;
    return i;
}

PORTUNUS_DECL bool collect_link(const netlink::message& m, std::vector<network_interface>& into) {
    if (m.type != RTM_NEWLINK) return true;
    auto link = netlink::read_link(m.body);
    if (!link) return false;
    if (link->family == AF_UNSPEC) into.push_back(to_interface(std::move(*link)));
    return true;
}

/// One interface without its addresses.
PORTUNUS_DECL result<network_interface> ask_link(netlink::netlink_socket& kernel, std::uint32_t index) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(index);
    auto found = kernel.collect<network_interface>({RTM_GETLINK, 0, header}, "the interface", &collect_link);
    if (!found) return found.error();
    if (found->empty())
        return error(errc::no_such_interface, "no interface has the number " + std::to_string(index));
    return std::move(found->front());
}

PORTUNUS_DECL result<std::vector<network_interface>> ask_interfaces(netlink::netlink_socket& kernel) {
    auto links = kernel.collect<network_interface>({RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}}, "interfaces",
                                                   &collect_link);
    if (!links) return links;
    const auto addresses = kernel.collect<netlink::address_message>(
        {RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}}, "addresses",
        [](const netlink::message& m, std::vector<netlink::address_message>& into) {
            if (m.type != RTM_NEWADDR) return true;
            auto one = netlink::read_address(m.body);
            if (one) into.push_back(*one);
            return one.has_value();
        });
    if (!addresses) return addresses.error();
    std::sort(links->begin(), links->end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    for (const auto& a : *addresses) {
        const auto owner = std::lower_bound(links->begin(), links->end(), a.index,
                                            [](const auto& i, std::uint32_t n) { return i.index < n; });
        // One that came between the two questions has no owner here; it will be in the next answer.
        if (owner != links->end() && owner->index == a.index)
            owner->addresses.push_back(to_interface_address(a));
    }
    return links;
}

template <class Matches>
result<network_interface> find_where(const error& otherwise, Matches matches) {
    auto all = interfaces();
    if (!all) return all.error();
    for (network_interface& i : *all)
        if (matches(i)) return std::move(i);
    return otherwise;
}

PORTUNUS_DECL result<netlink::route_message>
ask_route(netlink::netlink_socket& kernel, const boost::asio::ip::address& destination, std::uint32_t link) {
    rtmsg header{};
    header.rtm_family = destination.is_v4() ? AF_INET : AF_INET6;
    header.rtm_dst_len = destination.is_v4() ? 32 : 128;
    netlink::request question(RTM_GETROUTE, 0, header);
    question.add(RTA_DST, destination);
    if (link != 0) question.add(RTA_OIF, link);
    auto found = kernel.collect<netlink::route_message>(
        question, "the route", [](const netlink::message& m, std::vector<netlink::route_message>& into) {
            if (m.type != RTM_NEWROUTE) return true;
            auto one = netlink::read_route(m.body);
            if (one) into.push_back(*one);
            return one.has_value();
        });
    if (!found) return error(found.error().code(), "towards " + destination.to_string());
    const bool passable = !found->empty() && found->front().index != 0;
    if (!passable) return netlink::system_failure(ENETUNREACH, "towards " + destination.to_string());
    return found->front();
}

} // namespace detail

PORTUNUS_DECL boost::asio::ip::address interface_address::mask() const {
    if (address.is_v4()) {
        boost::asio::ip::address_v4::bytes_type raw{};
        for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = detail::mask_byte(prefix_length, i);
        return boost::asio::ip::address_v4(raw);
    }
    boost::asio::ip::address_v6::bytes_type raw{};
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = detail::mask_byte(prefix_length, i);
    return boost::asio::ip::address_v6(raw);
}

PORTUNUS_DECL bool interface_address::on_subnet(const boost::asio::ip::address& other) const {
    const auto there = normalised(other);
    // On a point-to-point link the prefix is that of the far end.
    const auto& here = peer ? *peer : address;
    if (there.is_v4() != here.is_v4()) return false;
    const std::uint32_t link = detail::link_of(there), ours = detail::link_of(here);
    if (link != 0 && ours != 0 && link != ours) return false;
    const detail::address_bytes a(here), b(there);
    for (std::size_t i = 0; i < a.size; ++i)
        if (((a.raw[i] ^ b.raw[i]) & detail::mask_byte(prefix_length, i)) != 0) return false;
    return true;
}

PORTUNUS_DECL std::string to_string(const interface_address& a) {
    return a.address.to_string() + '/' + std::to_string(a.prefix_length);
}

PORTUNUS_DECL const interface_address* network_interface::find(const boost::asio::ip::address& wanted) const {
    const auto address = normalised(wanted);
    const std::uint32_t link = detail::link_of(address);
    if (link != 0 && link != index) return nullptr;
    const detail::address_bytes raw(address);
    for (const interface_address& a : addresses)
        if (a.address.is_v4() == address.is_v4() && detail::address_bytes(a.address).raw == raw.raw)
            return &a;
    return nullptr;
}

PORTUNUS_DECL result<std::vector<network_interface>> interfaces() {
    auto kernel = detail::netlink::netlink_socket::open();
    if (!kernel) return kernel.error();
    return detail::ask_interfaces(*kernel);
}

PORTUNUS_DECL result<network_interface> find_interface(std::string_view name) {
    return detail::find_where(
        error(errc::no_such_interface, "no interface is named " + policy_detail::quoted(name)),
        [name](const network_interface& i) { return i.name == name; });
}

PORTUNUS_DECL result<network_interface> find_interface(std::uint32_t index) {
    return detail::find_where(
        error(errc::no_such_interface, "no interface has the number " + std::to_string(index)),
        [index](const network_interface& i) { return i.index == index; });
}

PORTUNUS_DECL result<network_interface> find_interface(const boost::asio::ip::address& address) {
    const auto wanted = normalised(address);
    return detail::find_where(
        error(errc::address_not_available, address.to_string() + " is no address of this machine"),
        [&wanted](const network_interface& i) {
            return i.find(wanted) || (i.loopback && wanted.is_v4() && wanted.is_loopback());
        });
}

PORTUNUS_DECL result<outgoing_path> interface_towards(const boost::asio::ip::address& destination) {
    const auto there = normalised(destination);
    if (there.is_unspecified())
        return error(errc::invalid_address, there.to_string() + " is nowhere: there is no way to it");
    auto kernel = detail::netlink::netlink_socket::open();
    if (!kernel) return kernel.error();
    const auto route = detail::ask_route(*kernel, there, detail::link_of(there));
    if (!route) return route.error();
    auto link = detail::ask_link(*kernel, route->index);
    if (!link) return link.error();
    if (!route->source || route->source->is_unspecified())
        return error(errc::address_not_available,
                     link->name + " has no address to send from towards " + there.to_string());
    outgoing_path path;
    path.index = route->index;
    path.interface = std::move(link->name);
    path.mtu = link->mtu;
    path.local = *route->source;
    path.gateway = route->gateway;
    path.to_ourselves = route->type == RTN_LOCAL;
    return path;
}

} // namespace portunus

#endif
