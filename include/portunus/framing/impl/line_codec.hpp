// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_IMPL_LINE_CODEC_HPP
#define PORTUNUS_FRAMING_IMPL_LINE_CODEC_HPP

#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>
#include <portunus/framing/line_codec.hpp>

#include <cstddef>
#include <string_view>

namespace portunus {

inline decode_step line_codec::decode_any(const char* data, std::size_t size) noexcept {
    const char* const end = data + size;
    const char* start = data;
    if (run_ != run_state::none) {
        while (start != end && ends_line(*start)) ++start;
        if (start == end) {
            if (size != 0) run_ = run_state::inside;
            return detail::step_more(size);
        }
        run_ = run_state::none;
    }
    const char* const hit = detail::find_either(data, start + scanned_, end, '\r', '\n');
    const auto length = static_cast<std::size_t>(hit - start);
    if (length > max_frame_) [[unlikely]]
        return fail(hit == end ? detail::codec_failure::too_large_incomplete
                               : detail::codec_failure::too_large,
                    length, static_cast<std::size_t>(start - data));
    if (hit == end) {
        scanned_ = length;
        return detail::step_more(static_cast<std::size_t>(start - data));
    }
    scanned_ = 0;
    // CR LF is taken as one when it is there: nothing stays behind in the buffer then. The rest of a longer
    // run is left for the next call, so that a codec that takes over now finds the same bytes however they
    // arrived.
    const char* next = hit + 1;
    run_ = run_state::inside;
    if (*hit == '\r') {
        if (next == end)
            run_ = run_state::after_cr;
        else if (*next == '\n')
            ++next;
    }
    return detail::step_frame(static_cast<std::size_t>(next - data), start, length);
}

inline decode_step line_codec::decode_to_byte(const char* data, std::size_t size) noexcept {
    const char* const end = data + size;
    const char last = mode_ == line_mode::nul ? '\0' : '\n';
    const bool cr_belongs = mode_ == line_mode::crlf || mode_ == line_mode::crlf_strict;
    const char* from = data + scanned_;
    for (;;) {
        const char* const hit = detail::find_byte(from, end, last);
        const bool after_cr = hit != data && hit[-1] == '\r';
        const auto length = static_cast<std::size_t>(hit - data) - (cr_belongs && after_cr ? 1u : 0u);
        if (hit == end) {
            if (length > max_frame_) return fail(detail::codec_failure::too_large_incomplete, length);
            scanned_ = size;
            return detail::step_more(0);
        }
        if (mode_ == line_mode::crlf_strict && !after_cr) {
            from = hit + 1;
            continue;
        }
        if (length > max_frame_) [[unlikely]]
            return fail(detail::codec_failure::too_large, length);
        scanned_ = 0;
        const auto whole = static_cast<std::size_t>(hit - data) + 1;
        return detail::step_frame(whole, data, keep_ ? whole : length);
    }
}

inline std::size_t line_codec::encode(std::string_view payload, char* out) const noexcept {
    if (keep_) payload = without_terminator(payload);
    if (payload.size() > max_frame_) return unencodable;
    const char* const bytes = payload.data();
    const std::size_t size = payload.size();
    switch (mode_) {
    case line_mode::any:
        if (!detail::copy_without(bytes, size, out, '\r', '\n')) return unencodable;
        break;
    case line_mode::crlf:
        if (!detail::copy_without(bytes, size, out, '\n')) return unencodable;
        break;
    case line_mode::crlf_strict:
        // Most payloads have no LF at all; those that have one are looked at again.
        if (!detail::copy_without(bytes, size, out, '\n') && payload.find("\r\n") != payload.npos)
            return unencodable;
        break;
    case line_mode::lf:
        if (!detail::copy_without(bytes, size, out, '\n')) return unencodable;
        out[size] = '\n';
        return size + 1;
    case line_mode::nul:
        if (!detail::copy_without(bytes, size, out, '\0')) return unencodable;
        out[size] = '\0';
        return size + 1;
    }
    out[size] = '\r';
    out[size + 1] = '\n';
    return size + 2;
}

/// With `keep_delimiter` a payload may bring its terminator.
inline std::string_view line_codec::without_terminator(std::string_view payload) const noexcept {
    const bool crlf = payload.ends_with("\r\n");
    switch (mode_) {
    case line_mode::any:
        break;
    case line_mode::crlf:
        if (payload.ends_with('\n')) payload.remove_suffix(crlf ? 2 : 1);
        break;
    case line_mode::crlf_strict:
        if (crlf) payload.remove_suffix(2);
        break;
    case line_mode::lf:
        if (payload.ends_with('\n')) payload.remove_suffix(1);
        break;
    case line_mode::nul:
        if (payload.ends_with('\0')) payload.remove_suffix(1);
        break;
    }
    return payload;
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/framing/impl/line_codec.ipp>
#endif

#endif
