// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_DETAIL_IMPL_TEXT_IPP
#define PORTUNUS_POLICY_DETAIL_IMPL_TEXT_IPP

#include <portunus/policy/detail/text.hpp>

#include <portunus/core/detail/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace portunus::policy_detail {

PORTUNUS_DECL std::string quoted(std::string_view text) {
    constexpr std::size_t most = 80;
    constexpr char hex[] = "0123456789abcdef";
    const bool cut = text.size() > most;
    std::string out = "\"";
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        } else {
            out += c;
        }
    }
    out += cut ? "...\"" : "\"";
    return out;
}

PORTUNUS_DECL std::string complaint(std::string_view whole, std::string_view part, std::string_view problem,
                                    std::string_view allowed) {
    std::string text = quoted(whole);
    if (part != whole) text.append(": ").append(quoted(part));
    return text.append(" ").append(problem).append("; allowed: ").append(allowed);
}

} // namespace portunus::policy_detail

#endif
