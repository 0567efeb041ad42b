// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_BASIC_AUTH_HPP
#define PORTUNUS_HTTP_BASIC_AUTH_HPP

#include <portunus/core/error.hpp>
#include <portunus/http/detail/base64.hpp>
#include <portunus/http/middleware.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

/// A name and a password, as a client has sent them.
struct basic_credentials {
    std::string user;
    std::string password;

    /// Reads the value of an Authorization field (RFC 7617). Nothing for another scheme, for what is no
    /// Base64, and for control characters.
    static std::optional<basic_credentials> parse(std::string_view authorization);
};

/// Whether a secret that was sent is the right one, in a time that depends on the length of what was sent and
/// on nothing else.
inline bool same_secret(std::string_view sent, std::string_view right) noexcept {
    unsigned different = sent.size() != right.size();
    for (std::size_t i = 0; i != sent.size(); ++i) {
        const char r = right.empty() ? '\0' : right[i % right.size()];
        different |= static_cast<unsigned>(static_cast<unsigned char>(sent[i] ^ r));
    }
    const volatile unsigned result = different; // so that nobody leaves early
    return result == 0;
}

/// Lets in whom `check` accepts; all others are answered with 401, and asked for name and password of
/// `realm`. For one user:
///
///     wrap(handler, require_basic_auth("lamps", [](std::string_view user, std::string_view password) {
///         return same_secret(user, "admin") & same_secret(password, secret);  // & and not &&
///     }))
///
/// The password comes with every request, as good as in plain text: over TLS only. `check` must not block, so
/// what it compares with is a hash that is fast, of a password that is long and random. Who may guess how
/// often is not limited here. What was sent is wiped behind the check.
inline middleware
require_basic_auth(std::string realm,
                   std::function<bool(std::string_view user, std::string_view password)> check) {
    for (const char c : realm)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\')
            throw failure(error(errc::invalid_option, "realm \"" + realm +
                                                          "\": no quotes, backslashes and "
                                                          "control characters"));
    middleware m;
    m.before = [challenge = "Basic realm=\"" + realm + "\", charset=\"UTF-8\"",
                check = std::move(check)](request& r) -> std::optional<response> {
        bool fine = false;
        if (const auto authorization = r.find(field::authorization)) {
            if (auto sent = basic_credentials::parse(*authorization)) {
                fine = check(sent->user, sent->password);
                detail::wipe(sent->user);
                detail::wipe(sent->password);
            }
        }
        if (fine) return std::nullopt;
        std::optional<response> refused(std::in_place, status::unauthorized);
        refused->add(field::www_authenticate, challenge);
        return refused;
    };
    return m;
}

inline std::optional<basic_credentials> basic_credentials::parse(std::string_view authorization) {
    const std::size_t blank = authorization.find(' ');
    if (blank == std::string_view::npos || !detail::same_word(authorization.substr(0, blank), "Basic"))
        return std::nullopt;
    auto text = detail::from_base64(detail::trimmed(authorization.substr(blank)));
    if (!text) return std::nullopt;
    std::optional<basic_credentials> sent;
    const std::size_t colon = text->find(':'); // a name has none, a password may
    bool fine = colon != std::string::npos;
    for (const char c : *text) fine = fine && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    if (fine) sent.emplace(basic_credentials{text->substr(0, colon), text->substr(colon + 1)});
    detail::wipe(*text);
    return sent;
}

} // namespace portunus::http

#endif
