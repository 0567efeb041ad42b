// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_EVENT_MAILBOX_HPP
#define PORTUNUS_HTTP_DETAIL_EVENT_MAILBOX_HPP

#include <portunus/core/detail/event.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace portunus::http {

/// What happens to a client whose queue is full.
enum class slow_client : std::uint8_t {
    loses_oldest, ///< the event that has waited longest is dropped: for states, of which the last one counts
    disconnected, ///< its stream ends; the page connects again and asks for all of it: for changes
};

namespace detail {

/// Texts on their way to one client: put in by any thread, taken by the coroutine that sends them. The text
/// of an event is shared by all who get it.
///
/// What the reader waits on belongs to its context and is destroyed there; the mailbox only knows of it.
class event_mailbox : public std::enable_shared_from_this<event_mailbox> {
  public:
    using text = std::shared_ptr<const std::string>;

    event_mailbox(std::size_t capacity, slow_client when_full) noexcept
        : capacity_(capacity), when_full_(when_full) {}

    enum class outcome : std::uint8_t { queued, dropped_one, disconnected, closed };

    outcome put(text t) {
        const std::lock_guard guard(lock_);
        if (closed_) return outcome::closed;
        outcome what = outcome::queued;
        if (waiting_.size() == capacity_) {
            ++dropped_;
            if (when_full_ == slow_client::disconnected) {
                dropped_ += waiting_.size();
                waiting_.clear();
                closed_ = true;
                wake();
                return outcome::disconnected;
            }
            waiting_.pop_front();
            what = outcome::dropped_one;
        }
        waiting_.push_back(std::move(t));
        wake();
        return what;
    }
    /// What is queued is still sent.
    void close() {
        const std::lock_guard guard(lock_);
        closed_ = true;
        wake();
    }
    bool closed() const {
        const std::lock_guard guard(lock_);
        return closed_;
    }
    std::uint64_t dropped() const {
        const std::lock_guard guard(lock_);
        return dropped_;
    }

    // the reader, on its context

    /// What it waits on; there is one reader.
    std::shared_ptr<portunus::detail::event> attach(boost::asio::any_io_executor executor) {
        auto reader = std::make_shared<portunus::detail::event>(executor);
        const std::lock_guard guard(lock_);
        executor_ = std::move(executor);
        reader_ = reader;
        return reader;
    }
    /// Appends what waits, as long as `out` is below `enough` bytes. False: there was nothing, and nothing
    /// comes any more.
    bool take(std::string& out, std::size_t enough) {
        const std::lock_guard guard(lock_);
        if (waiting_.empty()) return !closed_;
        while (!waiting_.empty() && out.size() < enough) {
            out.append(*waiting_.front());
            waiting_.pop_front();
        }
        return true;
    }
    bool empty() const {
        const std::lock_guard guard(lock_);
        return waiting_.empty();
    }

  private:
    /// One post for all that comes until the reader has its turn.
    void wake() {
        if (posted_ || reader_.expired()) return;
        posted_ = true;
        boost::asio::post(executor_, [self = shared_from_this()] {
            std::unique_lock guard(self->lock_);
            self->posted_ = false;
            const auto reader = self->reader_.lock();
            guard.unlock();
            if (reader) reader->notify();
        });
    }

    mutable std::mutex lock_;
    boost::asio::any_io_executor executor_;
    std::deque<text> waiting_;
    std::weak_ptr<portunus::detail::event> reader_;
    std::size_t capacity_;
    std::uint64_t dropped_ = 0;
    slow_client when_full_;
    bool closed_ = false;
    bool posted_ = false;
};

} // namespace detail
} // namespace portunus::http

#endif
