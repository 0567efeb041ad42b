// SPDX-License-Identifier: BSL-1.0
// The network around, as a real kernel has it: interfaces, addresses, neighbours and routes in namespaces
// that the tests make; and sockets that a real service manager hands over.
#include <portunus/net/inherited_sockets.hpp>
#include <portunus/net/interface_watch.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/neighbours.hpp>
#include <portunus/net/ping.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/network_namespace.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/net/tcp_listener.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>

using namespace portunus_tests;
using portunus::address_scope;
using portunus::errc;
using portunus::error;
using portunus::find_interface;
using portunus::interface_event;
using portunus::interface_towards;
using portunus::interface_watch;
using portunus::interfaces;
using portunus::mac_address;
using portunus::mac_of;
using portunus::neighbour_state;
using portunus::neighbours;
using portunus::tcp_listener;

namespace {

using end = network_pair::end;

asio::ip::address address(const char* text) {
    return asio::ip::make_address(text);
}

mac_address mac_inside(const end& e, const std::string& interface = {}) {
    return network_pair::inside(
        e, [&] { return must(find_interface(interface.empty() ? e.interface : interface)).mac; });
}

awaitable<void> follow(interface_watch& watch, std::vector<std::string>& lines, error& ended) {
    for (;;) {
        auto change = co_await watch.next();
        if (!change) {
            ended = change.error();
            co_return;
        }
        lines.push_back(to_string(*change));
    }
}

/// A watch in the near namespace, and what it has told. To be made inside.
struct observer {
    explicit observer(std::size_t buffer = 0) : watch(w.context.get_executor(), buffer) {
        w.spawn(follow(watch, lines, ended));
        w.settle();
    }
    ~observer() {
        watch.close();
        w.settle();
    }
    /// Waits until it tells this, and forgets what it had told before and with it.
    void expect(const std::string& line) {
        INFO("waiting for: " << line);
        w.until([&] { return std::find(lines.begin(), lines.end(), line) != lines.end(); });
        lines.clear();
    }
    world w;
    interface_watch watch;
    std::vector<std::string> lines;
    error ended;
};

} // namespace

// interfaces
// ----------------------------------------------------------------------------------------------

TEST_CASE("the interfaces are those of the namespace, with addresses, MTU, hardware address and flags") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    net.ip(net.near(), {"link", "set", "near0", "mtu", "1400", "address", "02:fc:00:00:00:07"});
    net.ip(net.near(), {"addr", "add", "10.9.0.2", "peer", "10.9.0.1/32", "dev", "near0"});
    network_pair::inside(net.near(), [&] {
        auto all = must(interfaces());
        REQUIRE(all.size() == 2);
        CHECK(all[0].name == "lo");
        const auto near0 = must(find_interface("near0"));
        CHECK(near0 == all[1]);
        CHECK(near0.mtu == 1400);
        CHECK(near0.mac == mac_address("02:fc:00:00:00:07"));
        CHECK(near0.usable());
        CHECK(near0.multicast);
        CHECK(near0.broadcast);
        CHECK_FALSE(near0.loopback);
        const auto* v4 = near0.find(net.near().v4);
        REQUIRE(v4);
        CHECK(to_string(*v4) == "10.231.0.1/24");
        CHECK(v4->broadcast == address("10.231.0.255"));
        CHECK(v4->scope == address_scope::global);
        const auto* v6 = near0.find(net.near().v6);
        REQUIRE(v6);
        CHECK(v6->prefix_length == 64);
        CHECK_FALSE(v6->tentative);
        const auto own = std::find_if(near0.addresses.begin(), near0.addresses.end(),
                                      [](const auto& a) { return a.scope == address_scope::link; });
        REQUIRE(own != near0.addresses.end());
        CHECK(own->address.to_v6().scope_id() == near0.index);
        const auto* tunnel = near0.find(address("10.9.0.2"));
        REQUIRE(tunnel);
        CHECK(tunnel->peer == address("10.9.0.1"));
        CHECK(must(find_interface(net.near().v6)).index == near0.index);
        CHECK_FALSE(find_interface(net.far().v4).has_value());
    });
    net.link_down(net.far()); // the cable is out
    network_pair::inside(net.near(), [&] {
        eventually([] { return !must(find_interface("near0")).running; }); // the kernel takes its time
        const auto near0 = must(find_interface("near0"));
        CHECK(near0.up);
        CHECK_FALSE(near0.usable());
    });
    CHECK_FALSE(find_interface("near0").has_value()); // and outside there is none
}

