// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_TCP_LISTENER_HPP
#define PORTUNUS_NET_TCP_LISTENER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/metrics.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/inherited_sockets.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/proxy_protocol.hpp>
#include <portunus/net/tcp_stream.hpp>
#include <portunus/policy/accept_policy.hpp>
#include <portunus/policy/address_rule.hpp>
#include <portunus/policy/admission.hpp>
#include <portunus/policy/interface_list.hpp>
#include <portunus/policy/port_list.hpp>
#include <portunus/policy/replace_policy.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace portunus {

namespace detail {
class tcp_listener_state;
}

/// Peers that are proxies in front of us (HAProxy's send-proxy, nginx's proxy_protocol, a cloud's load
/// balancer): each of their connections begins with a header that names the client for whom it was made.
///
/// Trust decides who is read how, and nothing is guessed: a connection from an address of `from` must begin
/// with a header, version 1 or 2, and one from anywhere else is never looked at for one. Else anybody could
/// claim to be anybody.
///
/// Policy, admission, replacing, `peer_info::remote` and `remote_endpoint()` then have the client that was
/// named; a proxy needs no rule in the policy, and none of its own connections counts. Where it names nobody
/// (its own checks of whether we live: LOCAL; `UNKNOWN`; a client in its file system) the true peer is the
/// proxy itself, and the policy decides about that. `peer_info::local` stays our own end.
struct proxy_options {
    /// The addresses of the proxies. Empty: there are none.
    std::vector<address_rule> from{};
    /// Refuse, with RST, everybody who comes past the proxies. Else they are peers like any other, about whom
    /// the policy decides.
    bool only{false};
    /// From the connection to the end of its header; then it is reset.
    steady_clock::duration limit{std::chrono::seconds(3)};
    /// The longest header of version 2, in bytes; a longer one is refused.
    std::size_t max_header{default_max_proxy_header};
    /// How many connections may be without their header, or behind it without a place. While there are so
    /// many, nobody else is accepted; newcomers wait in the kernel's queue.
    std::size_t max_waiting{256};
};

/// Where to listen and who may come in. It owns things: give it a name, then pass it to a constructor or a
/// plain function, never in place inside a `co_await` expression.
struct listener_options {
    /// The ports, `port_list("7001,7010-7019")`. 0: a free one (the same on all addresses); `endpoints()`
    /// tells it.
    port_list ports;
    /// Our addresses to listen on. Empty: all of them, IPv4 and IPv6.
    std::vector<boost::asio::ip::address> addresses;
    /// Listen only for peers that arrive on these interfaces (SO_BINDTODEVICE). Empty: all.
    interface_list interfaces;
    /// Listening TCP sockets that the program was given (`inherited_sockets()`), next to the ports or in
    /// their place. What they are bound to, their interface, backlog and sharing were decided by whoever
    /// opened them. The listener takes them out of these handles, so they are for one listener; one that
    /// fails to open leaves them where they are.
    std::vector<inherited_socket> inherited;
    /// Who may come in. Nobody, unless told otherwise.
    accept_policy policy;
    /// Whose place a newcomer takes. The old session ends first, with `close_reason::replaced` and a reset
    /// for its peer; when it has returned, the new one begins. For `runtime::listen`, which knows the
    /// sessions.
    replace_policy replace{};
    /// How many may be in, in total and from each address, and what happens when it is full.
    admission_options limits{};
    /// Counted together with other listeners that have the same one; then `limits` is not used.
    std::optional<admission> house;
    /// Which peers speak for others (PROXY protocol).
    proxy_options proxy{};
    /// How the accepted streams behave.
    tcp_stream_options stream{};
    /// How many connections the kernel holds until they are accepted; it caps the number
    /// (net.core.somaxconn).
    int backlog = 4096;
    /// Let other sockets of the same user bind the same ports, and share the newcomers with them
    /// (SO_REUSEPORT).
    bool reuse_port = false;
    logger log;
};

/// What `accept` gives: the stream and who is at its other end.
struct accepted {
    tcp_stream stream;
    peer_info peer;
};

/// A guarded door: many ports, addresses and interfaces, one `accept`. A thin handle, move-only.
///
/// A peer is accepted by the kernel, then asked for by the policy, then by admission; who is refused sees RST
/// or FIN as configured (its `connect` has succeeded by then), is counted, and never reaches `accept`. Behind
/// a proxy (`proxy_options`) it is asked when the header is there, and headers that are wrong or late are
/// counted as protocol errors.
class tcp_listener {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    /// Opens every endpoint of `options`, or none. Throws `failure`, whose reason is one of those of `open`.
    tcp_listener(const boost::asio::any_io_executor& executor, listener_options options);

    /// The same with a result: `errc::address_in_use`, `errc::address_not_available`,
    /// `errc::port_requires_privilege`, `errc::no_such_interface`, `errc::invalid_port` (no port at all, and
    /// nothing inherited), `errc::invalid_option` (an inherited socket that does not listen for TCP, or that
    /// another listener has); the detail names the endpoint, or the socket and what it is.
    static result<tcp_listener> open(const boost::asio::any_io_executor& executor, listener_options options);

    tcp_listener(tcp_listener&&) noexcept;
    tcp_listener& operator=(tcp_listener&&) noexcept;
    /// Closes at once: what the kernel had queued is reset. Use `stop` first for an orderly end.
    ~tcp_listener();

    /// Completes with the next peer that may come in. One at a time may wait (`errc::operation_in_progress`).
    ///
    /// Transient errors of the system are counted and skipped. When descriptors or memory run out it logs
    /// once, waits (5 ms, doubling to 1 s) and goes on. So it ends only with `errc::canceled`, or
    /// `errc::listener_closed` after `stop` and once the kernel's queue is drained, or with an error that
    /// will not pass.
    awaitable<result<accepted>> accept();

    /// While paused nothing is accepted; newcomers wait in the kernel's queue.
    void pause();
    void resume();
    bool paused() const noexcept;

    /// Lets no new connection begin, while `accept` goes on to deliver those that the kernel has completed;
    /// then it gives `errc::listener_closed`. None of them is reset.
    ///
    /// An inherited socket is not ours alone: those who wait in its queue at this moment are delivered, and
    /// whoever comes later is left to the service manager, which starts the program anew for them.
    void stop();
    bool stopped() const noexcept;

    /// Where it listens, in the order of opening, inherited sockets last; with the real port where 0 was
    /// asked for.
    const std::vector<endpoint_type>& endpoints() const noexcept;
    /// The port of the first endpoint.
    std::uint16_t port() const noexcept;

    /// Another policy for the peers to come.
    void set_policy(accept_policy policy);
    const admission& house() const noexcept;
    /// What it has counted. From any thread.
    metrics_snapshot snapshot() const;

    boost::asio::any_io_executor get_executor() const;

  private:
    friend class detail::tcp_listener_state;
    explicit tcp_listener(std::shared_ptr<detail::tcp_listener_state> state) noexcept;
    std::shared_ptr<detail::tcp_listener_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/tcp_listener.hpp>

#endif