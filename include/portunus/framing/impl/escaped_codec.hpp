// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_IMPL_ESCAPED_CODEC_HPP
#define PORTUNUS_FRAMING_IMPL_ESCAPED_CODEC_HPP

#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>
#include <portunus/framing/escaped_codec.hpp>

#include <cstddef>
#include <cstring>
#include <string_view>

namespace portunus {

inline decode_step escaped_codec::decode(char* data, std::size_t size) noexcept {
    if (failed_ != failed::no) return detail::step_failed(0);
    const char* const end = data + size;
    const char* front = data; // what is before it is consumed
    const char* from = data + scanned_;
    const auto consumed = [&] { return static_cast<std::size_t>(front - data); };
    for (;;) {
        const char* const hit = detail::find_byte(from, end, escape);
        const bool pair = end - hit >= 2;
        if (!inside_) {
            skip(static_cast<std::size_t>(hit - front));
            front = hit;
            if (noise_ > max_noise_) return fail(failed::noise, 0, consumed());
            if (!pair) {
                scanned_ = 0;
                return detail::step_more(consumed());
            }
            inside_ = hit[1] == begin_mark;
            escapes_ = 0;
            from = hit + (inside_ ? 2 : 1);
            continue;
        }
        const std::size_t payload = static_cast<std::size_t>(hit - front) - 2 - escapes_;
        if (payload > max_frame_) return fail(failed::too_large, payload, consumed());
        if (!pair) {
            scanned_ = static_cast<std::size_t>(hit - front);
            return detail::step_more(consumed());
        }
        from = hit + 2;
        switch (hit[1]) {
        case literal_mark:
            ++escapes_;
            break;
        case end_mark: {
            char* const begin = data + consumed() + 2;
            char* const stop = data + (hit - data);
            if (escapes_ != 0) unescape(begin, stop);
            inside_ = false;
            scanned_ = noise_ = 0;
            return detail::step_frame(static_cast<std::size_t>(from - data), begin, payload);
        }
        case begin_mark:
            ++dropped_;
            escapes_ = 0;
            skip(static_cast<std::size_t>(hit - front));
            front = hit;
            if (noise_ > max_noise_) return fail(failed::noise, 0, consumed());
            break;
        default:
            // The second byte may be a 3A that begins a frame: it is looked at again, as one outside of a
            // frame.
            ++dropped_;
            inside_ = false;
            from = hit + 1;
        }
    }
}

/// Removes the escapes of [from, end), of which there is at least one; returns the new end.
inline char* escaped_codec::unescape(char* from, char* end) noexcept {
    char* to = const_cast<char*>(detail::find_byte(from, end, escape));
    for (const char* escaped = to; escaped != end;) {
        *to++ = escape;
        const char* const plain = escaped + 2;
        escaped = detail::find_byte(plain, end, escape);
        const auto count = static_cast<std::size_t>(escaped - plain);
        std::memmove(to, plain, count);
        to += count;
    }
    return to;
}

inline std::size_t escaped_codec::encode(std::string_view payload, char* out) const noexcept {
    if (payload.size() > max_frame_) return unencodable;
    char* to = out;
    *to++ = escape;
    *to++ = begin_mark;
    const char* from = payload.data();
    const char* const end = from + payload.size();
    while (from != end) {
        const char* const hit = detail::find_byte(from, end, escape);
        const auto count = static_cast<std::size_t>(hit - from);
        std::memcpy(to, from, count);
        to += count;
        from = hit;
        if (hit == end) break;
        *to++ = escape;
        *to++ = literal_mark;
        ++from;
    }
    *to++ = escape;
    *to++ = end_mark;
    return static_cast<std::size_t>(to - out);
}

} // namespace portunus

#endif
