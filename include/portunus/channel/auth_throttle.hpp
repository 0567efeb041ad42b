// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_THROTTLE_HPP
#define PORTUNUS_CHANNEL_AUTH_THROTTLE_HPP

#include <portunus/channel/detail/throttle_table.hpp>

#include <boost/asio/ip/address.hpp>

#include <memory>
#include <utility>

namespace portunus {

/// One attempt to authenticate that was let through. Tell it how the attempt ended; one that is destroyed
/// without was abandoned, and counts neither way. An empty one does nothing. Movable; may outlive its
/// throttle.
class auth_attempt {
  public:
    using time_point = auth_throttle_options::time_point;

    auth_attempt() noexcept = default;
    auth_attempt(auth_attempt&& other) noexcept : table_(std::move(other.table_)), key_(other.key_) {}
    auth_attempt& operator=(auth_attempt&& other) noexcept {
        if (this != &other) {
            abandon();
            table_ = std::move(other.table_);
            key_ = other.key_;
        }
        return *this;
    }
    ~auth_attempt() { abandon(); }

    explicit operator bool() const noexcept { return table_ != nullptr; }

    void right(time_point) noexcept { abandon(); }
    void wrong(time_point now) noexcept {
        if (const auto table = std::exchange(table_, nullptr)) table->wrong(key_, now);
    }
    void abandon() noexcept {
        if (const auto table = std::exchange(table_, nullptr)) table->leave(key_);
    }

  private:
    friend class auth_throttle;
    auth_attempt(std::shared_ptr<detail::throttle_table> table,
                 const policy_detail::flat_address& key) noexcept
        : table_(std::move(table)), key_(key) {}

    std::shared_ptr<detail::throttle_table> table_;
    policy_detail::flat_address key_{};
};

/// An attempt, or how long there will be none.
struct auth_admission {
    auth_attempt attempt;
    auth_throttle_options::duration wait{};
};

/// Makes guessing slow: counts the wrong keys of each address, and lets an address that has too many wait,
/// twice as long after each further one.
///
///     auth_throttle house;                                     // one for all connections of a server
///     auto told = house.begin(peer, now);
///     if (!told.attempt) refuse("come back in", told.wait);
///     ...  told.attempt.wrong(now);
///
/// - A right key forgives nothing, or whoever has one account could guess at others for ever. Time forgives:
///   one wrong key each `forgive_after`.
/// - Attempts that run side by side are bounded as well (`at_once`, and one at a time for an address that has
///   to wait now and then), or ten thousand connections would make ten thousand guesses before the first is
///   counted.
/// - Peers behind one address share its fate. Where a site of many devices has one address, raise `free`.
/// - The table is bounded. When it is full, the address that was heard least recently is forgotten, and
///   nobody is refused because of it: whoever has that many addresses is not slowed down by any one of them.
///   It is a balanced tree, so there is no choice of addresses that makes it slow.
///
/// Addresses are normalised, and those of IPv6 counted by their /64 (link-local ones one by one). Copies are
/// handles of the same table, which may be used from any thread: one mutex, held for the time of a look-up.
class auth_throttle {
  public:
    using time_point = auth_throttle_options::time_point;

    /// Throws `failure` with `errc::invalid_option` for an option out of its range.
    explicit auth_throttle(const auth_throttle_options& options = {})
        : table_(std::make_shared<detail::throttle_table>(options)) {}

    /// Somebody wants to try.
    auth_admission begin(const boost::asio::ip::address& peer, time_point now) {
        const policy_detail::flat_address key = detail::throttle_table::key_of(peer);
        const auto wait = table_->enter(key, now);
        if (wait > wait.zero()) return {{}, wait};
        return {auth_attempt(table_, key), wait};
    }

    auth_throttle_snapshot snapshot() const noexcept { return table_->snapshot(); }

  private:
    std::shared_ptr<detail::throttle_table> table_;
};

} // namespace portunus

#endif
