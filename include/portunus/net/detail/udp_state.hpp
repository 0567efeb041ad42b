// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_UDP_STATE_HPP
#define PORTUNUS_NET_DETAIL_UDP_STATE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/memberships.hpp>
#include <portunus/net/detail/udp_system.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/udp_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <net/if.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace portunus::detail {

/// What all handles and coroutines of a UDP socket share. Used on the context's thread alone.
class udp_socket_state final : private context_bound {
  public:
    using pointer = std::shared_ptr<udp_socket_state>;
    using descriptor_type = boost::asio::posix::stream_descriptor;

    /// One socket of the system.
    struct bound {
        std::optional<descriptor_type> descriptor; // none: closed
        int fd = -1;
        udp_endpoint where{};
        bool v4 = false, v6 = false; // what it speaks
        std::string interface {};    // where it is bound to one
        std::uint32_t interface_index = 0;
        bool ready = true;      // may have something
        std::uint32_t lost = 0; // of the dropped ones, those that a datagram has told of
    };

    udp_socket_state(const boost::asio::any_io_executor& e, udp_options o);

    result<void> open();
    void end(errc why) noexcept;
    bool is_open() const noexcept { return opened && cause == errc{}; }
    /// Wakes whoever waits, so that it looks at its condition again.
    void wake() noexcept;

    // receiving

    enum class outcome { something, nothing_now, again, failed };

    /// Takes one datagram into `one`, or several into `room`, without waiting.
    outcome take_one(error& why);
    outcome take_batch(error& why);
    std::span<const datagram> batch() const noexcept { return {room->datagrams.data(), batch_size}; }

    static awaitable<result<datagram>> receive(pointer s);
    static awaitable<result<datagram_batch>> receive_batch(pointer s);

    // sending

    /// The socket to send by, after everything that can be known beforehand was looked at.
    result<std::size_t> choose(const datagram_source& from, const udp_endpoint& to, std::size_t size) const;
    /// `errc::would_block` where there is no room.
    result<void> send_now(std::size_t index, const datagram_source& from, const udp_endpoint& to,
                          std::string_view bytes);
    /// Some of `all`, which begin with one for that socket.
    result<std::size_t> send_some(std::size_t index, std::span<const outgoing_datagram> all);
    result<void> send_broadcast(std::size_t index, const datagram_source& from, const udp_endpoint& to,
                                std::string_view bytes);
    result<std::size_t> broadcast(std::uint16_t port, std::string_view bytes);

    static awaitable<result<void>> send(pointer s, datagram_source from, udp_endpoint to,
                                        std::string_view bytes);
    static awaitable<result<std::size_t>> send_batch(pointer s, std::span<const outgoing_datagram> all);
    static awaitable<result<void>> wait_for_room(pointer s, std::size_t index, steady_clock::time_point end);

    // groups

    result<void> change(bool join, const boost::asio::ip::address& group,
                        const boost::asio::ip::address* source, const interface_choice& on);
    result<std::size_t> join_all(const boost::asio::ip::address& group);
    result<std::size_t> leave_all(const boost::asio::ip::address& group);
    result<void> set_multicast_hops(int hops);

    udp_counters counters() const noexcept;

    boost::asio::any_io_executor executor;
    udp_options options;
    std::vector<bound> sockets; // never changes after opening, though they close
    std::vector<udp_endpoint> where;
    std::optional<descriptor_type> epoll; // an epoll set of the sockets, where there are several
    memberships groups;
    udp_counters counts;
    datagram one;
    std::unique_ptr<udp_batch_room> room;
    std::size_t batch_size = 0;
    errc cause{}; // why it is closed
    std::uint64_t cancels = 0;
    bool opened = false;
    bool receiving = false;
    bool asks_interface = false;
    std::uint32_t in_a_row = 0; // received without a wait

  private:
    void release_context() noexcept override { end(errc::aborted_locally); }

    result<void> open_port(std::uint16_t port, const std::vector<std::string>& interfaces);
    result<void> open_any(std::uint16_t& port, const std::string& interface);
    result<void> open_one(const udp_endpoint& wanted, const std::string& interface, bool v6_only);
    result<void> configure(bound& b);
    result<void> make_group();

    template <class Receive>
    outcome take(error& why, Receive receive);
    outcome receive_one(bound& b, error& why);
    outcome receive_several(bound& b, error& why, unsigned most);
    outcome give_out(std::size_t most);
    outcome receive_failed(bound& b, error& why);
    bool accepts(const datagram& d) noexcept;
    std::string_view name_of(std::uint32_t interface) noexcept;
    bool refresh() noexcept;
    unsigned drain_errors(bound& b);

    result<void> receivers(const boost::asio::ip::address& group, std::uint32_t interface,
                           std::vector<int>& fds) const;
    int transmit(bound& b, const datagram_source& from, const udp_endpoint& to, std::string_view bytes,
                 bool retry = true);

    bool asks_errors = false;
    std::size_t turn = 0; // the socket that is asked first
    std::unique_ptr<char[]> buffer;
    udp_control control;
    std::unique_ptr<udp_headers> out;                        // of batches
    std::array<std::uint8_t, udp_headers::most> out_count{}; // datagrams of each message
    // The largest datagrams that the kernel is asked to cut by itself: those of an Ethernet. 0: it cannot.
    std::size_t most_segment = 1452;
    struct {
        std::uint32_t index = 0;
        steady_clock::time_point asked{};
        char name[IF_NAMESIZE] = {};
    } last_interface;
};

/// An operation on a handle that was moved from.
template <class T>
awaitable<result<T>> udp_gone() {
    co_return errc::closed_locally;
}

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/udp_state.ipp>
#endif

#endif
