// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_ASYNC_STREAM_IPP
#define PORTUNUS_NET_IMPL_ASYNC_STREAM_IPP

#include <portunus/net/impl/async_stream.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>

namespace portunus::detail {

PORTUNUS_DECL boost::system::error_code code_for_asio(const error& e) noexcept {
    if (e == errc::end_of_stream) return boost::asio::error::eof;
    if (e == errc::canceled || e == errc::closed_locally || e == errc::aborted_locally)
        return boost::asio::error::operation_aborted;
    return e.code();
}

/// The coroutine of an operation that was cancelled before it began.
PORTUNUS_DECL awaitable<result<std::size_t>> cancelled_before() {
    co_return errc::canceled;
}

/// What `co_spawn` calls where the coroutine begins.
struct async_operation::body {
    awaitable<result<std::size_t>> operator()() {
        operation->started_ = true;
        if (operation->cancelled_) return cancelled_before();
        return std::move(waiting);
    }
    std::shared_ptr<async_operation> operation;
    awaitable<result<std::size_t>> waiting;
};

/// And where it ends. The operation goes with it, before the handler is called.
struct async_operation::finish {
    void operator()(const std::exception_ptr& thrown, const result<std::size_t>& n) const {
        if (!thrown)
            return operation->complete(n ? boost::system::error_code() : code_for_asio(n.error()),
                                       n ? *n : 0);
        boost::system::error_code code =
            boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
        try {
            std::rethrow_exception(thrown);
        } catch (const boost::system::system_error& e) { // a stream that reports a cancellation so
            code = e.code();
        } catch (...) {
        }
        operation->complete(code, 0);
    }
    std::shared_ptr<async_operation> operation;
};

PORTUNUS_DECL void async_operation::start(const std::shared_ptr<async_operation>& o,
                                          const boost::asio::any_io_executor& executor,
                                          awaitable<result<std::size_t>> waiting) {
    boost::asio::co_spawn(executor, body{o, std::move(waiting)},
                          boost::asio::bind_cancellation_slot(o->signal_.slot(), finish{o}));
}

PORTUNUS_DECL void async_operation::cancel(const std::weak_ptr<async_operation>& which,
                                           const boost::asio::any_io_executor& executor) {
    // Elsewhere Asio 1.81 keeps a pointer into the coroutine until the context runs again, and it may end
    // before that.
    boost::asio::dispatch(executor, [which] {
        const auto o = which.lock();
        if (!o || o->cancelled_) return;
        o->cancelled_ = true;
        if (o->started_) o->signal_.emit(boost::asio::cancellation_type::terminal);
    });
}

} // namespace portunus::detail

#endif
