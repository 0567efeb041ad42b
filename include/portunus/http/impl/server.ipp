// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_SERVER_IPP
#define PORTUNUS_HTTP_IMPL_SERVER_IPP

#include <portunus/http/impl/server.hpp>

#include <portunus/core/detail/config.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace portunus::http {

namespace detail {

PORTUNUS_DECL listener_options server_state::door() {
    listener_options asked = options.door;
    if (options.full != when_full::refuse_503) return asked;
    if (asked.house)
        throw failure(error(errc::invalid_option,
                            "full: refuse_503 needs places of its own, and the door shares a house"));
    if (options.refusals == 0) throw failure(error(errc::invalid_option, "refusals: 0 with refuse_503"));
    seats = asked.limits.max_connections;
    asked.limits.max_connections += options.refusals;
    return asked;
}

} // namespace detail

PORTUNUS_DECL server_counters server::counters() const {
    const auto& n = state_->counts;
    server_counters now;
    now.requests = n.requests;
    for (std::size_t i = 0; i < now.answers.size(); ++i) now.answers[i] = n.answers[i];
    for (std::size_t i = 0; i < now.refused.size(); ++i) now.refused[i] = n.refused[i];
    now.head_timeouts = n.head_timeouts;
    now.body_timeouts = n.body_timeouts;
    now.handler_timeouts = n.handler_timeouts;
    now.handler_failures = n.handler_failures;
    now.too_large = n.too_large;
    now.client_gone = n.client_gone;
    now.turned_away = n.turned_away;
    now.handshake_failures = n.handshake_failures;
    return now;
}

namespace detail {
PORTUNUS_DECL server open_server(runtime& rt, std::shared_ptr<server_state> state) {
    auto door = rt.listen(state->door(), [state](tcp_stream peer) {
        return detail::session::serve(std::make_shared<detail::session>(any_stream(std::move(peer)), state),
                                      seat(state));
    });
    return server(std::move(door), std::move(state));
}
} // namespace detail

PORTUNUS_DECL server serve(runtime& rt, server_options options, handler answer) {
    return detail::open_server(
        rt, std::make_shared<detail::server_state>(std::move(options), std::move(answer), router<handler>()));
}
PORTUNUS_DECL server serve(runtime& rt, server_options options, router<handler> routes) {
    return detail::open_server(
        rt, std::make_shared<detail::server_state>(std::move(options), std::nullopt, std::move(routes)));
}

} // namespace portunus::http

#endif
