// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_UDP_OPTIONS_HPP
#define PORTUNUS_NET_UDP_OPTIONS_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/policy/accept_policy.hpp>
#include <portunus/policy/interface_list.hpp>
#include <portunus/policy/port_list.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace portunus {

/// How a UDP socket is opened. It owns things: give it a name, then pass it to a constructor or a plain
/// function, never in place inside a `co_await` expression.
struct udp_options {
    /// The ports: several are several sockets of the system behind one object. 0: a free one (the same on all
    /// addresses), which `port()` tells.
    port_list ports{0};
    /// Our addresses to receive on. Empty: all of them, IPv4 and IPv6. A socket on one unicast address gets
    /// neither broadcasts nor multicasts.
    std::vector<boost::asio::ip::address> addresses{};
    /// Receive and send only by these interfaces (SO_BINDTODEVICE). Empty: all.
    interface_list interfaces{};
    /// Whose datagrams are received. Nobody's, unless told otherwise. A refused one vanishes without a word
    /// to its sender (how the policy refuses means nothing here), and is counted.
    accept_policy policy{};
    /// Called for each datagram that the policy, or `receive_broadcasts`, has refused, while a receive runs.
    std::function<void(const datagram&)> on_filtered{};
    /// Whether datagrams to a broadcast address are received (row T-10: not by default). Others drop them.
    bool receive_broadcasts{false};
    /// Share the ports with other sockets that do the same (SO_REUSEADDR): each of them gets a copy of every
    /// multicast and broadcast, and only the one that was opened last gets unicast datagrams.
    bool reuse{false};
    /// How much the kernel keeps of what nobody has received, in bytes; it counts its own overhead, too. 0:
    /// its default (net.core.rmem_default). Where it grants less (net.core.rmem_max) a warning is logged.
    std::size_t receive_buffer{0};
    /// The largest datagram that is received in full, 1 to 65535 bytes. A batch has 64 buffers of this size;
    /// of what is never used, no memory is taken.
    std::size_t max_datagram{65535};
    /// Let the kernel join datagrams of one sender and one size on their way in (UDP_GRO, Linux 5.0), which
    /// pays where very many come: they are given out one by one, as they were sent. Each of the 64 buffers
    /// then has 65535 bytes, and what is dropped before it was cut counts once.
    bool receive_offload{false};
    /// How many routers a unicast datagram may pass, 1 to 255. 0: the system's default, mostly 64.
    int hops{0};
    /// The same for multicasts, 0 to 255. 1: they stay on the link (row Q-21).
    int multicast_hops{1};
    /// Whether our multicasts reach receivers on this machine, too.
    bool multicast_loopback{true};
    /// Ask the network what becomes of our datagrams (IP_RECVERR): counted, and told to `on_icmp_error`.
    bool icmp_errors{false};
    /// Called for each report while a receive or a send of this socket runs; setting it implies
    /// `icmp_errors`. A report never ends a receive, and it is no error of the send that happens to meet it.
    std::function<void(const icmp_error&)> on_icmp_error{};
    /// How long a send waits for room in the system's buffer before it gives `errc::write_timeout`.
    steady_clock::duration send_limit = std::chrono::seconds(10);
    logger log{};
};

} // namespace portunus

#endif
