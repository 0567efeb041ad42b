// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_HASH_HPP
#define PORTUNUS_CRYPTO_HASH_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/detail/openssl.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace portunus {

/// The bytes of a digest as text, to be hashed again or appended.
inline std::string_view bytes_of(std::span<const unsigned char> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Two digits a byte, in lower case.
inline std::string to_hex(std::span<const unsigned char> bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) text.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    return text;
}

namespace detail {

struct sha256_algorithm {
    static constexpr std::size_t size = 32;
    static constexpr std::string_view name = "SHA-256";
    static const EVP_MD* get() noexcept { return EVP_sha256(); }
};
struct sha512_algorithm {
    static constexpr std::size_t size = 64;
    static constexpr std::string_view name = "SHA-512";
    static const EVP_MD* get() noexcept { return EVP_sha512(); }
};
struct digest_context_free {
    void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
};

} // namespace detail

/// A hash (FIPS 180-4), computed by OpenSSL. In one go, or piece by piece:
///
///     auto digest = sha256::of(text);                     // result<std::array<unsigned char, 32>>
///     sha256 sum;
///     sum.update(head).update(body);
///     auto same = sum.finish();                           // and the object begins anew
///
/// `tls_errc::library_failure` when OpenSSL cannot compute it; a failure of `update` is reported by `finish`.
/// Move-only; allocates once, when it is first given something.
template <class Algorithm>
class basic_hash {
  public:
    static constexpr std::size_t digest_size = Algorithm::size;
    using digest = std::array<unsigned char, digest_size>;
    using algorithm = Algorithm;

    static result<digest> of(std::string_view bytes);

    basic_hash& update(std::string_view bytes) noexcept;
    result<digest> finish();

  private:
    bool begin() noexcept;

    std::unique_ptr<EVP_MD_CTX, detail::digest_context_free> context_;
    bool begun_ = false;
    bool failed_ = false;
};

using sha256 = basic_hash<detail::sha256_algorithm>;
using sha512 = basic_hash<detail::sha512_algorithm>;
using sha256_digest = sha256::digest;
using sha512_digest = sha512::digest;

} // namespace portunus

#include <portunus/crypto/impl/hash.hpp>

#endif
