// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_WEBSOCKET_HPP
#define PORTUNUS_SRC_WEBSOCKET_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/http/impl/websocket.ipp>
#include <portunus/http/impl/websocket_client.ipp>
#include <portunus/http/impl/websocket_frame.ipp>
#include <portunus/http/impl/websocket_handler.ipp>
#include <portunus/http/impl/websocket_upgrade.ipp>

#endif
