// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/tcp_listener.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/run.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <net/if.h>
#include <sched.h>
#include <sys/resource.h>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::accepted;
using portunus::admission;
using portunus::admission_options;
using portunus::errc;
using portunus::error;
using portunus::failure;
using portunus::interface_list;
using portunus::listener_options;
using portunus::log_level;
using portunus::master_switch;
using portunus::port_list;
using portunus::refusal;
using portunus::result;
using portunus::tcp_listener;
using portunus::tcp_stream;
using portunus::when_full;
using portunus::testing::destroy_at_every_point;

namespace {

const asio::ip::address v6_loopback = asio::ip::address_v6::loopback();

/// A door on a free port of loopback that lets everybody in and says nothing.
listener_options open_door() {
    listener_options door;
    door.ports = 0;
    door.addresses = {loopback};
    door.policy = accept_policy::anyone();
    door.log = portunus::logger::silent();
    return door;
}

/// Everybody whom the listener lets in, until it ends.
struct crowd {
    std::vector<accepted> in;
    error ended;
    bool over = false;
};

awaitable<void> accept_all(tcp_listener& listener, crowd& c) {
    for (;;) {
        auto next = co_await listener.accept();
        if (!next) {
            c.ended = next.error();
            c.over = true;
            co_return;
        }
        c.in.push_back(std::move(*next));
    }
}

error open_error(asio::io_context& context, listener_options door) {
    auto opened = tcp_listener::open(context.get_executor(), std::move(door));
    return error_of(opened);
}

/// A port that nobody has.
std::uint16_t free_port(const asio::ip::address& on = loopback) {
    return plain_listener(on).endpoint().port();
}

/// Whether the peer is still connected, once everything has settled.
ending state_of(world& w, const plain_socket& peer) {
    w.settle();
    return peer.peek();
}

} // namespace

// opening
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("port 0 is a free port, and the listener tells which") {
    world w;
    tcp_listener listener(w.context.get_executor(), open_door());
    REQUIRE(listener.endpoints().size() == 1);
    CHECK(listener.port() != 0);
    CHECK(listener.endpoints().front() == tcp::endpoint(loopback, listener.port()));
    tcp_listener other(w.context.get_executor(), open_door());
    CHECK(other.port() != listener.port());
}

TEST_CASE("port 0 on several addresses is one port on all of them") {
    world w;
    auto door = open_door();
    for (int i = 2; i < 12; ++i)
        door.addresses.push_back(asio::ip::make_address("127.0.0." + std::to_string(i)));
    door.addresses.push_back(v6_loopback);
    tcp_listener listener(w.context.get_executor(), door);
    REQUIRE(listener.endpoints().size() == 12);
    for (std::size_t i = 0; i < 12; ++i) {
        CHECK(listener.endpoints()[i].port() == listener.port());
        CHECK(listener.endpoints()[i].address() == door.addresses[i]);
    }
}

TEST_CASE("one accept serves every port and address, and tells where each peer came in") {
    world w;
    auto door = open_door();
    door.addresses = {loopback, asio::ip::make_address("127.0.0.2"), v6_loopback};
    const std::uint16_t one = free_port(), two = free_port();
    door.ports = port_list(std::to_string(one) + "," + std::to_string(two));
    tcp_listener listener(w.context.get_executor(), door);
    REQUIRE(listener.endpoints().size() == 6);
    crowd c;
    w.spawn(accept_all(listener, c));
    std::vector<plain_socket> peers;
    for (const auto& e : listener.endpoints()) {
        w.settle();
        peers.push_back(plain_socket::connected_to(e));
    }
    w.until([&] { return c.in.size() == 6; });
    std::set<std::uint64_t> ids;
    for (const accepted& a : c.in) {
        CHECK(a.peer.local == listener.endpoints()[a.peer.listener]);
        CHECK(a.peer.local == a.stream.local_endpoint());
        CHECK(a.peer.remote == a.stream.remote_endpoint());
        CHECK(a.peer.interface() == "lo");
        CHECK(std::any_of(peers.begin(), peers.end(),
                          [&](const plain_socket& p) { return p.local() == a.peer.remote; }));
        ids.insert(a.peer.id);
    }
    CHECK(ids == std::set<std::uint64_t>{1, 2, 3, 4, 5, 6});
    CHECK(listener.snapshot().accepted == 6);
}

TEST_CASE("who was accepted carries the time at which it was") {
    world w;
    tcp_listener listener(w.context.get_executor(), open_door());
    const auto before = std::chrono::system_clock::now();
    auto peer = plain_socket::connected_to(listener.endpoints().front());
    auto came = w.start(listener.accept());
    w.settle();
    const auto got = must(came.get());
    CHECK(got.peer.time >= before);
    CHECK(got.peer.time <= std::chrono::system_clock::now());
}

