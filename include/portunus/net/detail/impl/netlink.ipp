// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_NETLINK_IPP
#define PORTUNUS_NET_DETAIL_IMPL_NETLINK_IPP

#include <portunus/net/detail/netlink.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/mac_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace portunus::detail::netlink {

PORTUNUS_DECL std::string text_in(bytes value) {
    const auto end = std::find(value.begin(), value.end(), 0);
    return {value.begin(), end};
}

PORTUNUS_DECL std::optional<boost::asio::ip::address> address_in(bytes value, int family,
                                                                 std::uint32_t link) {
    namespace ip = boost::asio::ip;
    if (family == AF_INET && value.size() == 4) {
        ip::address_v4::bytes_type raw;
        std::copy(value.begin(), value.end(), raw.begin());
        return ip::address(ip::address_v4(raw));
    }
    if (family == AF_INET6 && value.size() == 16) {
        ip::address_v6::bytes_type raw;
        std::copy(value.begin(), value.end(), raw.begin());
        ip::address_v6 address(raw);
        if (address.is_link_local() || address.is_multicast_link_local()) address.scope_id(link);
        return ip::address(address);
    }
    return std::nullopt;
}

PORTUNUS_DECL std::optional<mac_address> mac_in(bytes value) noexcept {
    mac_address::bytes_type raw;
    if (value.size() != raw.size()) return std::nullopt;
    std::copy(value.begin(), value.end(), raw.begin());
    return mac_address(raw);
}

PORTUNUS_DECL std::optional<link_message> read_link(bytes body) {
    ifinfomsg header;
    if (!take_header(body, header) || header.ifi_index <= 0) return std::nullopt;
    link_message link;
    link.family = header.ifi_family;
    link.index = static_cast<std::uint32_t>(header.ifi_index);
    link.flags = header.ifi_flags;
    const bool good = for_each_attribute(body, [&link](const attribute& a) {
        if (a.type == IFLA_IFNAME) link.name = text_in(a.value);
        if (a.type == IFLA_ADDRESS) link.mac = mac_in(a.value).value_or(mac_address());
        if (a.type == IFLA_MTU) {
            const auto mtu = number_in<std::uint32_t>(a.value);
            if (!mtu) return false;
            link.mtu = *mtu;
        }
        return true;
    });
    if (!good) return std::nullopt;
    return link;
}

PORTUNUS_DECL std::optional<address_message> read_address(bytes body) {
    ifaddrmsg header;
    if (!take_header(body, header)) return std::nullopt;
    address_message out;
    out.index = header.ifa_index;
    out.prefix = header.ifa_prefixlen;
    out.scope = header.ifa_scope;
    out.flags = header.ifa_flags;
    if (out.prefix > (header.ifa_family == AF_INET ? 32 : 128)) return std::nullopt;
    std::optional<boost::asio::ip::address> local, address;
    const bool good = for_each_attribute(body, [&](const attribute& a) {
        const auto read = [&](std::optional<boost::asio::ip::address>& into) {
            into = address_in(a.value, header.ifa_family, header.ifa_index);
            return into.has_value();
        };
        switch (a.type) {
        case IFA_LOCAL:
            return read(local);
        case IFA_ADDRESS:
            return read(address);
        case IFA_BROADCAST:
            return read(out.broadcast);
        case IFA_FLAGS:
            if (const auto flags = number_in<std::uint32_t>(a.value)) {
                out.flags = *flags;
                return true;
            }
            return false;
        default:
            return true;
        }
    });
    if (!good || (!local && !address)) return std::nullopt;
    // With a local address the other one is the far end of a point-to-point link, or the same again.
    out.address = local ? *local : *address;
    if (local && address && *local != *address) out.peer = address;
    return out;
}

PORTUNUS_DECL std::optional<neighbour_message> read_neighbour(bytes body) {
    ndmsg header;
    if (!take_header(body, header) || header.ndm_ifindex < 0) return std::nullopt;
    neighbour_message out;
    out.family = header.ndm_family;
    out.index = static_cast<std::uint32_t>(header.ndm_ifindex);
    out.state = header.ndm_state;
    out.flags = header.ndm_flags;
    const bool good = for_each_attribute(body, [&](const attribute& a) {
        if (a.type == NDA_DST) out.address = address_in(a.value, out.family, out.index);
        if (a.type == NDA_LLADDR) out.mac = mac_in(a.value);
        return true;
    });
    if (!good) return std::nullopt;
    return out;
}

PORTUNUS_DECL std::optional<route_message> read_route(bytes body) {
    rtmsg header;
    if (!take_header(body, header)) return std::nullopt;
    route_message out;
    out.type = header.rtm_type;
    bytes source, gateway;
    int gateway_family = header.rtm_family;
    const bool good = for_each_attribute(body, [&](const attribute& a) {
        if (a.type == RTA_OIF) {
            const auto index = number_in<std::uint32_t>(a.value);
            if (!index) return false;
            out.index = *index;
        }
        if (a.type == RTA_PREFSRC) source = a.value;
        if (a.type == RTA_GATEWAY) gateway = a.value;
        if (a.type == RTA_VIA) { // a gateway of the other family: two bytes that tell which, then the address
            std::uint16_t family = 0;
            if (a.value.size() < sizeof family) return false;
            std::memcpy(&family, a.value.data(), sizeof family);
            gateway_family = family;
            gateway = a.value.subspan(sizeof family);
        }
        return true;
    });
    if (!good) return std::nullopt;
    // Last, because the link of a link-local address may stand behind it.
    if (!source.empty() && !(out.source = address_in(source, header.rtm_family, out.index)))
        return std::nullopt;
    if (!gateway.empty() && !(out.gateway = address_in(gateway, gateway_family, out.index)))
        return std::nullopt;
    return out;
}

PORTUNUS_DECL request& request::add(std::uint16_t type, bytes value) {
    rtattr a{};
    a.rta_type = type;
    a.rta_len = static_cast<std::uint16_t>(sizeof a + value.size());
    append(&a, sizeof a);
    append(value.data(), value.size());
    store_length();
    return *this;
}

PORTUNUS_DECL request& request::add(std::uint16_t type, std::uint32_t number) {
    std::array<unsigned char, sizeof number> raw;
    std::memcpy(raw.data(), &number, sizeof number);
    return add(type, raw);
}

PORTUNUS_DECL void request::append(const void* data, std::size_t size) {
    const auto* from = static_cast<const unsigned char*>(data);
    text_.insert(text_.end(), from, from + size);
    text_.resize((text_.size() + 3) & ~std::size_t(3));
}

} // namespace portunus::detail::netlink

#endif
