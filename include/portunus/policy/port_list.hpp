// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_PORT_LIST_HPP
#define PORTUNUS_POLICY_PORT_LIST_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/port_range.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {

namespace policy_detail {

/// Goes through every single port in ascending order. Valid while its list lives unchanged.
class port_iterator {
  public:
    using iterator_category = std::input_iterator_tag; // yields values, so not more by the old rules
    using iterator_concept = std::forward_iterator_tag;
    using value_type = std::uint16_t;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::uint16_t*;
    using reference = std::uint16_t;

    port_iterator() noexcept = default;
    port_iterator(const port_range* range, const port_range* end) noexcept
        : range_(range), end_(end), port_(range == end ? std::uint16_t{0} : range->first()) {}
    std::uint16_t operator*() const noexcept { return port_; }
    port_iterator& operator++() noexcept {
        if (port_ == range_->last()) {
            ++range_;
            port_ = range_ == end_ ? std::uint16_t{0} : range_->first();
        } else {
            ++port_;
        }
        return *this;
    }
    port_iterator operator++(int) noexcept {
        port_iterator before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const port_iterator&, const port_iterator&) noexcept = default;

  private:
    const port_range* range_ = nullptr;
    const port_range* end_ = nullptr;
    std::uint16_t port_ = 0;
};

} // namespace policy_detail

/// The ports that a service listens on: "1001,2000-2005".
///
///     port_list a("7001, 7010-7019");          // text, as it stands in a configuration file
///     port_list b{7001, {7010, 7019}};         // the same from numbers
///     for (std::uint16_t port : a) ...         // 7001, 7010, 7011, ...
///
/// A set of ports: always sorted, neighbours joined, so that two lists are equal when they name the same
/// ports. What is written twice is a mistake that would show up only later, as "address in use"; so
/// duplicates and overlaps are errors here.
///
/// Port 0 asks the system for a free port and must be the only one of its list. Whether a port is reserved,
/// or in use, is not judged here: the attempt to listen tells.
///
/// Semantics rows T-4, T-5 (lists of ports), X-18 (what is no port), Q-2 (one server on several ports).
class port_list {
  public:
    /// No port at all. A listener reports that; it does not take it for "any port".
    port_list() noexcept = default;

    /// From text; throws `failure` where `parse` returns the error.
    explicit port_list(std::string_view text) : port_list(parse(text).value()) {}

    /// One port; 0 for a free one that the system chooses. Throws `failure` for a number that is no port.
    template <policy_detail::port_number T>
    port_list(T port) : port_list{port_range(port)} {} // NOLINT: a port is a list of one

    /// From ports and ranges, `{7001, {7010, 7019}}`; throws `failure` for what `parse` would refuse.
    port_list(std::initializer_list<port_range> ranges)
        : port_list(std::span<const port_range>(ranges.begin(), ranges.size())) {}
    explicit port_list(std::span<const port_range> ranges)
        : port_list(from_ranges({ranges.begin(), ranges.end()}, {}).value()) {}

    /// From several texts, `{"7001", "7010-7019"}`: the same as one text with commas between them.
    template <std::convertible_to<std::string_view> Text>
    port_list(std::initializer_list<Text> texts) : port_list(parse(joined(texts)).value()) {}

    /// Reads ports and ranges separated by commas; blanks around numbers, dashes and commas are ignored.
    ///
    /// Errors, all `errc::invalid_port` with a detail that quotes the text and the part that is wrong, and
    /// says what is allowed: nothing or an empty part, not a number, above 65535, reversed range, a port
    /// named twice, ranges that overlap, port 0 with other ports.
    static result<port_list> parse(std::string_view text);

    bool empty() const noexcept { return ranges_.empty(); }

    /// How many ports: 0 to 65535.
    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const port_range& range : ranges_) count += range.size();
        return count;
    }

    bool contains(std::uint16_t port) const noexcept;

    /// The ports of this list that the other one does not have: where two services were given the same port,
    /// and one of them has the first right. `data.ports = data.ports.without(web.ports)` is what T-5 wants of
    /// HTTP. A port 0 is nobody's yet, and stays.
    port_list without(const port_list& others) const;

    /// The ranges, sorted; between two of them lies at least one port that is not in the list.
    std::span<const port_range> ranges() const noexcept { return ranges_; }

    /// Every single port, in ascending order.
    using iterator = policy_detail::port_iterator;
    iterator begin() const noexcept { return {ranges_.data(), ranges_.data() + ranges_.size()}; }
    iterator end() const noexcept {
        return {ranges_.data() + ranges_.size(), ranges_.data() + ranges_.size()};
    }

    friend bool operator==(const port_list&, const port_list&) = default;

  private:
    static result<port_list> from_ranges(std::vector<port_range> ranges, std::string_view text);

    template <class Text>
    static std::string joined(std::initializer_list<Text> texts) {
        std::string all;
        const char* comma = "";
        for (const std::string_view text : texts) all.append(std::exchange(comma, ",")).append(text);
        return all;
    }

    std::vector<port_range> ranges_;
};

/// "1001,2000-2005": what `parse` reads back as an equal list. Empty for a list without ports.
PORTUNUS_DECL std::string to_string(const port_list& list);

inline std::ostream& operator<<(std::ostream& out, const port_list& list) {
    return out << to_string(list);
}

namespace policy_detail {

inline constexpr std::string_view ports_allowed =
    "1 to 65535, as N or N-M, separated by commas; or 0 alone for a free port chosen by the system";

} // namespace policy_detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/port_list.ipp>
#endif

#endif
