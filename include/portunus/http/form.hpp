// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_FORM_HPP
#define PORTUNUS_HTTP_FORM_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/url.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portunus::http {

struct form_limits {
    std::size_t max_fields = 1000;
    std::size_t max_bytes = 1024 * 1024; ///< of the encoded text
};

/// The fields of a form, decoded, in the order in which they came; one that comes twice is there twice.
/// Semantics row T-40.
class form_fields {
  public:
    /// Of "application/x-www-form-urlencoded", or of a query. `errc::frame_too_large` when a limit is
    /// exceeded, `errc::malformed_frame` for broken encoding and for %00; the detail tells the number or the
    /// field.
    static result<form_fields> parse(std::string_view text, const form_limits& limits = {});

    std::size_t size() const noexcept { return fields_.size(); }
    bool empty() const noexcept { return fields_.empty(); }
    auto begin() const noexcept { return fields_.begin(); }
    auto end() const noexcept { return fields_.end(); }

    /// The value of the first field of that name. Names are case-sensitive.
    std::optional<std::string_view> find(std::string_view name) const noexcept;
    std::vector<std::string_view> all(std::string_view name) const;

  private:
    url_parameters fields_;
};

/// "a=1&b=x+y": what a browser sends for these fields.
std::string encode_form(const url_parameters& fields);

} // namespace portunus::http

#include <portunus/http/impl/form.hpp>

#endif
