// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_LISTEN_IPP
#define PORTUNUS_NET_IMPL_LISTEN_IPP

#include <portunus/net/impl/listen.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/intrusive_list.hpp>
#include <portunus/core/runtime.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/net/detail/occupancy.hpp>
#include <portunus/net/tcp_listener.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus::detail {

PORTUNUS_DECL tcp_server tcp_server_state::open(runtime& rt, listener_options options,
                                                session_function handler) {
    if (rt.stop_token().stop_requested())
        throw failure(error(errc::shutting_down, "the runtime stops and serves nobody new"));
    metrics meters(rt.size());
    auto listener = std::make_shared<tcp_listener_state>(rt.get_executor(), std::move(options), meters);
    if (auto opened = listener->open(); !opened) throw failure(opened.error());
    auto self =
        std::make_shared<tcp_server_state>(rt, std::move(listener), std::move(meters), std::move(handler));
    rt.attach(self);
    self->acceptors_.spawn(accept_all(self));
    return tcp_server(self);
}

PORTUNUS_DECL tcp_server_state::tcp_server_state(runtime& rt, tcp_listener_state::pointer l, metrics m,
                                                 session_function h)
    : runtime_(rt), listener_(std::move(l)), meters_(std::move(m)), handler_(std::move(h)),
      acceptors_(rt.get_executor(), rt.log()), stops_(rt.get_executor(), rt.log()),
      changed_(rt.get_executor()), occupancy_(listener_->options.replace), places_(rt.size()) {
    if (occupancy_.used())
        listener_->takes_over = [this](const connection_attempt& newer) {
            return occupancy_.replaces_anybody(newer);
        };
}

PORTUNUS_DECL void tcp_server_state::post(std::function<void(tcp_server_state&)> action) {
    boost::asio::post(runtime_.context(),
                      [self = shared_from_this(), action = std::move(action)] { action(*self); });
}

PORTUNUS_DECL void tcp_server_state::begin_stop(stop_mode mode, steady_clock::duration grace) {
    post([mode, grace](tcp_server_state& s) {
        if (mode == stop_mode::accepting)
            s.listener_->stop();
        else
            s.stops_.spawn(stop_and_forget(s.shared_from_this(), mode, grace));
    });
}

PORTUNUS_DECL void tcp_server_state::hold_sessions(bool on) {
    holding_ = on;
    if (on) return;
    for (unsigned i = 0; i < runtime_.size(); ++i) {
        auto begin = [self = shared_from_this(), i] { self->begin_held(i); };
        boost::asio::post(runtime_.context(i), std::move(begin));
    }
}

PORTUNUS_DECL tcp_server_state::place& tcp_server_state::place_of(unsigned index) {
    place& p = places_[index];
    if (!p.changed) {
        const auto executor = runtime_.context(index).get_executor();
        p.closers.emplace(executor, runtime_.log());
        p.stops.emplace(executor, runtime_.log());
        p.changed.emplace(executor);
    }
    return p;
}

PORTUNUS_DECL awaitable<void> tcp_server_state::accept_all(pointer self) {
    tcp_listener_state::sink take = [server = self.get()](accepted_socket& taken) {
        server->place_socket(taken);
        return true;
    };
    const error ended = co_await tcp_listener_state::accept_each(self->listener_, std::move(take));
    if (ended != errc::listener_closed && ended != errc::canceled)
        self->runtime_.log()(log_level::error, "a listener ended: " + ended.message());
}

PORTUNUS_DECL void tcp_server_state::place_socket(accepted_socket& taken) noexcept {
    const unsigned index = runtime_.load_least();
    const peer_info peer = taken.peer;
    try {
        if (occupancy_.used() && !let_in(index, taken)) return;
        start_at(index, taken);
    } catch (...) { // no memory, or a predicate of the program: this connection, and not the door
        lose(index, 0, nullptr, peer, std::current_exception());
    }
}

PORTUNUS_DECL void tcp_server_state::start_at(unsigned index, accepted_socket& taken) {
    if (index == 0) return start(index, taken);
    boost::asio::post(runtime_.context(index),
                      [self = shared_from_this(), index, there = std::move(taken)]() mutable {
                          self->start(index, there);
                      });
}

