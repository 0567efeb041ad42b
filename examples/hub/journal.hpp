// SPDX-License-Identifier: BSL-1.0
// What passes through the hub, for whoever watches it live.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace hub {

/// A message that passed.
struct passage {
    std::string port;
    std::string peer;
    bool from_us = false;
    std::uint64_t at_ms = 0; ///< since 1970, UTC
    std::string text;        ///< at most `journal::longest` bytes of it
};

/// Tells a watcher of some of the messages: while nobody watches nothing is written down, and under load most
/// of them are left out, so that watching a busy hub does not slow it down. From any thread.
class journal {
  public:
    static constexpr std::size_t longest = 200;
    static constexpr unsigned most_a_second = 40;

    /// `tell` gets a message, `left_out` the number of those that were not told in the second before. Both
    /// are called on the thread of the message. Set before the first message.
    void tell(std::function<void(const passage&)> tell, std::function<void(std::uint64_t)> left_out) {
        tell_ = std::move(tell);
        left_out_ = std::move(left_out);
    }
    void watched(bool by_somebody) noexcept { watched_.store(by_somebody, std::memory_order_relaxed); }

    void note(std::string_view port, std::string_view peer, bool from_us, std::string_view text) {
        if (watched_.load(std::memory_order_relaxed)) write_down(port, peer, from_us, text);
    }

  private:
    void write_down(std::string_view port, std::string_view peer, bool from_us, std::string_view text);

    std::atomic<bool> watched_{false};
    std::function<void(const passage&)> tell_;
    std::function<void(std::uint64_t)> left_out_;
    std::mutex mutex_;
    std::chrono::steady_clock::time_point second_{};
    unsigned told_ = 0;
    std::uint64_t skipped_ = 0;
};

} // namespace hub
