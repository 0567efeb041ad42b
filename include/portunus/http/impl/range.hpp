// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_RANGE_HPP
#define PORTUNUS_HTTP_IMPL_RANGE_HPP

#include <portunus/http/range.hpp>

#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <limits>

namespace portunus::http {

inline range_request::range_request(std::string_view field, std::uint64_t size) noexcept {
    constexpr std::string_view unit = "bytes=";
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() - 1;
    field = detail::trimmed(field);
    if (!detail::same_word(field.substr(0, unit.size()), unit)) return;
    const auto number = [](std::string_view text, std::uint64_t& value) {
        value = most; // a number that is too large is behind every end
        return detail::read_number(text, most, value) != detail::number_reading::malformed;
    };
    std::size_t asked = 0;
    for (std::string_view rest = field.substr(unit.size());;) {
        const std::size_t comma = rest.find(',');
        const std::string_view spec = detail::trimmed(rest.substr(0, comma));
        const std::size_t dash = spec.find('-');
        if (++asked > max_ranges || dash == std::string_view::npos) {
            count_ = 0;
            return;
        }
        byte_range range;
        std::uint64_t last = most;
        bool fine = true, satisfiable = false;
        if (dash == 0) { // the last so many bytes
            fine = number(spec.substr(1), last);
            range.size = std::min(last, size);
            range.first = size - range.size;
            satisfiable = range.size != 0;
        } else {
            fine = number(spec.substr(0, dash), range.first) &&
                   (dash + 1 == spec.size() || number(spec.substr(dash + 1), last)) && range.first <= last;
            satisfiable = range.first < size;
            if (satisfiable) range.size = std::min(last, size - 1) - range.first + 1;
        }
        // Ascending and apart, or not at all.
        if (fine && satisfiable && count_ != 0)
            fine = range.first >= ranges_[count_ - 1].first + ranges_[count_ - 1].size;
        if (!fine) {
            count_ = 0;
            return;
        }
        if (satisfiable) ranges_[count_++] = range;
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    what_ = count_ == 0 ? kind::unsatisfiable : kind::ranges;
}

inline std::string content_range(const byte_range& range, std::uint64_t size) {
    return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.first + range.size - 1) + "/" +
           std::to_string(size);
}

inline std::string unsatisfied_range(std::uint64_t size) {
    return "bytes */" + std::to_string(size);
}

} // namespace portunus::http

#endif
