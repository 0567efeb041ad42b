// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_RANDOM_HPP
#define PORTUNUS_CRYPTO_RANDOM_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/detail/crypto_failure.hpp>

#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <span>
#include <utility>

namespace portunus {

/// Fills `into` with bytes that nobody can guess, from OpenSSL's generator, which the system seeds: for
/// seeds, salts, nonces and keys. Never bytes of lesser quality: when the generator has failed, or has not
/// been seeded, `tls_errc::library_failure`, and what is in `into` must not be used.
inline result<void> random_bytes(std::span<unsigned char> into) {
    while (!into.empty()) {
        const std::size_t part = into.size() < 65'536 ? into.size() : std::size_t{65'536};
        if (RAND_bytes(into.data(), static_cast<int>(part)) != 1)
            return detail::crypto_failure("random bytes");
        into = into.subspan(part);
    }
    return {};
}

/// The same as a value: `random_array<32>()`.
template <std::size_t Size>
result<std::array<unsigned char, Size>> random_array() {
    std::array<unsigned char, Size> bytes{};
    if (auto filled = random_bytes(bytes); !filled) return std::move(filled).error();
    return bytes;
}

} // namespace portunus

#endif
