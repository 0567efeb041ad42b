// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_MAILBOX_HPP
#define PORTUNUS_ADAPTERS_DETAIL_MAILBOX_HPP

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace portunus::detail {

/// Something that can have news: a connection, a socket, the plugin itself. What the news are, it keeps
/// itself and bounds itself; the mailbox only knows whose turn it is.
struct mail_source {
    enum class kind : std::uint8_t { host, connection, datagrams, page };

    explicit mail_source(kind k) noexcept : what(k) {}
    mail_source(const mail_source&) = delete;
    mail_source& operator=(const mail_source&) = delete;

    const kind what;

  private:
    friend class mailbox;
    mail_source* next_ = nullptr; // guarded by the mailbox, as the next one
    bool queued_ = false;
};

/// Who has news, in the order of coming, each at most once: so it allocates nothing and is as bounded as the
/// number of sources. One consumer, any number of producers. Sources outlive it, or are never removed.
class mailbox {
  public:
    /// Queues `source` unless it is queued already. Wakes the consumer when it sleeps. True when the box was
    /// empty: for a consumer that is called and does not wait.
    bool push(mail_source& source) {
        const std::lock_guard lock(mutex_);
        if (source.queued_) return false;
        source.queued_ = true;
        source.next_ = nullptr;
        const bool was_empty = !first_;
        (first_ ? last_->next_ : first_) = &source;
        last_ = &source;
        if (asleep_ && !held_) changed_.notify_one();
        return was_empty && !held_;
    }

    /// The next source, which may be queued again from now on; null when there is none, or the box is held.
    mail_source* pop() {
        const std::lock_guard lock(mutex_);
        return held_ ? nullptr : take();
    }

    /// The same, waiting for one. Null after `interrupt`.
    mail_source* wait() {
        std::unique_lock lock(mutex_);
        while (!interrupted_ && (held_ || !first_)) {
            asleep_ = true;
            changed_.wait(lock);
            asleep_ = false;
        }
        return interrupted_ ? nullptr : take();
    }

    /// While held, nothing comes out; what is pushed is kept. True when there is something to be fetched now.
    bool hold(bool on) {
        const std::lock_guard lock(mutex_);
        held_ = on;
        if (!on && asleep_) changed_.notify_one();
        return !on && first_;
    }

    /// Ends the waiting, now and for ever.
    void interrupt() {
        const std::lock_guard lock(mutex_);
        interrupted_ = true;
        changed_.notify_one();
    }

  private:
    mail_source* take() noexcept {
        mail_source* const source = first_;
        if (!source) return nullptr;
        first_ = source->next_;
        source->next_ = nullptr;
        source->queued_ = false;
        return source;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    mail_source* first_ = nullptr;
    mail_source* last_ = nullptr;
    bool asleep_ = false;
    bool held_ = false;
    bool interrupted_ = false;
};

} // namespace portunus::detail

#endif
