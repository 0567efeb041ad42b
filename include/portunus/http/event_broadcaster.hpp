// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_EVENT_BROADCASTER_HPP
#define PORTUNUS_HTTP_EVENT_BROADCASTER_HPP

#include <portunus/core/error.hpp>
#include <portunus/http/detail/event_mailbox.hpp>
#include <portunus/http/events.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace portunus::http {

/// The queue of events for one client; `event_stream` makes a response of it. A handle: copies are the same
/// queue, and all of its functions may be called from any thread. It may outlive its runtime; while that is
/// being destroyed, nobody pushes.
class event_subscription {
  public:
    /// A queue of one's own, without a broadcaster.
    explicit event_subscription(std::size_t capacity = 64, slow_client when_full = slow_client::loses_oldest)
        : box_(std::make_shared<detail::event_mailbox>(capacity, when_full)) {
        if (capacity == 0)
            throw failure(
                error(errc::invalid_option, "event_subscription capacity 0: it has to hold at least 1"));
    }

    /// For this client alone: how things stand, before the changes come. False when the stream has ended.
    bool push(const event& e) {
        const auto what = box_->put(std::make_shared<const std::string>(event_text(e)));
        return what == detail::event_mailbox::outcome::queued ||
               what == detail::event_mailbox::outcome::dropped_one;
    }
    /// Ends the stream behind what is queued.
    void close() { box_->close(); }
    bool closed() const { return box_->closed(); }
    /// Events that this client did not get because its queue was full.
    std::uint64_t dropped() const { return box_->dropped(); }

  private:
    friend class event_broadcaster;
    friend struct event_subscription_access;
    std::shared_ptr<detail::event_mailbox> box_;
};

struct event_broadcaster_options {
    std::size_t capacity{64}; ///< events that may wait for one client, at least 1
    slow_client when_full{slow_client::loses_oldest};
};

struct event_broadcaster_counters {
    std::uint64_t published{0};
    std::uint64_t dropped{0};      ///< events, each for one client
    std::uint64_t disconnected{0}; ///< clients that were too slow
};

/// Tells all who listen. Publishing never waits: each client has a bounded queue of its own, so a slow one
/// holds nobody up but loses events, or its stream (`slow_client`), and is counted.
///
///     event_broadcaster changes;
///     routes.add(verb::get, "/events", [changes](request& r) {
///         event_subscription mine = changes.subscribe();
///         mine.push(event("state", state_as_json()));
///         return event_stream(r, std::move(mine));
///     });
///     ...
///     changes.publish(event("lamp", "{\"on\":true}"));
///
/// A handle: copies are the same broadcaster. From any thread; what is published by one thread arrives in
/// that order. One lock, held for a push into each queue; an event's text is made once and shared. Events
/// that come together leave together.
class event_broadcaster {
  public:
    explicit event_broadcaster(event_broadcaster_options options = {})
        : state_(std::make_shared<state>(options)) {
        if (options.capacity == 0)
            throw failure(
                error(errc::invalid_option, "event_broadcaster capacity 0: it has to hold at least 1"));
    }

    /// From now on until its last copy is gone, or `close`.
    event_subscription subscribe() const {
        event_subscription mine(state_->options.capacity, state_->options.when_full);
        const std::lock_guard guard(state_->lock);
        state_->forget_gone();
        if (state_->closed)
            mine.close();
        else
            state_->boxes.push_back(mine.box_);
        return mine;
    }

    /// To how many it goes.
    std::size_t publish(const event& e) const {
        using outcome = detail::event_mailbox::outcome;
        const auto text = std::make_shared<const std::string>(event_text(e));
        const std::lock_guard guard(state_->lock);
        ++state_->counts.published;
        state_->forget_gone();
        std::size_t reached = 0;
        for (const auto& weak : state_->boxes) {
            const auto box = weak.lock();
            if (!box) continue;
            const outcome what = box->put(text);
            reached += what == outcome::queued || what == outcome::dropped_one;
            state_->counts.dropped += what == outcome::dropped_one;
            state_->counts.disconnected += what == outcome::disconnected;
        }
        return reached;
    }

    /// Ends all streams behind what is queued, and those that come. To be called when the program stops: a
    /// stream of events has no end by itself, and would be cancelled at the end of the grace.
    void close() const {
        const std::lock_guard guard(state_->lock);
        state_->closed = true;
        for (const auto& weak : state_->boxes)
            if (const auto box = weak.lock()) box->close();
    }

    std::size_t subscribers() const {
        const std::lock_guard guard(state_->lock);
        state_->forget_gone();
        return state_->boxes.size();
    }
    event_broadcaster_counters counters() const {
        const std::lock_guard guard(state_->lock);
        return state_->counts;
    }

  private:
    struct state {
        explicit state(event_broadcaster_options o) : options(o) {}
        void forget_gone() {
            std::erase_if(boxes, [](const auto& weak) {
                const auto box = weak.lock();
                return !box || box->closed();
            });
        }
        std::mutex lock;
        event_broadcaster_options options;
        std::vector<std::weak_ptr<detail::event_mailbox>> boxes;
        event_broadcaster_counters counts;
        bool closed = false;
    };
    std::shared_ptr<state> state_;
};

} // namespace portunus::http

#endif
