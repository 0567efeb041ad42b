// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_MAC_ADDRESS_IPP
#define PORTUNUS_NET_IMPL_MAC_ADDRESS_IPP

#include <portunus/net/mac_address.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/detail/text.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus {

PORTUNUS_DECL std::string to_string(const mac_address& mac) {
    constexpr char hex[] = "0123456789abcdef";
    std::string text;
    text.reserve(17);
    for (const std::uint8_t byte : mac.bytes()) {
        if (!text.empty()) text += ':';
        text += hex[byte >> 4];
        text += hex[byte & 15];
    }
    return text;
}

PORTUNUS_DECL result<mac_address> mac_address::parse(std::string_view text) {
    const auto refuse = [text] {
        return error(errc::invalid_address,
                     policy_detail::complaint(text, text, "is not a hardware address",
                                              "six bytes as 02:fc:00:00:00:01, 02-fc-00-00-00-01, "
                                              "02fc.0000.0001 or 02fc00000001"));
    };
    // The length alone tells the form: the separator, and after how many digits it stands.
    char separator = 0;
    std::size_t every = 12;
    switch (text.size()) {
    case 12:
        break;
    case 14:
        separator = '.';
        every = 4;
        break;
    case 17:
        separator = text[2];
        every = 2;
        if (separator != ':' && separator != '-') return refuse();
        break;
    default:
        return refuse();
    }
    bytes_type bytes{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i % (every + 1) == every) {
            if (text[i] != separator) return refuse();
            continue;
        }
        const int value = detail::hex_value(text[i]);
        if (value < 0) return refuse();
        std::uint8_t& byte = bytes[digits++ / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | value);
    }
    return mac_address(bytes);
}

} // namespace portunus

#endif
