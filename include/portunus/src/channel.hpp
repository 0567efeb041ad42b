// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_CHANNEL_HPP
#define PORTUNUS_SRC_CHANNEL_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/channel/detail/impl/channel_core.ipp>
#include <portunus/channel/detail/impl/envelope.ipp>
#include <portunus/channel/impl/channel.ipp>
#include <portunus/channel/impl/channel_client.ipp>
#include <portunus/channel/impl/channel_server.ipp>
#include <portunus/channel/impl/points.ipp>
#include <portunus/channel/impl/services.ipp>
#include <portunus/json/detail/impl/cursor.ipp>
#include <portunus/json/detail/impl/trouble.ipp>
#include <portunus/json/impl/read.ipp>
#include <portunus/json/impl/write.ipp>

#endif
