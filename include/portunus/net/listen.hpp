// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_LISTEN_HPP
#define PORTUNUS_NET_LISTEN_HPP

#include <portunus/core/runtime.hpp>
#include <portunus/net/tcp_listener.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus {

namespace detail {
class tcp_server_state;
using session_function = std::function<awaitable<void>(tcp_stream, const peer_info&)>;
} // namespace detail

/// How a server stops. None of the three resets a connection that the kernel had completed.
enum class stop_mode {
    accepting, ///< no new connections; the sessions go on
    graceful,  ///< sessions answer what has arrived, then end; what is left after the grace is cut off
    now,       ///< sessions are cut off at once
};

/// A listener with its sessions, as `runtime::listen` makes it. A handle; copies are the same server, and it
/// may be dropped: the server lives until it is stopped or the runtime is destroyed. Every function may be
/// called from any thread, while the runtime exists; `endpoints`, `port` and `snapshot` also after that.
class tcp_server {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    const std::vector<endpoint_type>& endpoints() const noexcept;
    std::uint16_t port() const noexcept;

    /// Nobody is accepted any more, until `resume`; newcomers wait in the kernel's queue.
    void pause() const;
    void resume() const;
    /// Newcomers are accepted as before, and what they send is kept (by the kernel, as much as its buffer
    /// holds), but their sessions begin only with `release_sessions`, in order: for a program that is not
    /// ready to serve and does not want its peers to notice. As many as `limits` let in. A graceful stop
    /// releases them.
    void hold_sessions() const;
    void release_sessions() const;
    void set_policy(accept_policy policy) const;
    /// Begins to stop, and returns at once. After `accepting` a stricter mode may follow.
    void stop(stop_mode mode, steady_clock::duration grace = default_drain_limit) const;

    metrics_snapshot snapshot() const;

  private:
    friend class detail::tcp_server_state;
    explicit tcp_server(std::shared_ptr<detail::tcp_server_state> state) noexcept
        : state_(std::move(state)) {}
    std::shared_ptr<detail::tcp_server_state> state_;
};

/// What serves a connection: `awaitable<void>(tcp_stream)` or `awaitable<void>(tcp_stream, peer_info)`. A
/// function, or an object that is copied once and called for every connection: with several contexts at the
/// same time, so what it captures must bear that. It lives longer than every session, so a coroutine lambda
/// may capture.
template <class Handler>
concept session_handler =
    std::invocable<Handler&, tcp_stream> || std::invocable<Handler&, tcp_stream, peer_info>;

/// Opens `options` and serves every accepted connection with a session of its own: `rt.listen(door,
/// &echo_lines)`. Throws `failure` when an endpoint cannot be opened, with the reasons of
/// `tcp_listener::open`. To be called before the runtime runs, or on its context 0.
///
/// Slots: with `limits.max_connections = n` and `when_full::wait` there are n places, and the next peer is
/// accepted when a session has *returned*, so after the program has handled the end of the one before; its
/// bytes wait in the kernel meanwhile. With `replace` a newcomer may take the place of an old session: that
/// one is reset, its operations give `errc::replaced`, and when it has returned the new one begins. A door
/// where newcomers may replace looks at everybody, so when it is full it refuses who replaces nobody.
///
/// A session may simply return: its connection is then closed gracefully, so that the peer gets everything
/// that was written. An exception that leaves it is logged as an error and breaks that connection alone. When
/// the server stops, reads deliver what has arrived and then give `errc::shutting_down`, so a session that
/// loops until an error answers everything that was accepted; it is cancelled when the grace is over.
template <session_handler Handler>
tcp_server serve(runtime& rt, listener_options options, Handler handler);

} // namespace portunus

#include <portunus/net/impl/listen.hpp>

#endif