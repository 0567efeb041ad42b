// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_PARKING_IPP
#define PORTUNUS_NET_DETAIL_IMPL_PARKING_IPP

#include <portunus/net/detail/parking.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/intrusive_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>

#include <array>
#include <cstddef>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

namespace portunus::detail {

PORTUNUS_DECL parking& parking::of(const boost::asio::any_io_executor& executor) {
    return boost::asio::use_service<parking>(boost::asio::query(executor, boost::asio::execution::context));
}

PORTUNUS_DECL void parking::post_turn() {
    boost::asio::post(context_of(), [this] {
        intrusive_list<parked> now;
        now.splice(due_);
        due_.splice(yielded_);
        turn_posted_ = !due_.empty();
        if (turn_posted_) post_turn();
        complete(now);
    });
}

PORTUNUS_DECL bool parking::open() {
    if (!watched_) return false;
    if (watched_->is_open()) return true;
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) return false;
    boost::system::error_code ec;
    watched_->assign(set, ec);
    if (ec) ::close(set);
    return !ec;
}

PORTUNUS_DECL void parking::watch() {
    if (watching_ || parked_.empty()) return;
    watching_ = true;
    watched_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [this](const boost::system::error_code& ec) {
                             watching_ = false;
                             if (!ec) wake_ready();
                             if (watched_) watch();
                         });
}

PORTUNUS_DECL void parking::wake_ready() {
    std::array<epoll_event, 64> events;
    const int n = ::epoll_wait(watched_->native_handle(), events.data(), static_cast<int>(events.size()), 0);
    // Out of the set first: a stream that is woken may cancel, or destroy, others of this very list.
    intrusive_list<parked> ready;
    for (int i = 0; i < n; ++i) {
        auto* p = static_cast<parked*>(events[static_cast<std::size_t>(i)].data.ptr);
        leave(*p);
        ready.push_back(*p);
    }
    complete(ready);
}

PORTUNUS_DECL void parking::complete(intrusive_list<parked>& ready) {
    struct others {
        parking& place;
        intrusive_list<parked>& left;
        ~others() {
            if (left.empty() || !place.watched_) return;
            place.due_.splice(left);
            if (!std::exchange(place.turn_posted_, true)) place.post_turn();
        }
    } rest{*this, ready};
    while (parked* p = ready.pop_front()) p->actions_(*p, parked::action::complete, nullptr);
}

PORTUNUS_DECL void parking::leave(parked& p) noexcept {
    p.unlink();
    if (p.descriptor_ < 0 || !watched_) return; // not in the set: it only yielded
    ::epoll_ctl(watched_->native_handle(), EPOLL_CTL_DEL, p.descriptor_, nullptr);
    // With nobody parked the set must not keep the context from running out of work.
    if (parked_.empty() && watching_) watched_->cancel();
}

PORTUNUS_DECL void parking::shutdown() {
    watched_.reset();
    while (parked* p = parked_.pop_front()) p->discard();
    while (parked* p = yielded_.pop_front()) p->discard();
    while (parked* p = due_.pop_front()) p->discard();
}

} // namespace portunus::detail

#endif
