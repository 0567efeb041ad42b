// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_CLOSE_REASON_HPP
#define PORTUNUS_CORE_CLOSE_REASON_HPP

#include <portunus/core/error.hpp>

#include <boost/asio/error.hpp>

#include <ostream>
#include <string_view>

namespace portunus {

/// Why a connection ended. Every connection gets exactly one: the first cause that was recorded wins.
enum class close_reason {
    none,            ///< it has not ended
    eof,             ///< the peer closed in good order
    reset,           ///< the peer, or the network, broke it off
    timed_out,       ///< a limit in time, ours or the system's, other than the idle limit
    idle,            ///< no byte moved for the idle limit
    closed_locally,  ///< our own `close`
    aborted_locally, ///< our own `abort`, or the last handle was destroyed
    replaced,        ///< a newer connection took its place
    denied,          ///< the policy refused it
    protocol_error,  ///< the peer sent what the codec refuses
    shutdown,        ///< our program stopped
};

constexpr std::string_view to_string(close_reason r) noexcept {
    switch (r) {
    case close_reason::none:
        return "none";
    case close_reason::eof:
        return "eof";
    case close_reason::reset:
        return "reset";
    case close_reason::timed_out:
        return "timed_out";
    case close_reason::idle:
        return "idle";
    case close_reason::closed_locally:
        return "closed_locally";
    case close_reason::aborted_locally:
        return "aborted_locally";
    case close_reason::replaced:
        return "replaced";
    case close_reason::denied:
        return "denied";
    case close_reason::protocol_error:
        return "protocol_error";
    case close_reason::shutdown:
        return "shutdown";
    }
    return "unknown";
}

inline std::ostream& operator<<(std::ostream& out, close_reason r) {
    return out << to_string(r);
}

/// The reason that a fatal error of a stream stands for.
inline close_reason reason_of(const error& e) noexcept {
    if (e == errc::end_of_stream || e == boost::system::error_code(boost::asio::error::eof))
        return close_reason::eof;
    if (e == errc::idle_timeout) return close_reason::idle;
    if (e == errc::closed_locally) return close_reason::closed_locally;
    if (e == errc::aborted_locally || e == condition::canceled) return close_reason::aborted_locally;
    if (e == errc::replaced) return close_reason::replaced;
    if (e == errc::shutting_down) return close_reason::shutdown;
    if (e == condition::timeout) return close_reason::timed_out;
    if (e == condition::malformed || e == condition::too_large) return close_reason::protocol_error;
    if (e == condition::denied) return close_reason::denied;
    return e.code().failed() ? close_reason::reset : close_reason::none;
}

} // namespace portunus

#endif
