// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_DETAIL_TLS_BUFFER_HPP
#define PORTUNUS_CRYPTO_DETAIL_TLS_BUFFER_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace portunus::detail {

/// Bytes in one block of memory: written at the end, used from the front, bounded. Nothing is allocated
/// before it is needed.
class tls_buffer {
  public:
    tls_buffer(std::size_t first, std::size_t most) noexcept : first_(first), most_(most) {}

    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    std::size_t room() const noexcept { return most_ - size(); }
    std::string_view view() const noexcept { return {memory_.get() + begin_, size()}; }

    /// Space for `least` bytes at the end, or for as much as the bound allows.
    std::span<char> prepare(std::size_t least) {
        least = std::min(least, room());
        if (capacity_ - end_ < least && begin_ != 0) {
            std::memmove(memory_.get(), memory_.get() + begin_, size());
            end_ = size();
            begin_ = 0;
        }
        if (capacity_ - end_ < least) {
            const std::size_t wanted = std::min(most_, std::max({first_, capacity_ * 2, end_ + least}));
            std::unique_ptr<char[]> larger(new char[wanted]);
            if (end_ != 0) std::memcpy(larger.get(), memory_.get(), end_);
            memory_ = std::move(larger);
            capacity_ = wanted;
        }
        return {memory_.get() + end_, capacity_ - end_};
    }
    void commit(std::size_t n) noexcept { end_ += n; }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    std::size_t capacity() const noexcept { return capacity_; }
    void release() noexcept {
        if (!empty()) return;
        memory_.reset();
        capacity_ = 0;
    }

  private:
    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t first_;
    std::size_t most_;
};

} // namespace portunus::detail

#endif
