// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_IMPL_PLUGIN_CONTROL_IPP
#define PORTUNUS_ADAPTERS_IMPL_PLUGIN_CONTROL_IPP

#include <portunus/adapters/plugin_control.hpp>

#include <portunus/adapters/detail/plugin_conversation.hpp>
#include <portunus/adapters/detail/plugin_core.hpp>
#include <portunus/core/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace portunus::detail {

inline error stale_connection() {
    return error(errc::not_connected); // no text: it may come often
}
inline error stale_listener() {
    return error(errc::listener_closed);
}

// --- listeners ---

PORTUNUS_DECL result<listener_id> plugin_core::add_listener(listening_info info,
                                                            std::function<void(bool)> close,
                                                            std::function<void(accept_policy)> set_policy,
                                                            std::shared_ptr<udp_socket> udp) {
    listener_slot* const slot = listeners.acquire();
    if (!slot)
        return error(errc::queue_full,
                     "all " + std::to_string(listeners.capacity()) + " listeners are taken");
    listener_id id;
    {
        const std::lock_guard lock(slot->mutex);
        slot->info = info;
        slot->close = std::move(close);
        slot->set_policy = std::move(set_policy);
        slot->udp = std::move(udp);
        slot->first = slot->count = 0;
        slot->dropped = 0;
        slot->outbox.clear();
        slot->sending = false;
        id = listeners_table::handle_of(*slot);
    }
    (void)deliver([self = this, id, info = std::move(info)] { self->plugin_->on_listening(id, info); },
                  false);
    return id;
}

PORTUNUS_DECL result<listener_id> plugin_core::listen_tcp(listener_options wanted, any_codec framing) {
    if (!wanted.replace.never())
        return error(errc::invalid_option,
                     "a plugin decides by itself who replaces whom: leave `replace` out");
    return ask([&]() -> result<listener_id> {
        const auto door = std::make_shared<tcp_door>();
        door->framing = std::move(framing);
        door->idle_limit = wanted.stream.idle_limit;
        auto opened = tcp_listener::open(executor_, std::move(wanted));
        if (!opened) return opened.error();
        listening_info info{listener_kind::tcp, opened->port(), {}};
        for (const auto& e : opened->endpoints()) info.endpoints.push_back(to_string(e));
        door->listener = std::move(*opened);
        auto id = add_listener(
            std::move(info),
            [door](bool now) {
                if (!door->listener) return;
                if (now)
                    door->listener.reset();
                else
                    door->listener->stop();
            },
            [door](accept_policy policy) {
                if (door->listener) door->listener->set_policy(std::move(policy));
            });
        if (!id) return id;
        door->id = *id;
        ++doors_;
        spawn(accept_all(shared_from_this(), door));
        return id;
    });
}

PORTUNUS_DECL result<listener_id> plugin_core::listen_udp(udp_options wanted) {
    return ask([&]() -> result<listener_id> {
        auto opened = udp_socket::open(executor_, std::move(wanted));
        if (!opened) return opened.error();
        const auto socket = std::make_shared<udp_socket>(std::move(*opened));
        listening_info info{listener_kind::udp, socket->port(), {}};
        for (const auto& e : socket->endpoints()) info.endpoints.push_back(to_string(e));
        auto id = add_listener(
            std::move(info), [socket](bool) { socket->close(); },
            [socket](accept_policy policy) { socket->set_policy(std::move(policy)); }, socket);
        if (!id) return id;
        listener_slot* of = nullptr;
        if (const auto slot = listeners.lock(*id)) of = &*slot;
        if (of) spawn(receive_all(shared_from_this(), of, socket)); // else stopped already
        return id;
    });
}

PORTUNUS_DECL result<void> plugin_core::stop_listening(listener_id listener) {
    std::function<void(bool)> close;
    {
        const auto slot = listeners.lock(listener);
        if (!slot) return stale_listener();
        close = std::move(slot->close);
        slot->close = nullptr;
        slot->set_policy = nullptr;
        slot->udp.reset();
        listeners.release(*slot);
    }
    // What it refers to belongs to the I/O context; without one nobody else uses it.
    if (close) (void)post([close = std::move(close)] { close(false); });
    return {};
}

