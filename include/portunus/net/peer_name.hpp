// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_PEER_NAME_HPP
#define PORTUNUS_NET_PEER_NAME_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/resolver.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <string>

namespace portunus {

/// Completes with the name of a peer for a log or a list, "studio.local", or with "?" where nobody knows one:
/// also at the limit, for an address that has none, when no question can be asked, and when the caller is
/// cancelled. It never fails.
///
/// The system is asked, and the peer itself by mDNS where it is on our link, as `resolve_name` does. That may
/// take as long as the limit: accept first, and ask from the session or from a task of its own.
///
///     auto who = co_await peer_name(peer.remote.address());
///
/// Semantics row X-11 (xtKeyName).
awaitable<std::string> peer_name(const boost::asio::ip::address& address,
                                 steady_clock::duration limit = std::chrono::seconds(2));
awaitable<std::string> peer_name(const peer_info& peer,
                                 steady_clock::duration limit = std::chrono::seconds(2));

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/peer_name.ipp>
#endif

#endif
