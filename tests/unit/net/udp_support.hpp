// SPDX-License-Identifier: BSL-1.0
// What the tests of datagrams share: strangers with the system's own sockets.
#ifndef PORTUNUS_TESTS_UNIT_NET_UDP_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_NET_UDP_SUPPORT_HPP

#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/datagram.hpp>
#include <portunus/net/udp_options.hpp>

#include <boost/asio/ip/udp.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace portunus_tests {

using udp = asio::ip::udp;

inline const asio::ip::address loopback6 = asio::ip::address_v6::loopback();

/// A plain UDP socket of the system. Nothing waits longer than some seconds. It may broadcast.
class stranger {
  public:
    explicit stranger(const asio::ip::address& on = loopback, std::uint16_t port = 0)
        : fd_(::socket(on.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const timeval patience{20, 0};
        const int yes = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(fd_, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
        const udp::endpoint e(on, port);
        if (fd_ < 0 || ::bind(fd_, e.data(), static_cast<socklen_t>(e.size())) != 0) fail("binding");
    }
    stranger(stranger&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    stranger& operator=(stranger&&) = delete;
    ~stranger() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    udp::endpoint where() const {
        udp::endpoint e;
        auto size = static_cast<socklen_t>(e.capacity());
        ::getsockname(fd_, e.data(), &size);
        e.resize(size);
        return e;
    }
    std::uint16_t port() const { return where().port(); }
    int fd() const { return fd_; }
    void send(const udp::endpoint& to, std::string_view text) const {
        if (::sendto(fd_, text.data(), text.size(), 0, to.data(), static_cast<socklen_t>(to.size())) < 0)
            fail("sending");
    }
    /// Multicasts leave by this interface.
    void multicast_by(unsigned interface) const {
        const ip_mreqn v4{{}, {}, static_cast<int>(interface)};
        const int v6 = static_cast<int>(interface);
        ::setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &v4, sizeof v4);
        ::setsockopt(fd_, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v6, sizeof v6);
    }

    struct got {
        std::string text;
        udp::endpoint sender;
    };
    got receive() const {
        std::string buffer(70'000, '\0');
        udp::endpoint from;
        auto size = static_cast<socklen_t>(from.capacity());
        const auto n = ::recvfrom(fd_, buffer.data(), buffer.size(), 0, from.data(), &size);
        if (n < 0) fail("receiving");
        from.resize(size);
        buffer.resize(static_cast<std::size_t>(n));
        return {std::move(buffer), from};
    }
    bool has_something() const {
        char byte;
        return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
    }

  private:
    [[noreturn]] static void fail(const char* what) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    int fd_;
};

/// Loopback only, everybody let in.
inline portunus::udp_options open_to_all(const asio::ip::address& on = loopback) {
    portunus::udp_options o;
    if (!on.is_unspecified()) o.addresses = {on};
    o.policy = portunus::accept_policy::allow_all();
    return o;
}

/// A datagram whose bytes are kept.
struct kept {
    portunus::datagram about;
    std::string text;
};
inline kept keep(const portunus::result<portunus::datagram>& got) {
    const portunus::datagram d = got.value();
    return {d, std::string(d.bytes)};
}

inline bool contains(const portunus::error& e, std::string_view part) {
    return e.message().find(part) != std::string::npos;
}

} // namespace portunus_tests

#endif
