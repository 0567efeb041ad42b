// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_INTERFACE_WATCH_HPP
#define PORTUNUS_NET_IMPL_INTERFACE_WATCH_HPP

#include <portunus/net/interface_watch.hpp>
#include <portunus/net/interfaces.hpp>

#include <portunus/core/detail/context_bound.hpp>
#include <portunus/net/detail/interface_tracker.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

class interface_watch_state final : private context_bound {
  public:
    using pointer = std::shared_ptr<interface_watch_state>;

    explicit interface_watch_state(const boost::asio::any_io_executor& e)
        : context_bound(e), executor(e), socket(std::in_place, e), buffer(32 * 1024) {}

    static result<pointer> open(const boost::asio::any_io_executor& executor, std::size_t room);

    /// A watch on something that speaks like the kernel; for tests.
    static interface_watch make(const boost::asio::any_io_executor& executor, int fd,
                                const std::vector<network_interface>& present);

    /// The descriptor is ours from now on, also when this fails.
    result<void> take_over(int fd);

    result<void> learn();

    void end(errc why) noexcept;

    static awaitable<result<interface_change>> next(pointer s);

    boost::asio::any_io_executor executor;
    std::optional<boost::asio::posix::stream_descriptor> socket;
    errc cause = errc::closed_locally; // why there is no socket

  private:
    enum class outcome { something, nothing_now, failed };

    void release_context() noexcept override { end(errc::canceled); }

    /// Takes one datagram from the kernel, without waiting. Appends to `changes`, or nothing where it says
    /// nothing new.
    outcome receive(error& why);

    std::vector<unsigned char> buffer;
    interface_tracker tracker;
    std::deque<interface_change> changes; // of one datagram
    bool stale = false;
    bool waiting = false;
};

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/interface_watch.ipp>
#endif

#endif
