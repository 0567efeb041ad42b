// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_DETAIL_IMPL_ADMISSION_STATE_IPP
#define PORTUNUS_POLICY_DETAIL_IMPL_ADMISSION_STATE_IPP

#include <portunus/policy/detail/admission_state.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/policy/admission_options.hpp>
#include <portunus/policy/detail/flat_address.hpp>
#include <portunus/policy/verdict.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <ratio>
#include <string>
#include <utility>

namespace portunus::policy_detail {

PORTUNUS_DECL const admission_options& checked(const admission_options& options) {
    const auto check = [](const char* name, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
        if (value < least || value > most)
            throw failure(error(errc::invalid_option, std::string(name) + " = " + std::to_string(value) +
                                                          "; allowed: " + std::to_string(least) + " to " +
                                                          std::to_string(most)));
    };
    constexpr std::uint64_t many = 10'000'000;
    check("max_connections", options.max_connections, 1, many);
    check("max_per_address", options.max_per_address, 0, many);
    check("max_remembered", options.max_remembered, 0, many);
    check("rate", options.rate, 0, 1'000'000);
    check("burst", options.burst, 0, 1'000'000);
    check("v6_prefix", options.v6_prefix, 1, 128);
    const auto interval = options.rate_interval;
    if (interval < std::chrono::milliseconds(1) || interval > std::chrono::hours(24))
        throw failure(error(errc::invalid_option, "rate_interval = " + std::to_string(interval.count()) +
                                                      " ms; allowed: 1 ms to 86400000 ms"));
    if (options.rate == 0 && options.burst != 0)
        throw failure(
            error(errc::invalid_option, "burst = " + std::to_string(options.burst) +
                                            " without a rate; allowed: a rate above 0, or no burst"));
    using days = std::chrono::duration<double, std::ratio<86400>>;
    if (options.rate != 0 && days(interval) / options.rate * options.burst > days(30))
        throw failure(error(errc::invalid_option, "burst = " + std::to_string(options.burst) +
                                                      " takes more than 30 days to come back at this rate"));
    return options;
}

PORTUNUS_DECL admission_state::admission_state(const admission_options& options)
    : options_(checked(options)) {
    if (options_.rate == 0) return;
    spacing_ = std::chrono::nanoseconds(options_.rate_interval) / options_.rate;
    tolerance_ = spacing_ * (options_.burst == 0 ? options_.rate : options_.burst);
}

PORTUNUS_DECL flat_address admission_state::key_of(const boost::asio::ip::address& peer) const noexcept {
    flat_address key = flatten(peer);
    if (!key.is_v6 || is_link_local(key)) return key; // with its scope: one address on two links is two hosts
    key.scope = 0;
    return with_host_bits(key, options_.v6_prefix, false);
}

PORTUNUS_DECL verdict admission_state::admit(const flat_address& key, time_point now) {
    verdict answer;
    {
        const std::lock_guard lock(mutex_);
        answer = decide(key, now);
    }
    // the name of the address is for the refusal's reason alone: it is made outside of the lock
    if (answer.why == decided_by::address_cap || answer.why == decided_by::address_rate)
        answer.text = name_of(key);
    return answer;
}

PORTUNUS_DECL bool admission_state::release(const flat_address& key) noexcept {
    std::list<waiter> called; // destroyed after the lock is given back: nobody knows what they own
    const std::lock_guard lock(mutex_);
    if (tracking()) {
        const auto found = table_.find(key);
        if (found == table_.end() || found->second.open == 0) return false;
        if (--found->second.open == 0) leave(found);
    } else if (counts_.open == 0) {
        return false;
    }
    --counts_.open;
    wake(called);
    return true;
}

PORTUNUS_DECL std::uint64_t admission_state::notify_when_free(std::function<void()> notify) {
    const std::lock_guard lock(mutex_);
    if (counts_.open < options_.max_connections) return 0;
    waiting_.push_back({last_waiting_ + 1, std::move(notify)});
    return ++last_waiting_;
}

PORTUNUS_DECL void admission_state::forget(std::uint64_t number) noexcept {
    std::list<waiter> withdrawn;
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [number](const waiter& w) { return w.number == number; });
    if (found != waiting_.end()) withdrawn.splice(withdrawn.end(), waiting_, found);
}

