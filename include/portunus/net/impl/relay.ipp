// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_RELAY_IPP
#define PORTUNUS_NET_IMPL_RELAY_IPP

#include <portunus/net/impl/relay.hpp>

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/pipe_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace portunus {
namespace detail {

PORTUNUS_DECL relay_control::relay_control(const boost::asio::any_io_executor& e, const relay_options& o)
    : options(o), executor(e), changed(executor),
      pipes(
          boost::asio::use_service<pipe_pool>(boost::asio::query(executor, boost::asio::execution::context))),
      idle(deadline_service::of(executor), this,
           [](void* self) { static_cast<relay_control*>(self)->idle_too_long(); }) {}

PORTUNUS_DECL void relay_control::carried(std::uint64_t relay_totals::*direction, std::size_t n) {
    totals.*direction += n;
    publish();
    touch();
}

PORTUNUS_DECL void relay_control::fail(const error& cause, std::string_view where) {
    if (broken) return;
    const auto add = [](std::string& text, std::string_view more) {
        if (!text.empty() && !more.empty()) text += ' ';
        text += more;
    };
    if (cause == errc::canceled) {
        broken = cause;
    } else {
        std::string detail(cause.detail());
        add(detail, where);
        add(detail, "after " + std::to_string(totals.forth) + " bytes forth and " +
                        std::to_string(totals.back) + " back");
        broken = error(cause.code(), std::move(detail));
    }
    wake();
}

PORTUNUS_DECL void relay_control::stop() {
    if (std::exchange(totals.stopped, true)) return;
    publish();
    ask_to_stop();
}

} // namespace detail

} // namespace portunus

#endif
