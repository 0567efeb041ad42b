// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_UDP_HUB_IPP
#define PORTUNUS_NET_IMPL_UDP_HUB_IPP

#include <portunus/net/impl/udp_hub.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/udp_state.hpp>
#include <portunus/net/shared_datagram.hpp>
#include <portunus/net/udp_interest.hpp>
#include <portunus/net/udp_socket.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

// a subscription

PORTUNUS_DECL udp_subscription_state::udp_subscription_state(udp_hub_state& h,
                                                             std::shared_ptr<udp_socket_state> s,
                                                             udp_interest&& w, const udp_queue_limits& q)
    : hub(&h), socket(std::move(s)), what(std::move(w)), limits(q), changed(socket->executor) {}

PORTUNUS_DECL bool udp_subscription_state::wants(const datagram& d,
                                                 const policy_detail::flat_address& sender) {
    if (what.from_ && !what.from_->matches(sender, d.sender.port())) return false;
    if (what.port_ != 0 && what.port_ != d.local_port) return false;
    if (what.group_) {
        if (!d.to_multicast || d.local != *what.group_) return false;
        if (group_interface != 0 && d.interface != group_interface) return false;
    }
    if (!what.wanted_) return true;
    try {
        return what.wanted_(d);
    } catch (...) {
        socket->options.log(log_level::error, "an exception left the predicate of a subscription");
        return false;
    }
}

PORTUNUS_DECL void udp_subscription_state::grow() {
    std::vector<entry> larger(ring.empty() ? 8 : ring.size() * 2);
    for (std::size_t i = 0; i < counts.queued; ++i)
        larger[i] = std::move(ring[(first + i) & (ring.size() - 1)]);
    ring.swap(larger);
    first = 0;
}

PORTUNUS_DECL void udp_subscription_state::drop_oldest() noexcept {
    entry& oldest = ring[first];
    counts.queued_bytes -= oldest.block->about.bytes.size();
    --counts.queued;
    lost += oldest.lost + 1;
    overruns += oldest.overruns;
    oldest.block.reset();
    first = (first + 1) & (ring.size() - 1);
}

PORTUNUS_DECL std::size_t udp_subscription_state::offer(const datagram_pointer& block,
                                                        std::uint32_t all_overruns) {
    const std::size_t size = block->about.bytes.size();
    if (size > limits.bytes) {
        ++lost_last;
        ++counts.lost;
        return 1;
    }
    std::size_t dropped = 0;
    for (; counts.queued >= limits.datagrams || counts.queued_bytes + size > limits.bytes; ++dropped)
        drop_oldest();
    counts.lost += dropped;
    if (counts.queued == ring.size()) grow();
    entry& newest = ring[(first + counts.queued) & (ring.size() - 1)];
    newest.block = block;
    newest.lost = std::exchange(lost_last, 0);
    newest.overruns = all_overruns - std::exchange(overruns_seen, all_overruns);
    counts.queued_bytes += size;
    if (counts.queued++ == 0) changed.notify();
    return dropped;
}

PORTUNUS_DECL shared_datagram udp_subscription_state::take() noexcept {
    entry& oldest = ring[first];
    shared_datagram out;
    out.lost_ = oldest.lost + std::exchange(lost, 0);
    out.overruns_ = oldest.overruns + std::exchange(overruns, 0);
    out.block_ = std::move(oldest.block);
    oldest.block.reset();
    first = (first + 1) & (ring.size() - 1);
    --counts.queued;
    counts.queued_bytes -= out.block_->about.bytes.size();
    ++counts.received;
    return out;
}

PORTUNUS_DECL error another_waits() {
    return error(errc::operation_in_progress, "another coroutine already waits in receive()");
}

PORTUNUS_DECL result<shared_datagram> udp_subscription_state::try_receive() {
    if (waiting) return another_waits();
    if (counts.queued != 0) return take();
    if (ended()) return cause;
    return errc::would_block;
}

PORTUNUS_DECL awaitable<result<shared_datagram>> udp_subscription_state::receive(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (s->waiting) co_return another_waits();
    struct mark_type {
        udp_subscription_state& state;
        ~mark_type() { state.waiting = false; }
    } mark{*s};
    s->waiting = true;
    while (s->counts.queued == 0) {
        if (s->ended()) co_return s->cause;
        if (stop_asked(asked)) co_return errc::canceled;
        co_await s->changed.wait_op();
    }
    result<shared_datagram> oldest(s->take());
    co_return oldest;
}

