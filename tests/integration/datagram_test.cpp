// SPDX-License-Identifier: BSL-1.0
// Datagrams between machines with several interfaces: groups, broadcasts, routers and what they report. In
// namespaces that the tests make.
#include <portunus/net/udp_hub.hpp>
#include <portunus/net/udp_peer.hpp>
#include <portunus/net/udp_socket.hpp>

#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/world.hpp"
#include "unit/net/udp_support.hpp"

#include <portunus/net/interfaces.hpp>
#include <portunus/net/neighbours.hpp>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::datagram;
using portunus::datagram_source;
using portunus::errc;
using portunus::error;
using portunus::icmp_error;
using portunus::udp_accept_from;
using portunus::udp_hub;
using portunus::udp_hub_options;
using portunus::udp_interest;
using portunus::udp_options;
using portunus::udp_peer;
using portunus::udp_peer_options;
using portunus::udp_reply_to;
using portunus::udp_socket;
using portunus::udp_subscription;
namespace sys = boost::system::errc;

namespace {

using end = network_pair::end;

constexpr std::uint16_t port = 7001; // ours alone in here
const asio::ip::address nowhere{};

asio::ip::address address(const char* text) {
    return asio::ip::make_address(text);
}

/// near0 <-> far0 and near1 <-> far1.
struct two_links : network_pair {
    two_links() {
        join("near1", "far1");
        add_address(near(), "10.232.0.1/24", "near1");
        add_address(far(), "10.232.0.2/24", "far1");
        add_address(near(), "fd00:232::1/64", "near1");
        add_address(far(), "fd00:232::2/64", "far1");
    }
    static unsigned index(const end& e, const std::string& interface) {
        return inside(e, [&] { return ::if_nametoindex(interface.c_str()); });
    }
};

udp_options everybody(std::uint16_t at = 0) {
    udp_options o = open_to_all(nowhere);
    o.ports = at;
    return o;
}
template <class T, class... Arguments>
std::optional<T> made_inside(const end& e, Arguments&&... arguments) {
    return network_pair::inside(
        e, [&] { return std::optional<T>(std::in_place, std::forward<Arguments>(arguments)...); });
}

template <class Receiver>
kept next(world& w, Receiver& from) {
    auto got = w.start(from.receive());
    w.until([&] { return got.done(); });
    return keep(got.get());
}
std::string next(world& w, udp_subscription& from) {
    auto got = w.start(from.receive());
    w.until([&] { return got.done(); });
    return std::string(must(got.get()).bytes());
}
template <class Receiver>
error receive_error(world& w, Receiver& from) {
    auto got = w.start(from.receive());
    w.until([&] { return got.done(); });
    return error_of(got.get());
}

/// Whether the kernel receives a group on an interface.
bool joined(const network_pair& net, const end& e, const std::string& interface,
            const asio::ip::address& group) {
    return net.ip(e, {"maddress", "show", "dev", interface}).find(' ' + group.to_string() + '\n') !=
           std::string::npos;
}

} // namespace

// groups and broadcasts

TEST_CASE("a multicast leaves by the interface that was chosen, and is heard where its group was joined") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const two_links net;
    world w;
    const auto group = GENERATE(as<std::string>(), "239.231.7.3", "ff15::231:9", "ff02::231:9");
    CAPTURE(group);
    const asio::ip::address to = asio::ip::make_address(group);
    auto sender = made_inside<udp_socket>(net.near(), w.context.get_executor(), everybody());
    auto both = made_inside<udp_socket>(net.far(), w.context.get_executor(), everybody(port));
    udp_options shared = everybody(port + 1);
    auto second_only = made_inside<udp_socket>(net.far(), w.context.get_executor(), shared);
    net.inside(net.far(), [&] {
        must(both->join(to, "far0"));
        must(both->join(to, "far1"));
        must(second_only->join(to, "far1"));
    });
    const auto send = [&](const char* by, std::uint16_t at) {
        datagram_source source;
        source.interface = net.index(net.near(), by);
        must(sender->try_send_from(source, {to, at}, by));
    };
    send("near0", port + 1); // nobody there has joined
    for (const char* by : {"near0", "near1", "near0"}) {
        send(by, port);
        const auto d = next(w, *both);
        CHECK(d.text == by);
        CHECK(d.about.to_multicast);
        CHECK(d.about.local == to);
        CHECK(d.about.interface == net.index(net.far(), std::string(by) == "near0" ? "far0" : "far1"));
    }
    send("near1", port + 1);
    CHECK(next(w, *second_only).text == "near1"); // the first one was not heard
    // One datagram for each: it left by no other interface.
    CHECK(error_of(both->try_receive()) == errc::would_block);
    CHECK(error_of(second_only->try_receive()) == errc::would_block);
    net.inside(net.far(), [&] { must(both->leave(to, "far0")); });
    send("near0", port);
    send("near1", port);
    CHECK(next(w, *both).text == "near1");
}

