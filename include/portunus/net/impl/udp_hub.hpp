// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_UDP_HUB_HPP
#define PORTUNUS_NET_IMPL_UDP_HUB_HPP

#include <portunus/net/udp_hub.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/net/detail/udp_state.hpp>
#include <portunus/net/udp_socket.hpp>

#include <algorithm>
#include <utility>

namespace portunus {
namespace detail {

/// What the handle of a subscription, its coroutine and the hub share.
class udp_subscription_state {
  public:
    using pointer = std::shared_ptr<udp_subscription_state>;

    udp_subscription_state(udp_hub_state& h, std::shared_ptr<udp_socket_state> s, udp_interest&& w,
                           const udp_queue_limits& q);

    bool wants(const datagram& d, const policy_detail::flat_address& sender);
    /// Queues a datagram. `overruns`: how many the kernel has dropped in all. Gives how many were lost.
    std::size_t offer(const datagram_pointer& block, std::uint32_t overruns);
    shared_datagram take() noexcept;
    result<shared_datagram> try_receive();
    static awaitable<result<shared_datagram>> receive(pointer s);

    /// The hub is over. `quiet`: the context is going, nobody can be woken.
    void finish(const error& why, bool quiet) noexcept {
        if (ended()) return;
        hub = nullptr;
        cause = why;
        if (!quiet) changed.notify();
    }
    /// The subscriber has had enough.
    void leave(errc why) noexcept;
    bool ended() const noexcept { return cause.code().failed(); }
    /// Whether nothing is to be sent any more, because the subscriber said so; where the hub is over, its
    /// socket says why.
    bool left() const noexcept { return ended() && socket->is_open(); }

    udp_hub_state* hub; // null: ended
    std::shared_ptr<udp_socket_state> socket;
    udp_interest what;
    std::uint32_t group_interface = 0; // 0: the system has chosen
    udp_queue_limits limits;
    udp_subscription_counters counts;
    std::uint32_t overruns_seen = 0; // of those in all
    error cause;

  private:
    struct entry {
        datagram_pointer block;
        std::uint32_t lost, overruns; // right before it
    };
    void drop_oldest() noexcept;
    void grow();

    event changed;
    std::vector<entry> ring; // its size is a power of two
    std::size_t first = 0;
    std::uint32_t lost = 0, overruns = 0; // right before the oldest one, by what was dropped there
    std::uint32_t lost_last = 0;          // behind the newest one
    bool waiting = false;
};

/// What the handle of a hub, its pump and its subscriptions share.
class udp_hub_state final : private context_bound {
  public:
    using pointer = std::shared_ptr<udp_hub_state>;

    udp_hub_state(const boost::asio::any_io_executor& executor, udp_hub_options&& o)
        : context_bound(executor), socket(std::make_shared<udp_socket_state>(executor, std::move(o.socket))),
          pool(new datagram_pool(o.pool)), most(o.max_subscriptions) {}

    result<udp_subscription> subscribe(udp_interest&& what, const udp_queue_limits& queue);
    void remove(udp_subscription_state& s) noexcept;
    void deliver(const datagram& d);
    void end(const error& why, bool quiet = false) noexcept;
    void stop() noexcept {
        stopping = true;
        socket->wake();
    }
    bool ended() const noexcept { return cause.code().failed(); }
    udp_hub_counters counters() const noexcept;

    static awaitable<void> pump(pointer s);

    std::shared_ptr<udp_socket_state> socket;
    error cause;

  private:
    struct joined {
        boost::asio::ip::address group;
        std::uint32_t interface;
        std::size_t subscribers;
    };

    void release_context() noexcept override { end(errc::aborted_locally, true); }
    result<std::uint32_t> join(boost::asio::ip::address& group, const interface_choice& on);
    void leave(const boost::asio::ip::address& group, std::uint32_t interface) noexcept;
    void sweep() noexcept;

    std::unique_ptr<datagram_pool, datagram_pool::leave> pool;
    std::vector<std::shared_ptr<udp_subscription_state>> subscriptions;
    std::vector<joined> groups;
    udp_hub_counters counts;
    std::size_t most;
    std::uint32_t overruns = 0; // dropped by the kernel in all
    std::size_t to_drain = 1024;
    bool delivering = false;
    bool gaps = false; // some of the subscriptions have left meanwhile
    bool stopping = false;
};

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/udp_hub.ipp>
#endif

#endif
