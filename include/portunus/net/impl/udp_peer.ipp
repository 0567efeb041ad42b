// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_UDP_PEER_IPP
#define PORTUNUS_NET_IMPL_UDP_PEER_IPP

#include <portunus/net/udp_peer.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/udp_state.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/udp_socket.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/udp.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

namespace portunus {
namespace detail {

/// What the handle and the coroutines of a session share. Used on the context's thread alone.
class udp_peer_state {
  public:
    using pointer = std::shared_ptr<udp_peer_state>;

    udp_peer_state(const boost::asio::any_io_executor& executor, udp_peer_options&& o);
    udp_peer_state(const udp_peer_state&) = delete;
    udp_peer_state& operator=(const udp_peer_state&) = delete;

    result<void> open();
    void end(errc why) noexcept {
        idle.disarm();
        socket->end(why);
    }
    void cancel() noexcept {
        ++cancels;
        socket->wake();
    }

    /// A datagram that may come in: who sent it is the peer from now on.
    void take(const datagram& d);
    result<datagram> try_receive();
    static awaitable<result<datagram>> receive(pointer s);

    std::optional<udp_endpoint> target() const noexcept;
    result<void> send_now(std::string_view bytes);
    static awaitable<result<void>> send(pointer s, std::string_view bytes);

    udp_peer_counters counters() const noexcept;

    std::shared_ptr<udp_socket_state> socket;
    const udp_accept_from accept_from;
    const udp_reply_to reply_to;
    const bool connected, broadcast;
    const interface_choice broadcast_on;
    const steady_clock::duration idle_limit;
    std::optional<address_rule> peer; // who it is; none: nobody yet
    std::optional<address_rule> named;
    udp_endpoint to;          // where ours go; an address and a port, or not known yet
    datagram_source source{}; // and where from
    std::uint64_t foreign = 0;
    std::uint64_t cancels = 0;

  private:
    bool welcomes(const connection_attempt& from);
    void note(const icmp_error& report);
    result<void> connect();
    error take_report() noexcept {
        error told = std::move(*report);
        report.reset();
        return told;
    }
    void touch() {
        const bool begun = peer || broadcast;
        if (idle_limit > steady_clock::duration::zero() && begun && socket->is_open()) idle.arm(idle_limit);
    }

