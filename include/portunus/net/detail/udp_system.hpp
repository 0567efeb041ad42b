// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_UDP_SYSTEM_HPP
#define PORTUNUS_NET_DETAIL_UDP_SYSTEM_HPP

#include <portunus/core/error.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/open_failure.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace portunus::detail {

using udp_endpoint = boost::asio::ip::udp::endpoint;

/// What stands beside a datagram: where it came to, by which interface, how many were lost.
struct alignas(cmsghdr) udp_control {
    std::array<char, 128> bytes;
};

inline error udp_error(int number, std::string detail) {
    return error(boost::system::error_code(number, boost::system::system_category()), std::move(detail));
}

/// Whether a failed call only tells of something that happened to an earlier datagram, or in the network: the
/// next call is unharmed.
inline bool is_passing(int number) noexcept {
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

inline udp_endpoint endpoint_of(const void* name, std::size_t size) noexcept {
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

/// Calls `each(level, type, data, size)` for what stands beside a datagram.
template <class Each>
void for_each_control(msghdr& message, Each each) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        each(c->cmsg_level, c->cmsg_type, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

/// Where a datagram came to. `lost`: how many the socket has dropped in all, where it has dropped any. Gives
/// the size of each, where the kernel has joined several (UDP_GRO); else 0.
inline std::size_t read_control(msghdr& message, datagram& d, std::uint32_t& lost) {
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

/// Writes where a datagram is to leave from. 0 where that is left to the system.
inline std::size_t write_control(udp_control& to, const datagram_source& from, bool v4) noexcept {
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

/// Tells the kernel to cut what it is given into datagrams of `each` bytes (UDP_SEGMENT).
inline std::size_t write_segment_size(udp_control& to, std::size_t each) noexcept {
    auto* header = reinterpret_cast<cmsghdr*>(to.bytes.data());
    const auto size = static_cast<std::uint16_t>(each);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
    return CMSG_SPACE(sizeof size);
}

/// Whether it was the cutting that the kernel refused: datagrams larger than the path takes whole, an
/// interface that computes no checksums (udp_send_skb in net/ipv4/udp.c), a kernel that knows nothing of it.
inline bool cannot_cut(int number) noexcept {
    return number == EINVAL || number == EIO || number == EMSGSIZE || number == EOPNOTSUPP;
}

enum class error_report { none, icmp, other };

/// Takes one report from the error queue of a socket, without waiting (ip(7), IP_RECVERR).
inline error_report read_error_queue(int fd, icmp_error& report) {
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

/// How many datagrams the kernel has dropped at this socket; the number that SO_RXQ_OVFL carries, without a
/// datagram.
inline std::uint32_t dropped_at(int fd) noexcept {
    std::array<std::uint32_t, SK_MEMINFO_VARS> numbers{};
    socklen_t size = sizeof numbers;
    return ::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers.data(), &size) == 0 ? numbers[SK_MEMINFO_DROPS]
                                                                                : 0;
}

/// What `recvmmsg` and `sendmmsg` need for a batch. Made once, at the first batch.
struct udp_headers {
    static constexpr std::size_t most = 64;
    std::array<mmsghdr, most> messages{};
    std::array<iovec, most> pieces{};
    std::array<sockaddr_in6, most> names{};
    std::array<udp_control, most> controls{};

    /// Fills message `i` with the pieces from `first` on.
    void prepare(std::size_t i, std::size_t first, std::size_t count, std::size_t name_size,
                 std::size_t control_size) noexcept {
        msghdr& m = messages[i].msg_hdr;
        m = {};
        m.msg_name = &names[i];
        m.msg_namelen = static_cast<socklen_t>(name_size);
        m.msg_iov = &pieces[first];
        m.msg_iovlen = count;
        m.msg_control = control_size != 0 ? &controls[i] : nullptr;
        m.msg_controllen = control_size;
    }
};

/// What one call of the system has brought, and what of that is still to be given out: the kernel may have
/// joined datagrams of one sender and one size.
struct udp_batch_room {
    explicit udp_batch_room(std::size_t size_of_each)
        : each(size_of_each), bytes(new char[each * udp_headers::most]) {
    } // untouched: what is never used takes no memory

    /// Fills the headers for a call that receives.
    void prepare(std::size_t count) noexcept {
        for (std::size_t i = 0; i < count; ++i) {
            headers.pieces[i] = {bytes.get() + i * each, each};
            headers.prepare(i, i, 1, sizeof(sockaddr_in6), sizeof(udp_control));
        }
    }
    bool empty() const noexcept { return next == arrived; }
    /// The next datagram of what has arrived.
    datagram take() noexcept {
        datagram& whole = joined[next];
        datagram d = whole;
        if (segment[next] != 0 && segment[next] < whole.size) {
            d.size = segment[next];
            d.bytes = whole.bytes.substr(0, d.size);
            whole.size -= d.size;
            whole.bytes.remove_prefix(d.size);
            whole.lost_before = 0;
        } else {
            ++next;
        }
        return d;
    }

    std::size_t each;
    udp_headers headers;
    std::array<datagram, udp_headers::most> datagrams{}; // what the caller gets
    std::array<datagram, udp_headers::most> joined{};    // what the system gave
    std::array<std::size_t, udp_headers::most> segment{};
    std::size_t next = 0, arrived = 0;
    std::uint32_t lost = 0; // before datagrams that were refused
    std::unique_ptr<char[]> bytes;
};

} // namespace portunus::detail

#endif
