// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_AUTH_SERVER_HPP
#define PORTUNUS_CHANNEL_IMPL_AUTH_SERVER_HPP

#include <portunus/channel/auth_server.hpp>

#include <algorithm>
#include <string>

namespace portunus {

template <auth_server_scheme Scheme>
auth_step auth_server_of<Scheme>::connected(time_point now) {
    auth_step step;
    handle(detail::auth_event::connected, {}, {}, now, step);
    failures_ = 0;
    trust_until_.reset();
    if (options_.before_trust.count() != 0) trust_until_ = now + options_.before_trust;
    return step;
}

template <auth_server_scheme Scheme>
std::optional<typename auth_server_of<Scheme>::time_point> auth_server_of<Scheme>::deadline() const noexcept {
    if (!handshake_ends_ || !trust_until_) return handshake_ends_ ? handshake_ends_ : trust_until_;
    return std::min(*handshake_ends_, *trust_until_);
}

template <auth_server_scheme Scheme>
auth_step auth_server_of<Scheme>::received(const message_view& m, time_point now) {
    auth_step step;
    const bool ours = m.service == service_id::auth_request || m.service == service_id::auth_response;
    error why;
    if (m.data.size() > options_.most_data && (ours || !is_trusted())) {
        why = error(errc::frame_too_large, "a message of " + std::to_string(m.data.size()) +
                                               " bytes before trust; the limit is " +
                                               std::to_string(options_.most_data));
        step.close = step.taken = true;
        if (!ours) {
            step.failed = why;
            return step;
        }
    }
    if (!ours) return step;
    step.taken = true;
    const bool is_seed = m.id == data_id::auth_seed;
    if (m.service != service_id::auth_request || (!is_seed && m.id != data_id::auth_key)) {
        ++ignored_;
        return step;
    }
    const auth_value value =
        why.code().failed() ? auth_value{auth_kind::other, {}} : detail::read_json_scalar(m.data);
    handle(is_seed ? detail::auth_event::seed_request : detail::auth_event::key, value, why, now, step);
    return step;
}

template <auth_server_scheme Scheme>
auth_step auth_server_of<Scheme>::timed_out(time_point now) {
    auth_step step;
    const auto ends = deadline();
    if (!ends || now < *ends) return step;
    const bool handshake = handshake_ends_ && now >= *handshake_ends_;
    const auto limit = handshake ? options_.handshake : options_.before_trust;
    handle(detail::auth_event::timeout, {},
           error(errc::handshake_timeout, std::string(handshake ? "no key" : "not trusted") + " within " +
                                              std::to_string(limit.count()) + " ms"),
           now, step);
    return step;
}

template <auth_server_scheme Scheme>
auth_step auth_server_of<Scheme>::disconnected() {
    auth_step step;
    handle(detail::auth_event::disconnected, {}, errc::not_connected, {}, step);
    trust_until_.reset();
    return step;
}

/// The seed that is asked for, unless this peer has to wait, or its request is no request.
template <auth_server_scheme Scheme>
result<auth_value> auth_server_of<Scheme>::make_seed(const auth_value& request, const error& why,
                                                     time_point now) {
    attempt_ = {}; // the seed before it is dead
    if (why.code().failed()) return why;
    if (throttle_) {
        auth_admission told = throttle_->begin(peer_, now);
        if (!told.attempt)
            return error(
                errc::rate_exceeded,
                "too many wrong keys from this address; the next attempt is heard in " +
                    std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(told.wait).count()) +
                    " ms");
        attempt_ = std::move(told.attempt);
    }
    return scheme_.challenge(request);
}

template <auth_server_scheme Scheme>
void auth_server_of<Scheme>::count_failure(auth_step& step) noexcept {
    if (++failures_ >= options_.most_failures) step.close = true;
}

/// One event, and those that follow from it at once. `why`: the reason, where the event is a bad one.
template <auth_server_scheme Scheme>
void auth_server_of<Scheme>::handle(detail::auth_event event, const auth_value& value, const error& why,
                                    time_point now, auth_step& step) {
    using detail::auth_action;
    using detail::auth_event;
    const detail::auth_row* const row = detail::find_row(detail::auth_server_table, state_, event);
    if (!row) return;
    const bool was_trusted = is_trusted();
    state_ = row->next;
    if (was_trusted && options_.before_trust.count() != 0) trust_until_ = now + options_.before_trust;
    switch (row->action) {
    case auth_action::make_seed: {
        if (!handshake_ends_) handshake_ends_ = now + options_.handshake;
        const result<auth_value> seed = make_seed(value, why, now);
        if (!seed) return handle(auth_event::unchallenged, {}, seed.error(), now, step);
        return handle(auth_event::challenged, *seed, {}, now, step);
    }
    case auth_action::send_seed:
        step.send = message(message_status::okay, service_id::auth_response, data_id::auth_seed,
                            detail::write_json_scalar(value));
        return;
    case auth_action::refuse_seed:
        handshake_ends_.reset();
        attempt_ = {};
        step.send = message(message_status::operation_not_permitted, service_id::auth_response,
                            data_id::auth_seed, "null");
        step.failed = why;
        return count_failure(step);
    case auth_action::judge_key: {
        // also where there is nothing to be judged: the seed is used up
        result<auth_value> verdict = scheme_.judge(value);
        if (why.code().failed()) verdict = why;
        if (!verdict) {
            attempt_.wrong(now);
            return handle(auth_event::key_wrong, {}, verdict.error(), now, step);
        }
        attempt_.right(now);
        return handle(auth_event::key_right, *verdict, {}, now, step);
    }
    case auth_action::grant:
        handshake_ends_.reset();
        trust_until_.reset();
        failures_ = 0;
        step.trusted = true;
        step.send = message(message_status::okay, service_id::auth_response, data_id::auth_key,
                            detail::write_json_scalar(value));
        return;
    case auth_action::refuse_key:
        handshake_ends_.reset();
        attempt_ = {};
        step.send = message(message_status::operation_not_permitted, service_id::auth_response,
                            data_id::auth_key, detail::write_json_scalar(scheme_.refusal()));
        step.failed =
            why.code().failed() ? why : error(errc::unauthenticated, "a key without a seed of its own");
        return count_failure(step);
    case auth_action::give_up_and_close:
        trust_until_.reset(); // said once
        step.close = true;
        [[fallthrough]];
    case auth_action::give_up:
        step.failed = why;
        [[fallthrough]];
    default:
        handshake_ends_.reset();
        attempt_ = {};
        return;
    }
}

} // namespace portunus

#endif