PORTUNUS_DECL void udp_subscription_state::leave(errc why) noexcept {
    while (counts.queued != 0) drop_oldest();
    if (ended()) return;
    cause = why;
    udp_hub_state* const from = std::exchange(hub, nullptr);
    from->remove(*this);
    changed.notify();
}

// the hub

/// Gives the number of the interface, and takes that off the group, where it may stand as well.
PORTUNUS_DECL result<std::uint32_t> udp_hub_state::join(boost::asio::ip::address& group,
                                                        const interface_choice& on) {
    auto interface = on.index();
    if (!interface) return error(interface.error()).with("(for group " + group.to_string() + ")");
    group = normalised(group);
    if (group.is_v6()) {
        auto bare = group.to_v6();
        if (*interface == 0) *interface = static_cast<std::uint32_t>(bare.scope_id());
        bare.scope_id(0);
        group = bare;
    }
    for (joined& j : groups)
        if (j.group == group && j.interface == *interface) {
            ++j.subscribers;
            return *interface;
        }
    groups.reserve(groups.size() + 1); // first what may throw
    if (auto done = socket->change(true, group, nullptr, *interface); !done) return done.error();
    groups.push_back({group, *interface, 1});
    return *interface;
}

PORTUNUS_DECL void udp_hub_state::leave(const boost::asio::ip::address& group,
                                        std::uint32_t interface) noexcept {
    const auto place = std::find_if(groups.begin(), groups.end(), [&](const joined& j) {
        return j.group == group && j.interface == interface;
    });
    if (place == groups.end() || --place->subscribers != 0) return;
    groups.erase(place);
    try {
        (void)socket->change(false, group, nullptr, interface); // the interface may have gone
    } catch (...) {                                             // no memory to say so
    }
}

PORTUNUS_DECL result<udp_subscription> udp_hub_state::subscribe(udp_interest&& what,
                                                                const udp_queue_limits& queue) {
    if (ended()) return cause;
    if (queue.datagrams == 0 || queue.bytes == 0)
        return error(errc::invalid_option, "a queue of " + std::to_string(queue.datagrams) +
                                               " datagrams and " + std::to_string(queue.bytes) +
                                               " bytes: both have to be at least 1");
    if (counts.subscriptions >= most)
        return error(errc::queue_full, "all " + std::to_string(most) + " subscriptions of the hub are taken");
    std::uint32_t interface = 0;
    if (what.group_) {
        const auto on = join(*what.group_, what.group_on_);
        if (!on) return on.error();
        interface = *on;
    }
    const auto group = what.group_;
    try {
        auto state = std::make_shared<udp_subscription_state>(*this, socket, std::move(what), queue);
        state->group_interface = interface;
        state->overruns_seen = overruns;
        subscriptions.push_back(state);
        ++counts.subscriptions;
        return udp_subscription(std::move(state));
    } catch (...) {
        if (group) leave(*group, interface);
        throw;
    }
}

PORTUNUS_DECL void udp_hub_state::remove(udp_subscription_state& s) noexcept {
    --counts.subscriptions;
    if (s.what.group_) leave(*s.what.group_, s.group_interface);
    // A predicate may be running, in a walk through all of them: then they stay where they are until it ends.
    gaps = true;
    if (!delivering) sweep();
}

