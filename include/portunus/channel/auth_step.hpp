// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_STEP_HPP
#define PORTUNUS_CHANNEL_AUTH_STEP_HPP

#include <portunus/channel/message.hpp>
#include <portunus/core/error.hpp>

#include <optional>

namespace portunus {

/// What is to be done after an event of a handshake, in this order. All empty: nothing.
struct auth_step {
    /// The message was one of the handshake, or not to be looked at any further: no handler gets it.
    bool taken = false;
    std::optional<message> send{}; ///< to the peer
    bool trusted = false;          ///< the peer is trusted from now on
    /// The attempt has ended without trust, and why, for the log and for whoever waits for it: no secret is
    /// in it. `failed.code().failed()` asks whether there is one.
    error failed{};
    bool close = false; ///< the connection is to be closed when `send` has left
};

} // namespace portunus

#endif
