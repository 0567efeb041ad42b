// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_VARY_HPP
#define PORTUNUS_HTTP_VARY_HPP

#include <portunus/http/list_elements.hpp>
#include <portunus/http/response.hpp>

#include <string>
#include <string_view>

namespace portunus::http {

/// Says that the answer depends on that field of the request (RFC 9110 12.5.5), so that caches keep the
/// answers apart. Joined with what is there; nothing where it, or "*", stands there already.
inline void add_vary(response& answer, std::string_view field_name) {
    const auto there = answer.find(field::vary);
    if (!there) {
        answer.add(field::vary, field_name);
        return;
    }
    const list_elements names(*there);
    if (names.contains(field_name) || names.contains("*")) return;
    const std::string both = std::string(*there).append(", ").append(field_name);
    answer.remove(field::vary).add(field::vary, both);
}

} // namespace portunus::http

#endif
