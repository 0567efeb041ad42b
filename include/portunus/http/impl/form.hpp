// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_FORM_HPP
#define PORTUNUS_HTTP_IMPL_FORM_HPP

#include <portunus/http/form.hpp>

#include <utility>

namespace portunus::http {

inline result<form_fields> form_fields::parse(std::string_view text, const form_limits& limits) {
    if (text.size() > limits.max_bytes)
        return error(errc::frame_too_large, "form of " + std::to_string(text.size()) +
                                                " bytes exceeds max_bytes " +
                                                std::to_string(limits.max_bytes));
    form_fields form;
    for (const query_pair& pair : query_pairs(text)) {
        const std::size_t number = form.fields_.size() + 1;
        if (number > limits.max_fields)
            return error(errc::frame_too_large,
                         "form with more fields than max_fields " + std::to_string(limits.max_fields));
        auto key = pair.key();
        if (!key) return key.error().with("in the name of field " + std::to_string(number));
        auto value = pair.value();
        if (!value) return value.error().with("in the value of field " + std::to_string(number));
        form.fields_.emplace_back(*std::move(key), *std::move(value));
    }
    return form;
}

inline std::optional<std::string_view> form_fields::find(std::string_view name) const noexcept {
    for (const auto& [key, value] : fields_)
        if (key == name) return value;
    return std::nullopt;
}

inline std::vector<std::string_view> form_fields::all(std::string_view name) const {
    std::vector<std::string_view> found;
    for (const auto& [key, value] : fields_)
        if (key == name) found.push_back(value);
    return found;
}

inline std::string encode_form(const url_parameters& fields) {
    // A percent sign comes out as %25, so every "%20" in the text is a space.
    const std::string encoded = encode_parameters(fields);
    std::string out;
    for (std::size_t i = 0; i != encoded.size(); ++i) {
        if (encoded.compare(i, 3, "%20") != 0) {
            out += encoded[i];
            continue;
        }
        out += '+';
        i += 2;
    }
    return out;
}

} // namespace portunus::http

#endif
