// SPDX-License-Identifier: BSL-1.0
// Responders on a link that the test plays: no sockets, and time moves by hand.
#include <portunus/net/detail/mdns_responder.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::interface_address;
using portunus::detail::mdns_link;
using portunus::detail::mdns_registration;
using portunus::detail::mdns_responder;
using portunus::detail::steady_point;
namespace dns = portunus::detail::dns;
using endpoint = asio::ip::udp::endpoint;

namespace {

asio::ip::address address(const char* text) {
    return asio::ip::make_address(text);
}
dns::name named(std::string_view text) {
    return must(dns::name::parse(text));
}
interface_address own_address(const char* text, unsigned prefix,
                              portunus::address_scope scope = portunus::address_scope::global) {
    interface_address a;
    a.address = address(text);
    a.prefix_length = static_cast<std::uint8_t>(prefix);
    a.scope = scope;
    return a;
}
mdns_link link_with(const char* v4, unsigned index = 2) {
    mdns_link l;
    l.index = index;
    l.interface = "eth" + std::to_string(index);
    l.addresses = {own_address(v4, 24)};
    return l;
}
mdns_registration service(std::string name, std::uint16_t port = 7001, std::string text = {}) {
    return {std::move(name), named("_portunus._tcp.local"), port, std::move(text)};
}

/// What was sent, as lines: "answer A hub.local 120 flush 10.0.0.1".
struct sent {
    steady_point when;
    std::uint32_t index = 0;
    std::optional<endpoint> to;
    std::string bytes;

    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        const auto m = must(dns::message::read(bytes));
        m.each_question([&](const dns::question_view& q) {
            all.push_back("ask " + type(q.type) + ' ' + q.owner.text() + (q.unicast ? " QU" : ""));
        });
        m.each_record([&](const dns::record_view& r) {
            static constexpr std::array<const char*, 4> names{"", "answer ", "wants ", "beside "};
            std::string line = names[static_cast<std::size_t>(r.where)] + type(r.type) + ' ' +
                               r.owner.text() + ' ' + std::to_string(r.ttl) + (r.flush ? " flush" : "");
            if (r.type == dns::type_a || r.type == dns::type_aaaa) line += ' ' + r.address().to_string();
            if (r.type == dns::type_ptr || r.type == dns::type_srv) line += ' ' + r.target().text();
            if (r.type == dns::type_srv) line += ' ' + std::to_string(r.port());
            all.push_back(line);
        });
        return all;
    }
    bool has(const std::string& line) const {
        const auto all = lines();
        return std::find(all.begin(), all.end(), line) != all.end();
    }
    bool response() const { return must(dns::message::read(bytes)).is_response(); }

  private:
    static std::string type(std::uint16_t t) {
        switch (t) {
        case dns::type_a:
            return "A";
        case dns::type_aaaa:
            return "AAAA";
        case dns::type_ptr:
            return "PTR";
        case dns::type_srv:
            return "SRV";
        case dns::type_txt:
            return "TXT";
        case dns::type_nsec:
            return "NSEC";
        case dns::type_any:
            return "ANY";
        default:
            return std::to_string(t);
        }
    }
};

/// One machine on the link.
struct machine final : mdns_responder::output {
    machine(const char* v4, std::string host, std::vector<mdns_registration> services, std::uint64_t seed = 1)
        : me(address(v4), 5353), responder(std::move(host), std::move(services), 5353, seed) {}

