// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/udp_peer.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/udp_support.hpp"

#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::close_reason;
using portunus::condition;
using portunus::errc;
using portunus::error;
using portunus::icmp_error;
using portunus::udp_accept_from;
using portunus::udp_peer;
using portunus::udp_peer_options;
using portunus::udp_reply_to;
using portunus::testing::destroy_at_every_point;
namespace sys = boost::system::errc;

namespace {

const asio::ip::address other_address = asio::ip::make_address("127.0.0.9");

/// A session on the loopback with this peer; nobody but it is let in.
udp_peer_options with(const udp::endpoint& peer) {
    udp_peer_options o;
    o.socket.addresses = {loopback};
    o.peer = peer;
    return o;
}
/// One that listens, to everybody.
udp_peer_options listening() {
    udp_peer_options o;
    o.socket = open_to_all();
    return o;
}
udp::endpoint at(const udp_peer& p, const asio::ip::address& on = loopback) {
    return {on, p.port()};
}
kept next(world& w, udp_peer& p) {
    auto got = w.start(p.receive());
    w.until([&] { return got.done(); });
    return keep(got.get());
}
error receive_error(world& w, udp_peer& p) {
    auto got = w.start(p.receive());
    w.until([&] { return got.done(); });
    return error_of(got.get());
}
error refused(world& w, udp_peer_options o) {
    return error_of(udp_peer::open(w.context.get_executor(), std::move(o)));
}

} // namespace

// the four modes

TEST_CASE("udp_peer: the four modes decide whose datagrams come in, and where ours go") {
    world w;
    // A device that is asked at one port and answers from another, and somebody else.
    const stranger device, device_too, somebody(other_address);
    const udp::endpoint fixed = device.where();
    udp_peer_options o = with(fixed);
    o.socket.policy = accept_policy::allow_all();
    const bool any = GENERATE(false, true), latest = GENERATE(false, true);
    o.accept_from = any ? udp_accept_from::any_address : udp_accept_from::same_address;
    o.reply_to = latest ? udp_reply_to::latest_port : udp_reply_to::fixed_port;
    udp_peer p(w.context.get_executor(), o);
    CHECK(p.established());
    CHECK(p.target() == fixed);
    must(p.try_send("question"));
    CHECK(device.receive().text == "question");

    // the same address, another port
    device_too.send(at(p), "from another port");
    auto d = next(w, p);
    CHECK(d.text == "from another port");
    CHECK(d.about.sender == device_too.where());
    const udp::endpoint second = latest ? device_too.where() : fixed;
    CHECK(p.target() == second);
    must(p.try_send("answer"));
    CHECK((latest ? device_too : device).receive().text == "answer");

    // another address
    somebody.send(at(p), "from somebody else");
    if (any) {
        d = next(w, p);
        CHECK(d.text == "from somebody else");
        CHECK(d.about.sender == somebody.where()); // always the true one
        // The address goes with the peer; the port does as the option says.
        CHECK(p.target() == udp::endpoint(other_address, latest ? somebody.port() : fixed.port()));
    } else {
        CHECK(error_of(p.try_receive()) == errc::would_block);
        CHECK(p.target() == second);
        CHECK_FALSE(somebody.has_something()); // not a word
    }
    const auto counted = p.counters();
    CHECK(counted.foreign == (any ? 0 : 1));
    CHECK(counted.refused == 0);
    CHECK(counted.received == (any ? 2 : 1));
    CHECK(counted.sent == 2);
}

TEST_CASE("udp_peer: a fixed port stays when the address of the peer changes") {
    world w;
    const stranger device;
    const stranger same_port(other_address, device.port());
    udp_peer_options o = with(device.where());
    o.socket.policy = accept_policy::allow_all();
    o.accept_from = udp_accept_from::any_address;
    udp_peer p(w.context.get_executor(), o);
    const stranger sender(other_address);
    sender.send(at(p), "I am the device now");
    CHECK(next(w, p).text == "I am the device now");
    must(p.try_send("to the port as ever"));
    CHECK(same_port.receive().text == "to the port as ever");
    CHECK_FALSE(sender.has_something());
}

