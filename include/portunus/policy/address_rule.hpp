// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_ADDRESS_RULE_HPP
#define PORTUNUS_POLICY_ADDRESS_RULE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/detail/flat_address.hpp>
#include <portunus/policy/port_range.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace portunus {

/// The address with an IPv4-mapped IPv6 address (`::ffff:10.0.0.7`, what a dual-stack socket reports for an
/// IPv4 peer) turned into the IPv4 address that it means; any other address unchanged.
///
/// Every decision of the library is made on normalised addresses, so that one rule holds on every kind of
/// socket.
inline boost::asio::ip::address normalised(const boost::asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
    return address;
}

/// A set of peers: addresses, and where wanted the ports that they send from.
///
/// | text | matches |
/// |---|---|
/// | `10.0.0.7`, `2001:db8::7` | that address |
/// | `192.168.1.0/24`, `fe80::/10` | every address that begins with those bits |
/// | `10.0.0.5-10.0.0.9` | from the first to the last, both included |
/// | `any` | every address, IPv4 and IPv6 |
/// | `10.0.0.7 port 1000`, `any port 1-1023` | the same, where the peer sends from those ports |
///
/// - IPv4-mapped addresses are normalised on both sides: `::ffff:192.168.1.0/120` is the rule
///   `192.168.1.0/24`, and the peer `::ffff:192.168.1.9` matches it. So `0.0.0.0/0` holds every IPv4 peer and
///   `::/0` every other one. Other ways to wrap IPv4 (`64:ff9b::/96`, `2002::/16`, `::10.0.0.7`) are left
///   alone.
/// - Bits after the prefix must be zero. `192.168.1.7/24` is an error that proposes `192.168.1.0/24`: it may
///   also have been meant as one address, and a guess would open or close the door for 255 others.
/// - Scope: a rule without one matches on every link. A link-local rule may carry the *number* of a link,
///   `fe80::1%2` or `fe80::%2/64`, and then matches only peers whose address has that scope id. Names
///   (`%eth0`) are refused, because their numbers change and finding them is no work for a parser: restrict
///   the rule to an interface instead (`accept_policy::allow_on`). No other address carries a scope.
///
/// A plain value of 56 bytes; matching is two comparisons, takes no lock and allocates nothing.
///
/// Semantics rows T-2 (filter by address and port), Q-2.
class address_rule {
  public:
    /// From text; throws `failure` where `parse` returns the error.
    explicit address_rule(std::string_view text) : address_rule(parse(text).value()) {}
    explicit address_rule(std::string_view text, port_range from) : address_rule(parse(text, from).value()) {}

    /// One address. Its scope id, where it has one, becomes part of the rule.
    address_rule(const boost::asio::ip::address& one, port_range from = {}) // NOLINT: an address is a rule
        : first_(policy_detail::flatten(one)), last_(first_), prefix_(first_.width()), form_(form::single),
          ports_(checked(from)) {}

    /// Every address of both families.
    static address_rule any(port_range from = {}) { return address_rule(from); }

    /// Reads the forms of the table. Blanks around the parts are ignored, letters are case-sensitive except
    /// in IPv6 addresses.
    ///
    /// Errors: `errc::invalid_address`, for what stands behind `port` `errc::invalid_port`. The detail quotes
    /// the text, the part that is wrong, and says what is allowed; where host bits are set it proposes the
    /// prefix.
    static result<address_rule> parse(std::string_view text);

    /// The same, with the ports as a value. A text that has ports of its own is then an error.
    static result<address_rule> parse(std::string_view text, port_range from);

    /// Whether the peer belongs to the set. `port` is the port that the peer sends from.
    bool matches(const boost::asio::ip::address& peer, std::uint16_t port) const noexcept {
        return matches(policy_detail::flatten(peer), port);
    }

    /// The bounds of the set, both included; both families where `any` is true.
    struct bounds {
        bool any;
        policy_detail::flat_address first, last;
    };
    bounds addresses() const noexcept { return {form_ == form::any, first_, last_}; }

    /// Whether the rule asks for ports, and which.
    port_range ports() const noexcept { return ports_; }

    /// Equal when both match the same peers, however they were written.
    friend bool operator==(const address_rule& a, const address_rule& b) noexcept {
        return (a.form_ == form::any) == (b.form_ == form::any) && a.first_ == b.first_ &&
               a.last_ == b.last_ && a.ports_ == b.ports_;
    }

    /// The form in which `parse` reads it back, addresses in their canonical spelling.
    friend std::string to_string(const address_rule& rule);
    friend std::ostream& operator<<(std::ostream& out, const address_rule& rule) {
        return out << to_string(rule);
    }

    /// For those who ask many rules about one peer: the address is converted once.
    bool matches(const policy_detail::flat_address& peer, std::uint16_t port) const noexcept;

  private:
    enum class form : std::uint8_t { any, single, prefix, range };

    explicit address_rule(port_range from) : ports_(checked(from)) {}

    static result<address_rule> parse_addresses(std::string_view whole, std::string_view text);
    static port_range checked(port_range from);

    policy_detail::flat_address first_{};
    policy_detail::flat_address last_{};
    std::uint8_t prefix_ = 0;
    form form_ = form::any;
    port_range ports_{};
};

PORTUNUS_DECL std::string to_string(const address_rule& rule);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/address_rule.ipp>
#endif

#endif