TEST_CASE("hundreds of interfaces and addresses, which fill many datagrams, are all listed") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    std::string commands;
    for (int i = 0; i < 150; ++i) commands += "link add many" + std::to_string(i) + " type veth\n";
    for (int i = 0; i < 1000; ++i)
        commands += "addr add 10.40." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) +
                    "/16 dev near0\n";
    child_process batch("ip", {"-n", net.near().netns, "-batch", "-"});
    batch.write(commands);
    batch.close_input();
    REQUIRE(batch.wait().code == 0);
    network_pair::inside(net.near(), [] {
        const auto all = must(interfaces());
        CHECK(all.size() == 302);
        CHECK(must(find_interface("near0")).addresses.size() >= 1002);
    });
}

// changes
// ----------------------------------------------------------------------------------------------

TEST_CASE(
    "the watch sees a cable that is pulled and put back, and an interface that is switched off and on") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        observer seen;
        net.link_down(net.far());
        seen.expect("near0 down");
        net.link_up(net.far());
        seen.expect("near0 up");
        net.link_down(net.near());
        seen.expect("near0 down");
        net.link_up(net.near());
        seen.expect("near0 up");
    });
}

TEST_CASE("the watch sees addresses come and go, and says of which interface") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        observer seen;
        net.remove_address(net.near(), "10.231.0.1/24");
        seen.expect("near0 address removed 10.231.0.1/24");
        net.remove_address(net.near(), "fd00:231::1/64");
        seen.expect("near0 address removed fd00:231::1/64");
        net.add_address(net.near(), "10.50.0.1/16");
        seen.expect("near0 address added 10.50.0.1/16");
        net.add_address(net.near(), "fd00:50::1/64");
        seen.expect("near0 address added fd00:50::1/64");
        net.add_address(net.near(), "127.5.5.5/32", "lo");
        seen.expect("lo address added 127.5.5.5/32");
        net.link_down(net.near()); // the kernel takes the IPv6 addresses away then
        seen.expect("near0 address removed fd00:50::1/64");
    });
}

TEST_CASE("an IPv6 address is announced when its check for duplicates is over, and it can be bound to") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        network_pair::set_sysctl("net/ipv6/conf/near0/accept_dad", "1");
        network_pair::set_sysctl("net/ipv6/conf/near0/dad_transmits", "1");
        observer seen;
        net.ip(net.near(), {"addr", "add", "fd00:60::1/64", "dev", "near0"});
        const auto own = address("fd00:60::1");
        const auto now = must(find_interface("near0"));
        REQUIRE(now.find(own));
        const bool was_tentative = now.find(own)->tentative;
        CHECK(was_tentative);
        seen.expect("near0 address added fd00:60::1/64");
        CHECK_FALSE(must(find_interface("near0")).find(own)->tentative);
        CHECK_NOTHROW(plain_listener(own));
    });
}

TEST_CASE("the watch sees interfaces come, get another name, and go") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        observer seen;
        net.join("usb0", "usb1");
        seen.w.until([&] { return std::count(seen.lines.begin(), seen.lines.end(), "usb0 up") == 1; });
        CHECK(std::count(seen.lines.begin(), seen.lines.end(), "usb0 added") == 1);
        seen.lines.clear();
        net.ip(net.near(), {"link", "set", "usb0", "down"});
        seen.expect("usb0 down");
        net.ip(net.near(), {"link", "set", "usb0", "name", "stick"});
        seen.expect("stick renamed");
        net.ip(net.far(), {"link", "del", "usb1"}); // and its other end with it
        seen.expect("stick removed");
        CHECK(seen.watch.is_open());
    });
}

TEST_CASE("news that nobody took in time are an overrun, after which the watch tells true changes again") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        world w;
        interface_watch watch(w.context.get_executor(), 1); // the least that the kernel allows
        for (int i = 1; i <= 20; ++i) net.add_address(net.near(), "10.60.0." + std::to_string(i) + "/24");
        std::vector<std::string> lines;
        error ended;
        w.spawn(follow(watch, lines, ended));
        w.until([&] { return !lines.empty() && lines.back() == "overrun"; });
        CHECK(std::count(lines.begin(), lines.end(), "overrun") == 1);
        lines.clear();
        w.settle();
        net.remove_address(net.near(), "10.60.0.20/24"); // it was learnt, though its news were lost
        w.until([&] { return !lines.empty(); });
        CHECK(lines.front() == "near0 address removed 10.60.0.20/24");
        watch.close();
        w.settle();
    });
}

// neighbours
// ----------------------------------------------------------------------------------------------

