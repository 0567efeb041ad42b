// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_PARKING_HPP
#define PORTUNUS_NET_DETAIL_PARKING_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/intrusive_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <new>
#include <optional>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

namespace portunus::detail {

class parking;

/// Where the coroutine of an idle stream waits: 56 bytes inside of the stream, where an Asio operation with
/// its cancellation handler takes about 290. Thousands of idle connections are mostly this wait.
class parked : private intrusive_hook {
  public:
    parked() = default;
    ~parked() { discard(); }

    bool waiting() const noexcept { return actions_ != nullptr; }

    /// Ends the wait with `operation_aborted`, from the context's queue.
    void cancel(parking& place);

  private:
    friend class parking;
    friend class intrusive_list<parked>;
    enum class action { complete, post_aborted, destroy };
    using actions = void (*)(parked&, action, boost::asio::io_context*);

    template <class Handler>
    static void act(parked& p, action what, boost::asio::io_context* context) {
        auto* stored = std::launder(reinterpret_cast<Handler*>(p.storage_));
        Handler handler(std::move(*stored));
        stored->~Handler();
        p.actions_ = nullptr;
        // The handler may destroy this object: it is not touched any more.
        if (what == action::complete)
            std::move(handler)(boost::system::error_code());
        else if (what == action::post_aborted)
            boost::asio::post(*context, [handler = std::move(handler)]() mutable {
                std::move(handler)(make_error_code(boost::asio::error::operation_aborted));
            });
    }

    template <class Handler>
    void store(Handler&& handler) {
        using type = std::decay_t<Handler>;
        static_assert(sizeof(type) <= sizeof storage_, "a coroutine's handler is two or three pointers");
        ::new (static_cast<void*>(storage_)) type(std::forward<Handler>(handler));
        actions_ = &act<type>;
    }
    void discard() {
        if (actions_) actions_(*this, action::destroy, nullptr);
    }

    actions actions_ = nullptr;
    int descriptor_ = -1;
    alignas(void*) unsigned char storage_[24];
};

/// The epoll set of a context's parked streams, which the context watches as one descriptor.
class parking : public boost::asio::execution_context::service {
  public:
    using key_type = parking;
    inline static boost::asio::execution_context::id id;

    explicit parking(boost::asio::execution_context& context)
        : service(context), watched_(std::in_place, static_cast<boost::asio::io_context&>(context)) {}

    static parking& of(const boost::asio::any_io_executor& executor) {
        return boost::asio::use_service<parking>(
            boost::asio::query(executor, boost::asio::execution::context));
    }

    /// The operation that a coroutine awaits: completes when `descriptor` is readable, or with
    /// `operation_aborted`.
    auto wait_op(parked& where, int descriptor) {
        return boost::asio::async_initiate<const decltype(use_result)&, void(boost::system::error_code)>(
            initiation{this, &where, descriptor}, use_result);
    }

    /// The operation of a coroutine that lets the context's other work go first. Costs one posted handler for
    /// all coroutines that yield in the same round, and no allocation.
    auto yield_op(parked& where) {
        return boost::asio::async_initiate<const decltype(use_result)&, void(boost::system::error_code)>(
            yield_initiation{this, &where}, use_result);
    }

  private:
    friend class parked;
    struct yield_initiation {
        parking* place;
        parked* where;
        template <class Handler>
        void operator()(Handler&& handler) const {
            place->yield(*where, std::forward<Handler>(handler));
        }
    };
    struct initiation {
        parking* place;
        parked* where;
        int descriptor;
        template <class Handler>
        void operator()(Handler&& handler) const {
            place->park(*where, descriptor, std::forward<Handler>(handler));
        }
    };

    template <class Handler>
    void park(parked& where, int descriptor, Handler&& handler) {
        const auto executor = context_of().get_executor();
        // First what may throw: a stream that is in the set must be in the list as well.
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([&where, this](boost::asio::cancellation_type) { where.cancel(*this); });
        epoll_event event = {};
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
        event.data.ptr = &where;
        if (!open() || ::epoll_ctl(watched_->native_handle(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
            // Out of descriptors or memory: the caller waits at the socket itself.
            boost::asio::post(executor, [handler = std::forward<Handler>(handler)]() mutable {
                std::move(handler)(make_error_code(boost::asio::error::no_buffer_space));
            });
            return;
        }
        where.descriptor_ = descriptor;
        where.store(std::forward<Handler>(handler));
        parked_.push_back(where);
        watch();
    }

    template <class Handler>
    void yield(parked& where, Handler&& handler) {
        where.descriptor_ = -1;
        where.store(std::forward<Handler>(handler));
        yielded_.push_back(where);
        if (std::exchange(turn_posted_, true)) return;
        post_turn();
    }

    /// Two lists, so that everybody waits for a whole turn of the context at least, also who yields at its
    /// end.
    void post_turn() {
        boost::asio::post(context_of(), [this] {
            intrusive_list<parked> now;
            now.splice(due_);
            due_.splice(yielded_);
            turn_posted_ = !due_.empty();
            if (turn_posted_) post_turn();
            complete(now);
        });
    }

    bool open() {
        if (!watched_) return false;
        if (watched_->is_open()) return true;
        const int set = ::epoll_create1(EPOLL_CLOEXEC);
        if (set < 0) return false;
        boost::system::error_code ec;
        watched_->assign(set, ec);
        if (ec) ::close(set);
        return !ec;
    }

    void watch() {
        if (watching_ || parked_.empty()) return;
        watching_ = true;
        watched_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             [this](const boost::system::error_code& ec) {
                                 watching_ = false;
                                 if (!ec) wake_ready();
                                 if (watched_) watch();
                             });
    }

    void wake_ready() {
        std::array<epoll_event, 64> events;
        const int n =
            ::epoll_wait(watched_->native_handle(), events.data(), static_cast<int>(events.size()), 0);
        // Out of the set first: a stream that is woken may cancel, or destroy, others of this very list.
        intrusive_list<parked> ready;
        for (int i = 0; i < n; ++i) {
            auto* p = static_cast<parked*>(events[static_cast<std::size_t>(i)].data.ptr);
            leave(*p);
            ready.push_back(*p);
        }
        complete(ready);
    }

    /// Resumes everybody in the list. An exception that leaves one of them goes on to the context's `run`,
    /// after the others' turn.
    void complete(intrusive_list<parked>& ready) {
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

    void leave(parked& p) noexcept {
        p.unlink();
        if (p.descriptor_ < 0 || !watched_) return; // not in the set: it only yielded
        ::epoll_ctl(watched_->native_handle(), EPOLL_CTL_DEL, p.descriptor_, nullptr);
        // With nobody parked the set must not keep the context from running out of work.
        if (parked_.empty() && watching_) watched_->cancel();
    }

    void shutdown() override {
        watched_.reset();
        while (parked* p = parked_.pop_front()) p->discard();
        while (parked* p = yielded_.pop_front()) p->discard();
        while (parked* p = due_.pop_front()) p->discard();
    }

    boost::asio::io_context& context_of() { return static_cast<boost::asio::io_context&>(context()); }

    std::optional<boost::asio::posix::stream_descriptor> watched_;
    intrusive_list<parked> parked_;
    intrusive_list<parked> yielded_; // in this turn
    intrusive_list<parked> due_;     // in the last one
    bool watching_ = false;
    bool turn_posted_ = false;
};

inline void parked::cancel(parking& place) {
    if (!actions_) return;
    if (linked()) place.leave(*this);
    actions_(*this, action::post_aborted, &place.context_of());
}

} // namespace portunus::detail

#endif
