// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_RUN_IPP
#define PORTUNUS_TESTING_IMPL_RUN_IPP

#include <portunus/testing/impl/run.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/testing/start.hpp>
#include <portunus/testing/test_failure.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace portunus::testing {
namespace detail {

PORTUNUS_DECL void spawned_body::spawn(boost::asio::io_context& context, awaitable<void> body) {
    boost::asio::co_spawn(context, std::move(body), [this](std::exception_ptr e) {
        finished = true;
        thrown = std::move(e);
    });
}

PORTUNUS_DECL void spawned_body::rethrow(const run_service& service) const {
    if (thrown) std::rethrow_exception(thrown);
    if (const auto unseen = service.unseen()) std::rethrow_exception(unseen);
}

PORTUNUS_DECL std::string milliseconds_text(std::chrono::milliseconds d) {
    return std::to_string(d.count()) + " ms";
}

PORTUNUS_DECL void run_to_the_end(boost::asio::io_context& context, const spawned_body& body,
                                  const run_options& options, const std::string& where) {
    using clock = std::chrono::steady_clock;
    using progress = run_service::progress;
    auto& service = run_service::of(context);
    const auto limit = clock::now() + options.watchdog;
    std::size_t handlers = 0;
    while (!body.finished) {
        const progress p = service.step(limit, true);
        if (p == progress::ran)
            ++handlers;
        else if (p == progress::out_of_work) {
            body.rethrow(service);
            throw test_failure(where +
                               "the context ran out of work before the body had finished: nothing can wake "
                               "it any more; handlers run: " +
                               std::to_string(handlers) + "; left: " + service.state());
        } else {
            body.rethrow(service);
            throw test_failure(where + "the watchdog expired: the body had not finished after " +
                               milliseconds_text(options.watchdog) +
                               "; handlers run: " + std::to_string(handlers) + "; left: " + service.state());
        }
    }
    if (body.thrown) body.rethrow(service);
    const auto drained_by = clock::now() + options.drain;
    handlers = 0;
    for (;;) {
        const progress p = service.step(drained_by, true);
        if (p == progress::out_of_work) break;
        if (p == progress::ran) {
            ++handlers;
            continue;
        }
        body.rethrow(service);
        throw test_failure(where + "the body has finished, but the context did not run out of work within " +
                           milliseconds_text(options.drain) + "; handlers run meanwhile: " +
                           std::to_string(handlers) + "; left: " + service.state());
    }
    body.rethrow(service);
    if (deadline_service::of(context).armed() != 0) // manual time keeps no context alive
        throw test_failure(where + "the body has finished, but work is left: " + service.state());
}

PORTUNUS_DECL std::unique_ptr<boost::asio::io_context> make_context(bool manual_time) {
    auto context = std::make_unique<boost::asio::io_context>(1);
    run_service::of(*context).set_driven();
    if (manual_time) deadline_service::of(*context).use_manual_time();
    return context;
}

PORTUNUS_DECL std::string describe(destruction how, std::size_t n) {
    return "destroyed after " + std::to_string(n) + " handlers, " +
           (how == destruction::handles_first   ? "handles first"
            : how == destruction::context_first ? "context first"
                                                : "handles only") +
           ": ";
}

PORTUNUS_DECL bool run_handlers(boost::asio::io_context& context, const spawned_body& body, std::size_t n,
                                const destroy_options& options, const std::string& where) {
    using progress = run_service::progress;
    auto& service = run_service::of(context);
    const auto limit = std::chrono::steady_clock::now() + options.watchdog;
    for (std::size_t i = 0; i < n; ++i) {
        const progress p = service.step(limit, !body.finished);
        body.rethrow(service);
        if (p == progress::ran) continue;
        if (body.finished) return true;
        throw test_failure(where +
                           (p == progress::late ? "the watchdog expired" : "the context ran out of work") +
                           " before the body had finished; left: " + service.state());
    }
    return false;
}

} // namespace detail

PORTUNUS_DECL awaitable<void> settle() {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto& service = detail::run_service::of(executor);
    if (!service.driven())
        throw test_failure("settle(): this context is not run by the kit, so nobody knows when it is idle");
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await service.idle_op();
}

PORTUNUS_DECL awaitable<void> advance(steady_clock::duration by) {
    co_await settle();
    const auto executor = co_await boost::asio::this_coro::executor;
    auto& time = deadline_service::of(executor);
    if (!time.manual()) throw test_failure("advance(): the time of this context is not manual");
    time.advance(by);
    co_await settle();
    time.advance(steady_clock::duration::zero());
    co_await settle();
}

} // namespace portunus::testing

#endif
