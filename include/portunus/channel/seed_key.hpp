// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_SEED_KEY_HPP
#define PORTUNUS_CHANNEL_SEED_KEY_HPP

#include <portunus/channel/auth_scheme.hpp>
#include <portunus/core/result.hpp>
#include <portunus/crypto/random.hpp>
#include <portunus/crypto/secret.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

/// Where a scheme gets its random bytes; `random_bytes` but in tests.
using random_source = std::function<result<void>(std::span<unsigned char>)>;

struct seed_key_client_settings {
    std::shared_ptr<const secret_text> secret{};
    /// What the server looks the secret up by; 1 to 256 bytes of UTF-8 without control characters. Empty: the
    /// request carries null, as the documented protocol knows no names.
    std::string name{};
};

struct seed_key_server_settings {
    /// Takes random bytes for `decoy_key`; throws `failure` where there are none.
    seed_key_server_settings() : decoy_key(random_array<32>().value()) {}

    /// The secret of a peer, or nothing. Called while a key is judged, by whichever thread does that; takes
    /// the same time for a name that exists and one that does not, if names are not for everybody to know.
    std::function<std::optional<secret_text>(std::string_view name)> find{};
    /// Names that nobody has get a secret made from this.
    secret_bytes<32> decoy_key;
    random_source random = [](std::span<unsigned char> into) { return random_bytes(into); };

    /// The same secret for whatever name: what a peer is called is then its own word.
    static std::shared_ptr<const seed_key_server_settings> one_secret(std::shared_ptr<const secret_text> all);
};

/// The seed and key handshake (row S-6): the server sends a seed, and whoever knows the secret can compute
/// the key for it.
///
///     auto secret = std::make_shared<const secret_text>("9f8a...");
///     auth_client<seed_key> client{seed_key::client({.secret = secret})};
///     auth_server<seed_key> server{seed_key::server(seed_key_server_settings::one_secret(secret))};
///
/// The request for a seed carries null, or the client's name, which is an addition of ours. The seed is 32
/// random bytes as 64 hexadecimal digits in lower case; the key is the SHA-512 of the seed's text followed by
/// the secret, as 128 such digits; the verdict is OKAY and true, or OPERATION_NOT_PERMITTED and false. No
/// public document fixes these: they are this library's choice.
///
/// It proves the client to the server and nothing else: whoever answers in the server's place is believed,
/// can guess at the secret offline, and can pass messages on. Use a long random secret, TLS below, and
/// `scram_sha_256` where both ends are yours.
///
/// A seed is good for one key, right or wrong. Keys are compared in constant time. A name that nobody has is
/// treated like one that exists, with a secret that nobody knows.
class seed_key {
  public:
    static constexpr std::string_view name() noexcept { return "seed and key"; }
    static constexpr std::size_t longest_name = 256;
    static constexpr std::size_t longest_seed = 1024; ///< that a client answers

    /// The key for a seed: the arithmetic alone.
    static result<std::string> key_for(std::string_view seed, std::string_view secret);

    class client {
      public:
        explicit client(seed_key_client_settings settings) noexcept : settings_(std::move(settings)) {}

        bool has_secret() const noexcept { return settings_.secret && !settings_.secret->empty(); }
        result<auth_value> begin();
        result<auth_value> answer(const auth_value& seed);
        result<void> confirm(const auth_value& verdict);

      private:
        seed_key_client_settings settings_;
    };

    class server {
      public:
        explicit server(std::shared_ptr<const seed_key_server_settings> settings) noexcept
            : settings_(std::move(settings)) {}

        result<auth_value> challenge(const auth_value& request);
        result<auth_value> judge(const auth_value& key);
        auth_value refusal() const { return {auth_kind::no, {}}; }
        const std::string& peer_name() const noexcept { return name_; }

      private:
        std::shared_ptr<const seed_key_server_settings> settings_;
        std::string name_;
        std::string seed_; ///< empty: none is out
    };
};

} // namespace portunus

#include <portunus/channel/impl/seed_key.hpp>

#endif
