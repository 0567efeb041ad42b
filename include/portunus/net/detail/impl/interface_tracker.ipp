// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_INTERFACE_TRACKER_IPP
#define PORTUNUS_NET_DETAIL_IMPL_INTERFACE_TRACKER_IPP

#include <portunus/net/detail/interface_tracker.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/net/detail/netlink.hpp>
#include <portunus/net/interface_change.hpp>
#include <portunus/net/interfaces.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace portunus::detail {

PORTUNUS_DECL void interface_tracker::learn(const std::vector<network_interface>& present) {
    known_.clear();
    for (const network_interface& i : present) {
        known& k = known_[i.index];
        k.name = i.name;
        k.usable = i.usable();
        for (const interface_address& a : i.addresses)
            if (!a.tentative) k.addresses.push_back({a.address, a.prefix_length});
    }
}

PORTUNUS_DECL bool interface_tracker::take(netlink::bytes datagram, std::deque<interface_change>& changes) {
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

PORTUNUS_DECL bool interface_tracker::take(const netlink::message& m, std::deque<interface_change>& changes) {
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

PORTUNUS_DECL void interface_tracker::present(const network_interface& now,
                                              std::deque<interface_change>& changes) {
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

PORTUNUS_DECL void interface_tracker::gone(std::uint32_t index, std::deque<interface_change>& changes) {
    const auto place = known_.find(index);
    if (place == known_.end()) return;
    interface_change c;
    c.kind = interface_event::removed;
    c.index = index;
    c.name = std::move(place->second.name);
    changes.push_back(std::move(c));
    known_.erase(place);
}

PORTUNUS_DECL void interface_tracker::changed_address(const netlink::address_message& m, bool is_there,
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

} // namespace portunus::detail

#endif
