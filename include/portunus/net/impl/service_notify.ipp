// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_SERVICE_NOTIFY_IPP
#define PORTUNUS_NET_IMPL_SERVICE_NOTIFY_IPP

#include <portunus/net/impl/service_notify.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/policy/detail/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace portunus {
namespace detail {

inline error wrong_notify_variable(const char* variable, std::string_view value, const char* problem) {
    return error(errc::invalid_option,
                 std::string(variable) + " is " + policy_detail::quoted(value) + ": " + problem);
}

PORTUNUS_DECL result<service_notifier> notifier_state::make(const notify_variables& v, long own) {
    if (!v.socket || *v.socket == '\0') return service_notifier();
    const auto number_in = [](std::string_view text) -> std::uint64_t { // 0: none
        std::uint64_t n = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), n);
        return failed == std::errc() && end == text.data() + text.size() ? n : 0;
    };
    std::uint64_t usec = 0;
    if (v.watchdog_usec) {
        usec = number_in(v.watchdog_usec);
        // A year is more than anybody waits, and far from what a duration holds.
        if (usec == 0 || usec > std::uint64_t(365) * 24 * 3600 * 1'000'000)
            return wrong_notify_variable("WATCHDOG_USEC", v.watchdog_usec,
                                         "not a number of microseconds from 1 to those of a year");
    }
    if (v.watchdog_pid) {
        const std::uint64_t pid = number_in(v.watchdog_pid);
        if (pid == 0)
            return wrong_notify_variable("WATCHDOG_PID", v.watchdog_pid, "not the number of a process");
        if (pid != static_cast<std::uint64_t>(own)) usec = 0;
    }
    return service_notifier::to(v.socket, std::chrono::microseconds(usec));
}

PORTUNUS_DECL void service_follower::begin() {
    runtime_.attach(shared_from_this());
    if (manager_.watchdog()) tasks_.spawn(show_life(shared_from_this()));
}

PORTUNUS_DECL awaitable<bool> service_follower::end(std::shared_ptr<service_follower> self,
                                                    steady_clock::duration) {
    self->sent(self->manager_.stopping(), "STOPPING=1");
    self->ending_ = true;
    self->changed_.notify();
    (void)co_await self->tasks_.join();
    co_return true;
}

PORTUNUS_DECL awaitable<void> service_follower::show_life(std::shared_ptr<service_follower> self) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    deadline next(deadline_service::of(self->runtime_.context()), self.get(), [](void* of) {
        auto& me = *static_cast<service_follower*>(of);
        me.due_ = true;
        me.changed_.notify();
    });
    constexpr steady_clock::duration least =
        std::chrono::milliseconds(1); // below that it would do nothing else
    const auto between = std::max(*self->manager_.watchdog() / 2, least);
    while (!self->ending_ && !stop_asked(asked)) {
        self->beat();
        self->due_ = false;
        next.arm(between);
        while (!self->due_ && !self->ending_ && !stop_asked(asked)) co_await self->changed_.wait_op();
    }
}

PORTUNUS_DECL void service_follower::beat() {
    if (unanswered_ != 0) {
        if (!std::exchange(stuck_, true))
            runtime_.log()(log_level::error, "no sign of life for the service manager: a context is stuck",
                           {{"contexts", unanswered_.load()}});
        return;
    }
    stuck_ = false;
    unanswered_ = runtime_.size() - 1; // this one runs
    for (unsigned i = 1; i < runtime_.size(); ++i)
        boost::asio::post(runtime_.context(i), [self = shared_from_this()] { --self->unanswered_; });
    sent(manager_.alive(), "WATCHDOG=1");
}

PORTUNUS_DECL void service_follower::sent(const result<void>& outcome, const char* what) {
    const bool failed = outcome.has_error();
    if (failed && !failing_)
        runtime_.log()(log_level::warning,
                       "the service manager could not be told: " + outcome.error().message(),
                       {{"what", what}});
    failing_ = failed;
}

} // namespace detail

PORTUNUS_DECL result<service_notifier> service_notifier::from_environment(notify_environment then) {
    static constexpr const char* names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    auto made = detail::notifier_state::make(
        {std::getenv(names[0]), std::getenv(names[1]), std::getenv(names[2])}, ::getpid());
    if (made && then == notify_environment::unset)
        for (const char* name : names) ::unsetenv(name);
    return made;
}

PORTUNUS_DECL result<service_notifier> service_notifier::to(std::string_view address,
                                                            steady_clock::duration watchdog) {
    const auto wrong = [address](const char* why) {
        return error(errc::invalid_option,
                     "the service manager's socket " + policy_detail::quoted(address) + ": " + why);
    };
    auto state = std::make_shared<detail::notifier_state>();
    const bool abstract = address.starts_with('@');
    if (address.size() < 2 || (!abstract && address.front() != '/'))
        return wrong("neither a path from the root nor @ and an abstract name");
    if (address.find('\0') != std::string_view::npos) return wrong("a NUL within the name");
    // A path needs its NUL at the end; an abstract name does without and has one in front.
    if (address.size() >= sizeof state->address.sun_path + (abstract ? 1U : 0U))
        return wrong("longer than the system's 107 bytes");
    state->name = address;
    state->address.sun_family = AF_UNIX;
    std::memcpy(state->address.sun_path, address.data(), address.size());
    if (abstract) state->address.sun_path[0] = '\0';
    state->address_size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() + (abstract ? 0 : 1));
    state->watchdog = std::max(watchdog, steady_clock::duration::zero());
    state->descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (state->descriptor < 0)
        return error(boost::system::error_code(errno, boost::system::system_category()), "a local socket");
    service_notifier made;
    made.state_ = std::move(state);
    return made;
}

PORTUNUS_DECL std::optional<steady_clock::duration> service_notifier::watchdog() const noexcept {
    if (!state_ || state_->watchdog == steady_clock::duration::zero()) return std::nullopt;
    return state_->watchdog;
}

PORTUNUS_DECL result<void> service_notifier::send(std::string_view assignments) const {
    if (!state_) return {};
    constexpr std::size_t most = 4096;
    if (assignments.size() > most)
        return error(errc::frame_too_large,
                     std::to_string(assignments.size()) + " bytes for the service manager exceed 4096");
    for (;;) {
        const auto n = ::sendto(state_->descriptor, assignments.data(), assignments.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&state_->address), state_->address_size);
        if (n >= 0) return {};
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return error(errc::would_block, state_->name);
        return error(boost::system::error_code(errno, boost::system::system_category()), state_->name);
    }
}

PORTUNUS_DECL result<void> service_notifier::ready(std::string_view status) const {
    if (status.empty()) return send("READY=1");
    if (status.find('\n') != std::string_view::npos) return this->status(status);
    return send("READY=1\nSTATUS=" + std::string(status));
}
PORTUNUS_DECL result<void> service_notifier::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto usec =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
    return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}
PORTUNUS_DECL result<void> service_notifier::stopping() const {
    return send("STOPPING=1");
}
PORTUNUS_DECL result<void> service_notifier::status(std::string_view text) const {
    if (text.find('\n') != std::string_view::npos)
        return error(errc::invalid_option,
                     "a status for the service manager is one line, not " + policy_detail::quoted(text));
    return send("STATUS=" + std::string(text));
}
PORTUNUS_DECL result<void> service_notifier::alive() const {
    return send("WATCHDOG=1");
}

PORTUNUS_DECL void service_notifier::follow(runtime& rt) const {
    if (state_) std::make_shared<detail::service_follower>(rt, *this)->begin();
}

} // namespace portunus

#endif
