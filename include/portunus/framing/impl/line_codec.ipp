// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_IMPL_LINE_CODEC_IPP
#define PORTUNUS_FRAMING_IMPL_LINE_CODEC_IPP

#include <portunus/framing/impl/line_codec.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/framing/detail/codec_text.hpp>

#include <cstddef>
#include <string_view>

namespace portunus {

PORTUNUS_DECL error line_codec::encode_failure(std::string_view payload) const {
    if (keep_) payload = without_terminator(payload);
    if (payload.size() > max_frame_) return detail::payload_too_large(payload.size(), max_frame_);
    std::size_t at = payload.npos;
    std::string_view what = "LF";
    switch (mode_) {
    case line_mode::any:
        at = payload.find_first_of("\r\n");
        if (at != payload.npos && payload[at] == '\r') what = "CR";
        break;
    case line_mode::crlf_strict:
        at = payload.find(what = "\r\n");
        what = "CR LF";
        break;
    case line_mode::crlf:
    case line_mode::lf:
        at = payload.find('\n');
        break;
    case line_mode::nul:
        at = payload.find('\0');
        what = "NUL";
        break;
    }
    return at == payload.npos ? error() : detail::payload_contains(payload.size(), what, at);
}

} // namespace portunus

#endif
