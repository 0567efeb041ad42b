// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_NEIGHBOURS_HPP
#define PORTUNUS_NET_IMPL_NEIGHBOURS_HPP

#include <portunus/net/neighbours.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/netlink_socket.hpp>

namespace portunus {
namespace detail {

PORTUNUS_DECL neighbour_state neighbour_state_of(std::uint16_t nud) noexcept;

/// The hardware address that an entry tells: while it is believed in, and where there is hardware.
PORTUNUS_DECL std::optional<mac_address> mac_in_entry(const netlink::neighbour_message& n) noexcept;

/// The one hardware address that the table has for a peer; nothing where it has none, or several.
PORTUNUS_DECL std::optional<mac_address> mac_in_table(const std::vector<netlink::neighbour_message>& table,
                                                      const boost::asio::ip::address& peer);

/// One entry, for kernels that can be asked for one (5.0 and newer); the whole link's from the others.
PORTUNUS_DECL result<std::optional<mac_address>>
ask_neighbour(netlink::netlink_socket& kernel, const boost::asio::ip::address& peer, std::uint32_t link);

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/neighbours.ipp>
#endif

#endif
