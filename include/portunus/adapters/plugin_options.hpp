// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_OPTIONS_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_OPTIONS_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/logger.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace portunus {

/// Where the events of a plugin come.
enum class plugin_place : std::uint8_t {
    own_thread, ///< it may block, and only it has to wait for that
    io_context, ///< it promises never to block; fastest, and without a change of threads
};

/// How a plugin is run, and how much may wait for it. It owns things.
struct plugin_options {
    /// For log lines.
    std::string name = "plugin";
    plugin_place runs_on = plugin_place::own_thread;
    /// Connections at the same time, 1 to 1048576; who comes when there are as many is reset and counted.
    std::uint32_t max_connections = 16384;
    /// Bytes of a connection that wait for the plugin, at least 4096. Then the connection is not read.
    std::size_t max_inbox = 65536;
    /// Encoded bytes of a connection that wait to be sent. One message always fits when none wait.
    std::size_t max_queued = std::size_t(1) << 20;
    /// Datagrams of a socket that wait for the plugin, and as many that wait to be sent.
    std::size_t max_datagrams = 256;
    /// What `plugin_control::deliver` may have waiting; and the rarer commands that wait for the I/O context.
    std::size_t max_events = 1024;
    /// A message that has begun must be complete after so long, however its bytes trickle in; then the
    /// connection ends (`errc::read_timeout`). Zero: no limit.
    steady_clock::duration message_limit = std::chrono::seconds(30);
    /// How long the peer has for its goodbye when a connection is closed in good order.
    steady_clock::duration drain_limit = std::chrono::seconds(10);
    /// An event that takes longer is logged as a warning and counted.
    steady_clock::duration block_limit = std::chrono::seconds(2);
    /// How long the destructor of the host waits for an event that runs.
    steady_clock::duration stop_limit = std::chrono::seconds(10);
    logger log{};
};

} // namespace portunus

#endif