    void connect(std::vector<mdns_link> links, steady_point now) {
        std::vector<asio::ip::address> own;
        for (const auto& l : links)
            for (const auto& a : l.addresses) own.push_back(a.address);
        at = now;
        responder.set_links(links, own, now);
    }
    void send(const mdns_link& by, const std::optional<endpoint>& to, std::string_view bytes) override {
        all.push_back({at, by.index, to, std::string(bytes)});
    }
    void renamed(std::size_t, const std::string& before, const std::string& now) override {
        names.push_back(before + " -> " + now);
    }
    void hear(std::string_view bytes, const endpoint& from, std::uint32_t index = 2) {
        responder.take(must(dns::message::read(bytes)), {index, false, from}, at, *this);
    }
    /// Runs alone until nothing is due before `end`.
    void run_until(steady_point end) {
        for (;;) {
            const auto next = responder.next();
            if (!next || *next > end) break;
            at = std::max(at, *next);
            responder.run(at, *this);
        }
        at = end;
    }
    std::size_t count(const std::string& line) const {
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [&](const sent& s) { return s.has(line); }));
    }

    endpoint me;
    mdns_responder responder;
    std::vector<sent> all;
    std::vector<std::string> names;
    steady_point at{};
};

/// Several of them on one link: what one sends by multicast, all hear, itself included.
struct segment {
    void run(std::vector<machine*> machines, portunus::steady_clock::duration how_long) {
        const auto end = now + how_long;
        for (;;) {
            machine* first = nullptr;
            for (machine* m : machines) {
                const auto next = m->responder.next();
                if (next && *next <= end && (!first || *next < *first->responder.next())) first = m;
            }
            if (!first) break;
            now = std::max(now, *first->responder.next());
            for (machine* m : machines) m->at = now;
            first->responder.run(now, *first);
            deliver(machines);
        }
        now = end;
        for (machine* m : machines) m->at = now;
    }
    void deliver(const std::vector<machine*>& machines) {
        for (int round = 0; round < 100; ++round) {
            bool any = false;
            for (machine* from : machines) {
                for (std::size_t& i = told[from]; i < from->all.size(); ++i) {
                    any = true;
                    const sent s = from->all[i];
                    for (machine* m : machines)
                        if (!s.to || *s.to == m->me) m->hear(s.bytes, from->me);
                }
            }
            if (!any) return;
        }
        throw std::runtime_error("they do not come to rest");
    }
    steady_point now = steady_point(std::chrono::hours(1));
    std::map<machine*, std::size_t> told;
};

struct asked {
    explicit asked(unsigned flags = 0, unsigned id = 0)
        : writer(room, static_cast<std::uint16_t>(id), static_cast<std::uint16_t>(flags)) {}
    asked& question(const char* name, std::uint16_t type, bool unicast = false) {
        REQUIRE(writer.add_question(named(name), type, unicast));
        return *this;
    }
    asked& record(dns::section where, const dns::record& r) {
        REQUIRE(writer.add_record(where, r));
        return *this;
    }
    operator std::string_view() const { return writer.bytes(); } // NOLINT
    std::array<char, 1400> room;
    dns::message_writer writer;
};

const endpoint peer(asio::ip::make_address("10.0.0.99"), 5353);
const endpoint simple(asio::ip::make_address("10.0.0.99"), 40000);
const steady_point begin(std::chrono::hours(1));

/// "hub" with the service "Study", settled for a long time, with what it sent forgotten.
machine settled(std::vector<mdns_registration> services = {service("Study")}) {
    machine m("10.0.0.1", "hub", std::move(services));
    m.connect({link_with("10.0.0.1")}, begin);
    m.run_until(begin + 5000s);
    REQUIRE(m.responder.settled());
    m.all.clear();
    return m;
}

} // namespace

// probing and announcing
// ------------------------------------------------------------------------------------