TEST_CASE("the hardware address of an accepted peer is known, for IPv4, IPv6 and link-local addresses") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    const mac_address theirs = mac_inside(net.near());
    const auto link_local = network_pair::link_local(net.far());
    network_pair::inside(net.far(), [&] {
        world w;
        portunus::listener_options door;
        door.ports = 7001; // ours alone in here
        door.policy = portunus::accept_policy::anyone();
        door.log = portunus::logger::silent();
        tcp_listener listener(w.context.get_executor(), door);
        for (const auto& to : {net.far().v4, net.far().v6, link_local}) {
            CAPTURE(to.to_string());
            auto target = to;
            const auto peer = network_pair::inside(net.near(), [&] {
                if (to == link_local) // the number of the link is the near end's there
                    target = asio::ip::address_v6(to.to_v6().to_bytes(), ::if_nametoindex("near0"));
                return std::make_unique<plain_socket>(plain_socket::connected_to({target, 7001}));
            });
            auto came = w.start(listener.accept());
            w.until([&] { return came.done(); });
            const auto got = must(came.get());
            CHECK(must(mac_of(got.peer.remote.address())) == theirs);
            CHECK(got.peer.interface() == "far0");
            if (to == link_local) { // without its scope id it is found, too: there is one link
                const auto bare = asio::ip::address_v6(got.peer.remote.address().to_v6().to_bytes());
                CHECK(must(mac_of(bare)) == theirs);
            }
        }
        const auto table = must(neighbours());
        const auto four = std::find_if(table.begin(), table.end(),
                                       [&](const auto& n) { return n.address == net.near().v4; });
        REQUIRE(four != table.end());
        CHECK(four->mac == theirs);
        CHECK(four->interface == "far0");
        CHECK(four->index == ::if_nametoindex("far0"));
        CHECK(four->state != neighbour_state::failed);
    });
}

TEST_CASE(
    "whoever is not on the link, is not known or is ourselves has no hardware address; the router has one") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    net.ip(net.near(), {"route", "add", "default", "via", net.far().v4.to_string()});
    net.ip(net.near(), {"neigh", "add", "10.231.0.77", "lladdr", "02:00:00:00:00:77", "dev", "near0"});
    net.ip(net.near(), {"neigh", "add", "10.231.0.78", "nud", "failed", "dev", "near0"});
    const mac_address router = mac_inside(net.far());
    network_pair::inside(net.near(), [&] {
        CHECK(must(mac_of(net.far().v4)) == std::nullopt); // nothing was exchanged yet
        const auto door =
            network_pair::inside(net.far(), [&] { return std::make_unique<plain_listener>(net.far().v4); });
        const auto talk = plain_socket::connected_to(door->endpoint());
        CHECK(must(mac_of(net.far().v4)) == router);
        CHECK(must(mac_of(address("198.51.100.7"))) == std::nullopt); // behind it
        const auto path = must(interface_towards(address("198.51.100.7")));
        REQUIRE(path.gateway);
        CHECK(must(mac_of(*path.gateway)) == router);
        CHECK(must(mac_of(address("10.231.0.77"))) == mac_address("02:00:00:00:00:77"));
        CHECK(must(mac_of(address("::ffff:10.231.0.77"))) == mac_address("02:00:00:00:00:77"));
        CHECK(must(mac_of(address("10.231.0.78"))) == std::nullopt);
        CHECK(must(mac_of(address("10.231.0.79"))) == std::nullopt);
        CHECK(must(mac_of(net.near().v4)) == std::nullopt);
        CHECK(must(mac_of(net.near().v6)) == std::nullopt);
        CHECK(must(mac_of(address("2001:db8::7"))) == std::nullopt); // no route at all
    });
}

// ways
// ----------------------------------------------------------------------------------------------