TEST_CASE("udp_peer: the policy decides about everybody but the peer that was named") {
    world w;
    const stranger named, welcome(asio::ip::make_address("127.0.0.8")), unwelcome(other_address);
    udp_peer_options o = with(named.where());
    o.accept_from = udp_accept_from::any_address;
    o.socket.policy = accept_policy::only("127.0.0.8");
    std::vector<std::string> filtered;
    o.socket.on_filtered = [&](const portunus::datagram& d) { filtered.emplace_back(d.bytes); };
    udp_peer p(w.context.get_executor(), o);
    unwelcome.send(at(p), "no");
    named.send(at(p), "named");
    welcome.send(at(p), "by a rule");
    named.send(at(p), "again"); // also after somebody else was the peer
    CHECK(next(w, p).text == "named");
    CHECK(next(w, p).text == "by a rule");
    CHECK(next(w, p).text == "again");
    CHECK(p.counters().refused == 1);
    CHECK(p.counters().foreign == 0);
    CHECK(filtered == std::vector<std::string>{"no"});
}

// listening

TEST_CASE("udp_peer: a session that listens takes the first sender whom the policy lets in for its peer") {
    world w;
    const stranger unwelcome(other_address), first, later(asio::ip::make_address("127.0.0.8"));
    udp_peer_options o = listening();
    o.socket.policy = accept_policy::allow_all().deny("127.0.0.9");
    udp_peer p(w.context.get_executor(), o);
    CHECK_FALSE(p.established());
    CHECK(p.target() == std::nullopt);
    const error nobody = error_of(p.try_send("hello?"));
    CHECK(nobody == errc::not_connected);
    CHECK(contains(nobody, "nobody is the peer before"));
    auto got = w.start(p.receive());
    w.settle();
    unwelcome.send(at(p), "no");
    w.settle();
    CHECK_FALSE(p.established());
    first.send(at(p), "I am");
    w.until([&] { return got.done(); });
    CHECK(keep(got.get()).text == "I am");
    CHECK(p.established());
    CHECK(p.target() == first.where());
    later.send(at(p), "and I?");
    CHECK(error_of(p.try_receive()) == errc::would_block);
    CHECK(p.counters().refused == 1);
    CHECK(p.counters().foreign == 1);
    auto sent = w.start(p.send("you are"));
    w.until([&] { return sent.done(); });
    must(sent.get());
    CHECK(first.receive().text == "you are");
}

TEST_CASE("udp_peer: a session that listens lets nobody in unless told") {
    world w;
    udp_peer_options o;
    o.socket.addresses = {loopback};
    udp_peer p(w.context.get_executor(), o);
    const stranger somebody;
    somebody.send(at(p), "hello");
    CHECK(error_of(p.try_receive()) == errc::would_block);
    CHECK(p.counters().refused == 1);
    CHECK_FALSE(p.established());
}

TEST_CASE("udp_peer: the fixed port can be given without the address, and the address without the port") {
    world w;
    const stranger answers_at, speaks_from;
    SECTION("whoever comes is answered at that port") {
        udp_peer_options o = listening();
        o.peer = {asio::ip::address_v4::any(), answers_at.port()};
        udp_peer p(w.context.get_executor(), o);
        CHECK(p.target() == std::nullopt);
        speaks_from.send(at(p), "x");
        (void)next(w, p);
        CHECK(p.target() == answers_at.where());
    }
    SECTION("the first datagram tells the port, and it is fixed from then on") {
        udp_peer p(w.context.get_executor(), with({loopback, 0}));
        CHECK(p.established());
        const error unknown = error_of(p.try_send("x"));
        CHECK(unknown == errc::not_connected);
        CHECK(contains(unknown, "port is not known"));
        speaks_from.send(at(p), "1");
        answers_at.send(at(p), "2");
        CHECK(next(w, p).text == "1");
        CHECK(next(w, p).text == "2");
        CHECK(p.target() == speaks_from.where());
    }
}

// datagrams

