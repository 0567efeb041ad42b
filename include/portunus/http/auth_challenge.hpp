// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_AUTH_CHALLENGE_HPP
#define PORTUNUS_HTTP_AUTH_CHALLENGE_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http {

/// One challenge of WWW-Authenticate (RFC 9110 11.6.1): a scheme, and what it says besides.
struct auth_challenge {
    std::string scheme{};  ///< as written: "Basic", "Digest"
    std::string token68{}; ///< what some schemes have in place of parameters
    std::vector<std::pair<std::string, std::string>> parameters{}; ///< values without quotes and escapes

    /// Names are compared without regard to case.
    std::optional<std::string_view> find(std::string_view name) const noexcept {
        for (const auto& [key, value] : parameters)
            if (detail::same_word(key, name)) return value;
        return std::nullopt;
    }
    bool is(std::string_view name) const noexcept { return detail::same_word(scheme, name); }
};

/// The challenges of one field value, in order. What cannot be understood ends the list: what was read before
/// it counts. At most 16 challenges with 32 parameters each.
///
///     parse_challenges("Digest realm=\"a, b\", qop=auth, Basic realm=x")     // two
std::vector<auth_challenge> parse_challenges(std::string_view value);

/// The text as a quoted string, with '"' and '\' escaped (RFC 9110 5.6.4).
std::string quoted_string(std::string_view text);

} // namespace portunus::http

#include <portunus/http/impl/auth_challenge.hpp>

#endif
