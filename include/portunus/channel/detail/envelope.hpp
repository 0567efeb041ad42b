// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_ENVELOPE_HPP
#define PORTUNUS_CHANNEL_DETAIL_ENVELOPE_HPP

#include <portunus/channel/message.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// \file
/// What the message codecs are made of.

namespace portunus::detail {

/// {"data_id":7,"service_id":10,"status":0,"data": -- the rest is the value and a brace.
PORTUNUS_DECL void begin_envelope(std::string& out, const message_view& head);
PORTUNUS_DECL result<message_view> read_envelope(std::string_view text);

/// Where the one JSON value stands that `text` is; an error when it is none.
PORTUNUS_DECL result<std::string_view> read_data(std::string_view text);

inline void append_big_endian(std::string& out, std::uint32_t value) {
    const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                          static_cast<char>(value >> 8), static_cast<char>(value)};
    out.append(bytes, sizeof bytes);
}
inline std::uint32_t big_endian(std::string_view bytes, std::size_t at) noexcept {
    const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[at + i])}; };
    return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

/// The bytes of a CRC-32 behind a message.
inline constexpr std::size_t checksum_size = 4;

/// Appends the CRC-32 of all from `start` on.
PORTUNUS_DECL void append_checksum(std::string& out, std::size_t start);
/// What stands in front of the checksum; an error when `bytes` has less than `least` there.
PORTUNUS_DECL result<std::string_view> without_checksum(std::string_view bytes, std::size_t least);
/// Whether the checksum is right: an empty error, or one with both.
PORTUNUS_DECL error verify_checksum(std::string_view bytes);

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/detail/impl/envelope.ipp>
#endif

#endif