TEST_CASE("udp_peer: a datagram without a byte is data in both directions, and one that was cut says so") {
    world w;
    const stranger device;
    udp_peer_options o = with(device.where());
    o.socket.max_datagram = 4;
    udp_peer p(w.context.get_executor(), o);
    device.send(at(p), "");
    device.send(at(p), "12345");
    auto d = next(w, p);
    CHECK(d.text.empty());
    CHECK(d.about.sender == device.where());
    d = next(w, p);
    CHECK(d.text == "1234");
    CHECK(d.about.truncated);
    CHECK(d.about.size == 5);
    CHECK(p.counters().truncated == 1);
    must(p.try_send(""));
    CHECK(device.receive().text.empty());
    CHECK(error_of(p.try_send(pattern(65'508))) == condition::too_large);
}

TEST_CASE("udp_peer: an answer leaves from the address that the peer wrote to") {
    world w;
    const stranger device;
    udp_peer_options o = listening();
    o.socket.addresses = {};
    udp_peer p(w.context.get_executor(), o);
    device.send(at(p, other_address), "hello");
    CHECK(next(w, p).about.sender == device.where()); // an IPv4 address on a socket that speaks both
    must(p.try_send("hello back"));
    CHECK(device.receive().sender == at(p, other_address));
}

TEST_CASE("udp_peer: it speaks IPv6") {
    world w;
    const stranger device(loopback6);
    udp_peer_options o = with(device.where());
    o.socket.addresses = {};
    o.connected = GENERATE(false, true);
    udp_peer p(w.context.get_executor(), o);
    must(p.try_send("six"));
    CHECK(device.receive().text == "six");
    device.send(at(p, loopback6), "yes");
    CHECK(next(w, p).about.sender == device.where());
    const stranger four;
    four.send(at(p), "four");
    CHECK(error_of(p.try_receive()) == errc::would_block);
    CHECK(p.counters().foreign == (o.connected ? 0 : 1));
}

TEST_CASE("udp_peer: foreign datagrams do not keep the context's other work waiting") {
    world w;
    const stranger device, foreign(other_address);
    udp_peer_options o = with(device.where());
    o.socket.receive_buffer = 1 << 20;
    o.socket.log = portunus::logger::silent();
    udp_peer p(w.context.get_executor(), o);
    for (int i = 0; i < 200; ++i) foreign.send(at(p), "x");
    auto got = w.start(p.receive());
    std::size_t turns = 0; // of the other work, while datagrams are there
    std::function<void()> other = [&] {
        if (p.counters().foreign == 200) return;
        ++turns;
        asio::post(w.context, other);
    };
    asio::post(w.context, other);
    w.settle();
    CHECK(p.counters().foreign == 200);
    CHECK(turns >= 3);
    CHECK_FALSE(got.done());
    device.send(at(p), "at last");
    w.until([&] { return got.done(); });
    CHECK(keep(got.get()).text == "at last");
}

// broadcast

TEST_CASE("udp_peer: with a broadcast target everything goes to everybody, and no answer changes that") {
    world w;
    const stranger everybody(asio::ip::address_v4::any()), device;
    udp_peer_options o;
    o.socket = open_to_all(asio::ip::address());
    o.peer.port(everybody.port());
    o.accept_from = udp_accept_from::any_address;
    o.reply_to = udp_reply_to::latest_port; // has no say
    o.broadcast = true;
    o.broadcast_on = "lo";
    udp_peer p(w.context.get_executor(), o);
    const udp::endpoint all(asio::ip::address_v4::broadcast(), everybody.port());
    CHECK(p.target() == all);
    must(p.try_send("who is there?"));
    CHECK(everybody.receive().text == "who is there?");
    device.send(at(p), "me");
    CHECK(next(w, p).about.sender == device.where());
    CHECK(p.target() == all);
    auto sent = w.start(p.send("all of you"));
    w.until([&] { return sent.done(); });
    must(sent.get());
    CHECK(everybody.receive().text == "all of you");
    CHECK_FALSE(device.has_something());
    o.broadcast_on = "eth-none";
    udp_peer none(w.context.get_executor(), o);
    CHECK(error_of(none.try_send("x")) == errc::no_such_interface);
}

TEST_CASE("udp_peer: who broadcasts and is answered by nobody waits no longer than the idle limit") {
    world w;
    udp_peer_options o = listening();
    o.socket.addresses = {};
    o.peer.port(stranger().port());
    o.broadcast = true;
    o.broadcast_on = "lo";
    o.idle_limit = 2s;
    udp_peer p(w.context.get_executor(), o);
    must(p.try_send("who is there?"));
    auto got = w.start(p.receive());
    w.pass(1999ms);
    CHECK_FALSE(got.done());
    w.pass(1ms);
    w.until([&] { return got.done(); });
    CHECK(error_of(got.get()) == errc::idle_timeout);
}

// the connected socket

TEST_CASE(
    "udp_peer: on a connected socket the kernel lets nobody else in, not even another port of the peer") {
    world w;
    const stranger device, device_too, somebody(other_address);
    udp_peer_options o = with(device.where());
    if (GENERATE(false, true)) o.socket.addresses = {};
    o.connected = true;
    udp_peer p(w.context.get_executor(), o);
    CHECK(portunus::normalised(p.endpoints().front().address()) == loopback); // of the route
    somebody.send(at(p), "no");
    device_too.send(at(p), "nor this");
    device.send(at(p), "yes");
    CHECK(next(w, p).text == "yes");
    CHECK(p.counters().foreign == 0); // nothing of it reached us
    must(p.try_send("answer"));
    CHECK(device.receive().text == "answer");
    CHECK(p.target() == device.where());
}

TEST_CASE(
    "udp_peer: on a connected socket a report of the network is an error once, and the session goes on") {
    world w;
    const bool v6 = GENERATE(false, true);
    const asio::ip::address on = v6 ? loopback6 : loopback;
    std::optional<stranger> device(std::in_place, on);
    const udp::endpoint where = device->where();
    udp_peer_options o = with(where);
    o.socket.addresses = {on};
    o.connected = true;
    std::vector<icmp_error> reports;
    o.socket.on_icmp_error = [&](const icmp_error& e) { reports.push_back(e); };
    udp_peer p(w.context.get_executor(), o);
    device.reset();
    const auto expected = [&](const error& e) {
        CHECK(e == sys::connection_refused);
        CHECK(e.detail() == portunus::to_string(where) + ", reported by " + on.to_string() +
                                " as ICMP type " + (v6 ? "1 code 4" : "3 code 3"));
    };
    SECTION("to a receive that waits") {
        auto got = w.start(p.receive());
        w.settle();
        must(p.try_send("anybody?"));
        w.until([&] { return got.done(); });
        expected(error_of(got.get()));
    }
    SECTION("to the next receive") {
        must(p.try_send("anybody?"));
        expected(error_of(p.try_receive()));
    }
    SECTION("to the next send, which sends nothing") {
        must(p.try_send("anybody?"));
        auto reading = w.start(p.receive());
        w.settle(); // nobody has run yet who could have been told: the report is in the kernel
        expected(error_of(reading.get()));
        must(p.try_send("still nobody?"));
        must(p.try_send("this one meets the report and leaves")); // it is kept for the next
        expected(error_of(p.try_send("x")));
    }
    CHECK(p.is_open());
    CHECK(p.reason() == close_reason::none);
    CHECK_FALSE(reports.empty());
    CHECK(p.counters().icmp_errors == reports.size());
    while (p.try_receive().error() != errc::would_block) { // of the last one that was sent
    }
    device.emplace(on, where.port()); // it is back
    must(p.try_send("hello again"));
    CHECK(device->receive().text == "hello again");
    device->send(at(p, on), "hello");
    CHECK(next(w, p).text == "hello");
}

TEST_CASE("udp_peer: without a connected socket a report of the network is nobody's error") {
    world w;
    std::vector<icmp_error> reports;
    const udp::endpoint gone = stranger().where();
    udp_peer_options o = with(gone);
    o.socket.on_icmp_error = [&](const icmp_error& e) { reports.push_back(e); };
    udp_peer p(w.context.get_executor(), o);
    must(p.try_send("anybody?"));
    CHECK(error_of(p.try_receive()) == errc::would_block);
    CHECK(reports.size() == 1);
    must(p.try_send("anybody?"));
}

// options

TEST_CASE("udp_peer: options that contradict each other are refused, and say which") {
    world w;
    const udp::endpoint device(loopback, 9);
    udp_peer_options o = with(device);
    o.connected = true;
    const auto check = [&](const char* part) {
        const error e = refused(w, o);
        CHECK(e == errc::invalid_option);
        CHECK(contains(e, part));
    };
    SECTION("any address") {
        o.accept_from = udp_accept_from::any_address;
        check("any_address");
    }
    SECTION("the latest port") {
        o.reply_to = udp_reply_to::latest_port;
        check("latest_port");
    }
    SECTION("listening") {
        o.peer = {};
        check("needs a peer");
    }
    SECTION("no port") {
        o.peer.port(0);
        check("with its port");
    }
    SECTION("a broadcast") {
        o.broadcast = true;
        check("broadcast");
    }
    SECTION("several sockets") {
        o.socket.addresses = {loopback, other_address};
        check("make 2");
    }
    SECTION("a broadcast without a port") {
        o.connected = false;
        o.peer = {};
        o.broadcast = true;
        check("port of `peer`");
    }
    SECTION("what the socket refuses") {
        o.socket.max_datagram = 0;
        check("max_datagram 0");
    }
    SECTION("a peer of the other family") {
        o.peer.address(loopback6);
        CHECK(refused(w, o) == sys::address_family_not_supported);
    }
    SECTION("a peer that is many") {
        const char* many = GENERATE("239.1.2.3", "ff02::1", "255.255.255.255");
        o.peer.address(asio::ip::make_address(many));
        const error e = refused(w, o);
        CHECK(e == errc::invalid_address);
        CHECK(contains(e, many));
        CHECK_THROWS_AS(udp_peer(w.context.get_executor(), o), portunus::failure);
    }
}

// limits, ends

TEST_CASE("udp_peer: a session ends when nothing has passed for its idle limit, and says why") {
    world w;
    const stranger device, foreign(other_address);
    udp_peer_options o = with(device.where());
    o.idle_limit = 10s;
    udp_peer p(w.context.get_executor(), o);
    auto got = w.start(p.receive());
    w.pass(9s);
    device.send(at(p), "x");
    w.until([&] { return got.done(); });
    must(got.get());
    got = w.start(p.receive());
    w.pass(9s);
    must(p.try_send("y")); // also in this direction
    w.pass(9s);
    CHECK_FALSE(got.done());
    foreign.send(at(p), "counts for nothing");
    w.settle();
    w.pass(1s);
    w.until([&] { return got.done(); });
    CHECK(error_of(got.get()) == errc::idle_timeout);
    CHECK(p.reason() == close_reason::idle);
    CHECK_FALSE(p.is_open());
    CHECK(error_of(p.try_send("z")) == errc::idle_timeout);
    CHECK(error_of(p.try_receive()) == errc::idle_timeout);
    CHECK(receive_error(w, p) == errc::idle_timeout);
    CHECK(w.time.armed() == 0);
    p.close();
    CHECK(p.reason() == close_reason::idle); // the first one stays
    w.run();
}

TEST_CASE("udp_peer: nobody is waited for with a limit before he has come, or where there is none") {
    world w;
    const stranger device;
    udp_peer_options o = listening();
    const bool limited = GENERATE(true, false);
    if (!limited) o.idle_limit = 0s;
    udp_peer p(w.context.get_executor(), o);
    auto got = w.start(p.receive());
    w.pass(100h);
    CHECK_FALSE(got.done());
    CHECK(w.time.armed() == 0);
    device.send(at(p), "now");
    w.until([&] { return got.done(); });
    must(got.get());
    got = w.start(p.receive());
    w.pass(60s);
    w.settle();
    REQUIRE(got.done() == limited);
    if (limited) CHECK(error_of(got.get()) == errc::idle_timeout);
}

TEST_CASE("udp_peer: one receives at a time, and every end has its reason") {
    world w;
    const stranger device;
    std::optional<udp_peer> p(std::in_place, w.context.get_executor(), with(device.where()));
    auto got = w.start(p->receive());
    w.settle();
    CHECK(receive_error(w, *p) == errc::operation_in_progress);
    CHECK(error_of(p->try_receive()) == errc::operation_in_progress);
    SECTION("cancel leaves it usable") {
        p->cancel();
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::canceled);
        device.send(at(*p), "on");
        CHECK(next(w, *p).text == "on");
        CHECK(p->reason() == close_reason::none);
    }
    SECTION("a cancelled call") {
        got.cancel();
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::canceled);
        CHECK(p->is_open());
    }
    SECTION("close discards what has arrived, and tells the peer nothing") {
        p->close();
        device.send(at(*p), "late");
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::closed_locally);
        CHECK(p->reason() == close_reason::closed_locally);
        CHECK(error_of(p->try_receive()) == errc::closed_locally);
        CHECK(error_of(p->try_send("x")) == errc::closed_locally);
        CHECK_FALSE(device.has_something());
    }
    SECTION("destruction") {
        p.reset();
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::aborted_locally);
    }
    SECTION("another one takes its place") {
        *p = udp_peer(w.context.get_executor(), with(device.where()));
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::aborted_locally);
        device.send(at(*p), "new");
        CHECK(next(w, *p).text == "new");
    }
    p.reset();
    w.run();
}

