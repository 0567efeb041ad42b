// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_RUN_HPP
#define PORTUNUS_TESTING_IMPL_RUN_HPP

#include <portunus/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace portunus::testing {
namespace detail {

template <class T>
inline constexpr bool is_awaitable = false;
template <class T>
inline constexpr bool is_awaitable<awaitable<T>> = true;

// Once a lambda's coroutine is inlined here, g++ 12 sees that the frame's operator new ends in aligned_alloc,
// but not that its operator delete ends in free, and warns.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif
template <class Body>
awaitable<void> body_of(Body& body, boost::asio::io_context& context) {
    if constexpr (is_awaitable<std::remove_cv_t<Body>>)
        return std::move(body);
    else if constexpr (std::is_invocable_v<Body&, boost::asio::io_context&>)
        return body(context);
    else
        return body();
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/// A body that was spawned, and how it ended.
struct spawned_body {
    bool finished = false;
    std::exception_ptr thrown;

    void spawn(boost::asio::io_context& context, awaitable<void> body) {
        boost::asio::co_spawn(context, std::move(body), [this](std::exception_ptr e) {
            finished = true;
            thrown = std::move(e);
        });
    }
    void rethrow(const run_service& service) const {
        if (thrown) std::rethrow_exception(thrown);
        if (const auto unseen = service.unseen()) std::rethrow_exception(unseen);
    }
};

inline std::string milliseconds_text(std::chrono::milliseconds d) {
    return std::to_string(d.count()) + " ms";
}

/// Runs until the context is out of work; `where` is put into the texts.
inline void run_to_the_end(boost::asio::io_context& context, const spawned_body& body,
                           const run_options& options, const std::string& where = {}) {
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

inline std::unique_ptr<boost::asio::io_context> make_context(bool manual_time) {
    auto context = std::make_unique<boost::asio::io_context>(1);
    run_service::of(*context).set_driven();
    if (manual_time) deadline_service::of(*context).use_manual_time();
    return context;
}

/// How everything is destroyed at a point.
enum class destruction { handles_first, context_first, handles_only };

inline std::string describe(destruction how, std::size_t n) {
    return "destroyed after " + std::to_string(n) + " handlers, " +
           (how == destruction::handles_first   ? "handles first"
            : how == destruction::context_first ? "context first"
                                                : "handles only") +
           ": ";
}

/// Runs up to `n` handlers. True when the body had finished, and everything behind it, with fewer.
inline bool run_handlers(boost::asio::io_context& context, const spawned_body& body, std::size_t n,
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

/// One round. True when the body finished by itself.
template <class MakeScene>
bool destroy_after(MakeScene& make, std::size_t n, destruction how, const destroy_options& options) {
    using scene_type = std::decay_t<std::invoke_result_t<MakeScene&, boost::asio::io_context&>>;
    const std::string where = describe(how, n);
    spawned_body body;
    std::unique_ptr<scene_type> scene;
    auto context = make_context(options.manual_time);
    scene.reset(new scene_type(make(*context)));
    body.spawn(*context, body_of(*scene, *context));
    const bool complete = run_handlers(*context, body, n, options, where);
    switch (how) {
    case destruction::handles_first:
        scene.reset();
        context.reset();
        break;
    case destruction::context_first:
        context.reset();
        scene.reset();
        break;
    case destruction::handles_only:
        if constexpr (requires { scene->drop(); }) {
            scene->drop();
            run_to_the_end(*context, body, {options.watchdog, run_options().drain, options.manual_time},
                           where);
        }
        context.reset();
        break;
    }
    return complete;
}

} // namespace detail

template <class Body>
void run(Body&& body, const run_options& options) {
    detail::spawned_body spawned;
    const auto context = detail::make_context(options.manual_time);
    spawned.spawn(*context, detail::body_of(body, *context));
    detail::run_to_the_end(*context, spawned, options);
}

inline awaitable<void> settle() {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto& service = detail::run_service::of(executor);
    if (!service.driven())
        throw test_failure("settle(): this context is not run by the kit, so nobody knows when it is idle");
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await service.idle_op();
}

inline awaitable<void> advance(steady_clock::duration by) {
    co_await settle();
    const auto executor = co_await boost::asio::this_coro::executor;
    auto& time = deadline_service::of(executor);
    if (!time.manual()) throw test_failure("advance(): the time of this context is not manual");
    time.advance(by);
    co_await settle();
    time.advance(steady_clock::duration::zero());
    co_await settle();
}

template <class MakeScene>
std::size_t destroy_at_every_point(MakeScene make, const destroy_options& options) {
    using scene_type = std::decay_t<std::invoke_result_t<MakeScene&, boost::asio::io_context&>>;
    for (std::size_t n = 0; n <= options.most_handlers; ++n) {
        bool complete = detail::destroy_after(make, n, detail::destruction::context_first, options);
        if constexpr (!detail::is_awaitable<scene_type>)
            complete =
                detail::destroy_after(make, n, detail::destruction::handles_first, options) && complete;
        if constexpr (requires(scene_type & scene) { scene.drop(); })
            complete = detail::destroy_after(make, n, detail::destruction::handles_only, options) && complete;
        if (complete) return n;
    }
    throw test_failure("the body has not finished after " + std::to_string(options.most_handlers) +
                       " handlers");
}

} // namespace portunus::testing

#endif
