// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_MACHINE_HPP
#define PORTUNUS_SRC_MACHINE_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/net/detail/impl/interface_tracker.ipp>
#include <portunus/net/detail/impl/netlink.ipp>
#include <portunus/net/detail/impl/netlink_socket.ipp>
#include <portunus/net/impl/interface_watch.ipp>
#include <portunus/net/impl/interfaces.ipp>
#include <portunus/net/impl/mac_address.ipp>
#include <portunus/net/impl/neighbours.ipp>

#endif
