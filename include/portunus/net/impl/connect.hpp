// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_CONNECT_HPP
#define PORTUNUS_NET_IMPL_CONNECT_HPP

#include <portunus/net/connect.hpp>

#include <portunus/core/detail/config.hpp>

#include <vector>

namespace portunus {
namespace detail {

using endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

/// The order of RFC 8305, section 4: the families by turns, beginning with that of the first address; the
/// order within a family stays.
PORTUNUS_DECL endpoints by_turns(const endpoints& preferred);

PORTUNUS_DECL awaitable<result<tcp_stream>> connect_any(endpoints peers, connect_options options);

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/connect.ipp>
#endif

#endif