    accept_policy policy; // the user's
    std::function<void(const icmp_error&)> on_icmp_error;
    std::optional<error> report; // of the network, not told yet
    deadline idle;
};

PORTUNUS_DECL udp_peer_state::udp_peer_state(const boost::asio::any_io_executor& executor,
                                             udp_peer_options&& o)
    : accept_from(o.accept_from), reply_to(o.reply_to), connected(o.connected), broadcast(o.broadcast),
      broadcast_on(o.broadcast_on), idle_limit(o.idle_limit), policy(std::move(o.socket.policy)),
      on_icmp_error(std::move(o.socket.on_icmp_error)),
      idle(deadline_service::of(executor), this,
           [](void* self) { static_cast<udp_peer_state*>(self)->end(errc::idle_timeout); }) {
    to = {normalised(o.peer.address()), o.peer.port()};
    if (!to.address().is_unspecified()) peer = named = address_rule(to.address());
    // The socket belongs to this object, which therefore outlives its callbacks.
    const bool asks_interface = policy.asks_interface();
    o.socket.policy = accept_policy::deny_all().allow_if(
        "the peer", [this](const connection_attempt& from) { return welcomes(from); });
    if (connected || on_icmp_error) o.socket.on_icmp_error = [this](const icmp_error& e) { note(e); };
    socket = std::make_shared<udp_socket_state>(executor, std::move(o.socket));
    socket->asks_interface = asks_interface;
}

PORTUNUS_DECL result<void> udp_peer_state::open() {
    const auto wrong = [](const char* text) { return error(errc::invalid_option, text); };
    const auto& address = to.address();
    if (address.is_multicast() ||
        (address.is_v4() && address.to_v4() == boost::asio::ip::address_v4::broadcast()))
        return error(errc::invalid_address,
                     to_string(to) +
                         " is many and cannot be the peer; for everybody there is `broadcast`, for "
                         "a group udp_socket");
    if (broadcast && to.port() == 0) return wrong("a broadcast needs the port of `peer`");
    if (connected) {
        if (!peer || to.port() == 0) return wrong("a connected session needs a peer with its port");
        if (broadcast) return wrong("a connected session cannot broadcast: everybody's answers are foreign");
        if (accept_from != udp_accept_from::same_address)
            return wrong("a connected session has one peer: it cannot accept_from any_address");
        if (reply_to != udp_reply_to::fixed_port)
            return wrong("a connected session has one port of its peer: it cannot reply_to the latest_port");
    }
    if (auto opened = socket->open(); !opened) return opened;
    if (connected)
        if (auto made = connect(); !made) return made;
    touch();
    return {};
}

PORTUNUS_DECL result<void> udp_peer_state::connect() {
    if (socket->sockets.size() != 1)
        return error(errc::invalid_option, "a connected session has a single socket, and these ports, "
                                           "addresses and interfaces make " +
                                               std::to_string(socket->sockets.size()));
    auto& b = socket->sockets.front();
    if (to.address().is_v4() ? !b.v4 : !b.v6)
        return udp_error(EAFNOSUPPORT, to_string(to) + " cannot be reached from " + to_string(b.where));
    udp_endpoint name = to;
    if (to.address().is_v4() && b.v6)
        name.address(boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, to.address().to_v4()));
    if (::connect(b.fd, name.data(), static_cast<socklen_t>(name.size())) != 0)
        return udp_error(errno, "to " + to_string(to));
    socklen_t size = static_cast<socklen_t>(b.where.capacity());
    if (::getsockname(b.fd, b.where.data(), &size) == 0) b.where.resize(size);
    socket->where.front() = b.where;
    return {};
}

/// The policy of the socket.
PORTUNUS_DECL bool udp_peer_state::welcomes(const connection_attempt& from) {
    const bool known = peer && peer->matches(from.remote, from.port);
    // What had arrived before the kernel began to filter.
    const bool other_port = connected && from.port != to.port();
    if (known && !other_port) return true;
    if (peer && accept_from == udp_accept_from::same_address) {
        ++foreign;
        return false;
    }
    return (named && named->matches(from.remote, from.port)) || policy.allows(from);
}

PORTUNUS_DECL void udp_peer_state::note(const icmp_error& e) {
    if (connected) {
        std::string text = to_string(e.destination) + ", reported ";
        if (!e.offender.is_unspecified()) text += "by " + normalised(e.offender).to_string() + ' ';
        text += "as ICMP type " + std::to_string(e.type) + " code " + std::to_string(e.code);
        report = error(e.meaning, std::move(text));
        socket->wake(); // a receive that waits shall tell it
    }
    if (on_icmp_error) on_icmp_error(e);
}

PORTUNUS_DECL void udp_peer_state::take(const datagram& d) {
    const bool first = !peer;
    if (first || accept_from == udp_accept_from::any_address) peer = address_rule(d.sender.address());
    if (!connected) {
        const bool new_port = reply_to == udp_reply_to::latest_port && !broadcast;
        to.address(d.sender.address());
        if (new_port || to.port() == 0) to.port(d.sender.port());
        source = d.reply_source();
    }
    touch();
}

PORTUNUS_DECL result<datagram> udp_peer_state::try_receive() {
    using outcome = udp_socket_state::outcome;
    if (socket->receiving) return another_receives();
    const udp_receiver_mark mark(*socket);
    error why;
    auto o = outcome::again;
    for (int tries = 0; tries < 16 && o == outcome::again; ++tries) o = socket->take_one(why);
    if (o == outcome::something) {
        take(socket->one);
        return socket->one;
    }
    if (o == outcome::failed) return why;
    if (report) return take_report();
    return errc::would_block;
}

PORTUNUS_DECL awaitable<result<datagram>> udp_peer_state::receive(pointer s) {
    using outcome = udp_socket_state::outcome;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    udp_socket_state& socket = *s->socket;
    if (socket.receiving) co_return another_receives();
    const udp_receiver_mark mark(socket);
    const auto cancels_before = s->cancels;
    error why;
    for (;;) {
        if (!socket.is_open()) co_return socket.cause;
        if (stop_asked(asked) || s->cancels != cancels_before) co_return errc::canceled;
        // A flood must not keep the rest of the context waiting.
        outcome o = outcome::again;
        if (++socket.in_a_row % 64 != 0) o = socket.take_one(why);
        if (o == outcome::something) {
            s->take(socket.one);
            co_return socket.one;
        }
        if (o == outcome::failed) co_return why;
        if (s->report) {
            why = s->take_report();
            co_return why;
        }
        if (o == outcome::again) {
            co_await boost::asio::post(boost::asio::deferred);
        } else {
            socket.in_a_row = 0;
            auto& readable = socket.epoll ? *socket.epoll : *socket.sockets.front().descriptor;
            const auto [ec] =
                co_await readable.async_wait(udp_socket_state::descriptor_type::wait_read, use_result);
            (void)ec; // whoever ended the wait has left the reason where the loop looks
        }
    }
}

PORTUNUS_DECL std::optional<udp_endpoint> udp_peer_state::target() const noexcept {
    if (broadcast) return udp_endpoint(boost::asio::ip::address_v4::broadcast(), to.port());
    if (!peer || to.port() == 0) return std::nullopt;
    return to;
}

PORTUNUS_DECL result<void> udp_peer_state::send_now(std::string_view bytes) {
    if (!socket->is_open()) return socket->cause;
    if (report) return take_report();
    const auto where = target();
    if (!where)
        return error(errc::not_connected, peer ? "the peer's port is not known before it has sent something"
                                               : "nobody is the peer before somebody has sent something");
    result<void> sent;
    if (!broadcast) {
        const datagram_source from = source;
        const auto index = socket->choose(from, *where, bytes.size());
        if (!index) return index.error();
        sent = socket->send_now(*index, from, *where, bytes);
    } else if (broadcast_on.any()) {
        const auto number = socket->broadcast(where->port(), bytes);
        if (!number) sent = number.error();
    } else {
        datagram_source from;
        const auto number = broadcast_on.index();
        if (!number) return number.error();
        from.interface = *number;
        const auto index = socket->choose(from, *where, bytes.size());
        if (!index) return index.error();
        sent = socket->send_broadcast(*index, from, *where, bytes);
    }
    if (sent) touch();
    return sent;
}

PORTUNUS_DECL awaitable<result<void>> udp_peer_state::send(pointer s, std::string_view bytes) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    const auto cancels_before = s->cancels;
    auto sent = s->send_now(bytes);
    if (sent || sent.error() != errc::would_block) co_return sent;
    const auto end = deadline_service::of(s->socket->executor).now() + s->socket->options.send_limit;
    for (;;) {
        const auto index =
            s->socket->choose(s->broadcast ? datagram_source() : s->source, *s->target(), bytes.size());
        if (!index) co_return index.error();
        auto room_again = co_await udp_socket_state::wait_for_room(s->socket, *index, end);
        if (!s->socket->is_open()) co_return s->socket->cause;
        if (stop_asked(asked) || s->cancels != cancels_before) co_return errc::canceled;
        if (!room_again) co_return room_again;
        sent = s->send_now(bytes);
        if (sent || sent.error() != errc::would_block) co_return sent;
    }
}

