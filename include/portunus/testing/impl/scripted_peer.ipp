// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_SCRIPTED_PEER_IPP
#define PORTUNUS_TESTING_IMPL_SCRIPTED_PEER_IPP

#include <portunus/testing/impl/scripted_peer.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/testing/detail/run_service.hpp>
#include <portunus/testing/run.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace portunus::testing {
namespace detail {

PORTUNUS_DECL awaitable<std::string> play_wait(steady_clock::duration time) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const auto executor = co_await boost::asio::this_coro::executor;
    struct alarm {
        explicit alarm(const boost::asio::any_io_executor& e) : rings(e) {}
        portunus::detail::event rings;
        bool passed = false;
    } target(executor);
    deadline limit(deadline_service::of(executor), &target, [](void* owner) {
        auto& a = *static_cast<alarm*>(owner);
        a.passed = true;
        a.rings.notify();
    });
    limit.arm(time);
    const wait_note note(run_service::of(executor), "wait of a scripted peer");
    while (!target.passed) {
        if (portunus::detail::stop_asked(asked)) co_return error(errc::canceled).message();
        co_await target.rings.wait_op();
    }
    co_return std::string();
}

PORTUNUS_DECL awaitable<std::string> play_wait_until(std::shared_ptr<const script_step> step) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const auto executor = co_await boost::asio::this_coro::executor;
    const wait_note note(run_service::of(executor), "wait_until of a scripted peer");
    while (!step->condition()) {
        if (portunus::detail::stop_asked(asked)) co_return error(errc::canceled).message();
        co_await settle();
    }
    co_return std::string();
}

} // namespace detail

PORTUNUS_DECL scripted_peer& scripted_peer::add(detail::script_step step) {
    steps_.push_back(std::make_shared<const detail::script_step>(std::move(step)));
    return *this;
}
PORTUNUS_DECL scripted_peer& scripted_peer::expect(std::string bytes) {
    detail::script_step step(detail::script_step::kind::expect);
    step.bytes = std::move(bytes);
    return add(std::move(step));
}
PORTUNUS_DECL scripted_peer& scripted_peer::expect_end() {
    return add(detail::script_step(detail::script_step::kind::expect_end));
}
PORTUNUS_DECL scripted_peer& scripted_peer::expect_reset() {
    return add(detail::script_step(detail::script_step::kind::expect_reset));
}
PORTUNUS_DECL scripted_peer& scripted_peer::send(std::string bytes, std::size_t chunk) {
    detail::script_step step(detail::script_step::kind::send);
    step.bytes = std::move(bytes);
    step.chunk = chunk;
    return add(std::move(step));
}
PORTUNUS_DECL scripted_peer& scripted_peer::wait(steady_clock::duration time) {
    detail::script_step step(detail::script_step::kind::wait);
    step.time = time;
    return add(std::move(step));
}
PORTUNUS_DECL scripted_peer& scripted_peer::wait_until(std::function<bool()> condition, std::string what) {
    detail::script_step step(detail::script_step::kind::wait_until);
    step.condition = std::move(condition);
    step.bytes = std::move(what);
    return add(std::move(step));
}
PORTUNUS_DECL scripted_peer& scripted_peer::half_close() {
    return add(detail::script_step(detail::script_step::kind::half_close));
}
PORTUNUS_DECL scripted_peer& scripted_peer::close(steady_clock::duration limit) {
    detail::script_step step(detail::script_step::kind::close);
    step.time = limit;
    return add(std::move(step));
}
PORTUNUS_DECL scripted_peer& scripted_peer::reset() {
    return add(detail::script_step(detail::script_step::kind::reset));
}

} // namespace portunus::testing

#endif
