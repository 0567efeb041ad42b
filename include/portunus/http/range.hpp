// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_RANGE_HPP
#define PORTUNUS_HTTP_RANGE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace portunus::http {

/// The most ranges that one request may ask for.
inline constexpr std::size_t max_ranges = 16;

/// Bytes of a representation. Never empty.
struct byte_range {
    std::uint64_t first = 0;
    std::uint64_t size = 0;
    friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// What a Range field asks of a representation whose size is known (RFC 9110 14.2).
class range_request {
  public:
    enum class kind : std::uint8_t {
        whole,  ///< no range, another unit than bytes, malformed, or too many: answer with 200 and everything
        ranges, ///< 206 with `ranges()`
        unsatisfiable, ///< 416 with "bytes */size"
    };

    /// Ranges that begin behind the end are left out; others end where the representation does. More than 16,
    /// or such that overlap or do not ascend, are taken as no range at all, as RFC 9110 14.2 recommends
    /// against floods of small ones.
    range_request(std::string_view field, std::uint64_t size) noexcept;

    kind what() const noexcept { return what_; }
    std::span<const byte_range> ranges() const noexcept { return {ranges_.data(), count_}; }

  private:
    std::array<byte_range, max_ranges> ranges_{};
    std::size_t count_ = 0;
    kind what_ = kind::whole;
};

/// "bytes 0-499/1234": the Content-Range of one part of a 206.
std::string content_range(const byte_range& range, std::uint64_t size);
/// "bytes */1234": the Content-Range of a 416.
std::string unsatisfied_range(std::uint64_t size);

} // namespace portunus::http

#include <portunus/http/impl/range.hpp>

#endif
