// SPDX-License-Identifier: BSL-1.0
// Names and services between two machines: network namespaces with a cable between them, where the port and
// the groups of multicast DNS are ours alone, and a stranger that is written in Python.
#include <portunus/net/mdns_announcer.hpp>
#include <portunus/net/mdns_browse.hpp>
#include <portunus/net/mdns_resolve.hpp>
#include <portunus/net/peer_name.hpp>
#include <portunus/net/resolver.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/network_namespace.hpp"
#include "support/world.hpp"

#include <portunus/net/detail/dns_message.hpp>
#include <portunus/testing/run.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>

using namespace portunus_tests;
using portunus::address_family;
using portunus::errc;
using portunus::mdns_announcer;
using portunus::mdns_announcer_options;
using portunus::mdns_browse;
using portunus::mdns_find;
using portunus::mdns_resolve;
using portunus::mdns_resolve_name;
using portunus::mdns_service;
using portunus::peer_name;
using portunus::resolve;
using portunus::resolve_name;
using portunus::udp_socket;
namespace dns = portunus::detail::dns;

namespace {

using addresses = std::vector<asio::ip::address>;

bool has(const addresses& all, const asio::ip::address& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

/// A limit that only says that something went wrong.
constexpr auto plenty = 25s;

template <class T>
T wait_for(world& w, portunus::testing::started<T>& asked) {
    w.until([&] { return asked.done(); });
    return asked.get();
}

std::unique_ptr<mdns_announcer> announcer_at(const network_pair::end& e, world& w, std::string host,
                                             std::vector<mdns_service> services) {
    mdns_announcer_options what;
    what.host = std::move(host);
    what.services = std::move(services);
    what.log = portunus::logger::silent();
    return network_pair::inside(
        e, [&] { return std::make_unique<mdns_announcer>(w.context.get_executor(), what); });
}

void wait_until_ready(world& w, mdns_announcer& a) {
    auto ready = w.start(a.ready(plenty));
    must(wait_for(w, ready));
}

/// Hears all that is said on one interface.
class listener {
  public:
    listener(world& w, const network_pair::end& e, const std::string& interface)
        : socket_(network_pair::inside(e, [&] {
              portunus::udp_options door;
              door.ports = 5353;
              door.reuse = true;
              door.policy = portunus::accept_policy::anyone();
              udp_socket s(w.context.get_executor(), door);
              must(s.join(portunus::detail::mdns_group_address(false), interface));
              must(s.join(portunus::detail::mdns_group_address(true), interface));
              return s;
          })) {
        w.spawn(run(*this));
        w.settle();
    }
    ~listener() { socket_.close(); }

    /// How many records of this name and time to live came, by IPv6 or IPv4.
    int count(std::string_view owner, std::uint32_t ttl, bool v6) const {
        return static_cast<int>(std::count_if(heard_.begin(), heard_.end(), [&](const record& r) {
            return r.owner == owner && r.ttl == ttl && r.v6 == v6;
        }));
    }

  private:
    struct record {
        std::string owner;
        std::uint32_t ttl;
        bool v6;
    };
    static awaitable<void> run(listener& self) {
        for (;;) {
            auto got = co_await self.socket_.receive();
            if (!got) co_return;
            const auto m = dns::message::read(got->bytes);
            if (!m || !m->is_response()) continue;
            const bool v6 = got->sender.address().is_v6();
            m->each_record([&self, v6](const dns::record_view& r) {
                self.heard_.push_back({r.owner.text(), r.ttl, v6});
            });
        }
    }
    udp_socket socket_;
    std::vector<record> heard_;
};

/// Answers the first questions as its arguments say, each with one message in hex, "-" for none. "ID" stands
/// for the number of the question. `from`: the address to answer from.
constexpr auto forger = R"(
import socket, struct, sys
own, source = sys.argv[1], sys.argv[2]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 5353))
group = socket.inet_aton("224.0.0.251") + socket.inet_aton(own)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
out.bind((source, 5353))
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
print("ready", flush=True)
for batch in sys.argv[3:]:
    while True:
        question, sender = s.recvfrom(9000)
        if len(question) > 12 and not question[2] & 0x80: break
    for text in batch.split("+"):
        bytes_ = bytes.fromhex(text.replace("ID", question[:2].hex()))
        out.sendto(bytes_, sender if sender[1] != 5353 else ("224.0.0.251", 5353))
print("done", flush=True)
s.recvfrom(9000)
)";

std::unique_ptr<child_process> forger_at(const network_pair::end& e, const std::string& source,
                                         std::vector<std::string> batches) {
    std::vector<std::string> words{"-c", forger, e.v4.to_string(), source};
    words.insert(words.end(), batches.begin(), batches.end());
    auto child = network_pair::inside(
        e, [&] { return std::make_unique<child_process>(PORTUNUS_TEST_PYTHON, std::move(words)); });
    child->line_after("ready");
    return child;
}

