// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_ACCEPT_POLICY_IPP
#define PORTUNUS_POLICY_IMPL_ACCEPT_POLICY_IPP

#include <portunus/policy/accept_policy.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/policy/address_rule.hpp>
#include <portunus/policy/connection_attempt.hpp>
#include <portunus/policy/interface_list.hpp>
#include <portunus/policy/master_switch.hpp>
#include <portunus/policy/port_range.hpp>
#include <portunus/policy/verdict.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

PORTUNUS_DECL verdict accept_policy::decide(const connection_attempt& attempt) const noexcept {
    verdict answer;
    answer.refuse_with = mode_;
    const finding found = find(attempt, &answer.text);
    answer.accepted = found.accepted;
    answer.why = found.why;
    answer.count = found.rule;
    if (found.why == decided_by::rule) answer.text = text_of(found.rule);
    return answer;
}

PORTUNUS_DECL accept_policy::address_part accept_policy::addresses_alone() const {
    address_part part{{}, true, allow_by_default_};
    for (const auto& rule : rules_) {
        const auto bounds = rule->from.addresses();
        // a packet tells its link, but not as the number that a rule names
        part.complete = rule->on.all() && !rule->applies && bounds.first.scope == 0;
        if (!part.complete) break;
        part.rules.push_back({rule->allows, rule->from});
    }
    return part;
}

PORTUNUS_DECL accept_policy& accept_policy::add(bool allows, const address_rule& from, interface_list on,
                                                std::string_view name, predicate p) & {
    std::string text = allows ? "allow " : "deny ";
    if (p)
        text.append("if ").append(policy_detail::quoted(name));
    else
        text.append(to_string(from));
    if (!on.all()) text.append(" on ").append(to_string(on));
    rules_.push_back(
        std::make_shared<const entry>(entry{allows, from, std::move(on), std::move(p), std::move(text)}));
    return *this;
}

PORTUNUS_DECL accept_policy::finding
accept_policy::find(const connection_attempt& attempt,
                    std::shared_ptr<const std::string>* thrown) const noexcept {
    if (switch_ && !switch_->is_on()) return {false, decided_by::master_switch, 0};
    const policy_detail::flat_address peer = policy_detail::flatten(attempt.remote);
    std::size_t number = 0;
    for (const auto& rule : rules_) {
        ++number;
        if (!rule->from.matches(peer, attempt.port)) continue;
        // an unknown interface might be the one that a deny rule is about, and might not be the one that an
        // allow rule is about: what is not known must not open the door
        const bool unknown_may_match = attempt.interface.empty() && !rule->allows;
        if (!rule->on.matches(attempt.interface) && !unknown_may_match) continue;
        if (rule->applies) {
            try {
                if (!rule->applies(with_normalised_addresses(attempt))) continue;
            } catch (const std::exception& e) {
                keep(thrown, rule->text, e.what());
                return {false, decided_by::predicate, number};
            } catch (...) {
                keep(thrown, rule->text, "something that is no std::exception");
                return {false, decided_by::predicate, number};
            }
        }
        return {rule->allows, decided_by::rule, number};
    }
    return {allow_by_default_, decided_by::fallback, 0};
}

PORTUNUS_DECL void accept_policy::keep(std::shared_ptr<const std::string>* thrown, const std::string& rule,
                                       const char* what) noexcept {
    if (thrown == nullptr) return;
    try {
        *thrown = std::make_shared<const std::string>(rule + " threw " + policy_detail::quoted(what));
    } catch (...) { // no memory for the reason: the refusal stands without it
        thrown->reset();
    }
}

PORTUNUS_DECL interface_list accept_policy::named(std::string_view interfaces) {
    interface_list list(interfaces);
    if (list.all())
        throw failure(error(errc::invalid_option, "a rule for an interface names none; allowed: \"eth0\" or "
                                                  "\"eth0,wlan0\", or a rule without interface"));
    return list;
}

PORTUNUS_DECL accept_policy::predicate accept_policy::checked(std::string_view name, predicate applies) {
    if (!applies)
        throw failure(
            error(errc::invalid_option, "the rule " + policy_detail::quoted(name) + " has no predicate"));
    return applies;
}

} // namespace portunus

#endif
