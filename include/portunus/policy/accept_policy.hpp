// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_ACCEPT_POLICY_HPP
#define PORTUNUS_POLICY_ACCEPT_POLICY_HPP

#include <portunus/core/error.hpp>
#include <portunus/policy/address_rule.hpp>
#include <portunus/policy/connection_attempt.hpp>
#include <portunus/policy/interface_list.hpp>
#include <portunus/policy/master_switch.hpp>
#include <portunus/policy/port_range.hpp>
#include <portunus/policy/verdict.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {

/// Who may come in: an ordered list of rules, and what happens to those whom no rule names.
///
///     auto home  = accept_policy::deny_all().allow("192.168.1.0/24").allow("10.0.0.7", 1000);
///     auto world = accept_policy::allow_all().deny("203.0.113.0/24").refuse_with(refusal::close);
///
/// - **The first rule that matches decides**; later ones are not asked. Where none matches, the default does.
/// - **A policy denies unless told otherwise**: a default-constructed one lets nobody in, and every doubt is
///   decided against the peer. A predicate that throws refuses. Where the interface of a peer is not known, a
///   rule for an interface denies whom it could deny, and allows nobody.
/// - Addresses are normalised first: a rule for `10.0.0.7` also holds for the IPv4-mapped `::ffff:10.0.0.7`.
///
/// A policy is a value. The rules themselves never change and are shared between copies, so a copy costs one
/// small vector, and the text of the rule that decided stays valid in a `verdict` after the policy has gone.
/// Deciding reads only: any number of threads may ask one policy at the same time (a predicate must then bear
/// that), as long as nobody adds rules to that object. To change the door of a running listener, give it
/// another policy.
///
/// Errors: what builds a policy is configuration and throws `failure` with the offending text
/// (`errc::invalid_address`, `errc::invalid_port`, `errc::invalid_option`); the policy is then unchanged.
/// Deciding never throws.
///
/// The builders work on a named policy and in a chain, and a chain may be bound to anything: on a temporary
/// they return a value, not a reference to what is about to go.
///
/// Semantics rows T-1 (master switch), T-2 (the four modes), T-3 and X-10 (refusing), T-7 (interfaces).
class accept_policy {
  public:
    /// A question of the program's own. Called on the thread that decides, once for each attempt that reaches
    /// its rule, with normalised addresses; it must answer at once.
    using predicate = std::function<bool(const connection_attempt&)>;

    /// Lets nobody in.
    accept_policy() = default;

    /// Nobody but those whom a rule allows.
    static accept_policy deny_all() { return {}; }
    /// Everybody but those whom a rule denies.
    static accept_policy allow_all() {
        accept_policy policy;
        policy.allow_by_default_ = true;
        return policy;
    }

    /// @name The four modes of row T-2
    /// @{
    static accept_policy nobody() { return deny_all(); }
    static accept_policy anyone() { return allow_all(); }
    /// One peer (or prefix, or range), and where given only from these source ports.
    static accept_policy only(std::string_view from, port_range ports = {}) {
        return deny_all().allow(from, ports);
    }
    static accept_policy only(const address_rule& from) { return deny_all().allow(from); }
    /// @}

    /// @name Rules, in the order in which they are asked
    /// `from` is what `address_rule::parse` reads: an address, a prefix, a range, "any".
    /// @{
    accept_policy& allow(std::string_view from, port_range ports = {}) & {
        return allow(address_rule(from, ports));
    }
    accept_policy& deny(std::string_view from, port_range ports = {}) & {
        return deny(address_rule(from, ports));
    }
    accept_policy& allow(const address_rule& from) & { return add(true, from, {}, {}, {}); }
    accept_policy& deny(const address_rule& from) & { return add(false, from, {}, {}, {}); }

    /// Only for peers that arrive on one of the interfaces: `allow_on("eth0,wlan0", "fe80::/10")`.
    accept_policy& allow_on(std::string_view interfaces, std::string_view from = "any",
                            port_range ports = {}) & {
        return add(true, address_rule(from, ports), named(interfaces), {}, {});
    }
    accept_policy& deny_on(std::string_view interfaces, std::string_view from = "any",
                           port_range ports = {}) & {
        return add(false, address_rule(from, ports), named(interfaces), {}, {});
    }

    /// Only for attempts to which `applies` says yes. `name` is what logs and verdicts call the rule.
    accept_policy& allow_if(std::string_view name, predicate applies) & {
        return add(true, address_rule::any(), {}, name, checked(name, std::move(applies)));
    }
    accept_policy& deny_if(std::string_view name, predicate applies) & {
        return add(false, address_rule::any(), {}, name, checked(name, std::move(applies)));
    }
    /// @}

