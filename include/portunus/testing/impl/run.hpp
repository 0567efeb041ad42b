// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_RUN_HPP
#define PORTUNUS_TESTING_IMPL_RUN_HPP

#include <portunus/testing/run.hpp>

#include <portunus/core/detail/config.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <exception>
#include <memory>
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

    void spawn(boost::asio::io_context& context, awaitable<void> body);
    void rethrow(const run_service& service) const;
};

/// Runs until the context is out of work; `where` is put into the texts.
PORTUNUS_DECL void run_to_the_end(boost::asio::io_context& context, const spawned_body& body,
                                  const run_options& options, const std::string& where = {});

PORTUNUS_DECL std::unique_ptr<boost::asio::io_context> make_context(bool manual_time);

/// How everything is destroyed at a point.
enum class destruction { handles_first, context_first, handles_only };

PORTUNUS_DECL std::string describe(destruction how, std::size_t n);

/// Runs up to `n` handlers. True when the body had finished, and everything behind it, with fewer.
PORTUNUS_DECL bool run_handlers(boost::asio::io_context& context, const spawned_body& body, std::size_t n,
                                const destroy_options& options, const std::string& where);

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

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/testing/impl/run.ipp>
#endif

#endif
