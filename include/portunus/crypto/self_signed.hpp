// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_SELF_SIGNED_HPP
#define PORTUNUS_CRYPTO_SELF_SIGNED_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/tls_options.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace portunus {

/// A certificate and its key as PEM text. The key is a secret: it belongs into no log, and is not wiped from
/// memory by itself.
struct pem_pair {
    std::string certificate{};
    std::string key{};

    /// As an option of a context.
    tls_certificate as_certificate() const {
        return {pem_source::text(certificate, "the certificate made by make_self_signed"),
                pem_source::text(key, "the key made by make_self_signed")};
    }
    /// As what somebody who knows this certificate trusts.
    pem_source as_trust() const {
        return pem_source::text(certificate, "the certificate made by make_self_signed");
    }
};

struct self_signed_options {
    /// For whom it is: host names, which may begin with "*.", and addresses as text. One or more.
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
    /// What it is called in the lists of programs (CN), 1 to 64 bytes; the first of `names` where it is
    /// empty.
    std::string common_name{};
    /// How long it is good, from `age` before now. The clock is asked by OpenSSL.
    std::chrono::hours validity{24 * 30};
    /// Clocks of devices differ, so it begins a while ago.
    std::chrono::hours age{1};
};

/// Makes a certificate in memory that vouches for itself, with a new key (EC P-256): for tests, for
/// demonstrations, and for a device on its first day. Browsers warn of it; whoever has it can trust it alone,
/// since it may sign no others.
///
/// `errc::invalid_option` for a name that cannot be one, `tls_errc::library_failure`.
result<pem_pair> make_self_signed(const self_signed_options& options = {});

} // namespace portunus

#include <portunus/crypto/impl/self_signed.hpp>

#endif