PORTUNUS_DECL result<void> plugin_core::set_policy(listener_id listener, accept_policy policy) {
    return ask([&]() -> result<void> {
        std::function<void(accept_policy)> change;
        {
            const auto slot = listeners.lock(listener);
            if (!slot) return stale_listener();
            change = slot->set_policy;
        }
        if (change) change(std::move(policy));
        return {};
    });
}

PORTUNUS_DECL result<void> plugin_core::with_udp(listener_id listener,
                                                 std::function<result<void>(udp_socket&)> action) {
    if (!listeners.lock(listener)) return stale_listener();
    return ask([&]() -> result<void> {
        std::shared_ptr<udp_socket> socket;
        {
            const auto slot = listeners.lock(listener);
            if (!slot) return stale_listener();
            socket = slot->udp;
        }
        if (!socket) return error(errc::invalid_option, "this listener is no UDP socket");
        return action(*socket);
    });
}

PORTUNUS_DECL result<void> plugin_core::send(listener_id from, queued_datagram out) {
    std::shared_ptr<udp_socket> socket;
    listener_slot* of = nullptr;
    {
        const auto slot = listeners.lock(from);
        if (!slot) return stale_listener();
        if (!slot->udp) return error(errc::invalid_option, "this listener is no UDP socket");
        if (slot->outbox.size() >= options.max_datagrams)
            return error(errc::queue_full,
                         "all " + std::to_string(options.max_datagrams) + " places for datagrams are taken");
        slot->outbox.push_back(std::move(out));
        if (std::exchange(slot->sending, true)) return {};
        socket = slot->udp;
        of = &*slot;
    }
    const bool posted = post([self = this, of, socket = std::move(socket)]() mutable {
        self->spawn(send_all(self->shared_from_this(), of, std::move(socket)));
    });
    if (!posted) return gone();
    return {};
}

// --- connections ---

PORTUNUS_DECL result<connection_id> plugin_core::connect(std::string_view host, std::uint16_t port,
                                                         any_codec framing, const connect_options& how) {
    if (stopping) return gone();
    connection_slot* const slot = connections.acquire();
    if (!slot)
        return error(errc::queue_full,
                     "all " + std::to_string(connections.capacity()) + " connections are taken");
    connection_id id;
    {
        const std::lock_guard lock(slot->mutex);
        slot->begin(stopping);
        const bool timed = framing.get_if<quiet_time_codec>() != nullptr;
        slot->timed_changed = timed;
        slot->source.decoder.exchange(timed ? any_codec(raw_codec()) : framing);
        slot->framing = std::move(framing);
        slot->told = false;
        id = connections_table::handle_of(*slot);
    }
    const bool posted = post([this, slot, name = std::string(host), port, how] {
        prepare_io();
        if (!tasks_->spawn(open_connection(shared_from_this(), slot, name, port, how)))
            const attachment lost(shared_from_this(), slot); // tells its end
    });
    if (!posted) {
        const std::lock_guard lock(slot->mutex);
        if (slot->used) connections.release(*slot);
        return gone();
    }
    return id;
}

PORTUNUS_DECL result<void> plugin_core::write(connection_id connection, std::string_view message, bool raw) {
    bool wake = false;
    {
        const auto slot = connections.lock(connection);
        if (!slot || slot->closing || slot->said_closed) return stopping ? gone() : stale_connection();
        const std::size_t bound = raw ? message.size() : slot->framing.encode_bound(message);
        const std::size_t queued = slot->outbox.size() + slot->sending;
        if (queued != 0 && queued + bound > options.max_queued)
            return error(errc::queue_full, std::to_string(queued) + " bytes are queued, " +
                                               std::to_string(bound) + " more would exceed max_queued " +
                                               std::to_string(options.max_queued));
        if (raw) {
            slot->outbox.append(message);
        } else {
            const std::size_t n = slot->framing.encode(message, slot->outbox.prepare(bound));
            if (n == unencodable) return slot->framing.encode_failure(message);
            slot->outbox.commit(n);
        }
        wake = !slot->dirty && mark_dirty(*slot);
    }
    if (wake) wake_io();
    return {};
}