TEST_CASE("without addresses it listens on all of them, and an IPv4 peer is judged by IPv4 rules") {
    world w;
    auto door = open_door();
    door.addresses.clear();
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    tcp_listener listener(w.context.get_executor(), door);
    REQUIRE(listener.endpoints().size() == 1);
    CHECK(listener.endpoints().front().address().is_unspecified());
    crowd c;
    w.spawn(accept_all(listener, c));
    auto four = plain_socket::connected_to({loopback, listener.port()});
    auto six = plain_socket::connected_to({v6_loopback, listener.port()});
    w.until([&] { return c.in.size() == 2; });
    for (const accepted& a : c.in) {
        const bool mapped = portunus::normalised(a.peer.remote.address()).is_v4();
        CHECK(portunus::normalised(a.peer.local.address()) == (mapped ? loopback : v6_loopback));
        CHECK(a.peer.local.port() == listener.port());
        CHECK(a.peer.interface() == "lo");
        CHECK(portunus::to_string(a.peer.remote).front() == (mapped ? '1' : '['));
    }
    listener.set_policy(accept_policy::deny_all().allow("::1")); // and a rule for IPv6 does not let it in
    auto denied = plain_socket::connected_to({loopback, listener.port()});
    w.until([&] { return listener.snapshot().refused_by_policy == 1; });
    CHECK(denied.read_to_end().second == ending::reset);
}

TEST_CASE("a v6 address takes no IPv4 peers, so that both families can have the port") {
    world w;
    auto door = open_door();
    door.addresses = {asio::ip::address_v6::any(), asio::ip::address_v4::any()};
    tcp_listener listener(w.context.get_executor(), door);
    CHECK(listener.endpoints().size() == 2);
    auto four = plain_socket::connected_to({loopback, listener.port()});
    auto came = w.start(listener.accept());
    w.settle();
    const auto got = must(came.get());
    CHECK(got.peer.remote.address().is_v4());
    CHECK(got.peer.listener == 1);
}

TEST_CASE("it can listen on one interface only") {
    world w;
    auto door = open_door();
    door.addresses.clear();
    door.interfaces = interface_list("lo");
    auto opened = tcp_listener::open(w.context.get_executor(), door);
    if (!opened && opened.error() == errc::port_requires_privilege)
        PORTUNUS_SKIP("this system lets only privileged programs bind to an interface");
    auto& listener = *opened;
    auto peer = plain_socket::connected_to({loopback, listener.port()});
    auto came = w.start(listener.accept());
    w.settle();
    CHECK(must(came.get()).peer.interface() == "lo");
}

TEST_CASE("what cannot be opened says which endpoint and why, each cause with a code of its own") {
    world w;
    auto door = open_door();
    SECTION("no port at all") {
        door.ports = port_list();
        CHECK(open_error(w.context, door) == errc::invalid_port);
    }
    SECTION("in use, by somebody else") {
        const plain_listener taken;
        door.ports = taken.endpoint().port();
        const error e = open_error(w.context, door);
        CHECK(e == errc::address_in_use);
        CHECK(e.detail() == portunus::to_string(taken.endpoint()));
    }
    SECTION("in use, by another listener of ours; and free again when that has gone") {
        std::optional<tcp_listener> first(std::in_place, w.context.get_executor(), door);
        door.ports = first->port();
        CHECK(open_error(w.context, door) == errc::address_in_use);
        CHECK_THROWS_AS(tcp_listener(w.context.get_executor(), door), failure);
        first.reset();
        CHECK_FALSE(open_error(w.context, door).code().failed());
    }
    SECTION("not an address of this machine") {
        door.addresses = {asio::ip::make_address("203.0.113.7")}; // RFC 5737
        const error e = open_error(w.context, door);
        CHECK(e == errc::address_not_available);
        CHECK(e.detail().starts_with("203.0.113.7:"));
    }
    SECTION("not an interface of this machine") {
        door.interfaces = interface_list("nosuch0");
        const error e = open_error(w.context, door);
        CHECK(e == errc::no_such_interface);
        CHECK(e.detail().find("nosuch0") != std::string_view::npos);
    }
}

TEST_CASE("either every endpoint is open or none") {
    world w;
    const std::size_t before = open_descriptors();
    const plain_listener taken;
    const std::uint16_t free = free_port();
    auto door = open_door();
    door.ports = port_list(std::to_string(free) + "," + std::to_string(taken.endpoint().port()));
    CHECK(open_error(w.context, door) == errc::address_in_use);
    door.ports = free;
    CHECK_FALSE(open_error(w.context, door).code().failed());
    CHECK(open_descriptors() <= before + 6); // the context's own, and `taken`
}

