// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_VERDICT_HPP
#define PORTUNUS_POLICY_VERDICT_HPP

#include <portunus/core/error.hpp>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace portunus {

/// How a peer is turned away. On Linux a program sees a peer only after the system has completed the
/// handshake, so the peer's `connect` has succeeded by then, but for `drop` (semantics rows T-3, X-10, T-36).
enum class refusal : unsigned char {
    reset, ///< RST: the peer's next operation fails with "connection reset". Leaves nothing behind in the
           ///< kernel.
    close, ///< FIN: the peer reads an orderly end of stream
    /// No answer at all: the kernel drops the peer's SYN, and its `connect` times out. Linux can do that by
    /// address and port, so the leading rules of a policy that ask for nothing else are told to the kernel;
    /// whoever only a later rule refuses (a predicate, an interface, the master switch) sees RST, and so does
    /// everybody at an inherited socket, where a filter would outlive the program. What the kernel drops is
    /// not counted and not logged: nobody hears of it.
    drop,
};

/// What a listener does while all of its places are taken.
enum class when_full : unsigned char {
    wait, ///< stops accepting: newcomers wait in the kernel's queue, beyond it their SYN is dropped and tried
          ///< again
    reset, ///< accepts and refuses with RST
    close, ///< accepts and refuses with FIN
};

/// What settled a case: first what a policy decides by, then what admission counts.
enum class decided_by : unsigned char {
    rule,          ///< a rule of the policy matched
    fallback,      ///< no rule matched, and so the policy's default
    master_switch, ///< the switch that controls the policy is off
    predicate,     ///< a predicate of the program threw: whoever cannot be judged is not let in
    room,          ///< admission had room
    total_cap,     ///< all places are taken
    address_cap,   ///< this address holds as many connections as one may
    address_rate,  ///< this address connects more often than one may
};

constexpr std::string_view to_string(refusal r) noexcept {
    return r == refusal::reset ? "reset" : r == refusal::close ? "close" : "drop";
}
constexpr std::string_view to_string(when_full w) noexcept {
    return w == when_full::wait ? "wait" : w == when_full::reset ? "reset" : "close";
}
constexpr std::string_view to_string(decided_by d) noexcept {
    switch (d) {
    case decided_by::rule:
        return "rule";
    case decided_by::fallback:
        return "fallback";
    case decided_by::master_switch:
        return "master_switch";
    case decided_by::predicate:
        return "predicate";
    case decided_by::room:
        return "room";
    case decided_by::total_cap:
        return "total_cap";
    case decided_by::address_cap:
        return "address_cap";
    case decided_by::address_rate:
        return "address_rate";
    }
    return "unknown";
}
inline std::ostream& operator<<(std::ostream& out, refusal r) {
    return out << to_string(r);
}
inline std::ostream& operator<<(std::ostream& out, when_full w) {
    return out << to_string(w);
}
inline std::ostream& operator<<(std::ostream& out, decided_by d) {
    return out << to_string(d);
}

/// What was decided about one peer, why, and how to turn it away.
///
/// `accept_policy` and `admission` answer with the same type, so that a listener has one path for refusals:
///
///     verdict answer = policy.decide(attempt);
///     if (answer) answer = door.admit(attempt.remote, now);
///     if (!answer) turn_away(socket, answer.refuse_with, answer.to_error());
///
/// Making and copying one allocates nothing (the rule's text is shared with the policy and outlives it); the
/// sentence is put together when somebody asks for it. A default-constructed verdict refuses.
struct verdict {
    bool accepted = false;
    decided_by why = decided_by::fallback;
    refusal refuse_with = refusal::reset; ///< of meaning only where refused

    /// rule, predicate: the number of the rule, from 1; caps: connections that are open; rate: connections
    std::uint64_t count = 0;
    /// caps: the most that may be open; rate: the milliseconds in which `count` of them may come
    std::uint64_t limit = 0;

    /// rule: its text ("deny 10.0.0.0/8"); predicate: the same and what was thrown; address cap and rate: the
    /// address or network that is counted. May be null, where nothing was to be said or memory ran out.
    std::shared_ptr<const std::string> text{};

    explicit operator bool() const noexcept { return accepted; }

    /// The verdict in one line for a log: "refused by rule 3 (deny 10.0.0.0/8)".
    std::string reason() const;

    /// The refusal as an error with `reason()` as its detail: `errc::denied` from a policy,
    /// `errc::too_many_connections` and `errc::rate_exceeded` from admission. An empty error where accepted.
    error to_error() const;
};

inline std::ostream& operator<<(std::ostream& out, const verdict& v) {
    return out << v.reason();
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/verdict.ipp>
#endif

#endif
