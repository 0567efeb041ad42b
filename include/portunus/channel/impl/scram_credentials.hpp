// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_SCRAM_CREDENTIALS_HPP
#define PORTUNUS_CHANNEL_IMPL_SCRAM_CREDENTIALS_HPP

#include <portunus/channel/scram_credentials.hpp>

#include <portunus/channel/detail/json_scalar.hpp>
#include <portunus/channel/detail/scram_keys.hpp>
#include <portunus/channel/detail/scram_text.hpp>
#include <portunus/core/base64.hpp>
#include <portunus/crypto/hash.hpp>
#include <portunus/crypto/random.hpp>

#include <charconv>
#include <cstring>

namespace portunus {
namespace detail {

inline constexpr std::size_t longest_scram_secret = 1024;
inline constexpr std::string_view scram_prefix = "SCRAM-SHA-256$";

inline bool is_scram_secret(std::string_view secret) noexcept {
    return !secret.empty() && secret.size() <= longest_scram_secret && is_plain_text(secret);
}

inline error bad_credentials(std::string_view why) {
    return error(errc::invalid_option, "SCRAM credentials: " + std::string(why));
}

} // namespace detail

inline result<scram_credentials> scram_credentials::make(std::string_view secret, std::uint32_t iterations) {
    const auto random = random_array<salt_size>();
    if (!random) return random.error();
    return make(secret, iterations, bytes_of(*random));
}

inline result<scram_credentials> scram_credentials::make(std::string_view secret, std::uint32_t iterations,
                                                         std::string_view salt) {
    if (!detail::is_scram_secret(secret))
        return detail::bad_credentials(
            "a secret has 1 to 1024 bytes of UTF-8 and no control characters; this one has " +
            std::to_string(secret.size()) + " bytes");
    if (iterations < least_iterations || iterations > most_iterations)
        return detail::bad_credentials(std::to_string(iterations) + " iterations; it may be " +
                                       std::to_string(least_iterations) + " to " +
                                       std::to_string(most_iterations));
    if (salt.empty() || salt.size() > detail::longest_scram_salt)
        return detail::bad_credentials("a salt has 1 to 1024 bytes; this one has " +
                                       std::to_string(salt.size()));
    auto keys = detail::make_scram_keys(secret, salt, iterations);
    if (!keys) return std::move(keys).error();
    return scram_credentials{std::string(salt), iterations, std::move(keys->stored), std::move(keys->server)};
}

inline result<scram_credentials> scram_credentials::parse(std::string_view text) {
    if (!text.starts_with(detail::scram_prefix)) return detail::bad_credentials("no SCRAM-SHA-256$ in front");
    text.remove_prefix(detail::scram_prefix.size());
    const std::size_t colon = text.find(':');
    const std::size_t dollar = text.find('$');
    const std::size_t last = text.rfind(':');
    if (colon == std::string_view::npos || dollar == std::string_view::npos || dollar < colon ||
        last < dollar)
        return detail::bad_credentials("not of the form iterations:salt$stored key:server key");
    scram_credentials made;
    const auto [stop, code] = std::from_chars(text.data(), text.data() + colon, made.iterations);
    if (code != std::errc() || stop != text.data() + colon || made.iterations < least_iterations ||
        made.iterations > most_iterations)
        return detail::bad_credentials("the iterations are not from " + std::to_string(least_iterations) +
                                       " to " + std::to_string(most_iterations));
    auto salt = base64_decode(text.substr(colon + 1, dollar - colon - 1));
    if (!salt || salt->empty() || salt->size() > detail::longest_scram_salt)
        return detail::bad_credentials("the salt is no base64 of 1 to 1024 bytes");
    made.salt = *std::move(salt);
    const auto read_key = [](std::string_view base64, secret_bytes<32>& key) {
        auto bytes = base64_decode(base64);
        const bool good = bytes && bytes->size() == key.bytes().size();
        if (good) std::memcpy(key.bytes().data(), bytes->data(), bytes->size());
        if (bytes) wipe(bytes->data(), bytes->size());
        return good;
    };
    if (!read_key(text.substr(dollar + 1, last - dollar - 1), made.stored_key) ||
        !read_key(text.substr(last + 1), made.server_key))
        return detail::bad_credentials("a key is no base64 of 32 bytes");
    return made;
}

inline secret_text scram_credentials::to_text() const {
    std::string text(detail::scram_prefix);
    text.reserve(256 + salt.size() * 2);
    text.append(std::to_string(iterations)).append(":").append(base64_encode(salt));
    for (const auto* key : {&stored_key, &server_key}) {
        std::string base64 = base64_encode(key->view());
        text.append(key == &stored_key ? "$" : ":").append(base64);
        wipe(base64.data(), base64.size());
    }
    return secret_text(std::move(text));
}

} // namespace portunus

#endif
