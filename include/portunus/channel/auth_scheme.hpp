// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_SCHEME_HPP
#define PORTUNUS_CHANNEL_AUTH_SCHEME_HPP

#include <portunus/channel/detail/json_scalar.hpp>
#include <portunus/core/result.hpp>

#include <concepts>
#include <string_view>
#include <utility>

namespace portunus {

/// What the four messages of a handshake carry: a text, a truth value, or nothing. `{auth_kind::text,
/// "..."}`.
using auth_value = detail::json_scalar;
using auth_kind = detail::json_kind;

/// The client's half of a way to authenticate: one object a connection, used for one attempt after the other.
///
/// `begin` says what the request for a seed carries, and forgets what was before; `answer` makes the key for
/// a seed; `confirm` looks at the verdict of a server that says OKAY. An error ends the attempt.
template <class T>
concept auth_client_scheme = requires(T& client, const T& fixed, const auth_value& value) {
    { fixed.has_secret() } -> std::convertible_to<bool>;
    { client.begin() } -> std::same_as<result<auth_value>>;
    { client.answer(value) } -> std::same_as<result<auth_value>>;
    { client.confirm(value) } -> std::same_as<result<void>>;
};

/// The server's half: `challenge` makes the seed for a request; `judge` looks at the key, at most once a
/// seed, and returns what the verdict carries, or an error where the key is not right. What a refusal carries
/// is the same for every reason: `refusal`. `peer_name` is the name under which the last right key was given.
template <class T>
concept auth_server_scheme = requires(T& server, const T& fixed, const auth_value& value) {
    { server.challenge(value) } -> std::same_as<result<auth_value>>;
    { server.judge(value) } -> std::same_as<result<auth_value>>;
    { fixed.refusal() } -> std::same_as<auth_value>;
    { fixed.peer_name() } -> std::convertible_to<std::string_view>;
};

/// A way to authenticate over the handshake's four messages: seed request, seed, key, verdict (row S-6). The
/// library has `seed_key` and `scram_sha_256`, and `any_scheme` for a choice at run time.
template <class T>
concept auth_scheme =
    auth_client_scheme<typename T::client> && auth_server_scheme<typename T::server> && requires {
    { T::name() } -> std::convertible_to<std::string_view>;
};

} // namespace portunus

#endif