TEST_CASE("each name is asked for three times, a quarter of a second apart, and then announced twice") {
    machine m("10.0.0.1", "hub", {service("Study")});
    m.connect({link_with("10.0.0.1")}, begin);
    CHECK_FALSE(m.responder.settled());
    m.run_until(begin + 10s);
    CHECK(m.responder.settled());
    CHECK_FALSE(m.responder.next().has_value()); // and then it is quiet
    std::vector<const sent*> probes, announcements;
    for (const sent& s : m.all) (s.response() ? announcements : probes).push_back(&s);
    REQUIRE(probes.size() == 6);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(probes[2 * i]->lines() == std::vector<std::string>{"ask ANY hub.local",
                                                                 "ask PTR 1.0.0.10.in-addr.arpa",
                                                                 "wants A hub.local 120 10.0.0.1"});
        CHECK(probes[2 * i + 1]->lines() ==
              std::vector<std::string>{"ask ANY Study._portunus._tcp.local",
                                       "wants SRV Study._portunus._tcp.local 120 hub.local 7001",
                                       "wants TXT Study._portunus._tcp.local 4500"});
    }
    CHECK(probes[0]->when - begin <= 250ms);
    CHECK(probes[2]->when - probes[0]->when == 250ms);
    CHECK(probes[4]->when - probes[2]->when == 250ms);
    REQUIRE(announcements.size() == 2);
    CHECK(announcements[0]->when - probes[4]->when == 250ms);
    CHECK(announcements[1]->when - announcements[0]->when == 1s);
    for (const sent* s : announcements)
        CHECK(s->lines() ==
              std::vector<std::string>{"answer A hub.local 120 flush 10.0.0.1",
                                       "answer PTR 1.0.0.10.in-addr.arpa 120 flush hub.local",
                                       "answer PTR _portunus._tcp.local 4500 Study._portunus._tcp.local",
                                       "answer PTR _services._dns-sd._udp.local 4500 _portunus._tcp.local",
                                       "answer SRV Study._portunus._tcp.local 120 flush hub.local 7001",
                                       "answer TXT Study._portunus._tcp.local 4500 flush"});
}

TEST_CASE("nothing is answered before a name is known to be ours") {
    machine m("10.0.0.1", "hub", {service("Study")});
    m.connect({link_with("10.0.0.1")}, begin);
    m.run_until(begin + 600ms);
    const auto before = m.all.size();
    m.hear(asked().question("hub.local", dns::type_a), simple);
    m.hear(asked().question("_portunus._tcp.local", dns::type_ptr), simple);
    CHECK(m.all.size() == before);
}

TEST_CASE("of two who want a name at the same time one gets it, and the other takes the next") {
    segment link;
    machine a("10.0.0.1", "hub", {service("Study")}, 1), b("10.0.0.2", "hub", {service("Study", 7002)}, 2);
    a.connect({link_with("10.0.0.1")}, link.now);
    b.connect({link_with("10.0.0.2")}, link.now);
    link.run({&a, &b}, 20s);
    CHECK(a.responder.settled());
    CHECK(b.responder.settled());
    // the later address, and the later port, win (RFC 6762 8.2)
    CHECK(b.responder.label(0) == "hub");
    CHECK(b.responder.label(1) == "Study");
    CHECK(b.names.empty());
    CHECK(a.names == std::vector<std::string>{"hub -> hub-2", "Study -> Study (2)"});
    CHECK(a.responder.host().text() == "hub-2.local");
    CHECK(a.count("answer SRV Study (2)._portunus._tcp.local 120 flush hub-2.local 7001") >= 2);
}

TEST_CASE("whoever comes later takes another name, and the first one answers him before he has it") {
    segment link;
    machine a("10.0.0.9", "hub", {}, 1), b("10.0.0.2", "hub", {}, 2), c("10.0.0.3", "hub", {}, 3);
    a.connect({link_with("10.0.0.9")}, link.now);
    link.run({&a}, 5s);
    b.connect({link_with("10.0.0.2")}, link.now);
    link.run({&a, &b}, 10s);
    c.connect({link_with("10.0.0.3")}, link.now);
    link.run({&a, &b, &c}, 10s);
    CHECK(a.responder.label(0) == "hub");
    CHECK(b.responder.label(0) == "hub-2");
    CHECK(c.responder.label(0) == "hub-3");
    CHECK(a.names.empty());
}

