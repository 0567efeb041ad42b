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
            put(std::string_view(p, length));
            p += length;
        } else {
            switch (c) {
            case '"':
                put(std::string_view("\\\""));
                break;
            case '\\':
                put(std::string_view("\\\\"));
                break;
            case '\b':
                put(std::string_view("\\b"));
                break;
            case '\f':
                put(std::string_view("\\f"));
                break;
            case '\n':
                put(std::string_view("\\n"));
                break;
            case '\r':
                put(std::string_view("\\r"));
                break;
            case '\t':
                put(std::string_view("\\t"));
                break;
            default:
                put(std::string_view("\\u00"));
                put(digits[c >> 4]);
                put(digits[c & 15]);
            }
            ++p;
        }
        const char* const plain = plain_end(p, end);
        put(std::string_view(p, static_cast<std::size_t>(plain - p)));
        p = plain;
    }
    return true;
}

PORTUNUS_DECL bool writer::raw_text(std::string_view text) {
    cursor in(text, depth_left_);
    if (in.skip() && in.finished()) {
        put(text);
        return true;
    }
    return trouble_.is("raw text is not JSON: " + std::string(in.trouble().as({}).detail()));
}

} // namespace detail

PORTUNUS_DECL result<void> escape(std::string& out, std::string_view text) {
    const std::size_t before = out.size();
    detail::writer to(out);
    if (to.string(text)) {
        to.flush();
        return {};
    }
    out.resize(before);
    return to.trouble().as(errc::unencodable_payload);
}

} // namespace portunus::json

#endif
