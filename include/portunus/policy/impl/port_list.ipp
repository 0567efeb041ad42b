// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_PORT_LIST_IPP
#define PORTUNUS_POLICY_IMPL_PORT_LIST_IPP

#include <portunus/policy/port_list.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/port_range.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {

PORTUNUS_DECL bool port_list::contains(std::uint16_t port) const noexcept {
    const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), port,
                                        [](std::uint16_t p, const port_range& r) { return p < r.first(); });
    return after != ranges_.begin() && std::prev(after)->contains(port);
}

PORTUNUS_DECL port_list port_list::without(const port_list& others) const {
    port_list rest;
    auto other = others.ranges_.begin();
    for (const port_range& range : ranges_) {
        unsigned from = range.first(); // of what is left of it
        const unsigned last = range.last();
        while (other != others.ranges_.end() && other->last() < from) ++other;
        for (auto next = other; from != 0 && from <= last && next != others.ranges_.end(); ++next) {
            if (next->first() > last) break;
            if (next->first() > from)
                rest.ranges_.emplace_back(static_cast<std::uint16_t>(from),
                                          static_cast<std::uint16_t>(next->first() - 1));
            from = next->last() + 1u;
        }
        if (from <= last)
            rest.ranges_.emplace_back(static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(last));
    }
    return rest;
}

PORTUNUS_DECL std::string to_string(const port_list& list) {
    std::string text;
    for (const port_range& range : list.ranges())
        text.append(text.empty() ? "" : ",").append(to_string(range));
    return text;
}

PORTUNUS_DECL result<port_list> port_list::parse(std::string_view text) {
    namespace detail = policy_detail;
    const std::string_view whole = detail::trimmed(text);
    if (whole.empty())
        return error(errc::invalid_port,
                     detail::complaint(whole, whole, "names no port", detail::ports_allowed));
    std::vector<port_range> ranges;
    error wrong;
    detail::for_each_part(whole, [&](std::string_view part, std::size_t number) {
        auto reading = detail::read_range(part);
        if (part.empty()) {
            reading.where = whole;
            reading.problem = "has nothing as its part " + std::to_string(number);
        }
        if (!reading.problem.empty()) {
            wrong = error(errc::invalid_port,
                          detail::complaint(whole, reading.where, reading.problem, detail::ports_allowed));
            return false;
        }
        ranges.push_back(reading.range);
        return true;
    });
    if (wrong.code().failed()) return wrong;
    return from_ranges(std::move(ranges), whole);
}

/// `text` is quoted in errors; empty when the ports came as numbers.
PORTUNUS_DECL result<port_list> port_list::from_ranges(std::vector<port_range> ranges,
                                                       std::string_view text) {
    const auto refuse = [text](const std::string& problem) {
        std::string detail = text.empty() ? std::string() : policy_detail::quoted(text) + ": ";
        return error(errc::invalid_port,
                     detail.append(problem).append("; allowed: ").append(policy_detail::ports_allowed));
    };
    for (const port_range& range : ranges) {
        if (range.first() != 0) continue;
        if (range.last() != 0)
            return refuse(std::to_string(range.first()) + "-" + std::to_string(range.last()) +
                          " begins with 0");
        if (ranges.size() != 1) return refuse("0 stands beside other ports");
    }
    std::sort(ranges.begin(), ranges.end(), [](const port_range& a, const port_range& b) {
        return a.first() != b.first() ? a.first() < b.first() : a.last() < b.last();
    });
    port_list list;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        const port_range& range = ranges[i];
        if (i != 0 && range == ranges[i - 1]) return refuse(to_string(range) + " is named twice");
        if (i != 0 && range.first() <= ranges[i - 1].last())
            return refuse(to_string(ranges[i - 1]) + " and " + to_string(range) + " overlap");
        if (!list.ranges_.empty() && list.ranges_.back().last() + 1 == range.first())
            list.ranges_.back() = port_range(list.ranges_.back().first(), range.last());
        else
            list.ranges_.push_back(range);
    }
    return list;
}

} // namespace portunus

#endif