TEST_CASE("a name that two have when their networks are joined is probed again, and one gives it up") {
    segment link;
    machine a("10.0.0.1", "hub", {service("Study")}, 1), b("10.0.0.2", "hub", {service("Study", 7002)}, 2);
    a.connect({link_with("10.0.0.1")}, link.now);
    link.run({&a}, 5s);
    b.connect({link_with("10.0.0.2")}, link.now);
    b.run_until(link.now + 5s);
    link.told[&b] = b.all.size(); // that was on another cable
    link.run({&a}, 5s);
    a.hear(asked(0x8400).record(dns::section::answer,
                                dns::address_record(named("hub.local"), address("10.0.0.2"), 120)),
           b.me);
    CHECK(a.responder.conflicts() == 1);
    link.run({&a, &b}, 20s);
    CHECK(a.responder.settled());
    CHECK(b.responder.settled());
    CHECK(a.responder.label(0) == "hub-2");
    CHECK(b.responder.label(0) == "hub");
    CHECK(a.count("answer SRV Study._portunus._tcp.local 120 flush hub-2.local 7001") >= 1);
}

TEST_CASE("somebody who has the very same records is no conflict") {
    segment link;
    machine a("10.0.0.1", "hub", {service("Study")}, 1), b("10.0.0.1", "hub", {service("Den")}, 2);
    a.connect({link_with("10.0.0.1")}, link.now);
    b.connect({link_with("10.0.0.1")}, link.now);
    link.run({&a, &b}, 10s);
    CHECK(a.names.empty());
    CHECK(b.names.empty());
    CHECK(a.responder.conflicts() + b.responder.conflicts() == 0);
    // One of them goes; the address is still the other's, who says so.
    a.all.clear();
    b.all.clear();
    a.responder.goodbye(a);
    REQUIRE(a.all.size() == 1);
    b.hear(a.all[0].bytes, a.me);
    b.run_until(b.at + 5s);
    CHECK(b.count("answer A hub.local 120 flush 10.0.0.1") == 1);
}

TEST_CASE("whoever claims every name does not keep us busy, and after a hundred names it is given up") {
    machine m("10.0.0.1", "hub", {});
    m.connect({link_with("10.0.0.1")}, begin);
    auto last = begin;
    std::size_t probes = 0;
    for (int i = 0; i < 1000 && m.responder.next(); ++i) {
        m.run_until(*m.responder.next());
        last = m.at;
        ++probes;
        const auto reply = dns::address_record(m.responder.host(), address("10.0.0.66"), 120);
        m.hear(asked(0x8400).record(dns::section::answer, reply), peer);
    }
    CHECK_FALSE(m.responder.next().has_value());
    CHECK(m.responder.given_up(0));
    CHECK(m.names.size() == mdns_responder::most_renames);
    CHECK(last - begin > 5s * 80); // slowly, RFC 6762 8.1
    m.all.clear();
    m.hear(asked().question("hub-101.local", dns::type_a), simple);
    CHECK(m.all.empty());
}

TEST_CASE("a name with a number fits into a label, and no character is cut in two") {
    using r = mdns_responder;
    CHECK(r::numbered("hub", 1, true) == "hub");
    CHECK(r::numbered("hub", 2, true) == "hub-2");
    CHECK(r::numbered("Study", 12, false) == "Study (12)");
    CHECK(r::numbered(std::string(63, 'x'), 2, false) == std::string(59, 'x') + " (2)");
    std::string umlauts = "x";
    while (umlauts.size() < 63) umlauts += "\xc3\xbc";
    const std::string cut = r::numbered(umlauts, 2, false);
    CHECK(cut == umlauts.substr(0, 59) + " (2)");
    CHECK(r::numbered(umlauts, 100, false) == umlauts.substr(0, 57) + " (100)");
    CHECK(r::numbered(umlauts + "y", 1, false) == umlauts);
    CHECK(r::numbered(umlauts.substr(1) + "yz", 2, true) == umlauts.substr(1, 60) + "-2"); // 61 would cut one
}

// answers
// ---------------------------------------------------------------------------------------------------

