// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_ADMISSION_HPP
#define PORTUNUS_POLICY_ADMISSION_HPP

#include <portunus/policy/admission_options.hpp>
#include <portunus/policy/detail/admission_state.hpp>
#include <portunus/policy/detail/flat_address.hpp>
#include <portunus/policy/verdict.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace portunus {

/// A taken place. Gives it back when it is destroyed; keep it as long as the connection. An empty one holds
/// nothing.
///
/// Movable. May outlive its `admission`, and may be destroyed on any thread.
class admission_ticket {
  public:
    admission_ticket() noexcept = default;
    admission_ticket(admission_ticket&& other) noexcept : state_(std::move(other.state_)), key_(other.key_) {}
    admission_ticket& operator=(admission_ticket&& other) noexcept {
        if (this != &other) {
            release();
            state_ = std::move(other.state_);
            key_ = other.key_;
        }
        return *this;
    }
    ~admission_ticket() { release(); }

    explicit operator bool() const noexcept { return state_ != nullptr; }

    /// Gives the place back before its time.
    void release() noexcept {
        if (const auto state = std::exchange(state_, nullptr)) state->release(key_);
    }

  private:
    friend class admission;
    admission_ticket(std::shared_ptr<policy_detail::admission_state> state,
                     const policy_detail::flat_address& key) noexcept
        : state_(std::move(state)), key_(key) {}

    std::shared_ptr<policy_detail::admission_state> state_;
    policy_detail::flat_address key_{};
};

/// Counts who is in: a cap on all connections, a cap and a rate for each address.
///
///     admission house({.max_connections = 500, .max_per_address = 8, .rate = 20});
///     auto [answer, ticket] = house.enter(peer, std::chrono::steady_clock::now());
///     if (!answer) turn_away(socket, answer.refuse_with);      // answer.reason() has the numbers
///
/// It is asked once a connection, after the policy has accepted the peer: who is refused takes no place and
/// no token. The total is looked at first, then the address's cap, then its rate.
///
/// **Bounded under attack.** Addresses are kept only while they have connections open or their rate bucket is
/// not yet full again. Of the second kind at most `max_remembered` are kept: when there are more, the address
/// that left longest ago is forgotten, and its bucket counts as full. Nobody is refused because the table is
/// full: whoever commands that many addresses is not slowed down by a rate per address, and everybody else
/// must not pay for it. Addresses with open connections are never forgotten. The table is a balanced tree, so
/// there is no choice of addresses that makes it slow.
///
/// Copies are handles of the same counts, so that several listeners can share one house. Every function may
/// be called from any thread; one mutex guards the counts, held for the time of a look-up. `now` should not
/// run backwards by more than the threads differ; nothing breaks when it does.
///
/// Semantics rows T-36 (busy: wait or refuse), section 5 on T-36.
class admission {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Throws `failure` with `errc::invalid_option` for an option out of its range; the detail names it.
    explicit admission(const admission_options& options = {})
        : state_(std::make_shared<policy_detail::admission_state>(options)) {}

    // a moved-from handle would be one of nothing: moving copies
    admission(const admission&) noexcept = default;
    admission& operator=(const admission&) noexcept = default;

    /// A verdict, and the place when it accepts.
    struct entry {
        verdict answer;
        admission_ticket ticket;
        explicit operator bool() const noexcept { return answer.accepted; }
    };

    /// Asks for a place for one more connection.
    ///
    /// Allocates only where there are limits for one address: the entry of an address that is not in the
    /// table. Throws only `std::bad_alloc`, and then nothing has been counted.
    ///
    /// Refused for the total, the verdict's mode is that of `full`; where that is `wait`, and another thread
    /// took the last place between `full()` and here, the peer is reset.
    entry enter(const boost::asio::ip::address& peer, time_point now) {
        const policy_detail::flat_address key = state_->key_of(peer);
        verdict answer = state_->admit(key, now);
        if (!answer) return {std::move(answer), {}};
        return {std::move(answer), admission_ticket(state_, key)};
    }

    /// The same without a ticket: whoever is admitted must be given to `release` once, with the same address.
    verdict admit(const boost::asio::ip::address& peer, time_point now) {
        return state_->admit(state_->key_of(peer), now);
    }

    /// Gives back a place that `admit` gave. Returns false, and changes nothing, when that address holds
    /// none.
    bool release(const boost::asio::ip::address& peer) noexcept {
        return state_->release(state_->key_of(peer));
    }

    /// Whether all places are taken, so that a listener with `when_full::wait` stops accepting.
    bool full() const noexcept { return state_->full(); }

    /// Arranges that `notify` is called once when a place becomes free. Returns 0, and keeps nothing, when
    /// there is one now; otherwise a number for `forget`. So no place that becomes free between `full()` and
    /// here goes unseen.
    ///
    /// `notify` is called on the thread that gives the place back, under the lock: it may post something to
    /// its own executor, and must not call this object. Everyone who waits is called. One that throws is
    /// called again at the next free place.
    std::uint64_t notify_when_free(std::function<void()> notify) {
        return state_->notify_when_free(std::move(notify));
    }

    /// Withdraws a `notify`. Once this has returned, it is not running and will not be called.
    void forget(std::uint64_t waiting) noexcept { state_->forget(waiting); }

    admission_snapshot snapshot() const noexcept { return state_->snapshot(); }
    const admission_options& options() const noexcept { return state_->options(); }

  private:
    std::shared_ptr<policy_detail::admission_state> state_;
};

} // namespace portunus

#endif