TEST_CASE("a port with connections in TIME_WAIT can be opened again at once") {
    world w;
    auto door = open_door();
    for (int i = 0; i < 3; ++i) {
        tcp_listener listener(w.context.get_executor(), door);
        door.ports = listener.port();
        auto peer = plain_socket::connected_to(listener.endpoints().front());
        auto came = w.start(listener.accept());
        w.settle();
        auto got = must(came.get());
        auto closing = w.start(got.stream.close()); // we close first: the wait is on our side
        w.settle();
        CHECK(peer.read_to_end().second == ending::eof);
        peer.close();
        w.settle();
        CHECK(closing.get().has_value());
    }
}

TEST_CASE("two that share a port by option both get it, and share it with nobody else") {
    world w;
    auto door = open_door();
    door.reuse_port = true;
    tcp_listener one(w.context.get_executor(), door);
    door.ports = one.port();
    tcp_listener two(w.context.get_executor(), door);
    CHECK(two.port() == one.port());
    door.reuse_port = false;
    CHECK(open_error(w.context, door) == errc::address_in_use);
}

TEST_CASE("child: opens a reserved port as nobody", "[.][child]") {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) std::_Exit(77);
    world w;
    auto door = open_door();
    door.ports = 1;
    const error e = open_error(w.context, door);
    tell_parent("error: " + e.message());
    std::_Exit(e == errc::port_requires_privilege && e == portunus::condition::denied ? 0 : 1);
}

TEST_CASE("a port that the system reserves for privileged programs says so") {
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    int start = 0;
    file >> start;
    if (start <= 1)
        PORTUNUS_SKIP("this system reserves no ports (ip_unprivileged_port_start = " << start << ")");
    auto child = child_process::of_test("child: opens a reserved port as nobody");
    const std::string said = child.rest();
    const auto status = child.wait();
    if (status.code == 77) PORTUNUS_SKIP("the privileges cannot be dropped here");
    INFO(said);
    CHECK(status.code == 0);
    CHECK(said.find("127.0.0.1:1") != std::string::npos);
}

TEST_CASE("child: few ports are free, and not on every address", "[.][child]") {
    if (::unshare(CLONE_NEWNET) != 0) std::_Exit(77);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    if (::ioctl(fd, SIOCSIFFLAGS, &request) != 0) std::_Exit(77);
    ::close(fd);
    {
        std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
        range << "40000 40003";
        range.close();
        if (!range) std::_Exit(77);
    }
    // Half of the ports that the system may choose for the first address are taken at the second one.
    const auto second = asio::ip::make_address("127.0.0.2");
    world w;
    auto taken = open_door();
    taken.addresses = {second};
    taken.ports = port_list("40000,40003");
    const tcp_listener holder(w.context.get_executor(), taken);
    bool good = true;
    for (int i = 0; i < 30; ++i) {
        auto door = open_door();
        door.addresses = {loopback, second};
        const auto opened = tcp_listener::open(w.context.get_executor(), door);
        good = good && opened && opened->endpoints()[0].port() == opened->endpoints()[1].port();
    }
    std::_Exit(good ? 0 : 1);
}

TEST_CASE("port 0 finds a port that is free on all of its addresses") {
    const auto status = child_process::of_test("child: few ports are free, and not on every address").wait();
    if (status.code == 77) PORTUNUS_SKIP("needs a network of its own (root)");
    CHECK(status.code == 0);
}

// who may come in
// ----------------------------------------------------------------------------------------------------

TEST_CASE("nobody comes in unless told otherwise, and is reset") {
    world w;
    auto door = open_door();
    door.policy = accept_policy();
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    auto peer = plain_socket::connected_to(listener.endpoints().front()); // the connect itself succeeds
    w.until([&] { return listener.snapshot().refused_by_policy == 1; });
    CHECK(peer.read_to_end().second == ending::reset);
    CHECK(c.in.empty());
    CHECK(listener.snapshot().accepted == 0);
}

TEST_CASE("a refused peer sees a reset or an orderly end, as configured, also when it has sent something") {
    const auto how = GENERATE(refusal::reset, refusal::close);
    const bool talks = GENERATE(false, true);
    world w;
    auto door = open_door();
    door.policy = accept_policy::nobody().refuse_with(how);
    tcp_listener listener(w.context.get_executor(), door);
    auto peer = plain_socket::connected_to(listener.endpoints().front());
    if (talks) peer.send(pattern(5000));
    crowd c;
    w.spawn(accept_all(listener, c));
    w.until([&] { return listener.snapshot().refused_by_policy == 1; });
    const auto [text, end] = peer.read_to_end();
    CHECK(text.empty());
    CHECK(end == (how == refusal::reset ? ending::reset : ending::eof));
    CHECK(listener.snapshot().accepted == 0);
}

