// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_DETAIL_FLAT_ADDRESS_HPP
#define PORTUNUS_POLICY_DETAIL_FLAT_ADDRESS_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/policy/detail/text.hpp>

#include <boost/asio/ip/address.hpp>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus::policy_detail {

/// The bits of an address as one number that compares in the order of addresses. IPv4 lives in the low 32.
struct address_bits {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend constexpr auto operator<=>(const address_bits&, const address_bits&) noexcept = default;
};

/// A normalised address that is cheap to compare: never an IPv4-mapped one.
struct flat_address {
    address_bits bits{};
    std::uint32_t scope = 0; ///< 0 = none, or not asked for
    bool is_v6 = false;

    constexpr std::uint8_t width() const noexcept { return is_v6 ? 128 : 32; }
    friend constexpr auto operator<=>(const flat_address&, const flat_address&) noexcept = default;
};

PORTUNUS_DECL flat_address flatten(const boost::asio::ip::address& address) noexcept;

PORTUNUS_DECL boost::asio::ip::address_v6::bytes_type v6_bytes(const flat_address& flat) noexcept;

/// The canonical text; a scope as its number, because looking up its name would be a system call.
PORTUNUS_DECL std::string to_string(const flat_address& flat);

/// The address with all bits after the first `length` cleared, or set. `length` is 0 to the family's width.
constexpr flat_address with_host_bits(flat_address flat, int length, bool set) noexcept {
    // a shift by the full width is undefined: the ends are spelled out
    constexpr auto low_bits = [](int count) constexpr noexcept {
        return count <= 0    ? std::uint64_t{0}
               : count >= 64 ? ~std::uint64_t{0}
                             : (std::uint64_t{1} << count) - 1;
    };
    const int host = flat.width() - length;
    const std::uint64_t low = low_bits(host);
    const std::uint64_t high = low_bits(host - 64);
    flat.bits.low = set ? flat.bits.low | low : flat.bits.low & ~low;
    flat.bits.high = set ? flat.bits.high | high : flat.bits.high & ~high;
    return flat;
}

/// What reading an address found. `problem` is empty when it went well; else it completes the sentence `"..."
/// ...`.
struct address_reading {
    flat_address address{};
    bool written_as_v6 = false;
    bool mapped = false; ///< written as IPv6, but means IPv4
    std::string_view problem{};
};

PORTUNUS_DECL address_reading read_address(std::string_view text);

/// The number, or -1 for what is not a plain decimal from 0 to `most`.
constexpr int read_prefix_length(std::string_view digits, int most) noexcept {
    if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits.front() == '0')) return -1;
    int length = 0;
    for (const char c : digits) {
        if (!is_digit(c)) return -1;
        length = length * 10 + (c - '0');
    }
    return length <= most ? length : -1;
}

} // namespace portunus::policy_detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/detail/impl/flat_address.ipp>
#endif

#endif
