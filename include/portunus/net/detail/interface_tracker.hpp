// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_INTERFACE_TRACKER_HPP
#define PORTUNUS_NET_DETAIL_INTERFACE_TRACKER_HPP

#include <portunus/net/detail/netlink.hpp>
#include <portunus/net/interface_change.hpp>
#include <portunus/net/interfaces.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace portunus::detail {

/// Turns the kernel's notifications into changes. They tell how something is, and not what became different,
/// and are repeated for reasons of the kernel's own (a lifetime is renewed, a counter was read); so it
/// remembers how everything was. Bytes in, changes out.
class interface_tracker {
  public:
    /// Forgets what it knew; this is how things are.
    void learn(const std::vector<network_interface>& present);

    /// Reads one datagram and appends what it means. False where it is malformed; what stands before the
    /// malformed part counts.
    bool take(netlink::bytes datagram, std::deque<interface_change>& changes);

  private:
    struct address_key {
        boost::asio::ip::address address;
        std::uint8_t prefix;
        friend bool operator==(const address_key&, const address_key&) = default;
    };
    struct known {
        std::string name;
        bool usable = false;
        std::vector<address_key> addresses;
    };

    bool take(const netlink::message& m, std::deque<interface_change>& changes);

    void present(const network_interface& now, std::deque<interface_change>& changes);

    void gone(std::uint32_t index, std::deque<interface_change>& changes);

    void changed_address(const netlink::address_message& m, bool is_there,
                         std::deque<interface_change>& changes);

    std::map<std::uint32_t, known> known_;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/interface_tracker.ipp>
#endif

#endif
