// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_DATAGRAM_POOL_HPP
#define PORTUNUS_NET_DETAIL_DATAGRAM_POOL_HPP

#include <portunus/net/datagram.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace portunus::detail {

class datagram_pool;

/// A datagram that several hold; its bytes lie behind it. Counted without atomics: of one context.
struct datagram_block {
    datagram_pool* pool;
    std::size_t uses;
    std::size_t kind;
    datagram_block* next; // of those that nobody uses
    datagram about;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
};
using datagram_pointer = boost::intrusive_ptr<datagram_block>;

/// Memory for datagrams, in blocks of a few sizes. What comes back is kept for the next ones, up to a limit.
/// It lives until its owner and the last block have gone.
class datagram_pool {
  public:
    /// `keep`: how many bytes of blocks that nobody uses are kept.
    explicit datagram_pool(std::size_t keep) noexcept : keep_(keep) {}
    datagram_pool(const datagram_pool&) = delete;
    datagram_pool& operator=(const datagram_pool&) = delete;

    datagram_pointer copy(const datagram& d) {
        const std::size_t kind = kind_of(d.bytes.size());
        datagram_block* block = free_[kind];
        if (block) {
            free_[kind] = block->next;
            kept_ -= size_of(kind);
        } else {
            block = new (::operator new(sizeof(datagram_block) + size_of(kind))) datagram_block{};
            block->pool = this;
            block->kind = kind;
        }
        ++used_;
        block->about = d;
        if (!d.bytes.empty()) std::memcpy(block->bytes(), d.bytes.data(), d.bytes.size());
        block->about.bytes = {block->bytes(), d.bytes.size()};
        return block;
    }

    void take_back(datagram_block* block) noexcept {
        --used_;
        if (!abandoned_ && kept_ + size_of(block->kind) <= keep_) {
            kept_ += size_of(block->kind);
            block->next = free_[block->kind];
            free_[block->kind] = block;
            return;
        }
        ::operator delete(block);
        if (abandoned_ && used_ == 0) delete this;
    }

    /// How many bytes wait for their next use.
    std::size_t kept() const noexcept { return kept_; }

    /// The owner goes. To be held in a `std::unique_ptr<datagram_pool, datagram_pool::leave>`.
    struct leave {
        void operator()(datagram_pool* pool) const noexcept {
            pool->free_all();
            pool->abandoned_ = true;
            if (pool->used_ == 0) delete pool;
        }
    };

  private:
    static constexpr std::size_t smallest = 256, kinds = 9; // to 65536
    static constexpr std::size_t size_of(std::size_t kind) noexcept { return smallest << kind; }
    static std::size_t kind_of(std::size_t size) noexcept {
        std::size_t kind = 0;
        while (size_of(kind) < size) ++kind;
        return kind;
    }

    ~datagram_pool() = default;
    void free_all() noexcept {
        for (datagram_block*& first : free_)
            while (datagram_block* block = first) {
                first = block->next;
                ::operator delete(block);
            }
        kept_ = 0;
    }

    std::array<datagram_block*, kinds> free_{};
    std::size_t keep_;
    std::size_t kept_ = 0;
    std::size_t used_ = 0;
    bool abandoned_ = false;
};

inline void intrusive_ptr_add_ref(datagram_block* block) noexcept {
    ++block->uses;
}
inline void intrusive_ptr_release(datagram_block* block) noexcept {
    if (--block->uses == 0) block->pool->take_back(block);
}

} // namespace portunus::detail

#endif
