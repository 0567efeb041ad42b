// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_AUTH_CLIENT_HPP
#define PORTUNUS_CHANNEL_IMPL_AUTH_CLIENT_HPP

#include <portunus/channel/auth_client.hpp>

#include <string>

namespace portunus {
namespace detail {

inline message auth_message(message_status status, service_id service, data_id id, const auth_value& value) {
    return message(status, service, id, write_json_scalar(value));
}
inline std::string number_of(message_status s) {
    return std::to_string(static_cast<std::uint32_t>(s));
}

} // namespace detail

template <auth_client_scheme Scheme>
auth_step auth_client_of<Scheme>::connected(time_point now) {
    auth_step step;
    handle(detail::auth_event::connected, {}, {}, now, step);
    return options_.auto_auth && scheme_.has_secret() ? start(now) : step;
}

template <auth_client_scheme Scheme>
auth_step auth_client_of<Scheme>::start(time_point now) {
    auth_step step;
    if (!scheme_.has_secret())
        step.failed = error(errc::invalid_option, "there is no secret to authenticate with");
    else if (!detail::find_row(detail::auth_client_table, state_, detail::auth_event::start))
        step.failed = error(errc::operation_in_progress, "a handshake is under way already");
    else
        handle(detail::auth_event::start, {}, {}, now, step);
    return step;
}

template <auth_client_scheme Scheme>
auth_step auth_client_of<Scheme>::received(const message_view& m, time_point now) {
    using detail::auth_event;
    auth_step step;
    const bool to_server = m.service == service_id::auth_request;
    if (!to_server && m.service != service_id::auth_response) return step;
    step.taken = true;
    const bool is_seed = m.id == data_id::auth_seed;
    if (to_server || (!is_seed && m.id != data_id::auth_key)) {
        ++ignored_;
        return step;
    }
    const bool okay = m.status == message_status::okay;
    const auth_event event = !is_seed ? auth_event::verdict
                             : okay   ? auth_event::seed
                                      : auth_event::seed_refused;
    if (!detail::find_row(detail::auth_client_table, state_, event)) {
        ++ignored_;
        return step;
    }
    auth_value value{auth_kind::other, {}};
    error why;
    if (!okay)
        why = error(errc::unauthenticated, std::string("the server refused ") +
                                               (is_seed ? "to begin" : "the name or the secret") +
                                               " with status " + detail::number_of(m.status));
    else if (m.data.size() <= options_.most_data)
        value = detail::read_json_scalar(m.data);
    else
        why = error(errc::frame_too_large, "the server's " + std::string(is_seed ? "seed" : "verdict") +
                                               " has " + std::to_string(m.data.size()) +
                                               " bytes; the limit is " + std::to_string(options_.most_data));
    handle(event, value, why, now, step);
    return step;
}

template <auth_client_scheme Scheme>
auth_step auth_client_of<Scheme>::timed_out(time_point now) {
    auth_step step;
    if (!deadline_ || now < *deadline_) return step;
    handle(detail::auth_event::timeout, {},
           error(errc::handshake_timeout,
                 std::string(state_ == auth_state::seed_requested ? "no seed" : "no verdict") + " within " +
                     std::to_string(options_.handshake.count()) + " ms for the whole handshake"),
           now, step);
    return step;
}

template <auth_client_scheme Scheme>
auth_step auth_client_of<Scheme>::disconnected(const error& why) {
    auth_step step;
    handle(detail::auth_event::disconnected, {}, why, {}, step);
    return step;
}

/// One event, and those that follow from it at once. `why`: the reason, where the event is a bad one.
template <auth_client_scheme Scheme>
void auth_client_of<Scheme>::handle(detail::auth_event event, const auth_value& value, const error& why,
                                    time_point now, auth_step& step) {
    using detail::auth_action;
    using detail::auth_event;
    const detail::auth_row* const row = detail::find_row(detail::auth_client_table, state_, event);
    if (!row) return;
    state_ = row->next;
    const auto failed = why.code().failed();
    switch (row->action) {
    case auth_action::request_seed: {
        deadline_ = now + options_.handshake;
        const result<auth_value> first = scheme_.begin();
        if (first) {
            step.send = detail::auth_message(message_status::okay, service_id::auth_request,
                                             data_id::auth_seed, *first);
            return;
        }
        // nothing was sent: no answer can be mistaken
        handle(auth_event::seed_refused, {}, first.error(), now, step);
        return;
    }
    case auth_action::compute_key: {
        if (failed) return handle(auth_event::unanswerable, {}, why, now, step);
        const result<auth_value> key = scheme_.answer(value);
        if (!key) return handle(auth_event::unanswerable, {}, key.error(), now, step);
        return handle(auth_event::answered, *key, {}, now, step);
    }
    case auth_action::send_key:
        step.send =
            detail::auth_message(message_status::okay, service_id::auth_request, data_id::auth_key, value);
        return;
    case auth_action::check_verdict: {
        if (failed)
            return handle(why == errc::unauthenticated ? auth_event::rejected : auth_event::unconfirmed, {},
                          why, now, step);
        const result<void> proof = scheme_.confirm(value);
        return handle(proof ? auth_event::confirmed : auth_event::unconfirmed, {}, proof.error(), now, step);
    }
    case auth_action::trust:
        deadline_.reset();
        step.trusted = true;
        return;
    case auth_action::give_up_and_close:
        step.close = true;
        [[fallthrough]];
    case auth_action::give_up:
        deadline_.reset();
        step.failed = failed ? why : error(errc::unauthenticated, "the server broke the handshake's order");
        return;
    default:
        deadline_.reset();
        return;
    }
}

} // namespace portunus

#endif