TEST_CASE("the subscriptions of a hub hear a group each on their own interface, and join it once for all") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const two_links net;
    world w;
    for (const char* text : {"239.231.7.4", "ff15::231:a", "ff02::231:a"}) {
        CAPTURE(text);
        const asio::ip::address group = address(text);
        udp_hub_options door;
        door.socket = everybody(port);
        auto hub = made_inside<udp_hub>(net.far(), w.context.get_executor(), door);
        auto sender = made_inside<udp_socket>(net.near(), w.context.get_executor(), everybody());
        std::optional<udp_subscription> first, first_too, second;
        net.inside(net.far(), [&] {
            first = must(hub->subscribe(udp_interest().to_group(group, "far0")));
            if (group.is_v6() && group.to_v6().is_multicast_link_local()) { // its scope says it as well
                asio::ip::address_v6 scoped = group.to_v6();
                scoped.scope_id(::if_nametoindex("far0"));
                first_too = must(hub->subscribe(udp_interest().to_group(scoped)));
            } else {
                first_too = must(hub->subscribe(udp_interest().to_group(group, "far0")));
            }
            second = must(hub->subscribe(udp_interest().to_group(group, "far1")));
        });
        udp_subscription all = must(hub->subscribe());
        CHECK(joined(net, net.far(), "far0", group));
        CHECK(joined(net, net.far(), "far1", group));
        for (const char* by : {"near0", "near1"}) {
            datagram_source source;
            source.interface = net.index(net.near(), by);
            must(sender->try_send_from(source, {group, port}, by));
            CHECK(next(w, all) == by);
        }
        CHECK(next(w, *first) == "near0");
        CHECK(next(w, *first_too) == "near0");
        CHECK(next(w, *second) == "near1");
        CHECK(error_of(first->try_receive()) == errc::would_block);
        CHECK(error_of(second->try_receive()) == errc::would_block);
        first.reset();
        CHECK(joined(net, net.far(), "far0", group));
        net.inside(net.far(), [&] { first_too.reset(); });
        CHECK_FALSE(joined(net, net.far(), "far0", group));
        CHECK(joined(net, net.far(), "far1", group));
        net.inside(net.far(), [&] { hub.reset(); });
        CHECK_FALSE(joined(net, net.far(), "far1", group));
        second.reset();
        w.run();
    }
}

TEST_CASE("a session that broadcasts reaches every interface, and hears all who answer") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const two_links net;
    world w;
    udp_options listens = everybody(port);
    listens.receive_broadcasts = true;
    auto device = made_inside<udp_socket>(net.far(), w.context.get_executor(), listens);
    udp_peer_options o;
    o.socket = everybody();
    o.peer.port(port);
    o.accept_from = udp_accept_from::any_address;
    o.broadcast = true;
    auto seeker = made_inside<udp_peer>(net.near(), w.context.get_executor(), o);
    net.inside(net.near(), [&] { must(seeker->try_send("who is there?")); });
    std::set<std::string> asked, answered;
    for (int i = 0; i < 2; ++i) {
        const auto d = next(w, *device);
        CHECK(d.text == "who is there?");
        CHECK(d.about.to_broadcast);
        asked.insert(d.about.local.to_string());
        must(device->try_send_from(d.about.reply_source(), d.about.sender, "I am"));
        const auto answer = next(w, *seeker);
        CHECK(answer.text == "I am");
        answered.insert(answer.about.sender.address().to_string());
        CHECK(seeker->target()->address() == asio::ip::address_v4::broadcast());
    }
    CHECK(asked == std::set<std::string>{"10.231.0.255", "10.232.0.255"});
    CHECK(answered == std::set<std::string>{"10.231.0.2", "10.232.0.2"});
    CHECK(seeker->counters().sent == 2);
    // On one interface alone.
    o.broadcast_on = "near1";
    auto one = made_inside<udp_peer>(net.near(), w.context.get_executor(), o);
    net.inside(net.near(), [&] { must(one->try_send("by one")); });
    const auto d = next(w, *device);
    CHECK(d.about.sender.address() == address("10.232.0.1"));
    CHECK(error_of(device->try_receive()) == errc::would_block);
}

