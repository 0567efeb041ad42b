// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_PEER_INFO_HPP
#define PORTUNUS_NET_PEER_INFO_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>

namespace portunus {

/// "10.0.0.7:4411", "[fe80::1%2]:4411"; an IPv4-mapped address is written as the IPv4 address that it is.
PORTUNUS_DECL std::string to_string(const boost::asio::ip::tcp::endpoint& e);

namespace detail {

PORTUNUS_DECL bool same_address(const sockaddr& a, const boost::asio::ip::address& wanted);

/// The name of the interface that has this address of ours, empty when there is none. Asks the system each
/// time.
PORTUNUS_DECL std::string interface_of(const boost::asio::ip::address& local);

} // namespace detail

/// Who came in, where and when. Known at accept time; owns nothing.
struct peer_info {
    boost::asio::ip::tcp::endpoint remote{}; ///< the peer; behind a proxy the client that it named
    boost::asio::ip::tcp::endpoint local{};  ///< our end: the address and the port that it came to
    std::uint64_t id{0};                     ///< of this connection, unique within its listener, from 1
    std::uint32_t listener{0}; ///< which of the listener's endpoints, by its place in `endpoints()`
    std::chrono::system_clock::time_point time{}; ///< when it was accepted
    /// The proxy through which it came, where a PROXY header named somebody else as the peer; port 0 where
    /// not.
    boost::asio::ip::tcp::endpoint proxy{};

    /// The name of the interface it came in by ("eth0"), empty when it cannot be found. Asks the system.
    std::string interface() const { return detail::interface_of(local.address()); }
};
static_assert(std::is_trivially_destructible_v<peer_info>);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/peer_info.ipp>
#endif

#endif
