// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_MULTIPART_FORM_HPP
#define PORTUNUS_HTTP_MULTIPART_FORM_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus::http {

/// Writes a multipart/form-data body (RFC 7578): fields and files as a browser would send them.
///
///     http::multipart_form form;
///     form.add("room", "kitchen").add_file("photo", "door.jpg", bytes, "image/jpeg");
///     request.body(form.text(), form.content_type());
///
/// All of it is in memory. Where contents are large and come from elsewhere, `begin_file` and `end` give what
/// stands around them.
class multipart_form {
  public:
    /// With a boundary of its own, from the system's source of random numbers.
    multipart_form();
    /// 1 to 70 characters of RFC 2046, no blank at the end. Throws `failure` (`errc::invalid_option`).
    explicit multipart_form(std::string_view boundary);

    multipart_form& add(std::string_view name, std::string_view value);
    /// \param type throws `failure` (`errc::invalid_option`) for control characters in it
    multipart_form& add_file(std::string_view name, std::string_view file_name, std::string_view content,
                             std::string_view type = "application/octet-stream");

    /// What stands before the content of a last file that is written behind it; `end` follows that.
    std::string begin_file(std::string_view name, std::string_view file_name,
                           std::string_view type = "application/octet-stream") const;
    std::string end() const { return "\r\n--" + boundary_ + "--\r\n"; }

    /// The whole form. A content that contains the boundary would be cut there: the random ones of 128 bits
    /// do not meet by chance.
    std::string text() const;
    /// "multipart/form-data; boundary=..."
    std::string content_type() const { return "multipart/form-data; boundary=\"" + boundary_ + "\""; }
    const std::string& boundary() const noexcept { return boundary_; }

  private:
    std::string head(std::string_view name, const std::string_view* file_name, std::string_view type) const;

    std::string boundary_;
    std::string parts_; // each with the CR LF behind it
};

} // namespace portunus::http

#include <portunus/http/impl/multipart_form.hpp>

#endif
