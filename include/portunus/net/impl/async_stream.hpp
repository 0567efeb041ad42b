// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_ASYNC_STREAM_HPP
#define PORTUNUS_NET_IMPL_ASYNC_STREAM_HPP

#include <portunus/net/async_stream.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>

namespace portunus {
namespace detail {

/// What composed operations know.
PORTUNUS_DECL boost::system::error_code code_for_asio(const error& e) noexcept;

/// An operation that has to wait: a coroutine of the stream's on one side, somebody's handler on the other.
///
/// The handler is not that of `co_spawn`, since in Asio 1.81 a handler with an executor of its own is used
/// after its end there when it is cancelled; and a cancellation reaches the coroutine only once that has
/// begun, since it would be lost before.
class async_operation {
  public:
    async_operation() = default;
    async_operation(const async_operation&) = delete;
    async_operation& operator=(const async_operation&) = delete;
    virtual ~async_operation() = default;

    /// Runs `waiting` on `executor`, and tells the handler.
    PORTUNUS_DECL static void start(const std::shared_ptr<async_operation>& o,
                                    const boost::asio::any_io_executor& executor,
                                    awaitable<result<std::size_t>> waiting);
    /// Ends the wait of an operation that is still there, inside of the context's run.
    PORTUNUS_DECL static void cancel(const std::weak_ptr<async_operation>& which,
                                     const boost::asio::any_io_executor& executor);

  private:
    struct body;
    struct finish;
    /// Posts the handler. Called once.
    virtual void complete(boost::system::error_code code, std::size_t n) = 0;

    boost::asio::cancellation_signal signal_;
    bool started_ = false;
    bool cancelled_ = false;
};

/// Posts a handler of either kind: with a number of bytes, or without.
template <bool sized, class Handler>
void post_completion(const boost::asio::any_io_executor& executor, Handler&& handler,
                     boost::system::error_code code, std::size_t n) {
    if constexpr (sized)
        boost::asio::post(executor, boost::asio::append(std::forward<Handler>(handler), code, n));
    else
        boost::asio::post(executor, boost::asio::append(std::forward<Handler>(handler), code));
}

template <bool sized, class Handler>
class async_operation_for final : public async_operation {
  public:
    async_operation_for(Handler&& handler, const boost::asio::any_io_executor& executor)
        : executor_(executor), work_(boost::asio::get_associated_executor(handler, executor)),
          handler_(std::move(handler)) {}

    static void begin(Handler&& handler, const boost::asio::any_io_executor& executor,
                      awaitable<result<std::size_t>> waiting) {
        const auto slot = boost::asio::get_associated_cancellation_slot(handler);
        const auto o = std::allocate_shared<async_operation_for>(
            boost::asio::recycling_allocator<async_operation_for>(), std::move(handler), executor);
        if (slot.is_connected()) {
            // Weak: the handler may own whoever owns the signal.
            auto taken = slot;
            taken.assign(
                [which = std::weak_ptr<async_operation>(o), executor](boost::asio::cancellation_type_t type) {
                    if (type != boost::asio::cancellation_type::none) cancel(which, executor);
                });
        }
        start(o, executor, std::move(waiting));
    }

  private:
    void complete(boost::system::error_code code, std::size_t n) override {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        post_completion<sized>(executor_, std::move(handler_), code, n);
    }

    boost::asio::any_io_executor executor_;
    boost::asio::executor_work_guard<
        boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>>
        work_;
    Handler handler_;
};

/// What an `async_stream` and its pending operations share.
template <byte_stream S>
class async_stream_state
    : public boost::intrusive_ref_counter<async_stream_state<S>, boost::thread_unsafe_counter> {
  public:
    using pointer = boost::intrusive_ptr<async_stream_state>;

    async_stream_state(S s, steady_clock::duration limit)
        : stream(std::move(s)), executor(stream.get_executor()), close_limit(limit) {}

    /// The handle is gone, or gives the stream away.
    S take() {
        dropped = true;
        return S(std::move(stream));
    }

    /// As much as goes in one call of the stream's.
    template <class ConstBuffers>
    result<std::size_t> write_now(const ConstBuffers& buffers) {
        std::array<char, 4096> piece; // so that headers do not leave alone
        std::size_t size = 0;
        const auto end = boost::asio::buffer_sequence_end(buffers);
        for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it) {
            const boost::asio::const_buffer next(*it);
            if (next.size() == 0) continue;
            if (size == 0 && (next.size() >= piece.size() || std::next(it) == end))
                return stream.try_write_some(next);
            size +=
                boost::asio::buffer_copy(boost::asio::buffer(piece.data() + size, piece.size() - size), next);
            if (size == piece.size()) break;
        }
        if (size == 0) return std::size_t{0};
        return stream.try_write_some(boost::asio::const_buffer(piece.data(), size));
    }

