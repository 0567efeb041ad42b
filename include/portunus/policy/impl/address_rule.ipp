// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_ADDRESS_RULE_IPP
#define PORTUNUS_POLICY_IMPL_ADDRESS_RULE_IPP

#include <portunus/policy/address_rule.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/policy/detail/flat_address.hpp>
#include <portunus/policy/detail/text.hpp>
#include <portunus/policy/port_range.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus {

PORTUNUS_DECL bool address_rule::matches(const policy_detail::flat_address& peer,
                                         std::uint16_t port) const noexcept {
    if (!ports_.contains(port)) return false;
    if (form_ == form::any) return true;
    if (peer.is_v6 != first_.is_v6 || (first_.scope != 0 && peer.scope != first_.scope)) return false;
    return first_.bits <= peer.bits && peer.bits <= last_.bits;
}

namespace policy_detail {

inline constexpr std::string_view addresses_allowed =
    "an IPv4 or IPv6 address, a prefix (\"192.168.1.0/24\", \"fe80::/10\"), a range (\"10.0.0.5-10.0.0.9\") "
    "or "
    "\"any\", each with \" port N\" or \" port N-M\" behind it where the port matters";

} // namespace policy_detail

PORTUNUS_DECL port_range address_rule::checked(port_range from) {
    if (from.first() == 0 && !from.is_any())
        throw failure(error(errc::invalid_port, "0 is not a port that a peer can have; allowed: 1 to 65535"));
    return from;
}

PORTUNUS_DECL std::string to_string(const address_rule& rule) {
    std::string text;
    switch (rule.form_) {
    case address_rule::form::any:
        text = "any";
        break;
    case address_rule::form::single:
        text = to_string(rule.first_);
        break;
    case address_rule::form::prefix:
        text = to_string(rule.first_) + "/" + std::to_string(rule.prefix_);
        break;
    case address_rule::form::range:
        text = to_string(rule.first_) + "-" + to_string(rule.last_);
        break;
    }
    if (!rule.ports_.is_any()) text.append(" port ").append(to_string(rule.ports_));
    return text;
}

PORTUNUS_DECL result<address_rule> address_rule::parse(std::string_view text, port_range from) {
    auto rule = parse(text);
    if (!rule) return rule;
    if (!rule->ports_.is_any())
        return error(errc::invalid_port, policy_detail::quoted(text) + " names ports, and port " +
                                             to_string(from) +
                                             " is given beside it; allowed: one of the two");
    if (from.first() == 0 && !from.is_any())
        return error(errc::invalid_port, "port " + to_string(from) + " beside " +
                                             policy_detail::quoted(text) +
                                             " is not a port that a peer can have; allowed: 1 to 65535");
    rule->ports_ = from;
    return rule;
}

PORTUNUS_DECL result<address_rule> address_rule::parse(std::string_view text) {
    namespace detail = policy_detail;
    constexpr std::string_view word = "port"; // no address contains these letters
    const std::string_view whole = detail::trimmed(text);
    const std::size_t at = whole.find(word);
    if (at == std::string_view::npos) return parse_addresses(whole, whole);

    const std::string_view before = whole.substr(0, at);
    const std::string_view after = whole.substr(at + word.size());
    if (before.empty() || !detail::is_blank(before.back()) || after.empty() ||
        !detail::is_blank(after.front()))
        return error(errc::invalid_address, detail::complaint(whole, whole, "is not an address with a port",
                                                              detail::addresses_allowed));
    auto rule = parse_addresses(whole, detail::trimmed(before));
    if (!rule) return rule;
    auto ports = port_range::parse(after);
    if (!ports)
        return error(errc::invalid_port, detail::quoted(whole) + ": " + std::string(ports.error().detail()));
    rule->ports_ = *ports;
    return rule;
}

/// `whole` is quoted in errors; `text` is the part of it that holds the addresses.
PORTUNUS_DECL result<address_rule> address_rule::parse_addresses(std::string_view whole,
                                                                 std::string_view text) {
    namespace detail = policy_detail;
    const auto refuse = [whole](std::string_view part, std::string_view problem) {
        return error(errc::invalid_address,
                     detail::complaint(whole, part, problem, detail::addresses_allowed));
    };
    if (text == "any") return any();

    address_rule rule{port_range()};
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
        const std::string_view head = detail::trimmed(text.substr(0, slash));
        const std::string_view digits = detail::trimmed(text.substr(slash + 1));
        const detail::address_reading read = detail::read_address(head);
        if (!read.problem.empty()) return refuse(head, read.problem);
        const int given = detail::read_prefix_length(digits, read.written_as_v6 ? 128 : 32);
        if (given < 0)
            return refuse(digits, read.written_as_v6 ? "is not a prefix length from 0 to 128"
                                                     : "is not a prefix length from 0 to 32");
        // a mapped address is IPv4 now: its first 96 bits are gone, and a prefix inside of them says nothing
        // sensible
        const int length = read.mapped ? given - 96 : given;
        if (length < 0) return refuse(text, "cuts an IPv4-mapped address: its prefix length is 96 to 128");
        rule.form_ = form::prefix;
        rule.prefix_ = static_cast<std::uint8_t>(length);
        rule.first_ = detail::with_host_bits(read.address, length, false);
        rule.last_ = detail::with_host_bits(read.address, length, true);
        if (rule.first_ != read.address)
            return refuse(text, "has bits set after the first " + std::to_string(given) + ": " +
                                    to_string(rule) + " was probably meant, or " + to_string(read.address) +
                                    " alone");
        return rule;
    }
    if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
        const std::string_view head = detail::trimmed(text.substr(0, dash));
        const std::string_view tail = detail::trimmed(text.substr(dash + 1));
        const detail::address_reading first = detail::read_address(head);
        if (!first.problem.empty()) return refuse(head, first.problem);
        const detail::address_reading last = detail::read_address(tail);
        if (!last.problem.empty()) return refuse(tail, last.problem);
        if (first.address.is_v6 != last.address.is_v6)
            return refuse(text, "goes from one family to the other");
        if (first.address.scope != 0 || last.address.scope != 0)
            return refuse(text, "has a scope: only one address or a prefix may carry one");
        rule.form_ = form::range;
        rule.first_ = first.address;
        rule.last_ = last.address;
        if (last.address.bits < first.address.bits)
            return refuse(text, "is a reversed range: " + to_string(last.address) + "-" +
                                    to_string(first.address) + " was probably meant");
        return rule;
    }
    const detail::address_reading one = detail::read_address(text);
    if (!one.problem.empty()) return refuse(text, one.problem);
    rule.form_ = form::single;
    rule.first_ = rule.last_ = one.address;
    rule.prefix_ = one.address.width();
    return rule;
}

} // namespace portunus

#endif
