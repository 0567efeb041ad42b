// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_KEYED_QUEUES_HPP
#define PORTUNUS_CHANNEL_DETAIL_KEYED_QUEUES_HPP

#include <portunus/channel/message.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus::detail {

constexpr std::uint64_t message_key(service_id service, data_id id) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(service)} << 32 | static_cast<std::uint32_t>(id);
}
constexpr service_id service_of(std::uint64_t key) noexcept {
    return static_cast<service_id>(static_cast<std::uint32_t>(key >> 32));
}
constexpr data_id data_of(std::uint64_t key) noexcept {
    return static_cast<data_id>(static_cast<std::uint32_t>(key));
}

/// Numbers that differ little become places that differ much (the finaliser of MurmurHash3).
constexpr std::size_t scatter(std::uint64_t key) noexcept {
    key ^= key >> 33;
    key *= 0xFF51AFD7ED558CCDU;
    key ^= key >> 33;
    return static_cast<std::size_t>(key);
}

/// First-in first-out queues, one for each key that has something in it, in one pool with a bound.
///
/// Everything is O(1). The pool begins empty and doubles; once it has its size, nothing allocates. A value
/// keeps its index until it is erased; references to values are good until the next `push`.
template <class T>
class keyed_queues {
    static_assert(std::is_nothrow_move_constructible_v<T>);

  public:
    static constexpr std::uint32_t none = 0xFFFFFFFF;

    explicit keyed_queues(std::size_t most) noexcept
        : most_(most < none / 4 ? static_cast<std::uint32_t>(most) : none / 4) {}

    std::size_t size() const noexcept { return size_; }
    bool full() const noexcept { return size_ == most_; }

    /// Appends to the queue of `key`. `none` when the pool is full: then `value` is as it was.
    std::uint32_t push(std::uint64_t key, T&& value) {
        if (full()) return none;
        if (free_ == none) grow();
        const std::uint32_t at = free_;
        slot& s = slots_[at];
        s.value.emplace(std::move(value));
        free_ = s.after;
        s.key = key;
        s.after = none;
        queue& q = index_[place_for(key)];
        if (q.head == none) {
            q = {key, at, at};
            s.before = none;
        } else {
            s.before = q.tail;
            slots_[q.tail].after = at;
            q.tail = at;
        }
        ++size_;
        return at;
    }

    /// The oldest of the queue, or `none`.
    std::uint32_t front(std::uint64_t key) const noexcept {
        return index_.empty() ? none : index_[place_for(key)].head;
    }
    std::uint32_t after(std::uint32_t at) const noexcept { return slots_[at].after; }
    std::uint32_t before(std::uint32_t at) const noexcept { return slots_[at].before; }
    std::uint64_t key_of(std::uint32_t at) const noexcept { return slots_[at].key; }
    bool holds(std::uint32_t at) const noexcept { return at < slots_.size() && slots_[at].value.has_value(); }

    T& operator[](std::uint32_t at) noexcept { return *slots_[at].value; }
    const T& operator[](std::uint32_t at) const noexcept { return *slots_[at].value; }

    /// Takes it out, wherever in its queue it stands.
    T erase(std::uint32_t at) noexcept {
        slot& s = slots_[at];
        const std::size_t place = place_for(s.key);
        queue& q = index_[place];
        (s.before == none ? q.head : slots_[s.before].after) = s.after;
        (s.after == none ? q.tail : slots_[s.after].before) = s.before;
        if (q.head == none) close_gap(place);
        T value = std::move(*s.value);
        s.value.reset();
        s.after = free_;
        free_ = at;
        --size_;
        return value;
    }

  private:
    struct slot {
        std::optional<T> value;
        std::uint64_t key = 0;
        std::uint32_t before = none;
        std::uint32_t after = none; ///< in the list of free slots as well
    };
    struct queue {
        std::uint64_t key = 0;
        std::uint32_t head = none; ///< none: no queue stands here
        std::uint32_t tail = none;
    };

    /// Where the queue of `key` stands or would stand. There is always a free place: at most half are taken.
    std::size_t place_for(std::uint64_t key) const noexcept {
        const std::size_t mask = index_.size() - 1;
        std::size_t at = scatter(key) & mask;
        while (index_[at].head != none && index_[at].key != key) at = (at + 1) & mask;
        return at;
    }

    /// Linear probing without marks for what was erased: those behind move up.
    void close_gap(std::size_t hole) noexcept {
        const std::size_t mask = index_.size() - 1;
        for (std::size_t at = hole;;) {
            at = (at + 1) & mask;
            if (index_[at].head == none) break;
            const std::size_t home = scatter(index_[at].key) & mask;
            if (((at - home) & mask) < ((at - hole) & mask)) continue; // it would stand before its home
            index_[hole] = index_[at];
            hole = at;
        }
        index_[hole] = {};
    }

    void grow() {
        const std::size_t had = slots_.size();
        std::size_t have = had == 0 ? 8 : had * 2;
        std::size_t places = had == 0 ? 16 : index_.size() * 2;
        if (have > most_) have = most_;
        std::vector<queue> wider(places);
        slots_.reserve(have);
        wider.swap(index_); // from here on nothing throws
        for (const queue& q : wider)
            if (q.head != none) index_[place_for(q.key)] = q;
        slots_.resize(have);
        for (std::size_t at = have; at > had; --at) {
            slots_[at - 1].after = free_;
            free_ = static_cast<std::uint32_t>(at - 1);
        }
    }

    std::vector<slot> slots_;
    std::vector<queue> index_; ///< its size is a power of two, and twice that of `slots_` or more
    std::uint32_t most_;
    std::uint32_t size_ = 0;
    std::uint32_t free_ = none;
};

} // namespace portunus::detail

#endif
