// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_SERVER_HPP
#define PORTUNUS_CHANNEL_CHANNEL_SERVER_HPP

#include <portunus/channel/channel.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

namespace detail {
class channel_server_state;
}

/// What happens to a peer for which a broadcast finds no room among the bytes that wait for it.
enum class slow_peer : std::uint8_t {
    skip,  ///< it misses this message
    close, ///< it is cut off, and may come back
};

/// Where to serve channels, whom, and how. It owns things: give it a name first.
struct channel_server_options {
    listener_options door{};
    /// What every session is; `auth` with its throttle is shared by all of them.
    channel_options channel{};
    /// Puts TLS, or whatever else, between the connection and the channel; empty: nothing.
    ///
    ///     [context](tcp_stream peer) -> awaitable<result<any_stream>> {
    ///         auto secure = co_await tls_accept(std::move(peer), context);
    ///         if (!secure) co_return secure.error();
    ///         co_return any_stream(std::move(*secure));
    ///     }
    std::function<awaitable<result<any_stream>>(tcp_stream)> secure{};
    slow_peer when_slow = slow_peer::skip;
};

/// A session, as a broadcast looks at it.
struct channel_session {
    const peer_info& peer;
    std::string_view name;      ///< of the channel
    std::string_view peer_name; ///< under which the client proved itself
};

/// What a server has counted since it began. A snapshot.
struct channel_server_counters {
    std::uint64_t sessions{0};  ///< begun
    std::uint64_t insecure{0};  ///< for which `secure` failed
    std::uint64_t broadcast{0}; ///< messages that were queued for a peer
    std::uint64_t skipped{0};   ///< those for which a peer had no room
    std::uint64_t cut_off{0};   ///< peers that were closed for that
    std::size_t present{0};     ///< sessions now
};

/// A handle on a server of channels; copies are the same server. What `tcp_server` can do, it can. Every
/// function may be called from any thread, while the runtime exists.
class channel_server : public tcp_server {
  public:
    channel_server(tcp_server door, std::shared_ptr<detail::channel_server_state> state) noexcept
        : tcp_server(std::move(door)), state_(std::move(state)) {}

    /// Sends a message to every established session, or to those for which `whom` says so, which is asked on
    /// the session's context. Returns at once; nobody waits for anybody: a peer that has no room for it
    /// (`channel_limits::max_queued`) is skipped or closed, and counted.
    ///
    /// Take a service that is no request and no answer of one, `service_id(50)` say: a message of such a
    /// service is never answered, and never taken for an answer. Peers `handle` it, or `receive` it.
    void broadcast(message what, std::function<bool(const channel_session&)> whom = {}) const;

    channel_server_counters counters() const;

  private:
    std::shared_ptr<detail::channel_server_state> state_;
};

/// What sets up a session: registers handlers. Called once a connection before anything is read. With several
/// contexts it is called by each of them.
using channel_setup = std::function<void(channel&, const peer_info&)>;
/// The same for a server that has something to ask: a coroutine beside the handlers. It is cancelled when the
/// connection ends; the channel lives as long as it does.
using channel_conversation = std::function<awaitable<void>(channel&, peer_info)>;

PORTUNUS_DECL channel_server open_channel_server(runtime& rt, channel_server_options options,
                                                 channel_setup setup, channel_conversation talk);

/// Serves channels: `rt.listen(options, [](channel& c, const peer_info&) { c.handle(temperature, ...); })`.
/// Throws as `listen` does for a plain door, and for channel options that contradict.
///
/// When the runtime stops, what has arrived is answered, handlers that run finish, and the peers see the end.
template <class Setup>
requires std::invocable<Setup&, channel&, const peer_info&>
    channel_server serve(runtime& rt, channel_server_options options, Setup setup) {
    if constexpr (std::is_void_v<std::invoke_result_t<Setup&, channel&, const peer_info&>>)
        return open_channel_server(rt, std::move(options), std::move(setup), {});
    else
        return open_channel_server(rt, std::move(options), {}, std::move(setup));
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/impl/channel_server.ipp>
#endif

#endif