PORTUNUS_DECL bool tcp_server_state::let_in(unsigned index, accepted_socket& taken) {
    const peer_info& peer = taken.peer;
    struct waits_here { // from before he may be told to begin
        std::atomic<std::size_t>& count;
        bool stays = false;
        explicit waits_here(std::atomic<std::size_t>& c) : count(c) { count.fetch_add(1); }
        ~waits_here() {
            if (!stays) count.fetch_sub(1);
        }
    } waiting(places_[index].waiting);
    auto entry = occupancy_.enter(
        peer.id, index, {peer.remote.address(), peer.remote.port(), peer.local.address(), peer.local.port()},
        taken);
    waiting.stays = entry.waits;
    for (auto& outdated : entry.outdated) { // replaced before it began
        outdated.waiting.reset_peer();
        meters_.of(0)->closed(close_reason::replaced);
        runtime_.unload(outdated.context);
        boost::asio::post(
            runtime_.context(outdated.context),
            [self = shared_from_this(), context = outdated.context] { self->no_longer_waits(context); });
    }
    for (const auto& old : entry.replaced) {
        auto end = [self = shared_from_this(), old] { self->replace(old.context, old.id); };
        boost::asio::post(runtime_.context(old.context), std::move(end));
    }
    return !entry.waits;
}

PORTUNUS_DECL void tcp_server_state::replace(unsigned index, std::uint64_t id) {
    place& here = place_of(index);
    each_session(here, [id](session& s) {
        if (s.id == id) s.stream->abort(close_reason::replaced);
    });
    for (auto i = here.held.begin(); i != here.held.end(); ++i) { // or it has not begun yet
        if (i->peer.id != id) continue;
        accepted_socket old = std::move(*i);
        here.held.erase(i);
        admission_ticket left = std::move(old.ticket);
        old.reset_peer();
        meters_.of(index)->closed(close_reason::replaced);
        runtime_.unload(index);
        return vacate(id, std::move(left));
    }
}

PORTUNUS_DECL void tcp_server_state::vacate(std::uint64_t id, admission_ticket ticket) noexcept {
    if (!occupancy_.used()) return;
    try {
        for (auto& next : occupancy_.leave(id, std::move(ticket))) {
            if (runtime_.going()) continue; // nobody begins any more
            if (!next.waiting.ticket) next.waiting.ticket = std::move(next.ticket);
            auto begin = [self = shared_from_this(), context = next.context, number = next.id,
                          taken = std::move(next.waiting)]() mutable {
                self->start(context, taken);
                // Somebody newer may have come since, and looked for him in vain.
                if (self->occupancy_.leaving(number)) self->replace(context, number);
                self->no_longer_waits(context);
            };
            boost::asio::post(runtime_.context(next.context), std::move(begin));
        }
    } catch (...) { // no memory: the newcomer is lost, and sees it
    }
}

PORTUNUS_DECL void tcp_server_state::no_longer_waits(unsigned index) {
    places_[index].waiting.fetch_sub(1);
    if (places_[index].stopping) places_[index].changed->notify();
}

PORTUNUS_DECL void tcp_server_state::start(unsigned index, accepted_socket& taken) noexcept {
    std::unique_ptr<session> mine;
    try {
        begin_session(index, taken, mine);
    } catch (...) {
        lose(index, index, std::move(mine), taken.peer, std::current_exception());
    }
}

PORTUNUS_DECL void tcp_server_state::begin_session(unsigned index, accepted_socket& taken,
                                                   std::unique_ptr<session>& mine) {
    place& here = place_of(index);
    if ((holding_ || !here.held.empty()) && !here.stopping && !here.releasing) {
        here.held.push_back(std::move(taken)); // behind those who came before
        return;
    }
    auto& context = runtime_.context(index);
    if (occupancy_.used() && !taken.ticket) { // came instead of somebody whose place was not his to leave
        auto entry = listener_->house.enter(taken.peer.remote.address(), steady_clock::now());
        if (!entry) throw failure(error(errc::too_many_connections, entry.answer.reason()));
        taken.ticket = std::move(entry.ticket);
    }
    tcp_stream attached = taken.attach(context.get_executor(), listener_->options.stream).value();
    tcp_stream_state::pointer stream = tcp_stream_state::pointer_of(attached);
    stream->kept = true;
    stream->counts = meters_.of(index).get();
    if (here.stopping) attached.request_stop();
    mine = std::make_unique<session>(*this, index, taken.peer.id, std::move(stream));
    log(log_level::info, "a connection came", taken.peer.remote);
    if (here.cutting) { // too late for a handler
        ++here.turned_away;
        mine->stream->end(close_reason::shutdown);
        mine->stream->close_socket();
        return report(*mine);
    }
    const auto slot = mine->signal.slot();
    // The handler's coroutine is spawned itself, with no frame of ours around it: an idle session is
    // memory.
    auto body = handler_(std::move(attached), taken.peer);
    boost::asio::co_spawn(context, std::move(body), session_end{std::move(mine), slot});
}

