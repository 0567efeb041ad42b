// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_PROXY_GATE_HPP
#define PORTUNUS_NET_DETAIL_PROXY_GATE_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/proxy_protocol.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace portunus::detail {

/// Connections of proxies between the kernel's accept and ours: here their headers are read, and not one byte
/// more. Belongs to a listener and its context.
class proxy_gate {
  public:
    /// A connection whose header is there. Closes its descriptor unless that was taken.
    struct announced {
        announced(int f, const peer_info& p) noexcept : fd(f), peer(p) {}
        announced(announced&& o) noexcept : fd(std::exchange(o.fd, -1)), peer(o.peer) {}
        announced& operator=(announced&&) = delete;
        ~announced();
        int fd;
        peer_info peer; // as the header has it
    };
    /// A connection is gone for this reason.
    using failed_function = std::function<void(const peer_info&, const error&)>;

    proxy_gate(const boost::asio::any_io_executor& executor, steady_clock::duration limit,
               std::size_t max_header, std::size_t max_waiting)
        : executor_(executor), limit_(limit), max_header_(max_header), max_waiting_(max_waiting) {}
    proxy_gate(const proxy_gate&) = delete;
    proxy_gate& operator=(const proxy_gate&) = delete;
    ~proxy_gate() { clear(); }

    /// Who is told: `changed` when `next` or `full` have something new to say.
    void tell(std::function<void()> changed, failed_function failed) {
        changed_ = std::move(changed);
        failed_ = std::move(failed);
    }

    /// Takes the descriptor over, also where it throws.
    void enter(int fd, const peer_info& peer);
    /// The one that has waited longest of those whose header is there.
    std::optional<announced> next();

    bool ready() const noexcept { return !ready_.empty(); }
    bool empty() const noexcept { return waiting_.empty() && ready_.empty(); }
    bool full() const noexcept { return waiting_.size() + ready_.size() >= max_waiting_; }

    /// Resets all of them.
    void clear() noexcept;

  private:
    struct entry;
    void watch(const std::shared_ptr<entry>& e);
    void read(entry& e);
    void fail(entry& e, const error& why);
    std::shared_ptr<entry> take(const entry& e);

    boost::asio::any_io_executor executor_;
    steady_clock::duration limit_;
    std::size_t max_header_;
    std::size_t max_waiting_;
    std::function<void()> changed_;
    failed_function failed_;
    std::vector<std::shared_ptr<entry>> waiting_;
    std::deque<announced> ready_;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/proxy_gate.ipp>
#endif

#endif
