// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_HTTPS_SERVER_HPP
#define PORTUNUS_HTTP_HTTPS_SERVER_HPP

#include <portunus/crypto/tls_context.hpp>
#include <portunus/http/server.hpp>
#include <portunus/net/tls_stream.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace portunus::http {

/// HTTP over TLS. Needs OpenSSL, so it is in no umbrella header.
///
///     tls_server_options keys;
///     keys.certificates.push_back({pem_source::file("chain.pem"), pem_source::file("key.pem")});
///     keys.alpn = {"http/1.1"};
///     auto web = http::serve(rt, options, tls_server_context(keys), std::move(routes));
///
/// As `serve` without TLS, with the same session behind it: `request::is_tls()` tells them apart. A handshake
/// has `tls.handshake_limit` (10 s); one that fails ends its connection, is counted
/// (`server_counters::handshake_failures`), and logged at level info, as the other end may be anybody. A
/// connection counts from the moment that it was accepted. With `full = refuse_503` who comes too late gets
/// its answer over TLS too, within two seconds for the handshake and two for the answer.
///
/// Where `keys.alpn` names protocols, "http/1.1" has to be among them and nothing that this server does not
/// speak.
inline server serve(runtime& rt, server_options options, tls_server_context context, handler answer,
                    const tls_stream_options& tls = {});
inline server serve(runtime& rt, server_options options, tls_server_context context, router<handler> routes,
                    const tls_stream_options& tls = {});

namespace detail {

inline void handshake_failed(server_state& of, const error& why) {
    if (why == condition::canceled || why == errc::shutting_down) return;
    server_state::bump(of.counts.handshake_failures);
    const logger& log = of.options.door.log;
    if (log.enabled(log_level::info)) log(log_level::info, "a TLS handshake failed: " + why.message());
}

inline awaitable<void> serve_securely(tcp_stream peer, tls_server_context context, tls_stream_options tls,
                                      std::shared_ptr<server_state> of, seat place) {
    if (!place.taken())
        tls.handshake_limit = std::min<steady_clock::duration>(tls.handshake_limit, 2 * session::farewell);
    const auto below = portunus::detail::tcp_stream_state::pointer_of(peer);
    auto secure = co_await tls_accept(std::move(peer), context, tls);
    if (!secure) {
        handshake_failed(*of, secure.error());
        below->cause.reset(); // it is told already; the door would warn of it
        co_return;
    }
    auto made = std::make_shared<session>(any_stream(std::move(*secure)), std::move(of), true);
    auto rest = session::serve(std::move(made), std::move(place));
    co_await std::move(rest);
}

inline server open_https(runtime& rt, std::shared_ptr<server_state> state, tls_server_context context,
                         const tls_stream_options& tls) {
    auto door = rt.listen(state->door(), [state, context = std::move(context), tls](tcp_stream peer) {
        return serve_securely(std::move(peer), context, tls, state, seat(state));
    });
    return server(std::move(door), std::move(state));
}

} // namespace detail

inline server serve(runtime& rt, server_options options, tls_server_context context, handler answer,
                    const tls_stream_options& tls) {
    auto state =
        std::make_shared<detail::server_state>(std::move(options), std::move(answer), router<handler>());
    return detail::open_https(rt, std::move(state), std::move(context), tls);
}
inline server serve(runtime& rt, server_options options, tls_server_context context, router<handler> routes,
                    const tls_stream_options& tls) {
    auto state = std::make_shared<detail::server_state>(std::move(options), std::nullopt, std::move(routes));
    return detail::open_https(rt, std::move(state), std::move(context), tls);
}

} // namespace portunus::http

#endif