TEST_CASE("the way to a peer is the one that the routes say, also where a VPN takes a part of the traffic") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    net.join("vpn0", "vpn1");
    net.add_address(net.near(), "10.99.0.1/24", "vpn0");
    net.add_address(net.near(), "fd00:99::1/64", "vpn0");
    net.ip(net.near(), {"link", "set", "vpn0", "mtu", "1280"});
    net.ip(net.near(), {"route", "add", "10.77.0.0/16", "via", "10.99.0.2"});
    net.ip(net.near(), {"-6", "route", "add", "fd00:77::/32", "via", "fd00:99::2"});
    net.ip(net.near(), {"route", "add", "10.78.0.0/16", "via", "inet6", "fd00:99::2", "dev", "vpn0"});
    net.ip(net.near(), {"route", "add", "prohibit", "10.79.0.0/16"});
    net.ip(net.near(), {"route", "add", "unreachable", "10.80.0.0/16"});
    network_pair::inside(net.near(), [&] {
        const auto home = must(interface_towards(net.far().v4));
        CHECK(home.interface == "near0");
        CHECK(home.local == net.near().v4);
        CHECK_FALSE(home.gateway);
        CHECK(home.mtu == 1500);
        const auto office = must(interface_towards(address("10.77.3.4")));
        CHECK(office.interface == "vpn0");
        CHECK(office.index == ::if_nametoindex("vpn0"));
        CHECK(office.local == address("10.99.0.1"));
        CHECK(office.gateway == address("10.99.0.2"));
        CHECK(office.mtu == 1280);
        const auto office6 = must(interface_towards(address("fd00:77::9")));
        CHECK(office6.interface == "vpn0");
        CHECK(office6.local == address("fd00:99::1"));
        CHECK(office6.gateway == address("fd00:99::2"));
        const auto mixed = must(interface_towards(address("10.78.0.1")));
        CHECK(mixed.interface == "vpn0");
        CHECK(mixed.gateway == address("fd00:99::2"));
        const auto link = [](const char* text, const char* interface) {
            return must(interface_towards(asio::ip::address_v6(address(text).to_v6().to_bytes(),
                                                               ::if_nametoindex(interface))))
                .interface;
        };
        CHECK(link("fe80::1", "near0") == "near0"); // the scope id decides
        CHECK(link("fe80::1", "vpn0") == "vpn0");
        const auto ourselves = must(interface_towards(net.near().v4));
        CHECK(ourselves.to_ourselves);
        CHECK(ourselves.interface == "lo");
        CHECK(error_of(interface_towards(address("198.51.100.7"))) ==
              boost::system::errc::network_unreachable);
        CHECK(error_of(interface_towards(address("2001:db8::7"))) ==
              boost::system::errc::network_unreachable);
        CHECK(error_of(interface_towards(address("10.79.0.1"))) == boost::system::errc::permission_denied);
        CHECK(error_of(interface_towards(address("10.80.0.1"))) == boost::system::errc::host_unreachable);
    });
    net.ip(net.near(), {"link", "set", "vpn0", "down"});
    network_pair::inside(net.near(), [&] {
        CHECK(error_of(interface_towards(address("10.77.3.4"))) == boost::system::errc::network_unreachable);
    });
}

TEST_CASE("an interface without an address of the family is no way that one could be reached back by") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    net.remove_address(net.near(), "10.231.0.1/24");
    net.ip(net.near(), {"route", "add", "10.77.0.0/16", "dev", "near0"});
    network_pair::inside(net.near(), [] {
        CHECK(error_of(interface_towards(address("10.77.0.1"))) == portunus::errc::address_not_available);
    });
}

// the firewall of the namespaces, which other tests rely on
// ----------------------------------------------------------------------------------------------

TEST_CASE("what the firewall of a namespace drops is counted and does not arrive; what it passes does") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    const auto udp = [](const end& e) {
        return network_pair::inside(e, [&e] {
            auto s = std::make_unique<plain_socket>(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            const tcp::endpoint at(e.v4, 7002);
            if (::bind(s->fd(), at.data(), static_cast<socklen_t>(at.size())) != 0)
                throw std::runtime_error("bind");
            return s;
        });
    };
    const auto near = udp(net.near()), far = udp(net.far());
    const tcp::endpoint to(net.far().v4, 7002);
    const auto send = [&](std::string_view text) {
        return ::sendto(near->fd(), text.data(), text.size(), 0, to.data(),
                        static_cast<socklen_t>(to.size())) == static_cast<ssize_t>(text.size());
    };
    net.drop(net.far(), "udp dport 7002");
    REQUIRE(send("lost"));
    eventually([&] { return net.dropped(net.far()) == 1; });
    net.pass(net.far());
    net.drop(net.far(), "udp dport 7003"); // another one
    REQUIRE(send("here"));
    char buffer[16];
    CHECK(::recv(far->fd(), buffer, sizeof buffer, 0) == 4);
    CHECK(std::string_view(buffer, 4) == "here");
    CHECK(net.dropped(net.far()) == 0);
    net.drop_all(net.far());
    REQUIRE(send("gone"));
    eventually([&] { return net.dropped(net.far()) == 1; });
    CHECK(far->read_available().empty());
}

TEST_CASE("child: says which interfaces it has", "[.][child]") {
    for (const auto& i : must(interfaces())) tell_parent("interface " + i.name);
    std::_Exit(0);
}

