// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_VERDICT_IPP
#define PORTUNUS_POLICY_IMPL_VERDICT_IPP

#include <portunus/policy/verdict.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <string>

namespace portunus {

PORTUNUS_DECL error verdict::to_error() const {
    if (accepted) return {};
    switch (why) {
    case decided_by::total_cap:
    case decided_by::address_cap:
        return error(errc::too_many_connections, reason());
    case decided_by::address_rate:
        return error(errc::rate_exceeded, reason());
    default:
        return error(errc::denied, reason());
    }
}

PORTUNUS_DECL std::string verdict::reason() const {
    const std::string outcome = accepted ? "accepted" : "refused";
    const std::string about = text ? *text : std::string();
    const std::string who = text ? *text : std::string("one address");
    const std::string counted = std::to_string(count);
    const std::string most = std::to_string(limit);
    switch (why) {
    case decided_by::rule:
        return outcome + " by rule " + counted + (text ? " (" + about + ")" : "");
    case decided_by::predicate:
        return outcome + ": rule " + counted + " could not decide" + (text ? ": " + about : "");
    case decided_by::fallback:
        return outcome + ": no rule matched, and the policy " + (accepted ? "allows" : "denies") +
               " by default";
    case decided_by::master_switch:
        return outcome + ": the master switch is off";
    case decided_by::room:
        return outcome + ": " + counted + " of " + most + " connections are open";
    case decided_by::total_cap:
        return outcome + ": " + counted + " of " + most + " connections are open";
    case decided_by::address_cap:
        return outcome + ": " + counted + " of " + most + " connections of " + who + " are open";
    case decided_by::address_rate:
        return outcome + ": " + who + " connects more often than " + counted + " times in " + most + " ms";
    }
    return outcome;
}

} // namespace portunus

#endif
