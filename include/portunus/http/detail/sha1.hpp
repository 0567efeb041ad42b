// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_SHA1_HPP
#define PORTUNUS_HTTP_DETAIL_SHA1_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus::http::detail {

/// SHA-1 (FIPS 180-4) of a short text. For the handshake of WebSocket, where it is a checksum that shows that
/// the other side speaks the protocol; nothing is kept secret or proved by it. So it needs no OpenSSL, which
/// plain users would have to link for twenty bytes.
constexpr std::array<std::uint8_t, 20> sha1(std::string_view text) noexcept {
    std::array<std::uint32_t, 5> h{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const std::uint64_t bits = std::uint64_t(text.size()) * 8;
    const std::size_t blocks = (text.size() + 8) / 64 + 1; // with the one bit and the length
    const auto byte_at = [&](std::size_t i) -> std::uint32_t {
        if (i < text.size()) return static_cast<unsigned char>(text[i]);
        if (i == text.size()) return 0x80;
        const std::size_t from_end = blocks * 64 - 1 - i;
        return from_end < 8 ? static_cast<std::uint32_t>(bits >> (from_end * 8)) & 0xff : 0;
    };
    for (std::size_t block = 0; block != blocks; ++block) {
        std::array<std::uint32_t, 80> w{};
        for (std::size_t i = 0; i != 16; ++i) {
            const std::size_t at = block * 64 + i * 4;
            w[i] = byte_at(at) << 24 | byte_at(at + 1) << 16 | byte_at(at + 2) << 8 | byte_at(at + 3);
        }
        for (std::size_t i = 16; i != 80; ++i)
            w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        auto [a, b, c, d, e] = h;
        for (std::size_t i = 0; i != 80; ++i) {
            std::uint32_t f = b ^ c ^ d, k = 0xca62c1d6;
            if (i < 20) {
                f = (b & c) | (~b & d);
                k = 0x5a827999;
            } else if (i < 40) {
                k = 0x6ed9eba1;
            } else if (i < 60) {
                f = (b & c) | (b & d) | (c & d);
                k = 0x8f1bbcdc;
            }
            const std::uint32_t next = std::rotl(a, 5) + f + e + k + w[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        }
        h[0] += a;
        h[1] += b;
        h[2] += c;
        h[3] += d;
        h[4] += e;
    }
    std::array<std::uint8_t, 20> digest{};
    for (std::size_t i = 0; i != 20; ++i) digest[i] = static_cast<std::uint8_t>(h[i / 4] >> (24 - i % 4 * 8));
    return digest;
}

} // namespace portunus::http::detail

#endif