PORTUNUS_DECL void udp_hub_state::sweep() noexcept {
    if (!gaps) return;
    gaps = false;
    for (std::size_t i = 0; i < subscriptions.size();) {
        if (!subscriptions[i]->ended()) {
            ++i;
            continue;
        }
        // Its predicate may own other subscriptions: nothing is destroyed before the list is in order.
        const auto gone = std::move(subscriptions[i]);
        subscriptions.erase(subscriptions.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

PORTUNUS_DECL void udp_hub_state::deliver(const datagram& d) {
    overruns += d.lost_before;
    const policy_detail::flat_address sender = policy_detail::flatten(d.sender.address());
    datagram_pointer copy; // for the first one who wants it
    bool claimed = false;
    delivering = true;
    const std::size_t present = subscriptions.size(); // those who come meanwhile get the next one
    for (std::size_t i = 0; i < present && !ended(); ++i) {
        udp_subscription_state& s = *subscriptions[i];
        if (s.ended() || !s.wants(d, sender) || s.ended()) continue; // its predicate may have ended it
        claimed = true;
        try {
            if (!copy) copy = pool->copy(d);
            const std::size_t lost = s.offer(copy, overruns);
            ++counts.queued;
            counts.lost += lost;
        } catch (const std::exception& e) {
            socket->options.log(log_level::error, "a datagram was lost", {{"error", e.what()}});
        }
    }
    delivering = false;
    if (!claimed) ++counts.unclaimed;
    if (ended())
        const auto gone = std::move(subscriptions);
    else
        sweep();
}

PORTUNUS_DECL void udp_hub_state::end(const error& why, bool quiet) noexcept {
    if (ended()) return;
    cause = why;
    const bool ours = why.code().category() == library_category();
    socket->end(ours ? static_cast<errc>(why.code().value()) : errc::closed_locally);
    for (const auto& s : subscriptions) s->finish(why, quiet);
    counts.subscriptions = 0;
    groups.clear();
    if (!delivering) const auto gone = std::move(subscriptions);
}

PORTUNUS_DECL udp_hub_counters udp_hub_state::counters() const noexcept {
    udp_hub_counters now = counts;
    now.socket = socket->counters();
    return now;
}

PORTUNUS_DECL awaitable<void> udp_hub_state::pump(pointer s) {
    using outcome = udp_socket_state::outcome;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    // Whoever has made the hub shall come to subscribe before anything is received.
    co_await boost::asio::post(boost::asio::deferred);
    udp_socket_state& socket = *s->socket;
    error why;
    while (!s->ended()) {
        outcome o = outcome::again;
        if (++socket.in_a_row % 64 != 0) o = socket.take_one(why);
        const bool drained = s->stopping && (o == outcome::nothing_now || s->to_drain-- == 0);
        if (o == outcome::something) s->deliver(socket.one);
        if (o == outcome::failed) s->end(why);
        if (drained) s->end(errc::shutting_down);
        if (s->ended()) break;
        if (o == outcome::again) {
            co_await boost::asio::post(boost::asio::deferred);
        } else if (o == outcome::nothing_now) {
            socket.in_a_row = 0;
            auto& readable = socket.epoll ? *socket.epoll : *socket.sockets.front().descriptor;
            const auto [ec] =
                co_await readable.async_wait(udp_socket_state::descriptor_type::wait_read, use_result);
            (void)ec; // whoever ended the wait has left the reason where the loop looks
        }
    }
}

PORTUNUS_DECL close_reason reason_of_end(const error& cause) noexcept {
    return cause.code().failed() ? reason_of(cause) : close_reason::none;
}

} // namespace detail

PORTUNUS_DECL
udp_subscription::udp_subscription(std::shared_ptr<detail::udp_subscription_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL udp_subscription::udp_subscription(udp_subscription&&) noexcept = default;
PORTUNUS_DECL udp_subscription& udp_subscription::operator=(udp_subscription&& other) noexcept {
    if (this != &other) {
        if (state_) state_->leave(errc::aborted_locally);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL udp_subscription::~udp_subscription() {
    if (state_) state_->leave(errc::aborted_locally);
}
PORTUNUS_DECL awaitable<result<shared_datagram>> udp_subscription::receive() {
    return state_ ? detail::udp_subscription_state::receive(state_) : detail::udp_gone<shared_datagram>();
}
PORTUNUS_DECL result<shared_datagram> udp_subscription::try_receive() {
    if (!state_) return errc::closed_locally;
    return state_->try_receive();
}
PORTUNUS_DECL awaitable<result<void>> udp_subscription::send(endpoint_type to, std::string_view bytes) {
    if (!state_ || state_->left()) return detail::udp_gone<void>();
    return detail::udp_socket_state::send(state_->socket, datagram_source(), to, bytes);
}
PORTUNUS_DECL awaitable<result<void>> udp_subscription::reply(const shared_datagram& received,
                                                              std::string_view bytes) {
    if (!state_ || state_->left()) return detail::udp_gone<void>();
    const datagram d = received.view();
    return detail::udp_socket_state::send(state_->socket, d.reply_source(), d.sender, bytes);
}
PORTUNUS_DECL result<void> udp_subscription::try_send(const endpoint_type& to, std::string_view bytes) {
    if (!state_ || state_->left()) return errc::closed_locally;
    const auto socket = state_->socket; // a callback may destroy the handle
    const auto index = socket->choose({}, to, bytes.size());
    if (!index) return index.error();
    return socket->send_now(*index, {}, to, bytes);
}
PORTUNUS_DECL result<void> udp_subscription::try_reply(const shared_datagram& received,
                                                       std::string_view bytes) {
    if (!state_ || state_->left()) return errc::closed_locally;
    const auto socket = state_->socket;
    const datagram d = received.view();
    const auto index = socket->choose(d.reply_source(), d.sender, bytes.size());
    if (!index) return index.error();
    return socket->send_now(*index, d.reply_source(), d.sender, bytes);
}
PORTUNUS_DECL void udp_subscription::close() {
    if (state_) state_->leave(errc::closed_locally);
}
PORTUNUS_DECL bool udp_subscription::is_open() const noexcept {
    return state_ && !state_->ended();
}
PORTUNUS_DECL close_reason udp_subscription::reason() const noexcept {
    return state_ ? detail::reason_of_end(state_->cause) : close_reason::closed_locally;
}
PORTUNUS_DECL udp_subscription_counters udp_subscription::counters() const noexcept {
    return state_ ? state_->counts : udp_subscription_counters();
}

PORTUNUS_DECL udp_hub::udp_hub(std::shared_ptr<detail::udp_hub_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL udp_hub::udp_hub(const boost::asio::any_io_executor& executor, udp_hub_options options)
    : udp_hub(open(executor, std::move(options)).value()) {}
PORTUNUS_DECL result<udp_hub> udp_hub::open(const boost::asio::any_io_executor& executor,
                                            udp_hub_options options) {
    auto state = std::make_shared<detail::udp_hub_state>(executor, std::move(options));
    if (auto opened = state->socket->open(); !opened) return opened.error();
    boost::asio::co_spawn(executor, detail::udp_hub_state::pump(state),
                          [state](const std::exception_ptr& thrown) { // nothing of ours throws there
                              if (thrown) state->end(errc::aborted_locally);
                          });
    return udp_hub(std::move(state));
}
PORTUNUS_DECL udp_hub::udp_hub(udp_hub&&) noexcept = default;
PORTUNUS_DECL udp_hub& udp_hub::operator=(udp_hub&& other) noexcept {
    if (this != &other) {
        if (state_) state_->end(errc::aborted_locally);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL udp_hub::~udp_hub() {
    if (state_) state_->end(errc::aborted_locally);
}

PORTUNUS_DECL result<udp_subscription> udp_hub::subscribe(udp_interest what, udp_queue_limits queue) {
    if (!state_) return errc::closed_locally;
    return state_->subscribe(std::move(what), queue);
}
PORTUNUS_DECL awaitable<result<void>> udp_hub::send(endpoint_type to, std::string_view bytes) {
    return state_ ? detail::udp_socket_state::send(state_->socket, datagram_source(), to, bytes)
                  : detail::udp_gone<void>();
}
PORTUNUS_DECL result<void> udp_hub::try_send(const endpoint_type& to, std::string_view bytes) {
    if (!state_) return errc::closed_locally;
    const auto socket = state_->socket;
    const auto index = socket->choose({}, to, bytes.size());
    if (!index) return index.error();
    return socket->send_now(*index, {}, to, bytes);
}
PORTUNUS_DECL result<std::size_t> udp_hub::broadcast(std::uint16_t port, std::string_view bytes) {
    if (!state_) return errc::closed_locally;
    const auto socket = state_->socket;
    return socket->broadcast(port, bytes);
}
PORTUNUS_DECL void udp_hub::stop() {
    if (state_) state_->stop();
}
PORTUNUS_DECL void udp_hub::close() {
    if (state_) state_->end(errc::closed_locally);
}
PORTUNUS_DECL bool udp_hub::is_open() const noexcept {
    return state_ && !state_->ended();
}
PORTUNUS_DECL close_reason udp_hub::reason() const noexcept {
    return state_ ? detail::reason_of_end(state_->cause) : close_reason::closed_locally;
}
PORTUNUS_DECL auto udp_hub::endpoints() const noexcept -> const std::vector<endpoint_type>& {
    return state_->socket->where;
}
PORTUNUS_DECL std::uint16_t udp_hub::port() const noexcept {
    return state_->socket->where.empty() ? std::uint16_t(0) : state_->socket->where.front().port();
}
PORTUNUS_DECL void udp_hub::set_policy(accept_policy policy) {
    if (!state_) return;
    state_->socket->options.policy = std::move(policy);
    state_->socket->asks_interface = state_->socket->options.policy.asks_interface();
}
PORTUNUS_DECL udp_hub_counters udp_hub::counters() const {
    return state_ ? state_->counters() : udp_hub_counters();
}
PORTUNUS_DECL boost::asio::any_io_executor udp_hub::get_executor() const {
    return state_->socket->executor;
}

} // namespace portunus

#endif
