// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_INTERFACE_WATCH_HPP
#define PORTUNUS_NET_INTERFACE_WATCH_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/interface_change.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <memory>

namespace portunus {

namespace detail {
class interface_watch_state;
}

/// Tells when interfaces and addresses come, go and stop working, as it happens.
///
///     interface_watch watch(executor);
///     auto now = interfaces();           // in this order nothing is missed
///     for (;;) {
///         auto change = co_await watch.next();
///         if (!change) break;
///         if (change->kind == interface_event::overrun) now = interfaces();
///         ...
///     }
///
/// A thin handle, move-only; a watch belongs to the network namespace of the thread that made it. Changes
/// that nobody asks for wait in the kernel, in a buffer of limited size. What the kernel repeats without a
/// change is left out.
class interface_watch {
  public:
    /// Begins to watch; throws `failure` where `open` returns the error. `buffer`: how much the kernel keeps
    /// of what nobody has taken, in bytes of its own counting (a change of an interface takes 2 to 4 KiB of
    /// it); 0: the system's default (net.core.rmem_default, about 200 KiB).
    explicit interface_watch(const boost::asio::any_io_executor& executor, std::size_t buffer = 0);

    /// The same with a result: the system's error where no socket can be had, or the present state not read.
    static result<interface_watch> open(const boost::asio::any_io_executor& executor, std::size_t buffer = 0);

    interface_watch(interface_watch&&) noexcept;
    interface_watch& operator=(interface_watch&&) noexcept;
    /// May happen while `next` waits; that gives `errc::canceled`.
    ~interface_watch();

    /// Completes with the next change, in the order in which they happened. One at a time may wait; a second
    /// one gets `errc::operation_in_progress`. It waits without a limit: a quiet network is no failure.
    ///
    /// Errors: `errc::closed_locally` after `close`; the system's where it cannot be asked any more. After
    /// `errc::canceled` no change is lost, and `next` may be called again.
    awaitable<result<interface_change>> next();

    /// Ends the watch, and a `next` that waits.
    void close();
    bool is_open() const noexcept;

    boost::asio::any_io_executor get_executor() const;

  private:
    friend class detail::interface_watch_state;
    explicit interface_watch(std::shared_ptr<detail::interface_watch_state> state) noexcept;
    std::shared_ptr<detail::interface_watch_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/interface_watch.hpp>

#endif