// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_DATAGRAMS_HPP
#define PORTUNUS_SRC_DATAGRAMS_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/net/detail/impl/memberships.ipp>
#include <portunus/net/detail/impl/udp_state.ipp>
#include <portunus/net/detail/impl/udp_system.ipp>
#include <portunus/net/impl/ping.ipp>
#include <portunus/net/impl/udp_hub.ipp>
#include <portunus/net/impl/udp_peer.ipp>
#include <portunus/net/impl/udp_socket.ipp>

#endif
