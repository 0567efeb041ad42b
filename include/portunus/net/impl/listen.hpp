// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_LISTEN_HPP
#define PORTUNUS_NET_IMPL_LISTEN_HPP

#include <portunus/net/listen.hpp>

#include <portunus/core/detail/intrusive_list.hpp>
#include <portunus/core/task_group.hpp>
#include <portunus/net/detail/occupancy.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace portunus::detail {

class tcp_server_state final : public runtime_service, public std::enable_shared_from_this<tcp_server_state> {
  public:
    using pointer = std::shared_ptr<tcp_server_state>;

    static tcp_server open(runtime& rt, listener_options options, session_function handler);

    tcp_server_state(runtime& rt, tcp_listener_state::pointer l, metrics m, session_function h);

    /// The runtime stops: once, on context 0.
    awaitable<bool> stop(steady_clock::duration grace) override {
        return stop_all(shared_from_this(), stop_mode::graceful, grace);
    }

    // from any thread
    void post(std::function<void(tcp_server_state&)> action);
    void begin_stop(stop_mode mode, steady_clock::duration grace);
    /// Accepts and keeps, or hands what was kept to the handler.
    void hold_sessions(bool on);
    const tcp_listener_state::pointer& listener() const noexcept { return listener_; }
    metrics_snapshot snapshot() const { return meters_.snapshot(); }

  private:
    /// A session that runs. Owned by Asio's completion handler of its coroutine, then by the coroutine that
    /// closes its stream; it leaves the list when it goes.
    struct session : intrusive_hook {
        session(tcp_server_state& s, unsigned i, std::uint64_t n, tcp_stream_state::pointer st)
            : server(s), stream(std::move(st)), id(n), index(i) {
            server.places_[index].sessions.push_back(*this);
        }
        ~session() {
            unlink();
            stream->end(close_reason::aborted_locally); // the context went before the session was done
            // Not the stream's own pointer: that is gone when the context is going.
            const auto counts = server.meters_.of(index);
            counts->closed(stream->reason);
            if (stream->reason == close_reason::protocol_error) counts->protocol_errors.add();
            server.runtime_.unload(index);
            server.vacate(id, std::move(stream->ticket)); // only now: its end has been handled
            place& here = server.places_[index];
            if (here.stopping && here.sessions.empty()) here.changed->notify();
        }
        tcp_server_state& server; // outlives it: the contexts go before the services
        tcp_stream_state::pointer stream;
        std::uint64_t id; // of the connection
        boost::asio::cancellation_signal signal;
        unsigned index;
        bool handled = false; // the handler has returned: what is left is the peer's goodbye
    };

    /// What a context holds of this server. Made and used on its own thread.
    struct place {
        intrusive_list<session> sessions;
        std::optional<task_group> closers; // of streams whose session has returned
        std::optional<task_group> stops;
        std::optional<event> changed;
        std::deque<accepted_socket> held;    // accepted while sessions are held
        std::atomic<std::size_t> waiting{0}; // newcomers of this place who wait for the end of an old one
        bool releasing = false;              // of `held`
        bool stopping = false;
        bool drained = false;        // nobody more comes from the door
        bool cutting = false;        // the grace is over
        std::size_t turned_away = 0; // who came after it

        bool empty() const noexcept { return sessions.empty() && drained && waiting == 0; }
    };

    /// Completes a session's coroutine. A type of its own rather than bound pieces: Asio keeps less for it.
    struct session_end {
        using cancellation_slot_type = boost::asio::cancellation_slot;
        cancellation_slot_type get_cancellation_slot() const noexcept { return slot; }
        void operator()(const std::exception_ptr& thrown) {
            tcp_server_state::ended(std::move(mine), thrown);
        }

        std::unique_ptr<session> mine;
        cancellation_slot_type slot;
    };

    place& place_of(unsigned index);

    static awaitable<void> accept_all(pointer self);

    /// Gives the socket to the context with the fewest sessions.
    void place_socket(accepted_socket& taken) noexcept;

    void start_at(unsigned index, accepted_socket& taken);

    // replacing

    /// Tells those whose place the newcomer takes to go. False: he waits until they have gone.
    bool let_in(unsigned index, accepted_socket& taken);

    /// On the old session's context.
    void replace(unsigned index, std::uint64_t id);

    /// A session is over, and its closing was handled: who has waited for that may begin.
    void vacate(std::uint64_t id, admission_ticket ticket) noexcept;

    void no_longer_waits(unsigned index);

    /// On the context that the connection will belong to. What goes wrong costs this connection and not the
    /// door.
    void start(unsigned index, accepted_socket& taken) noexcept;

    void begin_session(unsigned index, accepted_socket& taken, std::unique_ptr<session>& mine);

    void begin_held(unsigned index);

    /// `here`: the context that this is called on.
    void lose(unsigned index, unsigned here, std::unique_ptr<session> mine, const peer_info& peer,
              const std::exception_ptr& thrown) noexcept;

    /// A session has returned. What its peer still has to get is closed in good order.
    static void ended(std::unique_ptr<session> mine, const std::exception_ptr& thrown);

    static awaitable<void> close_gracefully(std::unique_ptr<session> mine);

    void report(const session& s) const;

    void log(log_level level, const std::string& text, const boost::asio::ip::tcp::endpoint& remote) const {
        if (runtime_.log().enabled(level)) runtime_.log()(level, text, {{"remote", to_string(remote)}});
    }

    /// Asio reports a cancellation that met a coroutine of the user's own operations as an exception.
    static bool is_cancellation(const std::exception_ptr& thrown);

    // stopping

    static awaitable<void> stop_and_forget(pointer self, stop_mode mode, steady_clock::duration grace) {
        co_await stop_all(std::move(self), mode, grace);
    }

    /// On context 0: first the door, then the sessions of every context. Where the house is full, or
    /// descriptors are short, the rest of the kernel's queue comes in only as sessions end.
    static awaitable<bool> stop_all(pointer self, stop_mode mode, steady_clock::duration grace);

    /// On the context of the place: asks, waits, cuts off, a second later resets, joins.
    static awaitable<void> stop_place(pointer self, unsigned index, steady_clock::duration grace,
                                      std::shared_ptr<std::size_t> unfinished);

    static awaitable<void> wait_for_sessions(pointer self, unsigned index, steady_clock::duration limit);

    static void cancel(place& here);

    template <class Action>
    static void each_session(place& here, Action action) {
        // An action only posts completions, so no session leaves the list meanwhile.
        for (session* s = here.sessions.front(); s; s = here.sessions.after(*s)) action(*s);
    }

    runtime& runtime_;
    tcp_listener_state::pointer listener_;
    metrics meters_;
    session_function handler_;
    task_group acceptors_; // context 0, as the next three
    task_group stops_;
    event changed_;
    occupancy<accepted_socket> occupancy_;
    std::atomic<bool> holding_{false};
    bool clean_ = true;
    std::vector<place> places_;

    friend class portunus::tcp_server;
};

} // namespace portunus::detail

namespace portunus {

template <session_handler Handler>
tcp_server serve(runtime& rt, listener_options options, Handler handler) {
    detail::session_function session;
    if constexpr (std::invocable<Handler&, tcp_stream, peer_info>)
        session = std::move(handler);
    else
        session = [handler = std::move(handler)](tcp_stream stream, const peer_info&) mutable {
            return handler(std::move(stream));
        };
    return detail::tcp_server_state::open(rt, std::move(options), std::move(session));
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/listen.ipp>
#endif

#endif
