// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_SLOT_TABLE_HPP
#define PORTUNUS_ADAPTERS_DETAIL_SLOT_TABLE_HPP

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace portunus::detail {

/// What a slot holds beside its content. The content derives from it.
struct slot_base {
    std::mutex mutex;             ///< guards the generation, and what the content says it guards
    std::uint32_t generation = 1; ///< of the handle that names this slot now, or will next
    std::uint32_t index = 0;
    bool used = false; ///< guarded by `mutex`
};

/// Where handles lead. Slots are never moved and never freed before the table is, so that a handle of any age
/// may be asked for on any thread: the slot's own mutex and generation decide. Looking up takes no lock of
/// the table.
///
/// A slot whose generations are used up is not used again, so that a handle never comes to name another
/// thing.
template <class Slot, class Handle>
class slot_table {
  public:
    /// A slot that is locked, or nothing.
    class locked {
      public:
        locked() noexcept = default;
        explicit locked(Slot& slot) : slot_(&slot), lock_(slot.mutex) {}
        explicit operator bool() const noexcept { return slot_ != nullptr; }
        Slot* operator->() const noexcept { return slot_; }
        Slot& operator*() const noexcept { return *slot_; }
        void unlock() { lock_.unlock(); }

      private:
        template <class, class>
        friend class slot_table;
        Slot* slot_ = nullptr;
        std::unique_lock<std::mutex> lock_;
    };

    explicit slot_table(std::uint32_t capacity) : capacity_(capacity) {}
    slot_table(const slot_table&) = delete;
    slot_table& operator=(const slot_table&) = delete;

    /// A free slot, now in use and named by `handle_of`; null when all are taken.
    Slot* acquire() {
        Slot* slot = nullptr;
        {
            const std::lock_guard lock(mutex_);
            if (!free_.empty()) {
                slot = at(free_.back());
                free_.pop_back();
            } else if (const auto next = size_.load(std::memory_order_relaxed); next < capacity_) {
                auto& chunk = chunks_[chunk_of(next)];
                if (!chunk) chunk = std::make_unique<Slot[]>(chunk_size(chunk_of(next)));
                free_.reserve(next + 1); // giving a slot back never fails
                slot = &chunk[place_in_chunk(next)];
                slot->index = next;
                size_.store(next + 1, std::memory_order_release);
            } else {
                return nullptr;
            }
            ++used_;
        }
        const std::lock_guard lock(slot->mutex);
        slot->used = true;
        return slot;
    }

    /// Gives a slot back; its handle is stale from now on. Called with its mutex held.
    void release(Slot& slot) noexcept {
        slot.used = false;
        const bool last = slot.generation == std::numeric_limits<std::uint32_t>::max();
        if (!last) ++slot.generation;
        const std::lock_guard lock(mutex_);
        --used_;
        if (!last) free_.push_back(slot.index);
    }

    /// The slot that this handle names, locked; nothing when there is none any more.
    locked lock(Handle handle) noexcept {
        if (handle.index >= size_.load(std::memory_order_acquire)) return {};
        locked found(*at(handle.index));
        if (!found->used || found->generation != handle.generation) return {};
        return found;
    }

    static Handle handle_of(const Slot& slot) noexcept { return {slot.index, slot.generation}; }

    /// Every slot that there ever was, used or not, unlocked.
    template <class Action>
    void each(Action action) {
        const auto end = size_.load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i < end; ++i) action(*at(i));
    }

    std::size_t used() const {
        const std::lock_guard lock(mutex_);
        return used_;
    }
    std::uint32_t capacity() const noexcept { return capacity_; }

  private:
    // Chunks of 16, 32, 64, ...: few slots cost little, and none of them ever moves.
    static constexpr std::uint32_t first = 16;
    static constexpr std::size_t chunk_of(std::uint32_t index) noexcept {
        return static_cast<std::size_t>(std::bit_width((std::uint64_t(index) + first) / first)) - 1;
    }
    static constexpr std::size_t chunk_size(std::size_t chunk) noexcept {
        return std::size_t(first) << chunk;
    }
    static constexpr std::size_t place_in_chunk(std::uint32_t index) noexcept {
        return static_cast<std::size_t>(std::uint64_t(index) + first -
                                        (std::uint64_t(first) << chunk_of(index)));
    }
    Slot* at(std::uint32_t index) noexcept { return &chunks_[chunk_of(index)][place_in_chunk(index)]; }

    const std::uint32_t capacity_;
    std::atomic<std::uint32_t> size_{0}; // published after the chunk that it reaches into
    std::array<std::unique_ptr<Slot[]>, 29> chunks_;
    mutable std::mutex mutex_; // guards what follows, and the making of chunks; innermost
    std::vector<std::uint32_t> free_;
    std::size_t used_ = 0;
};

} // namespace portunus::detail

#endif
