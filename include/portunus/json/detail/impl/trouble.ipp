// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_DETAIL_IMPL_TROUBLE_IPP
#define PORTUNUS_JSON_DETAIL_IMPL_TROUBLE_IPP

#include <portunus/json/detail/trouble.hpp>

#include <utility>

namespace portunus::json::detail {

PORTUNUS_DECL bool trouble::is(std::string what) {
    if (what_.empty()) what_ = std::move(what);
    return false;
}

PORTUNUS_DECL bool trouble::in_member(std::string_view name) {
    if (!path_.empty() && path_.front() != '[') path_.insert(0, 1, '.');
    path_.insert(0, name);
    return false;
}

PORTUNUS_DECL bool trouble::in_element(std::size_t index) {
    return in_member("[" + std::to_string(index) + "]");
}

PORTUNUS_DECL bool trouble::in_key(std::string_view key) {
    return in_member("[" + shown(key) + "]");
}

PORTUNUS_DECL error trouble::as(errc code) const {
    return error(code, path_.empty() ? what_ : path_ + ": " + what_);
}

PORTUNUS_DECL std::string shown(std::string_view text) {
    constexpr std::size_t longest = 40;
    constexpr char digits[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F)
            out += c;
        else
            out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    out += '"';
    if (text.size() > longest) out.append("... (").append(std::to_string(text.size())).append(" bytes)");
    return out;
}

} // namespace portunus::json::detail

#endif
