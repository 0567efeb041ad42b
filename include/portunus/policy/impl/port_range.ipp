// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_PORT_RANGE_IPP
#define PORTUNUS_POLICY_IMPL_PORT_RANGE_IPP

#include <portunus/policy/port_range.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/detail/text.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace portunus {

PORTUNUS_DECL std::string to_string(port_range range) {
    if (range.is_any()) return "any";
    std::string text = std::to_string(range.first());
    if (range.first() != range.last()) text.append("-").append(std::to_string(range.last()));
    return text;
}

namespace policy_detail {

PORTUNUS_DECL std::string_view read_port(std::string_view digits, std::uint16_t& port) noexcept {
    if (digits.empty()) return "is not a port";
    for (const char c : digits)
        if (!is_digit(c)) return "is not a port";
    if (digits.size() > 1 && digits.front() == '0') return "is not a port: it begins with a zero";
    std::uint32_t value = 0;
    for (const char c : digits) {
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
        if (value > 65535) return "is above 65535";
    }
    port = static_cast<std::uint16_t>(value);
    return {};
}

PORTUNUS_DECL range_reading read_range(std::string_view part) {
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    const std::size_t dash = part.find('-');
    const std::string_view head = trimmed(part.substr(0, dash));
    const std::string_view tail = dash == std::string_view::npos ? head : trimmed(part.substr(dash + 1));
    // "-5" and "5-" are half a range: the whole part is what has to be looked at, not its empty half
    if (dash != std::string_view::npos && (head.empty() || tail.empty()))
        return {{}, part, "is not a port and not a range"};
    if (const auto problem = read_port(head, first); !problem.empty())
        return {{}, head, std::string(problem)};
    if (const auto problem = read_port(tail, last); !problem.empty()) return {{}, tail, std::string(problem)};
    if (first > last)
        return {{},
                part,
                "is a reversed range: " + std::to_string(last) + "-" + std::to_string(first) +
                    " was probably meant"};
    return {port_range(first, last), part, {}};
}

} // namespace policy_detail

PORTUNUS_DECL result<port_range> port_range::parse(std::string_view text) {
    constexpr std::string_view allowed = "1 to 65535, as N or N-M";
    const std::string_view trimmed = policy_detail::trimmed(text);
    auto reading = policy_detail::read_range(trimmed);
    if (reading.problem.empty() && reading.range.first() == 0)
        reading.problem = "is not a port that a peer can have";
    if (!reading.problem.empty())
        return error(errc::invalid_port,
                     policy_detail::complaint(trimmed, reading.where, reading.problem, allowed));
    return reading.range;
}

} // namespace portunus

#endif