TEST_CASE("a simple resolver gets its question back, with its number, a short time and no flush bit") {
    machine m = settled();
    m.hear(asked(0, 4711).question("HUB.local", dns::type_a), simple);
    REQUIRE(m.all.size() == 1);
    CHECK(m.all[0].to == simple);
    CHECK(must(dns::message::read(m.all[0].bytes)).id() == 4711);
    CHECK(m.all[0].lines() == std::vector<std::string>{"ask A HUB.local", "answer A hub.local 10 10.0.0.1",
                                                       "beside NSEC hub.local 10"});
    m.all.clear();
    m.hear(asked(0, 1).question("_portunus._tcp.local", dns::type_ptr), simple);
    REQUIRE(m.all.size() == 1);
    CHECK(m.all[0].lines() ==
          std::vector<std::string>{
              "ask PTR _portunus._tcp.local", "answer PTR _portunus._tcp.local 10 Study._portunus._tcp.local",
              "beside SRV Study._portunus._tcp.local 10 hub.local 7001",
              "beside TXT Study._portunus._tcp.local 10", "beside A hub.local 10 10.0.0.1"});
}

TEST_CASE("every kind of question has its answer") {
    struct row {
        const char* name;
        std::uint16_t type;
        const char* answer;
    };
    const row r = GENERATE(
        row{"hub.local", dns::type_a, "answer A hub.local 120 flush 10.0.0.1"},
        row{"hub.local", dns::type_any, "answer A hub.local 120 flush 10.0.0.1"},
        row{"hub.local", dns::type_aaaa, "answer NSEC hub.local 120 flush"},
        row{"1.0.0.10.in-addr.arpa", dns::type_ptr, "answer PTR 1.0.0.10.in-addr.arpa 120 flush hub.local"},
        row{"_portunus._tcp.local", dns::type_ptr,
            "answer PTR _portunus._tcp.local 4500 Study._portunus._tcp.local"},
        row{"_services._dns-sd._udp.local", dns::type_ptr,
            "answer PTR _services._dns-sd._udp.local 4500 _portunus._tcp.local"},
        row{"Study._portunus._tcp.local", dns::type_srv,
            "answer SRV Study._portunus._tcp.local 120 flush hub.local 7001"},
        row{"study._PORTUNUS._tcp.local", dns::type_txt, "answer TXT Study._portunus._tcp.local 4500 flush"},
        row{"Study._portunus._tcp.local", dns::type_a, "answer NSEC Study._portunus._tcp.local 120 flush"});
    CAPTURE(r.name, r.type);
    machine m = settled();
    m.hear(asked().question(r.name, r.type), peer);
    m.run_until(m.at + 1s);
    REQUIRE(m.all.size() == 1);
    CHECK_FALSE(m.all[0].to.has_value());
    CHECK(m.all[0].lines().front() == r.answer);
}

TEST_CASE(
    "what is not ours is not answered, nor what is no question, nor what came by an unknown interface") {
    machine m = settled();
    m.hear(asked().question("bub.local", dns::type_a), peer);
    m.hear(asked().question("_http._tcp.local", dns::type_ptr), peer);
    m.hear(asked(0x2800).question("hub.local", dns::type_a), peer); // an update
    m.hear(asked(0x0003).question("hub.local", dns::type_a), peer); // a failure
    m.hear(asked(0x8400).question("hub.local", dns::type_a), peer); // an answer
    m.hear(asked().question("hub.local", dns::type_a), peer, 77);
    m.run_until(m.at + 2s);
    CHECK(m.all.empty());
}

TEST_CASE("what is ours alone is answered at once, what others may have, too, after 20 to 120 ms") {
    for (std::uint64_t i = 0; i < 30; ++i) {
        machine m = settled();
        const auto now = m.at;
        m.hear(asked().question("hub.local", dns::type_a), peer);
        REQUIRE(m.all.size() == 1);
        m.hear(asked().question("_portunus._tcp.local", dns::type_ptr), peer);
        REQUIRE(m.all.size() == 1);
        const auto wait = *m.responder.next() - now;
        CHECK(wait >= 20ms);
        CHECK(wait <= 120ms);
        m.run_until(now + 120ms);
        CHECK(m.all.size() == 2);
    }
}

