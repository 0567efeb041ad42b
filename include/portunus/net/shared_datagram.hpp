// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_SHARED_DATAGRAM_HPP
#define PORTUNUS_NET_SHARED_DATAGRAM_HPP

#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/datagram_pool.hpp>

#include <boost/asio/ip/udp.hpp>

#include <cstdint>
#include <string_view>

namespace portunus {

namespace detail {
class udp_subscription_state;
} // namespace detail

/// A received datagram that several subscriptions may hold at the same time: one copy of its bytes, which
/// lives as long as somebody holds it, also longer than the hub. Copying is cheap. It belongs to the hub's
/// thread: who wants to take it elsewhere copies the bytes.
class shared_datagram {
  public:
    /// No datagram at all.
    shared_datagram() noexcept = default;

    std::string_view bytes() const noexcept { return block_ ? block_->about.bytes : std::string_view(); }
    boost::asio::ip::udp::endpoint sender() const noexcept {
        return block_ ? block_->about.sender : boost::asio::ip::udp::endpoint();
    }
    /// How many datagrams this subscription has lost between the one before and this one, because it was
    /// slow: its queue was full.
    std::uint32_t lost_before() const noexcept { return lost_; }
    /// How many the kernel had to drop since then, because the hub was slow. Whose they were is not known.
    std::uint32_t overruns_before() const noexcept { return overruns_; }

    /// Everything that there is to know about it; its `lost_before` is both numbers together. The bytes are
    /// valid as long as this object, or a copy of it, is.
    datagram view() const noexcept {
        datagram all = block_ ? block_->about : datagram();
        all.lost_before = lost_ + overruns_;
        return all;
    }

  private:
    friend class detail::udp_subscription_state;
    detail::datagram_pointer block_;
    std::uint32_t lost_ = 0, overruns_ = 0;
};

} // namespace portunus

#endif