PORTUNUS_DECL void tcp_server_state::begin_held(unsigned index) {
    place& here = place_of(index);
    if (here.releasing) return; // a handler that asks for it again
    here.releasing = true;
    while (!here.held.empty() && (!holding_ || here.stopping)) {
        accepted_socket next = std::move(here.held.front());
        here.held.pop_front();
        start(index, next);
    }
    here.releasing = false;
}

PORTUNUS_DECL void tcp_server_state::lose(unsigned index, unsigned here, std::unique_ptr<session> mine,
                                          const peer_info& peer, const std::exception_ptr& thrown) noexcept {
    try {
        if (mine) return ended(std::move(mine), thrown);
        runtime_.unload(index);
        vacate(peer.id, {});
        meters_.of(here)->closed(close_reason::aborted_locally);
        log(log_level::error, "a connection was lost: " + text_of(thrown), peer.remote);
    } catch (...) { // no memory, or a log that throws: there is nobody left to tell
    }
}

PORTUNUS_DECL void tcp_server_state::ended(std::unique_ptr<session> mine, const std::exception_ptr& thrown) {
    tcp_server_state& server = mine->server;
    tcp_stream_state& stream = *mine->stream;
    mine->handled = true;
    if (thrown && !is_cancellation(thrown)) {
        server.log(log_level::error, "an exception left a session: " + text_of(thrown), stream.remote);
        stream.abort(close_reason::aborted_locally);
    }
    if (stream.stop_requested) stream.end(stream.peer_finished ? close_reason::eof : close_reason::shutdown);
    if (stream.closing && stream.socket && stream.socket->is_open())
        return server.report(*mine); // somebody else is closing it in good order
    if (stream.peer_finished || stream.obstacle != errc{} || !stream.socket || !stream.socket->is_open()) {
        stream.end(stream.peer_finished ? close_reason::eof : close_reason::closed_locally);
        stream.close_socket();
        return server.report(*mine);
    }
    place& here = server.places_[mine->index];
    here.closers->spawn(close_gracefully(std::move(mine)));
}

PORTUNUS_DECL awaitable<void> tcp_server_state::close_gracefully(std::unique_ptr<session> mine) {
    auto closed = co_await tcp_stream_state::close(mine->stream, default_drain_limit);
    if (!closed && mine->stream->reason == close_reason::closed_locally)
        mine->server.log(log_level::debug, closed.error().message(), mine->stream->remote);
    mine->server.report(*mine);
}

PORTUNUS_DECL void tcp_server_state::report(const session& s) const {
    const tcp_stream_state& stream = *s.stream;
    if (stream.cause && stream.reason == close_reason::protocol_error)
        log(log_level::warning, "a peer broke the protocol: " + stream.cause->message(), stream.remote);
    else if (runtime_.log().enabled(log_level::info))
        log(log_level::info, "a connection ended: " + std::string(to_string(stream.reason)), stream.remote);
}

