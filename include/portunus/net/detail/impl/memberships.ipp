// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_MEMBERSHIPS_IPP
#define PORTUNUS_NET_DETAIL_IMPL_MEMBERSHIPS_IPP

#include <portunus/net/detail/memberships.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/udp_system.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <net/if.h>

namespace portunus::detail {

PORTUNUS_DECL std::string text_of(const membership& m) {
    char name[IF_NAMESIZE] = {};
    std::string text = "group " + m.group.to_string();
    if (m.source) text += " of source " + m.source->to_string();
    if (m.interface == 0) return text + " on the interface that the system chooses";
    if (::if_indextoname(m.interface, name)) return text + " on " + name;
    return text + " on interface " + std::to_string(m.interface);
}

PORTUNUS_DECL result<void> memberships::add(const membership& m, std::span<const int> sockets) {
    const auto same_place = [&m](const membership& o) {
        return o.group == m.group && o.interface == m.interface;
    };
    for (const membership& o : all_) {
        if (!same_place(o)) continue;
        if (o == m) return error(errc::address_in_use, text_of(m) + " is joined already");
        if (o.source.has_value() != m.source.has_value())
            return error(errc::address_in_use, text_of(m) + " contradicts " + text_of(o));
    }
    all_.push_back(m); // first what may throw
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (apply(sockets[i], m, true) == 0) continue;
        const int number = errno;
        while (i-- > 0) apply(sockets[i], m, false);
        all_.pop_back();
        if (number == EADDRINUSE) return error(errc::address_in_use, text_of(m) + " is joined already");
        if (number == ENODEV) return error(errc::no_such_interface, text_of(m));
        return udp_error(number, text_of(m));
    }
    return {};
}

PORTUNUS_DECL result<void> memberships::remove(const membership& m, std::span<const int> sockets) {
    const auto place = std::find(all_.begin(), all_.end(), m);
    if (place == all_.end()) return error(errc::address_not_available, text_of(m) + " was not joined");
    all_.erase(place);
    for (const int fd : sockets) apply(fd, m, false); // of an interface that has gone it fails: all is well
    return {};
}

PORTUNUS_DECL bool memberships::hears(const boost::asio::ip::address& group,
                                      std::uint32_t interface) const noexcept {
    return std::any_of(all_.begin(), all_.end(), [&](const membership& m) {
        return m.group == group && (m.interface == 0 || m.interface == interface);
    });
}

PORTUNUS_DECL std::vector<membership> memberships::of(const boost::asio::ip::address& group) const {
    std::vector<membership> found;
    for (const membership& m : all_)
        if (m.group == group) found.push_back(m);
    return found;
}

PORTUNUS_DECL int memberships::apply(int fd, const membership& m, bool join) noexcept {
    const int level = m.group.is_v4() ? IPPROTO_IP : IPPROTO_IPV6;
    const auto put = [](const boost::asio::ip::address& a, sockaddr_storage& to) {
        const udp_endpoint e(a, 0);
        std::memcpy(&to, e.data(), e.size());
    };
    if (m.source) {
        group_source_req request{};
        request.gsr_interface = m.interface;
        put(m.group, request.gsr_group);
        put(*m.source, request.gsr_source);
        return ::setsockopt(fd, level, join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP, &request,
                            sizeof request);
    }
    group_req request{};
    request.gr_interface = m.interface;
    put(m.group, request.gr_group);
    return ::setsockopt(fd, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &request, sizeof request);
}

} // namespace portunus::detail

#endif