PORTUNUS_DECL udp_peer_counters udp_peer_state::counters() const noexcept {
    const udp_counters below = socket->counters();
    udp_peer_counters now;
    now.received = below.received;
    now.sent = below.sent;
    now.foreign = foreign;
    now.refused = below.filtered - foreign;
    now.truncated = below.truncated;
    now.overruns = below.overruns;
    now.icmp_errors = below.icmp_errors;
    return now;
}

} // namespace detail

PORTUNUS_DECL udp_peer::udp_peer(std::shared_ptr<detail::udp_peer_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL udp_peer::udp_peer(const boost::asio::any_io_executor& executor, udp_peer_options options)
    : udp_peer(open(executor, std::move(options)).value()) {}
PORTUNUS_DECL result<udp_peer> udp_peer::open(const boost::asio::any_io_executor& executor,
                                              udp_peer_options options) {
    auto state = std::make_shared<detail::udp_peer_state>(executor, std::move(options));
    if (auto opened = state->open(); !opened) return opened.error();
    return udp_peer(std::move(state));
}
PORTUNUS_DECL udp_peer::udp_peer(udp_peer&&) noexcept = default;
PORTUNUS_DECL udp_peer& udp_peer::operator=(udp_peer&& other) noexcept {
    if (this != &other) {
        if (state_) state_->end(errc::aborted_locally);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL udp_peer::~udp_peer() {
    if (state_) state_->end(errc::aborted_locally);
}

PORTUNUS_DECL awaitable<result<datagram>> udp_peer::receive() {
    return state_ ? detail::udp_peer_state::receive(state_) : detail::udp_gone<datagram>();
}
PORTUNUS_DECL result<datagram> udp_peer::try_receive() {
    const auto s = state_; // a callback may destroy the handle
    if (!s) return errc::closed_locally;
    return s->try_receive();
}
PORTUNUS_DECL awaitable<result<void>> udp_peer::send(std::string_view bytes) {
    return state_ ? detail::udp_peer_state::send(state_, bytes) : detail::udp_gone<void>();
}
PORTUNUS_DECL result<void> udp_peer::try_send(std::string_view bytes) {
    const auto s = state_;
    if (!s) return errc::closed_locally;
    return s->send_now(bytes);
}
PORTUNUS_DECL auto udp_peer::target() const noexcept -> std::optional<endpoint_type> {
    return state_ ? state_->target() : std::nullopt;
}
PORTUNUS_DECL bool udp_peer::established() const noexcept {
    return state_ && state_->peer;
}
PORTUNUS_DECL void udp_peer::cancel() {
    if (state_) state_->cancel();
}
PORTUNUS_DECL void udp_peer::close() {
    if (state_) state_->end(errc::closed_locally);
}
PORTUNUS_DECL bool udp_peer::is_open() const noexcept {
    return state_ && state_->socket->is_open();
}
PORTUNUS_DECL close_reason udp_peer::reason() const noexcept {
    if (!state_) return close_reason::closed_locally;
    return state_->socket->cause == errc{} ? close_reason::none : reason_of(state_->socket->cause);
}
PORTUNUS_DECL auto udp_peer::endpoints() const noexcept -> const std::vector<endpoint_type>& {
    return state_->socket->where;
}
PORTUNUS_DECL std::uint16_t udp_peer::port() const noexcept {
    return state_->socket->where.empty() ? std::uint16_t(0) : state_->socket->where.front().port();
}
PORTUNUS_DECL udp_peer_counters udp_peer::counters() const {
    return state_ ? state_->counters() : udp_peer_counters();
}
PORTUNUS_DECL boost::asio::any_io_executor udp_peer::get_executor() const {
    return state_->socket->executor;
}

} // namespace portunus

#endif
