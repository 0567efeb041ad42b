// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_SCRAM_KEYS_HPP
#define PORTUNUS_CHANNEL_DETAIL_SCRAM_KEYS_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/hash.hpp>
#include <portunus/crypto/hmac.hpp>
#include <portunus/crypto/pbkdf2.hpp>
#include <portunus/crypto/secret.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

/// \file
/// The arithmetic of SCRAM-SHA-256 (RFC 5802, section 3).

namespace portunus::detail {

using scram_key = secret_bytes<32>;

struct scram_keys {
    scram_key client;
    scram_key stored;
    scram_key server;
};

inline result<scram_key> scram_hmac(std::string_view key, std::string_view text) {
    auto digest = hmac<sha256>(key, text);
    if (!digest) return std::move(digest).error();
    scram_key made(*digest);
    wipe(digest->data(), digest->size());
    return made;
}

inline result<scram_keys> make_scram_keys(std::string_view secret, std::string_view salt,
                                          std::uint32_t iterations) {
    scram_key salted;
    if (auto made = pbkdf2<sha256>(secret, salt, iterations, salted.bytes()); !made)
        return std::move(made).error();
    auto client = scram_hmac(salted.view(), "Client Key");
    if (!client) return std::move(client).error();
    auto server = scram_hmac(salted.view(), "Server Key");
    if (!server) return std::move(server).error();
    auto stored = sha256::of(client->view());
    if (!stored) return std::move(stored).error();
    return scram_keys{*std::move(client), scram_key(*stored), *std::move(server)};
}

inline scram_key exclusive_or(const scram_key& a, std::string_view b) noexcept {
    scram_key made;
    for (std::size_t i = 0; i < made.bytes().size() && i < b.size(); ++i)
        made.bytes()[i] = static_cast<unsigned char>(a.bytes()[i] ^ static_cast<unsigned char>(b[i]));
    return made;
}

} // namespace portunus::detail

#endif
