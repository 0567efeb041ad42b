// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_UNHANDLED_BUFFER_HPP
#define PORTUNUS_CHANNEL_UNHANDLED_BUFFER_HPP

#include <portunus/channel/message.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace portunus {

struct unhandled_limits {
    std::size_t most_messages = 64;
    /// Of the messages' data together, with 64 bytes a message for the rest.
    std::size_t most_bytes = std::size_t{256} * 1024;
};

/// Messages that no handler wanted, kept until somebody calls `receive`. Rows S-15 and S-18.
///
/// Bounded by number and by bytes. When there is no room the oldest are dropped and counted: whoever asks
/// late wants what is new, and a peer that sends what nobody asks for must not stop the rest. A message that
/// is larger than the whole buffer is dropped itself. A plain value for one thread.
class unhandled_buffer {
  public:
    explicit unhandled_buffer(const unhandled_limits& limits = {}) : limits_(limits) {}

    /// Keeps a copy. Returns whether it was kept; only then may older ones have been dropped for it.
    bool put(const message_view& m) {
        const std::size_t size = size_of(m.data.size());
        if (limits_.most_messages == 0 || size > limits_.most_bytes) {
            ++dropped_;
            return false;
        }
        message kept(m);
        while (kept_.size() >= limits_.most_messages || bytes_ > limits_.most_bytes - size) drop_oldest();
        kept_.push_back(std::move(kept));
        bytes_ += size;
        return true;
    }

    /// The oldest with these numbers, or nothing.
    std::optional<message> take(service_id service, data_id id) {
        for (auto at = kept_.begin(); at != kept_.end(); ++at) {
            if (at->service != service || at->id != id) continue;
            message found = std::move(*at);
            kept_.erase(at);
            bytes_ -= size_of(found.data.size());
            return found;
        }
        return std::nullopt;
    }

    /// Forgets all, as for a new connection; they are not counted as dropped.
    void clear() noexcept {
        kept_.clear();
        bytes_ = 0;
    }

    std::size_t size() const noexcept { return kept_.size(); }
    std::size_t bytes() const noexcept { return bytes_; }
    std::uint64_t dropped() const noexcept { return dropped_; }

  private:
    static constexpr std::size_t size_of(std::size_t data) noexcept { return data + 64; }

    void drop_oldest() noexcept {
        bytes_ -= size_of(kept_.front().data.size());
        kept_.pop_front();
        ++dropped_;
    }

    std::deque<message> kept_;
    unhandled_limits limits_;
    std::size_t bytes_ = 0;
    std::uint64_t dropped_ = 0;
};

} // namespace portunus

#endif
