// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_UDP_SOCKET_HPP
#define PORTUNUS_NET_UDP_SOCKET_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/udp_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace portunus {

namespace detail {
class udp_socket_state;
}

/// A bound UDP socket, or several behind one handle: IPv4 and IPv6, many ports, groups, broadcasts.
///
///     udp_options door;
///     door.ports  = 7000;
///     door.policy = accept_policy::deny_all().allow("192.168.1.0/24");
///     udp_socket socket(executor, door);
///     for (;;) {
///         auto got = co_await socket.receive();
///         if (!got) co_return;
///         auto sent = co_await socket.reply(*got, got->bytes);
///     }
///
/// A thin handle, move-only, of one context. One coroutine may receive; any number may send; everything else
/// may be called meanwhile. After `close`, operations give `errc::closed_locally`; where the handle was
/// destroyed with one pending, that gives `errc::aborted_locally`.
///
/// A datagram is not a message that arrives: the network may lose, double and reorder it, and a sender's
/// address can be forged.
///
/// Semantics rows, T-10, T-18, T-20, T-22, T-29, T-30b, M-3, M-22, Q-19 to Q-21.
class udp_socket {
  public:
    using endpoint_type = boost::asio::ip::udp::endpoint;
    using address_type = boost::asio::ip::address;

    /// Opens every endpoint of `options`, or none. Throws `failure` where `open` returns the error.
    udp_socket(const boost::asio::any_io_executor& executor, udp_options options);

    /// The same with a result: `errc::address_in_use`, `errc::address_not_available`,
    /// `errc::port_requires_privilege`, `errc::no_such_interface`, `errc::invalid_port` (no port at all),
    /// `errc::invalid_option`; the detail names the endpoint or the option.
    static result<udp_socket> open(const boost::asio::any_io_executor& executor, udp_options options);

    udp_socket(udp_socket&&) noexcept;
    udp_socket& operator=(udp_socket&&) noexcept;
    ~udp_socket();

    /// @name Receiving
    /// One at a time, of either form (`errc::operation_in_progress`). What has arrived is taken without
    /// waiting, and nothing is allocated for it; after 64 in a row others of the context have their turn.
    /// Waits without a limit: a quiet network is no failure. `errc::canceled` loses no datagram.
    /// @{

    /// Completes with the next datagram that may come in. Its bytes are valid until the next receive.
    awaitable<result<datagram>> receive();
    /// Completes with all that have arrived on one of the ports, at most 64, with one call of the system.
    awaitable<result<datagram_batch>> receive_batch();
    /// What has arrived, or `errc::would_block`, which a flood of refused datagrams may give, too.
    result<datagram> try_receive();
    result<datagram_batch> try_receive_batch();
    /// @}

    /// @name Sending
    /// Completes when the system has taken the datagram; `bytes` must stay valid until then. It waits only
    /// for room in the system's buffer, `udp_options::send_limit` at most (`errc::write_timeout`).
    ///
    /// Errors, before anything is sent: EMSGSIZE (`condition::too_large`) with the numbers for more than
    /// 65 507 bytes by IPv4 or 65 527 by IPv6; EAFNOSUPPORT where nothing of that family is open; for a
    /// source that is none of ours `errc::invalid_port`, `errc::address_not_available` or
    /// `errc::no_such_interface`. Else the system's: ENETUNREACH, EPERM of a packet filter, EACCES for a
    /// broadcast.
    /// @{

    awaitable<result<void>> send(endpoint_type to, std::string_view bytes);
    /// From one of our addresses, interfaces or ports (IP_PKTINFO, RFC 3542 section 6).
    awaitable<result<void>> send_from(datagram_source from, endpoint_type to, std::string_view bytes);
    /// To the sender of `received`, from where that came to. `received` is not used after the call.
    awaitable<result<void>> reply(const datagram& received, std::string_view bytes);
    /// Sends all of them in order, up to 64 with one call of the system. Completes with their number. None is
    /// sent where one of them can be refused beforehand; an error in between tells how many had left.
    awaitable<result<std::size_t>> send_batch(std::span<const outgoing_datagram> all);

    /// Without waiting: `errc::would_block` where there is no room.
    result<void> try_send(const endpoint_type& to, std::string_view bytes);
    result<void> try_send_from(const datagram_source& from, const endpoint_type& to, std::string_view bytes);

    /// To everybody on every IPv4 subnet that we are on: one datagram to the broadcast address of each
    /// interface that works, at once. Gives how many left; `errc::no_such_interface` where there is no such
    /// interface, the first error where none left. Others of the failures are logged.
    ///
    /// The permission to broadcast is the socket's only during these calls (row X-6), so a `send` to a
    /// broadcast address stays EACCES.
    result<std::size_t> broadcast(std::uint16_t port, std::string_view bytes);
    /// To 255.255.255.255 on one interface (row T-18).
    result<void> broadcast_on(const interface_choice& on, std::uint16_t port, std::string_view bytes);
    /// @}

    /// @name Groups (RFC 3678)
    /// A group is received where it was joined and nowhere else, by all ports of its family. An interface is
    /// given by its name, its number or an address of ours that it has; left out, the system chooses one by
    /// its routes, which on a machine with several may be the wrong one (row Q-20).
    ///
    /// Errors: `errc::invalid_address` (no multicast address), `errc::no_such_interface`,
    /// `errc::address_in_use` (joined there already), `errc::address_not_available` (left without having been
    /// joined); ENOBUFS at the system's limit (net.ipv4.igmp_max_memberships, 20). They name both.
    /// @{

    result<void> join(const address_type& group, const interface_choice& on = {});
    result<void> leave(const address_type& group, const interface_choice& on = {});
    /// On every interface that is up and can do multicast, where it is not joined yet. Gives how many were
    /// joined. An interface that refuses is logged; where all do, its error is given.
    result<std::size_t> join_all(const address_type& group);
    /// Wherever it was joined; gives at how many interfaces that was. Sources are left, too.
    result<std::size_t> leave_all(const address_type& group);
    /// Only what this source sends to the group (RFC 4607). A group is joined for everybody or for sources.
    result<void> join_source(const address_type& group, const address_type& source,
                             const interface_choice& on = {});
    result<void> leave_source(const address_type& group, const address_type& source,
                              const interface_choice& on = {});
    /// 0 to 255; 0 stays on this machine, 1 on the link. Also while it is in use (row Q-21).
    result<void> set_multicast_hops(int hops);
    /// @}

    /// Ends every receive and send that waits, with `errc::canceled`. The socket stays usable.
    void cancel();
    /// Closes at once; what has arrived and was not received is lost (rows T-20, T-22).
    void close();
    bool is_open() const noexcept;

    /// Where it is bound, in the order of opening; with the real port where 0 was asked for.
    const std::vector<endpoint_type>& endpoints() const noexcept;
    /// The port of the first endpoint.
    std::uint16_t port() const noexcept;
    /// Another policy for the datagrams to come; also for those that wait in the kernel.
    void set_policy(accept_policy policy);
    udp_counters counters() const;
    boost::asio::any_io_executor get_executor() const;

  private:
    friend class detail::udp_socket_state;
    explicit udp_socket(std::shared_ptr<detail::udp_socket_state> state) noexcept;
    std::shared_ptr<detail::udp_socket_state> state_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/udp_socket.ipp>
#endif

#endif