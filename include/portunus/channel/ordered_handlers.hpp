// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_ORDERED_HANDLERS_HPP
#define PORTUNUS_CHANNEL_ORDERED_HANDLERS_HPP

#include <portunus/channel/detail/keyed_queues.hpp>
#include <portunus/channel/message.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace portunus {

/// What `ordered_handlers::begin` decided.
enum class handler_turn {
    now,     ///< run it; tell `finished` when it has
    queued,  ///< one for the same data runs: it comes out of `finished` when it is its turn
    refused, ///< there is no room for one that waits: read no further until one has finished
};

/// Handlers of one service and data of a connection run one after the other, in the order of their requests;
/// those of different ones run side by side. That is what makes answers without numbers attributable: a
/// client takes the next answer of its kind for that of its oldest request.
///
///     switch (order.begin(m.service, m.id, kept)) {       // `kept`: what is needed to run it later
///     case handler_turn::now: run(kept); break;
///     ...
///     while (auto next = order.finished(service, id)) run(*next);
///
/// Bounded, and without allocation once it has grown to what is used. Every operation is O(1). A plain value
/// for one thread.
template <class Item>
class ordered_handlers {
    static_assert(std::is_nothrow_move_constructible_v<Item>);

  public:
    /// `most`: how many may run or wait, at least 1.
    explicit ordered_handlers(std::size_t most = 256) noexcept : queues_(most == 0 ? 1 : most) {}

    /// A request came. Only for `queued` is `item` moved from.
    handler_turn begin(service_id service, data_id id, Item& item) {
        const std::uint64_t key = detail::message_key(service, id);
        if (queues_.full()) return handler_turn::refused;
        if (queues_.front(key) == queues::none) {
            queues_.push(key, std::nullopt); // stands for the one that runs
            ++running_;
            return handler_turn::now;
        }
        const std::uint32_t at = queues_.push(key, std::nullopt);
        queues_[at].emplace(std::move(item));
        return handler_turn::queued;
    }

    /// The one that ran has ended, however it did. The next of the same service and data, which now runs;
    /// nothing when none waits, or none ran.
    std::optional<Item> finished(service_id service, data_id id) noexcept {
        const std::uint64_t key = detail::message_key(service, id);
        const std::uint32_t done = queues_.front(key);
        if (done == queues::none) return std::nullopt;
        queues_.erase(done);
        const std::uint32_t next = queues_.front(key);
        if (next == queues::none) {
            --running_;
            return std::nullopt;
        }
        return std::exchange(queues_[next], std::nullopt);
    }

    std::size_t running() const noexcept { return running_; }
    std::size_t waiting() const noexcept { return queues_.size() - running_; }
    bool full() const noexcept { return queues_.full(); }

  private:
    using queues = detail::keyed_queues<std::optional<Item>>;
    queues queues_;
    std::size_t running_ = 0;
};

} // namespace portunus

#endif
