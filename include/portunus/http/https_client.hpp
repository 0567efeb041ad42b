// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_HTTPS_CLIENT_HPP
#define PORTUNUS_HTTP_HTTPS_CLIENT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/crypto/tls_context.hpp>
#include <portunus/http/client.hpp>
#include <portunus/http/digest_auth.hpp>
#include <portunus/net/any_stream.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/tls_stream.hpp>

#include <memory>
#include <string>
#include <utility>

/// \file
/// What a client needs for https. Needs OpenSSL: link `portunus::tls`.

namespace portunus::http {

namespace detail {

inline awaitable<result<any_stream>> dial_tls(tls_client_context context, std::string host,
                                              std::uint16_t port, connect_options connecting,
                                              tls_stream_options securing) {
    auto stream = co_await portunus::connect(host, port, connecting);
    if (!stream) co_return stream.error();
    auto secure = co_await tls_connect(std::move(*stream), context, host, securing);
    if (!secure) co_return secure.error();
    any_stream any(std::move(*secure));
    co_return any;
}

inline tls_client_options with_http(tls_client_options options) {
    if (options.alpn.empty()) options.alpn.emplace_back("http/1.1");
    return options;
}

} // namespace detail

/// TLS over TCP, for `client_options::dial_secure`. The server's certificate has to be for the host of the
/// URL, whose name is told to the server (SNI); what else counts is in the context.
inline dialer over_tls(tls_client_context context) {
    return [context = std::move(context)](const dial_target& to) {
        connect_options connecting;
        connecting.resolve_limit = to.resolve_limit;
        connecting.connect_limit = to.connect_limit;
        tls_stream_options securing;
        securing.handshake_limit = to.handshake_limit;
        return detail::dial_tls(context, to.host, to.port, connecting, securing);
    };
}

/// A client for http and https, with digest authentication. Certificates are verified against the system's
/// authorities, unless `tls` says which others are trusted; `tls.certificate` is what we show ourselves.
///
///     http::https_client web(rt);
///     auto answer = co_await web.get("https://device.local/state");
///
/// All connections of a client have the same identity: who needs two has two clients. Throws `failure` as
/// `tls_client_context` does.
class https_client : public client {
  public:
    explicit https_client(boost::asio::any_io_executor executor, client_options options = {},
                          tls_client_options tls = {})
        : client(std::move(executor), with_tls(std::move(options), std::move(tls))) {}
    explicit https_client(runtime& rt, client_options options = {}, tls_client_options tls = {})
        : client(rt, with_tls(std::move(options), std::move(tls))) {}

  private:
    static client_options with_tls(client_options options, tls_client_options tls) {
        if (!options.dial_secure)
            options.dial_secure = over_tls(tls_client_context(detail::with_http(std::move(tls))));
        options.schemes.push_back(std::make_shared<digest_auth>());
        return options;
    }
};

} // namespace portunus::http

#endif
