// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_AUTH_TABLES_HPP
#define PORTUNUS_CHANNEL_DETAIL_AUTH_TABLES_HPP

#include <portunus/channel/auth_state.hpp>

#include <span>

/// \file
/// The two machines of the handshake as tables. What is in no row does not happen: the state stays, and the
/// event is counted as ignored.

namespace portunus::detail {

enum class auth_event : unsigned char {
    connected,
    disconnected,
    timeout,
    // at a client
    start,        ///< the program, or auto_auth, wants to authenticate
    seed,         ///< the server's seed
    seed_refused, ///< in its place a status that is not OKAY
    answered,     ///< the key was computed
    unanswerable, ///< there is no key for that seed
    verdict,      ///< the server's verdict
    confirmed,    ///< it grants, and proves that the server may
    rejected,     ///< it refuses
    unconfirmed,  ///< it grants, and proves nothing
    // at a server
    seed_request,
    challenged,   ///< the seed was made
    unchallenged, ///< none was made: not now, not this peer, or not that request
    key,
    key_right,
    key_wrong,
};
inline constexpr unsigned auth_events = 18;

enum class auth_action : unsigned char {
    nothing,
    // at a client
    request_seed,
    compute_key,
    send_key,
    check_verdict,
    trust,
    give_up,
    give_up_and_close, ///< what comes later could be taken for the answer to a later attempt
    // at a server
    make_seed,
    send_seed,
    refuse_seed,
    judge_key,
    grant,
    refuse_key,
};

struct auth_row {
    auth_state state;
    auth_event event;
    auth_state next;
    auth_action action;
};

inline constexpr auth_row auth_client_table[] = {
    {auth_state::untrusted, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::untrusted, auth_event::disconnected, auth_state::untrusted, auth_action::nothing},
    {auth_state::untrusted, auth_event::start, auth_state::seed_requested, auth_action::request_seed},

    {auth_state::seed_requested, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::seed_requested, auth_event::disconnected, auth_state::untrusted, auth_action::give_up},
    {auth_state::seed_requested, auth_event::timeout, auth_state::untrusted, auth_action::give_up_and_close},
    {auth_state::seed_requested, auth_event::seed, auth_state::seed_transferred, auth_action::compute_key},
    {auth_state::seed_requested, auth_event::seed_refused, auth_state::untrusted, auth_action::give_up},
    {auth_state::seed_requested, auth_event::verdict, auth_state::untrusted, auth_action::give_up_and_close},

    {auth_state::seed_transferred, auth_event::answered, auth_state::key_transferred, auth_action::send_key},
    {auth_state::seed_transferred, auth_event::unanswerable, auth_state::untrusted,
     auth_action::give_up_and_close},

    {auth_state::key_transferred, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::key_transferred, auth_event::disconnected, auth_state::untrusted, auth_action::give_up},
    {auth_state::key_transferred, auth_event::timeout, auth_state::untrusted, auth_action::give_up_and_close},
    {auth_state::key_transferred, auth_event::seed, auth_state::untrusted, auth_action::give_up_and_close},
    {auth_state::key_transferred, auth_event::seed_refused, auth_state::untrusted,
     auth_action::give_up_and_close},
    {auth_state::key_transferred, auth_event::verdict, auth_state::key_transferred,
     auth_action::check_verdict},
    {auth_state::key_transferred, auth_event::confirmed, auth_state::trusted, auth_action::trust},
    {auth_state::key_transferred, auth_event::rejected, auth_state::untrusted, auth_action::give_up},
    {auth_state::key_transferred, auth_event::unconfirmed, auth_state::untrusted,
     auth_action::give_up_and_close},

    {auth_state::trusted, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::trusted, auth_event::disconnected, auth_state::untrusted, auth_action::nothing},
    {auth_state::trusted, auth_event::start, auth_state::seed_requested, auth_action::request_seed},
};

inline constexpr auth_row auth_server_table[] = {
    {auth_state::untrusted, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::untrusted, auth_event::disconnected, auth_state::untrusted, auth_action::nothing},
    {auth_state::untrusted, auth_event::timeout, auth_state::untrusted, auth_action::give_up_and_close},
    {auth_state::untrusted, auth_event::seed_request, auth_state::seed_requested, auth_action::make_seed},
    {auth_state::untrusted, auth_event::key, auth_state::untrusted, auth_action::refuse_key},

    {auth_state::seed_requested, auth_event::challenged, auth_state::seed_transferred,
     auth_action::send_seed},
    {auth_state::seed_requested, auth_event::unchallenged, auth_state::untrusted, auth_action::refuse_seed},

    {auth_state::seed_transferred, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::seed_transferred, auth_event::disconnected, auth_state::untrusted, auth_action::give_up},
    {auth_state::seed_transferred, auth_event::timeout, auth_state::untrusted,
     auth_action::give_up_and_close},
    {auth_state::seed_transferred, auth_event::seed_request, auth_state::seed_requested,
     auth_action::make_seed},
    {auth_state::seed_transferred, auth_event::key, auth_state::key_transferred, auth_action::judge_key},

    {auth_state::key_transferred, auth_event::key_right, auth_state::trusted, auth_action::grant},
    {auth_state::key_transferred, auth_event::key_wrong, auth_state::untrusted, auth_action::refuse_key},

    {auth_state::trusted, auth_event::connected, auth_state::untrusted, auth_action::nothing},
    {auth_state::trusted, auth_event::disconnected, auth_state::untrusted, auth_action::nothing},
    {auth_state::trusted, auth_event::seed_request, auth_state::seed_requested, auth_action::make_seed},
    {auth_state::trusted, auth_event::key, auth_state::untrusted, auth_action::refuse_key},
};

constexpr const auth_row* find_row(std::span<const auth_row> table, auth_state state,
                                   auth_event event) noexcept {
    for (const auth_row& row : table)
        if (row.state == state && row.event == event) return &row;
    return nullptr;
}

} // namespace portunus::detail

#endif
