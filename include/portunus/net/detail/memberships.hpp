// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_MEMBERSHIPS_HPP
#define PORTUNUS_NET_DETAIL_MEMBERSHIPS_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portunus::detail {

/// A group that a socket receives on one interface, from everybody or from one source.
struct membership {
    boost::asio::ip::address group;
    std::uint32_t interface; // 0: the system has chosen
    std::optional<boost::asio::ip::address> source;
    friend bool operator==(const membership&, const membership&) = default;
};

PORTUNUS_DECL std::string text_of(const membership& m);

/// The groups of one socket object, which may be several sockets of the system.
class memberships {
  public:
    /// Joins with each of `sockets`, or with none.
    result<void> add(const membership& m, std::span<const int> sockets);

    result<void> remove(const membership& m, std::span<const int> sockets);

    bool has(const membership& m) const { return std::find(all_.begin(), all_.end(), m) != all_.end(); }

    /// Whether what comes to a group by an interface is for us.
    bool hears(const boost::asio::ip::address& group, std::uint32_t interface) const noexcept;

    std::vector<membership> of(const boost::asio::ip::address& group) const;

  private:
    static int apply(int fd, const membership& m, bool join) noexcept;

    std::vector<membership> all_;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/memberships.ipp>
#endif

#endif