PORTUNUS_DECL admission_snapshot admission_state::snapshot() const noexcept {
    const std::lock_guard lock(mutex_);
    admission_snapshot now = counts_;
    now.tracked = table_.size();
    return now;
}

PORTUNUS_DECL verdict admission_state::decide(const flat_address& key, time_point now) {
    if (counts_.open >= options_.max_connections) {
        ++counts_.refused_total_cap;
        const refusal mode = options_.full == when_full::close ? refusal::close : refusal::reset;
        return refuse(decided_by::total_cap, mode, counts_.open, options_.max_connections);
    }
    if (tracking()) {
        expire(now);
        const auto found = table_.find(key);
        const bool known = found != table_.end();
        const std::size_t open = known ? found->second.open : 0;
        if (options_.max_per_address != 0 && open >= options_.max_per_address) {
            ++counts_.refused_address_cap;
            return refuse(decided_by::address_cap, options_.refuse_with, open, options_.max_per_address);
        }
        time_point full_at = now;
        if (options_.rate != 0) {
            full_at = (known ? std::max(now, found->second.full_at) : now) + spacing_;
            if (full_at - now > tolerance_) {
                ++counts_.refused_address_rate;
                return refuse(decided_by::address_rate, options_.refuse_with, options_.rate,
                              static_cast<std::uint64_t>(options_.rate_interval.count()));
            }
        }
        enter(found, key, full_at);
    }
    ++counts_.admitted;
    ++counts_.open;
    counts_.most_open = std::max(counts_.most_open, counts_.open);
    return {true, decided_by::room, refusal::reset, counts_.open, options_.max_connections, {}};
}

PORTUNUS_DECL void admission_state::enter(table::iterator found, const flat_address& key,
                                          time_point full_at) {
    if (found == table_.end()) {
        present_.push_back(key);
        try {
            found = table_.emplace(key, tracked{}).first;
        } catch (...) {
            present_.pop_back();
            throw;
        }
        found->second.place = std::prev(present_.end());
    } else if (found->second.open == 0) {
        present_.splice(present_.end(), gone_, found->second.place);
    }
    ++found->second.open;
    found->second.full_at = full_at;
}

PORTUNUS_DECL void admission_state::leave(table::iterator found) noexcept {
    if (options_.rate == 0) {
        present_.erase(found->second.place);
        table_.erase(found);
        return;
    }
    gone_.splice(gone_.end(), present_, found->second.place);
    if (gone_.size() > options_.max_remembered) {
        drop_oldest();
        ++counts_.forgotten;
    }
}

PORTUNUS_DECL void admission_state::expire(time_point now) noexcept {
    for (int looks = 0; looks < 2 && !gone_.empty(); ++looks) {
        if (table_.find(gone_.front())->second.full_at > now) return;
        drop_oldest();
    }
}

PORTUNUS_DECL void admission_state::wake(std::list<waiter>& called) noexcept {
    for (auto next = waiting_.begin(); next != waiting_.end();) {
        const auto one = next++;
        try {
            one->notify();
            called.splice(called.end(), waiting_, one);
        } catch (...) { // it could not be told (no memory, most likely): the next free place tries again
        }
    }
}

PORTUNUS_DECL std::shared_ptr<const std::string>
admission_state::name_of(const flat_address& key) const noexcept {
    try {
        std::string name = to_string(key);
        if (key.is_v6 && options_.v6_prefix != 128 && !is_link_local(key))
            name.append("/").append(std::to_string(options_.v6_prefix));
        return std::make_shared<const std::string>(std::move(name));
    } catch (...) { // the refusal stands without a name
        return nullptr;
    }
}

} // namespace portunus::policy_detail

#endif