TEST_CASE("udp_peer: a moved-from session is a closed one") {
    world w;
    udp_peer a(w.context.get_executor(), listening());
    const udp_peer b = std::move(a);
    CHECK(b.is_open());
    CHECK_FALSE(a.is_open()); // NOLINT
    CHECK_FALSE(a.established());
    CHECK(a.target() == std::nullopt);
    CHECK(a.reason() == close_reason::closed_locally);
    CHECK(error_of(a.try_receive()) == errc::closed_locally);
    CHECK(error_of(a.try_send("x")) == errc::closed_locally);
    CHECK(receive_error(w, a) == errc::closed_locally);
    a.close();
    a.cancel();
    CHECK(a.counters().received == 0);
}

TEST_CASE("udp_peer: a callback may destroy the session") {
    world w;
    std::optional<udp_peer> p;
    const stranger device, foreign(other_address);
    udp_peer_options o = with(device.where());
    SECTION("because of a foreign datagram") {
        o.socket.on_filtered = [&](const portunus::datagram&) { p.reset(); };
        p.emplace(w.context.get_executor(), o);
        const udp::endpoint to = at(*p);
        SECTION("while it is waited for") {
            auto got = w.start(p->receive());
            w.settle();
            foreign.send(to, "x");
            w.until([&] { return got.done(); });
            CHECK(error_of(got.get()) == errc::aborted_locally);
        }
        SECTION("in an immediate form") {
            foreign.send(to, "x");
            CHECK(error_of(p->try_receive()) == errc::aborted_locally);
        }
    }
    SECTION("because of a report") {
        o.peer = stranger().where();
        o.connected = GENERATE(false, true);
        o.socket.on_icmp_error = [&](const icmp_error&) { p.reset(); };
        p.emplace(w.context.get_executor(), o);
        must(p->try_send("anybody?"));
        CHECK(error_of(p->try_send("anybody?")) == errc::aborted_locally);
    }
    SECTION("from the policy") {
        o.accept_from = udp_accept_from::any_address;
        o.socket.policy = accept_policy::deny_all().allow_if("destroys", [&](const auto&) {
            p.reset();
            return true;
        });
        p.emplace(w.context.get_executor(), o);
        auto got = w.start(p->receive());
        w.settle();
        foreign.send(at(*p), "x");
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::aborted_locally);
    }
    CHECK_FALSE(p);
    w.run();
    CHECK(w.time.armed() == 0);
}