PORTUNUS_DECL result<void> plugin_core::disconnect(connection_id connection, disconnect_mode how) {
    bool wake = false, tell = false;
    connection_slot* of = nullptr;
    {
        const auto slot = connections.lock(connection);
        if (!slot || slot->said_closed) return stale_connection();
        if (!slot->closing || how == disconnect_mode::abort) slot->closing = how;
        slot->source.halted = true;
        if (!slot->open && !slot->end) { // it is being connected: nobody has to be asked
            slot->end = connection_end{close_reason::closed_locally, {}};
            tell = true;
            of = &*slot;
        }
        wake = mark_dirty(*slot);
    }
    if (wake) wake_io();
    if (tell) mail(*of);
    return {};
}

PORTUNUS_DECL result<void> plugin_core::set_framing(connection_id connection, any_codec framing) {
    bool wake = false;
    connection_slot* of = nullptr;
    const bool now = in_event();
    {
        const auto slot = connections.lock(connection);
        if (!slot || slot->closing || slot->said_closed) return stale_connection();
        const bool was_timed = slot->framing.get_if<quiet_time_codec>() != nullptr;
        const bool timed = framing.get_if<quiet_time_codec>() != nullptr;
        slot->framing = framing;
        if (timed) framing = any_codec(raw_codec()); // silence is measured where the bytes arrive
        if (now)
            slot->source.decoder.exchange(std::move(framing));
        else
            slot->next_framing = std::move(framing);
        if (was_timed || timed) {
            slot->timed_changed = true;
            wake = mark_dirty(*slot);
        }
        of = &*slot;
    }
    if (wake) wake_io();
    if (!now) mail(*of);
    return {};
}

PORTUNUS_DECL result<void> plugin_core::pause(connection_id connection, bool on) {
    connection_slot* of = nullptr;
    {
        const auto slot = connections.lock(connection);
        if (!slot || slot->closing || slot->said_closed) return stale_connection();
        slot->paused = on;
        slot->source.halted = on;
        of = &*slot;
    }
    if (!on) mail(*of);
    return {};
}

// --- pages, and the plugin itself ---

PORTUNUS_DECL result<void> plugin_core::reply(page_id page, page_reply answer) {
    std::function<void()> answered;
    {
        const auto slot = pages.lock(page);
        if (!slot || slot->answer) return stale_connection();
        slot->answer = std::move(answer);
        answered = slot->answered;
    }
    if (answered) answered();
    return {};
}

PORTUNUS_DECL result<void> plugin_core::deliver(std::function<void()> action, bool bounded) {
    if (stopping) return gone();
    {
        const std::lock_guard lock(host_mutex_);
        if (bounded && functions_.size() >= options.max_events)
            return error(errc::queue_full,
                         "all " + std::to_string(options.max_events) + " events are waiting");
        functions_.push_back(std::move(action));
    }
    mail(host_mail_);
    return {};
}

PORTUNUS_DECL void plugin_core::set_tick(steady_clock::duration interval) {
    (void)post([this, interval] {
        prepare_io();
        tick_interval_ = std::max<steady_clock::duration>(interval, std::chrono::milliseconds(1));
        if (interval > steady_clock::duration::zero())
            tick_->arm(tick_interval_);
        else
            tick_->disarm();
    });
}

PORTUNUS_DECL void plugin_core::hold(bool on) {
    if (box_.hold(on) && on_context()) wake_io();
}

PORTUNUS_DECL plugin_counters plugin_core::counters() const {
    plugin_counters c;
    c.events = events_;
    c.exceptions = exceptions_;
    c.slow_events = slow_;
    c.dropped_datagrams = dropped_;
    c.refused = refused_;
    c.connections = connections.used();
    return c;
}

} // namespace portunus::detail