TEST_CASE(
    "a record goes out at most once a second, whoever asks, and a quarter of that where somebody probes") {
    machine m = settled();
    const auto now = m.at;
    m.hear(asked().question("hub.local", dns::type_a), peer);
    m.run_until(now + 100ms);
    for (int i = 0; i < 20; ++i) m.hear(asked().question("hub.local", dns::type_a), peer);
    CHECK(m.all.size() == 1);
    m.run_until(now + 999ms);
    CHECK(m.all.size() == 1);
    m.run_until(now + 1s);
    CHECK(m.all.size() == 2); // those who asked meanwhile get it then
    m.run_until(now + 5s);
    CHECK(m.all.size() == 2);
    const auto probe = [&](unsigned port) {
        asked a;
        a.question("hub.local", dns::type_any);
        a.record(dns::section::authority, dns::address_record(named("hub.local"), address("10.0.0.99"), 120));
        m.hear(a, endpoint(peer.address(), static_cast<std::uint16_t>(port)));
    };
    probe(5353);
    CHECK(m.all.size() == 3);
    probe(5353);
    m.run_until(now + 5s + 249ms);
    CHECK(m.all.size() == 3);
    m.run_until(now + 5s + 250ms);
    CHECK(m.all.size() == 4);
}

TEST_CASE("whoever wishes an answer by unicast gets it so, unless the others have not heard it for long") {
    machine m = settled(); // it was multicast more than an hour ago
    m.hear(asked().question("hub.local", dns::type_a, true), peer);
    REQUIRE(m.all.size() == 1);
    CHECK_FALSE(m.all[0].to.has_value());
    m.run_until(m.at + 10s);
    m.hear(asked(0, 17).question("hub.local", dns::type_a, true), peer);
    REQUIRE(m.all.size() == 2);
    CHECK(m.all[1].to == peer);
    CHECK(must(dns::message::read(m.all[1].bytes)).id() == 0);
    CHECK(m.all[1].has("answer A hub.local 120 flush 10.0.0.1"));
    m.run_until(m.at + 25s); // a quarter of its 120 s
    m.hear(asked().question("hub.local", dns::type_a, true), peer);
    REQUIRE(m.all.size() == 3);
    CHECK_FALSE(m.all[2].to.has_value());
}

TEST_CASE("an answer that the asker knows is not told again, one that is about to end for him is") {
    const auto ttl = GENERATE(as<std::uint32_t>(), 2249, 2250, 4500);
    machine m = settled();
    const auto known =
        dns::pointer_record(named("_portunus._tcp.local"), named("study._portunus._tcp.local"), ttl);
    m.hear(asked().question("_portunus._tcp.local", dns::type_ptr).record(dns::section::answer, known), peer);
    m.run_until(m.at + 1s);
    CHECK(m.all.size() == (ttl < 2250 ? 1 : 0));
}

TEST_CASE("known answers may follow in a second message, for which the answer waits longer") {
    const bool follows = GENERATE(true, false);
    machine m = settled({service("Study"), service("Den", 7002)});
    const auto now = m.at;
    m.hear(asked(dns::flag_truncated).question("_portunus._tcp.local", dns::type_ptr), peer);
    m.run_until(now + 399ms);
    CHECK(m.all.empty());
    const auto known =
        dns::pointer_record(named("_portunus._tcp.local"), named("Study._portunus._tcp.local"), 4000);
    if (follows) m.hear(asked().record(dns::section::answer, known), peer);
    m.run_until(now + 1s);
    CHECK(m.count("answer PTR _portunus._tcp.local 4500 Study._portunus._tcp.local") == (follows ? 0 : 1));
    CHECK(m.count("answer PTR _portunus._tcp.local 4500 Den._portunus._tcp.local") == 1);
}

TEST_CASE("an answer that another one gives first is not given again") {
    machine m = settled();
    m.hear(asked().question("_services._dns-sd._udp.local", dns::type_ptr), peer);
    const auto same =
        dns::pointer_record(named("_services._dns-sd._udp.local"), named("_portunus._tcp.local"), 4500);
    m.hear(asked(0x8400).record(dns::section::answer, same), peer);
    m.run_until(m.at + 2s);
    CHECK(m.all.empty());
}

