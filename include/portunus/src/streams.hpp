// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_STREAMS_HPP
#define PORTUNUS_SRC_STREAMS_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/net/detail/impl/descriptor_stream.ipp>
#include <portunus/net/detail/impl/parking.ipp>
#include <portunus/net/detail/impl/pipe_pool.ipp>
#include <portunus/net/detail/impl/sigpipe_block.ipp>
#include <portunus/net/impl/any_stream.ipp>
#include <portunus/net/impl/async_stream.ipp>
#include <portunus/net/impl/connection_state.ipp>
#include <portunus/net/impl/relay.ipp>
#include <portunus/net/impl/serial_stream.ipp>
#include <portunus/net/impl/status.ipp>
#include <portunus/net/impl/tcp_stream.ipp>
#include <portunus/net/impl/urgent.ipp>

#endif
