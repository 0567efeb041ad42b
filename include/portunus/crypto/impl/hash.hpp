// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_IMPL_HASH_HPP
#define PORTUNUS_CRYPTO_IMPL_HASH_HPP

#include <portunus/crypto/hash.hpp>

#include <portunus/crypto/detail/crypto_failure.hpp>

namespace portunus {

template <class Algorithm>
result<typename basic_hash<Algorithm>::digest> basic_hash<Algorithm>::of(std::string_view bytes) {
    digest made;
    if (EVP_Digest(bytes.data(), bytes.size(), made.data(), nullptr, Algorithm::get(), nullptr) == 1)
        return made;
    return detail::crypto_failure(Algorithm::name);
}

template <class Algorithm>
bool basic_hash<Algorithm>::begin() noexcept {
    if (begun_) return true;
    if (!context_) context_.reset(EVP_MD_CTX_new());
    return begun_ = context_ && EVP_DigestInit_ex(context_.get(), Algorithm::get(), nullptr) == 1;
}

template <class Algorithm>
basic_hash<Algorithm>& basic_hash<Algorithm>::update(std::string_view bytes) noexcept {
    if (!begin() || EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) failed_ = true;
    return *this;
}

template <class Algorithm>
result<typename basic_hash<Algorithm>::digest> basic_hash<Algorithm>::finish() {
    digest made;
    const bool done = begin() && !failed_ && EVP_DigestFinal_ex(context_.get(), made.data(), nullptr) == 1;
    begun_ = failed_ = false;
    if (done) return made;
    return detail::crypto_failure(Algorithm::name);
}

} // namespace portunus

#endif