TEST_CASE("what others take back, and is still true here, is said again") {
    machine m = settled();
    const auto gone =
        dns::pointer_record(named("_services._dns-sd._udp.local"), named("_portunus._tcp.local"), 0);
    m.hear(asked(0x8400).record(dns::section::answer, gone), simple); // from a port that no responder has
    CHECK_FALSE(m.responder.next().has_value());
    m.hear(asked(0x8400).record(dns::section::answer, gone), peer);
    m.run_until(m.at + 2s);
    CHECK(m.count("answer PTR _services._dns-sd._udp.local 4500 _portunus._tcp.local") == 1);
}

TEST_CASE("answers that do not fit into one message are several, and none is missing") {
    std::vector<mdns_registration> many;
    std::string text(100, 'x');
    text.front() = 99; // one string
    for (int i = 0; i < 64; ++i)
        many.push_back(service("Service with a long name, number " + std::to_string(i),
                               static_cast<std::uint16_t>(7000 + i), text));
    machine m = settled(many);
    m.hear(asked().question("_portunus._tcp.local", dns::type_ptr), peer);
    m.run_until(m.at + 1s);
    CHECK(m.all.size() > 1);
    for (const sent& s : m.all) CHECK(s.bytes.size() <= mdns_responder::most_bytes);
    for (int i = 0; i < 64; ++i) {
        const std::string name =
            "Service with a long name, number " + std::to_string(i) + "._portunus._tcp.local";
        CHECK(m.count("answer PTR _portunus._tcp.local 4500 " + name) == 1);
    }
}

// links
// -----------------------------------------------------------------------------------------------------

TEST_CASE("each link hears of its own addresses alone") {
    machine m("10.0.0.1", "hub", {});
    m.connect({link_with("10.0.0.1", 2), link_with("192.168.7.1", 3)}, begin);
    m.run_until(begin + 5000s);
    m.all.clear();
    m.hear(asked().question("hub.local", dns::type_a), simple, 2);
    m.hear(asked().question("hub.local", dns::type_a), simple, 3);
    REQUIRE(m.all.size() == 2);
    CHECK(m.all[0].index == 2);
    CHECK(m.all[0].has("answer A hub.local 10 10.0.0.1"));
    CHECK_FALSE(m.all[0].has("answer A hub.local 10 192.168.7.1"));
    CHECK(m.all[1].index == 3);
    CHECK(m.all[1].has("answer A hub.local 10 192.168.7.1"));
}

TEST_CASE("two links that are one network are no conflict with ourselves") {
    machine m("10.0.0.1", "hub", {});
    m.connect({link_with("10.0.0.1", 2), link_with("10.0.0.2", 3)}, begin);
    for (int i = 0; i < 200 && m.responder.next(); ++i) {
        const auto told = m.all.size();
        m.run_until(*m.responder.next());
        for (auto n = told; n < m.all.size(); ++n) {
            const sent s = m.all[n];
            m.hear(s.bytes, m.me, 2);
            m.hear(s.bytes, m.me, 3);
        }
    }
    CHECK(m.responder.settled());
    CHECK(m.names.empty());
    CHECK(m.responder.conflicts() == 0);
}

TEST_CASE("a link that comes later is probed and announced to, and the others stay as they were") {
    machine m = settled();
    const auto now = m.at;
    m.connect({link_with("10.0.0.1", 2), link_with("192.168.7.1", 3)}, now);
    CHECK_FALSE(m.responder.settled());
    m.run_until(now + 5s);
    CHECK(m.responder.settled());
    CHECK(m.count("answer A hub.local 120 flush 192.168.7.1") == 2);
    CHECK(std::all_of(m.all.begin(), m.all.end(), [](const sent& s) { return s.index == 3; }));
    m.all.clear();
    m.connect({link_with("192.168.7.1", 3)}, m.at);
    m.connect({link_with("192.168.7.1", 3), link_with("10.0.0.1", 2)}, m.at);
    m.run_until(m.at + 5s);
    CHECK(m.count("ask ANY hub.local") == 3); // one that comes back is a new one
}

