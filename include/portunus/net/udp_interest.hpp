// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_UDP_INTEREST_HPP
#define PORTUNUS_NET_UDP_INTEREST_HPP

#include <portunus/net/datagram.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/policy/address_rule.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace portunus {

namespace detail {
class udp_hub_state;
class udp_subscription_state;
} // namespace detail

/// Which datagrams a subscription wants: those to which everything applies that was asked for; all of them
/// where nothing was.
///
///     hub.subscribe(udp_interest().from("10.0.0.0/8"));
///     hub.subscribe(udp_interest().to_group(make_address("239.1.2.3"), "eth0"));
///     hub.subscribe(udp_interest().to_port(7001).where([](const datagram& d) { return d.size > 0; }));
///
/// The builders work on a named interest and in a chain.
class udp_interest {
  public:
    /// Called for each datagram that fits otherwise, inside of the hub: it must answer at once. The bytes are
    /// valid during the call. It may destroy subscriptions, its own included, and the hub. One that throws
    /// does not want the datagram, and is logged.
    using predicate = std::function<bool(const datagram&)>;

    /// From these senders. A text is what `address_rule::parse` reads; throws `failure` for another one.
    udp_interest& from(const address_rule& senders) & {
        from_ = senders;
        return *this;
    }
    udp_interest& from(std::string_view senders) & { return from(address_rule(senders)); }
    /// From this very endpoint; with port 0 from every port of the address.
    udp_interest& from(const boost::asio::ip::udp::endpoint& sender) & {
        return from(address_rule(normalised(sender.address()),
                                 sender.port() == 0 ? port_range() : port_range(sender.port())));
    }
    /// To this multicast group, which is joined for as long as somebody subscribes to it; on this interface
    /// alone where one is given, else on the one that the system chooses by its routes (row Q-20).
    udp_interest& to_group(const boost::asio::ip::address& group, const interface_choice& on = {}) & {
        group_ = group;
        group_on_ = on;
        return *this;
    }
    /// To this port of the hub, which may have several.
    udp_interest& to_port(std::uint16_t port) & noexcept {
        port_ = port;
        return *this;
    }
    udp_interest& where(predicate wanted) & {
        wanted_ = std::move(wanted);
        return *this;
    }

    // the same on a temporary, for chains
    udp_interest from(const address_rule& senders) && { return std::move(from(senders)); }
    udp_interest from(std::string_view senders) && { return std::move(from(senders)); }
    udp_interest from(const boost::asio::ip::udp::endpoint& sender) && { return std::move(from(sender)); }
    udp_interest to_group(const boost::asio::ip::address& group, const interface_choice& on = {}) && {
        return std::move(to_group(group, on));
    }
    udp_interest to_port(std::uint16_t port) && noexcept { return std::move(to_port(port)); }
    udp_interest where(predicate wanted) && { return std::move(where(std::move(wanted))); }

  private:
    friend class detail::udp_hub_state;
    friend class detail::udp_subscription_state;
    std::optional<address_rule> from_;
    std::optional<boost::asio::ip::address> group_;
    interface_choice group_on_;
    std::uint16_t port_ = 0;
    predicate wanted_;
};

} // namespace portunus

#endif