// who it was

TEST_CASE("the interface and the hardware address of a datagram's sender are those of its link") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const two_links net;
    world w;
    auto receiver = made_inside<udp_socket>(net.far(), w.context.get_executor(), everybody(port));
    auto sender = made_inside<udp_socket>(net.near(), w.context.get_executor(), everybody());
    struct way {
        const char *near, *far;
        asio::ip::address to;
    };
    const auto own = network_pair::link_local(net.far(), "far1").to_v6();
    const asio::ip::address_v6 from_near(own.to_bytes(), net.index(net.near(), "near1"));
    for (const way& each : {way{"near0", "far0", net.far().v4}, way{"near1", "far1", address("10.232.0.2")},
                            way{"near0", "far0", net.far().v6}, way{"near1", "far1", address("fd00:232::2")},
                            way{"near1", "far1", from_near}}) {
        CAPTURE(each.to.to_string());
        must(sender->try_send({each.to, port}, "hello"));
        const auto d = next(w, *receiver);
        const auto mac = network_pair::inside(
            net.near(), [&] { return must(portunus::find_interface(std::string_view(each.near))).mac; });
        CHECK(d.about.interface == net.index(net.far(), each.far));
        // An answer, so that the kernel has to know the neighbour.
        must(receiver->try_send_from(d.about.reply_source(), d.about.sender, "answer"));
        CHECK(next(w, *sender).text == "answer");
        const auto known =
            network_pair::inside(net.far(), [&] { return must(portunus::mac_of(d.about.sender.address())); });
        CHECK(known == mac);
    }
}

TEST_CASE("a session with a link-local peer needs its link only until the peer has spoken") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const two_links net;
    world w;
    const asio::ip::address_v6 theirs(network_pair::link_local(net.near(), "near1").to_v6().to_bytes());
    udp_peer_options o;
    o.socket.ports = port;
    o.peer = {theirs, 0};
    auto session = made_inside<udp_peer>(net.far(), w.context.get_executor(), o);
    auto device = made_inside<udp_socket>(net.near(), w.context.get_executor(), everybody());
    const asio::ip::address_v6 ours(network_pair::link_local(net.far(), "far1").to_v6().to_bytes(),
                                    net.index(net.near(), "near1"));
    must(device->try_send({ours, port}, "hello"));
    CHECK(next(w, *session).text == "hello");
    CHECK(session->target()->address().to_v6().scope_id() == net.index(net.far(), "far1"));
    must(session->try_send("answer"));
    CHECK(next(w, *device).text == "answer");
}

// routers, and what the network reports

TEST_CASE("a connected session hears that nobody is at the port, across the link, and goes on") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w;
    const bool six = GENERATE(false, true);
    const auto& there = six ? net.far().v6 : net.far().v4;
    udp_peer_options o;
    o.peer = {there, port};
    o.connected = true;
    auto session = made_inside<udp_peer>(net.near(), w.context.get_executor(), o);
    CHECK(portunus::normalised(session->endpoints().front().address()) ==
          (six ? net.near().v6 : net.near().v4));
    auto pending = w.start(session->receive());
    w.settle();
    must(session->try_send("anybody?"));
    w.until([&] { return pending.done(); });
    const error refused = error_of(pending.get());
    CHECK(refused == sys::connection_refused);
    CHECK(refused.detail() == portunus::to_string(o.peer) + ", reported by " + there.to_string() +
                                  " as ICMP type " + (six ? "1 code 4" : "3 code 3"));
    auto device = made_inside<udp_socket>(net.far(), w.context.get_executor(), everybody(port));
    must(session->try_send("now?"));
    const auto d = next(w, *device);
    CHECK(d.text == "now?");
    must(device->try_send(d.about.sender, "yes"));
    CHECK(next(w, *session).text == "yes");
    CHECK(session->reason() == close_reason::none);
}

