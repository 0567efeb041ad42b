// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_IMPL_REPLACE_POLICY_IPP
#define PORTUNUS_POLICY_IMPL_REPLACE_POLICY_IPP

#include <portunus/policy/replace_policy.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/policy/address_rule.hpp>
#include <portunus/policy/connection_attempt.hpp>

#include <string_view>

namespace portunus {

PORTUNUS_DECL bool replace_policy::operator()(const connection_attempt& older,
                                              const connection_attempt& newer) const {
    if (mode_ == replaces::nobody || older.local_port != newer.local_port ||
        normalised(older.local) != normalised(newer.local))
        return false;
    switch (mode_) {
    case replaces::same_address_and_port:
        return older.port == newer.port && normalised(older.remote) == normalised(newer.remote);
    case replaces::same_address:
        return normalised(older.remote) == normalised(newer.remote);
    case replaces::anybody:
        return true;
    case replaces::chosen:
        return (*choose_)(older, newer);
    case replaces::nobody:
        break;
    }
    return false;
}

PORTUNUS_DECL std::string_view to_string(replaces r) noexcept {
    switch (r) {
    case replaces::nobody:
        return "nobody";
    case replaces::same_address_and_port:
        return "same_address_and_port";
    case replaces::same_address:
        return "same_address";
    case replaces::anybody:
        return "anybody";
    case replaces::chosen:
        return "chosen";
    }
    return "unknown";
}

} // namespace portunus

#endif
