// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_SERVICE_NOTIFY_HPP
#define PORTUNUS_NET_SERVICE_NOTIFY_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/core/runtime.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portunus {

namespace detail {
struct notifier_state;
}

/// What becomes of NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
enum class notify_environment : std::uint8_t {
    keep,  ///< they stay, and programs that are started from here may speak to the service manager, too
    unset, ///< they go. Not to be done while another thread reads the environment: at the start of `main`
};

/// Tells the service manager how the program is (sd_notify(3), Type=notify), without libsystemd.
///
///     const auto manager = service_notifier::from_environment().value();
///     manager.follow(rt);          // WATCHDOG=1 while it runs, STOPPING=1 when it stops
///     const auto server = rt.listen(door, &session);
///     (void)manager.ready("serving");
///     return rt.run_until_signal(10s);
///
/// Started in another way, without a service manager, all of this does nothing and succeeds.
///
/// A handle: copies speak to the same manager. From any thread. Nothing here waits: the message is in the
/// manager's queue when the call returns, or it is not. Errors of all that send: `errc::would_block` when
/// that queue is full, the system's code (ENOENT, ECONNREFUSED, ...) when nobody is there any more; the
/// detail names the socket.
class service_notifier {
  public:
    /// Speaks to nobody.
    service_notifier() noexcept = default;

    /// Whom the environment names. `errc::invalid_option` for an address that is neither a path nor an
    /// abstract name, is too long, or is of a kind that this does not speak (vsock), and for a WATCHDOG_USEC
    /// that is no number above zero; nothing is unset then. A watchdog that is meant for another process
    /// (WATCHDOG_PID) is none.
    static result<service_notifier> from_environment(notify_environment then = notify_environment::keep);

    /// For those who know the address from elsewhere: "/run/manager.sock", or "@name" for an abstract socket.
    /// \param watchdog how long the manager waits between two signs of life; zero: it does not.
    static result<service_notifier> to(std::string_view address, steady_clock::duration watchdog = {});

    /// Whether there is somebody to speak to.
    explicit operator bool() const noexcept { return state_ != nullptr; }

    /// READY=1: the start, or the reload, is over. With a `status` as below, where it is not empty.
    result<void> ready(std::string_view status = {}) const;
    /// RELOADING=1, with the time (MONOTONIC_USEC), as Type=notify-reload wants it; `ready` ends it.
    result<void> reloading() const;
    /// STOPPING=1.
    result<void> stopping() const;
    /// STATUS=: a line for humans, which `systemctl status` shows. `errc::invalid_option` with a line end in
    /// it.
    result<void> status(std::string_view text) const;
    /// WATCHDOG=1: a sign of life; for those who do not `follow`.
    result<void> alive() const;
    /// Any other assignments, one a line ("EXTEND_TIMEOUT_USEC=5000000", "MAINPID=4711"). At most 4096 bytes:
    /// else `errc::frame_too_large`.
    result<void> send(std::string_view assignments) const;

    /// How long the manager waits between two signs of life before it ends the program; nothing where it does
    /// not.
    std::optional<steady_clock::duration> watchdog() const noexcept;

    /// From now on tells of the runtime: STOPPING=1 when it begins to stop, and, where the manager has a
    /// watchdog, WATCHDOG=1 twice in its interval, as long as every context of the runtime goes round: one
    /// that is stuck in a handler stops the signs of life of the whole program, as it should. They end when
    /// the stop begins, as does the manager's watchdog.
    ///
    /// To be called as `runtime::listen`: before the runtime runs, or on its context 0. With a watchdog the
    /// runtime does not end for want of work. What cannot be sent is logged, once in a row.
    void follow(runtime& rt) const;

  private:
    friend struct detail::notifier_state;
    std::shared_ptr<const detail::notifier_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/service_notify.hpp>

#endif
