// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_CONTROL_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_CONTROL_HPP

#include <portunus/adapters/plugin.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>
#include <portunus/framing/any_codec.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/udp_options.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace portunus {

namespace detail {
class plugin_core;
const std::shared_ptr<plugin_core>& core_of(const plugin_control& control) noexcept;
plugin_control control_of(std::shared_ptr<plugin_core> core) noexcept;
} // namespace detail

/// The commands of one plugin. A handle; copies command the same plugin, and it may be kept for as long as
/// one likes: when the plugin has stopped, or its runtime is gone, commands give `errc::shutting_down`.
///
/// Every function may be called from any thread, and from inside of any event. Nothing is called back inside
/// a command. A handle of something that has gone gives `errc::not_connected` (connections and pages) or
/// `errc::listener_closed` (listeners), without asking anybody.
///
/// Commands return at once; what they began is done on the I/O context. Those that open something, and those
/// about groups and broadcasts, wait for it to be done there, ten seconds at most (`errc::read_timeout`), so
/// that they can tell what came of it. On the thread that runs the context, and before it runs, they do it
/// themselves.
class plugin_control {
  public:
    /// Commands nobody: every function but `stopped` throws `failure`.
    plugin_control() noexcept = default;
    explicit operator bool() const noexcept { return core_ != nullptr; }

    /// @name Listeners
    /// @{

    /// Listens for connections, whose bytes `framing` cuts into messages. Errors: those of
    /// `tcp_listener::open`; `errc::invalid_option` where `options.replace` is set: who replaces whom is for
    /// the plugin to decide.
    result<listener_id> listen_tcp(listener_options options, any_codec framing) const;
    /// A UDP socket: for receiving, and for sending. Errors: those of `udp_socket::open`.
    result<listener_id> listen_udp(udp_options options) const;
    /// Where it listens.
    result<listening_info> listening(listener_id listener) const;
    /// Another policy for who comes from now on.
    result<void> set_policy(listener_id listener, accept_policy policy) const;
    /// Nothing more comes through it, and its handle is stale at once; connections that came through it live
    /// on. Those that the kernel has completed already are still delivered.
    result<void> stop_listening(listener_id listener) const;
    /// @}

    /// @name Connections
    /// @{

    /// Begins to connect. The handle is good at once: what is written to it leaves when the connection is
    /// established. Then `on_connected` comes, or `on_closed` with the reason. `errc::queue_full` when all
    /// handles are taken.
    result<connection_id> connect(std::string_view host, std::uint16_t port, any_codec framing,
                                  const connect_options& options = {}) const;
    /// Encodes, and sends when the I/O context gets to it. The bytes are copied. `errc::queue_full` with the
    /// numbers when more than `plugin_options::max_queued` would wait, `errc::unencodable_payload`; nothing
    /// was queued then.
    result<void> write(connection_id connection, std::string_view message) const;
    /// The same for bytes as they are, past the framing.
    result<void> write_raw(connection_id connection, std::string_view bytes) const;
    /// Ends it. What has arrived and was not delivered is dropped; writes fail from now on; `on_closed` comes
    /// when it has ended.
    result<void> disconnect(connection_id connection, disconnect_mode how = disconnect_mode::graceful) const;
    /// Cuts what comes with another codec (row X-13). Inside of an event of the plugin: from the next message
    /// on. From another thread: at some message soon.
    result<void> set_framing(connection_id connection, any_codec framing) const;
    /// Delivers no data of this connection until `resume`; what arrives is kept, as much as
    /// `plugin_options::max_inbox`, then the peer is held up. Its end is told behind its data,
    /// so after that, too.
    result<void> pause(connection_id connection) const;
    result<void> resume(connection_id connection) const;
    /// How many bytes wait to be sent.
    result<std::size_t> queued(connection_id connection) const;
    result<connection_info> info(connection_id connection) const;
    /// @}

    /// @name Datagrams
    /// @{

    /// Queues a datagram. `errc::queue_full` when more than `plugin_options::max_datagrams` wait. What
    /// becomes of it nobody tells; errors of the system are logged.
    result<void> send(listener_id from, const boost::asio::ip::udp::endpoint& to,
                      std::string_view bytes) const;
    /// To the sender of `received`, from where that came to.
    result<void> reply(listener_id from, const datagram& received, std::string_view bytes) const;
    /// See `udp_socket`.
    result<std::size_t> broadcast(listener_id from, std::uint16_t port, std::string_view bytes) const;
    result<void> join(listener_id listener, const boost::asio::ip::address& group,
                      const interface_choice& on = {}) const;
    result<void> leave(listener_id listener, const boost::asio::ip::address& group,
                       const interface_choice& on = {}) const;
    /// @}

    /// Answers a page request (see <portunus/adapters/plugin_pages.hpp>). The first answer counts;
    /// `errc::not_connected` when it was answered before, or is not waited for any more.
    result<void> reply(page_id page, page_reply answer) const;

    /// `on_tick` comes every `interval`, at least a millisecond; zero: never.
    void set_tick(steady_clock::duration interval) const;
    /// Calls `action` as an event of the plugin. It is how other sources bring their news to it, one at a
    /// time with its own. `errc::queue_full` when `plugin_options::max_events` wait; an `action` that throws
    /// is logged.
    result<void> deliver(std::function<void()> action) const;
    void log(log_level level, std::string_view text) const;

    /// No event comes until `resume`; connections are accepted and what they send is kept, in order and
    /// bounded (row T-8). The event that runs, if any, goes on.
    void pause() const;
    void resume() const;

    /// Stops the plugin: drops what is queued for it, waits for the event that runs, calls `on_stopping` and
    /// an `on_closed` for each connection, closes everything. No event comes after it has returned, and its
    /// ports are free. `errc::drain_timeout` when an event still runs after `limit`; that is logged, and the
    /// plugin ends when that event does.
    ///
    /// From inside of an event of this plugin it only marks: the rest happens when that event has returned.
    /// On the I/O context it holds up everything else of that context meanwhile.
    result<void> stop(steady_clock::duration limit = std::chrono::seconds(10)) const;
    bool stopped() const noexcept;
    plugin_counters counters() const;

  private:
    friend const std::shared_ptr<detail::plugin_core>&
    detail::core_of(const plugin_control& control) noexcept;
    friend plugin_control detail::control_of(std::shared_ptr<detail::plugin_core> core) noexcept;
    explicit plugin_control(std::shared_ptr<detail::plugin_core> core) noexcept : core_(std::move(core)) {}
    detail::plugin_core& live() const;
    std::shared_ptr<detail::plugin_core> core_;
};

namespace detail {
inline const std::shared_ptr<plugin_core>& core_of(const plugin_control& control) noexcept {
    return control.core_;
}
inline plugin_control control_of(std::shared_ptr<plugin_core> core) noexcept {
    return plugin_control(std::move(core));
}
} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/impl/plugin_control.ipp>
#endif

#endif
