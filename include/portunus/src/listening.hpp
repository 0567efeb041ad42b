// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_LISTENING_HPP
#define PORTUNUS_SRC_LISTENING_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/net/detail/impl/open_failure.ipp>
#include <portunus/net/detail/impl/proxy_gate.ipp>
#include <portunus/net/detail/impl/silent_filter.ipp>
#include <portunus/net/impl/accept_one.ipp>
#include <portunus/net/impl/inherited_sockets.ipp>
#include <portunus/net/impl/listen.ipp>
#include <portunus/net/impl/peer_info.ipp>
#include <portunus/net/impl/proxy_protocol.ipp>
#include <portunus/net/impl/service_notify.ipp>
#include <portunus/net/impl/session_keys.ipp>
#include <portunus/net/impl/tcp_listener.ipp>

#endif
