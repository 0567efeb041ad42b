// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_UDP_HUB_HPP
#define PORTUNUS_NET_UDP_HUB_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/shared_datagram.hpp>
#include <portunus/net/udp_interest.hpp>
#include <portunus/net/udp_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/udp.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace portunus {

namespace detail {
class udp_hub_state;
class udp_subscription_state;
} // namespace detail

/// How much waits for a subscriber who is slow. What is beyond is lost to it alone, and the oldest go first:
/// who has fallen behind needs the present state of a device, not an old one, and finds the gap before the
/// next datagram that it gets. A datagram that is larger than `bytes` is lost by itself.
struct udp_queue_limits {
    std::size_t datagrams{256};
    std::size_t bytes{1024 * 1024}; ///< of what the datagrams carry
};

/// What a subscription has counted. A snapshot.
struct udp_subscription_counters {
    std::uint64_t received{0};   ///< given out
    std::uint64_t lost{0};       ///< because the queue was full
    std::size_t queued{0};       ///< datagrams that wait now
    std::size_t queued_bytes{0}; ///< and what they carry
};

/// One subscriber's share of a hub. A handle, move-only, of the hub's context; destroying it ends the
/// subscription. It may live longer than the hub, and than the context, and be destroyed at any point: from
/// inside of a predicate, or while a receive waits, which then gives `errc::aborted_locally`.
class udp_subscription {
  public:
    using endpoint_type = boost::asio::ip::udp::endpoint;

    udp_subscription(udp_subscription&&) noexcept;
    udp_subscription& operator=(udp_subscription&&) noexcept;
    ~udp_subscription();

    /// Completes with the oldest datagram that waits. One at a time (`errc::operation_in_progress`); waits
    /// without a limit. `errc::canceled` loses no datagram.
    ///
    /// After the hub's end what had been queued is still given out; then the reason of the end:
    /// `errc::closed_locally`, `errc::shutting_down` (it was stopped), `errc::aborted_locally` (it was
    /// destroyed), or what had failed.
    awaitable<result<shared_datagram>> receive();
    /// What waits, or `errc::would_block`.
    result<shared_datagram> try_receive();

    /// By the hub's socket, see `udp_socket::send`.
    awaitable<result<void>> send(endpoint_type to, std::string_view bytes);
    /// To the sender of `received`, from where that came to. `received` is not used after the call.
    awaitable<result<void>> reply(const shared_datagram& received, std::string_view bytes);
    result<void> try_send(const endpoint_type& to, std::string_view bytes);
    result<void> try_reply(const shared_datagram& received, std::string_view bytes);

    /// Ends the subscription; what waits is discarded.
    void close();
    bool is_open() const noexcept;
    /// Why it ended, or none.
    close_reason reason() const noexcept;
    udp_subscription_counters counters() const noexcept;

  private:
    friend class detail::udp_hub_state;
    explicit udp_subscription(std::shared_ptr<detail::udp_subscription_state> state) noexcept;
    std::shared_ptr<detail::udp_subscription_state> state_;
};

/// How a hub is opened. It owns things: give it a name first.
struct udp_hub_options {
    udp_options socket{};
    std::size_t max_subscriptions{1000};
    /// How many bytes of memory for datagrams are kept for the next ones.
    std::size_t pool{1024 * 1024};
};

/// What a hub has counted. A snapshot.
struct udp_hub_counters {
    udp_counters socket{};
    std::uint64_t queued{0};    ///< datagrams put into queues, one for each subscription that got it
    std::uint64_t lost{0};      ///< of them, lost again because their subscriber was slow
    std::uint64_t unclaimed{0}; ///< datagrams that nobody had subscribed to
    std::size_t subscriptions{0};
};

/// One UDP socket for several parts of a program: each subscribes to the datagrams that it wants, and gets
/// every one of them, whoever else does (row X-25).
///
///     udp_hub_options door;
///     door.socket.ports  = 7000;
///     door.socket.policy = accept_policy::deny_all().allow("192.168.1.0/24");
///     udp_hub hub(executor, door);
///     auto meter = hub.subscribe(udp_interest().from("192.168.1.7")).value();
///     auto all   = hub.subscribe().value();
///     for (;;) {
///         auto got = co_await meter.receive();
///         if (!got) co_return;
///         auto sent = co_await meter.reply(*got, "thanks");
///     }
///
/// It begins to receive when the context runs on after it was made, so subscriptions made at once miss
/// nothing; from then on it receives until it ends, and counts what nobody wants. A datagram is copied once,
/// into memory that is used again.
///
/// A handle, move-only, of one context. Destroying it ends the hub. A runtime that stops does not know of it:
/// `stop` it from a `std::stop_callback`.
///
/// Semantics rows.
class udp_hub {
  public:
    using endpoint_type = boost::asio::ip::udp::endpoint;

    /// Throws `failure` where `open` returns the error.
    udp_hub(const boost::asio::any_io_executor& executor, udp_hub_options options);
    /// The same with a result: what `udp_socket::open` gives.
    static result<udp_hub> open(const boost::asio::any_io_executor& executor, udp_hub_options options);

    udp_hub(udp_hub&&) noexcept;
    udp_hub& operator=(udp_hub&&) noexcept;
    ~udp_hub();

    /// A share of what comes from now on. Errors: those of `udp_socket::join` for a group;
    /// `errc::invalid_option` for a queue of no datagrams or no bytes; `errc::queue_full` where
    /// `max_subscriptions` are there already; the reason of the hub's end.
    ///
    /// A group is joined with its first subscription and left with its last one. On one interface it is asked
    /// for either by naming that or by leaving the choice to the system; a mixture is `errc::address_in_use`.
    result<udp_subscription> subscribe(udp_interest what = {}, udp_queue_limits queue = {});

    /// By the hub's socket, see `udp_socket`.
    awaitable<result<void>> send(endpoint_type to, std::string_view bytes);
    result<void> try_send(const endpoint_type& to, std::string_view bytes);
    result<std::size_t> broadcast(std::uint16_t port, std::string_view bytes);

    /// Ends the hub after what has already arrived was given to the subscriptions (at most 1024 datagrams),
    /// with `errc::shutting_down`. Returns at once.
    void stop();
    /// Ends the hub at once, with `errc::closed_locally`; what waits in the kernel is lost.
    void close();
    bool is_open() const noexcept;
    /// Why it ended, or none.
    close_reason reason() const noexcept;

    const std::vector<endpoint_type>& endpoints() const noexcept;
    std::uint16_t port() const noexcept;
    /// Another policy for the datagrams to come.
    void set_policy(accept_policy policy);
    udp_hub_counters counters() const;
    boost::asio::any_io_executor get_executor() const;

  private:
    explicit udp_hub(std::shared_ptr<detail::udp_hub_state> state) noexcept;
    std::shared_ptr<detail::udp_hub_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/udp_hub.hpp>

#endif