// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_IMPL_WRITE_IPP
#define PORTUNUS_JSON_IMPL_WRITE_IPP

#include <portunus/json/impl/write.hpp>

#include <portunus/json/detail/cursor.hpp>

namespace portunus::json {
namespace detail {

PORTUNUS_DECL bool writer::difficult(const char* p, std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    const char* const end = text.data() + text.size();
    while (p != end) {
        const auto c = static_cast<unsigned char>(*p);
        if (c >= 0x80) {
            const std::size_t length = utf8_length(p, end);
            if (length == 0)
                return trouble_.is("invalid UTF-8 at byte " + std::to_string(p - text.data()) +
                                   " of a string");
            out_.append(p, length);
            p += length;
        } else {
            switch (c) {
            case '"':
                out_.append("\\\"");
                break;
            case '\\':
                out_.append("\\\\");
                break;
            case '\b':
                out_.append("\\b");
                break;
            case '\f':
                out_.append("\\f");
                break;
            case '\n':
                out_.append("\\n");
                break;
            case '\r':
                out_.append("\\r");
                break;
            case '\t':
                out_.append("\\t");
                break;
            default:
                out_.append("\\u00").append(1, digits[c >> 4]).append(1, digits[c & 15]);
            }
            ++p;
        }
        const char* const plain = plain_end(p, end);
        out_.append(p, static_cast<std::size_t>(plain - p));
        p = plain;
    }
    return true;
}

PORTUNUS_DECL bool writer::raw_text(std::string_view text) {
    cursor in(text, depth_left_);
    if (in.skip() && in.finished()) {
        out_.append(text);
        return true;
    }
    return trouble_.is("raw text is not JSON: " + std::string(in.trouble().as({}).detail()));
}

} // namespace detail

PORTUNUS_DECL result<void> escape(std::string& out, std::string_view text) {
    const std::size_t before = out.size();
    detail::writer to(out);
    if (to.string(text)) return {};
    out.resize(before);
    return to.trouble().as(errc::unencodable_payload);
}

} // namespace portunus::json

#endif
