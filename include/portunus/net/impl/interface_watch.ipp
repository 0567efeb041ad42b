// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_INTERFACE_WATCH_IPP
#define PORTUNUS_NET_IMPL_INTERFACE_WATCH_IPP

#include <portunus/net/impl/interface_watch.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/netlink_socket.hpp>
#include <portunus/net/interface_change.hpp>
#include <portunus/net/interfaces.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <cerrno>
#include <cstddef>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

PORTUNUS_DECL result<interface_watch_state::pointer>
interface_watch_state::open(const boost::asio::any_io_executor& executor, std::size_t room) {
    auto news = netlink::netlink_socket::open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
    if (!news) return news.error();
    const int fd = news->release();
    auto state = std::make_shared<interface_watch_state>(executor);
    if (auto taken = state->take_over(fd); !taken) return taken.error();
    if (room != 0) {
        const int size = static_cast<int>(
            std::min<std::size_t>(room, static_cast<std::size_t>(std::numeric_limits<int>::max() / 2)));
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    // After the socket hears the news, so that nothing falls between the two.
    if (auto learnt = state->learn(); !learnt) return learnt.error();
    return state;
}

PORTUNUS_DECL interface_watch interface_watch_state::make(const boost::asio::any_io_executor& executor,
                                                          int fd,
                                                          const std::vector<network_interface>& present) {
    auto state = std::make_shared<interface_watch_state>(executor);
    state->take_over(fd).value();
    state->tracker.learn(present);
    return interface_watch(std::move(state));
}

PORTUNUS_DECL result<void> interface_watch_state::take_over(int fd) {
    boost::system::error_code ec;
    socket->assign(fd, ec);
    if (ec) {
        ::close(fd);
        return error(ec, "a netlink socket could not be watched");
    }
    return {};
}

PORTUNUS_DECL result<void> interface_watch_state::learn() {
    const auto present = interfaces();
    if (!present) return present.error();
    tracker.learn(*present);
    stale = false;
    return {};
}

PORTUNUS_DECL void interface_watch_state::end(errc why) noexcept {
    if (!socket) return;
    cause = why;
    socket.reset();
    changes.clear();
}

PORTUNUS_DECL interface_watch_state::outcome interface_watch_state::receive(error& why) {
    if (stale) {
        // Now, and not when the next change is asked for: what happens after the user's own look must
        // not be known here already.
        if (auto learnt = learn(); !learnt) {
            why = learnt.error();
            return outcome::failed;
        }
        changes.clear();
        changes.emplace_back();
        return outcome::something;
    }
    const ssize_t n = netlink::receive_from_kernel(socket->native_handle(), buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return outcome::nothing_now;
    if (n < 0 && errno != ENOBUFS) {
        why = netlink::system_failure(errno, "news of the interfaces");
        return outcome::failed;
    }
    if (n == 0) {
        why = netlink::system_failure(ECONNRESET, "news of the interfaces");
        return outcome::failed;
    }
    const bool fits = n > 0 && static_cast<std::size_t>(n) <= buffer.size();
    if (fits && tracker.take(netlink::bytes(buffer.data(), static_cast<std::size_t>(n)), changes))
        return outcome::something;
    // News were lost: the kernel had no room for them, or we cannot read them. What still waits there has
    // holes, and is older than what is going to be learnt.
    for (int i = 0; i < 100'000; ++i) { // as many as fit in any buffer; not for ever
        const ssize_t more = netlink::receive_from_kernel(socket->native_handle(), buffer, MSG_DONTWAIT);
        if (more == 0 || (more < 0 && errno != ENOBUFS)) break;
    }
    stale = true;
    return outcome::something;
}

PORTUNUS_DECL awaitable<result<interface_change>> interface_watch_state::next(pointer s) {
    if (s->waiting) co_return error(errc::operation_in_progress, "another coroutine already waits in next()");
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct mark_type {
        interface_watch_state& state;
        ~mark_type() { state.waiting = false; }
    } mark{*s};
    s->waiting = true;
    error why;
    for (unsigned in_a_row = 1;; ++in_a_row) {
        if (!s->socket) co_return s->cause;
        if (stop_asked(asked)) co_return errc::canceled;
        if (!s->changes.empty()) {
            result<interface_change> first(std::move(s->changes.front()));
            s->changes.pop_front();
            co_return first;
        }
        const outcome got = s->receive(why);
        if (got == outcome::failed) co_return why;
        if (got == outcome::nothing_now) {
            const auto [ec] =
                co_await s->socket->async_wait(boost::asio::posix::stream_descriptor::wait_read, use_result);
            if (ec && s->socket && !stop_asked(asked))
                co_return error(ec, "waiting for news of the interfaces");
        } else if (in_a_row % 16 == 0) {
            // News that say nothing new must not keep the rest of the context waiting.
            co_await boost::asio::post(boost::asio::deferred);
        }
    }
}

PORTUNUS_DECL awaitable<result<interface_change>> watch_gone() {
    co_return errc::closed_locally;
}

} // namespace detail

PORTUNUS_DECL interface_watch::interface_watch(std::shared_ptr<detail::interface_watch_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL interface_watch::interface_watch(const boost::asio::any_io_executor& executor,
                                               std::size_t buffer)
    : interface_watch(open(executor, buffer).value()) {}
PORTUNUS_DECL result<interface_watch> interface_watch::open(const boost::asio::any_io_executor& executor,
                                                            std::size_t buffer) {
    auto state = detail::interface_watch_state::open(executor, buffer);
    if (!state) return state.error();
    return interface_watch(std::move(*state));
}
PORTUNUS_DECL interface_watch::interface_watch(interface_watch&&) noexcept = default;
PORTUNUS_DECL interface_watch& interface_watch::operator=(interface_watch&& other) noexcept {
    if (this != &other) {
        if (state_) state_->end(errc::canceled);
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL interface_watch::~interface_watch() {
    if (state_) state_->end(errc::canceled);
}
PORTUNUS_DECL awaitable<result<interface_change>> interface_watch::next() {
    return state_ ? detail::interface_watch_state::next(state_) : detail::watch_gone();
}
PORTUNUS_DECL void interface_watch::close() {
    if (state_) state_->end(errc::closed_locally);
}
PORTUNUS_DECL bool interface_watch::is_open() const noexcept {
    return state_ && state_->socket;
}
PORTUNUS_DECL boost::asio::any_io_executor interface_watch::get_executor() const {
    return state_ ? state_->executor : boost::asio::any_io_executor();
}

} // namespace portunus

#endif
