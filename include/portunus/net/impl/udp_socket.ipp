// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_UDP_SOCKET_IPP
#define PORTUNUS_NET_IMPL_UDP_SOCKET_IPP

#include <portunus/net/udp_socket.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/udp_state.hpp>
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

PORTUNUS_DECL udp_socket::udp_socket(std::shared_ptr<detail::udp_socket_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL udp_socket::udp_socket(const boost::asio::any_io_executor& executor, udp_options options)
    : udp_socket(open(executor, std::move(options)).value()) {}
PORTUNUS_DECL result<udp_socket> udp_socket::open(const boost::asio::any_io_executor& executor,
                                                  udp_options options) {
    auto state = std::make_shared<detail::udp_socket_state>(executor, std::move(options));
    if (auto opened = state->open(); !opened) return opened.error();
    return udp_socket(std::move(state));
}
PORTUNUS_DECL udp_socket::udp_socket(udp_socket&&) noexcept = default;
PORTUNUS_DECL udp_socket& udp_socket::operator=(udp_socket&& other) noexcept {
    if (this != &other) {
        if (state_) state_->end(errc::aborted_locally);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL udp_socket::~udp_socket() {
    if (state_) state_->end(errc::aborted_locally);
}

PORTUNUS_DECL awaitable<result<datagram>> udp_socket::receive() {
    return state_ ? detail::udp_socket_state::receive(state_) : detail::udp_gone<datagram>();
}
PORTUNUS_DECL awaitable<result<datagram_batch>> udp_socket::receive_batch() {
    return state_ ? detail::udp_socket_state::receive_batch(state_) : detail::udp_gone<datagram_batch>();
}
PORTUNUS_DECL result<datagram> udp_socket::try_receive() {
    using outcome = detail::udp_socket_state::outcome;
    const auto s = state_; // a callback may destroy the handle
    if (!s) return errc::closed_locally;
    if (s->receiving) return detail::another_receives();
    const detail::udp_receiver_mark mark(*s);
    error why;
    auto o = outcome::again;
    for (int tries = 0; tries < 16 && o == outcome::again; ++tries) o = s->take_one(why);
    if (o == outcome::something) return s->one;
    if (o == outcome::failed) return why;
    return errc::would_block;
}
PORTUNUS_DECL result<datagram_batch> udp_socket::try_receive_batch() {
    using outcome = detail::udp_socket_state::outcome;
    const auto s = state_;
    if (!s) return errc::closed_locally;
    if (s->receiving) return detail::another_receives();
    const detail::udp_receiver_mark mark(*s);
    error why;
    const auto o = s->take_batch(why);
    if (o == outcome::something) return s->batch();
    if (o == outcome::failed) return why;
    return errc::would_block;
}

PORTUNUS_DECL awaitable<result<void>> udp_socket::send(endpoint_type to, std::string_view bytes) {
    return send_from(datagram_source(), to, bytes);
}
PORTUNUS_DECL awaitable<result<void>> udp_socket::send_from(datagram_source from, endpoint_type to,
                                                            std::string_view bytes) {
    return state_ ? detail::udp_socket_state::send(state_, from, to, bytes) : detail::udp_gone<void>();
}
PORTUNUS_DECL awaitable<result<void>> udp_socket::reply(const datagram& received, std::string_view bytes) {
    return send_from(received.reply_source(), received.sender, bytes);
}
PORTUNUS_DECL awaitable<result<std::size_t>> udp_socket::send_batch(std::span<const outgoing_datagram> all) {
    return state_ ? detail::udp_socket_state::send_batch(state_, all) : detail::udp_gone<std::size_t>();
}
PORTUNUS_DECL result<void> udp_socket::try_send(const endpoint_type& to, std::string_view bytes) {
    return try_send_from(datagram_source(), to, bytes);
}
PORTUNUS_DECL result<void> udp_socket::try_send_from(const datagram_source& from, const endpoint_type& to,
                                                     std::string_view bytes) {
    const auto s = state_;
    if (!s) return errc::closed_locally;
    const auto index = s->choose(from, to, bytes.size());
    if (!index) return index.error();
    return s->send_now(*index, from, to, bytes);
}
PORTUNUS_DECL result<std::size_t> udp_socket::broadcast(std::uint16_t port, std::string_view bytes) {
    const auto s = state_;
    if (!s) return errc::closed_locally;
    return s->broadcast(port, bytes);
}
PORTUNUS_DECL result<void> udp_socket::broadcast_on(const interface_choice& on, std::uint16_t port,
                                                    std::string_view bytes) {
    const auto s = state_;
    if (!s) return errc::closed_locally;
    const auto number = on.index();
    if (!number) return number.error();
    datagram_source from;
    from.interface = *number;
    const endpoint_type to(boost::asio::ip::address_v4::broadcast(), port);
    const auto index = s->choose(from, to, bytes.size());
    if (!index) return index.error();
    return s->send_broadcast(*index, from, to, bytes);
}

PORTUNUS_DECL result<void> udp_socket::join(const address_type& group, const interface_choice& on) {
    if (!state_) return errc::closed_locally;
    return state_->change(true, group, nullptr, on);
}
PORTUNUS_DECL result<void> udp_socket::leave(const address_type& group, const interface_choice& on) {
    if (!state_) return errc::closed_locally;
    return state_->change(false, group, nullptr, on);
}
PORTUNUS_DECL result<std::size_t> udp_socket::join_all(const address_type& group) {
    if (!state_) return errc::closed_locally;
    return state_->join_all(group);
}
PORTUNUS_DECL result<std::size_t> udp_socket::leave_all(const address_type& group) {
    if (!state_) return errc::closed_locally;
    return state_->leave_all(group);
}
PORTUNUS_DECL result<void> udp_socket::join_source(const address_type& group, const address_type& source,
                                                   const interface_choice& on) {
    if (!state_) return errc::closed_locally;
    return state_->change(true, group, &source, on);
}
PORTUNUS_DECL result<void> udp_socket::leave_source(const address_type& group, const address_type& source,
                                                    const interface_choice& on) {
    if (!state_) return errc::closed_locally;
    return state_->change(false, group, &source, on);
}
PORTUNUS_DECL result<void> udp_socket::set_multicast_hops(int hops) {
    if (!state_) return errc::closed_locally;
    return state_->set_multicast_hops(hops);
}

PORTUNUS_DECL void udp_socket::cancel() {
    if (!state_) return;
    ++state_->cancels;
    state_->wake();
}
PORTUNUS_DECL void udp_socket::close() {
    if (state_) state_->end(errc::closed_locally);
}
PORTUNUS_DECL bool udp_socket::is_open() const noexcept {
    return state_ && state_->is_open();
}
PORTUNUS_DECL auto udp_socket::endpoints() const noexcept -> const std::vector<endpoint_type>& {
    return state_->where;
}
PORTUNUS_DECL std::uint16_t udp_socket::port() const noexcept {
    return state_->where.empty() ? std::uint16_t(0) : state_->where.front().port();
}
PORTUNUS_DECL void udp_socket::set_policy(accept_policy policy) {
    if (!state_) return;
    state_->options.policy = std::move(policy);
    state_->asks_interface = state_->options.policy.asks_interface();
}
PORTUNUS_DECL udp_counters udp_socket::counters() const {
    return state_ ? state_->counters() : udp_counters();
}
PORTUNUS_DECL boost::asio::any_io_executor udp_socket::get_executor() const {
    return state_->executor;
}

} // namespace portunus

#endif