// A response with one A record of hub.local, 10.231.0.2.
constexpr auto good = "ID84000000000100000000"
                      "03687562056c6f63616c00000180010000000a00040ae70002";

} // namespace

TEST_CASE("a name that another machine announces has its addresses here, and they have the name") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    auto hub = announcer_at(net.far(), w, "hub", {});
    wait_until_ready(w, *hub);
    CHECK(hub->links() == 2);
    const auto bare = network_pair::link_local(net.far());
    network_pair::inside(net.near(), [&] {
        const asio::ip::address link_local =
            asio::ip::address_v6(bare.to_v6().to_bytes(), ::if_nametoindex("near0"));
        auto four = w.start(mdns_resolve("hub.local", {.limit = plenty, .family = address_family::v4}));
        CHECK(must(wait_for(w, four)) == addresses{net.far().v4});
        auto six = w.start(mdns_resolve("hub.local", {.limit = plenty, .family = address_family::v6}));
        CHECK(must(wait_for(w, six)) == addresses{net.far().v6});
        auto any = w.start(mdns_resolve("hub.local", {.limit = plenty, .on = "near0"}));
        CHECK(must(wait_for(w, any)) == addresses{net.far().v4, net.far().v6});
        for (const auto& a : {net.far().v4, net.far().v6, link_local}) {
            CAPTURE(a.to_string());
            auto name = w.start(mdns_resolve_name(a, {.limit = plenty}));
            CHECK(must(wait_for(w, name)) == "hub.local");
        }
        auto nobody = w.start(mdns_resolve_name(asio::ip::make_address("10.231.0.77"), {.limit = 300ms}));
        CHECK(error_of(wait_for(w, nobody)) == errc::no_answer);
    });
}

TEST_CASE("the resolver asks the link for its names and for the names of its addresses") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    auto hub = announcer_at(net.far(), w, "hub", {});
    wait_until_ready(w, *hub);
    const auto bare = network_pair::link_local(net.far());
    network_pair::inside(net.near(), [&] {
        const asio::ip::address link_local =
            asio::ip::address_v6(bare.to_v6().to_bytes(), ::if_nametoindex("near0"));
        auto any = w.start(resolve("Hub.Local", {.limit = plenty}));
        const auto found = must(wait_for(w, any));
        CHECK(has(found, net.far().v4));
        CHECK(has(found, net.far().v6));
        auto four = w.start(resolve("hub.local", {.limit = plenty, .family = address_family::v4}));
        CHECK(must(wait_for(w, four)) == addresses{net.far().v4});
        for (const auto& a : {net.far().v4, net.far().v6, link_local}) {
            CAPTURE(a.to_string());
            auto name = w.start(resolve_name(a, {.limit = plenty}));
            CHECK(must(wait_for(w, name)) == "hub.local");
        }
        auto peer = w.start(peer_name(net.far().v4, plenty));
        CHECK(wait_for(w, peer) == "hub.local");
        auto stranger = w.start(peer_name(asio::ip::make_address("10.231.0.77"), 500ms));
        CHECK(wait_for(w, stranger) == "?");
    });
}

TEST_CASE("a name of the link that nobody has fails with the system's error, or at the limit") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    network_pair::inside(net.near(), [&] {
        auto asked = w.start(resolve("nobody.local", {.limit = plenty}));
        const auto failed = wait_for(w, asked);
        CHECK((error_of(failed) == errc::no_answer || error_of(failed) == errc::host_not_found));
        CHECK(error_of(failed).detail().find("\"nobody.local\", for which nobody on the link answered") !=
              std::string_view::npos);
        auto late = w.start(resolve("nobody.local", {.limit = 100ms}));
        const auto limited = wait_for(w, late);
        if (!(error_of(limited) == errc::resolve_timeout)) // the link's limit is the same
            CHECK((error_of(limited) == errc::no_answer || error_of(limited) == errc::host_not_found));
        auto left = w.start(resolve("nobody.local", {.limit = plenty}));
        w.settle();
        left.cancel();
        w.settle();
        REQUIRE(left.done());
        CHECK(error_of(left.get()) == errc::canceled);
        CHECK(w.time.armed() == 0);
        // Without the link only the system is asked.
        auto alone = w.start(resolve("nobody.local", {.limit = plenty, .mdns = false}));
        CHECK(error_of(wait_for(w, alone)).detail().find("link") == std::string_view::npos);
    });
}

