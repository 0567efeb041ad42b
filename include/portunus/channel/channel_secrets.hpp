// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_SECRETS_HPP
#define PORTUNUS_CHANNEL_CHANNEL_SECRETS_HPP

#include <portunus/channel/channel_auth.hpp>
#include <portunus/channel/scram_sha_256.hpp>
#include <portunus/channel/seed_key.hpp>
#include <portunus/net/tcp_stream.hpp>
#include <portunus/net/tls_stream.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// \file
/// The library's schemes for `channel_options::auth`. Both ends choose the same one. Needs OpenSSL.
///
///     options.auth = seed_key_client("9f8a...");          // and on the other side
///     options.auth = seed_key_server("9f8a...");
///
/// SCRAM binds the proof to the TLS connection below, where there is one; see `scram_sha_256`.

namespace portunus {

inline channel_auth seed_key_client(std::string_view secret, std::string name = {},
                                    const auth_client_options& options = {}) {
    seed_key_client_settings settings;
    settings.secret = std::make_shared<const secret_text>(secret);
    settings.name = std::move(name);
    return channel_auth::client([settings](any_stream&) { return seed_key::client(settings); }, options);
}

inline channel_auth seed_key_server(std::shared_ptr<const seed_key_server_settings> settings,
                                    const auth_server_options& options = {},
                                    auth_throttle throttle = auth_throttle()) {
    return channel_auth::server([settings](any_stream&) { return seed_key::server(settings); }, options,
                                std::move(throttle));
}
/// One secret for everybody.
inline channel_auth seed_key_server(std::string_view secret, const auth_server_options& options = {},
                                    auth_throttle throttle = auth_throttle()) {
    return seed_key_server(seed_key_server_settings::one_secret(std::make_shared<const secret_text>(secret)),
                           options, std::move(throttle));
}

namespace detail {
/// What ties a proof to this connection: `tls-exporter` where TLS is right below, else nothing.
inline std::string channel_binding_of(any_stream& stream) {
    auto* const secure = stream.target<tls_stream<tcp_stream>>();
    if (!secure) return {};
    const auto bytes = secure->channel_binding();
    if (!bytes) return {};
    return std::string(bytes->begin(), bytes->end());
}
} // namespace detail

inline channel_auth scram_client(std::string name, std::string_view secret,
                                 const auth_client_options& options = {}) {
    scram_client_settings settings;
    settings.name = std::move(name);
    settings.secret = std::make_shared<const secret_text>(secret);
    return channel_auth::client(
        [settings](any_stream& stream) {
            return scram_sha_256::client(settings, detail::channel_binding_of(stream));
        },
        options);
}

inline channel_auth scram_server(std::shared_ptr<const scram_server_settings> settings,
                                 const auth_server_options& options = {},
                                 auth_throttle throttle = auth_throttle()) {
    return channel_auth::server(
        [settings](any_stream& stream) {
            return scram_sha_256::server(settings, detail::channel_binding_of(stream));
        },
        options, std::move(throttle));
}

} // namespace portunus

#endif
