// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_DETAIL_IMPL_CODEC_TEXT_IPP
#define PORTUNUS_FRAMING_DETAIL_IMPL_CODEC_TEXT_IPP

#include <portunus/framing/detail/codec_text.hpp>

#include <portunus/core/detail/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace portunus::detail {

PORTUNUS_DECL std::string name_of_byte(unsigned char byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string name = "0x";
    name += digits[byte >> 4];
    name += digits[byte & 15];
    if (byte > 0x20 && byte < 0x7F) name.append(" '").append(1, static_cast<char>(byte)).append("'");
    return name;
}

PORTUNUS_DECL std::string quoted(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string all = "\"";
    for (const char c : text.substr(0, 64)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\')
            all += c;
        else
            all.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return all.append(text.size() > 64 ? "\"..." : "\"");
}

} // namespace portunus::detail

#endif
