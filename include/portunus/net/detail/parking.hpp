// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_PARKING_HPP
#define PORTUNUS_NET_DETAIL_PARKING_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/intrusive_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include <sys/epoll.h>

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

    static parking& of(const boost::asio::any_io_executor& executor);

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
    void post_turn();

    bool open();

    void watch();

    void wake_ready();

    /// Resumes everybody in the list. An exception that leaves one of them goes on to the context's `run`,
    /// after the others' turn.
    void complete(intrusive_list<parked>& ready);

    void leave(parked& p) noexcept;

    void shutdown() override;

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

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/parking.ipp>
#endif

#endif
