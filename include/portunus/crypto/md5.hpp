// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_MD5_HPP
#define PORTUNUS_CRYPTO_MD5_HPP

#include <portunus/crypto/hash.hpp>

#include <openssl/evp.h>

#include <cstddef>
#include <string_view>

namespace portunus {

namespace detail {
struct md5_algorithm {
    static constexpr std::size_t size = 16;
    static constexpr std::string_view name = "MD5";
    static const EVP_MD* get() noexcept { return EVP_md5(); }
};
} // namespace detail

/// RFC 1321. Texts with the same hash are made in seconds: it is here for digest authentication with devices
/// that know nothing else, and for nothing new. OpenSSL refuses it where FIPS is on.
using md5 = basic_hash<detail::md5_algorithm>;

} // namespace portunus

#endif
