// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_PENDING_REQUESTS_HPP
#define PORTUNUS_CHANNEL_IMPL_PENDING_REQUESTS_HPP

#include <portunus/channel/pending_requests.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace portunus {

template <class Payload>
pending_requests<Payload>::pending_requests(const pending_limits& limits)
    : queues_(limits.most), forget_after_(limits.forget_after), most_(limits.most) {
    if (limits.most == 0 || limits.most > 1'000'000)
        throw failure(error(errc::invalid_option, "pending_limits::most is " + std::to_string(limits.most) +
                                                      "; it may be 1 to 1000000"));
    if (limits.forget_after <= std::chrono::milliseconds(0))
        throw failure(error(errc::invalid_option, "pending_limits::forget_after is " +
                                                      std::to_string(limits.forget_after.count()) +
                                                      " ms; it has to be more than nothing"));
}

template <class Payload>
result<pending_handle> pending_requests<Payload>::add(service_id response, data_id id, time_point deadline,
                                                      Payload&& payload) {
    if (closed_.code().failed()) return closed_;
    if (queues_.full())
        return error(errc::queue_full, std::to_string(waiting_) + " requests in flight and " +
                                           std::to_string(tombstones()) +
                                           " answers that are late; the limit is " + std::to_string(most_));
    if (heap_.size() == heap_.capacity()) heap_.reserve(std::max<std::size_t>(8, heap_.size() * 2));
    // the payload is moved in last, so that a failure leaves it with the caller
    const std::uint32_t at = queues_.push(detail::message_key(response, id),
                                          request{std::nullopt, deadline, ++last_serial_, 0, 0});
    queues_[at].payload.emplace(std::move(payload));
    heap_.push_back(at);
    put(heap_.size() - 1, at);
    rise(heap_.size() - 1);
    ++waiting_;
    return pending_handle{at, last_serial_};
}

template <class Payload>
typename pending_requests<Payload>::answer pending_requests<Payload>::take(service_id response,
                                                                           data_id id) noexcept {
    const std::uint32_t at = queues_.front(detail::message_key(response, id));
    if (at == queues::none) {
        ++unexpected_;
        return {};
    }
    if (!queues_[at].payload) {
        pass_misses_on(at);
        remove(at);
        ++late_;
        return {answer_kind::late, std::nullopt};
    }
    --waiting_;
    return {answer_kind::expected, remove(at).payload};
}

template <class Payload>
bool pending_requests<Payload>::waits(const pending_handle& which) const noexcept {
    return queues_.holds(which.slot) && queues_[which.slot].serial == which.serial &&
           queues_[which.slot].payload.has_value();
}

template <class Payload>
std::optional<Payload> pending_requests<Payload>::cancel(const pending_handle& which,
                                                         time_point now) noexcept {
    if (!waits(which)) return std::nullopt;
    return bury(which.slot, now);
}

template <class Payload>
std::optional<Payload> pending_requests<Payload>::withdraw(const pending_handle& which) noexcept {
    if (!waits(which)) return std::nullopt;
    pass_misses_on(which.slot);
    --waiting_;
    return remove(which.slot).payload;
}

template <class Payload>
std::optional<typename pending_requests<Payload>::expired>
pending_requests<Payload>::expire(time_point now) noexcept {
    while (!heap_.empty() && queues_[heap_.front()].when <= now) {
        const std::uint32_t at = heap_.front();
        request& r = queues_[at];
        if (!r.payload) {
            pass_misses_on(at);
            remove(at);
            ++forgotten_;
            continue;
        }
        if (const std::uint32_t older = queues_.before(at); older != queues::none)
            r.misses = std::max(r.misses, queues_[older].misses);
        ++r.misses;
        const std::uint64_t key = queues_.key_of(at);
        const std::uint32_t misses = r.misses;
        return expired{*bury(at, now), detail::service_of(key), detail::data_of(key), misses};
    }
    return std::nullopt;
}

template <class Payload>
std::optional<typename pending_requests<Payload>::time_point>
pending_requests<Payload>::next_deadline() const noexcept {
    if (heap_.empty()) return std::nullopt;
    return queues_[heap_.front()].when;
}

template <class Payload>
template <class Each>
void pending_requests<Payload>::close(const error& why, Each&& each) {
    closed_ = why;
    // `each` may destroy what it is called from: everything is moved out first
    queues all = std::move(queues_);
    std::vector<std::uint32_t> order = std::move(heap_);
    queues_ = queues(most_);
    heap_.clear();
    waiting_ = 0;
    std::sort(order.begin(), order.end(),
              [&all](std::uint32_t a, std::uint32_t b) { return all[a].serial < all[b].serial; });
    const error reason = why;
    for (const std::uint32_t at : order)
        if (all[at].payload) each(std::move(*all[at].payload), reason);
}

/// What was waited for becomes a tombstone.
template <class Payload>
std::optional<Payload> pending_requests<Payload>::bury(std::uint32_t at, time_point now) noexcept {
    request& r = queues_[at];
    std::optional<Payload> payload = std::move(r.payload);
    r.payload.reset();
    r.when = now + forget_after_;
    rise(r.place); // a deadline far ahead may come before this
    sink(r.place);
    --waiting_;
    return payload;
}

template <class Payload>
void pending_requests<Payload>::pass_misses_on(std::uint32_t from) noexcept {
    if (const std::uint32_t next = queues_.after(from); next != queues::none)
        queues_[next].misses = std::max(queues_[next].misses, queues_[from].misses);
}

template <class Payload>
typename pending_requests<Payload>::request pending_requests<Payload>::remove(std::uint32_t at) noexcept {
    const std::size_t place = queues_[at].place;
    const std::uint32_t last = heap_.back();
    heap_.pop_back();
    if (last != at) {
        put(place, last);
        rise(place);
        sink(queues_[last].place);
    }
    return queues_.erase(at);
}

template <class Payload>
void pending_requests<Payload>::put(std::size_t place, std::uint32_t at) noexcept {
    heap_[place] = at;
    queues_[at].place = static_cast<std::uint32_t>(place);
}

template <class Payload>
void pending_requests<Payload>::rise(std::size_t place) noexcept {
    const std::uint32_t at = heap_[place];
    const time_point when = queues_[at].when;
    while (place != 0) {
        const std::size_t above = (place - 1) / 2;
        if (queues_[heap_[above]].when <= when) break;
        put(place, heap_[above]);
        place = above;
    }
    put(place, at);
}

template <class Payload>
void pending_requests<Payload>::sink(std::size_t place) noexcept {
    const std::uint32_t at = heap_[place];
    const time_point when = queues_[at].when;
    for (;;) {
        std::size_t below = 2 * place + 1;
        if (below >= heap_.size()) break;
        if (below + 1 < heap_.size() && queues_[heap_[below + 1]].when < queues_[heap_[below]].when) ++below;
        if (when <= queues_[heap_[below]].when) break;
        put(place, heap_[below]);
        place = below;
    }
    put(place, at);
}

} // namespace portunus

#endif
