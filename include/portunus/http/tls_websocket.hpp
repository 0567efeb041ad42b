// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_TLS_WEBSOCKET_HPP
#define PORTUNUS_HTTP_TLS_WEBSOCKET_HPP

#include <portunus/crypto/tls_context.hpp>
#include <portunus/http/websocket_client.hpp>
#include <portunus/net/tls_stream.hpp>

#include <memory>
#include <string_view>
#include <utility>

namespace portunus::http {

namespace detail {

inline awaitable<result<websocket>> connect_prepared_securely(std::shared_ptr<websocket_opening> o,
                                                              tls_client_context context,
                                                              tls_stream_options tls) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto target = target_of(*o);
    if (!target) co_return target.error();
    auto peer = co_await connect(target->host, target->port, target->connect);
    if (!peer) co_return peer.error();
    any_stream stream;
    if (target->secure) {
        auto secure = co_await tls_connect(std::move(*peer), context, target->host, tls);
        if (!secure) co_return secure.error();
        stream = any_stream(std::move(*secure));
    } else {
        stream = any_stream(std::move(*peer));
    }
    auto opened = co_await open_prepared(o, std::move(stream));
    co_return opened;
}

} // namespace detail

/// `connect_websocket` for "wss://", and for "ws://" too, which then goes without TLS. Needs OpenSSL, so it
/// is in no umbrella header.
///
///     const tls_client_context context;
///     const http::websocket_client_options options;
///     auto live = co_await http::connect_websocket("wss://hub.example/live", context, options);
///
/// The certificate has to be for the URL's host. Where the context offers protocols (ALPN), "http/1.1" has to
/// be among them. Errors besides those without TLS: those of `tls_connect`.
inline awaitable<result<websocket>> connect_websocket(std::string_view url, const tls_client_context& context,
                                                      const websocket_client_options& options,
                                                      const tls_stream_options& tls = {}) {
    return detail::connect_prepared_securely(detail::prepare_websocket(url, options), context, tls);
}

} // namespace portunus::http

#endif
