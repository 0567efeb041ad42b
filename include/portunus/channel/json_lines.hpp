// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_JSON_LINES_HPP
#define PORTUNUS_CHANNEL_JSON_LINES_HPP

#include <portunus/channel/detail/envelope.hpp>
#include <portunus/channel/message_codec.hpp>

namespace portunus {

/// A message as a JSON object on one line, without a checksum: for people with a terminal, for scripts, and
/// for streams that are protected anyway (TLS). The end of the line belongs to the framing: `line_codec`.
///
///     {"data_id":7,"service_id":10,"status":0,"data":null}
///
/// It is read as that of `pure_json`. What is written has no CR and no LF in it, whatever white space the
/// data had.
struct json_lines {
    static constexpr std::string_view name = "json_lines";

    std::size_t begin(std::string& out, const message_view& head) const {
        const std::size_t start = out.size();
        detail::begin_envelope(out, head);
        return start;
    }
    void finish(std::string& out, std::size_t start) const {
        // Inside of a string there is none in valid JSON, so they can only be white space.
        for (const char end : {'\n', '\r'})
            for (std::size_t at = out.find(end, start); at != std::string::npos; at = out.find(end, at))
                out[at] = ' ';
        out.push_back('}');
    }
    void encode(std::string& out, const message_view& m) const {
        const std::size_t start = begin(out, m);
        out.append(m.data);
        finish(out, start);
    }
    result<message_view> decode(std::string_view bytes) const { return detail::read_envelope(bytes); }
    result<message_view> salvage(std::string_view bytes) const { return decode(bytes); }
};

static_assert(message_codec<json_lines>);

} // namespace portunus

#endif