TEST_CASE("what the files of this machine say of a name of the link goes before what the link says") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w; // time stands still: the link's answer waits until the system has given its own
    std::string unable;
    network_pair::inside(net.near(), [&] {
        const std::string file = "/tmp/portunus-hosts-" + std::to_string(::getpid());
        std::ofstream(file) << "127.0.0.1 localhost\n10.9.8.7 hub.local\n";
        struct removed {
            std::string path;
            ~removed() { std::remove(path.c_str()); }
        } const cleanup{file};
        // The threads that ask the system are started by this one, and see what it sees.
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount(file.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) != 0) {
            unable = "no mount namespaces here";
            return;
        }
        auto responder = forger_at(net.far(), net.far().v4.to_string(), {good, good, good, good});
        auto asked = w.start(resolve("hub.local", {.family = address_family::v4}));
        CHECK(must(wait_for(w, asked)) == addresses{asio::ip::make_address("10.9.8.7")});
        auto name = w.start(resolve_name(asio::ip::make_address("10.9.8.7")));
        CHECK(must(wait_for(w, name)) == "hub.local");
    });
    if (!unable.empty()) PORTUNUS_SKIP(unable);
}

TEST_CASE("a service that another machine announces is found by its type and by its name") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    auto hub =
        announcer_at(net.far(), w, "hub",
                     {{"Study", "_portunus._tcp", 7001, {{"rooms", "4"}}}, {"Web", "_http._tcp", 80, {}}});
    wait_until_ready(w, *hub);
    network_pair::inside(net.near(), [&] {
        auto asked = w.start(mdns_browse("_portunus._tcp", {.limit = 3s}));
        const auto found = must(wait_for(w, asked));
        REQUIRE(found.size() == 1);
        CHECK(found[0].name == "Study");
        CHECK(found[0].host == "hub.local");
        CHECK(found[0].port == 7001);
        CHECK(has(found[0].addresses, net.far().v4));
        CHECK(has(found[0].addresses, net.far().v6));
        REQUIRE(found[0].find("rooms"));
        CHECK(*found[0].find("rooms") == "4");
        auto one = w.start(mdns_find("Web", "_http._tcp", {.limit = plenty}));
        CHECK(must(wait_for(w, one)).port == 80);
        auto types = w.start(mdns_browse("_printer._tcp", {.limit = 300ms}));
        CHECK(must(wait_for(w, types)).empty());
    });
}

TEST_CASE("two machines that want one name for themselves and for a service come to terms") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    const bool together = GENERATE(false, true);
    auto far = announcer_at(net.far(), w, "hub", {{"Study", "_portunus._tcp", 7001, {}}});
    if (!together) wait_until_ready(w, *far);
    auto near = announcer_at(net.near(), w, "hub", {{"Study", "_portunus._tcp", 7002, {}}});
    if (together) wait_until_ready(w, *far);
    wait_until_ready(w, *near);
    w.until([&] { return far->host() != near->host() && far->services() != near->services(); });
    std::vector<std::string> hosts{far->host(), near->host()},
        names{far->services()[0].name, near->services()[0].name};
    std::sort(hosts.begin(), hosts.end());
    std::sort(names.begin(), names.end());
    CHECK(hosts == std::vector<std::string>{"hub-2.local", "hub.local"});
    CHECK(names == std::vector<std::string>{"Study", "Study (2)"});
    if (!together) CHECK(far->host() == "hub.local"); // whoever was there first
    wait_until_ready(w, *far);
    wait_until_ready(w, *near);
    network_pair::inside(net.near(), [&] {
        auto asked = w.start(mdns_browse("_portunus._tcp", {.limit = 3s}));
        const auto found = must(wait_for(w, asked));
        REQUIRE(found.size() == 2);
        CHECK(found[0].port + found[1].port == 7001 + 7002);
        CHECK(found[0].host != found[1].host);
        auto theirs = w.start(mdns_resolve(far->host(), {.limit = plenty, .family = address_family::v4}));
        CHECK(must(wait_for(w, theirs)) == addresses{net.far().v4});
    });
}

TEST_CASE("who goes says goodbye by both families, and is not found any more") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    listener ears(w, net.near(), "near0");
    auto hub = announcer_at(net.far(), w, "hub", {{"Study", "_portunus._tcp", 7001, {}}});
    wait_until_ready(w, *hub);
    w.until(
        [&] { return ears.count("hub.local", 120, false) > 0 && ears.count("hub.local", 120, true) > 0; });
    CHECK(ears.count("hub.local", 0, false) == 0);
    hub.reset();
    w.until([&] {
        return ears.count("hub.local", 0, false) > 0 && ears.count("hub.local", 0, true) > 0 &&
               ears.count("_portunus._tcp.local", 0, false) == 1 &&
               ears.count("Study._portunus._tcp.local", 0, true) == 2;
    });
    network_pair::inside(net.near(), [&] {
        auto asked = w.start(mdns_browse("_portunus._tcp", {.limit = 300ms}));
        CHECK(must(wait_for(w, asked)).empty());
    });
}

