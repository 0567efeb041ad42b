// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_SCRAM_CREDENTIALS_HPP
#define PORTUNUS_CHANNEL_SCRAM_CREDENTIALS_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/secret.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace portunus {

/// What a server stores of somebody's secret for SCRAM-SHA-256 (RFC 5802, section 3): enough to check a proof
/// and to prove itself, and not enough to log in anywhere. Who steals it can guess at the secret, at the cost
/// of `iterations` a guess, and can play this server to its client.
///
///     const auto stored = scram_credentials::make(secret, 10'000).value();
///     write_file("kitchen", stored.to_text().view());
///     ...
///     return scram_credentials::parse(read_file(name));             // in the server's look-up
///
/// The text is `SCRAM-SHA-256$10000:salt$stored key:server key` with base64, the form that PostgreSQL keeps
/// in its catalogue too.
struct scram_credentials {
    static constexpr std::uint32_t least_iterations = 4096; ///< RFC 7677, section 4
    static constexpr std::uint32_t most_iterations = 10'000'000;
    static constexpr std::size_t salt_size = 16;

    std::string salt{};
    std::uint32_t iterations = 0;
    secret_bytes<32> stored_key{};
    secret_bytes<32> server_key{};

    scram_credentials copy() const { return {salt, iterations, stored_key.copy(), server_key.copy()}; }

    /// With a new random salt. Takes the time of its iterations. `errc::invalid_option` where the secret is
    /// empty, longer than 1024 bytes, no UTF-8 or with control characters, and for iterations out of range.
    static result<scram_credentials> make(std::string_view secret, std::uint32_t iterations = 10'000);
    /// The same with a salt of one's own, 1 to 1024 bytes.
    static result<scram_credentials> make(std::string_view secret, std::uint32_t iterations,
                                          std::string_view salt);

    /// `errc::invalid_option`, without the text.
    static result<scram_credentials> parse(std::string_view text);
    secret_text to_text() const;
};

} // namespace portunus

#include <portunus/channel/impl/scram_credentials.hpp>

#endif
