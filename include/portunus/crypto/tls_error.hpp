// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_TLS_ERROR_HPP
#define PORTUNUS_CRYPTO_TLS_ERROR_HPP

#include <portunus/core/error.hpp>

#include <string>

namespace portunus {

/// What went wrong with TLS itself. The detail of the error says more: what OpenSSL met, which alert was sent
/// or received, which certificate was refused, and what to do. Each belongs to a `condition`, in brackets.
enum class tls_errc {
    truncated = 1,       ///< the connection ended without close_notify: what came may be a part [closed]
    not_tls,             ///< the peer speaks something else; the detail shows how it began [malformed]
    certificate_refused, ///< the peer's certificate is not accepted, or it has none [unauthenticated]
    refused_by_peer,     ///< the peer sent a fatal alert [remote]
    nothing_in_common,   ///< no version, cipher or application protocol that both sides take [denied]
    protocol_violation,  ///< the peer broke the rules of TLS, or the bytes were changed [malformed]
    library_failure,     ///< OpenSSL failed for a reason of its own, such as memory [exhausted]
};

const boost::system::error_category& tls_category() noexcept;
boost::system::error_code make_error_code(tls_errc e) noexcept;

} // namespace portunus

template <>
struct boost::system::is_error_code_enum<portunus::tls_errc> : std::true_type {};

namespace portunus {

namespace detail {

class tls_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "portunus.tls"; }
    const char* message(int value, char*, std::size_t) const noexcept override {
        switch (static_cast<tls_errc>(value)) {
        case tls_errc::truncated:
            return "the TLS connection was cut off";
        case tls_errc::not_tls:
            return "the peer does not speak TLS";
        case tls_errc::certificate_refused:
            return "the peer's certificate was refused";
        case tls_errc::refused_by_peer:
            return "the peer refused";
        case tls_errc::nothing_in_common:
            return "no common way to speak TLS";
        case tls_errc::protocol_violation:
            return "the peer broke the rules of TLS";
        case tls_errc::library_failure:
            return "the TLS library failed";
        }
        return "unknown TLS error";
    }
    std::string message(int value) const override { return message(value, nullptr, 0); }
    bool equivalent(int value, const boost::system::error_condition& c) const noexcept override {
        return c == make_error_condition(group_of_tls(static_cast<tls_errc>(value)));
    }

  private:
    static condition group_of_tls(tls_errc e) noexcept {
        switch (e) {
        case tls_errc::truncated:
            return condition::closed;
        case tls_errc::not_tls:
        case tls_errc::protocol_violation:
            return condition::malformed;
        case tls_errc::certificate_refused:
            return condition::unauthenticated;
        case tls_errc::refused_by_peer:
            return condition::remote;
        case tls_errc::nothing_in_common:
            return condition::denied;
        case tls_errc::library_failure:
            break;
        }
        return condition::exhausted;
    }
};

} // namespace detail

inline const boost::system::error_category& tls_category() noexcept {
    static const detail::tls_category_type instance;
    return instance;
}
inline boost::system::error_code make_error_code(tls_errc e) noexcept {
    return boost::system::error_code(static_cast<int>(e), tls_category());
}

} // namespace portunus

#endif
