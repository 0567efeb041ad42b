// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_INTERFACE_CHANGE_HPP
#define PORTUNUS_NET_INTERFACE_CHANGE_HPP

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace portunus {

/// What happened to an interface.
enum class interface_event : std::uint8_t {
    added,         ///< there is a new interface; `up` follows where it already works
    removed,       ///< it has gone, or is in another network namespace now; `down` and the like need not come
                   ///< before
    up,            ///< packets can pass now: switched on, and the cable is in
    down,          ///< they cannot any more: switched off, or the cable is out
    renamed,       ///< it has another name now, which is in the change
    address_added, ///< it can be bound to: an IPv6 address has passed its check for duplicates
    address_removed, ///< it cannot be bound to any more
    overrun,         ///< the kernel dropped news, because nobody took them in time: look at everything anew
};

constexpr std::string_view to_string(interface_event event) noexcept {
    switch (event) {
    case interface_event::added:
        return "added";
    case interface_event::removed:
        return "removed";
    case interface_event::up:
        return "up";
    case interface_event::down:
        return "down";
    case interface_event::renamed:
        return "renamed";
    case interface_event::address_added:
        return "address added";
    case interface_event::address_removed:
        return "address removed";
    case interface_event::overrun:
        return "overrun";
    }
    return "unknown";
}

/// One change of the network around.
struct interface_change {
    interface_event kind{interface_event::overrun};
    std::uint32_t index{0};             ///< of the interface; 0 with `overrun`
    std::string name{};                 ///< of the interface; empty with `overrun`
    std::uint8_t prefix_length{0};      ///< of the address
    boost::asio::ip::address address{}; ///< with `address_added` and `address_removed`

    friend bool operator==(const interface_change&, const interface_change&) = default;
};

/// "eth0 down", "eth0 address added 192.168.1.7/24", "overrun"
inline std::string to_string(const interface_change& change) {
    if (change.kind == interface_event::overrun) return "overrun";
    std::string text = change.name + ' ' + std::string(to_string(change.kind));
    if (change.kind == interface_event::address_added || change.kind == interface_event::address_removed)
        text += ' ' + change.address.to_string() + '/' + std::to_string(change.prefix_length);
    return text;
}
inline std::ostream& operator<<(std::ostream& out, const interface_change& change) {
    return out << to_string(change);
}

} // namespace portunus

#endif