TEST_CASE("who is refused is logged with both ends and the reason, and the next one comes in") {
    world w;
    const log_book book;
    auto door = open_door();
    door.policy = accept_policy::anyone().deny("127.0.0.9");
    door.log = book.logger();
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    const auto to = listener.endpoints().front();
    auto bad = plain_socket::connected_to(to, {asio::ip::make_address("127.0.0.9"), 0});
    const auto bad_end = portunus::to_string(bad.local());
    auto good = plain_socket::connected_to(to);
    w.until([&] { return c.in.size() == 1; });
    CHECK(bad.read_to_end().second == ending::reset);
    CHECK(c.in[0].peer.remote == good.local());
    CHECK(book.count("a peer was refused remote=" + bad_end + " local=" + portunus::to_string(to)) == 1);
    CHECK(book.count("deny 127.0.0.9") == 1);
    CHECK(book.count(log_level::info) == 1);
}

TEST_CASE("the policy is asked about the interface, the port of the peer and our own end") {
    world w;
    auto door = open_door();
    door.addresses.clear();
    std::vector<std::string> asked;
    door.policy =
        accept_policy::deny_all().deny_on("nosuch0").allow_if("noted", [&asked](const auto& attempt) {
            asked.push_back(attempt.remote.to_string() + ' ' + std::string(attempt.interface) + ' ' +
                            attempt.local.to_string());
            return attempt.port > 1023;
        });
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    auto peer = plain_socket::connected_to({loopback, listener.port()});
    w.until([&] { return c.in.size() == 1; });
    CHECK(asked == std::vector<std::string>{"127.0.0.1 lo 127.0.0.1"});
}

TEST_CASE("a predicate that throws lets nobody in and does not end the listener") {
    world w;
    auto door = open_door();
    bool broken = true;
    door.policy = accept_policy::deny_all().allow_if("moody", [&broken](const auto&) -> bool {
        if (broken) throw std::runtime_error("not today");
        return true;
    });
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    auto first = plain_socket::connected_to(listener.endpoints().front());
    w.until([&] { return listener.snapshot().refused_by_policy == 1; });
    CHECK(first.read_to_end().second == ending::reset);
    broken = false;
    auto second = plain_socket::connected_to(listener.endpoints().front());
    w.until([&] { return c.in.size() == 1; });
}

TEST_CASE("another policy, or the master switch, counts for those who come after, not for those who are in") {
    world w;
    master_switch visitors;
    auto door = open_door();
    door.policy = accept_policy::anyone().controlled_by(visitors);
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    const auto to = listener.endpoints().front();
    auto first = plain_socket::connected_to(to);
    w.until([&] { return c.in.size() == 1; });
    SECTION("the switch") {
        visitors.off();
        auto refused = plain_socket::connected_to(to);
        w.until([&] { return listener.snapshot().refused_by_policy == 1; });
        CHECK(refused.read_to_end().second == ending::reset);
        visitors.on();
    }
    SECTION("the policy") {
        listener.set_policy(accept_policy::nobody());
        auto refused = plain_socket::connected_to(to);
        w.until([&] { return listener.snapshot().refused_by_policy == 1; });
        CHECK(refused.read_to_end().second == ending::reset);
        listener.set_policy(accept_policy::anyone());
    }
    auto second = plain_socket::connected_to(to);
    w.until([&] { return c.in.size() == 2; });
    CHECK(state_of(w, first) == ending::open);
}

// how many may come in
// -----------------------------------------------------------------------------------------------

TEST_CASE(
    "a full house lets newcomers wait in the kernel, and they come in one by one as places become free") {
    world w;
    auto door = open_door();
    door.limits.max_connections = 2;
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    std::vector<plain_socket> peers;
    for (int i = 0; i < 5; ++i) {
        peers.push_back(plain_socket::connected_to(listener.endpoints().front()));
        peers.back().send("hello " + std::to_string(i)); // the kernel takes that too
        w.settle();
    }
    CHECK(c.in.size() == 2);
    for (std::size_t next = 2; next < 5; ++next) {
        if (next % 2 == 0)
            c.in[next - 2].stream.abort();
        else
            c.in[next - 2].stream = tcp_stream();
        w.until([&] { return c.in.size() == next + 1; });
        CHECK(state_of(w, peers[next]) == ending::open);
        std::array<char, 16> buffer;
        const auto n = must(c.in[next].stream.try_read_some(asio::buffer(buffer)));
        CHECK(std::string(buffer.data(), n) == "hello " + std::to_string(next));
        CHECK(listener.house().snapshot().open == 2);
    }
    CHECK(listener.snapshot().refused() == 0);
    CHECK(listener.house().snapshot().most_open == 2);
}

TEST_CASE("a place becomes free when the connection is closed, not when the peer has said goodbye") {
    world w;
    auto door = open_door();
    door.limits.max_connections = 1;
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    auto first = plain_socket::connected_to(listener.endpoints().front());
    auto second = plain_socket::connected_to(listener.endpoints().front());
    w.until([&] { return c.in.size() == 1; });
    auto closing = w.start(c.in[0].stream.close());
    w.settle();
    CHECK(c.in.size() == 1);
    first.close();
    w.until([&] { return c.in.size() == 2; });
    CHECK(closing.get().has_value());
}

