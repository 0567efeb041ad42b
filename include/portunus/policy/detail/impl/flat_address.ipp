// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_DETAIL_IMPL_FLAT_ADDRESS_IPP
#define PORTUNUS_POLICY_DETAIL_IMPL_FLAT_ADDRESS_IPP

#include <portunus/policy/detail/flat_address.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/policy/detail/text.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus::policy_detail {

PORTUNUS_DECL flat_address flatten(const boost::asio::ip::address& address) noexcept {
    flat_address flat;
    if (address.is_v4()) {
        flat.bits.low = address.to_v4().to_uint();
        return flat;
    }
    const boost::asio::ip::address_v6 v6 = address.to_v6();
    const auto bytes = v6.to_bytes();
    for (std::size_t i = 0; i < 8; ++i) flat.bits.high = flat.bits.high << 8 | bytes[i];
    for (std::size_t i = 8; i < 16; ++i) flat.bits.low = flat.bits.low << 8 | bytes[i];
    if (v6.is_v4_mapped()) {
        flat.bits = {0, flat.bits.low & 0xffff'ffffU};
        return flat;
    }
    flat.is_v6 = true;
    flat.scope = static_cast<std::uint32_t>(v6.scope_id());
    return flat;
}

PORTUNUS_DECL boost::asio::ip::address_v6::bytes_type v6_bytes(const flat_address& flat) noexcept {
    boost::asio::ip::address_v6::bytes_type bytes{};
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[i] = static_cast<unsigned char>(flat.bits.high >> (56 - 8 * i));
        bytes[8 + i] = static_cast<unsigned char>(flat.bits.low >> (56 - 8 * i));
    }
    return bytes;
}

PORTUNUS_DECL std::string to_string(const flat_address& flat) {
    namespace ip = boost::asio::ip;
    if (!flat.is_v6) return ip::address_v4(static_cast<std::uint32_t>(flat.bits.low)).to_string();
    std::string text = ip::address_v6(v6_bytes(flat)).to_string();
    if (flat.scope != 0) text.append("%").append(std::to_string(flat.scope));
    return text;
}

PORTUNUS_DECL address_reading read_address(std::string_view text) {
    namespace ip = boost::asio::ip;
    const auto wrong = [](std::string_view problem) { return address_reading{{}, false, false, problem}; };

    const std::size_t percent = text.find('%');
    // a NUL would end the text for the system's parser, and what stands behind it would be believed unread
    if (text.find('\0') != std::string_view::npos) return wrong("is not an address");
    boost::system::error_code failed;
    const ip::address address = ip::make_address(std::string(text.substr(0, percent)), failed);
    if (failed) {
        if (!text.empty() && text.front() == '[')
            return wrong("is not an address: it is written without brackets");
        const std::size_t colon = text.find(':');
        if (text.find('.') < colon && colon != std::string_view::npos)
            return wrong("is not an address: a port is written behind it as \" port N\"");
        return wrong("is not an address");
    }
    address_reading read{flatten(address), address.is_v6(), false, {}};
    read.mapped = read.written_as_v6 && !read.address.is_v6;
    if (percent == std::string_view::npos) return read;

    if (!read.address.is_v6 || !address.to_v6().is_link_local())
        return wrong("has a scope, which only link-local addresses (fe80::/10) can have");
    const std::string_view scope = text.substr(percent + 1);
    std::uint64_t number = 0;
    for (const char c : scope) {
        if (!is_digit(c))
            return wrong("names its scope: allowed is the number of the link, or a rule for one interface");
        number = number * 10 + static_cast<std::uint64_t>(c - '0');
        if (number > 0xffff'ffffU) break;
    }
    if (number == 0 || number > 0xffff'ffffU)
        return wrong("has a scope that is not a number from 1 to 4294967295");
    read.address.scope = static_cast<std::uint32_t>(number);
    return read;
}

} // namespace portunus::policy_detail

#endif
