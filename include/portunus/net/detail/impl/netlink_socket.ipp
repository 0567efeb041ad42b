// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_NETLINK_SOCKET_IPP
#define PORTUNUS_NET_DETAIL_IMPL_NETLINK_SOCKET_IPP

#include <portunus/net/detail/netlink_socket.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>

#include <cerrno>

#include <sys/socket.h>

namespace portunus::detail::netlink {

PORTUNUS_DECL ssize_t receive_from_kernel(int fd, std::span<unsigned char> into, int flags) {
    for (;;) {
        sockaddr_nl from{};
        iovec part{into.data(), into.size()};
        msghdr head{};
        head.msg_name = &from;
        head.msg_namelen = sizeof from;
        head.msg_iov = &part;
        head.msg_iovlen = 1;
        const ssize_t n = ::recvmsg(fd, &head, flags | MSG_TRUNC);
        if (n < 0 && errno == EINTR) continue;
        const bool stranger =
            n >= 0 && head.msg_namelen != 0 && from.nl_family == AF_NETLINK && from.nl_pid != 0;
        if (!stranger) return n;
        if ((flags & MSG_PEEK) != 0) { // it has to leave the queue
            unsigned char byte = 0;
            if (::recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != EINTR) return -1;
        }
    }
}

PORTUNUS_DECL result<netlink_socket> netlink_socket::open(std::uint32_t groups) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return system_failure(errno, "opening a netlink socket");
    netlink_socket s(fd, 0);
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    name.nl_groups = groups;
    socklen_t size = sizeof name;
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0)
        return system_failure(errno, "binding a netlink socket");
    s.port_ = name.nl_pid;
    return s;
}

PORTUNUS_DECL int netlink_socket::receive() {
    if (buffer_.empty()) buffer_.resize(32 * 1024);
    for (;;) {
        const ssize_t n = receive_from_kernel(fd_, buffer_, MSG_PEEK);
        if (n < 0) return errno;
        if (n == 0) return ECONNRESET;
        const auto size = static_cast<std::size_t>(n);
        if (size > largest) return EMSGSIZE;
        if (size > buffer_.size()) {
            buffer_.resize(size);
            continue;
        }
        const ssize_t taken = receive_from_kernel(fd_, buffer_, 0);
        if (taken < 0) return errno;
        size_ = static_cast<std::size_t>(taken);
        return size_ > buffer_.size() ? EMSGSIZE : 0;
    }
}

} // namespace portunus::detail::netlink

#endif
