// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_MDNS_BROWSER_IPP
#define PORTUNUS_NET_DETAIL_IMPL_MDNS_BROWSER_IPP

#include <portunus/net/detail/mdns_browser.hpp>
#include <portunus/net/mdns_service.hpp>

#include <algorithm>

namespace portunus::detail {

PORTUNUS_DECL mdns_browser::mdns_browser(const boost::asio::any_io_executor& executor, const settings& s,
                                         dns::name type, std::string_view name, std::size_t most)
    : mdns_asker(executor, s), type_(std::move(type)), most_(most), one_(!name.empty()) {
    if (!one_) return;
    service wanted;
    (void)wanted.owner.append(name);
    (void)wanted.owner.append(type_);
    services_.push_back(std::move(wanted));
}

/// What is missing, and what is known already. What finds no room waits for the next time.
PORTUNUS_DECL std::string_view mdns_browser::write(std::size_t n, std::span<char> room) {
    if (n != 0) return {};
    dns::message_writer w(room, 0, 0);
    if (!one_) (void)w.add_question(type_, dns::type_ptr, false);
    for (service& s : services_) {
        bool fits = true;
        if (s.host.is_root()) fits = fits && w.add_question(s.owner, dns::type_srv, false);
        if (!s.has_text) fits = fits && w.add_question(s.owner, dns::type_txt, false);
        if (!s.host.is_root() && s.addresses.empty())
            fits = fits && w.add_question(s.host, dns::type_a, false) &&
                   w.add_question(s.host, dns::type_aaaa, false);
        if (!fits) break;
        s.asked = true;
    }
    for (const service& s : services_) {
        if (one_) break;
        const auto age = std::chrono::duration_cast<std::chrono::seconds>(now() - s.heard).count();
        if (age >= s.ttl / 2) continue; // RFC 6762 7.1
        const auto left = static_cast<std::uint32_t>(s.ttl - static_cast<std::uint32_t>(age));
        if (!w.add_record(dns::section::answer, dns::pointer_record(type_, s.owner, left))) break;
    }
    if (w.count(dns::section::question) == 0) return {};
    return w.bytes();
}

PORTUNUS_DECL bool mdns_browser::take_pointer(const dns::record_view& r) {
    if (r.type != dns::type_ptr || !(r.owner == type_)) return false;
    const dns::name owner = r.target().to_name();
    if (owner.is_root() || !(owner.parent() == type_)) return false;
    const auto known = std::find_if(services_.begin(), services_.end(),
                                    [&owner](const service& s) { return s.owner == owner; });
    if (one_) return known != services_.end();
    if (r.ttl == 0) {
        if (known != services_.end()) services_.erase(known);
        return true;
    }
    if (known == services_.end() && services_.size() >= most_) return true;
    service& s = known != services_.end() ? *known : services_.emplace_back();
    s.owner = owner;
    s.ttl = r.ttl;
    s.heard = now();
    return true;
}

PORTUNUS_DECL bool mdns_browser::take_details(const dns::record_view& r) {
    if (r.type != dns::type_srv && r.type != dns::type_txt) return false;
    bool ours = false;
    for (service& s : services_) {
        if (!(r.owner == s.owner)) continue;
        ours = true;
        if (r.ttl == 0) continue;
        if (r.type == dns::type_srv) {
            const dns::name host = r.target().to_name();
            if (!(host == s.host)) s.addresses.clear();
            s.owner = r.owner.to_name(); // as its owner writes it
            s.host = host;
            s.port = r.port();
        } else {
            s.text.clear();
            s.has_text = true;
            r.each_string([&s](std::string_view string) {
                std::pair<std::string, std::string> pair;
                if (s.text.size() < 100 && decode_text(string, pair)) s.text.push_back(std::move(pair));
            });
        }
    }
    return ours;
}

PORTUNUS_DECL bool mdns_browser::take_address(const dns::record_view& r, std::uint32_t interface) {
    if (r.type != dns::type_a && r.type != dns::type_aaaa) return false;
    auto address = r.address();
    if (address.is_v6() && address.to_v6().is_link_local()) {
        auto scoped = address.to_v6();
        scoped.scope_id(interface);
        address = scoped;
    }
    if (address.is_unspecified() || address.is_multicast()) return false;
    bool ours = false;
    for (service& s : services_) {
        if (s.host.is_root() || !(r.owner == s.host)) continue;
        ours = true;
        const auto at = std::find(s.addresses.begin(), s.addresses.end(), address);
        if (r.ttl == 0 && at != s.addresses.end()) s.addresses.erase(at);
        if (r.ttl != 0 && at == s.addresses.end() && s.addresses.size() < 64) s.addresses.push_back(address);
    }
    return ours;
}

/// In three turns: whatever the order of the records, what they refer to is known first.
PORTUNUS_DECL bool mdns_browser::take(const dns::message& m, const datagram& d) {
    bool ours = false;
    const auto each = [&m](auto f) {
        m.each_record([&f](const dns::record_view& r) {
            if (r.klass == dns::class_in && r.where != dns::section::authority) f(r);
        });
    };
    each([&](const dns::record_view& r) { ours = take_pointer(r) || ours; });
    each([&](const dns::record_view& r) { ours = take_details(r) || ours; });
    each([&](const dns::record_view& r) { ours = take_address(r, d.interface) || ours; });
    if (!ours) return false;
    for (const service& s : services_)
        if (!s.complete() && !s.asked) ask_within(std::chrono::milliseconds(100));
    if (one_) {
        service& s = services_.front();
        if (s.complete())
            finish();
        else if (!s.host.is_root() && s.addresses.empty() && s.asked)
            s.asked = false, ask_within(std::chrono::milliseconds(100)); // now for its host
        else if (!s.host.is_root() && !s.addresses.empty())
            finish_within(grace);
    }
    return true;
}

} // namespace portunus::detail

#endif
