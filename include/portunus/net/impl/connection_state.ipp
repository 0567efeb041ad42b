// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_CONNECTION_STATE_IPP
#define PORTUNUS_NET_IMPL_CONNECTION_STATE_IPP

#include <portunus/net/connection_state.hpp>

#include <portunus/core/close_reason.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <cerrno>
#include <optional>
#include <string_view>

namespace portunus {
namespace detail {

/// What an errno says about a connection.
enum class system_verdict {
    silent,     // nothing was said
    reset,      // the peer did it
    unanswered, // the peer stayed away
    no_way,     // the network did it
    service,    // this machine did it
};

PORTUNUS_DECL system_verdict verdict_of(int number) noexcept {
    switch (number) {
    case 0:
        return system_verdict::silent;
    case ECONNRESET:
    case ECONNREFUSED: // at once for a closed port, RST in both cases
    case ECONNABORTED:
    case EPIPE:
        return system_verdict::reset;
    case ETIMEDOUT:
        return system_verdict::unanswered;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENETRESET:
    case ENONET:
    case ENOPROTOOPT: // ICMP: protocol unreachable
    case EPROTO:      // ICMP: parameter problem
    case EOPNOTSUPP:  // ICMP: source route failed
        return system_verdict::no_way;
    default:
        return system_verdict::service;
    }
}

/// The number of the system in an error, 0 in one of ours.
PORTUNUS_DECL int system_number(const error& e) noexcept {
    return e.code().category() == boost::system::system_category() ||
                   e.code().category() == boost::system::generic_category()
               ? e.code().value()
               : 0;
}

PORTUNUS_DECL detailed_state reset_in(connection_phase p) noexcept {
    switch (p) {
    case connection_phase::passive_opening:
        return detailed_state::reset_passive_opening;
    case connection_phase::active_opening:
        return detailed_state::reset_active_opening;
    case connection_phase::established:
        return detailed_state::reset_established;
    case connection_phase::passive_closing:
        return detailed_state::reset_passive_closing;
    case connection_phase::active_closing:
        return detailed_state::reset_active_closing;
    default:
        return detailed_state::reset_strange;
    }
}

PORTUNUS_DECL detailed_state unanswered_in(connection_phase p) noexcept {
    switch (p) {
    case connection_phase::passive_opening:
        return detailed_state::unanswered_passive_opening;
    case connection_phase::active_opening:
        return detailed_state::unanswered_active_opening;
    case connection_phase::established:
        return detailed_state::unanswered_established;
    case connection_phase::passive_closing:
        return detailed_state::unanswered_passive_closing;
    case connection_phase::active_closing:
        return detailed_state::unanswered_active_closing;
    default:
        return detailed_state::unresolved;
    }
}

/// What the transport met in phase `p`.
PORTUNUS_DECL detailed_state broken_in(connection_phase p, int number) noexcept {
    switch (verdict_of(number)) {
    case system_verdict::unanswered:
        return unanswered_in(p);
    case system_verdict::no_way:
        return p == connection_phase::active_opening ? detailed_state::unresolved : unanswered_in(p);
    case system_verdict::service: // nobody's fault but ours: we gave it up
        if (p == connection_phase::address_resolution) return detailed_state::unresolved;
        return p == connection_phase::active_opening ? detailed_state::discarded_by_command
                                                     : detailed_state::reset_by_command;
    default:
        return reset_in(p);
    }
}

} // namespace detail

PORTUNUS_DECL tcp_state tcp_state_from_kernel(int number) noexcept {
    if (number == 12) return tcp_state::syn_received; // TCP_NEW_SYN_RECV, the kernel's own subdivision
    return number >= 1 && number <= 11 ? static_cast<tcp_state>(number) : tcp_state::closed;
}

PORTUNUS_DECL std::string_view to_string(tcp_state s) noexcept {
    switch (s) {
    case tcp_state::established:
        return "established";
    case tcp_state::syn_sent:
        return "syn_sent";
    case tcp_state::syn_received:
        return "syn_received";
    case tcp_state::fin_wait_1:
        return "fin_wait_1";
    case tcp_state::fin_wait_2:
        return "fin_wait_2";
    case tcp_state::time_wait:
        return "time_wait";
    case tcp_state::closed:
        return "closed";
    case tcp_state::close_wait:
        return "close_wait";
    case tcp_state::last_ack:
        return "last_ack";
    case tcp_state::listen:
        return "listen";
    case tcp_state::closing:
        return "closing";
    }
    return "unknown";
}

PORTUNUS_DECL int mactcp_state_number(tcp_state s) noexcept {
    switch (s) {
    case tcp_state::listen:
        return 2;
    case tcp_state::syn_received:
        return 4;
    case tcp_state::syn_sent:
        return 6;
    case tcp_state::established:
        return 8;
    case tcp_state::fin_wait_1:
        return 10;
    case tcp_state::fin_wait_2:
        return 12;
    case tcp_state::close_wait:
        return 14;
    case tcp_state::closing:
        return 16;
    case tcp_state::last_ack:
        return 18;
    case tcp_state::time_wait:
        return 20;
    case tcp_state::closed:
        break;
    }
    return 0;
}

PORTUNUS_DECL connection_phase phase_of(tcp_state s) noexcept {
    switch (s) {
    case tcp_state::syn_sent:
        return connection_phase::active_opening;
    case tcp_state::syn_received:
        return connection_phase::passive_opening;
    case tcp_state::established:
        return connection_phase::established;
    case tcp_state::close_wait:
    case tcp_state::last_ack:
        return connection_phase::passive_closing;
    case tcp_state::fin_wait_1:
    case tcp_state::fin_wait_2:
    case tcp_state::closing: // both at once: ours had left when the peer's came
    case tcp_state::time_wait:
        return connection_phase::active_closing;
    case tcp_state::listen:
    case tcp_state::closed:
        break;
    }
    return connection_phase::none;
}

PORTUNUS_DECL std::string_view to_string(connection_phase p) noexcept {
    switch (p) {
    case connection_phase::none:
        return "none";
    case connection_phase::address_resolution:
        return "address_resolution";
    case connection_phase::passive_opening:
        return "passive_opening";
    case connection_phase::active_opening:
        return "active_opening";
    case connection_phase::established:
        return "established";
    case connection_phase::passive_closing:
        return "passive_closing";
    case connection_phase::active_closing:
        return "active_closing";
    }
    return "unknown";
}

PORTUNUS_DECL std::string_view to_string(detailed_state s) noexcept {
    constexpr std::string_view names[] = {
        "never_opened",
        "closed_passive",
        "closed_active",
        "reset_passive_opening",
        "reset_active_opening",
        "reset_established",
        "reset_passive_closing",
        "reset_active_closing",
        "reset_strange",
        "reset_by_command",
        "unanswered_passive_opening",
        "unanswered_active_opening",
        "unanswered_established",
        "unanswered_passive_closing",
        "unanswered_active_closing",
        "reset_by_timeout",
        "reset_by_data_error",
        "discarded_by_command",
        "sequence_passive_opening",
        "sequence_active_opening",
        "unresolved",
        "discarded_by_timeout",
        "address_resolution",
        "passive_opening",
        "active_opening",
        "established_passive",
        "established_active",
        "established_tls",
        "passive_closing",
        "active_closing",
    };
    static_assert(sizeof names / sizeof names[0] == detailed_state_count);
    const auto place = static_cast<int>(s);
    return place < detailed_state_count ? names[place] : "unknown";
}

PORTUNUS_DECL detailed_state live_state(connection_phase p, opened_by who, bool tls) noexcept {
    switch (p) {
    case connection_phase::none:
        return detailed_state::never_opened;
    case connection_phase::address_resolution:
        return detailed_state::address_resolution;
    case connection_phase::passive_opening:
        return detailed_state::passive_opening;
    case connection_phase::active_opening:
        return detailed_state::active_opening;
    case connection_phase::established:
        if (tls) return detailed_state::established_tls;
        return who == opened_by::us ? detailed_state::established_active
                                    : detailed_state::established_passive;
    case connection_phase::passive_closing:
        return detailed_state::passive_closing;
    case connection_phase::active_closing:
        return detailed_state::active_closing;
    }
    return detailed_state::never_opened;
}

PORTUNUS_DECL detailed_state ended_state(connection_phase p, close_reason why, int system) noexcept {
    using phase = connection_phase;
    if (p == phase::none) return detailed_state::never_opened;
    const bool begun = p != phase::address_resolution; // something had left for the peer
    const bool opening = p == phase::passive_opening || p == phase::active_opening;
    switch (why) {
    case close_reason::eof:
        if (!begun) return detailed_state::reset_strange;
        return p == phase::active_closing ? detailed_state::closed_active : detailed_state::closed_passive;
    case close_reason::closed_locally:
        if (!begun) return detailed_state::discarded_by_command;
        if (opening) return detailed_state::reset_by_command; // T-19: there is nothing to finish yet
        return p == phase::passive_closing ? detailed_state::closed_passive : detailed_state::closed_active;
    case close_reason::denied:
        if (system != 0) return detail::broken_in(p, system); // not by us: what reason_of() calls denied
        [[fallthrough]];
    case close_reason::aborted_locally:
    case close_reason::replaced:
    case close_reason::shutdown:
        return begun ? detailed_state::reset_by_command : detailed_state::discarded_by_command;
    case close_reason::protocol_error:
        return begun ? detailed_state::reset_by_data_error : detailed_state::discarded_by_command;
    case close_reason::idle:
        return begun ? detailed_state::reset_by_timeout : detailed_state::unresolved;
    case close_reason::timed_out:
        if (system == 0 && begun && p != phase::active_opening) return detailed_state::reset_by_timeout;
        return detail::unanswered_in(p);
    case close_reason::reset:
    case close_reason::none:
        return detail::broken_in(p, system);
    }
    return detailed_state::reset_strange;
}

PORTUNUS_DECL detailed_state ended_state(connection_phase p, close_reason why, const error& cause) noexcept {
    if (why == close_reason::none) {
        // Of an attempt: the connection that would have had a reason was never made. What the system refused
        // is told apart by its number; `condition::denied` would hide it.
        const int system = detail::system_number(cause);
        if (system != 0) return ended_state(p, close_reason::none, system);
        if (cause == errc::host_not_found || cause == errc::no_answer || cause == errc::resolve_timeout)
            return p == connection_phase::none ? detailed_state::never_opened : detailed_state::unresolved;
        return ended_state(p, reason_of(cause), 0);
    }
    return ended_state(p, why, detail::system_number(cause));
}

PORTUNUS_DECL detailed_state ended_udp_state(close_reason why) noexcept {
    switch (why) {
    case close_reason::none:
        return detailed_state::never_opened;
    case close_reason::idle:
    case close_reason::timed_out:
        return detailed_state::discarded_by_timeout;
    default:
        return detailed_state::discarded_by_command;
    }
}

PORTUNUS_DECL simple_state simplified(detailed_state s) noexcept {
    switch (s) {
    case detailed_state::address_resolution:
        return simple_state::address_resolution;
    case detailed_state::passive_opening:
        return simple_state::passive_opening;
    case detailed_state::active_opening:
        return simple_state::active_opening;
    case detailed_state::established_passive:
    case detailed_state::established_active:
    case detailed_state::established_tls:
        return simple_state::established;
    case detailed_state::passive_closing:
        return simple_state::passive_closing;
    case detailed_state::active_closing:
        return simple_state::active_closing;
    default:
        return simple_state::closed;
    }
}

PORTUNUS_DECL std::string_view to_string(simple_state s) noexcept {
    return s == simple_state::closed ? "closed" : to_string(static_cast<connection_phase>(s));
}

PORTUNUS_DECL std::optional<termination_reason> termination_of(close_reason why, int system) noexcept {
    using reason = termination_reason;
    switch (why) {
    case close_reason::none:
        return std::nullopt;
    case close_reason::eof:
    case close_reason::closed_locally:
        return reason::closed;
    case close_reason::timed_out:
    case close_reason::idle:
        return reason::timed_out;
    case close_reason::aborted_locally:
    case close_reason::replaced:
    case close_reason::protocol_error:
    case close_reason::shutdown:
        return reason::aborted;
    case close_reason::denied: // by our policy, or what reason_of() makes of EACCES and ECONNREFUSED
    case close_reason::reset:
        break;
    }
    switch (detail::verdict_of(system)) {
    case detail::system_verdict::silent:
        return why == close_reason::denied ? reason::aborted : reason::remote_abort;
    case detail::system_verdict::reset:
        return reason::remote_abort;
    case detail::system_verdict::unanswered:
        return reason::timed_out;
    case detail::system_verdict::no_way:
        return reason::network_failure;
    case detail::system_verdict::service:
        break;
    }
    return reason::service_error;
}

PORTUNUS_DECL std::optional<termination_reason> termination_of(close_reason why,
                                                               const error& cause) noexcept {
    return termination_of(why, detail::system_number(cause));
}

PORTUNUS_DECL std::string_view to_string(termination_reason r) noexcept {
    switch (r) {
    case termination_reason::remote_abort:
        return "remote_abort";
    case termination_reason::network_failure:
        return "network_failure";
    case termination_reason::security_mismatch:
        return "security_mismatch";
    case termination_reason::timed_out:
        return "timed_out";
    case termination_reason::aborted:
        return "aborted";
    case termination_reason::closed:
        return "closed";
    case termination_reason::service_error:
        return "service_error";
    }
    return "unknown";
}

} // namespace portunus

#endif