    template <class ConstBuffers>
    static awaitable<result<std::size_t>> write_later(pointer s, ConstBuffers buffers) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        for (;;) {
            if (s->dropped || stop_asked(asked)) co_return errc::canceled;
            auto room = co_await s->stream.wait_writable();
            if (!room) co_return room.error();
            if (s->dropped) co_return errc::canceled;
            auto n = s->write_now(buffers);
            if (n || n.error() != errc::would_block) co_return n;
        }
    }

    static awaitable<result<std::size_t>> close(awaitable<result<void>> closing) {
        auto closed = co_await std::move(closing);
        if (!closed) co_return closed.error();
        co_return std::size_t{0};
    }

    S stream;
    boost::asio::any_io_executor executor;
    steady_clock::duration close_limit;
    bool dropped = false;
};

template <byte_stream S>
struct initiate_async_read {
    using executor_type = boost::asio::any_io_executor;
    executor_type get_executor() const noexcept { return state->executor; }

    template <class Handler>
    void operator()(Handler&& handler, boost::asio::mutable_buffer into) const {
        using handler_type = std::decay_t<Handler>;
        auto n = into.size() == 0 ? result<std::size_t>(std::size_t{0}) : state->stream.try_read_some(into);
        if (!n && n.error() == errc::would_block)
            return async_operation_for<true, handler_type>::begin(
                handler_type(std::forward<Handler>(handler)), state->executor, state->stream.read_some(into));
        post_completion<true>(state->executor, std::forward<Handler>(handler),
                              n ? boost::system::error_code() : code_for_asio(n.error()), n ? *n : 0);
    }

    typename async_stream_state<S>::pointer state;
};

template <byte_stream S>
struct initiate_async_write {
    using executor_type = boost::asio::any_io_executor;
    executor_type get_executor() const noexcept { return state->executor; }

    template <class Handler, class ConstBuffers>
    void operator()(Handler&& handler, const ConstBuffers& buffers) const {
        using handler_type = std::decay_t<Handler>;
        auto n = state->write_now(buffers);
        if (!n && n.error() == errc::would_block)
            return async_operation_for<true, handler_type>::begin(
                handler_type(std::forward<Handler>(handler)), state->executor,
                async_stream_state<S>::write_later(state, buffers));
        post_completion<true>(state->executor, std::forward<Handler>(handler),
                              n ? boost::system::error_code() : code_for_asio(n.error()), n ? *n : 0);
    }

    typename async_stream_state<S>::pointer state;
};

template <byte_stream S>
struct initiate_async_close {
    using executor_type = boost::asio::any_io_executor;
    executor_type get_executor() const noexcept { return state->executor; }

    template <class Handler>
    void operator()(Handler&& handler) const {
        using handler_type = std::decay_t<Handler>;
        async_operation_for<false, handler_type>::begin(
            handler_type(std::forward<Handler>(handler)), state->executor,
            async_stream_state<S>::close(state->stream.close(state->close_limit)));
    }

    typename async_stream_state<S>::pointer state;
};

} // namespace detail

template <byte_stream S>
async_stream<S>::async_stream(S stream, steady_clock::duration close_limit)
    : state_(new detail::async_stream_state<S>(std::move(stream), close_limit)) {}

template <byte_stream S>
async_stream<S>& async_stream<S>::operator=(async_stream&& other) noexcept {
    if (this != &other) {
        if (state_) const S gone = state_->take();
        state_ = std::move(other.state_);
    }
    return *this;
}
template <byte_stream S>
async_stream<S>::~async_stream() {
    if (state_) const S gone = state_->take();
}

template <byte_stream S>
auto async_stream<S>::get_executor() const -> executor_type {
    return state_ ? state_->executor : executor_type();
}
template <byte_stream S>
S& async_stream<S>::stream() noexcept {
    return state_->stream;
}
template <byte_stream S>
const S& async_stream<S>::stream() const noexcept {
    return state_->stream;
}
template <byte_stream S>
S async_stream<S>::release() {
    return state_->take();
}

template <byte_stream S>
template <class MutableBuffers,
          boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
auto async_stream<S>::async_read_some(const MutableBuffers& buffers, Token&& token) {
    boost::asio::mutable_buffer into;
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end && into.size() == 0; ++it)
        into = boost::asio::mutable_buffer(*it);
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        detail::initiate_async_read<S>{state_}, token, into);
}

template <byte_stream S>
template <class ConstBuffers,
          boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
auto async_stream<S>::async_write_some(const ConstBuffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        detail::initiate_async_write<S>{state_}, token, buffers);
}

template <byte_stream S>
template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
auto async_stream<S>::async_close(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        detail::initiate_async_close<S>{state_}, token);
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/async_stream.ipp>
#endif

#endif
