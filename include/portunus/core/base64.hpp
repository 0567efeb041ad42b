// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_BASE64_HPP
#define PORTUNUS_CORE_BASE64_HPP

#include <portunus/core/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus {

/// Base64 (RFC 4648, section 4) of bytes, padded: 4 characters for each 3 bytes begun.
inline std::string base64_encode(std::string_view bytes) {
    constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t there = bytes.size() - at < 3 ? bytes.size() - at : 3;
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i)
            group = group << 8 | (i < there ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i) text += i <= there ? letters[group >> (18 - 6 * i) & 63U] : '=';
    }
    return text;
}

/// The bytes of base64 text. Strict, so that bytes have exactly one text: padded, no white space, no letters
/// of other alphabets, and the bits behind the last byte are zero.
///
/// `errc::malformed_data`, with the place and without the text, which may be a secret.
inline result<std::string> base64_decode(std::string_view text) {
    static constexpr auto values = [] {
        std::array<signed char, 256> all{};
        for (auto& one : all) one = -1;
        constexpr std::string_view letters =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (std::size_t i = 0; i < letters.size(); ++i)
            all[static_cast<unsigned char>(letters[i])] = static_cast<signed char>(i);
        return all;
    }();
    const auto broken = [](const char* why, std::size_t at) {
        return error(errc::malformed_data, std::string("base64: ") + why + " " + std::to_string(at));
    };
    if (text.size() % 4 != 0) return broken("four characters make a group, and there are", text.size());
    const std::size_t padding = text.empty()                   ? 0U
                                : text[text.size() - 1] != '=' ? 0U
                                : text[text.size() - 2] != '=' ? 1U
                                                               : 2U;
    const std::size_t letters = text.size() - padding;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    std::uint32_t group = 0;
    unsigned bits = 0;
    for (std::size_t at = 0; at < letters; ++at) {
        const int value = values[static_cast<unsigned char>(text[at])];
        if (value < 0) return broken("a character that is none of it at", at);
        group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xFFFFFFU;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(group >> bits & 0xFFU);
    }
    if ((group & ((1U << bits) - 1U)) != 0) return broken("bits behind the last byte at", letters - 1);
    return bytes;
}

} // namespace portunus

#endif
