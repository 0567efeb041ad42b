// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/udp_socket.hpp>

#include "support/catch.hpp"
#include "support/network_namespace.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/run.hpp>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <net/if.h>
#include <sys/socket.h>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::condition;
using portunus::datagram;
using portunus::datagram_batch;
using portunus::datagram_source;
using portunus::errc;
using portunus::error;
using portunus::icmp_error;
using portunus::outgoing_datagram;
using portunus::port_list;
using portunus::udp_options;
using portunus::udp_socket;
using portunus::testing::destroy_at_every_point;
using udp = asio::ip::udp;
namespace sys = boost::system::errc;

namespace {

const asio::ip::address loopback6 = asio::ip::address_v6::loopback();
const asio::ip::address test_group = asio::ip::make_address("239.231.7.1");
const asio::ip::address test_group6 = asio::ip::make_address("ff15::231:7");

/// A stranger: a plain UDP socket of the system. Nothing waits longer than some seconds.
class plain_udp {
  public:
    explicit plain_udp(const asio::ip::address& on = loopback, std::uint16_t port = 0)
        : fd_(::socket(on.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const timeval patience{20, 0};
        const int yes = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(fd_, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
        ::setsockopt(fd_, IPPROTO_IP, IP_RECVTTL, &yes, sizeof yes);
        if (on.is_v6()) ::setsockopt(fd_, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &yes, sizeof yes);
        const udp::endpoint e(on, port);
        if (fd_ < 0 || ::bind(fd_, e.data(), static_cast<socklen_t>(e.size())) != 0) fail("binding");
    }
    plain_udp(const plain_udp&) = delete;
    plain_udp& operator=(const plain_udp&) = delete;
    ~plain_udp() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    udp::endpoint where() const {
        udp::endpoint e;
        auto size = static_cast<socklen_t>(e.capacity());
        ::getsockname(fd_, e.data(), &size);
        e.resize(size);
        return e;
    }
    int fd() const { return fd_; }
    void send(const udp::endpoint& to, std::string_view text) {
        if (::sendto(fd_, text.data(), text.size(), 0, to.data(), static_cast<socklen_t>(to.size())) < 0)
            fail("sending");
    }
    /// Multicasts leave by the loopback.
    void multicast_by_loopback() {
        const ip_mreqn v4{{}, {}, 1};
        const int v6 = 1;
        ::setsockopt(fd_, IPPROTO_IP, IP_MULTICAST_IF, &v4, sizeof v4);
        ::setsockopt(fd_, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v6, sizeof v6);
    }

    struct got {
        std::string text;
        udp::endpoint sender;
        int ttl = -1;
    };
    got receive() {
        got g;
        std::string buffer(70'000, '\0');
        udp::endpoint from;
        alignas(cmsghdr) char control[128];
        iovec piece{buffer.data(), buffer.size()};
        msghdr m{};
        m.msg_name = from.data();
        m.msg_namelen = static_cast<socklen_t>(from.capacity());
        m.msg_iov = &piece;
        m.msg_iovlen = 1;
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        const ssize_t n = ::recvmsg(fd_, &m, 0);
        if (n < 0) fail("receiving");
        from.resize(m.msg_namelen);
        g.text = buffer.substr(0, static_cast<std::size_t>(n));
        g.sender = from;
        for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL;
            const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT;
            if (v4 || v6) std::memcpy(&g.ttl, CMSG_DATA(c), sizeof g.ttl);
        }
        return g;
    }
    bool has_something() const {
        char byte;
        return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
    }

  private:
    [[noreturn]] static void fail(const char* what) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    int fd_;
};

udp_options open_to_all(const asio::ip::address& on = loopback) {
    udp_options o;
    if (!on.is_unspecified()) o.addresses = {on};
    o.policy = accept_policy::allow_all();
    return o;
}
udp_options anywhere() {
    return open_to_all(asio::ip::address());
}
udp::endpoint at(const asio::ip::address& address, const udp_socket& s) {
    return {address, s.port()};
}

/// A datagram whose bytes are kept.
struct kept {
    datagram about;
    std::string text;
};
kept keep(const portunus::result<datagram>& got) {
    const datagram d = got.value();
    return {d, std::string(d.bytes)};
}
kept next(world& w, udp_socket& s) {
    auto got = w.start(s.receive());
    w.until([&] { return got.done(); });
    return keep(got.get());
}
error receive_error(world& w, udp_socket& s) {
    auto got = w.start(s.receive());
    w.until([&] { return got.done(); });
    return error_of(got.get());
}
/// Until the kernel has let it arrive: on the loopback that is when `sendto` returns.
std::vector<std::string> all_there(udp_socket& s) {
    std::vector<std::string> texts;
    while (auto got = s.try_receive()) texts.emplace_back(got->bytes);
    return texts;
}
bool contains(const error& e, std::string_view part) {
    return e.message().find(part) != std::string::npos;
}

} // namespace

// receiving

TEST_CASE("udp: a datagram arrives with its sender, and with the address, port and interface it came to") {
    world w;
    udp_socket s(w.context.get_executor(), anywhere());
    plain_udp peer;
    SECTION("while somebody waits for it") {
        auto got = w.start(s.receive());
        w.settle();
        REQUIRE_FALSE(got.done());
        peer.send(at(loopback, s), "hello");
        w.until([&] { return got.done(); });
        const auto d = keep(got.get());
        CHECK(d.text == "hello");
        CHECK(d.about.sender == peer.where()); // an IPv4 address, though the socket speaks both
        CHECK(d.about.local == loopback);
        CHECK(d.about.local_port == s.port());
        CHECK(d.about.interface == ::if_nametoindex("lo"));
        CHECK(d.about.size == 5);
        CHECK_FALSE(d.about.truncated);
        CHECK_FALSE(d.about.to_broadcast);
        CHECK_FALSE(d.about.to_multicast);
        CHECK(d.about.lost_before == 0);
    }
    SECTION("when it was there before") {
        peer.send(at(asio::ip::make_address("127.0.0.9"), s), "early");
        const auto d = next(w, s);
        CHECK(d.text == "early");
        CHECK(d.about.local == asio::ip::make_address("127.0.0.9"));
        CHECK_FALSE(d.about.to_broadcast);
    }
    SECTION("by IPv6") {
        plain_udp peer6(loopback6);
        peer6.send(at(loopback6, s), "six");
        const auto d = next(w, s);
        CHECK(d.text == "six");
        CHECK(d.about.sender == peer6.where());
        CHECK(d.about.local == loopback6);
        CHECK(d.about.interface == ::if_nametoindex("lo"));
    }
    CHECK(s.counters().received == 1);
    w.run(); // nothing is left that keeps the context alive
}

TEST_CASE("udp: a datagram without a byte is a datagram") {
    world w;
    udp_socket s(w.context.get_executor(), open_to_all());
    plain_udp peer;
    peer.send(at(loopback, s), "");
    peer.send(at(loopback, s), "after");
    const auto d = next(w, s);
    CHECK(d.text.empty());
    CHECK(d.about.sender == peer.where());
    CHECK(next(w, s).text == "after");
    // and one can be sent
    w.run([](udp_socket& from, udp::endpoint to) -> awaitable<void> {
        must(co_await from.send(to, ""));
    }(s, peer.where()));
    CHECK(peer.receive().text.empty());
}

TEST_CASE("udp: a datagram that is too large for max_datagram is truncated, marked and measured") {
    world w;
    udp_options o = open_to_all();
    o.max_datagram = 8;
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer;
    peer.send(at(loopback, s), "12345678");
    peer.send(at(loopback, s), "123456789");
    SECTION("one by one") {
        const auto whole = next(w, s), cut = next(w, s);
        CHECK(whole.text == "12345678");
        CHECK_FALSE(whole.about.truncated);
        CHECK(cut.text == "12345678");
        CHECK(cut.about.truncated);
        CHECK(cut.about.size == 9);
    }
    SECTION("in a batch") {
        const auto all = must(s.try_receive_batch());
        REQUIRE(all.size() == 2);
        CHECK_FALSE(all[0].truncated);
        CHECK(all[1].bytes == "12345678");
        CHECK(all[1].truncated);
        CHECK(all[1].size == 9);
    }
    CHECK(s.counters().truncated == 1);
    CHECK(s.counters().received == 2);
}

TEST_CASE(
    "udp: the largest datagram passes in both directions, and a larger one is refused with the numbers") {
    world w;
    udp_socket s(w.context.get_executor(), anywhere());
    plain_udp peer, peer6(loopback6);
    const std::string most = pattern(65'507), most6 = pattern(65'527), more = pattern(65'528);
    peer.send(at(loopback, s), most);
    CHECK(next(w, s).text == most);
    must(s.try_send(peer.where(), most));
    CHECK(peer.receive().text == most);
    must(s.try_send(peer6.where(), most6));
    CHECK(peer6.receive().text == most6);

    const error v4 = error_of(s.try_send(peer.where(), most6));
    CHECK(v4 == sys::message_size);
    CHECK(v4 == condition::too_large);
    CHECK(contains(v4, "65527"));
    CHECK(contains(v4, "65507"));
    CHECK(error_of(s.try_send(peer6.where(), more)) == condition::too_large);
    // one that cannot be sent keeps a whole batch
    const std::vector<outgoing_datagram> all{{peer.where(), "good"}, {peer.where(), more}};
    auto sent = w.start(s.send_batch(all));
    w.run();
    const error batch = error_of(sent.get());
    CHECK(batch == condition::too_large);
    CHECK(contains(batch, "datagram 2 of 2"));
    CHECK_FALSE(peer.has_something());
}

TEST_CASE("udp: what has arrived is received without a round of the context for each") {
    world w;
    udp_socket s(w.context.get_executor(), open_to_all());
    plain_udp peer;
    for (int i = 0; i < 40; ++i) peer.send(at(loopback, s), std::to_string(i));
    std::size_t got = 0;
    w.spawn([](udp_socket& from, std::size_t& count) -> awaitable<void> {
        while (count < 40) {
            const auto d = co_await from.receive();
            CHECK(must(d).bytes == std::to_string(count));
            ++count;
        }
    }(s, got));
    w.context.restart();
    std::size_t handlers = 0;
    while (got < 40 && w.context.poll_one() != 0) ++handlers;
    CHECK(got == 40);
    CHECK(handlers < 4);
}

TEST_CASE("udp: a flood does not keep the context's other work waiting") {
    world w;
    udp_options o = open_to_all();
    o.receive_buffer = 1 << 20;
    SECTION("of datagrams that are received") {}
    SECTION("of datagrams that are refused") {
        o.policy = accept_policy::deny_all();
    }
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer;
    for (int i = 0; i < 300; ++i) peer.send(at(loopback, s), "x");
    auto got = w.start([](udp_socket& from) -> awaitable<void> {
        for (;;) {
            const auto d = co_await from.receive();
            if (!d) co_return;
        }
    }(s));
    const auto seen = [&] { return s.counters().received + s.counters().filtered; };
    std::size_t turns = 0; // of the other work, while datagrams are there
    std::function<void()> other = [&] {
        if (seen() == 300) return;
        ++turns;
        asio::post(w.context, other);
    };
    asio::post(w.context, other);
    w.settle();
    CHECK(seen() == 300);
    CHECK(turns >= 5); // two before the first datagram, one for every 64
    s.close();
    w.run();
}

TEST_CASE("udp: a batch holds what has arrived, at most 64, and leaves out what is refused") {
    world w;
    udp_options o = open_to_all();
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer, stranger;
    const auto unwanted = stranger.where().port();
    s.set_policy(accept_policy::allow_all().deny("any", unwanted));
    SECTION("as much as there is") {
        auto waiting = w.start(s.receive_batch());
        w.settle();
        CHECK_FALSE(waiting.done());
        peer.send(at(loopback, s), "a");
        stranger.send(at(loopback, s), "no");
        peer.send(at(loopback, s), "b");
        w.until([&] { return waiting.done(); });
        std::vector<std::string> texts;
        for (const datagram& d : must(waiting.get())) {
            texts.emplace_back(d.bytes);
            CHECK(d.sender == peer.where());
            CHECK(d.local == loopback);
        }
        CHECK(texts == std::vector<std::string>{"a", "b"});
        CHECK(s.counters().filtered == 1);
    }
    SECTION("64 of more") {
        for (int i = 0; i < 70; ++i) peer.send(at(loopback, s), std::to_string(i));
        CHECK(must(s.try_receive_batch()).size() == 64);
        const auto rest = must(s.try_receive_batch());
        REQUIRE(rest.size() == 6);
        CHECK(rest[5].bytes == "69");
    }
    SECTION("nothing but refused ones is nothing") {
        stranger.send(at(loopback, s), "no");
        CHECK(error_of(s.try_receive_batch()) == errc::would_block);
        CHECK(s.counters().received == 0);
    }
    s.close();
    w.run();
}

TEST_CASE("udp: what the kernel had to drop is counted at once, and told by the next datagram") {
    world w;
    udp_options o = open_to_all();
    o.receive_buffer = 4096;
    o.log = portunus::logger::silent();
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer;
    const std::string block(512, 'x');
    for (int i = 0; i < 200; ++i) peer.send(at(loopback, s), block);
    const auto lost = s.counters().overruns;
    CHECK(lost > 0);
    CHECK(lost < 200);
    CHECK(all_there(s).size() == 200 - lost);
    peer.send(at(loopback, s), "after the gap");
    const auto d = next(w, s);
    CHECK(d.text == "after the gap");
    CHECK(d.about.lost_before == lost);
    peer.send(at(loopback, s), "and on");
    CHECK(next(w, s).about.lost_before == 0); // told once
    s.close();
    CHECK(s.counters().overruns == lost); // also of a closed one
}

// the policy

TEST_CASE("udp: a policy that was not set lets nobody in, and a refused datagram is counted") {
    world w;
    udp_options o;
    o.addresses = {loopback};
    std::vector<std::string> refused;
    o.on_filtered = [&](const datagram& d) { refused.emplace_back(d.bytes); };
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer;
    peer.send(at(loopback, s), "one");
    peer.send(at(loopback, s), "two");
    CHECK(error_of(s.try_receive()) == errc::would_block);
    CHECK(s.counters().filtered == 2);
    CHECK(s.counters().received == 0);
    CHECK(refused == std::vector<std::string>{"one", "two"});
    CHECK_FALSE(peer.has_something()); // nobody answers
}

TEST_CASE("udp: a policy decides by address, source port and interface") {
    world w;
    plain_udp friendly, stranger;
    udp_options o = anywhere();
    SECTION("source port") {
        o.policy = accept_policy::deny_all().allow("127.0.0.0/8", friendly.where().port());
    }
    SECTION("interface") {
        o.policy = accept_policy::deny_all().deny("any", stranger.where().port()).allow_on("lo");
    }
    udp_socket s(w.context.get_executor(), o);
    stranger.send(at(loopback, s), "stranger");
    friendly.send(at(loopback, s), "friend");
    CHECK(next(w, s).text == "friend");
    CHECK(s.counters().filtered == 1);
    s.set_policy(accept_policy::deny_all().allow_on("eth-none"));
    friendly.send(at(loopback, s), "friend");
    CHECK(error_of(s.try_receive()) == errc::would_block);
    CHECK(s.counters().filtered == 2);
}

TEST_CASE("udp: a callback may destroy the socket, or throw") {
    world w;
    log_book book;
    std::optional<udp_socket> s;
    udp_options o;
    o.addresses = {loopback};
    o.log = book.logger();
    plain_udp peer;
    SECTION("destroy") {
        o.on_filtered = [&](const datagram&) { s.reset(); };
        s.emplace(w.context.get_executor(), o);
        auto got = w.start(s->receive());
        w.settle();
        peer.send(at(loopback, *s), "x");
        w.until([&] { return got.done(); });
        CHECK(error_of(got.get()) == errc::aborted_locally);
    }
    SECTION("destroy from an immediate form") {
        o.on_filtered = [&](const datagram&) { s.reset(); };
        s.emplace(w.context.get_executor(), o);
        peer.send(at(loopback, *s), "x");
        CHECK(error_of(s->try_receive()) == errc::aborted_locally);
    }
    SECTION("throw") {
        o.on_filtered = [](const datagram&) { throw std::runtime_error("no"); };
        s.emplace(w.context.get_executor(), o);
        peer.send(at(loopback, *s), "x");
        CHECK(error_of(s->try_receive()) == errc::would_block);
        CHECK(book.count("on_filtered") == 1);
        CHECK(s->counters().filtered == 1);
    }
    w.run();
}

// opening

TEST_CASE("udp: several ports are one socket, which tells them apart") {
    world w;
    // Ports that are free now; another program may take one, and then the test tries others.
    std::optional<udp_socket> s;
    std::vector<std::uint16_t> ports;
    for (int tries = 0; tries < 50 && !s; ++tries) {
        std::set<std::uint16_t> some;
        {
            plain_udp a, b, c;
            some = {a.where().port(), b.where().port(), c.where().port()};
        }
        ports.assign(some.begin(), some.end());
        udp_options o = open_to_all();
        o.ports = port_list{ports[0], ports[1], ports[2]};
        auto opened = udp_socket::open(w.context.get_executor(), o);
        if (opened) s.emplace(std::move(*opened));
    }
    REQUIRE(s);
    REQUIRE(s->endpoints().size() == 3);
    plain_udp peer;
    auto waiting = w.start(s->receive());
    w.settle();
    CHECK_FALSE(waiting.done());
    peer.send({loopback, ports[2]}, "third");
    w.until([&] { return waiting.done(); });
    const auto third = keep(waiting.get());
    CHECK(third.text == "third");
    CHECK(third.about.local_port == ports[2]);

    // A busy port does not keep the others waiting.
    for (int i = 0; i < 50; ++i) peer.send({loopback, ports[0]}, "busy");
    peer.send({loopback, ports[1]}, "quiet");
    std::size_t before = 0;
    while (next(w, *s).text != "quiet") ++before;
    CHECK(before <= 4);
    while (s->try_receive()) {
    }
    CHECK(s->counters().received == 52);

    // An answer leaves from the port that was asked; every port can be chosen.
    w.run([](udp_socket& from, datagram d) -> awaitable<void> {
        must(co_await from.reply(d, "answer"));
    }(*s, third.about));
    CHECK(peer.receive().sender.port() == ports[2]);
    datagram_source source;
    source.port = ports[1];
    must(s->try_send_from(source, peer.where(), "x"));
    CHECK(peer.receive().sender.port() == ports[1]);
    source.port = 1;
    const error none = error_of(s->try_send_from(source, peer.where(), "x"));
    CHECK(none == errc::invalid_port);
    // A batch, too, comes from one of them.
    peer.send({loopback, ports[1]}, "b");
    auto batch = w.start(s->receive_batch());
    w.until([&] { return batch.done(); });
    CHECK(must(batch.get())[0].local_port == ports[1]);
    auto pending = w.start(s->receive());
    w.settle();
    s->close();
    w.run();
    CHECK(error_of(pending.get()) == errc::closed_locally);
}

TEST_CASE("udp: port 0 is one free port on all addresses") {
    world w;
    udp_options o = open_to_all();
    o.addresses = {loopback, loopback6};
    udp_socket s(w.context.get_executor(), o);
    REQUIRE(s.endpoints().size() == 2);
    CHECK(s.port() != 0);
    CHECK(s.endpoints()[1].port() == s.port());
    plain_udp peer, peer6(loopback6);
    peer.send(at(loopback, s), "4");
    peer6.send(at(loopback6, s), "6");
    std::set<std::string> both; // two sockets take turns, in whichever order
    both.insert(next(w, s).text);
    both.insert(next(w, s).text);
    CHECK(both == std::set<std::string>{"4", "6"});
    must(s.try_send(peer6.where(), "x"));
    CHECK(peer6.receive().sender == at(loopback6, s));
    must(s.try_send(peer.where(), "x"));
    CHECK(peer.receive().sender == at(loopback, s));
}

TEST_CASE("udp: what cannot be opened says why and names it") {
    world w;
    const auto open_error = [&](const udp_options& o) {
        return error_of(udp_socket::open(w.context.get_executor(), o));
    };
    udp_options o = open_to_all();
    { // what the context opens once
        udp_socket s(w.context.get_executor(), o);
    }
    const auto descriptors = open_descriptors();
    plain_udp taken;
    SECTION("a port that is taken") {
        o.ports = taken.where().port();
        const error e = open_error(o);
        CHECK(e == errc::address_in_use);
        CHECK(contains(e, portunus::to_string(taken.where())));
        CHECK_THROWS_AS(udp_socket(w.context.get_executor(), o), portunus::failure);
    }
    SECTION("an address that is not ours") {
        o.addresses = {asio::ip::make_address("203.0.113.9")};
        const error e = open_error(o);
        CHECK(e == errc::address_not_available);
        CHECK(contains(e, "203.0.113.9"));
    }
    SECTION("an interface that does not exist") {
        o.interfaces = portunus::interface_list("eth-none");
        const error e = open_error(o);
        CHECK(e == errc::no_such_interface);
        CHECK(contains(e, "eth-none"));
    }
    SECTION("no port") {
        o.ports = port_list();
        CHECK(open_error(o) == errc::invalid_port);
    }
    SECTION("options out of their range") {
        o.hops = 256;
        CHECK(contains(open_error(o), "hops 256"));
        o.hops = 0;
        o.multicast_hops = -1;
        CHECK(contains(open_error(o), "multicast_hops -1"));
        o.multicast_hops = 1;
        o.max_datagram = 0;
        CHECK(open_error(o) == errc::invalid_option);
        o.max_datagram = 65'536;
        CHECK(contains(open_error(o), "65536"));
    }
    taken.close();
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("udp: a port is shared where both sides want it") {
    world w;
    udp_options o = open_to_all(asio::ip::make_address("0.0.0.0"));
    o.reuse = true;
    udp_socket first(w.context.get_executor(), o);
    o.ports = first.port();
    udp_socket second(w.context.get_executor(), o);
    must(first.join(test_group, "lo"));
    must(second.join(test_group, "lo"));
    plain_udp peer;
    peer.multicast_by_loopback();
    peer.send({test_group, first.port()}, "both");
    CHECK(next(w, first).text == "both");
    CHECK(next(w, second).text == "both");
    o.reuse = false;
    CHECK(error_of(udp_socket::open(w.context.get_executor(), o)) == errc::address_in_use);
}

// sending

TEST_CASE("udp: send, send_from and reply reach a stranger, from where they should") {
    world w;
    udp_socket s(w.context.get_executor(), anywhere());
    plain_udp peer, peer6(loopback6);
    const asio::ip::address other = asio::ip::make_address("127.0.0.9");
    w.run([](udp_socket& from, plain_udp& p4, plain_udp& p6, asio::ip::address ninth) -> awaitable<void> {
        must(co_await from.send(p4.where(), "four"));
        must(co_await from.send(p6.where(), "six"));
        datagram_source source;
        source.local = ninth;
        must(co_await from.send_from(source, p4.where(), "from the ninth"));
        source.local = asio::ip::make_address("203.0.113.9");
        const auto foreign = co_await from.send_from(source, p4.where(), "x");
        CHECK(contains(error_of(foreign), "203.0.113.9"));
    }(s, peer, peer6, other));
    const auto four = peer.receive();
    CHECK(four.text == "four");
    CHECK(four.sender == at(loopback, s));
    CHECK(peer6.receive().sender == at(loopback6, s));
    CHECK(peer.receive().sender == at(other, s));
    CHECK(s.counters().sent == 3);

    // An answer comes from the address that was asked, or the peer would not take it for one.
    peer.send(at(other, s), "question");
    const auto d = next(w, s);
    auto answered = w.start(s.reply(d.about, "answer"));
    w.run();
    must(answered.get());
    const auto answer = peer.receive();
    CHECK(answer.text == "answer");
    CHECK(answer.sender == at(other, s));
}

TEST_CASE("udp: an IPv4-mapped target is the IPv4 address that it means") {
    world w;
    udp_socket s(w.context.get_executor(), open_to_all());
    plain_udp peer;
    must(s.try_send({asio::ip::make_address("::ffff:127.0.0.1"), peer.where().port()}, "x"));
    CHECK(peer.receive().text == "x");
    const error e = error_of(s.try_send({loopback6, 9}, "x"));
    CHECK(e == sys::address_family_not_supported);
    CHECK(contains(e, "[::1]:9"));
    datagram_source source;
    source.local = asio::ip::make_address("127.0.0.2");
    CHECK(error_of(s.try_send_from(source, peer.where(), "x")) == errc::address_not_available);
}

TEST_CASE("udp: a batch of more than one call's worth is sent in order, to both families") {
    world w;
    udp_options o = open_to_all();
    SECTION("by one socket") {
        o.addresses.clear();
    }
    SECTION("by one socket for each family") {
        o.addresses = {loopback, loopback6};
    }
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer, peer6(loopback6);
    std::vector<std::string> texts;
    for (int i = 0; i < 150; ++i) texts.push_back(std::to_string(i));
    std::vector<outgoing_datagram> all;
    for (std::size_t i = 0; i < texts.size(); ++i)
        all.push_back({i % 50 == 49 ? peer6.where() : peer.where(), texts[i]});
    auto sent = w.start(s.send_batch(all));
    w.run();
    CHECK(must(sent.get()) == 150);
    for (int i = 0; i < 150; ++i) {
        plain_udp& to = i % 50 == 49 ? peer6 : peer;
        CHECK(to.receive().text == std::to_string(i));
    }
    CHECK(s.counters().sent == 150);
    auto none = w.start(s.send_batch({}));
    w.run();
    CHECK(must(none.get()) == 0);
}

TEST_CASE("udp: datagrams of a batch arrive as they were given, whatever the kernel has to cut") {
    world w;
    udp_socket s(w.context.get_executor(), open_to_all());
    plain_udp peer, other;
    // Sizes around those that are cut by the kernel: one size and a shorter end, none at all, too large to be
    // cut.
    const std::vector<std::size_t> sizes{100, 100,  100, 40,   40,   41,    0,     0,     7, 1452, 1452, 1452,
                                         1,   1453, 9,   1453, 1453, 30000, 30000, 30000, 5, 5,    5};
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < sizes.size(); ++i)
        texts.push_back(std::string(sizes[i], static_cast<char>('a' + i)));
    std::vector<outgoing_datagram> all;
    for (const auto& text : texts) all.push_back({peer.where(), text});
    all.insert(all.begin() + 1, {other.where(), texts[0]}); // in the middle of a run
    auto sent = w.start(s.send_batch(all));
    w.run();
    CHECK(must(sent.get()) == all.size());
    CHECK(s.counters().sent == all.size());
    CHECK((other.receive().text == texts[0]));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        INFO("datagram " << i << " of " << sizes[i] << " bytes");
        CHECK((peer.receive().text == texts[i]));
    }
}

TEST_CASE("udp: what the kernel has joined is given out one by one, as it was sent") {
    world w;
    udp_options o = open_to_all();
    o.receive_offload = true;
    const bool small = GENERATE(false, true);
    if (small) o.max_datagram = 60;
    udp_socket s(w.context.get_executor(), o);
    udp_socket sender(w.context.get_executor(), open_to_all());
    std::vector<std::string> texts;
    for (int i = 0; i < 200; ++i) texts.push_back(std::string(100, static_cast<char>(i)));
    texts.push_back("the end");
    std::vector<outgoing_datagram> all;
    for (const auto& text : texts) all.push_back({at(loopback, s), text});
    auto sent = w.start(sender.send_batch(all));
    w.run();
    REQUIRE(must(sent.get()) == all.size());

    std::size_t n = 0;
    const auto check = [&](const datagram& d) {
        REQUIRE(n < texts.size());
        CHECK(d.size == texts[n].size());
        CHECK(d.truncated == (small && d.size > 60));
        CHECK((d.bytes == std::string_view(texts[n]).substr(0, o.max_datagram)));
        CHECK(d.sender.port() == sender.port());
        CHECK(d.local == loopback);
        ++n;
    };
    SECTION("one at a time") {
        while (auto got = s.try_receive()) check(*got);
    }
    SECTION("by batches") {
        while (auto got = s.try_receive_batch()) {
            CHECK(got->size() <= 64);
            for (const datagram& d : *got) check(d);
        }
    }
    SECTION("in turns, and nothing is overtaken") {
        for (;;) {
            auto one = s.try_receive();
            if (!one) break;
            check(*one);
            auto batch = s.try_receive_batch();
            if (!batch) break;
            for (const datagram& d : *batch) check(d);
        }
    }
    SECTION("a policy that comes in between holds for the rest") {
        check(must(s.try_receive()));
        s.set_policy(accept_policy::deny_all());
        CHECK(error_of(s.try_receive()) == errc::would_block);
        CHECK(s.counters().filtered == 200);
        n = texts.size();
    }
    CHECK(n == texts.size());
    CHECK(s.counters().received + s.counters().filtered == texts.size());
}

TEST_CASE("udp: hops are what the options say, and multicast hops can be changed") {
    world w;
    udp_options o = anywhere();
    o.hops = 42;
    o.multicast_hops = 0;
    udp_socket s(w.context.get_executor(), o);
    plain_udp peer, peer6(loopback6);
    must(s.try_send(peer.where(), "x"));
    CHECK(peer.receive().ttl == 42);
    must(s.try_send(peer6.where(), "x"));
    CHECK(peer6.receive().ttl == 42);

    plain_udp member(asio::ip::address_v4::any());
    const ip_mreqn join{{htonl(test_group.to_v4().to_uint())}, {}, 1};
    REQUIRE(::setsockopt(member.fd(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) == 0);
    datagram_source by_loopback;
    by_loopback.interface = ::if_nametoindex("lo");
    const udp::endpoint to(test_group, member.where().port());
    must(s.try_send_from(by_loopback, to, "x"));
    CHECK(member.receive().ttl == 0);
    must(s.set_multicast_hops(7));
    must(s.try_send_from(by_loopback, to, "x"));
    CHECK(member.receive().ttl == 7);
    CHECK(error_of(s.set_multicast_hops(256)) == errc::invalid_option);
    CHECK(error_of(s.set_multicast_hops(-1)) == errc::invalid_option);
}

// groups

TEST_CASE("udp: a group is received from the moment it is joined until it is left") {
    world w;
    udp_socket s(w.context.get_executor(), anywhere());
    plain_udp peer;
    peer.multicast_by_loopback();
    const asio::ip::address group = test_group; // an IPv6 group has no route by the loopback
    const udp::endpoint to(group, s.port());
    // Somebody else on this machine is a member; that is no reason for us to hear it.
    udp_socket other(w.context.get_executor(), anywhere());
    must(other.join(group, "lo"));
    peer.send(to, "before");
    CHECK(all_there(s).empty());
    must(s.join(group, portunus::interface_choice(::if_nametoindex("lo"))));
    peer.send(to, "now");
    const auto d = next(w, s);
    CHECK(d.text == "now");
    CHECK(d.about.to_multicast);
    CHECK_FALSE(d.about.to_broadcast);
    CHECK(d.about.local == group);
    CHECK(d.about.interface == ::if_nametoindex("lo"));
    const auto source = d.about.reply_source();
    CHECK(source.local.is_unspecified()); // nobody can answer from a group's address
    CHECK(source.interface == d.about.interface);
    must(s.leave(group, "lo"));
    peer.send(to, "after");
    CHECK(all_there(s).empty());
    must(s.join(group, loopback)); // by an address of ours
    peer.send(to, "again");
    CHECK(next(w, s).text == "again");
    CHECK(must(s.leave_all(group)) == 1);
    peer.send(to, "after");
    CHECK(all_there(s).empty());
}

TEST_CASE("udp: every mistake with a group is an error of its own that names it") {
    world w;
    udp_socket s(w.context.get_executor(), anywhere());
    must(s.join(test_group, "lo"));

    const error twice = error_of(s.join(test_group, "lo"));
    CHECK(twice == errc::address_in_use);
    CHECK(contains(twice, "239.231.7.1 on lo"));
    CHECK(error_of(s.join(asio::ip::make_address("::ffff:239.231.7.1"), "lo")) == errc::address_in_use);

    const error not_joined = error_of(s.leave(asio::ip::make_address("239.231.7.2"), "lo"));
    CHECK(not_joined == errc::address_not_available);
    CHECK(contains(not_joined, "239.231.7.2 on lo"));
    must(s.leave(test_group, "lo"));
    CHECK(error_of(s.leave(test_group, "lo")) == errc::address_not_available);
    CHECK(error_of(s.leave_all(test_group)) == errc::address_not_available);

    const error no_group = error_of(s.join(asio::ip::make_address("192.168.1.1"), "lo"));
    CHECK(no_group == errc::invalid_address);
    CHECK(contains(no_group, "192.168.1.1"));
    CHECK(error_of(s.join_all(loopback6)) == errc::invalid_address);

    const error no_interface = error_of(s.join(test_group, "eth-none"));
    CHECK(no_interface == errc::no_such_interface);
    CHECK(contains(no_interface, "eth-none"));
    CHECK(contains(no_interface, "239.231.7.1"));
    CHECK(error_of(s.join(test_group, 1'000'000u)) == errc::no_such_interface);
    const error no_address = error_of(s.join(test_group, asio::ip::make_address("203.0.113.9")));
    CHECK(no_address == errc::no_such_interface);
    CHECK(contains(no_address, "203.0.113.9"));

    udp_socket bound(w.context.get_executor(), open_to_all());
    const error deaf = error_of(bound.join(test_group, "lo"));
    CHECK(deaf == errc::invalid_option);
    CHECK(contains(deaf, "127.0.0.1"));
    CHECK(error_of(bound.join(test_group6, "lo")) == sys::address_family_not_supported);

    s.close();
    CHECK(error_of(s.join(test_group, "lo")) == errc::closed_locally);
}

TEST_CASE("udp: only the source that was asked for is heard") {
    world w;
    udp_socket s(w.context.get_executor(), anywhere());
    const asio::ip::address group = asio::ip::make_address("232.231.7.1");
    plain_udp wanted(asio::ip::make_address("127.0.0.2")), other(asio::ip::make_address("127.0.0.3"));
    wanted.multicast_by_loopback();
    other.multicast_by_loopback();
    must(s.join_source(group, wanted.where().address(), "lo"));
    other.send({group, s.port()}, "other");
    wanted.send({group, s.port()}, "wanted");
    CHECK(all_there(s) == std::vector<std::string>{"wanted"});
    CHECK(error_of(s.join_source(group, wanted.where().address(), "lo")) == errc::address_in_use);
    const error mixed = error_of(s.join(group, "lo"));
    CHECK(mixed == errc::address_in_use);
    CHECK(contains(mixed, "127.0.0.2"));
    CHECK(error_of(s.leave_source(group, other.where().address(), "lo")) == errc::address_not_available);
    CHECK(error_of(s.join_source(group, loopback6, "lo")) == errc::invalid_address);
    must(s.join_source(group, other.where().address(), "lo"));
    other.send({group, s.port()}, "other");
    CHECK(all_there(s) == std::vector<std::string>{"other"});
    must(s.leave_source(group, wanted.where().address(), "lo"));
    wanted.send({group, s.port()}, "wanted");
    other.send({group, s.port()}, "other");
    CHECK(all_there(s) == std::vector<std::string>{"other"});
    CHECK(must(s.leave_all(group)) == 1);
}

// broadcasts

TEST_CASE("udp: broadcasts are received only where they are wanted") {
    world w;
    udp_options o = anywhere();
    SECTION("not by default") {
        udp_socket s(w.context.get_executor(), o);
        plain_udp peer;
        peer.send(at(asio::ip::make_address("127.255.255.255"), s), "to all");
        peer.send(at(loopback, s), "to you");
        CHECK(all_there(s) == std::vector<std::string>{"to you"});
        CHECK(s.counters().filtered == 1);
    }
    SECTION("when asked for, and marked") {
        o.receive_broadcasts = true;
        udp_socket s(w.context.get_executor(), o);
        plain_udp peer;
        peer.send(at(asio::ip::make_address("127.255.255.255"), s), "to all");
        const auto d = next(w, s);
        CHECK(d.text == "to all");
        CHECK(d.about.to_broadcast);
        CHECK_FALSE(d.about.to_multicast);
        auto answered = w.start(s.reply(d.about, "me"));
        w.run();
        must(answered.get());
        CHECK(peer.receive().text == "me");
        peer.send(at(loopback, s), "to you");
        CHECK_FALSE(next(w, s).about.to_broadcast);
    }
}

TEST_CASE("udp: a send cannot broadcast, not even after a broadcast") {
    world w;
    udp_options o = anywhere();
    o.receive_broadcasts = true;
    udp_socket s(w.context.get_executor(), o);
    const udp::endpoint all = at(asio::ip::make_address("127.255.255.255"), s);
    CHECK(error_of(s.try_send(all, "x")) == sys::permission_denied);
    must(s.broadcast_on("lo", s.port(), "limited"));
    const auto d = next(w, s); // we are one of everybody
    CHECK(d.text == "limited");
    CHECK(d.about.to_broadcast);
    CHECK(d.about.local == asio::ip::address_v4::broadcast());
    CHECK(error_of(s.try_send(all, "x")) == sys::permission_denied);
    CHECK(error_of(s.broadcast_on("eth-none", 9, "x")) == errc::no_such_interface);
    CHECK(error_of(s.broadcast_on("lo", 9, pattern(65'508))) == condition::too_large);
    CHECK(error_of(s.broadcast(9, pattern(65'508))).code().failed());
    udp_socket six(w.context.get_executor(), open_to_all(loopback6));
    CHECK(error_of(six.broadcast_on("lo", 9, "x")) == sys::address_family_not_supported);
}

TEST_CASE("udp: a broadcast goes to the subnet of every interface that works, and join_all joins them all") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    network_pair net;
    net.join("near1", "far1");
    net.add_address(net.near(), "10.231.1.1/24", "near1");
    net.add_address(net.far(), "10.231.1.2/24", "far1");
    net.add_address(net.near(), "10.231.0.9/24"); // one broadcast address, two of ours
    world w;
    constexpr std::uint16_t port = 7001;
    udp_options o = anywhere();
    o.receive_broadcasts = true;
    o.ports = port;
    std::optional<udp_socket> near, far;
    net.inside(net.near(), [&] { near.emplace(w.context.get_executor(), anywhere()); });
    net.inside(net.far(), [&] { far.emplace(w.context.get_executor(), o); });
    CHECK(net.inside(net.near(), [&] { return must(near->broadcast(port, "to all")); }) == 2);
    std::set<std::string> heard;
    for (int i = 0; i < 2; ++i) {
        const auto d = next(w, *far);
        CHECK(d.text == "to all");
        CHECK(d.about.to_broadcast);
        heard.insert(d.about.local.to_string() + " from " + d.about.sender.address().to_string());
    }
    CHECK(heard == std::set<std::string>{"10.231.0.255 from 10.231.0.1", "10.231.1.255 from 10.231.1.1"});
    CHECK(error_of(far->try_receive()) == errc::would_block);

    net.inside(net.near(), [&] { must(near->broadcast_on("near1", port, "one link")); });
    const auto limited = next(w, *far);
    CHECK(limited.about.local == asio::ip::address_v4::broadcast());
    CHECK(limited.about.sender.address() == asio::ip::make_address("10.231.1.1"));

    // groups
    for (const auto& group : {test_group, test_group6}) {
        CHECK(net.inside(net.far(), [&] { return must(far->join_all(group)); }) == 2);
        CHECK(net.inside(net.far(), [&] { return must(far->join_all(group)); }) == 0); // all are there
        for (const char* by : {"near0", "near1"}) {
            datagram_source source;
            source.interface = net.inside(net.near(), [&] { return ::if_nametoindex(by); });
            must(near->try_send_from(source, {group, port}, by));
            const auto d = next(w, *far);
            CHECK(d.text == by);
            CHECK(d.about.interface == net.inside(net.far(), [&] {
                return ::if_nametoindex(std::string(by) == "near0" ? "far0" : "far1");
            }));
        }
        CHECK(net.inside(net.far(), [&] { return must(far->leave_all(group)); }) == 2);
    }

    // an IPv6 group on one interface, and on the other not
    net.inside(net.far(), [&] { must(far->join(test_group6, "far1")); });
    for (const char* by : {"near0", "near1"}) {
        datagram_source source;
        source.interface = net.inside(net.near(), [&] { return ::if_nametoindex(by); });
        must(near->try_send_from(source, {test_group6, port}, by));
    }
    const auto here = next(w, *far);
    CHECK(here.text == "near1");
    CHECK(here.about.to_multicast);
    CHECK(here.about.local == test_group6);
    // An answer goes back by the interface of the question, to a link-local address.
    CHECK(here.about.sender.address().to_v6().is_link_local());
    must(far->try_send_from(here.about.reply_source(), here.about.sender, "answer"));
    CHECK(next(w, *near).text == "answer");
    net.inside(net.far(), [&] { must(far->leave(test_group6, "far1")); });
    CHECK(error_of(far->try_receive()) == errc::would_block);

    // nobody to broadcast to
    net.link_down(net.near());
    net.ip(net.near(), {"link", "set", "near1", "down"});
    const error none = net.inside(net.near(), [&] { return error_of(near->broadcast(port, "nobody")); });
    CHECK(none == errc::no_such_interface);
}

TEST_CASE("udp: a send waits for room in the system's buffer, as long as its limit says") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    network_pair net;
    world w; // a clock that stands still
    std::optional<udp_socket> s;
    udp_options o = anywhere();
    o.send_limit = 5s;
    net.inside(net.near(), [&] {
        // Nobody has this address: while that is found out, datagrams wait in the kernel, and fill it.
        network_pair::set_sysctl("net/ipv4/neigh/near0/unres_qlen_bytes", "16000000");
        network_pair::set_sysctl("net/ipv4/neigh/near0/retrans_time_ms", "60000");
        s.emplace(w.context.get_executor(), o);
    });
    const udp::endpoint nobody(asio::ip::make_address("10.231.0.99"), 9);
    const std::string block = pattern(1400);
    for (int i = 0; i < 10'000; ++i) {
        auto sent = s->try_send(nobody, block);
        if (sent) continue;
        REQUIRE(sent.error() == errc::would_block);
        break;
    }
    REQUIRE(error_of(s->try_send(nobody, block)) == errc::would_block);
    const std::vector<outgoing_datagram> all{{nobody, block}, {nobody, block}};
    auto first = w.start(s->send(nobody, block));
    auto second = w.start(s->send_batch(all));
    auto reading = w.start(s->receive());
    w.settle();
    CHECK_FALSE(first.done());
    SECTION("it gives up") {
        w.pass(4s);
        CHECK_FALSE(first.done());
        CHECK_FALSE(second.done());
        w.pass(1s);
        w.until([&] { return first.done() && second.done(); });
        CHECK(error_of(first.get()) == errc::write_timeout);
        const error batch = error_of(second.get());
        CHECK(batch == errc::write_timeout);
        CHECK(contains(batch, "0 of 2"));
        CHECK_FALSE(reading.done()); // the other direction waits on
        s->close();
        w.run();
        CHECK(error_of(reading.get()) == errc::closed_locally);
    }
    SECTION("it is cancelled") {
        s->cancel();
        w.run();
        CHECK(error_of(first.get()) == errc::canceled);
        CHECK(error_of(second.get()) == errc::canceled);
        CHECK(error_of(reading.get()) == errc::canceled);
    }
    SECTION("the call is cancelled") {
        first.cancel();
        w.until([&] { return first.done(); });
        CHECK(error_of(first.get()) == errc::canceled);
        CHECK_FALSE(second.done());
        s.reset();
        w.run();
        CHECK(error_of(second.get()) == errc::aborted_locally);
        CHECK(error_of(reading.get()) == errc::aborted_locally);
    }
    SECTION("there is room again") {
        net.link_down(net.near()); // what waited for the neighbour is dropped
        w.until([&] { return first.done() && second.done(); });
        CHECK(error_of(first.get()) == sys::network_unreachable); // and this is a new attempt
        s->close();
        w.run();
    }
}

// ICMP

TEST_CASE("udp: an ICMP report is told and counted, and ends neither a receive nor a later send") {
    world w;
    const bool v6 = GENERATE(false, true);
    const asio::ip::address on = v6 ? loopback6 : loopback;
    std::vector<icmp_error> reports;
    udp_options o = GENERATE(true, false) ? anywhere() : open_to_all(on);
    o.on_icmp_error = [&](const icmp_error& e) { reports.push_back(e); };
    udp_socket s(w.context.get_executor(), o);
    plain_udp gone(on), peer(on);
    const udp::endpoint closed_port = gone.where();
    gone.close();
    auto receiving = w.start(s.receive());
    w.settle();
    must(s.try_send(closed_port, "anybody?"));
    w.until([&] { return !reports.empty(); });
    w.settle();
    CHECK_FALSE(receiving.done());
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].type == (v6 ? 1 : 3)); // destination unreachable
    CHECK(reports[0].code == (v6 ? 4 : 3)); // port unreachable
    CHECK(reports[0].offender == on);
    CHECK(reports[0].destination == closed_port);
    CHECK(reports[0].meaning == sys::connection_refused);
    // Without a receive that looks: the next send meets the report, and sends nevertheless.
    must(s.try_send(closed_port, "again?"));
    must(s.try_send(peer.where(), "not your trouble"));
    CHECK(reports.size() == 2);
    CHECK(peer.receive().text == "not your trouble");
    peer.send(at(on, s), "data");
    w.until([&] { return receiving.done(); });
    CHECK(keep(receiving.get()).text == "data");
    CHECK(s.counters().icmp_errors == 2);
    // The same for a batch.
    must(s.try_send(closed_port, "and again?"));
    const std::vector<outgoing_datagram> all{{peer.where(), "1"}, {peer.where(), "2"}};
    auto sent = w.start(s.send_batch(all));
    w.run();
    CHECK(must(sent.get()) == 2);
    CHECK(peer.receive().text == "1");
    CHECK(peer.receive().text == "2");
    CHECK(s.counters().icmp_errors == 3);
}

TEST_CASE("udp: nobody who did not ask hears of ICMP") {
    world w;
    udp_socket s(w.context.get_executor(), open_to_all());
    plain_udp gone;
    const auto closed_port = gone.where();
    gone.close();
    must(s.try_send(closed_port, "anybody?"));
    must(s.try_send(closed_port, "anybody?"));
    CHECK(error_of(s.try_receive()) == errc::would_block);
    CHECK(s.counters().icmp_errors == 0);
}

// life and death

TEST_CASE("udp: one receives at a time, and every end has its reason") {
    world w;
    std::optional<udp_socket> s(std::in_place, w.context.get_executor(), open_to_all());
    plain_udp peer;
    auto first = w.start(s->receive());
    w.settle();
    CHECK(receive_error(w, *s) == errc::operation_in_progress);
    CHECK(error_of(s->try_receive()) == errc::operation_in_progress);
    CHECK(error_of(s->try_receive_batch()) == errc::operation_in_progress);
    SECTION("cancel leaves it usable") {
        s->cancel();
        w.until([&] { return first.done(); });
        CHECK(error_of(first.get()) == errc::canceled);
        peer.send(at(loopback, *s), "still there");
        CHECK(next(w, *s).text == "still there");
    }
    SECTION("a cancelled call loses no datagram") {
        first.cancel();
        peer.send(at(loopback, *s), "kept");
        w.until([&] { return first.done(); });
        const auto outcome = first.get();
        if (!outcome)
            CHECK(next(w, *s).text == "kept");
        else
            CHECK(outcome->bytes == "kept");
    }
    SECTION("close") {
        s->close();
        w.until([&] { return first.done(); });
        CHECK(error_of(first.get()) == errc::closed_locally);
        CHECK_FALSE(s->is_open());
        CHECK(receive_error(w, *s) == errc::closed_locally);
        CHECK(error_of(s->try_receive()) == errc::closed_locally);
        CHECK(error_of(s->try_send(peer.where(), "x")) == errc::closed_locally);
        CHECK(error_of(s->broadcast(9, "x")) == errc::closed_locally);
        CHECK(s->port() != 0); // is still known
    }
    SECTION("destruction") {
        s.reset();
        w.until([&] { return first.done(); });
        CHECK(error_of(first.get()) == errc::aborted_locally);
    }
    SECTION("another one takes its place") {
        *s = udp_socket(w.context.get_executor(), open_to_all());
        w.until([&] { return first.done(); });
        CHECK(error_of(first.get()) == errc::aborted_locally);
        peer.send(at(loopback, *s), "new");
        CHECK(next(w, *s).text == "new");
    }
    s.reset();
    w.run();
}

TEST_CASE("udp: a moved-from socket is a closed one") {
    world w;
    udp_socket a(w.context.get_executor(), open_to_all());
    const udp_socket b = std::move(a);
    CHECK(b.is_open());
    CHECK_FALSE(a.is_open()); // NOLINT
    CHECK(error_of(a.try_receive()) == errc::closed_locally);
    CHECK(receive_error(w, a) == errc::closed_locally);
    a.close();
    a.cancel();
    CHECK(a.counters().received == 0);
}

TEST_CASE("udp: a socket can be destroyed at every point, before its context and after it") {
    const bool several = GENERATE(false, true);
    struct body {
        std::optional<udp_socket> one, two;
        body(asio::io_context& context, bool many) {
            udp_options o = open_to_all();
            if (many) o.addresses = {loopback, loopback6};
            one.emplace(context.get_executor(), o);
            two.emplace(context.get_executor(), o);
        }
        awaitable<void> operator()() {
            for (int i = 0; i < 3; ++i) {
                if (!one || !two) co_return;
                const udp::endpoint to(loopback, two->port());
                auto waiting = portunus::testing::start(two->get_executor(), two->receive());
                co_await portunus::testing::settle();
                if (!one) co_return;
                auto sent = co_await one->send(to, "ping");
                if (!sent) co_return;
                auto got = co_await waiting.join();
                if (!got || !one || !two) co_return;
                auto batch = portunus::testing::start(one->get_executor(), one->receive_batch());
                auto answered = co_await two->reply(*got, got->bytes);
                if (!answered) co_return;
                auto all = co_await batch.join();
                if (!all) co_return;
                CHECK(all->size() == 1);
            }
        }
        void drop() {
            one.reset();
            two.reset();
        }
    };
    CHECK(destroy_at_every_point([several](asio::io_context& context) { return body(context, several); }) >
          6);
}

TEST_CASE("udp: no descriptor is left behind") {
    world w;
    { // what the context opens once
        udp_socket s(w.context.get_executor(), anywhere());
    }
    const auto before = open_descriptors();
    for (int i = 0; i < 3; ++i) {
        udp_options o = open_to_all();
        o.addresses = {loopback, loopback6};
        udp_socket s(w.context.get_executor(), o);
        auto got = w.start(s.receive());
        w.settle();
        s.close();
        w.run();
        CHECK(error_of(got.get()) == errc::closed_locally);
    }
    CHECK(open_descriptors() == before);
}
