// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_PHASE_HPP
#define PORTUNUS_CHANNEL_CHANNEL_PHASE_HPP

#include <portunus/channel/points.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <concepts>
#include <cstdint>
#include <ostream>
#include <string_view>
#include <type_traits>
#include <variant>

namespace portunus {

/// What a request for a point gives: its value, or nothing but whether it went well.
template <data_point Point>
using reply_result = std::conditional_t<std::same_as<typename Point::reply_type, std::monostate>,
                                        result<void>, result<typename Point::reply_type>>;

enum class channel_role : std::uint8_t { client, server };

/// How far a channel is.
enum class channel_phase : std::uint8_t {
    down,        ///< no connection
    connected,   ///< a connection, and the client has not proved who it is
    established, ///< messages flow (row S-17)
    closed,      ///< over for good
};
constexpr std::string_view to_string(channel_phase p) noexcept {
    switch (p) {
    case channel_phase::down:
        return "down";
    case channel_phase::connected:
        return "connected";
    case channel_phase::established:
        return "established";
    case channel_phase::closed:
        return "closed";
    }
    return "unknown";
}
inline std::ostream& operator<<(std::ostream& out, channel_phase p) {
    return out << to_string(p);
}

/// A change of a channel's phase.
struct channel_event {
    channel_phase phase{channel_phase::down};
    error cause{};           ///< with `down` and `closed`: why the connection ended
    std::uint64_t missed{0}; ///< events before this one that nobody took in time
};

/// What a channel has counted. A snapshot.
struct channel_counters {
    std::uint64_t received{0};  ///< messages
    std::uint64_t sent{0};      ///< messages
    std::uint64_t links{0};     ///< connections so far
    std::uint64_t damaged{0};   ///< frames that were no message, or not the one that was sent
    std::uint64_t refused{0};   ///< messages before trust that ran nothing
    std::uint64_t unhandled{0}; ///< messages that no handler wanted
    std::uint64_t dropped{0};   ///< of those, how many were lost for want of room
    std::uint64_t late{0};      ///< answers whose request had timed out or was cancelled
    std::uint64_t handler_failures{0};
    std::uint64_t timeouts{0}; ///< requests without an answer
};

} // namespace portunus

#endif