TEST_CASE("an interface that comes later is announced to, with its own addresses") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] { // where the announcer looks at the interfaces again
        world w(world::clock::real);
        auto hub = announcer_at(net.near(), w, "hub", {});
        wait_until_ready(w, *hub);
        CHECK(hub->links() == 2);
        net.join("near1", "far1");
        listener ears(w, net.far(), "far1");
        net.add_address(net.near(), "10.77.0.1/24", "near1");
        w.until([&] { return hub->links() == 4 && ears.count("1.0.77.10.in-addr.arpa", 120, true) > 0; });
        CHECK(ears.count("1.0.231.10.in-addr.arpa", 120, true) == 0);
        net.add_address(net.far(), "10.77.0.2/24", "far1");
        const auto found = network_pair::inside(net.far(), [&] {
            auto asked = w.start(
                mdns_resolve("hub.local", {.limit = plenty, .family = address_family::v4, .on = "far1"}));
            return must(wait_for(w, asked));
        });
        CHECK(found == addresses{asio::ip::make_address("10.77.0.1")});
        net.ip(net.far(), {"link", "del", "far1"});
        w.until([&] { return hub->links() == 2; });
    });
}

TEST_CASE("answers of a stranger that are malformed are counted and ignored, and the good one is taken") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    // no message, a name that points to itself, an answer that is cut off, one with another number
    const std::string loop = "ID84000001000000000000c00c00010001";
    const std::string cut = std::string(good).substr(0, std::string_view(good).size() - 6);
    auto stranger = forger_at(net.far(), net.far().v4.to_string(),
                              {"ff+" + loop + "+" + cut + "+ffff" + std::string(good).substr(2), good});
    network_pair::inside(net.near(), [&] {
        portunus::mdns_counters counters;
        auto asked = w.start(mdns_resolve(
            "hub.local", {.limit = plenty, .family = address_family::v4, .counters = &counters}));
        CHECK(must(wait_for(w, asked)) == addresses{net.far().v4});
        CHECK(counters.malformed == 3);
        CHECK(counters.foreign == 1);
        CHECK(counters.received == 1);
    });
}

TEST_CASE("an answer from an address that is not on the link is ignored") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    net.add_address(net.far(), "10.99.0.1/24"); // not a network of the near end
    world w(world::clock::real);
    network_pair::inside(net.near(), [&] { network_pair::set_sysctl("net/ipv4/conf/all/rp_filter", "0"); });
    network_pair::inside(net.near(), [&] { network_pair::set_sysctl("net/ipv4/conf/near0/rp_filter", "0"); });
    auto stranger = forger_at(net.far(), "10.99.0.1", {good, good});
    network_pair::inside(net.near(), [&] {
        portunus::mdns_counters counters;
        auto asked = w.start(
            mdns_resolve("hub.local", {.limit = 4s, .family = address_family::v4, .counters = &counters}));
        CHECK(error_of(wait_for(w, asked)) == errc::no_answer);
        stranger->line_after("done");
        CHECK(counters.foreign == 2);
    });
}

TEST_CASE("an announcer of this machine and one beside it on the same port are both found from elsewhere") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w(world::clock::real);
    auto one = announcer_at(net.far(), w, "hub", {{"Study", "_portunus._tcp", 7001, {}}});
    auto two = announcer_at(net.far(), w, "hub", {{"Den", "_portunus._tcp", 7002, {}}});
    wait_until_ready(w, *one);
    wait_until_ready(w, *two);
    CHECK(one->host() == "hub.local");
    CHECK(two->host() == "hub.local");
    network_pair::inside(net.near(), [&] {
        auto asked = w.start(mdns_browse("_portunus._tcp", {.limit = 3s}));
        CHECK(must(wait_for(w, asked)).size() == 2);
    });
    network_pair::inside(net.far(), [&] { // and on the machine itself
        auto asked = w.start(mdns_browse("_portunus._tcp", {.limit = 3s}));
        CHECK(must(wait_for(w, asked)).size() == 2);
        auto own = w.start(mdns_resolve("hub.local", {.limit = plenty, .family = address_family::v4}));
        CHECK(must(wait_for(w, own)) == addresses{net.far().v4});
    });
}

TEST_CASE("resolving a name of the link can be destroyed at every point") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    struct scene {
        awaitable<void> operator()() {
            portunus::resolve_options options;
            options.limit = 1ms;
            auto found = co_await resolve("nobody.local", options);
            auto name = co_await resolve_name(asio::ip::make_address("169.254.7.7"), options);
            auto all = co_await mdns_browse("_portunus._tcp", {.limit = 1ms});
            (void)found;
            (void)name;
            (void)all;
        }
    };
    network_pair::inside(net.near(), [] {
        CHECK(portunus::testing::destroy_at_every_point([](asio::io_context&) { return scene(); }) > 1);
    });
}
