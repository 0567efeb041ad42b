// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_INTERFACES_HPP
#define PORTUNUS_NET_IMPL_INTERFACES_HPP

#include <portunus/net/interfaces.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/netlink_socket.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace portunus {
namespace detail {

PORTUNUS_DECL address_scope scope_of(std::uint8_t scope) noexcept;

/// The bytes of an address of either family.
struct address_bytes {
    explicit address_bytes(const boost::asio::ip::address& a) {
        if (a.is_v4()) {
            const auto four = a.to_v4().to_bytes();
            std::copy(four.begin(), four.end(), raw.begin());
            size = four.size();
        } else {
            raw = a.to_v6().to_bytes();
            size = raw.size();
        }
    }
    std::array<unsigned char, 16> raw{};
    std::size_t size = 0;
};

PORTUNUS_DECL interface_address to_interface_address(const netlink::address_message& m);

PORTUNUS_DECL network_interface to_interface(netlink::link_message m);

PORTUNUS_DECL bool collect_link(const netlink::message& m, std::vector<network_interface>& into);

/// The route that the kernel would take. `link`: only by the interface of that number; 0: any.
PORTUNUS_DECL result<netlink::route_message>
ask_route(netlink::netlink_socket& kernel, const boost::asio::ip::address& destination, std::uint32_t link);

inline std::uint32_t link_of(const boost::asio::ip::address& a) {
    return a.is_v6() ? static_cast<std::uint32_t>(a.to_v6().scope_id()) : 0;
}

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/interfaces.ipp>
#endif

#endif
