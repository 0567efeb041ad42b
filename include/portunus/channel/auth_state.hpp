// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_STATE_HPP
#define PORTUNUS_CHANNEL_AUTH_STATE_HPP

#include <ostream>
#include <string_view>

namespace portunus {

/// How far a connection has come with proving who the client is. Row S-5; the numbers and the printed names
/// are those of the documented interface.
///
/// A client rests in `untrusted`, `seed_requested`, `key_transferred` and `trusted`, a server in `untrusted`,
/// `seed_transferred` and `trusted`; each passes through the others while it computes.
enum class auth_state : unsigned char {
    untrusted = 0,
    seed_requested = 1,
    seed_transferred = 2,
    key_transferred = 3,
    trusted = 4,
};

constexpr std::string_view to_string(auth_state s) noexcept {
    switch (s) {
    case auth_state::untrusted:
        return "Untrusted Connection";
    case auth_state::seed_requested:
        return "Seed was requested";
    case auth_state::seed_transferred:
        return "Seed has been sent";
    case auth_state::key_transferred:
        return "Key has been sent";
    case auth_state::trusted:
        return "Trusted Connection";
    }
    return "unknown";
}
inline std::ostream& operator<<(std::ostream& out, auth_state s) {
    return out << to_string(s);
}

} // namespace portunus

#endif
