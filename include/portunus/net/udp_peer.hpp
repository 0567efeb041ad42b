// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_UDP_PEER_HPP
#define PORTUNUS_NET_UDP_PEER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/udp_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/udp.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace portunus {

namespace detail {
class udp_peer_state;
}

/// Whose datagrams a `udp_peer` takes once it has a peer. The port that they come from never matters, unless
/// the socket is connected.
enum class udp_accept_from {
    same_address, ///< the peer's address; everybody else's datagrams are foreign
    any_address,  ///< whoever the policy lets in; the latest sender's address is then the peer's
};

/// To which port of the peer's address a `udp_peer` sends.
enum class udp_reply_to {
    fixed_port,  ///< the one that was given, or else that of the first datagram
    latest_port, ///< the one that the latest datagram came from ("port switchover")
};

/// How a session with one UDP peer is opened. It owns things: give it a name, then pass it to a constructor
/// or a plain function.
struct udp_peer_options {
    /// The socket below. Its `policy` decides who may become the peer: a named peer needs no rule, everybody
    /// else does, and by default nobody comes in. It is asked again where somebody takes the peer's place.
    udp_options socket{};
    /// The peer. Without an address (`{}`, or `{address_v4::any(), 7000}`) the session listens: the first
    /// sender whom the policy lets in becomes the peer. Port 0: the one that its first datagram comes from.
    boost::asio::ip::udp::endpoint peer{};
    udp_accept_from accept_from{udp_accept_from::same_address};
    udp_reply_to reply_to{udp_reply_to::fixed_port};
    /// Let the kernel filter (connect(2)): only what comes from the very address and port of `peer` to the
    /// address that the route to it has, and what the network reports of our datagrams arrives as an error.
    /// Needs a peer with its port, `same_address`, `fixed_port`, a single socket (one port, at most one
    /// address and one interface), and no broadcast.
    bool connected{false};
    /// Everything that is sent goes to everybody, at the port of `peer`; nothing that is received changes
    /// that (row T-18).
    bool broadcast{false};
    /// The interface to broadcast on, to 255.255.255.255. Left out: the subnet of each interface that works.
    interface_choice broadcast_on{};
    /// The session ends when no datagram has passed in either direction for so long. It begins with the
    /// peer: who only listens waits without a limit, who broadcasts does not. Our own datagrams count,
    /// whether anybody gets them or not. Zero: never.
    steady_clock::duration idle_limit = std::chrono::seconds(60);
};

/// What a session has counted. A snapshot.
struct udp_peer_counters {
    std::uint64_t received{0};  ///< datagrams that were given out
    std::uint64_t sent{0};      ///< datagrams that the system took; a broadcast is one for each interface
    std::uint64_t foreign{0};   ///< dropped because somebody else than the peer had sent them
    std::uint64_t refused{0};   ///< dropped because the policy said so, or as broadcasts that nobody wants
    std::uint64_t truncated{0}; ///< of the received ones
    std::uint64_t overruns{0};  ///< dropped by the kernel, see `udp_counters`
    std::uint64_t icmp_errors{0};
};

/// A session with one peer over UDP.
///
///     udp_peer_options o;
///     o.peer = {make_address("10.0.0.7"), 4411};
///     udp_peer meter(executor, o);
///     auto sent = co_await meter.send("READ\r");
///     if (!sent) co_return;
///     auto answer = co_await meter.receive();
///
/// | `accept_from` | `reply_to` | datagrams come from | and ours go to |
/// |---|---|---|---|
/// | `same_address` | `fixed_port` | the peer's address, any port | the peer's address and port |
/// | `any_address` | `fixed_port` | anybody | the latest sender's address, the same port as ever |
/// | `same_address` | `latest_port` | the peer's address, any port | the port of the latest datagram |
/// | `any_address` | `latest_port` | anybody | the latest sender |
///
/// An answer leaves from the address, port and interface that the latest datagram came to, so the peer takes
/// it for one. Foreign datagrams vanish without a word and are counted. Mind that anybody can write any
/// sender's address on a datagram.
///
/// A thin handle, move-only, of one context. One coroutine may receive; any number may send; everything else
/// may be called meanwhile. After the end, whatever its cause, operations give that cause; where the handle
/// was destroyed with one pending, that gives `errc::aborted_locally`.
///
/// Semantics rows T-12, T-13, T-18, T-20, T-22, T-26, M-22.
class udp_peer {
  public:
    using endpoint_type = boost::asio::ip::udp::endpoint;

    /// Opens the session. Throws `failure` where `open` returns the error.
    udp_peer(const boost::asio::any_io_executor& executor, udp_peer_options options);

    /// The same with a result: what `udp_socket::open` gives; `errc::invalid_option` for options that
    /// contradict each other; `errc::invalid_address` for a peer that nobody can be (a group, the address
    /// 255.255.255.255); for a connected one the system's error where there is no way to it.
    static result<udp_peer> open(const boost::asio::any_io_executor& executor, udp_peer_options options);

    udp_peer(udp_peer&&) noexcept;
    udp_peer& operator=(udp_peer&&) noexcept;
    ~udp_peer();

    /// Completes with the next datagram of the peer; `sender` tells the very one. No bytes at all are a
    /// datagram, too. The bytes are valid until the next receive. One at a time
    /// (`errc::operation_in_progress`); waits as long as the session lasts.
    ///
    /// Errors: `errc::idle_timeout`, and the other ends of the session; `errc::canceled`, which loses no
    /// datagram. Where the socket is connected: what the network reported about a datagram of ours
    /// (ECONNREFUSED for a port where nobody is, EHOSTUNREACH, ...), whose detail names the peer and the
    /// reporter. It is told once, by a receive or a send, and the session goes on: a peer that restarts is
    /// soon there again.
    awaitable<result<datagram>> receive();
    /// What has arrived, or `errc::would_block`.
    result<datagram> try_receive();

    /// Sends one datagram to the present target. `bytes` must stay valid until it completes. Waits only for
    /// room in the system's buffer, `udp_options::send_limit` at most (`errc::write_timeout`).
    ///
    /// Errors: `errc::not_connected` while there is no target; those of `udp_socket::send` and, for a
    /// broadcast, of `udp_socket::broadcast`; a report of the network, see `receive`, and then nothing was
    /// sent.
    awaitable<result<void>> send(std::string_view bytes);
    /// Without waiting: `errc::would_block` where there is no room.
    result<void> try_send(std::string_view bytes);

    /// Where the next datagram goes; nothing while that is not known. A broadcast is
    /// 255.255.255.255.
    std::optional<endpoint_type> target() const noexcept;
    /// Whether there is a peer: it was named, or somebody has come.
    bool established() const noexcept;

    /// Ends every receive and send that waits, with `errc::canceled`. The session goes on.
    void cancel();
    /// Ends the session at once; what has arrived and was not received is discarded, and the peer is told
    /// nothing (rows T-20, T-22).
    void close();
    bool is_open() const noexcept;
    /// Why it ended: idle, closed_locally, aborted_locally; none while it has not.
    close_reason reason() const noexcept;

    /// Where the socket is bound. A connected one that was not given an address has that of its route.
    const std::vector<endpoint_type>& endpoints() const noexcept;
    std::uint16_t port() const noexcept;
    udp_peer_counters counters() const;
    boost::asio::any_io_executor get_executor() const;

  private:
    explicit udp_peer(std::shared_ptr<detail::udp_peer_state> state) noexcept;
    std::shared_ptr<detail::udp_peer_state> state_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/udp_peer.ipp>
#endif

#endif