namespace portunus {

PORTUNUS_DECL detail::plugin_core& plugin_control::live() const {
    if (!core_) throw failure(error(errc::not_connected, "this plugin_control commands no plugin"));
    return *core_;
}
PORTUNUS_DECL result<listener_id> plugin_control::listen_tcp(listener_options options,
                                                             any_codec framing) const {
    return live().listen_tcp(std::move(options), std::move(framing));
}
PORTUNUS_DECL result<listener_id> plugin_control::listen_udp(udp_options options) const {
    return live().listen_udp(std::move(options));
}
PORTUNUS_DECL result<listening_info> plugin_control::listening(listener_id listener) const {
    const auto slot = live().listeners.lock(listener);
    if (!slot) return detail::stale_listener();
    return slot->info;
}
PORTUNUS_DECL result<void> plugin_control::set_policy(listener_id listener, accept_policy policy) const {
    return live().set_policy(listener, std::move(policy));
}
PORTUNUS_DECL result<void> plugin_control::stop_listening(listener_id listener) const {
    return live().stop_listening(listener);
}
PORTUNUS_DECL result<connection_id> plugin_control::connect(std::string_view host, std::uint16_t port,
                                                            any_codec framing,
                                                            const connect_options& options) const {
    return live().connect(host, port, std::move(framing), options);
}
PORTUNUS_DECL result<void> plugin_control::write(connection_id connection, std::string_view message) const {
    return live().write(connection, message, false);
}
PORTUNUS_DECL result<void> plugin_control::write_raw(connection_id connection, std::string_view bytes) const {
    return live().write(connection, bytes, true);
}
PORTUNUS_DECL result<void> plugin_control::disconnect(connection_id connection, disconnect_mode how) const {
    return live().disconnect(connection, how);
}
PORTUNUS_DECL result<void> plugin_control::set_framing(connection_id connection, any_codec framing) const {
    return live().set_framing(connection, std::move(framing));
}
PORTUNUS_DECL result<void> plugin_control::pause(connection_id connection) const {
    return live().pause(connection, true);
}
PORTUNUS_DECL result<void> plugin_control::resume(connection_id connection) const {
    return live().pause(connection, false);
}
PORTUNUS_DECL result<std::size_t> plugin_control::queued(connection_id connection) const {
    const auto slot = live().connections.lock(connection);
    if (!slot) return detail::stale_connection();
    return slot->outbox.size() + slot->sending;
}
PORTUNUS_DECL result<connection_info> plugin_control::info(connection_id connection) const {
    const auto slot = live().connections.lock(connection);
    if (!slot) return detail::stale_connection();
    return slot->info;
}
PORTUNUS_DECL result<void> plugin_control::send(listener_id from, const boost::asio::ip::udp::endpoint& to,
                                                std::string_view bytes) const {
    return live().send(from, {to, {}, std::string(bytes)});
}
PORTUNUS_DECL result<void> plugin_control::reply(listener_id from, const datagram& received,
                                                 std::string_view bytes) const {
    return live().send(from, {received.sender, received.reply_source(), std::string(bytes)});
}
PORTUNUS_DECL result<std::size_t> plugin_control::broadcast(listener_id from, std::uint16_t port,
                                                            std::string_view bytes) const {
    std::size_t left = 0;
    auto done = live().with_udp(from, [&](udp_socket& socket) -> result<void> {
        auto sent = socket.broadcast(port, bytes);
        if (!sent) return sent.error();
        left = *sent;
        return {};
    });
    if (!done) return done.error();
    return left;
}
PORTUNUS_DECL result<void> plugin_control::join(listener_id listener, const boost::asio::ip::address& group,
                                                const interface_choice& on) const {
    return live().with_udp(listener, [&](udp_socket& socket) { return socket.join(group, on); });
}
PORTUNUS_DECL result<void> plugin_control::leave(listener_id listener, const boost::asio::ip::address& group,
                                                 const interface_choice& on) const {
    return live().with_udp(listener, [&](udp_socket& socket) { return socket.leave(group, on); });
}
PORTUNUS_DECL result<void> plugin_control::reply(page_id page, page_reply answer) const {
    return live().reply(page, std::move(answer));
}
PORTUNUS_DECL void plugin_control::set_tick(steady_clock::duration interval) const {
    live().set_tick(interval);
}
PORTUNUS_DECL result<void> plugin_control::deliver(std::function<void()> action) const {
    return live().deliver(std::move(action));
}
PORTUNUS_DECL void plugin_control::log(log_level level, std::string_view text) const {
    if (live().options.log.enabled(level)) live().options.log(level, text, {{"plugin", live().options.name}});
}
PORTUNUS_DECL void plugin_control::pause() const {
    live().hold(true);
}
PORTUNUS_DECL void plugin_control::resume() const {
    live().hold(false);
}
PORTUNUS_DECL result<void> plugin_control::stop(steady_clock::duration limit) const {
    return live().stop(limit);
}
PORTUNUS_DECL bool plugin_control::stopped() const noexcept {
    return !core_ || core_->stopped();
}
PORTUNUS_DECL plugin_counters plugin_control::counters() const {
    return live().counters();
}

} // namespace portunus

#endif
