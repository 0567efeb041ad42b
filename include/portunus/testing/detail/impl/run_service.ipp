// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_DETAIL_IMPL_RUN_SERVICE_IPP
#define PORTUNUS_TESTING_DETAIL_IMPL_RUN_SERVICE_IPP

#include <portunus/testing/detail/run_service.hpp>

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>

#include <chrono>
#include <exception>
#include <string>

namespace portunus::testing::detail {

PORTUNUS_DECL run_service::progress run_service::step(std::chrono::steady_clock::time_point until,
                                                      bool may_block) {
    if (std::chrono::steady_clock::now() >= until) return progress::late;
    for (;;) {
        if (context().poll_one() != 0) return progress::ran;
        if (context().stopped()) return progress::out_of_work;
        if (settling_ == 0) break;
        settling_ = 0;
        idle_->notify();
    }
    if (!may_block) return progress::nothing_ready;
    if (context().run_one_until(until) != 0) return progress::ran;
    return context().stopped() ? progress::out_of_work : progress::late;
}

PORTUNUS_DECL std::exception_ptr run_service::unseen() const {
    for (const auto& each : thrown_)
        if (!each->seen) return each->exception;
    return nullptr;
}

PORTUNUS_DECL std::string run_service::state() {
    std::string text;
    const auto add = [&text](const std::string& more) { (text += text.empty() ? "" : ", ") += more; };
    const auto& time = deadline_service::of(context());
    if (time.armed() != 0)
        add("deadlines armed: " + std::to_string(time.armed()) +
            (time.manual() ? " (time is manual and stands still)" : ""));
    for (const auto& [what, count] : waits_)
        if (count != 0) add("in " + std::string(what) + ": " + std::to_string(count));
    if (text.empty()) text = "nothing that the kit knows of; a socket, a timer or an event of its own";
    return text;
}

} // namespace portunus::testing::detail

#endif
