// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_INTERFACE_TRACKER_HPP
#define PORTUNUS_NET_DETAIL_INTERFACE_TRACKER_HPP

#include <portunus/net/detail/netlink.hpp>
#include <portunus/net/interface_change.hpp>
#include <portunus/net/interfaces.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace portunus::detail {

/// Turns the kernel's notifications into changes. They tell how something is, and not what became different,
/// and are repeated for reasons of the kernel's own (a lifetime is renewed, a counter was read); so it
/// remembers how everything was. Bytes in, changes out.
class interface_tracker {
  public:
    /// Forgets what it knew; this is how things are.
    void learn(const std::vector<network_interface>& present) {
        known_.clear();
        for (const network_interface& i : present) {
            known& k = known_[i.index];
            k.name = i.name;
            k.usable = i.usable();
            for (const interface_address& a : i.addresses)
                if (!a.tentative) k.addresses.push_back({a.address, a.prefix_length});
        }
    }

    /// Reads one datagram and appends what it means. False where it is malformed; what stands before the
    /// malformed part counts.
    bool take(netlink::bytes datagram, std::deque<interface_change>& changes) {
        netlink::message m;
        for (;;) {
            switch (netlink::next_message(datagram, m)) {
            case netlink::step::end:
                return true;
            case netlink::step::malformed:
                return false;
            case netlink::step::item:
                if (!take(m, changes)) return false;
            }
        }
    }

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

    bool take(const netlink::message& m, std::deque<interface_change>& changes) {
        switch (m.type) {
        case RTM_NEWLINK:
        case RTM_DELLINK: {
            auto link = netlink::read_link(m.body);
            if (!link) return false;
            if (link->family != AF_UNSPEC) return true; // a bridge lost a port, which is still an interface
            if (m.type == RTM_NEWLINK)
                present(to_interface(std::move(*link)), changes);
            else
                gone(link->index, changes);
            return true;
        }
        case RTM_NEWADDR:
        case RTM_DELADDR: {
            const auto address = netlink::read_address(m.body);
            if (!address) return false;
            changed_address(*address, m.type == RTM_NEWADDR, changes);
            return true;
        }
        default:
            return true;
        }
    }

    void present(const network_interface& now, std::deque<interface_change>& changes) {
        const auto say = [&](interface_event kind) {
            interface_change c;
            c.kind = kind;
            c.index = now.index;
            c.name = now.name;
            changes.push_back(std::move(c));
        };
        const auto [place, fresh] = known_.try_emplace(now.index);
        known& k = place->second;
        if (fresh)
            say(interface_event::added);
        else if (k.name != now.name)
            say(interface_event::renamed);
        k.name = now.name;
        if (k.usable != now.usable()) say(now.usable() ? interface_event::up : interface_event::down);
        k.usable = now.usable();
    }

    void gone(std::uint32_t index, std::deque<interface_change>& changes) {
        const auto place = known_.find(index);
        if (place == known_.end()) return;
        interface_change c;
        c.kind = interface_event::removed;
        c.index = index;
        c.name = std::move(place->second.name);
        changes.push_back(std::move(c));
        known_.erase(place);
    }

    void changed_address(const netlink::address_message& m, bool is_there,
                         std::deque<interface_change>& changes) {
        const auto place = known_.find(m.index);
        if (place == known_.end()) return; // it came and went before we looked
        known& k = place->second;
        const address_key key{m.address, m.prefix};
        const auto before = std::find(k.addresses.begin(), k.addresses.end(), key);
        const bool was_there = before != k.addresses.end();
        if (is_there) is_there = !to_interface_address(m).tentative;
        if (is_there == was_there) return;
        if (is_there)
            k.addresses.push_back(key);
        else
            k.addresses.erase(before);
        interface_change c;
        c.kind = is_there ? interface_event::address_added : interface_event::address_removed;
        c.index = m.index;
        c.name = k.name;
        c.prefix_length = m.prefix;
        c.address = m.address;
        changes.push_back(std::move(c));
    }

    std::map<std::uint32_t, known> known_;
};

} // namespace portunus::detail

#endif