TEST_CASE("a full house refuses, as configured") {
    const auto how = GENERATE(when_full::reset, when_full::close);
    world w;
    const log_book book;
    auto door = open_door();
    door.limits.max_connections = 1;
    door.limits.full = how;
    door.log = book.logger();
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    auto first = plain_socket::connected_to(listener.endpoints().front());
    auto second = plain_socket::connected_to(listener.endpoints().front());
    w.until([&] { return listener.snapshot().refused_full == 1; });
    CHECK(second.read_to_end().second == (how == when_full::reset ? ending::reset : ending::eof));
    CHECK(state_of(w, first) == ending::open);
    CHECK(book.count(log_level::warning) == 1);
    CHECK(book.count("1 of 1 connections are open") == 1);
    c.in.clear();
    auto third = plain_socket::connected_to(listener.endpoints().front());
    w.until([&] { return c.in.size() == 1; });
}

TEST_CASE("one address cannot take all places, and the others still come in") {
    world w;
    auto door = open_door();
    door.limits.max_per_address = 2;
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    std::vector<plain_socket> greedy;
    for (int i = 0; i < 4; ++i) greedy.push_back(plain_socket::connected_to(listener.endpoints().front()));
    w.until([&] { return listener.snapshot().refused_by_address == 2; });
    CHECK(greedy[3].read_to_end().second == ending::reset);
    auto modest =
        plain_socket::connected_to(listener.endpoints().front(), {asio::ip::make_address("127.0.0.9"), 0});
    w.until([&] { return c.in.size() == 3; });
    CHECK(c.in[2].peer.remote == modest.local());
    CHECK(listener.snapshot().refused() == 2);
}

TEST_CASE("an address that connects too often is refused, and the others are not") {
    world w;
    auto door = open_door();
    door.limits.rate = 3;
    door.limits.rate_interval = std::chrono::hours(1);
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    std::vector<plain_socket> hasty;
    for (int i = 0; i < 5; ++i) hasty.push_back(plain_socket::connected_to(listener.endpoints().front()));
    w.until([&] { return listener.snapshot().refused_by_rate == 2; });
    CHECK(hasty[4].read_to_end().second == ending::reset);
    auto other =
        plain_socket::connected_to(listener.endpoints().front(), {asio::ip::make_address("127.0.0.9"), 0});
    w.until([&] { return c.in.size() == 4; });
}

TEST_CASE(
    "listeners that share a house share its places, also across contexts, and one may go before the other") {
    const admission house(admission_options{.max_connections = 1});
    auto door = open_door();
    door.house = house;
    world here;
    tcp_listener mine(here.context.get_executor(), door);
    crowd mine_in, theirs_in;
    here.spawn(accept_all(mine, mine_in));
    std::optional<tcp_listener> theirs; // outlives its context
    std::vector<plain_socket> peers;
    peers.push_back(plain_socket::connected_to(mine.endpoints().front()));
    here.until([&] { return mine_in.in.size() == 1; });
    {
        world there;
        theirs.emplace(there.context.get_executor(), door);
        there.spawn(accept_all(*theirs, theirs_in));
        peers.push_back(plain_socket::connected_to(theirs->endpoints().front()));
        there.settle();
        CHECK(theirs_in.in.empty());
        mine_in.in.clear();
        there.until([&] { return theirs_in.in.size() == 1; });
        CHECK(house.snapshot().open == 1);
        // and now it waits for a place again, while its context goes
        peers.push_back(plain_socket::connected_to(theirs->endpoints().front()));
        there.settle();
    }
    theirs_in.in.clear(); // gives the place back: nobody of the other context may be told
    CHECK(house.snapshot().open == 0);
    peers.push_back(plain_socket::connected_to(mine.endpoints().front()));
    here.until([&] { return mine_in.in.size() == 1; });
}

// pause, stop, cancel
// ------------------------------------------------------------------------------------------------

TEST_CASE("while it is paused newcomers wait in the kernel, and come in when it goes on") {
    world w;
    tcp_listener listener(w.context.get_executor(), open_door());
    crowd c;
    w.spawn(accept_all(listener, c));
    w.settle();
    listener.pause();
    CHECK(listener.paused());
    std::vector<plain_socket> peers;
    for (int i = 0; i < 3; ++i) {
        peers.push_back(plain_socket::connected_to(listener.endpoints().front()));
        peers.back().send("x");
        w.settle();
    }
    CHECK(c.in.empty());
    for (auto& p : peers) CHECK(p.peek() == ending::open);
    listener.resume();
    CHECK_FALSE(listener.paused());
    w.until([&] { return c.in.size() == 3; });
}

TEST_CASE("a listener may be paused before anybody waits in accept") {
    world w;
    tcp_listener listener(w.context.get_executor(), open_door());
    listener.pause();
    auto peer = plain_socket::connected_to(listener.endpoints().front());
    crowd c;
    w.spawn(accept_all(listener, c));
    w.settle();
    CHECK(c.in.empty());
    listener.resume();
    w.until([&] { return c.in.size() == 1; });
}

