// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_CONNECTION_STATE_HPP
#define PORTUNUS_NET_CONNECTION_STATE_HPP

#include <portunus/core/close_reason.hpp>
#include <portunus/core/error.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace portunus {

/// The state of a TCP connection in the terms of RFC 9293, 3.3.2. The values are Linux's own (tcp_states.h).
enum class tcp_state : std::uint8_t {
    established = 1,
    syn_sent,
    syn_received,
    fin_wait_1,
    fin_wait_2,
    time_wait,
    closed,
    close_wait,
    last_ack,
    listen,
    closing,
};

/// What the number of TCP_INFO means; `closed` for one that is not known here.
tcp_state tcp_state_from_kernel(int number) noexcept;
std::string_view to_string(tcp_state s) noexcept;

/// M-20: the number that MacTCP gives for a state: 0 closed, 2 listen, 4 SYN received, 6 SYN sent,
/// 8 established, 10 and 12 FIN wait 1 and 2, 14 close wait, 16 closing, 18 last ACK, 20 time wait.
int mactcp_state_number(tcp_state s) noexcept;

/// How far a connection has come. Whoever drives it notes the phase; after the handshake `phase_of` reads it
/// off the kernel's state.
enum class connection_phase : std::uint8_t {
    none,               ///< nothing was begun
    address_resolution, ///< finding out where the peer is: its name here; its link address in T-24 (ARP)
    passive_opening,    ///< accepted, but not handed over yet: policy, PROXY header, TLS, authentication
    active_opening,     ///< connecting
    established,
    passive_closing, ///< the peer has finished first
    active_closing,  ///< we have finished first
};
connection_phase phase_of(tcp_state s) noexcept;
std::string_view to_string(connection_phase p) noexcept;

/// Who began the connection.
enum class opened_by : std::uint8_t { peer, us };

/// T-23: what a connection is, or how exactly it ended. `unanswered` is T-23's "excess retransmissions". Not
/// all of them can be seen on Linux, where a program meets a connection only after its handshake:
///
/// - `sequence_passive_opening`, `sequence_active_opening` never occur: the kernel answers a wrong sequence
///   number with RST, or not at all, and goes on. They are here because programs number them.
/// - `reset_passive_opening`, `unanswered_passive_opening` are what happens between the handshake and the
///   moment when the connection is handed over (see `connection_phase`). What fails in the handshake itself
///   is counted (`tcp_global_status().attempts_failed`) and never reported.
/// - `reset_strange`: a RST that does not fit is dropped (RFC 5961). Given for a reset or an end in a phase
///   that has no connection yet, which a caller that notes its phases right never sees.
/// - `discarded_by_command` does not occur once TCP has a connection: it cannot be forgotten without a word
///   (T-21), `abort` sends RST, which is `reset_by_command`.
/// - `address_resolution` is seen only where a name is resolved: the kernel finds the link address inside of
///   `connect`, and a neighbour that stays silent is EHOSTUNREACH, as a router's report is.
enum class detailed_state : std::uint8_t {
    never_opened,
    closed_passive, ///< in good order, the peer first
    closed_active,  ///< in good order, we first
    reset_passive_opening,
    reset_active_opening, ///< also a port where nobody listens
    reset_established,
    reset_passive_closing,
    reset_active_closing,
    reset_strange,
    reset_by_command, ///< by us: `abort`, a policy, a replacement, the stop of the program
    unanswered_passive_opening,
    unanswered_active_opening,
    unanswered_established,
    unanswered_passive_closing,
    unanswered_active_closing,
    reset_by_timeout,     ///< one of our limits: idle, read, write, handshake
    reset_by_data_error,  ///< the peer broke the protocol
    discarded_by_command, ///< nothing was sent yet, or UDP
    sequence_passive_opening,
    sequence_active_opening,
    unresolved,           ///< no way to the peer was found (T-23: ARP failure)
    discarded_by_timeout, ///< UDP
    address_resolution,   // from here on it is not closed
    passive_opening,
    active_opening,
    established_passive, ///< the peer began it
    established_active,  ///< we began it
    established_tls,
    passive_closing,
    active_closing,
};
inline constexpr int detailed_state_count = static_cast<int>(detailed_state::active_closing) + 1;
std::string_view to_string(detailed_state s) noexcept;

/// The state of a connection that has not ended.
detailed_state live_state(connection_phase p, opened_by who, bool tls = false) noexcept;

/// How a TCP connection ended that was in phase `p`. `system` is the errno behind it, 0 where the system did
/// not say anything. With `close_reason::none` (a connection that was never made has no reason) the errno
/// alone decides.
///
/// - No number, or one that means "reset" (ECONNRESET, ECONNREFUSED, EPIPE, ...): reset, in that phase.
/// - ETIMEDOUT: unanswered, in that phase. So is a limit of ours while connecting.
/// - No route, host down, and what else a router reports: unresolved while connecting, unanswered later.
/// - Any other number is this machine's own trouble (no descriptors, no memory): as if we had given it up.
detailed_state ended_state(connection_phase p, close_reason why, int system = 0) noexcept;
/// The same from the error that was met: of a connection attempt, or `tcp_stream::failure_cause()`.
detailed_state ended_state(connection_phase p, close_reason why, const error& cause) noexcept;
/// How a UDP "connection" ended: it is always forgotten without a word (T-22).
detailed_state ended_udp_state(close_reason why) noexcept;

/// T-24: the same in seven values.
enum class simple_state : std::uint8_t {
    closed,
    address_resolution,
    passive_opening,
    active_opening,
    established,
    passive_closing,
    active_closing,
};
simple_state simplified(detailed_state s) noexcept;
std::string_view to_string(simple_state s) noexcept;

/// M-5: why a connection ended, with MacTCP's numbers. `security_mismatch` cannot occur: the security and
/// precedence of RFC 791 are gone (RFC 6864, RFC 7126 tell to ignore them).
enum class termination_reason : std::uint8_t {
    remote_abort = 2,      ///< the peer sent RST
    network_failure = 3,   ///< no way to the peer any more
    security_mismatch = 4, ///< never
    timed_out = 5,         ///< a limit passed, ours or TCP's own
    aborted = 6,           ///< by us
    closed = 7,            ///< in good order, whoever was first
    service_error = 8,     ///< the system ran out of something, or refused
};
/// Nothing while it has not ended. Exactly one for each connection, because it has one `close_reason`.
std::optional<termination_reason> termination_of(close_reason why, int system = 0) noexcept;
std::optional<termination_reason> termination_of(close_reason why, const error& cause) noexcept;
std::string_view to_string(termination_reason r) noexcept;

static_assert(static_cast<int>(simple_state::active_closing) ==
              static_cast<int>(connection_phase::active_closing));

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/connection_state.ipp>
#endif

#endif