// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_UDP_SYSTEM_HPP
#define PORTUNUS_NET_DETAIL_UDP_SYSTEM_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/open_failure.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

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
PORTUNUS_DECL bool is_passing(int number) noexcept;

PORTUNUS_DECL udp_endpoint endpoint_of(const void* name, std::size_t size) noexcept;

/// Calls `each(level, type, data, size)` for what stands beside a datagram.
template <class Each>
void for_each_control(msghdr& message, Each each) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        each(c->cmsg_level, c->cmsg_type, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

/// Where a datagram came to. `lost`: how many the socket has dropped in all, where it has dropped any. Gives
/// the size of each, where the kernel has joined several (UDP_GRO); else 0.
PORTUNUS_DECL std::size_t read_control(msghdr& message, datagram& d, std::uint32_t& lost);

/// Writes where a datagram is to leave from. 0 where that is left to the system.
PORTUNUS_DECL std::size_t write_control(udp_control& to, const datagram_source& from, bool v4) noexcept;

/// Tells the kernel to cut what it is given into datagrams of `each` bytes (UDP_SEGMENT).
PORTUNUS_DECL std::size_t write_segment_size(udp_control& to, std::size_t each) noexcept;

/// Whether it was the cutting that the kernel refused: datagrams larger than the path takes whole, an
/// interface that computes no checksums (udp_send_skb in net/ipv4/udp.c), a kernel that knows nothing of it.
inline bool cannot_cut(int number) noexcept {
    return number == EINVAL || number == EIO || number == EMSGSIZE || number == EOPNOTSUPP;
}

enum class error_report { none, icmp, other };

/// Takes one report from the error queue of a socket, without waiting (ip(7), IP_RECVERR).
PORTUNUS_DECL error_report read_error_queue(int fd, icmp_error& report);

/// How many datagrams the kernel has dropped at this socket; the number that SO_RXQ_OVFL carries, without a
/// datagram.
PORTUNUS_DECL std::uint32_t dropped_at(int fd) noexcept;

/// What `recvmmsg` and `sendmmsg` need for a batch. Made once, at the first batch.
struct udp_headers {
    static constexpr std::size_t most = 64;
    std::array<mmsghdr, most> messages{};
    std::array<iovec, most> pieces{};
    std::array<sockaddr_in6, most> names{};
    std::array<udp_control, most> controls{};

    /// Fills message `i` with the pieces from `first` on.
    void prepare(std::size_t i, std::size_t first, std::size_t count, std::size_t name_size,
                 std::size_t control_size) noexcept;
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

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/udp_system.ipp>
#endif

#endif
