// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_DETAIL_TEXT_HPP
#define PORTUNUS_POLICY_DETAIL_TEXT_HPP

#include <portunus/core/detail/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

/// What the parsers of this room share: cutting text, and saying what is wrong with it.
namespace portunus::policy_detail {

constexpr bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}
constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// The text in double quotes, fit for a log line: control characters cannot break the line or the terminal,
/// and a megabyte of configuration that went wrong does not become a megabyte of log.
PORTUNUS_DECL std::string quoted(std::string_view text);

/// `"1001,abc": "abc" is not a port; allowed: ...`: the whole text, the part of it that is wrong, and the way
/// out.
PORTUNUS_DECL std::string complaint(std::string_view whole, std::string_view part, std::string_view problem,
                                    std::string_view allowed);

/// Calls `use(part, number)` for each trimmed part between commas, counted from 1, until it returns false.
template <class Use>
void for_each_part(std::string_view text, Use use) {
    for (std::size_t number = 1;; ++number) {
        const std::size_t comma = text.find(',');
        if (!use(trimmed(text.substr(0, comma)), number) || comma == std::string_view::npos) return;
        text.remove_prefix(comma + 1);
    }
}

} // namespace portunus::policy_detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/detail/impl/text.ipp>
#endif

#endif
