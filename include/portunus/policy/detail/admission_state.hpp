// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_DETAIL_ADMISSION_STATE_HPP
#define PORTUNUS_POLICY_DETAIL_ADMISSION_STATE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/policy/admission_options.hpp>
#include <portunus/policy/detail/flat_address.hpp>
#include <portunus/policy/verdict.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace portunus::policy_detail {

/// The options themselves when they are in range; throws `failure` when one is not.
PORTUNUS_DECL const admission_options& checked(const admission_options& options);

/// What the handles and tickets of one admission share.
class admission_state {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit admission_state(const admission_options& options);
    admission_state(const admission_state&) = delete;
    admission_state& operator=(const admission_state&) = delete;

    const admission_options& options() const noexcept { return options_; }

    /// The address under which a peer is counted.
    flat_address key_of(const boost::asio::ip::address& peer) const noexcept;

    verdict admit(const flat_address& key, time_point now);

    bool release(const flat_address& key) noexcept;

    bool full() const noexcept {
        const std::lock_guard lock(mutex_);
        return counts_.open >= options_.max_connections;
    }

    std::uint64_t notify_when_free(std::function<void()> notify);

    void forget(std::uint64_t number) noexcept;

    admission_snapshot snapshot() const noexcept;

  private:
    /// One address. `full_at` is all that a token bucket needs to remember (the generic cell rate algorithm
    /// of ITU-T I.371): the time at which it would be full again. A bucket that is full now has a time in the
    /// past.
    struct tracked {
        std::size_t open = 0;
        time_point full_at{};
        std::list<flat_address>::iterator place{}; ///< in `present_` while open > 0, else in `gone_`
    };
    /// A tree and no hash table: peers choose their addresses, and could choose colliding ones.
    using table = std::map<flat_address, tracked>;

    struct waiter {
        std::uint64_t number;
        std::function<void()> notify;
    };

    static bool is_link_local(const flat_address& key) noexcept {
        return key.bits.high >> 54 == 0xfe80U >> 6;
    }

    bool tracking() const noexcept { return options_.max_per_address != 0 || options_.rate != 0; }

    static verdict refuse(decided_by why, refusal mode, std::uint64_t count, std::uint64_t limit) noexcept {
        return {false, why, mode, count, limit, {}};
    }

    verdict decide(const flat_address& key, time_point now);

    void enter(table::iterator found, const flat_address& key, time_point full_at);

    /// The last connection of an address has ended. Moving a list's node allocates nothing, so this cannot
    /// fail.
    void leave(table::iterator found) noexcept;

    /// Two looks a connection: more than it can add, so the memory comes back, and no connection pays for a
    /// sweep.
    void expire(time_point now) noexcept;

    void drop_oldest() noexcept {
        table_.erase(gone_.front());
        gone_.pop_front();
    }

    void wake(std::list<waiter>& called) noexcept;

    std::shared_ptr<const std::string> name_of(const flat_address& key) const noexcept;

    const admission_options options_;
    std::chrono::nanoseconds spacing_{};   ///< the time in which one token comes back
    std::chrono::nanoseconds tolerance_{}; ///< the time in which an empty bucket becomes full

    mutable std::mutex mutex_;
    admission_snapshot counts_; ///< `tracked` is filled in when somebody looks
    table table_;
    std::list<flat_address> present_;
    std::list<flat_address> gone_; ///< the one that left longest ago first
    std::list<waiter> waiting_;
    std::uint64_t last_waiting_ = 0;
};

} // namespace portunus::policy_detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/detail/impl/admission_state.ipp>
#endif

#endif
