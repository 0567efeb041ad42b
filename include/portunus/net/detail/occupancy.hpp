// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_OCCUPANCY_HPP
#define PORTUNUS_NET_DETAIL_OCCUPANCY_HPP

#include <portunus/policy/admission.hpp>
#include <portunus/policy/connection_attempt.hpp>
#include <portunus/policy/replace_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace portunus::detail {

/// Who holds a place in a server whose newcomers may replace others: who has to go for a newcomer, and who
/// may begin when somebody has gone. Knows no socket: `Waiting` is whatever a newcomer waits as. Used by all
/// contexts of a server, once a connection; a mutex guards it.
template <class Waiting>
class occupancy {
  public:
    explicit occupancy(replace_policy policy) : policy_(std::move(policy)) {}

    bool used() const noexcept { return !policy_.never(); }

    struct holder {
        std::uint64_t id;
        unsigned context;
    };
    struct newcomer {
        unsigned context;
        Waiting waiting;
    };
    struct entry {
        std::vector<holder> replaced;   ///< sessions that have to end
        std::vector<newcomer> outdated; ///< who had not begun yet, and need not any more
        bool waits = false;             ///< the newcomer was kept: `leave` gives it back
    };

    /// Whether the newcomer would take somebody's place.
    bool replaces_anybody(const connection_attempt& newer) const {
        const std::lock_guard lock(mutex_);
        return for_each_match(newer, [](auto&) { return true; });
    }

    /// A newcomer. Where somebody has to go first `waiting` is moved away until he has.
    entry enter(std::uint64_t id, unsigned context, const connection_attempt& newer, Waiting& waiting) {
        const std::lock_guard lock(mutex_);
        entry result;
        std::vector<std::uint64_t> matches; // first all that may throw out of the policy
        for_each_match(newer, [&matches](auto& match) {
            matches.push_back(match.first);
            return false;
        });
        std::size_t waits_for = 0;
        for (const std::uint64_t old_id : matches) {
            record& old = records_.find(old_id)->second;
            if (!old.waiting) continue;
            result.outdated.push_back({old.context, std::move(*old.waiting)});
            erase(old_id);
        }
        for (const std::uint64_t old_id : matches) {
            const auto found = records_.find(old_id);
            if (found == records_.end()) continue;
            record& old = found->second;
            if (!std::exchange(old.leaving, true)) result.replaced.push_back({old_id, old.context});
            std::erase_if(old.followers, [this](std::uint64_t f) { return records_.count(f) == 0; });
            old.followers.push_back(id);
            ++waits_for;
        }
        record fresh{newer, context, waits_for, false, {}, {}, {}};
        fresh.attempt.interface = {}; // a view of somebody else's text
        if (waits_for != 0) {
            fresh.waiting.emplace(std::move(waiting));
            result.waits = true;
        }
        const auto place = by_address_.emplace(key_of(newer), id);
        try {
            records_.emplace(id, std::move(fresh));
        } catch (...) {
            by_address_.erase(place);
            throw;
        }
        return result;
    }

    /// Somebody who may begin now, and the place that he was left.
    struct released {
        std::uint64_t id;
        unsigned context;
        Waiting waiting;
        admission_ticket ticket;
    };

    /// A session has ended and its closing was handled; its place goes to who waited for it.
    std::vector<released> leave(std::uint64_t id, admission_ticket ticket) {
        const std::lock_guard lock(mutex_);
        std::vector<released> ready;
        const auto found = records_.find(id);
        if (found == records_.end()) return ready;
        for (const std::uint64_t follower : found->second.followers) {
            const auto next = records_.find(follower);
            if (next == records_.end() || !next->second.waiting) continue; // replaced in its turn
            record& r = next->second;
            if (ticket && key_of_remote(r.attempt) == key_of_remote(found->second.attempt))
                r.ticket = std::move(ticket);
            if (--r.waits_for != 0) continue;
            ready.push_back({follower, r.context, std::move(*r.waiting), std::move(r.ticket)});
            r.waiting.reset();
        }
        erase(id);
        return ready;
    }

    /// Whether somebody has been told to go, or would have been, had he begun.
    bool leaving(std::uint64_t id) const {
        const std::lock_guard lock(mutex_);
        const auto found = records_.find(id);
        return found != records_.end() && found->second.leaving;
    }

    std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return records_.size();
    }

  private:
    struct record {
        connection_attempt attempt;
        unsigned context;
        std::size_t waits_for;
        bool leaving;
        std::optional<Waiting> waiting;
        std::vector<std::uint64_t> followers; // who waits for this one's end
        admission_ticket ticket;              // left by one of those that it waits for
    };
    using key = policy_detail::flat_address;

    static key key_of_remote(const connection_attempt& a) { return policy_detail::flatten(a.remote); }
    /// Records are found by the peer's address where the policy goes by it.
    key key_of(const connection_attempt& a) const {
        const bool by_address =
            policy_.mode() == replaces::same_address || policy_.mode() == replaces::same_address_and_port;
        return by_address ? key_of_remote(a) : key{};
    }

    template <class Action>
    bool for_each_match(const connection_attempt& newer, Action action) const {
        const auto [from, to] = by_address_.equal_range(key_of(newer));
        for (auto i = from; i != to; ++i) {
            auto& match = *records_.find(i->second);
            if (policy_(match.second.attempt, newer) && action(match)) return true;
        }
        return false;
    }

    void erase(std::uint64_t id) {
        const auto found = records_.find(id);
        const auto [from, to] = by_address_.equal_range(key_of(found->second.attempt));
        for (auto i = from; i != to; ++i)
            if (i->second == id) {
                by_address_.erase(i);
                break;
            }
        records_.erase(found);
    }

    replace_policy policy_;
    mutable std::mutex mutex_;
    mutable std::unordered_map<std::uint64_t, record> records_;
    std::multimap<key, std::uint64_t> by_address_;
};

} // namespace portunus::detail

#endif
