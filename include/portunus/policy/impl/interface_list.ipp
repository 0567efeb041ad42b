// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_INTERFACE_LIST_IPP
#define PORTUNUS_POLICY_IMPL_INTERFACE_LIST_IPP

#include <portunus/policy/interface_list.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/detail/text.hpp>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

PORTUNUS_DECL std::string interface_list::joined(std::initializer_list<std::string_view> names) {
    std::string all;
    const char* comma = "";
    for (const std::string_view name : names) all.append(std::exchange(comma, ",")).append(name);
    return all;
}

PORTUNUS_DECL std::string to_string(const interface_list& list) {
    std::string text;
    const char* comma = "";
    for (const std::string& name : list) text.append(std::exchange(comma, ",")).append(name);
    return text;
}

PORTUNUS_DECL result<interface_list> interface_list::parse(std::string_view text) {
    namespace detail = policy_detail;
    constexpr std::string_view allowed =
        "names of interfaces separated by commas (\"eth0,wlan0\"), or nothing for all";
    const std::string_view whole = detail::trimmed(text);
    interface_list list;
    if (whole.empty()) return list;
    error wrong;
    detail::for_each_part(whole, [&](std::string_view part, std::size_t number) {
        std::string_view where = part;
        std::string problem(detail::wrong_with_interface_name(part));
        if (part.empty()) {
            where = whole;
            problem = "has nothing as its part " + std::to_string(number);
        } else if (!list.all() && list.matches(part)) {
            problem = "is named twice";
        }
        if (problem.empty()) {
            list.names_.emplace_back(part);
            return true;
        }
        wrong = error(errc::invalid_option, detail::complaint(whole, where, problem, allowed));
        return false;
    });
    if (wrong.code().failed()) return wrong;
    return list;
}

} // namespace portunus

#endif