    /// How refused peers are turned away. Default: `refusal::reset`, which tells the peer at once and leaves
    /// no connection in TIME_WAIT that a stream of refused peers could pile up.
    accept_policy& refuse_with(refusal mode) & noexcept {
        mode_ = mode;
        return *this;
    }
    /// While `sw` is off, nobody is let in. A later call replaces the switch.
    accept_policy& controlled_by(const master_switch& sw) & noexcept {
        switch_ = sw;
        return *this;
    }

    // the same on a temporary, for chains
    accept_policy allow(std::string_view from, port_range ports = {}) && {
        return std::move(allow(from, ports));
    }
    accept_policy deny(std::string_view from, port_range ports = {}) && {
        return std::move(deny(from, ports));
    }
    accept_policy allow(const address_rule& from) && { return std::move(allow(from)); }
    accept_policy deny(const address_rule& from) && { return std::move(deny(from)); }
    accept_policy allow_on(std::string_view on, std::string_view from = "any", port_range ports = {}) && {
        return std::move(allow_on(on, from, ports));
    }
    accept_policy deny_on(std::string_view on, std::string_view from = "any", port_range ports = {}) && {
        return std::move(deny_on(on, from, ports));
    }
    accept_policy allow_if(std::string_view name, predicate applies) && {
        return std::move(allow_if(name, std::move(applies)));
    }
    accept_policy deny_if(std::string_view name, predicate applies) && {
        return std::move(deny_if(name, std::move(applies)));
    }
    accept_policy refuse_with(refusal mode) && noexcept { return std::move(refuse_with(mode)); }
    accept_policy controlled_by(const master_switch& sw) && noexcept { return std::move(controlled_by(sw)); }

    /// Decides about one peer. Allocates nothing, except to keep what a throwing predicate said.
    verdict decide(const connection_attempt& attempt) const noexcept;

    /// The bare answer, for those who ask a thousand times a second and need no reason (each datagram).
    bool allows(const connection_attempt& attempt) const noexcept { return find(attempt, nullptr).accepted; }

    /// Whether an answer can depend on the interface on which a peer arrived. Where not, nobody needs to look
    /// it up.
    bool asks_interface() const noexcept {
        return std::any_of(rules_.begin(), rules_.end(),
                           [](const auto& rule) { return !rule->on.all() || rule->applies; });
    }

    refusal refuses_with() const noexcept { return mode_; }

    /// What somebody who knows only addresses and ports can decide by himself, as a packet filter does.
    struct address_part {
        struct rule {
            bool allows;
            address_rule from;
        };
        std::vector<rule> rules; ///< the first ones that ask for nothing else
        bool complete; ///< there are no others, and `allows_rest` is the default; else: ask the policy
        bool allows_rest;
    };
    address_part addresses_alone() const;

    /// How many rules there are.
    std::size_t size() const noexcept { return rules_.size(); }

    /// The whole policy in one line: "allow 192.168.1.0/24; deny any on eth1; otherwise deny".
    friend std::string to_string(const accept_policy& policy) {
        std::string text;
        for (const auto& rule : policy.rules_) text.append(rule->text).append("; ");
        return text.append(policy.allow_by_default_ ? "otherwise allow" : "otherwise deny");
    }
    friend std::ostream& operator<<(std::ostream& out, const accept_policy& policy) {
        return out << to_string(policy);
    }

  private:
    struct entry {
        bool allows;
        address_rule from;
        interface_list on;
        predicate applies; // empty: no question
        std::string text;
    };
    struct finding {
        bool accepted;
        decided_by why;
        std::size_t rule; // from 1
    };

    accept_policy& add(bool allows, const address_rule& from, interface_list on, std::string_view name,
                       predicate p) &;
    finding find(const connection_attempt& attempt,
                 std::shared_ptr<const std::string>* thrown) const noexcept;
    static void keep(std::shared_ptr<const std::string>* thrown, const std::string& rule,
                     const char* what) noexcept;
    static connection_attempt with_normalised_addresses(connection_attempt attempt) noexcept {
        attempt.remote = normalised(attempt.remote);
        attempt.local = normalised(attempt.local);
        return attempt;
    }
    static interface_list named(std::string_view interfaces);
    static predicate checked(std::string_view name, predicate applies);

    std::shared_ptr<const std::string> text_of(std::size_t number) const noexcept {
        const auto& rule = rules_[number - 1];
        return {rule, &rule->text}; // shares the rule's life, allocates nothing
    }

    std::vector<std::shared_ptr<const entry>> rules_;
    std::optional<master_switch> switch_;
    refusal mode_ = refusal::reset;
    bool allow_by_default_ = false;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/accept_policy.ipp>
#endif

#endif