// SPDX-License-Identifier: BSL-1.0
// What every message codec promises for any bytes.
#ifndef PORTUNUS_TESTS_FUZZ_CHANNEL_FUZZ_SUPPORT_HPP
#define PORTUNUS_TESTS_FUZZ_CHANNEL_FUZZ_SUPPORT_HPP

#include <portunus/channel/message_codec.hpp>
#include <portunus/framing/crc32.hpp>
#include <portunus/json/read.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace channel_fuzz {

inline void require(bool holds) {
    if (!holds) std::abort();
}

/// What is accepted lies within the bytes, is JSON, and comes back from its own encoding.
template <class Codec>
void check(const Codec& codec, std::string_view bytes) {
    const auto m = codec.decode(bytes);
    if (!m) {
        require(m.error() == portunus::errc::malformed_data ||
                m.error() == portunus::errc::checksum_mismatch);
        require(!m.error().detail().empty());
        (void)codec.salvage(bytes);
        return;
    }
    require(portunus::json::validate(m->data).has_value());
    require(m->data.find_first_of(" \t\r\n") != 0 && m->data.find_last_of(" \t\r\n") != m->data.size() - 1);
    std::string out;
    codec.encode(out, *m);
    const auto again = codec.decode(out);
    require(again.has_value() && again->status == m->status && again->service == m->service &&
            again->id == m->id);
    require(again->data.size() == m->data.size());
    const auto salvaged = codec.salvage(bytes);
    require(salvaged.has_value() && salvaged->service == m->service && salvaged->id == m->id);
}

inline std::string sealed(std::string_view text) {
    std::string out(text);
    const std::uint32_t crc = portunus::crc32(text);
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(crc >> shift));
    return out;
}

} // namespace channel_fuzz

#endif
