// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_IMPL_INBAND_CODEC_IPP
#define PORTUNUS_FRAMING_IMPL_INBAND_CODEC_IPP

#include <portunus/framing/impl/inband_codec.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace portunus {

PORTUNUS_DECL std::size_t inband_codec::encode_command(char tag, std::string_view body,
                                                       char* out) const noexcept {
    if (!encodable(tag, body)) return unencodable;
    *out++ = escape_;
    *out++ = tag;
    detail::copy_bytes(out, body);
    out[body.size()] = end_;
    return body.size() + 3;
}

PORTUNUS_DECL error inband_codec::command_failure(char tag, std::string_view body) const {
    if (tag == escape_)
        return error(errc::unencodable_payload,
                     detail::text("the tag of a command is the escape ",
                                  detail::name_of_byte(static_cast<unsigned char>(escape_)),
                                  ", which would make it data"));
    if (body.size() >= max_command_)
        return error(errc::unencodable_payload,
                     detail::text("command of ", body.size() + 1, " bytes with its end exceeds max_command ",
                                  max_command_));
    const std::size_t at = body.find(end_);
    if (at == std::string_view::npos) return {};
    return detail::payload_contains(body.size(), detail::name_of_byte(static_cast<unsigned char>(end_)), at);
}

PORTUNUS_DECL result<std::string> inband_codec::command(char tag, std::string_view body) const {
    std::string bytes(command_bound(body), '\0');
    const std::size_t size = encode_command(tag, body, bytes.data());
    if (size == unencodable) return command_failure(tag, body);
    return bytes;
}

} // namespace portunus

#endif
