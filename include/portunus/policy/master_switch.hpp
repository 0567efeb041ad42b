// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_MASTER_SWITCH_HPP
#define PORTUNUS_POLICY_MASTER_SWITCH_HPP

#include <atomic>
#include <memory>

namespace portunus {

/// One switch for many doors: while it is off, every policy that it controls refuses every newcomer, whatever
/// its own rules say. Switched on again, each policy is what it was before.
///
///     master_switch visitors;
///     door.policy  = accept_policy::anyone().controlled_by(visitors);
///     other.policy = accept_policy::only("192.168.1.40").controlled_by(visitors);
///     visitors.off();                      // maintenance: nobody new, at either door
///
/// Connections that exist are not touched. It is meant for temporary disabling; a program that never wants to
/// accept does not listen. A new switch is on.
///
/// Copies are the same switch. Every function may be called from any thread at any time; a decision that is
/// being made at that moment may still see the old state. The switch lives as long as any copy, or any policy
/// that it controls.
///
/// Semantics row T-1.
class master_switch {
  public:
    master_switch() : on_(std::make_shared<std::atomic<bool>>(true)) {}
    // a moved-from handle would be one of nothing: moving copies
    master_switch(const master_switch&) noexcept = default;
    master_switch& operator=(const master_switch&) noexcept = default;

    void on() const noexcept { on_->store(true, std::memory_order_release); }
    void off() const noexcept { on_->store(false, std::memory_order_release); }
    bool is_on() const noexcept { return on_->load(std::memory_order_acquire); }

    /// Whether both are handles of one switch.
    friend bool operator==(const master_switch&, const master_switch&) noexcept = default;

  private:
    std::shared_ptr<std::atomic<bool>> on_;
};

} // namespace portunus

#endif