TEST_CASE("a second accept is told that there is one already, and the first one goes on") {
    world w;
    tcp_listener listener(w.context.get_executor(), open_door());
    auto first = w.start(listener.accept());
    w.settle();
    auto second = w.start(listener.accept());
    w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    auto peer = plain_socket::connected_to(listener.endpoints().front());
    w.settle();
    CHECK(first.get().has_value());
}

TEST_CASE("a cancelled accept loses nobody") {
    world w;
    auto door = open_door();
    door.addresses.push_back(asio::ip::make_address("127.0.0.2"));
    tcp_listener listener(w.context.get_executor(), door);
    const std::size_t at = GENERATE(std::size_t{0}, std::size_t{1});
    auto first = w.start(listener.accept());
    w.settle();
    first.cancel();
    auto peer = plain_socket::connected_to(listener.endpoints()[at]);
    w.settle();
    auto outcome = first.get();
    if (!outcome) {
        CHECK(outcome.error() == errc::canceled);
        auto second = w.start(listener.accept());
        w.settle();
        outcome = second.get();
    }
    REQUIRE(outcome.has_value());
    CHECK(outcome->peer.remote == peer.local());
    CHECK(peer.peek() == ending::open);
}

TEST_CASE("an accept that is cancelled while it is paused, full, or between two accepts ends") {
    world w;
    auto door = open_door();
    door.limits.max_connections = 1;
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    std::vector<plain_socket> peers;
    asio::cancellation_signal signal;
    SECTION("paused") {
        listener.pause();
        w.spawn(accept_all(listener, c), signal);
    }
    SECTION("full") {
        w.spawn(accept_all(listener, c), signal);
        for (int i = 0; i < 2; ++i) peers.push_back(plain_socket::connected_to(listener.endpoints().front()));
    }
    SECTION("waiting") {
        w.spawn(accept_all(listener, c), signal);
    }
    w.settle();
    CHECK_FALSE(c.over);
    signal.emit(asio::cancellation_type::terminal);
    w.settle();
    CHECK(c.over);
    CHECK(c.ended == errc::canceled);
}

TEST_CASE("stop delivers who had connected, lets nobody new in, and then ends accept") {
    world w(world::clock::real);
    auto door = open_door();
    door.addresses.push_back(v6_loopback);
    tcp_listener listener(w.context.get_executor(), door);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 20; ++i) {
        peers.push_back(plain_socket::connected_to(listener.endpoints()[static_cast<std::size_t>(i % 2)]));
        peers.back().send("request");
    }
    const bool accepting = GENERATE(false, true);
    crowd c;
    if (accepting) {
        w.spawn(accept_all(listener, c));
        w.context.poll_one();
    }
    CHECK_FALSE(listener.stopped());
    listener.stop();
    listener.stop();
    CHECK(listener.stopped());
    if (!accepting) w.spawn(accept_all(listener, c));
    w.until([&] { return c.over; });
    CHECK(c.ended == errc::listener_closed);
    CHECK(c.in.size() == 20);
    for (auto& p : peers) CHECK(p.peek() == ending::open);
    auto again = w.start(listener.accept());
    w.settle();
    CHECK(error_of(again.get()) == errc::listener_closed);
    CHECK_THROWS(plain_socket::connected_to(listener.endpoints().front()));
    CHECK(listener.endpoints().size() == 2); // it still knows where it was
}

TEST_CASE("stop ends a pause, and a pause does not hold up a stop") {
    world w(world::clock::real);
    tcp_listener listener(w.context.get_executor(), open_door());
    auto peer = plain_socket::connected_to(listener.endpoints().front());
    const bool pause_first = GENERATE(true, false);
    if (pause_first) listener.pause();
    listener.stop();
    if (!pause_first) listener.pause();
    crowd c;
    w.spawn(accept_all(listener, c));
    w.until([&] { return c.over; });
    CHECK(c.in.size() == 1);
}

TEST_CASE("who waits at a full house when it stops comes in as places become free, and is not reset") {
    world w(world::clock::real);
    auto door = open_door();
    door.limits.max_connections = 1;
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    std::vector<plain_socket> peers;
    for (int i = 0; i < 3; ++i) peers.push_back(plain_socket::connected_to(listener.endpoints().front()));
    w.until([&] { return c.in.size() == 1; });
    listener.stop();
    w.settle();
    for (std::size_t n = 1; n < 3; ++n) {
        for (auto& p : peers) {
            if (p.peek() != ending::open) CHECK(p.peek() == ending::eof);
        }
        c.in[n - 1].stream = tcp_stream();
        w.until([&] { return c.in.size() == n + 1; });
    }
    w.until([&] { return c.over; }); // the house is full, but nobody waits any more
    CHECK(c.ended == errc::listener_closed);
    CHECK(listener.snapshot().refused() == 0);
}

