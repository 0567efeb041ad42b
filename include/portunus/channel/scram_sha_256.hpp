// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_SCRAM_SHA_256_HPP
#define PORTUNUS_CHANNEL_SCRAM_SHA_256_HPP

#include <portunus/channel/auth_scheme.hpp>
#include <portunus/channel/scram_credentials.hpp>
#include <portunus/core/result.hpp>
#include <portunus/crypto/random.hpp>
#include <portunus/crypto/secret.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

/// Where SCRAM gets its nonces: base64 of 18 random bytes but in tests.
using nonce_source = std::function<result<std::string>()>;
result<std::string> random_nonce();

struct scram_client_settings {
    std::string name{}; ///< 1 to 256 bytes of UTF-8 without control characters
    std::shared_ptr<const secret_text> secret{};
    /// A server that asks for fewer iterations wants to guess cheaply, one that asks for more wants to keep
    /// us busy: both are refused before anything is computed.
    std::uint32_t least_iterations = scram_credentials::least_iterations;
    std::uint32_t most_iterations = 600'000;
    nonce_source nonce = &random_nonce;
};

struct scram_server_settings {
    /// Takes random bytes for `decoy_key`; throws `failure` where there are none.
    scram_server_settings() : decoy_key(random_array<32>().value()) {}

    /// What is stored of a peer's secret, or nothing. Called when the handshake begins, by whichever thread
    /// does that; takes the same time for a name that exists and one that does not, if names are not for
    /// everybody to know.
    std::function<std::optional<scram_credentials>(std::string_view name)> find{};
    /// Names that nobody has get a salt and keys that are made from this, the same each time. Keep it with
    /// the credentials, so that it is the same after a restart too.
    secret_bytes<32> decoy_key;
    /// The iterations that such a name is told: those that most of the others have.
    std::uint32_t decoy_iterations = 10'000;
    /// Lets clients in that do not bind although the server could, as behind a proxy that ends TLS.
    bool accept_unbound = false;
    nonce_source nonce = &random_nonce;
};

/// SCRAM-SHA-256 (RFC 5802, RFC 7677) over the handshake's four messages: both sides prove that they know the
/// secret, or what is stored of it, and neither tells it.
///
///     auth_client<scram_sha_256> client{scram_sha_256::client({.name = "kitchen", .secret = secret})};
///     auto house = std::make_shared<scram_server_settings>();
///     house->find = [](std::string_view name) { return credentials_of(name); };
///     auth_server<scram_sha_256> server{scram_sha_256::server(house)};
///
/// The data of the seed request, the seed, the key and the verdict are the client-first, server-first,
/// client-final and server-final messages as JSON strings.
///
/// **Channel binding.** Given the bytes of `tls_engine::channel_binding()` on both sides (`tls-exporter`, RFC
/// 9266), the proof holds for this TLS connection alone, so nobody in between can pass it on, whatever
/// certificates are trusted. A server that has them refuses clients that do not bind, unless
/// `accept_unbound`; it always refuses one that could and says that the server cannot. A server without
/// refuses one that binds.
///
/// **Names and secrets** are compared byte by byte. Of SASLprep only what changes nothing is here: printable
/// ASCII is allowed and itself; other UTF-8 is allowed and has to be in the same normal form on both sides;
/// control characters are refused.
///
/// **Guessing.** A name that nobody has is told a salt and iterations like any other, always the same ones,
/// and its proof is computed and compared like any other; the refusal has the same text. A seed is good for
/// one proof.
class scram_sha_256 {
  public:
    static constexpr std::string_view name() noexcept { return "SCRAM-SHA-256"; }

    class client {
      public:
        /// `binding`: what the connection is bound to; empty: nothing.
        explicit client(scram_client_settings settings, std::string binding = {})
            : settings_(std::move(settings)), binding_(std::move(binding)) {}

        bool has_secret() const noexcept { return settings_.secret && !settings_.secret->empty(); }
        result<auth_value> begin();
        /// Takes the time of the server's iterations.
        result<auth_value> answer(const auth_value& seed);
        result<void> confirm(const auth_value& verdict);

      private:
        scram_client_settings settings_;
        std::string binding_;
        std::string bare_; ///< of the first message; empty: none is out
        std::string nonce_;
        secret_bytes<32> expected_; ///< the server's signature
        bool answered_ = false;
    };

    class server {
      public:
        explicit server(std::shared_ptr<const scram_server_settings> settings, std::string binding = {})
            : settings_(std::move(settings)), binding_(std::move(binding)) {}

        result<auth_value> challenge(const auth_value& request);
        result<auth_value> judge(const auth_value& key);
        auth_value refusal() const { return {auth_kind::text, "e=other-error"}; }
        const std::string& peer_name() const noexcept { return name_; }

      private:
        result<scram_credentials> credentials_for(std::string_view name);

        std::shared_ptr<const scram_server_settings> settings_;
        std::string binding_;
        std::string name_;
        std::string dialogue_; ///< first messages of both, as the proof covers them; empty: no seed is out
        std::string bound_;    ///< what c= has to be
        std::string nonce_;
        scram_credentials credentials_;
        bool exists_ = false;
    };
};

} // namespace portunus

#include <portunus/channel/impl/scram_sha_256.hpp>

#endif
