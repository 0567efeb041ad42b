// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_CONSTANT_TIME_HPP
#define PORTUNUS_CRYPTO_CONSTANT_TIME_HPP

#include <openssl/crypto.h>

#include <string_view>

namespace portunus {

/// Whether two texts are equal, in a time that does not tell how much of them is. It tells whether their
/// lengths differ: compare digests, whose length everybody knows, and not secrets themselves.
inline bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

} // namespace portunus

#endif
