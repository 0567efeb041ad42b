// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_BYTE_BLOCK_HPP
#define PORTUNUS_ADAPTERS_DETAIL_BYTE_BLOCK_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace portunus::detail {

/// Bytes in one piece of memory that changes hands: written at the end by one thread, swapped under a lock,
/// read from the front by another. The memory is not initialised and stays when the block is emptied.
class byte_block {
  public:
    bool empty() const noexcept { return begin_ == end_; }
    std::size_t size() const noexcept { return end_ - begin_; }
    std::size_t capacity() const noexcept { return capacity_; }
    std::string_view view() const noexcept { return {memory_.get() + begin_, size()}; }

    /// Room for `n` more bytes at the end; there may be more, see `room`.
    char* prepare(std::size_t n) {
        if (capacity_ - end_ < n) grow(n);
        return memory_.get() + end_;
    }
    std::size_t room() const noexcept { return capacity_ - end_; }
    void commit(std::size_t n) noexcept { end_ += n; }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
        commit(bytes.size());
    }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    void clear() noexcept { begin_ = end_ = 0; }
    void release() noexcept {
        memory_.reset();
        begin_ = end_ = capacity_ = 0;
    }
    void swap(byte_block& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(capacity_, other.capacity_);
    }

  private:
    [[gnu::noinline]] void grow(std::size_t n) {
        const std::size_t kept = size();
        if (capacity_ - kept >= n && begin_ >= kept) {
            std::memcpy(memory_.get(), memory_.get() + begin_, kept);
        } else {
            const std::size_t wanted = std::max({std::size_t{4096}, 2 * capacity_, kept + n});
            std::unique_ptr<char[]> larger(new char[wanted]);
            if (kept != 0) std::memcpy(larger.get(), memory_.get() + begin_, kept);
            memory_ = std::move(larger);
            capacity_ = wanted;
        }
        begin_ = 0;
        end_ = kept;
    }

    std::unique_ptr<char[]> memory_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

} // namespace portunus::detail

#endif
