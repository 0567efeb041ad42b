// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_HMAC_HPP
#define PORTUNUS_CRYPTO_HMAC_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/detail/crypto_failure.hpp>
#include <portunus/crypto/hash.hpp>

#include <openssl/hmac.h>

#include <limits>
#include <string_view>

namespace portunus {

/// A keyed hash (RFC 2104) of a message: `hmac<sha256>(key, text)`. The key may have any length, none too.
/// `tls_errc::library_failure` when OpenSSL cannot compute it.
template <class Hash>
result<typename Hash::digest> hmac(std::string_view key, std::string_view message) {
    typename Hash::digest made;
    const bool fits = key.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
    // a pointer even to an empty key: without one OpenSSL would go on with the key of the time before
    const char* const bytes = key.data() ? key.data() : "";
    if (fits &&
        HMAC(Hash::algorithm::get(), bytes, static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), made.data(), nullptr))
        return made;
    return detail::crypto_failure("HMAC");
}

} // namespace portunus

#endif