TEST_CASE("udp_peer: a session can be destroyed at every point, before its context and after it") {
    const bool connected = GENERATE(false, true);
    struct scene {
        std::optional<udp_peer> one, two;
        scene(asio::io_context& context, bool connect) {
            two.emplace(context.get_executor(), listening());
            udp_peer_options o = with({loopback, two->port()});
            o.connected = connect;
            one.emplace(context.get_executor(), o);
        }
        awaitable<void> operator()() {
            for (int i = 0; i < 3; ++i) {
                if (!one || !two) co_return;
                auto waiting = portunus::testing::start(two->get_executor(), two->receive());
                co_await portunus::testing::settle();
                if (!one) co_return;
                auto sent = co_await one->send("ping");
                if (!sent) co_return;
                auto got = co_await waiting.join();
                if (!got || !one || !two) co_return;
                auto answered = co_await two->send("pong");
                if (!answered || !one) co_return;
                auto back = co_await one->receive();
                if (!back) co_return;
                CHECK(back->bytes == "pong");
            }
            if (one) one->close();
            if (two) two->close();
        }
        void drop() {
            one.reset();
            two.reset();
        }
    };
    CHECK(destroy_at_every_point([&](asio::io_context& context) { return scene(context, connected); },
                                 {.manual_time = true}) > 6);
}
