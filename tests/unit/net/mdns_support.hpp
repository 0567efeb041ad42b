// SPDX-License-Identifier: BSL-1.0
// Multicast DNS on the loopback: a port of the test's own instead of 5353, so that neither this machine's
// responder nor another test hears it, and time that moves by hand.
#ifndef PORTUNUS_TESTS_UNIT_NET_MDNS_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_NET_MDNS_SUPPORT_HPP

#include "support/world.hpp"

#include <portunus/net/mdns_announcer.hpp>
#include <portunus/net/mdns_browse.hpp>
#include <portunus/net/mdns_resolve.hpp>
#include <portunus/net/udp_socket.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace portunus_tests {

/// Waits until what was sent over the loopback before has been delivered: it comes after it.
class loopback_canary {
  public:
    loopback_canary() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        const timeval patience{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&name), size) != 0 ||
            ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size) != 0 ||
            ::connect(fd_, reinterpret_cast<sockaddr*>(&name), size) != 0)
            throw std::system_error(errno, std::generic_category(), "a socket on the loopback");
    }
    loopback_canary(const loopback_canary&) = delete;
    loopback_canary& operator=(const loopback_canary&) = delete;
    ~loopback_canary() { ::close(fd_); }

    void fly() const {
        char byte = 1;
        if (::send(fd_, &byte, 1, 0) != 1 || ::recv(fd_, &byte, 1, 0) != 1)
            throw std::system_error(errno, std::generic_category(), "a datagram over the loopback");
    }

  private:
    int fd_;
};

/// What happens in a twentieth of a second.
inline void pass_some(world& w, portunus::steady_clock::duration by = 50ms) {
    static const loopback_canary canary;
    w.settle();
    canary.fly();
    w.pass(by);
    canary.fly();
    w.settle();
}

/// Passes time until it is done.
template <class T>
T answer_of(world& w, portunus::testing::started<T>& asked) {
    for (int i = 0; i < 2000 && !asked.done(); ++i) pass_some(w);
    return asked.get();
}

inline void announce(world& w, portunus::mdns_announcer& announcer) {
    auto ready = w.start(announcer.ready());
    must(answer_of(w, ready));
    for (int i = 0; i < 45; ++i) pass_some(w); // the second announcement, and a second more
}

struct mdns_world {
    mdns_world() : fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        // Kept open, so that nobody gets the port who does not share it.
        const int on = 1, off = 0;
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        socklen_t size = sizeof name;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&name), size) != 0 ||
            ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0)
            throw std::system_error(errno, std::generic_category(), "a port for multicast DNS");
        port = ntohs(name.sin6_port);
    }
    mdns_world(const mdns_world&) = delete;
    mdns_world& operator=(const mdns_world&) = delete;
    ~mdns_world() { ::close(fd); }

    portunus::mdns_announcer_options announcing(std::string host,
                                                std::vector<portunus::mdns_service> services) const {
        portunus::mdns_announcer_options o;
        o.host = std::move(host);
        o.services = std::move(services);
        o.interfaces = portunus::interface_list("lo");
        o.port = port;
        o.log = portunus::logger::silent();
        return o;
    }
    portunus::mdns_browse_options browsing() const {
        portunus::mdns_browse_options o;
        o.on = "lo";
        o.port = port;
        return o;
    }
    portunus::mdns_options asking() const {
        portunus::mdns_options o;
        o.on = "lo";
        o.port = port;
        return o;
    }
    /// As a responder would.
    void multicast(world& w, std::string_view bytes) const {
        portunus::udp_options door;
        door.ports = port;
        door.reuse = true;
        portunus::udp_socket socket(w.context.get_executor(), door);
        portunus::datagram_source from;
        from.interface = 1; // the loopback, everywhere
        must(socket.try_send_from(from, {portunus::detail::mdns_group_address(false), port}, bytes));
        w.settle();
    }

    int fd;
    std::uint16_t port = 0;
};

} // namespace portunus_tests

#endif
