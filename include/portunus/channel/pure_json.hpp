// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_PURE_JSON_HPP
#define PORTUNUS_CHANNEL_PURE_JSON_HPP

#include <portunus/channel/detail/envelope.hpp>
#include <portunus/channel/message_codec.hpp>

namespace portunus {

/// A message as a JSON object, and a CRC-32 of that text as four bytes, big-endian:
///
///     {"data_id":7,"service_id":10,"status":0,"data":null} 3D D4 34 A8
///
/// Members are read in any order and with any white space; `status` and `data` may be absent and are then
/// okay and null; members that are not known are ignored. Its usual framing on TCP is `escaped_codec` (stp,
/// row S-22).
///
/// No public document fixes this envelope. It is our choice, and this header with `detail/envelope.hpp` the
/// one place where it stands.
struct pure_json {
    static constexpr std::string_view name = "pure_json";

    std::size_t begin(std::string& out, const message_view& head) const {
        const std::size_t start = out.size();
        detail::begin_envelope(out, head);
        return start;
    }
    void finish(std::string& out, std::size_t start) const {
        out.push_back('}');
        detail::append_checksum(out, start);
    }
    void encode(std::string& out, const message_view& m) const {
        const std::size_t start = begin(out, m);
        out.append(m.data);
        finish(out, start);
    }
    result<message_view> decode(std::string_view bytes) const {
        const auto text = detail::without_checksum(bytes, 2);
        if (!text) return text.error();
        if (error e = detail::verify_checksum(bytes); e.code().failed()) return e;
        return detail::read_envelope(*text);
    }
    result<message_view> salvage(std::string_view bytes) const {
        const auto text = detail::without_checksum(bytes, 2);
        if (!text) return text.error();
        return detail::read_envelope(*text);
    }
};

static_assert(message_codec<pure_json>);

} // namespace portunus

#endif
