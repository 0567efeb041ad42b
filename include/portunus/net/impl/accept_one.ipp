// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_ACCEPT_ONE_IPP
#define PORTUNUS_NET_IMPL_ACCEPT_ONE_IPP

#include <portunus/net/accept_one.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/tcp_listener.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace portunus {
namespace detail {

class single_door_state {
  public:
    using pointer = std::shared_ptr<single_door_state>;
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    single_door_state(const boost::asio::any_io_executor& executor, tcp_listener l,
                      const accept_one_options& options)
        : listener(std::move(l)), where(listener->endpoints().front()), limit(options.limit),
          late_at(deadline_service::of(executor), this,
                  [](void* self) { static_cast<single_door_state*>(self)->too_late(); }) {}

    static result<single_door> open(const boost::asio::any_io_executor& executor, const endpoint_type& where,
                                    const accept_one_options& options) {
        const bool one = !options.allowed_peer.is_unspecified();
        if (one == options.anyone)
            return error(errc::invalid_option,
                         one ? "both allowed_peer " + options.allowed_peer.to_string() +
                                   " and anyone are given"
                             : std::string("neither allowed_peer nor anyone is given: nobody could come in"));
        listener_options door;
        door.ports = port_list(where.port());
        if (!where.address().is_unspecified()) door.addresses = {where.address()};
        const port_range from = options.allowed_port != 0 ? port_range(options.allowed_port) : port_range();
        if (one)
            door.policy.allow(address_rule(options.allowed_peer, from));
        else
            door.policy.allow(address_rule::any(from));
        door.stream = options.stream;
        auto listener = tcp_listener::open(executor, std::move(door));
        if (!listener) return std::move(listener).error();
        return single_door(std::make_shared<single_door_state>(executor, std::move(*listener), options));
    }

    /// Who connected before this moment still comes in: the kernel's queue is drained first.
    void too_late() {
        late = true;
        listener->stop();
    }

    void close(errc why) {
        if (!listener) return;
        if (!closed_by) closed_by = why;
        refused = refusals();
        late_at.disarm();
        listener.reset(); // wakes an accept that waits
    }

    std::uint64_t refusals() const { return listener ? listener->snapshot().refused_by_policy : refused; }

    static awaitable<result<accepted>> accept(pointer s);

    std::optional<tcp_listener> listener; // none once the door is closed
    endpoint_type where;
    steady_clock::duration limit;
    deadline late_at;
    std::uint64_t refused = 0; // until the door was closed
    std::optional<errc> closed_by;
    bool waiting = false;
    bool late = false;
};

PORTUNUS_DECL awaitable<result<accepted>> single_door_state::accept(pointer s) {
    if (s->waiting)
        co_return error(errc::operation_in_progress, "another coroutine already waits in accept()");
    if (!s->listener) co_return errc::listener_closed;
    struct mark_type {
        single_door_state& state;
        ~mark_type() {
            state.waiting = false;
            state.late_at.disarm();
        }
    } mark{*s};
    s->waiting = true;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    s->late_at.arm(s->limit);
    auto peer = co_await s->listener->accept();
    if (peer) {
        s->close(errc::listener_closed);
        co_return peer;
    }
    const error why = peer.error();
    if (s->closed_by) co_return *s->closed_by;
    if (s->late && why == errc::listener_closed) {
        s->close(errc::listener_closed);
        co_return error(
            errc::connect_timeout,
            "nobody who may come in connected to " + to_string(s->where) + " within " +
                std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(s->limit).count()) +
                " ms; " + std::to_string(s->refused) + " others were refused");
    }
    if (why != errc::canceled || s->late) s->close(errc::listener_closed);
    co_return why;
}

PORTUNUS_DECL awaitable<result<accepted>> door_failed(error why) {
    co_return why;
}

PORTUNUS_DECL awaitable<result<accepted>> accept_one(boost::asio::ip::tcp::endpoint where,
                                                     accept_one_options options) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto executor = co_await boost::asio::this_coro::executor;
    auto door = single_door::open(executor, where, options);
    if (!door) co_return std::move(door).error();
    auto peer = co_await door->accept();
    co_return peer;
}

} // namespace detail

PORTUNUS_DECL single_door::single_door(std::shared_ptr<detail::single_door_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL single_door::single_door(const boost::asio::any_io_executor& executor,
                                       const endpoint_type& where, const accept_one_options& options)
    : single_door(open(executor, where, options).value()) {}
PORTUNUS_DECL result<single_door> single_door::open(const boost::asio::any_io_executor& executor,
                                                    const endpoint_type& where,
                                                    const accept_one_options& options) {
    return detail::single_door_state::open(executor, where, options);
}
PORTUNUS_DECL single_door::single_door(single_door&&) noexcept = default;
PORTUNUS_DECL single_door& single_door::operator=(single_door&& other) noexcept {
    if (this != &other) {
        if (state_) state_->close(errc::canceled);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL single_door::~single_door() {
    if (state_) state_->close(errc::canceled);
}
PORTUNUS_DECL auto single_door::local_endpoint() const noexcept -> endpoint_type {
    return state_ ? state_->where : endpoint_type();
}
PORTUNUS_DECL awaitable<result<accepted>> single_door::accept() {
    return state_ ? detail::single_door_state::accept(state_) : detail::door_failed(errc::listener_closed);
}
PORTUNUS_DECL void single_door::close() {
    if (state_) state_->close(errc::listener_closed);
}
PORTUNUS_DECL bool single_door::is_open() const noexcept {
    return state_ && state_->listener;
}
PORTUNUS_DECL std::uint64_t single_door::refused() const {
    return state_ ? state_->refusals() : 0;
}

PORTUNUS_DECL awaitable<result<accepted>> accept_one(const boost::asio::ip::tcp::endpoint& where,
                                                     const accept_one_options& options) {
    if (where.port() == 0)
        return detail::door_failed(
            error(errc::invalid_port, "port 0: nobody could be told which one it became; use single_door"));
    return detail::accept_one(where, options);
}
PORTUNUS_DECL awaitable<result<accepted>> accept_one(const boost::asio::ip::tcp::endpoint& where,
                                                     steady_clock::duration limit,
                                                     const boost::asio::ip::address& allowed_peer) {
    accept_one_options options;
    options.limit = limit;
    options.allowed_peer = allowed_peer;
    return accept_one(where, options);
}

} // namespace portunus

#endif