TEST_CASE("no connection that was completed before a stop is reset, however many arrive during it") {
    // Connections are made by another thread all the time. Each one whose connect succeeded has to be
    // accepted.
    std::size_t completed = 0, in = 0;
    for (int round = 0; round < 40; ++round) {
        world w(world::clock::real);
        auto door = open_door();
        if (round % 2 == 1) door.addresses.push_back(asio::ip::make_address("127.0.0.2"));
        tcp_listener listener(w.context.get_executor(), door);
        const auto where = listener.endpoints();
        std::atomic<bool> go_on{true};
        std::atomic<std::size_t> tried{0};
        std::vector<plain_socket> peers;
        std::thread clients([&] {
            while (go_on && tried < 300) { // as many as there are descriptors for on every machine
                const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                plain_socket s(fd);
                const timeval brief{0, 30'000}; // a SYN that the filter drops is not waited for
                ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
                const auto& to = where[tried % where.size()];
                ++tried;
                if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0)
                    peers.push_back(std::move(s));
            }
        });
        crowd c;
        w.spawn(accept_all(listener, c));
        w.until([&] { return tried >= static_cast<std::size_t>(5 + round); });
        listener.stop();
        w.until([&] { return c.over; });
        go_on = false;
        clients.join();
        completed += peers.size();
        in += c.in.size();
        std::set<tcp::endpoint> accepted_ends;
        for (const accepted& a : c.in) accepted_ends.insert(a.peer.remote);
        for (auto& p : peers) {
            INFO("round " << round);
            REQUIRE(p.peek() == ending::open);
            REQUIRE(accepted_ends.count(p.local()) == 1);
        }
    }
    CHECK(completed > 200);
    CHECK(in >= completed);
}

TEST_CASE("destroying the handle ends an accept that waits") {
    world w;
    auto door = open_door();
    door.addresses.push_back(v6_loopback);
    auto listener = std::make_unique<tcp_listener>(w.context.get_executor(), door);
    auto waiting = w.start(listener->accept());
    w.settle();
    SECTION("by going") {
        listener.reset();
    }
    SECTION("by another one taking its place") {
        *listener = tcp_listener(w.context.get_executor(), open_door());
    }
    w.settle();
    CHECK(error_of(waiting.get()) == portunus::condition::closed);
    listener.reset();
    w.run();
}

TEST_CASE("a listener may outlive its context") {
    std::optional<tcp_listener> survivor;
    std::uint16_t port = 0;
    {
        world w;
        auto door = open_door();
        door.addresses.push_back(v6_loopback);
        survivor.emplace(w.context.get_executor(), door);
        port = survivor->port();
        auto waiting = w.start(survivor->accept());
        w.settle();
    }
    CHECK(survivor->stopped());
    CHECK(survivor->port() == port);
    CHECK(survivor->endpoints().size() == 2);
    CHECK(survivor->snapshot().accepted == 0);
    survivor->pause();
    survivor->resume();
    survivor->stop();
    survivor.reset();
    CHECK_THROWS(plain_socket::connected_to({loopback, port}));
}

TEST_CASE("a listener can be destroyed at every point, with peers that come and are refused") {
    const std::size_t before = open_descriptors();
    struct scene {
        std::optional<tcp_listener> listener;
        std::vector<plain_socket> peers;
        std::vector<accepted> in;
        awaitable<void> operator()() {
            for (int i = 0; i < 6 && listener; ++i) {
                const auto& to = listener->endpoints();
                peers.push_back(plain_socket::connected_to(to[static_cast<std::size_t>(i) % to.size()]));
                peers.push_back(
                    plain_socket::connected_to(to.front(), {asio::ip::make_address("127.0.0.9"), 0}));
                if (i == 3) listener->pause(), listener->resume();
                auto next = co_await listener->accept();
                if (!next) co_return;
                in.push_back(std::move(*next));
                if (i % 2 == 1) in.clear();
            }
        }
        void drop() { listener.reset(); }
    };
    const auto handlers = destroy_at_every_point([](asio::io_context& context) {
        auto door = open_door();
        door.addresses.push_back(asio::ip::make_address("127.0.0.2"));
        door.policy = accept_policy::anyone().deny("127.0.0.9");
        door.limits.max_connections = 2;
        scene s;
        s.listener.emplace(context.get_executor(), std::move(door));
        return s;
    });
    CHECK(handlers > 3);
    CHECK(open_descriptors() == before);
}

TEST_CASE("who leaves before it is accepted does no harm") {
    world w;
    tcp_listener listener(w.context.get_executor(), open_door());
    for (int i = 0; i < 10; ++i) {
        auto gone = plain_socket::connected_to(listener.endpoints().front());
        if (i % 2 == 0) gone.reset();
    }
    auto peer = plain_socket::connected_to(listener.endpoints().front());
    peer.send("here");
    crowd c;
    w.spawn(accept_all(listener, c));
    w.until([&] { return !c.in.empty() && c.in.back().peer.remote == peer.local(); });
}

