// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_MULTIPART_FORM_HPP
#define PORTUNUS_HTTP_IMPL_MULTIPART_FORM_HPP

#include <portunus/http/multipart_form.hpp>

#include <portunus/core/error.hpp>
#include <portunus/http/detail/characters.hpp>

#include <random>

namespace portunus::http {
namespace detail {

/// As browsers write names (WHATWG HTML, multipart/form-data): what would end the name or the line is
/// encoded.
inline std::string form_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c == '"')
            out += "%22";
        else if (c == '\r')
            out += "%0D";
        else if (c == '\n')
            out += "%0A";
        else if (!is_of(class_value, c))
            throw failure(error(errc::invalid_option, "a control character in " + quoted(name)));
        else
            out += c;
    }
    return out;
}

} // namespace detail

inline multipart_form::multipart_form() : boundary_("portunus-") {
    static constexpr char digits[] = "0123456789abcdef";
    std::random_device random;
    for (int i = 0; i != 4; ++i)
        for (auto [n, j] = std::pair(random(), 0); j != 8; ++j, n >>= 4) boundary_ += digits[n & 15];
}

inline multipart_form::multipart_form(std::string_view boundary) : boundary_(boundary) {
    if (boundary.empty() || boundary.size() > 70 || !detail::all_of(detail::class_boundary, boundary) ||
        boundary.back() == ' ')
        throw failure(error(errc::invalid_option, detail::quoted(boundary) + " cannot be a boundary"));
}

inline std::string multipart_form::head(std::string_view name, const std::string_view* file_name,
                                        std::string_view type) const {
    std::string out = "--" + boundary_ + "\r\nContent-Disposition: form-data; name=\"";
    out.append(detail::form_name(name)).append("\"");
    if (file_name) out.append("; filename=\"").append(detail::form_name(*file_name)).append("\"");
    if (!detail::all_of(detail::class_value, type))
        throw failure(error(errc::invalid_option, "a control character in " + detail::quoted(type)));
    if (!type.empty()) out.append("\r\nContent-Type: ").append(type);
    return out.append("\r\n\r\n");
}

inline multipart_form& multipart_form::add(std::string_view name, std::string_view value) {
    parts_.append(head(name, nullptr, {})).append(value).append("\r\n");
    return *this;
}

inline multipart_form& multipart_form::add_file(std::string_view name, std::string_view file_name,
                                                std::string_view content, std::string_view type) {
    parts_.append(head(name, &file_name, type)).append(content).append("\r\n");
    return *this;
}

inline std::string multipart_form::begin_file(std::string_view name, std::string_view file_name,
                                              std::string_view type) const {
    return parts_ + head(name, &file_name, type);
}

inline std::string multipart_form::text() const {
    return parts_ + "--" + boundary_ + "--\r\n";
}

} // namespace portunus::http

#endif
