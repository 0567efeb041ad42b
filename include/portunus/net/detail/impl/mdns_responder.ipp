// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_MDNS_RESPONDER_IPP
#define PORTUNUS_NET_DETAIL_IMPL_MDNS_RESPONDER_IPP

#include <portunus/net/detail/mdns_responder.hpp>

#include <algorithm>
#include <array>
#include <portunus/core/detail/config.hpp>
#include <tuple>
#include <utility>

namespace portunus::detail {

PORTUNUS_DECL mdns_responder::mdns_responder(std::string host, std::vector<mdns_registration> services,
                                             std::uint16_t port, std::uint64_t seed)
    : services_(std::move(services)), port_(port), state_(seed) {
    claims_.resize(1 + services_.size());
    claims_[0].base = std::move(host);
    for (std::size_t i = 0; i < services_.size(); ++i) claims_[i + 1].base = services_[i].instance;
    for (std::size_t i = 0; i < claims_.size(); ++i) name_claim(i);
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), as in `backoff`.
PORTUNUS_DECL std::uint64_t mdns_responder::chance() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

// names

PORTUNUS_DECL std::string mdns_responder::numbered(std::string_view base, unsigned number, bool host) {
    std::string end;
    if (number > 1) end = host ? '-' + std::to_string(number) : " (" + std::to_string(number) + ')';
    std::size_t size = std::min(base.size(), dns::name::most_label - end.size());
    if (size < base.size()) // not in the middle of a character of UTF-8
        while (size > 0 && (static_cast<unsigned char>(base[size]) & 0xc0) == 0x80) --size;
    return std::string(base.substr(0, size)) + end;
}

PORTUNUS_DECL void mdns_responder::name_claim(std::size_t n) {
    claim_state& c = claims_[n];
    c.label = numbered(c.base, c.number, n == 0);
    c.owner = dns::name();
    (void)c.owner.append(c.label);
    if (n == 0)
        (void)c.owner.append("local");
    else
        (void)c.owner.append(services_[n - 1].type);
}

/// All records of a link, from nothing: what was sent when is forgotten with them.
PORTUNUS_DECL void mdns_responder::rebuild(place& p) const {
    p.entries.clear();
    const auto add = [&p](dns::record r, kind what, std::size_t claim) {
        p.entries.push_back({std::move(r), what, claim, {}, {}, {}});
    };
    const dns::name& host = claims_[0].owner;
    const bool inside = std::all_of(p.link.addresses.begin(), p.link.addresses.end(), [](const auto& a) {
        return a.scope == address_scope::host;
    }); // the loopback
    // Addresses that are good on the link alone are told where there are no others. Avahi does the same, and
    // would take ours for those of a stranger who has the name of its machine.
    const bool beyond = std::any_of(p.link.addresses.begin(), p.link.addresses.end(), [](const auto& a) {
        return a.scope == address_scope::global || a.scope == address_scope::site;
    });
    bool v4 = false, v6 = false;
    for (const interface_address& a : p.link.addresses) {
        if (!inside && a.scope == address_scope::host) continue;
        if (!beyond || a.scope != address_scope::link) {
            (a.address.is_v4() ? v4 : v6) = true;
            add(dns::address_record(host, a.address, host_ttl), kind::address, 0);
        }
        dns::record back = dns::pointer_record(dns::reverse_name(a.address), host, host_ttl);
        back.unique = true;
        if (std::find(p.others.begin(), p.others.end(), back.owner) == p.others.end())
            add(std::move(back), kind::reverse, 0);
    }
    std::vector<std::uint16_t> types;
    if (v4) types.push_back(dns::type_a);
    if (v6) types.push_back(dns::type_aaaa);
    add(dns::denial_record(host, types, host_ttl), kind::denial, 0);

    dns::name all;
    for (const char* label : {"_services", "_dns-sd", "_udp", "local"}) (void)all.append(label);
    const std::array<std::uint16_t, 2> of_service{dns::type_txt, dns::type_srv};
    for (std::size_t i = 0; i < services_.size(); ++i) {
        const mdns_registration& s = services_[i];
        const dns::name& owner = claims_[i + 1].owner;
        add(dns::pointer_record(s.type, owner, other_ttl), kind::instance, i + 1);
        const bool first = std::none_of(services_.begin(), services_.begin() + static_cast<std::ptrdiff_t>(i),
                                        [&s](const mdns_registration& o) { return o.type == s.type; });
        if (first) add(dns::pointer_record(all, s.type, other_ttl), kind::type, i + 1);
        add(dns::service_record(owner, s.port, host, host_ttl), kind::service, i + 1);
        add(dns::text_record(owner, s.text, other_ttl), kind::text, i + 1);
        add(dns::denial_record(owner, of_service, host_ttl), kind::denial, i + 1);
    }
}

PORTUNUS_DECL auto mdns_responder::find(const source& from) noexcept -> place* {
    for (place& p : places_)
        if (p.link.index == from.index && p.link.v6 == from.v6) return &p;
    return nullptr;
}

PORTUNUS_DECL void mdns_responder::set_links(const std::vector<mdns_link>& links,
                                             std::vector<boost::asio::ip::address> own, steady_point now) {
    own_ = std::move(own);
    std::vector<place> next;
    for (const mdns_link& l : links) {
        place* before = find({l.index, l.v6, {}});
        if (before && before->link == l) {
            next.push_back(std::move(*before));
            continue;
        }
        place p{l, {}, {}, {}};
        if (before) {
            p.others = std::move(before->others);
            p.claims = std::move(before->claims);
            if (p.claims[0].active()) p.claims[0] = {phase::announcing, 0, now};
        } else {
            // Machines that were switched on together do not all probe at once (RFC 6762 8.1).
            const auto begin = now + between(0, 250);
            for (const claim_state& c : claims_)
                p.claims.push_back({c.given_up ? phase::off : phase::probing, 0, begin});
        }
        rebuild(p);
        next.push_back(std::move(p));
    }
    places_ = std::move(next);
}

PORTUNUS_DECL bool mdns_responder::settled() const noexcept {
    for (const place& p : places_)
        for (const standing_of& s : p.claims)
            if (s.now == phase::probing || (s.now == phase::announcing && s.step == 0)) return false;
    return !places_.empty();
}

// time

PORTUNUS_DECL std::optional<steady_point> mdns_responder::next() const {
    std::optional<steady_point> first;
    const auto consider = [&first](steady_point t) {
        if (!first || t < *first) first = t;
    };
    for (const place& p : places_) {
        for (const standing_of& s : p.claims)
            if (s.now == phase::probing || s.now == phase::announcing) consider(s.due);
        for (const entry& e : p.entries)
            if (e.due) consider(*e.due);
    }
    return first;
}

PORTUNUS_DECL void mdns_responder::run(steady_point now, output& out) {
    for (place& p : places_) {
        indices news;
        for (std::size_t c = 0; c < p.claims.size(); ++c) {
            standing_of& s = p.claims[c];
            if (s.now == phase::probing && s.due <= now) {
                if (s.step < 3) {
                    probe(p, c, out);
                    ++s.step;
                    s.due = now + probe_gap;
                } else {
                    s = {phase::announcing, 0, now};
                }
            }
            if (s.now != phase::announcing || s.due > now) continue;
            for (std::size_t i = 0; i < p.entries.size(); ++i)
                if (p.entries[i].claim == c && p.entries[i].what != kind::denial) news.push_back(i);
            if (s.step == 0) {
                s = {phase::announcing, 1, now + announce_gap};
            } else {
                s = {phase::standing, 0, now};
                claims_[c].slow = false;
            }
        }
        if (!news.empty()) multicast(p, news, now, false, out);
        indices due;
        for (std::size_t i = 0; i < p.entries.size(); ++i)
            if (p.entries[i].due && *p.entries[i].due <= now) due.push_back(i);
        if (!due.empty()) multicast(p, due, now, true, out);
    }
}

/// The records that we want go along, so that two who probe at the same time see who has it (RFC 6762 8.2).
/// Answers by unicast are not asked for: where several share the port of this machine, one of them alone
/// would get it.
PORTUNUS_DECL void mdns_responder::probe(const place& p, std::size_t claim, output& out) const {
    std::array<char, most_bytes> room;
    dns::message_writer w(room, 0, 0);
    (void)w.add_question(claims_[claim].owner, dns::type_any, false);
    for (const entry& e : p.entries)
        if (e.claim == claim && e.what == kind::reverse)
            (void)w.add_question(e.record.owner, dns::type_ptr, false);
    for (const entry& e : p.entries)
        if (is_probed(e, claim))
            (void)w.add_record(dns::section::authority, e.record, e.record.ttl, false, true);
    out.send(p.link, std::nullopt, w.bytes());
}

PORTUNUS_DECL void mdns_responder::goodbye(output& out) {
    for (place& p : places_) {
        indices all;
        for (std::size_t i = 0; i < p.entries.size(); ++i) {
            entry& e = p.entries[i];
            // Others may have services of the type.
            if (!active(p, e) || e.what == kind::denial || e.what == kind::type) continue;
            e.record.ttl = 0;
            all.push_back(i);
        }
        if (!all.empty()) multicast(p, all, steady_point(), false, out);
        rebuild(p);
    }
}

// sending

PORTUNUS_DECL void mdns_responder::schedule(entry& e, steady_point when, steady_point now, bool defence) {
    // No record goes out more often than once a second; whoever probes is not kept waiting for so long
    // (RFC 6762 6).
    if (e.last) when = std::max(when, *e.last + (defence ? probe_gap : announce_gap));
    when = std::max(when, now);
    if (!e.due || when < *e.due) e.due = when;
}

PORTUNUS_DECL auto mdns_responder::related(const place& p, const indices& which) const -> indices {
    indices more;
    const auto want = [&](kind what, std::size_t claim) {
        for (std::size_t i = 0; i < p.entries.size(); ++i) {
            const entry& e = p.entries[i];
            if (e.what != what || e.claim != claim || !active(p, e)) continue;
            const bool there = std::find(which.begin(), which.end(), i) != which.end() ||
                               std::find(more.begin(), more.end(), i) != more.end();
            if (!there) more.push_back(i);
        }
    };
    for (const std::size_t i : which) { // RFC 6763 12
        const entry& e = p.entries[i];
        if (e.what == kind::instance) {
            want(kind::service, e.claim);
            want(kind::text, e.claim);
        }
    }
    for (const std::size_t i : which) {
        const kind what = p.entries[i].what;
        if (what == kind::instance || what == kind::service || what == kind::address) want(kind::address, 0);
        // Who has IPv4 alone says so together with it, so that nobody waits for the other (RFC 6762 6.1).
        if (what == kind::address) want(kind::denial, 0);
    }
    return more;
}

/// `more`: with what will be asked for next. The records keep their time of sending.
PORTUNUS_DECL void mdns_responder::multicast(place& p, const indices& which, steady_point now, bool more,
                                             output& out) {
    std::array<char, most_bytes> room;
    constexpr std::uint16_t flags = dns::flag_response | dns::flag_authoritative;
    dns::message_writer w(room, 0, flags);
    for (const std::size_t i : which) {
        entry& e = p.entries[i];
        e.due.reset();
        e.asker.reset();
        if (!w.add_record(dns::section::answer, e.record) && w.count(dns::section::answer) != 0) {
            out.send(p.link, std::nullopt, w.bytes());
            w = dns::message_writer(room, 0, flags);
            (void)w.add_record(dns::section::answer, e.record);
        }
        e.last = now;
    }
    if (more) {
        for (const std::size_t i : related(p, which)) {
            entry& e = p.entries[i];
            if (e.last && now - *e.last < announce_gap) continue; // it was heard just now
            if (!w.add_record(dns::section::additional, e.record)) break;
            e.last = now;
            e.due.reset();
        }
    }
    if (w.count(dns::section::answer) != 0) out.send(p.link, std::nullopt, w.bytes());
}

/// To the asker alone. One who asks from another port than ours is a simple resolver, to whom a message has
/// to look like one of a name server (RFC 6762 6.7).
PORTUNUS_DECL void mdns_responder::reply(place& p, const dns::message& m, const indices& which,
                                         const source& from, bool legacy, output& out) {
    std::array<char, most_bytes> room;
    dns::message_writer w(room, legacy ? m.id() : std::uint16_t(0),
                          dns::flag_response | dns::flag_authoritative);
    if (legacy)
        m.each_question(
            [&w](const dns::question_view& q) { (void)w.add_question(q.owner.to_name(), q.type, false); });
    const auto add = [&](dns::section where, const entry& e) {
        const dns::record& r = e.record;
        return legacy ? w.add_record(where, r, std::min(r.ttl, legacy_ttl), false, false)
                      : w.add_record(where, r);
    };
    for (const std::size_t i : which)
        if (!add(dns::section::answer, p.entries[i])) w.set_truncated();
    for (const std::size_t i : related(p, which))
        if (!add(dns::section::additional, p.entries[i])) break;
    out.send(p.link, from.sender, w.bytes());
}

// receiving

PORTUNUS_DECL void mdns_responder::take(const dns::message& m, const source& from, steady_point now,
                                        output& out) {
    place* p = find(from);
    if (!p || !m.is_plain()) return;
    if (!m.is_response())
        take_query(*p, m, from, now, out);
    else if (from.sender.port() == port_) // RFC 6762 6: from elsewhere it is none
        take_response(*p, m, now, out);
}

/// Whether somebody only says what we say, too, perhaps on another link of ours that is the same network.
PORTUNUS_DECL bool mdns_responder::is_own(const dns::record_view& r, const std::string& data) const noexcept {
    if (r.type == dns::type_a || r.type == dns::type_aaaa)
        return std::find(own_.begin(), own_.end(), r.address()) != own_.end();
    for (const place& p : places_)
        for (const entry& e : p.entries)
            if (e.record.type == r.type && r.owner == e.record.owner &&
                dns::same_data(r.type, e.record.data, data))
                return true;
    return false;
}

PORTUNUS_DECL bool mdns_responder::yield_reverse(place& p, const dns::record_view& r, bool probed) {
    if (r.type != dns::type_ptr || r.ttl == 0) return false;
    const auto target = r.target().to_name();
    if (target == claims_[0].owner) return false;
    for (auto e = p.entries.begin(); e != p.entries.end(); ++e) {
        if (e->what != kind::reverse || !(r.owner == e->record.owner)) continue;
        // Of two who both have announced it, one goes on.
        if (!probed && active(p, *e) && claims_[0].owner.wire() < target.wire()) return false;
        p.others.push_back(e->record.owner);
        p.entries.erase(e);
        return true;
    }
    return false;
}

PORTUNUS_DECL void mdns_responder::take_response(place& p, const dns::message& m, steady_point now,
                                                 output& out) {
    std::vector<std::size_t> lost;
    m.each_record([&](const dns::record_view& r) {
        if (r.klass != dns::class_in || r.where == dns::section::authority) return;
        bool known_owner = false;
        for (const entry& e : p.entries) known_owner = known_owner || r.owner == e.record.owner;
        if (!known_owner || yield_reverse(p, r, false)) return;
        const std::string data = r.data();
        for (entry& e : p.entries) {
            if (e.record.type != r.type || !(r.owner == e.record.owner) || !active(p, e)) continue;
            if (!dns::same_data(r.type, e.record.data, data)) continue;
            if (r.ttl < e.record.ttl / 2)
                schedule(e, now, now, false); // somebody takes back what is still true (RFC 6762 6.6)
            else if (e.due)
                e.due.reset(); // somebody has said it for us (RFC 6762 7.4)
        }
        if (r.ttl == 0) return;
        for (std::size_t c = 0; c < claims_.size(); ++c) {
            const bool contested = c == 0 ? r.type == dns::type_a || r.type == dns::type_aaaa
                                          : r.type == dns::type_srv || r.type == dns::type_txt;
            if (!contested || !(r.owner == claims_[c].owner) || is_own(r, data)) continue;
            if (std::find(lost.begin(), lost.end(), c) == lost.end()) lost.push_back(c);
        }
    });
    for (const std::size_t c : lost) conflict(p, c, now, out);
}

PORTUNUS_DECL void mdns_responder::conflict(place& p, std::size_t n, steady_point now, output& out) {
    if (p.claims[n].now == phase::off) return;
    const bool while_probing = p.claims[n].now == phase::probing;
    if (while_probing && p.claims[n].step == 0)
        return; // not asked for yet: the answer to our probe will tell
    claim_state& c = claims_[n];
    ++conflicts_;
    std::erase_if(c.conflicts, [now](steady_point t) { return now - t > std::chrono::seconds(10); });
    if (c.conflicts.size() < 15) c.conflicts.push_back(now);
    // Somebody who answers to everything must not keep us busy (RFC 6762 8.1).
    if (c.conflicts.size() >= 15) c.slow = true;
    const auto pause = c.slow ? steady_clock::duration(std::chrono::seconds(5)) : between(0, 20);
    if (while_probing) rename(n, out);
    for (place& each : places_) each.claims[n] = {c.given_up ? phase::off : phase::probing, 0, now + pause};
    if (n != 0 || !while_probing) return;
    // The services are on a host with another name now.
    for (place& each : places_)
        for (std::size_t i = 1; i < each.claims.size(); ++i)
            if (each.claims[i].active()) each.claims[i] = {phase::announcing, 0, now + announce_gap};
}

PORTUNUS_DECL void mdns_responder::rename(std::size_t n, output& out) {
    claim_state& c = claims_[n];
    if (c.number > most_renames) {
        c.given_up = true;
        return;
    }
    const std::string before = c.label;
    ++c.number;
    name_claim(n);
    for (place& p : places_) rebuild(p);
    out.renamed(n, before, c.label);
}

/// Somebody else probes for a name while we do: whose records come later in order has it (RFC 6762 8.2).
PORTUNUS_DECL void mdns_responder::take_probes(place& p, const dns::message& m, steady_point now) {
    m.each_record([&](const dns::record_view& r) {
        if (r.where == dns::section::authority) (void)yield_reverse(p, r, true);
    });
    using comparable = std::pair<std::uint16_t, std::string>;
    for (std::size_t c = 0; c < claims_.size(); ++c) {
        standing_of& s = p.claims[c];
        if (s.now != phase::probing || s.step == 0) continue;
        std::vector<comparable> theirs, ours;
        bool all_own = true;
        m.each_record([&](const dns::record_view& r) {
            if (r.where != dns::section::authority || !(r.owner == claims_[c].owner) || theirs.size() >= 64)
                return;
            theirs.emplace_back(r.type, r.data());
            all_own = all_own && is_own(r, theirs.back().second);
        });
        if (theirs.empty() || all_own) continue;
        for (const entry& e : p.entries)
            if (is_probed(e, c)) ours.emplace_back(e.record.type, e.record.data);
        const auto before = [](const comparable& a, const comparable& b) {
            if (a.first != b.first) return a.first < b.first;
            return std::lexicographical_compare(
                a.second.begin(), a.second.end(), b.second.begin(), b.second.end(),
                [](char x, char y) { return static_cast<unsigned char>(x) < static_cast<unsigned char>(y); });
        };
        std::sort(theirs.begin(), theirs.end(), before);
        std::sort(ours.begin(), ours.end(), before);
        if (std::lexicographical_compare(ours.begin(), ours.end(), theirs.begin(), theirs.end(), before))
            s = {phase::probing, 0, now + announce_gap}; // by then they answer, if they are real
    }
}

/// The known answers of a question that had no room for all of them (RFC 6762 7.2).
PORTUNUS_DECL void mdns_responder::take_more_known(place& p, const dns::message& m, const source& from) {
    m.each_record([&](const dns::record_view& r) {
        if (r.where != dns::section::answer) return;
        for (entry& e : p.entries) {
            if (!e.due || e.asker != from.sender || e.record.type != r.type || !(r.owner == e.record.owner))
                continue;
            if (r.ttl >= e.record.ttl / 2 && dns::same_data(r.type, e.record.data, r.data())) e.due.reset();
        }
    });
}

PORTUNUS_DECL void mdns_responder::take_query(place& p, const dns::message& m, const source& from,
                                              steady_point now, output& out) {
    take_probes(p, m, now);
    if (m.count(dns::section::question) == 0) {
        take_more_known(p, m, from);
        return;
    }
    const bool legacy = from.sender.port() != port_;
    const bool probing = m.count(dns::section::authority) != 0;
    indices by_unicast, by_multicast;
    const auto add = [](indices& to, std::size_t i) {
        if (std::find(to.begin(), to.end(), i) == to.end()) to.push_back(i);
    };
    m.each_question([&](const dns::question_view& q) {
        const auto answer = [&](std::size_t i) {
            const entry& e = p.entries[i];
            // Who has not heard a record by multicast for long should hear it (RFC 6762 5.4).
            const bool fresh = e.last && now - *e.last < std::chrono::seconds(e.record.ttl / 4);
            add(legacy || (q.unicast && fresh) ? by_unicast : by_multicast, i);
        };
        bool found = false;
        std::optional<std::size_t> denial;
        for (std::size_t i = 0; i < p.entries.size(); ++i) {
            const entry& e = p.entries[i];
            if (!active(p, e) || !(q.owner == e.record.owner)) continue;
            if (e.what == kind::denial) {
                denial = i;
            } else if (q.asks_for(e.record.type)) {
                found = true;
                answer(i);
            }
        }
        if (!found && denial && (q.klass == dns::class_in || q.klass == dns::class_any)) answer(*denial);
    });
    // What the asker knows already is not told again (RFC 6762 7.1).
    m.each_record([&](const dns::record_view& r) {
        if (r.where != dns::section::answer) return;
        const auto known = [&](std::size_t i) {
            const dns::record& own = p.entries[i].record;
            return own.type == r.type && r.ttl >= own.ttl / 2 && r.owner == own.owner &&
                   dns::same_data(own.type, own.data, r.data());
        };
        std::erase_if(by_unicast, known);
        std::erase_if(by_multicast, known);
    });
    if (!by_unicast.empty()) reply(p, m, by_unicast, from, legacy, out);
    if (by_multicast.empty()) return;
    // Several may have a shared record: they do not all speak at once (RFC 6762 6).
    const bool alone = std::all_of(by_multicast.begin(), by_multicast.end(),
                                   [&p](std::size_t i) { return p.entries[i].record.unique; });
    steady_clock::duration delay{};
    if (m.is_truncated())
        delay = between(400, 500);
    else if (!alone && !probing)
        delay = between(20, 120);
    for (const std::size_t i : by_multicast) {
        entry& e = p.entries[i];
        const bool first = !e.due;
        schedule(e, now + delay, now, probing);
        if (first && m.is_truncated())
            e.asker = from.sender;
        else if (e.asker != from.sender)
            e.asker.reset();
    }
    run(now, out);
}

} // namespace portunus::detail

#endif