// out of descriptors: in a process of its own, which has few
// ---------------------------------------------------------

namespace {

void leave_ten_descriptors(world& w, tcp_listener& listener, crowd& c) {
    // UBSan needs descriptors to look at an object whose type it has not seen yet: let it see them before.
    listener.pause();
    w.settle();
    listener.resume();
    {
        auto peer = plain_socket::connected_to(listener.endpoints().front());
        w.until([&] { return c.in.size() == 1; });
        auto closing = w.start(c.in[0].stream.close(0s));
        w.until([&] { return closing.done(); });
        c.in.clear();
    }
    w.settle();
    const int highest = ::dup(0);
    ::close(highest);
    const rlimit few{static_cast<rlim_t>(highest + 10), static_cast<rlim_t>(highest + 10)};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) std::_Exit(77);
}

} // namespace

TEST_CASE("child: accepts with too few descriptors", "[.][child]") {
    const log_book book;
    world w(world::clock::real);
    auto door = open_door();
    door.log = book.logger();
    tcp_listener listener(w.context.get_executor(), door);
    crowd c;
    w.spawn(accept_all(listener, c));
    leave_ten_descriptors(w, listener, c);
    tell_parent("port " + std::to_string(listener.port()));
    w.until([&] { return book.count(log_level::error) == 1; });
    const std::size_t in = c.in.size();

    // For two seconds nothing changes: 200 wait, and the loop costs next to nothing.
    const double cpu_before = cpu_seconds();
    const auto began = std::chrono::steady_clock::now();
    w.until([&] { return std::chrono::steady_clock::now() - began > 2s; });
    const double share = (cpu_seconds() - cpu_before) / 2.0;
    tell_parent("share " + std::to_string(share));
    tell_parent("stuck " + std::to_string(c.in.size() == in ? 1 : 0));

    // Sessions end one by one: the others come in, and the log does not fill.
    std::size_t closed = 0;
    w.until([&] {
        if (closed < c.in.size() && closed < 60) c.in[closed++].stream = tcp_stream();
        return closed == 60;
    });
    tell_parent("errors " + std::to_string(book.count(log_level::error)));
    // Then all at once: everybody who waited is let in, and it is said once.
    w.until([&] {
        while (closed < c.in.size()) c.in[closed++].stream = tcp_stream();
        return c.in.size() == 200;
    });
    w.until([&] { return book.count("accepting again") == 1; });
    tell_parent("in " + std::to_string(c.in.size()));
    tell_parent("lines " + std::to_string(book.lines().size()));
    tell_parent("counted " + std::to_string(listener.snapshot().accept_errors > 0 ? 1 : 0));
    std::_Exit(0);
}

TEST_CASE("without descriptors the accept loop rests, says so once, and lets everybody in when there are "
          "some again") {
    auto child = child_process::of_test("child: accepts with too few descriptors");
    const auto port = static_cast<std::uint16_t>(std::stoi(child.line_after("port ")));
    std::vector<plain_socket> peers;
    for (int i = 0; i < 200; ++i) peers.push_back(plain_socket::connected_to({loopback, port}));
    const double share = std::stod(child.line_after("share "));
    CHECK(share < 0.05);
    CHECK(child.line_after("stuck ") == "1");
    CHECK(child.line_after("errors ") == "1");
    CHECK(child.line_after("in ") == "200");
    CHECK(child.line_after("lines ") == "2"); // out of resources; accepting again
    CHECK(child.line_after("counted ") == "1");
    CHECK(child.wait().code == 0);
}

TEST_CASE("child: stops with too few descriptors", "[.][child]") {
    world w(world::clock::real);
    tcp_listener listener(w.context.get_executor(), open_door());
    crowd c;
    w.spawn(accept_all(listener, c));
    leave_ten_descriptors(w, listener, c);
    tell_parent("port " + std::to_string(listener.port()));
    w.until([&] { return listener.snapshot().accept_errors > 3; });
    listener.stop();
    std::size_t closed = 0;
    w.until([&] {
        while (closed < c.in.size()) c.in[closed++].stream = tcp_stream();
        return c.over;
    });
    tell_parent("in " + std::to_string(c.in.size()));
    std::_Exit(c.ended == errc::listener_closed ? 0 : 1);
}

TEST_CASE("who waits for a descriptor when the listener stops is still let in") {
    auto child = child_process::of_test("child: stops with too few descriptors");
    const auto port = static_cast<std::uint16_t>(std::stoi(child.line_after("port ")));
    std::vector<plain_socket> peers;
    for (int i = 0; i < 50; ++i) peers.push_back(plain_socket::connected_to({loopback, port}));
    CHECK(child.line_after("in ") == "50");
    CHECK(child.wait().code == 0);
}
