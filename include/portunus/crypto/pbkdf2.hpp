// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_PBKDF2_HPP
#define PORTUNUS_CRYPTO_PBKDF2_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/detail/crypto_failure.hpp>
#include <portunus/crypto/hash.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace portunus {

/// Makes a key of any length from a password (RFC 8018, section 5.2), with HMAC over `Hash`:
/// `pbkdf2<sha256>(password, salt, 10'000, key)`.
///
/// Slow on purpose: its time is proportional to `iterations`, about a millisecond for 5000 on a desktop and
/// ten times that on a small device; whoever takes the number from a peer bounds it first.
///
/// `errc::invalid_option` for no iterations, more than 2^31 - 1 of them, or no key;
/// `tls_errc::library_failure`.
template <class Hash>
result<void> pbkdf2(std::string_view password, std::string_view salt, std::uint32_t iterations,
                    std::span<unsigned char> key) {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<int>::max());
    if (iterations == 0 || iterations > most || key.empty() || key.size() > most || password.size() > most ||
        salt.size() > most)
        return error(errc::invalid_option, "PBKDF2 with " + std::to_string(iterations) +
                                               " iterations for a key of " + std::to_string(key.size()) +
                                               " bytes");
    if (PKCS5_PBKDF2_HMAC(password.data() ? password.data() : "", static_cast<int>(password.size()),
                          reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                          static_cast<int>(iterations), Hash::algorithm::get(), static_cast<int>(key.size()),
                          key.data()) == 1)
        return {};
    return detail::crypto_failure("PBKDF2");
}

} // namespace portunus

#endif