TEST_CASE("a child process inside a namespace has its network, and nothing is left when the pair has gone") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    std::string names;
    {
        const network_pair net;
        names = net.far().netns;
        const auto child = network_pair::child_inside(net.far(), "child: says which interfaces it has");
        CHECK(child->line_after("interface ") == "lo");
        CHECK(child->line_after("interface ") == "far0");
        CHECK(child->wait().code == 0);
        CHECK(network_pair::run({"ip", "netns", "list"}).find(names) != std::string::npos);
        CHECK_THROWS_AS(network_pair::inside(net.near(), []() -> int { throw std::out_of_range("mine"); }),
                        std::out_of_range);
        CHECK_THROWS_AS(net.ip(net.near(), {"link", "set", "nosuch0", "up"}), std::runtime_error);
    }
    CHECK(network_pair::run({"ip", "netns", "list"}).find(names) == std::string::npos);
}

// questions that nobody answers
// ----------------------------------------------------------------------------------------------

TEST_CASE("ping: a limit without an answer, and a cancellation, end the wait and leave nothing armed") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const bool cancel = GENERATE(false, true);
    const bool six = GENERATE(false, true);
    const network_pair net;
    // Its hardware address is nobody's: the question leaves, and no answer comes.
    const char* const nobody = six ? "fd00:231::77" : "10.231.0.77";
    net.ip(net.near(), {"neigh", "add", nobody, "lladdr", "02:00:00:00:00:77", "dev", "near0"});
    network_pair::inside(net.near(), [&] {
        world w;
        auto asked = w.start(portunus::ping(address(nobody), {.limit = 3s}));
        w.pass(2999ms);
        REQUIRE_FALSE(asked.done());
        CHECK(w.time.armed() == 1);
        if (cancel)
            asked.cancel();
        else
            w.pass(1ms);
        w.run();
        const error failed = error_of(asked.get());
        if (cancel)
            CHECK(failed == errc::canceled);
        else {
            CHECK(failed == errc::connect_timeout);
            CHECK(failed.detail() == std::string(nobody) + " did not answer within 3000 ms");
        }
        CHECK(w.time.armed() == 0);
    });
}

// socket activation
// ----------------------------------------------------------------------------------------------

TEST_CASE("child: answers one line by a socket that it was given", "[.][child]") {
    auto given = portunus::inherited_sockets(portunus::listen_environment::unset);
    if (!given || given->size() != 2) {
        tell_parent("given: " + (given ? std::to_string(given->size()) : given.error().message()));
        std::_Exit(1);
    }
    for (const auto& socket : *given) tell_parent("given: " + to_string(socket));
    portunus::runtime rt(1, portunus::logger::silent());
    portunus::listener_options door;
    door.inherited = *given;
    door.policy = portunus::accept_policy::anyone();
    door.log = portunus::logger::silent();
    const auto server = rt.listen(door, [&rt](portunus::tcp_stream stream) -> awaitable<void> {
        portunus::framed_stream frames(std::move(stream), portunus::line_codec(portunus::line_mode::lf));
        auto line = co_await frames.read();
        if (!line) co_return;
        const std::string answer = "answer to " + std::string(*line);
        auto sent = co_await frames.write(answer);
        rt.request_stop(sent ? 20s : 0s);
    });
    tell_parent("serving " + std::to_string(server.endpoints().size()));
    std::_Exit(rt.run());
}

TEST_CASE("a program that systemd starts at the first connection serves the very connection") {
    if (!has_program("systemd-socket-activate"))
        PORTUNUS_SKIP("systemd-socket-activate is not on this machine");
    char self[PATH_MAX] = {};
    REQUIRE(::readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const std::string one = "127.0.0.1:" + std::to_string(plain_listener().endpoint().port());
    const std::string two = "127.0.0.1:" + std::to_string(plain_listener().endpoint().port());
    child_process manager("sh",
                          {"-c", "exec \"$@\" 2>&1", "sh", "systemd-socket-activate", "--listen=" + one,
                           "--listen=" + two, "--fdname=web:admin", self,
                           "child: answers one line by a socket that it was given", "--durations", "no"});
    CHECK(manager.line_after("Listening on ").starts_with(one));
    CHECK(manager.line_after("Listening on ").starts_with(two));
    const auto port = static_cast<std::uint16_t>(std::stoi(two.substr(two.find(':') + 1)));
    auto peer = plain_socket::connected_to({loopback, port});
    peer.send("hello\n");
    CHECK(manager.line_after("given: ") == "web: a listening stream socket, " + one);
    CHECK(manager.line_after("given: ") == "admin: a listening stream socket, " + two);
    CHECK(manager.line_after("serving ") == "2");
    const auto [text, how] = peer.read_to_end();
    CHECK(text == "answer to hello\n");
    CHECK(how == ending::eof);
    peer.close();
    CHECK(manager.wait().code == 0);
}
