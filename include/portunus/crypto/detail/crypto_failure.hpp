// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_DETAIL_CRYPTO_FAILURE_HPP
#define PORTUNUS_CRYPTO_DETAIL_CRYPTO_FAILURE_HPP

#include <portunus/core/error.hpp>
#include <portunus/crypto/detail/openssl.hpp>
#include <portunus/crypto/tls_error.hpp>

#include <string>
#include <string_view>

namespace portunus::detail {

/// What OpenSSL says when it cannot compute: it has no memory, or a provider is missing.
inline error crypto_failure(std::string_view step) {
    const openssl_errors said;
    return error(tls_errc::library_failure, std::string(step) + "; " + said.text());
}

} // namespace portunus::detail

#endif
