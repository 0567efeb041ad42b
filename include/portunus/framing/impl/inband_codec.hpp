// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_IMPL_INBAND_CODEC_HPP
#define PORTUNUS_FRAMING_IMPL_INBAND_CODEC_HPP

#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>
#include <portunus/framing/inband_codec.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace portunus {

inline decode_step inband_codec::decode(char* data, std::size_t size) noexcept {
    if (failed_ != failed::no) return detail::step_failed(0);
    if (size == 0) return detail::step_more(0, 1);
    if (data[0] == escape_) {
        if (size == 1) return detail::step_more(0, 1);
        if (data[1] != escape_) return decode_command(data, size);
    }
    last_ = inband_piece::kind::data;
    tag_ = 0;
    char* to = data; // the piece grows at the front of what it is made from
    char* from = data;
    char* const end = data + size;
    for (;;) {
        const std::size_t room = max_frame_ - static_cast<std::size_t>(to - data);
        char* const stop = from + std::min(static_cast<std::size_t>(end - from), room);
        char* const hit = from + (detail::find_byte(from, stop, escape_) - from);
        const auto count = static_cast<std::size_t>(hit - from);
        if (to != from && count != 0) std::memmove(to, from, count);
        to += count;
        from = hit;
        // A single escape may begin a command: that is for the next call to say.
        if (hit == stop || end - hit < 2 || hit[1] != escape_) break;
        *to++ = escape_;
        from += 2;
    }
    return detail::step_frame(static_cast<std::size_t>(from - data), data,
                              static_cast<std::size_t>(to - data));
}

/// `data` begins with an escape and a tag.
inline decode_step inband_codec::decode_command(const char* data, std::size_t size) noexcept {
    const char* const body = data + 2;
    const char* const stop = body + std::min(size - 2, max_command_);
    const char* const hit = detail::find_byte(data + std::max<std::size_t>(scanned_, 2), stop, end_);
    if (hit == stop) {
        if (size - 2 >= max_command_) return fail(failed::too_large, size - 2);
        scanned_ = size;
        return detail::step_more(0, 1);
    }
    scanned_ = 0;
    last_ = inband_piece::kind::command;
    tag_ = data[1];
    const auto length = static_cast<std::size_t>(hit + 1 - body);
    return detail::step_frame(length + 2, body, length);
}

inline std::size_t inband_codec::encode(std::string_view payload, char* out) const noexcept {
    char* to = out;
    const char* from = payload.data();
    const char* const end = from + payload.size();
    while (from != end) {
        const char* hit = detail::find_byte(from, end, escape_);
        if (hit != end) ++hit; // the escape belongs to what is copied, and then follows once more
        const auto count = static_cast<std::size_t>(hit - from);
        std::memcpy(to, from, count);
        to += count;
        if (hit[-1] == escape_) *to++ = escape_;
        from = hit;
    }
    return static_cast<std::size_t>(to - out);
}

inline bool inband_codec::encodable(char tag, std::string_view body) const noexcept {
    return tag != escape_ && body.size() < max_command_ && body.find(end_) == std::string_view::npos;
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/framing/impl/inband_codec.ipp>
#endif

#endif
