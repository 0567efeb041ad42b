// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_REPLACE_POLICY_HPP
#define PORTUNUS_POLICY_REPLACE_POLICY_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/policy/address_rule.hpp>
#include <portunus/policy/connection_attempt.hpp>

#include <functional>
#include <memory>
#include <ostream>
#include <string_view>
#include <utility>

namespace portunus {

/// Which connections a newcomer takes the place of.
enum class replaces : unsigned char {
    nobody,                ///< every connection stands for itself
    same_address_and_port, ///< the peer's same socket, as it seems to it: it never saw the end of the old one
    same_address,          ///< one connection for each address: a device that was switched off and on
    anybody,               ///< one connection at all: whoever comes last has it
    chosen,                ///< what the program's predicate says
};
std::string_view to_string(replaces r) noexcept;
inline std::ostream& operator<<(std::ostream& out, replaces r) {
    return out << to_string(r);
}

/// Whether a new connection takes the place of an old one. A device that lost its power connects again while
/// our side still holds the connection that it has forgotten; then the old one should go, at once.
///
///     door.replace = replaces::same_address;
///     door.replace = replace_policy([](const connection_attempt& older, const connection_attempt& newer) {
///         return older.remote == newer.remote && newer.port < 1024;
///     });
///
/// Only connections to the same port, and the same address, of ours are compared, in each mode.
///
/// Nobody is replaced unless asked for: behind a NAT several devices have one address and would throw each
/// other out, and whoever can take an address can throw out its owner. Where devices say who they are, use
/// their name (`session_keys`), after they have proved it.
///
/// Pure; a value. A predicate is called on the listener's thread, and may be called for every connection that
/// is open: what it captures must live as long, and it should be quick. Row T-11 of the semantics.
class replace_policy {
  public:
    using predicate = std::function<bool(const connection_attempt& older, const connection_attempt& newer)>;

    replace_policy(replaces mode = replaces::nobody) : mode_(mode) { // NOLINT: a mode is a policy
        if (mode == replaces::chosen)
            throw failure(error(errc::invalid_option, "replaces::chosen needs a predicate"));
    }
    explicit replace_policy(predicate choose) : mode_(replaces::chosen) {
        if (!choose) throw failure(error(errc::invalid_option, "an empty predicate for replacement"));
        choose_ = std::make_shared<const predicate>(std::move(choose));
    }

    replaces mode() const noexcept { return mode_; }
    bool never() const noexcept { return mode_ == replaces::nobody; }

    /// What the predicate throws comes out.
    bool operator()(const connection_attempt& older, const connection_attempt& newer) const;

  private:
    replaces mode_;
    std::shared_ptr<const predicate> choose_;
};

PORTUNUS_DECL std::string_view to_string(replaces r) noexcept;

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/replace_policy.ipp>
#endif

#endif