TEST_CASE("a router that knows no way says so: to a connected session as an error, else to on_icmp_error") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    world w;
    net.ip(net.near(), {"route", "add", "10.99.0.0/24", "via", net.far().v4.to_string()});
    net.ip(net.far(), {"route", "add", "unreachable", "10.99.0.0/24"});
    net.inside(net.far(), [] { network_pair::set_sysctl("net/ipv4/ip_forward", "1"); });
    const udp::endpoint behind(address("10.99.0.7"), port);
    std::vector<icmp_error> reports;
    udp_peer_options o;
    o.peer = behind;
    o.connected = GENERATE(true, false);
    o.socket.on_icmp_error = [&](const icmp_error& e) { reports.push_back(e); };
    auto session = made_inside<udp_peer>(net.near(), w.context.get_executor(), o);
    auto pending = w.start(session->receive());
    w.settle();
    must(session->try_send("anybody?"));
    w.until([&] { return !reports.empty(); });
    w.settle();
    CHECK(reports[0].type == 3);
    CHECK(reports[0].code == 1);
    CHECK(reports[0].offender == net.far().v4);
    CHECK(reports[0].destination == behind);
    CHECK(reports[0].meaning == sys::host_unreachable);
    REQUIRE(pending.done() == o.connected);
    if (o.connected) {
        const error failed = error_of(pending.get());
        CHECK(failed == sys::host_unreachable);
        CHECK(failed.detail() == "10.99.0.7:7001, reported by 10.231.0.2 as ICMP type 3 code 1");
    }
    CHECK(session->is_open());
}

TEST_CASE("a datagram passes as many routers as its hops allow, and the next one reports it") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    // near -- far, a router -- beyond
    const network_pair net, other;
    const end& router = net.far();
    const end& beyond = other.near();
    other.remove_address(beyond, beyond.v4.to_string() + "/24"); // the same as that of our near end
    network_pair::run({"ip", "link", "add", "router1", "netns", router.netns, "type", "veth", "peer", "name",
                       "beyond1", "netns", beyond.netns});
    net.ip(router, {"link", "set", "router1", "up"});
    other.ip(beyond, {"link", "set", "beyond1", "up"});
    net.add_address(router, "10.77.0.1/24", "router1");
    other.add_address(beyond, "10.77.0.2/24", "beyond1");
    net.ip(net.near(), {"route", "add", "10.77.0.0/24", "via", router.v4.to_string()});
    other.ip(beyond, {"route", "add", "10.231.0.0/24", "via", "10.77.0.1"});
    net.inside(router, [] { network_pair::set_sysctl("net/ipv4/ip_forward", "1"); });
    world w;
    auto receiver = made_inside<udp_socket>(beyond, w.context.get_executor(), everybody(port));
    udp_peer_options o;
    o.peer = {address("10.77.0.2"), port};
    o.connected = true;
    o.socket.hops = 1;
    auto one_hop = made_inside<udp_peer>(net.near(), w.context.get_executor(), o);
    must(one_hop->try_send("one hop"));
    const error expired = receive_error(w, *one_hop);
    CHECK(expired == sys::host_unreachable);
    CHECK(expired.detail() == "10.77.0.2:7001, reported by 10.231.0.2 as ICMP type 11 code 0");
    o.socket.hops = 2;
    auto two_hops = made_inside<udp_peer>(net.near(), w.context.get_executor(), o);
    must(two_hops->try_send("two hops"));
    const auto d = next(w, *receiver);
    CHECK(d.text == "two hops");
    CHECK(d.about.sender.address() == net.near().v4);
    must(receiver->try_send(d.about.sender, "back"));
    CHECK(next(w, *two_hops).text == "back");
    CHECK(error_of(receiver->try_receive()) == errc::would_block); // the other one never came
}
