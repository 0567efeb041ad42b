// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_CONNECTION_ATTEMPT_HPP
#define PORTUNUS_POLICY_CONNECTION_ATTEMPT_HPP

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string_view>

namespace portunus {

/// Somebody is at the door: all that a policy may know when it decides. What it cannot know is who the peer
/// *is*; an address can be shared, and on a local network it can be taken. Authentication is a later step.
///
/// For a stream: an accepted socket, before any byte was read. For a datagram: its sender and where it
/// arrived.
struct connection_attempt {
    boost::asio::ip::address
        remote{};           ///< the peer, as the socket reports it: a mapped address is normalised later
    std::uint16_t port = 0; ///< the port that the peer sends from
    boost::asio::ip::address local{}; ///< our address that the peer has chosen
    std::uint16_t local_port = 0;     ///< our port that the peer has chosen

    /// The name of the interface on which the peer arrived, empty where it is not known. Owned by the caller;
    /// the policy looks at it during `decide` and keeps nothing.
    std::string_view interface {};
};

} // namespace portunus

#endif