PORTUNUS_DECL bool tcp_server_state::is_cancellation(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) {
        return e.code() == boost::asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

PORTUNUS_DECL awaitable<bool> tcp_server_state::stop_all(pointer self, stop_mode mode,
                                                         steady_clock::duration grace) {
    constexpr auto zero = steady_clock::duration::zero(), none = steady_clock::duration::max();
    constexpr steady_clock::duration moment = std::chrono::milliseconds(100);
    auto left = mode == stop_mode::now ? zero : std::max(grace, zero);
    auto& time = deadline_service::of(self->runtime_.context());
    const auto began = time.now();
    self->listener_->stop();
    auto drained = co_await self->acceptors_.join(moment); // mostly all of it
    if (left != none) left = std::max(left - (time.now() - began), zero);
    // Of this stop alone: a stricter one may follow while it runs.
    const auto unfinished = std::make_shared<std::size_t>(self->runtime_.size());
    for (unsigned i = 0; i < self->runtime_.size(); ++i) {
        auto begin = [self, i, left, unfinished] {
            self->place_of(i).stops->spawn(stop_place(self, i, left, unfinished));
        };
        boost::asio::post(self->runtime_.context(i), std::move(begin));
    }
    // Long after the last session was cut off: it is somebody else who holds the descriptors.
    constexpr steady_clock::duration more = std::chrono::seconds(3);
    const auto longest = std::min(left, none - more) + more; // named: g++ 12 evaluates both sides of a `?:`
    drained = co_await self->acceptors_.join(longest);
    if (!drained || !drained.value()) {
        self->runtime_.log()(log_level::warning, "connections that could not be accepted are reset");
        self->clean_ = false;
        self->listener_->close();
        (void)co_await self->acceptors_.join();
    }
    for (unsigned i = 0; i < self->runtime_.size(); ++i) {
        auto nobody_more = [self, i] {
            self->place_of(i).drained = true;
            self->place_of(i).changed->notify();
        };
        boost::asio::post(self->runtime_.context(i), std::move(nobody_more));
    }
    while (*unfinished != 0) co_await self->changed_.wait_op();
    co_return self->clean_;
}

PORTUNUS_DECL awaitable<void> tcp_server_state::stop_place(pointer self, unsigned index,
                                                           steady_clock::duration grace,
                                                           std::shared_ptr<std::size_t> unfinished) {
    place& here = self->place_of(index);
    here.stopping = true;
    self->begin_held(index); // accepted is accepted
    each_session(here, [](session& s) { s.stream->request_stop(); });
    bool clean = true; // a peer that does not hang up loses nothing by it
    co_await wait_for_sessions(self, index, grace);
    if (!here.empty()) {
        here.cutting = true;
        std::size_t cut = 0;
        each_session(here, [&cut](session& s) { cut += !s.handled; });
        clean = cut == 0;
        if (!clean)
            self->runtime_.log()(log_level::warning, "sessions were cut off by the stop",
                                 {{"sessions", cut}, {"context", index}});
        each_session(here, [](session& s) { s.stream->fail_both(errc::shutting_down); });
        cancel(here);
        co_await wait_for_sessions(self, index, std::chrono::seconds(1));
        each_session(here, [](session& s) { s.stream->abort(close_reason::shutdown); });
        cancel(here);
        co_await wait_for_sessions(self, index, steady_clock::duration::max());
        if (const auto late = std::exchange(here.turned_away, 0); late != 0) {
            clean = false;
            self->runtime_.log()(log_level::warning, "connections came too late to be served",
                                 {{"connections", late}, {"context", index}});
        }
    }
    auto report = [self, clean, unfinished] {
        if (!clean) self->clean_ = false;
        if (--*unfinished == 0) self->changed_.notify();
    };
    boost::asio::post(self->runtime_.context(), std::move(report));
}

PORTUNUS_DECL awaitable<void> tcp_server_state::wait_for_sessions(pointer self, unsigned index,
                                                                  steady_clock::duration limit) {
    struct watch { // of this wait alone: a stricter stop may overtake another
        place& here;
        bool late = false;
    } mine{self->places_[index]};
    deadline grace(deadline_service::of(self->runtime_.context(index)), &mine, [](void* of) {
        static_cast<watch*>(of)->late = true;
        static_cast<watch*>(of)->here.changed->notify();
    });
    if (limit != steady_clock::duration::max()) grace.arm(limit);
    while (!mine.here.empty() && !mine.late) co_await mine.here.changed->wait_op();
}

PORTUNUS_DECL void tcp_server_state::cancel(place& here) {
    // A signal may end a session, and so unlink it or others: take them off one by one.
    intrusive_list<session> now;
    now.splice(here.sessions);
    while (session* s = now.pop_front()) {
        here.sessions.push_back(*s);
        s->signal.emit(boost::asio::cancellation_type::terminal);
    }
    here.closers->cancel();
}

} // namespace portunus::detail

namespace portunus {

PORTUNUS_DECL auto tcp_server::endpoints() const noexcept -> const std::vector<endpoint_type>& {
    return state_->listener()->where;
}
PORTUNUS_DECL std::uint16_t tcp_server::port() const noexcept {
    return endpoints().front().port();
}
PORTUNUS_DECL void tcp_server::pause() const {
    state_->post([](detail::tcp_server_state& s) { s.listener()->pause(); });
}
PORTUNUS_DECL void tcp_server::resume() const {
    state_->post([](detail::tcp_server_state& s) { s.listener()->resume(); });
}
PORTUNUS_DECL void tcp_server::hold_sessions() const {
    state_->hold_sessions(true);
}
PORTUNUS_DECL void tcp_server::release_sessions() const {
    state_->hold_sessions(false);
}
PORTUNUS_DECL void tcp_server::set_policy(accept_policy policy) const {
    state_->post(
        [policy = std::move(policy)](detail::tcp_server_state& s) { s.listener()->set_policy(policy); });
}
PORTUNUS_DECL void tcp_server::stop(stop_mode mode, steady_clock::duration grace) const {
    state_->begin_stop(mode, grace);
}
PORTUNUS_DECL metrics_snapshot tcp_server::snapshot() const {
    return state_->snapshot();
}

} // namespace portunus

#endif
