// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_THROTTLE_TABLE_HPP
#define PORTUNUS_CHANNEL_DETAIL_THROTTLE_TABLE_HPP

#include <portunus/core/error.hpp>
#include <portunus/policy/detail/flat_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <type_traits>

namespace portunus {

struct auth_throttle_options {
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    std::uint32_t free = 5;                ///< wrong keys that cost nothing, up to 1000
    std::chrono::milliseconds first{1000}; ///< the wait after the next one, 1 ms up to `cap`
    std::chrono::milliseconds cap{60'000}; ///< where doubling stops, at most 24 h
    /// In which time one wrong key is forgiven, 1 s to 24 h.
    std::chrono::milliseconds forgive_after{60'000};
    std::uint32_t at_once = 32;           ///< attempts of one address that may run side by side, at least 1
    std::size_t most_remembered = 16'384; ///< addresses, each about 200 bytes; at least 1
};
static_assert(std::is_trivially_destructible_v<auth_throttle_options>);

struct auth_throttle_snapshot {
    std::size_t tracked = 0; ///< addresses in the table now
    std::uint64_t wrong = 0;
    std::uint64_t slowed = 0;    ///< attempts that were told to wait
    std::uint64_t forgotten = 0; ///< addresses that had to make room for others
};

namespace detail {

/// What the handles and attempts of one throttle share.
class throttle_table {
  public:
    using time_point = auth_throttle_options::time_point;
    using duration = auth_throttle_options::duration;
    using address = policy_detail::flat_address;

    explicit throttle_table(const auth_throttle_options& o) : options_(o) {
        using namespace std::chrono_literals;
        const auto check = [](bool good, const char* name, const char* range) {
            if (!good)
                throw failure(error(errc::invalid_option,
                                    std::string("auth_throttle_options::") + name + " may be " + range));
        };
        check(o.free <= 1000, "free", "0 to 1000");
        check(o.first >= 1ms && o.first <= o.cap, "first", "1 ms up to cap");
        check(o.cap <= 24h, "cap", "first up to 24 h");
        check(o.forgive_after >= 1s && o.forgive_after <= 24h, "forgive_after", "1 s to 24 h");
        check(o.at_once >= 1, "at_once", "1 or more");
        check(o.most_remembered >= 1, "most_remembered", "1 or more");
    }

    static address key_of(const boost::asio::ip::address& peer) noexcept {
        const address key = policy_detail::flatten(peer);
        const bool link_local = key.bits.high >> 54 == 0xfe80U >> 6;
        return key.is_v6 && !link_local ? policy_detail::with_host_bits(key, 64, false) : key;
    }

    /// Nothing: it may try, and is counted as trying. Else how long to wait.
    duration enter(const address& key, time_point now) {
        const std::lock_guard lock(mutex_);
        auto found = table_.find(key);
        if (found == table_.end()) {
            if (table_.size() >= options_.most_remembered) forget_oldest();
            heard_.push_back(key);
            try {
                found = table_.emplace(key, entry{}).first;
            } catch (...) {
                heard_.pop_back();
                throw;
            }
            found->second.place = std::prev(heard_.end());
        }
        entry& e = found->second;
        heard_.splice(heard_.end(), heard_, e.place);
        forgive(e, now);
        duration wait{};
        if (now < e.not_before)
            wait = e.not_before - now;
        else if (e.trying >= (e.wrong > options_.free ? 1 : options_.at_once))
            wait = options_.first;
        if (wait > wait.zero())
            ++counts_.slowed;
        else
            ++e.trying;
        return wait;
    }

    /// The attempt ended without a verdict, or with a good one.
    void leave(const address& key) noexcept {
        const std::lock_guard lock(mutex_);
        const auto found = table_.find(key);
        if (found == table_.end() || found->second.trying == 0) return;
        if (--found->second.trying == 0 && found->second.wrong == 0) erase(found);
    }

    void wrong(const address& key, time_point now) noexcept {
        const std::lock_guard lock(mutex_);
        ++counts_.wrong;
        const auto found = table_.find(key);
        if (found == table_.end()) return; // had to make room
        entry& e = found->second;
        if (e.trying != 0) --e.trying;
        forgive(e, now);
        if (e.wrong == 0) e.forgiven_at = now;
        e.wrong = std::min(e.wrong + 1, options_.free + 64);
        if (e.wrong > options_.free)
            e.not_before = std::max(e.not_before, now + delay(e.wrong - options_.free));
    }

    auth_throttle_snapshot snapshot() const noexcept {
        const std::lock_guard lock(mutex_);
        auth_throttle_snapshot now = counts_;
        now.tracked = table_.size();
        return now;
    }

  private:
    struct entry {
        std::uint32_t wrong = 0;  ///< keys that are not forgiven yet
        std::uint32_t trying = 0; ///< attempts without a verdict
        time_point forgiven_at{}; ///< up to when time has forgiven
        time_point not_before{};
        std::list<address>::iterator place{};
    };
    using table = std::map<address, entry>;

    duration delay(std::uint32_t beyond) const noexcept {
        std::chrono::milliseconds d = options_.first;
        for (std::uint32_t i = 1; i < beyond && d < options_.cap; ++i) d *= 2;
        return std::min(d, options_.cap);
    }

    void forgive(entry& e, time_point now) const noexcept {
        if (e.wrong == 0 || now <= e.forgiven_at) return;
        const auto times = (now - e.forgiven_at) / options_.forgive_after;
        if (times >= e.wrong) {
            e.wrong = 0;
            return;
        }
        e.wrong -= static_cast<std::uint32_t>(times);
        e.forgiven_at += times * options_.forgive_after;
    }

    void erase(table::iterator at) noexcept {
        heard_.erase(at->second.place);
        table_.erase(at);
    }
    void forget_oldest() noexcept {
        erase(table_.find(heard_.front()));
        ++counts_.forgotten;
    }

    const auth_throttle_options options_;
    mutable std::mutex mutex_;
    auth_throttle_snapshot counts_;
    table table_;
    std::list<address> heard_; ///< the one that was heard least recently first
};

} // namespace detail
} // namespace portunus

#endif
