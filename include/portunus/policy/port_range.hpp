// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_PORT_RANGE_HPP
#define PORTUNUS_POLICY_PORT_RANGE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <concepts>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

namespace policy_detail {

/// Integers that may stand for a port. Characters and truth values are integers too, but never meant.
template <class T>
concept port_number =
    std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
    !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

} // namespace policy_detail

/// One port, or all ports from `first` to `last`, both included.
///
/// Integers convert by themselves, and are checked: `port_range r = 1000;`, `port_range(2000, 2005)`. A
/// number that is no port (negative, above 65535) and a reversed range throw `failure` with
/// `errc::invalid_port`: a port that came out of a calculation is never cut down silently to 16 bits.
///
/// Port 0 is no port that a peer can have; as the only port of a `port_list` it asks the system for a free
/// one. It can therefore be given as an integer, but not in the text form.
///
/// A plain value of four bytes.
class port_range {
  public:
    /// Every port, also 0 (which a datagram may carry as its source): no condition.
    constexpr port_range() noexcept = default;

    /// One port, 0 to 65535.
    template <policy_detail::port_number T>
    constexpr port_range(T port) : first_(checked(port)), last_(first_) {} // NOLINT: a port is a range

    /// `first` to `last`, both included.
    template <policy_detail::port_number A, policy_detail::port_number B>
    constexpr port_range(A first, B last) : first_(checked(first)), last_(checked(last)) {
        if (first_ > last_) throw_reversed(first_, last_);
    }

    /// "1000" or "2000-2005". Throws `failure` where `parse` returns the error.
    explicit port_range(std::string_view text) : port_range(parse(text).value()) {}

    /// Reads "N" or "N-M" with N and M from 1 to 65535; blanks around the numbers are ignored.
    ///
    /// Errors: `errc::invalid_port`; the detail quotes the text and says what is allowed.
    static result<port_range> parse(std::string_view text);

    static constexpr port_range any() noexcept { return port_range(); }

    constexpr std::uint16_t first() const noexcept { return first_; }
    constexpr std::uint16_t last() const noexcept { return last_; }
    constexpr std::uint32_t size() const noexcept { return std::uint32_t{last_} - first_ + 1; }
    constexpr bool is_any() const noexcept { return first_ == 0 && last_ == 65535; }
    constexpr bool contains(std::uint16_t port) const noexcept { return first_ <= port && port <= last_; }

    friend constexpr bool operator==(const port_range&, const port_range&) noexcept = default;

  private:
    template <class T>
    static constexpr std::uint16_t checked(T port) {
        if (!std::in_range<std::uint16_t>(port)) throw_out_of_range(std::to_string(port));
        return static_cast<std::uint16_t>(port);
    }
    [[noreturn]] static void throw_out_of_range(const std::string& number) {
        throw failure(error(errc::invalid_port, number + " is not a port; allowed: 0 to 65535"));
    }
    [[noreturn]] static void throw_reversed(unsigned first, unsigned last) {
        throw failure(error(errc::invalid_port, std::to_string(first) + "-" + std::to_string(last) +
                                                    " is a reversed range: " + std::to_string(last) + "-" +
                                                    std::to_string(first) + " was probably meant"));
    }

    std::uint16_t first_ = 0;
    std::uint16_t last_ = 65535;
};

/// "1000", "2000-2005", or "any" for the range without a condition.
PORTUNUS_DECL std::string to_string(port_range range);

inline std::ostream& operator<<(std::ostream& out, port_range range) {
    return out << to_string(range);
}

namespace policy_detail {

/// What reading a range found. `problem` is empty when it went well; else it completes the sentence `"where"
/// ...`.
struct range_reading {
    port_range range{};
    std::string_view where{};
    std::string problem{};
};

/// Reads a decimal port, 0 to 65535. Leading zeros are refused: some programs read them as octal, so nobody
/// can know what was meant. Returns what is wrong, or nothing.
PORTUNUS_DECL std::string_view read_port(std::string_view digits, std::uint16_t& port) noexcept;

PORTUNUS_DECL range_reading read_range(std::string_view part);

} // namespace policy_detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/port_range.ipp>
#endif

#endif
