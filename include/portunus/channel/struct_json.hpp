// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_STRUCT_JSON_HPP
#define PORTUNUS_CHANNEL_STRUCT_JSON_HPP

#include <portunus/channel/detail/envelope.hpp>
#include <portunus/channel/message_codec.hpp>

namespace portunus {

/// A message as three numbers and its data: shorter than `pure_json`, and like it framed by `escaped_codec`.
/// Row S-21.
///
/// | bytes | |
/// |---|---|
/// | 0-3 | status, unsigned, big-endian, like all numbers here |
/// | 4-7 | service id |
/// | 8-11 | data id |
/// | 12- | the JSON of the data, at least one byte |
/// | last 4 | CRC-32 of all before it |
///
/// This layout is inferred, not documented. New programs take `pure_json`: this one is for peers that have
/// nothing else.
struct struct_json {
    static constexpr std::string_view name = "struct_json";
    static constexpr std::size_t head_size = 12;

    std::size_t begin(std::string& out, const message_view& head) const {
        const std::size_t start = out.size();
        detail::append_big_endian(out, static_cast<std::uint32_t>(head.status));
        detail::append_big_endian(out, static_cast<std::uint32_t>(head.service));
        detail::append_big_endian(out, static_cast<std::uint32_t>(head.id));
        return start;
    }
    void finish(std::string& out, std::size_t start) const { detail::append_checksum(out, start); }
    void encode(std::string& out, const message_view& m) const {
        const std::size_t start = begin(out, m);
        out.append(m.data);
        finish(out, start);
    }
    result<message_view> decode(std::string_view bytes) const {
        const auto content = detail::without_checksum(bytes, head_size + 1);
        if (!content) return content.error();
        if (error e = detail::verify_checksum(bytes); e.code().failed()) return e;
        const auto data = detail::read_data(content->substr(head_size));
        if (!data) return data.error();
        return head_of(bytes, *data);
    }
    /// The numbers have a fixed place, so they are there whatever became of the data, which is null here.
    result<message_view> salvage(std::string_view bytes) const {
        const auto content = detail::without_checksum(bytes, head_size + 1);
        if (!content) return content.error();
        return head_of(bytes, "null");
    }

  private:
    static message_view head_of(std::string_view bytes, std::string_view data) noexcept {
        return {message_status(detail::big_endian(bytes, 0)), service_id(detail::big_endian(bytes, 4)),
                data_id(detail::big_endian(bytes, 8)), data};
    }
};

static_assert(message_codec<struct_json>);

} // namespace portunus

#endif
