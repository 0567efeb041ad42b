// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_UDP_SYSTEM_IPP
#define PORTUNUS_NET_DETAIL_IMPL_UDP_SYSTEM_IPP

#include <portunus/net/detail/udp_system.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/net/datagram.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace portunus::detail {

PORTUNUS_DECL bool is_passing(int number) noexcept {
    switch (number) {
    case EINTR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case EPROTO:
    case EOPNOTSUPP:
    case EACCES:
    case EPERM:
    case EMSGSIZE:
        return true;
    default:
        return false;
    }
}

PORTUNUS_DECL udp_endpoint endpoint_of(const void* name, std::size_t size) noexcept {
    udp_endpoint e;
    sa_family_t family = AF_UNSPEC;
    if (size >= sizeof family) std::memcpy(&family, name, sizeof family);
    if (family == AF_INET && size >= sizeof(sockaddr_in)) {
        sockaddr_in in{};
        std::memcpy(&in, name, sizeof in);
        return {boost::asio::ip::address_v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
    }
    if (family != AF_INET6 || size < sizeof(sockaddr_in6)) return e;
    sockaddr_in6 in6{};
    std::memcpy(&in6, name, sizeof in6);
    boost::asio::ip::address_v6::bytes_type raw;
    std::copy_n(in6.sin6_addr.s6_addr, raw.size(), raw.begin());
    return {normalised(boost::asio::ip::address_v6(raw, in6.sin6_scope_id)), ntohs(in6.sin6_port)};
}

PORTUNUS_DECL std::size_t read_control(msghdr& message, datagram& d, std::uint32_t& lost) {
    bool v4 = false;
    int each = 0;
    for_each_control(message, [&](int level, int type, const unsigned char* data, std::size_t size) {
        if (level == IPPROTO_IP && type == IP_PKTINFO && size >= sizeof(in_pktinfo)) {
            in_pktinfo info{};
            std::memcpy(&info, data, sizeof info);
            const boost::asio::ip::address_v4 wanted(ntohl(info.ipi_addr.s_addr));
            v4 = true;
            d.local = wanted;
            d.interface = static_cast<std::uint32_t>(info.ipi_ifindex);
            d.to_multicast = wanted.is_multicast();
            // The kernel tells the address as it was written and the one of ours that was meant; they differ
            // where it was written to many (fib_compute_spec_dst).
            d.to_broadcast = !d.to_multicast && info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr;
        } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO && size >= sizeof(in6_pktinfo) && !v4) {
            in6_pktinfo info{};
            std::memcpy(&info, data, sizeof info);
            boost::asio::ip::address_v6::bytes_type raw;
            std::copy_n(info.ipi6_addr.s6_addr, raw.size(), raw.begin());
            boost::asio::ip::address_v6 wanted(raw);
            if (wanted.is_v4_mapped()) return; // IP_PKTINFO knows more
            if (wanted.is_link_local()) wanted.scope_id(info.ipi6_ifindex);
            d.local = wanted;
            d.interface = static_cast<std::uint32_t>(info.ipi6_ifindex);
            d.to_multicast = wanted.is_multicast();
        } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL && size >= sizeof lost) {
            std::memcpy(&lost, data, sizeof lost);
        } else if (level == SOL_UDP && type == UDP_GRO && size >= sizeof each) {
            std::memcpy(&each, data, sizeof each);
        }
    });
    return each > 0 ? static_cast<std::size_t>(each) : 0;
}

PORTUNUS_DECL std::size_t write_control(udp_control& to, const datagram_source& from, bool v4) noexcept {
    if (from.interface == 0 && from.local.is_unspecified()) return 0;
    auto* header = reinterpret_cast<cmsghdr*>(to.bytes.data());
    const auto put = [header](int level, int type, const auto& info) {
        header->cmsg_level = level;
        header->cmsg_type = type;
        header->cmsg_len = CMSG_LEN(sizeof info);
        std::memcpy(CMSG_DATA(header), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    };
    const boost::asio::ip::address local = normalised(from.local);
    if (v4) {
        in_pktinfo info{};
        info.ipi_ifindex = static_cast<int>(from.interface);
        if (local.is_v4()) info.ipi_spec_dst.s_addr = htonl(local.to_v4().to_uint());
        return put(IPPROTO_IP, IP_PKTINFO, info);
    }
    in6_pktinfo info{};
    info.ipi6_ifindex = from.interface;
    if (local.is_v6()) {
        const auto raw = local.to_v6().to_bytes();
        std::copy(raw.begin(), raw.end(), info.ipi6_addr.s6_addr);
    }
    return put(IPPROTO_IPV6, IPV6_PKTINFO, info);
}

PORTUNUS_DECL std::size_t write_segment_size(udp_control& to, std::size_t each) noexcept {
    auto* header = reinterpret_cast<cmsghdr*>(to.bytes.data());
    const auto size = static_cast<std::uint16_t>(each);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
    return CMSG_SPACE(sizeof size);
}

PORTUNUS_DECL error_report read_error_queue(int fd, icmp_error& report) {
    sockaddr_in6 name{};
    alignas(cmsghdr) std::array<char, 512> control;
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return error_report::none;
    report = {};
    report.destination = endpoint_of(&name, message.msg_namelen);
    auto kind = error_report::other;
    for_each_control(message, [&](int level, int type, const unsigned char* data, std::size_t size) {
        sock_extended_err e{};
        const bool ours =
            (level == IPPROTO_IP && type == IP_RECVERR) || (level == IPPROTO_IPV6 && type == IPV6_RECVERR);
        if (!ours || size < sizeof e) return;
        std::memcpy(&e, data, sizeof e);
        if (e.ee_origin != SO_EE_ORIGIN_ICMP && e.ee_origin != SO_EE_ORIGIN_ICMP6) return;
        kind = error_report::icmp;
        report.type = e.ee_type;
        report.code = e.ee_code;
        report.meaning.assign(static_cast<int>(e.ee_errno), boost::system::system_category());
        if (e.ee_errno == EMSGSIZE) report.mtu = e.ee_info;
        report.offender = endpoint_of(data + sizeof e, size - sizeof e).address();
    });
    return kind;
}

PORTUNUS_DECL std::uint32_t dropped_at(int fd) noexcept {
    std::array<std::uint32_t, SK_MEMINFO_VARS> numbers{};
    socklen_t size = sizeof numbers;
    return ::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers.data(), &size) == 0 ? numbers[SK_MEMINFO_DROPS]
                                                                                : 0;
}

PORTUNUS_DECL void udp_headers::prepare(std::size_t i, std::size_t first, std::size_t count,
                                        std::size_t name_size, std::size_t control_size) noexcept {
    msghdr& m = messages[i].msg_hdr;
    m = {};
    m.msg_name = &names[i];
    m.msg_namelen = static_cast<socklen_t>(name_size);
    m.msg_iov = &pieces[first];
    m.msg_iovlen = count;
    m.msg_control = control_size != 0 ? &controls[i] : nullptr;
    m.msg_controllen = control_size;
}

} // namespace portunus::detail

#endif