TEST_CASE("another address of a link is announced at once, without probes") {
    machine m = settled();
    auto l = link_with("10.0.0.1");
    l.addresses.push_back(own_address("fd00::1", 64));
    m.connect({l}, m.at);
    m.run_until(m.at + 5s);
    REQUIRE(m.all.size() == 2);
    CHECK(m.all[0].has("answer AAAA hub.local 120 flush fd00::1"));
    CHECK(m.all[0].has("answer A hub.local 120 flush 10.0.0.1"));
}

TEST_CASE(
    "addresses that are good on the link alone are told where there are no others, and have a name always") {
    const bool others = GENERATE(true, false);
    machine m("10.0.0.1", "hub", {});
    auto l = link_with("10.0.0.1");
    if (!others) l.addresses.clear();
    l.addresses.push_back(own_address("fe80::1", 64, portunus::address_scope::link));
    m.connect({l}, begin);
    m.run_until(begin + 5s);
    CHECK(m.count("answer AAAA hub.local 120 flush fe80::1") == (others ? 0 : 2));
    m.all.clear();
    m.hear(asked().question(dns::reverse_name(address("fe80::1")).text().c_str(), dns::type_ptr), simple);
    REQUIRE(m.all.size() == 1);
    CHECK(m.all[0].lines().back().ends_with(" 10 hub.local"));
}

TEST_CASE(
    "who answers for the address of this machine with another name goes on with that, whoever was first") {
    const auto back = [](const char* host) {
        auto r = dns::pointer_record(named("1.0.0.10.in-addr.arpa"), named(host), 120);
        r.unique = true;
        return r;
    };
    const int when = GENERATE(0, 1, 2, 3);
    CAPTURE(when);
    machine m("10.0.0.1", "hub", {});
    m.connect({link_with("10.0.0.1")}, begin);
    m.run_until(begin + (when == 0 ? 400ms : 10s));
    m.all.clear();
    if (when == 1) // it probes: it was started later
        m.hear(asked()
                   .question("1.0.0.10.in-addr.arpa", dns::type_any)
                   .record(dns::section::authority, back("aaa.local")),
               peer);
    else // it has announced it: before us, or at the same time, then one of the two goes on
        m.hear(asked(0x8400).record(dns::section::answer, back(when == 3 ? "zzz.local" : "aaa.local")), peer);
    m.run_until(m.at + 10s);
    m.hear(asked().question("1.0.0.10.in-addr.arpa", dns::type_ptr), simple);
    CHECK(m.count("answer PTR 1.0.0.10.in-addr.arpa 10 hub.local") == (when == 3 ? 1 : 0));
    CHECK(m.count("answer PTR 1.0.0.10.in-addr.arpa 120 flush hub.local") == 0);
    CHECK(m.names.empty());
    CHECK(m.responder.label(0) == "hub");
}

TEST_CASE("goodbye takes back what is ours, on every link, and leaves the type to others") {
    machine m = settled();
    m.responder.goodbye(m);
    REQUIRE(m.all.size() == 1);
    CHECK(m.all[0].lines() ==
          std::vector<std::string>{"answer A hub.local 0 flush 10.0.0.1",
                                   "answer PTR 1.0.0.10.in-addr.arpa 0 flush hub.local",
                                   "answer PTR _portunus._tcp.local 0 Study._portunus._tcp.local",
                                   "answer SRV Study._portunus._tcp.local 0 flush hub.local 7001",
                                   "answer TXT Study._portunus._tcp.local 0 flush"});
    machine early("10.0.0.1", "hub", {});
    early.connect({link_with("10.0.0.1")}, begin);
    early.run_until(begin + 500ms);
    early.all.clear();
    early.responder.goodbye(early); // nothing was ours yet
    CHECK(early.all.empty());
}
