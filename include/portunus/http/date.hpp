// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DATE_HPP
#define PORTUNUS_HTTP_DATE_HPP

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

namespace portunus::http {

/// A point in time as HTTP tells it: in seconds.
using http_time = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7): always 29 characters.
class http_date {
  public:
    /// \param t a time of the years 0 to 9999; any other is written as the nearest of them.
    explicit http_date(http_time t) noexcept;
    std::string_view text() const noexcept { return {text_.data(), text_.size()}; }

  private:
    std::array<char, 29> text_;
};

/// Reads the form above and the two that are obsolete: "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov  6
/// 08:49:37 1994". Strict: spelling, day of the month and of the week have to be right; a leap second counts
/// as the second after it. Nothing for what is no date.
///
/// \param now for years of two digits: they mean the latest year that is not more than 50 years after it.
std::optional<http_time> parse_http_date(std::string_view text, http_time now) noexcept;

} // namespace portunus::http

#include <portunus/http/impl/date.hpp>

#endif
