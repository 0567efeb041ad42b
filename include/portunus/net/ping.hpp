// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_PING_HPP
#define PORTUNUS_NET_PING_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <type_traits>

namespace portunus {

/// How to ask. Trivially destructible, so it may be written in place in a `co_await` expression.
struct ping_options {
    steady_clock::duration limit{std::chrono::seconds(2)}; ///< how long to wait for the answer
    std::size_t size{32};                                  ///< bytes of data, 8 to 1400
};
static_assert(std::is_trivially_destructible_v<ping_options>);

/// Asks a machine whether it is there (ICMP and ICMPv6 echo, RFC 792 and RFC 4443). Completes with the time
/// of the round trip, by the system's clock. Any number may run at the same time: each has a socket of its
/// own.
///
/// That somebody answers says nothing about his services, and that nobody does says little: many a firewall
/// drops these questions.
///
/// Errors: `errc::connect_timeout` with the address and the limit; the system's code when the network reports
/// that the address cannot be reached (EHOSTUNREACH, ENETUNREACH); `errc::invalid_option` for a size out of
/// its range; `errc::port_requires_privilege` where the system gives this program no such socket (the group
/// has to be in net.ipv4.ping_group_range, or the program needs CAP_NET_RAW); `errc::canceled`.
///
/// Row M-26 of the semantics.
awaitable<result<steady_clock::duration>> ping(boost::asio::ip::address whom, ping_options options = {});

} // namespace portunus

#include <portunus/net/impl/ping.hpp>

#endif