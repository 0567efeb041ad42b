// SPDX-License-Identifier: BSL-1.0
// A listener behind proxies that name the true peer.
#include <portunus/net/tcp_listener.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/proxy_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::accepted;
using portunus::address_rule;
using portunus::errc;
using portunus::error;
using portunus::listener_options;
using portunus::runtime;
using portunus::tcp_listener;
using portunus::testing::destroy_at_every_point;

namespace {

/// A door whose proxy is this machine.
listener_options proxied_door() {
    listener_options door = any_door();
    door.proxy.from = {address_rule("127.0.0.0/8")};
    return door;
}

tcp::endpoint at(const std::string& address, std::uint16_t port) {
    return {asio::ip::make_address(address), port};
}

/// What the test needs to know of everybody who came in.
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

struct scene {
    explicit scene(listener_options door) : listener(w.context.get_executor(), std::move(door)) {
        w.spawn(accept_all(listener, c));
        w.settle();
    }
    plain_socket connect(std::string_view says) {
        auto peer = plain_socket::connected_to(listener.endpoints().front());
        if (!says.empty()) peer.send(says);
        return peer;
    }
    void until_in(std::size_t count) {
        w.until([&] { return c.in.size() >= count; });
    }
    ending ended(const plain_socket& peer) {
        ending how = ending::open; // the kernel tells a reset once
        w.until([&] { return (how = peer.peek()) != ending::open; });
        return how;
    }
    std::string received(std::size_t index) {
        std::string text(64, '\0');
        const auto n = c.in[index].stream.try_read_some(asio::buffer(text));
        text.resize(n ? *n : 0);
        return text;
    }

    world w;
    crowd c;
    tcp_listener listener;
};

const std::string line = "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n";

} // namespace

TEST_CASE("behind a proxy the peer is the client that the header names, and the rest is the session's") {
    const auto [header, client] = GENERATE_COPY(table<std::string, tcp::endpoint>({
        {line, at("203.0.113.9", 4711)},
        {"PROXY TCP6 2001:db8::7 ::1 9 10\r\n", at("2001:db8::7", 9)},
        {proxy_v2_tcp4("203.0.113.9", 4711, "192.0.2.1", 443, proxy_tlv(2, "name")), at("203.0.113.9", 4711)},
    }));
    scene s(proxied_door());
    auto proxy = s.connect(header + "hello");
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == client);
    CHECK(s.c.in[0].peer.proxy == proxy.local());
    CHECK(s.c.in[0].peer.local == s.listener.endpoints().front());
    CHECK(s.c.in[0].stream.remote_endpoint() == client);
    CHECK(s.received(0) == "hello");
    CHECK(s.listener.snapshot().accepted == 1);
}

TEST_CASE("a header that comes byte by byte takes not a byte of what follows") {
    const std::string header =
        GENERATE(as<std::string>{}, line, proxy_v2_tcp4("203.0.113.9", 4711, "192.0.2.1", 443));
    scene s(proxied_door());
    auto proxy = s.connect("");
    const int on = 1;
    ::setsockopt(proxy.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (const char c : header) {
        CHECK(s.c.in.empty());
        proxy.send(std::string_view(&c, 1));
        s.w.settle();
    }
    proxy.send("x");
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == at("203.0.113.9", 4711));
    s.w.until([&] { return s.received(0) == "x"; });
}

TEST_CASE("a peer that is no proxy is not believed, whatever it says") {
    auto door = proxied_door();
    door.proxy.from = {address_rule("127.0.0.9"), address_rule("10.0.0.0/8")};
    scene s(std::move(door));
    auto liar = s.connect(line);
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == liar.local());
    CHECK(s.c.in[0].peer.proxy.port() == 0);
    s.w.until([&] { return s.received(0) == line; });
}

TEST_CASE("with `only`, who comes past the proxies is refused") {
    auto door = proxied_door();
    door.proxy.from = {address_rule("127.0.0.9")};
    door.proxy.only = true;
    scene s(std::move(door));
    auto direct = s.connect("");
    CHECK(s.ended(direct) == ending::reset);
    CHECK(s.listener.snapshot().refused_by_policy == 1);
    auto proxy = plain_socket::connected_to(s.listener.endpoints().front(), at("127.0.0.9", 0));
    proxy.send(line);
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == at("203.0.113.9", 4711));
}

TEST_CASE("the policy decides about the named client, and the proxy needs no rule of its own") {
    auto door = proxied_door();
    door.policy = accept_policy::deny_all().allow("203.0.113.0/24");
    scene s(std::move(door));
    auto denied = s.connect("PROXY TCP4 198.51.100.1 192.0.2.1 1 2\r\n");
    CHECK(s.ended(denied) == ending::reset);
    CHECK(s.listener.snapshot().refused_by_policy == 1);
    auto allowed = s.connect(line);
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == at("203.0.113.9", 4711));
}

TEST_CASE("where a proxy names nobody the peer is the proxy itself") {
    const std::string header =
        GENERATE_COPY(std::string("PROXY UNKNOWN\r\n"), proxy_v2(0x20, 0x00, ""), proxy_v2(0x21, 0x00, ""));
    auto door = proxied_door();
    const bool allowed = GENERATE(true, false);
    door.policy = allowed ? accept_policy::only("127.0.0.0/8") : accept_policy::only("203.0.113.0/24");
    scene s(std::move(door));
    auto proxy = s.connect(header);
    if (!allowed) {
        CHECK(s.ended(proxy) == ending::reset);
        return;
    }
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == proxy.local());
    CHECK(s.c.in[0].peer.proxy.port() == 0);
}

TEST_CASE("admission counts the named clients, not the proxy") {
    auto door = proxied_door();
    door.limits.max_per_address = 1;
    scene s(std::move(door));
    auto first = s.connect(line);
    s.until_in(1);
    auto second = s.connect(line);
    CHECK(s.ended(second) == ending::reset);
    CHECK(s.listener.snapshot().refused_by_address == 1);
    auto other = s.connect("PROXY TCP4 203.0.113.10 192.0.2.1 4711 443\r\n");
    s.until_in(2);
}

TEST_CASE("a proxy without a right header is reset and counted, and the others go on") {
    const std::string wrong = GENERATE(
        std::string("GET / HTTP/1.1\r\n\r\n"), std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n"),
        proxy_v2(0x21, 0x12, v4_bytes("1.2.3.4") + v4_bytes("5.6.7.8") + "\1\2\3\4"), // of a datagram
        proxy_v2(0x21, 0x00, std::string(9000, 'x')));
    const log_book log;
    auto door = proxied_door();
    door.log = log.logger();
    scene s(std::move(door));
    auto bad = s.connect(wrong);
    CHECK(s.ended(bad) == ending::reset);
    CHECK(s.listener.snapshot().protocol_errors == 1);
    CHECK(log.count("the connection of a proxy was refused") == 1);
    auto good = s.connect(line);
    s.until_in(1);
    CHECK(s.listener.snapshot().accepted == 1);
}

TEST_CASE("a proxy that hangs up without a word is no protocol error, one that ends within its header is") {
    scene s(proxied_door());
    {
        auto look = s.connect("");
        s.w.settle();
        if (GENERATE(true, false)) look.reset();
    }
    auto half = s.connect("PROXY TCP4 1.2");
    half.shutdown_send();
    CHECK(s.ended(half) == ending::reset);
    CHECK(s.listener.snapshot().protocol_errors == 1);
}

TEST_CASE("a header that is late ends its connection, however its bytes trickle") {
    scene s(proxied_door());
    auto slow = s.connect("PROXY ");
    for (int i = 0; i < 2; ++i) {
        s.w.pass(1s);
        CHECK(slow.peek() == ending::open);
        slow.send("T");
        s.w.settle();
    }
    s.w.pass(1100ms);
    CHECK(s.ended(slow) == ending::reset);
    CHECK(s.c.in.empty());
    CHECK(s.listener.snapshot().protocol_errors == 1);
}

TEST_CASE("while as many as allowed wait for their headers, nobody else is accepted") {
    auto door = proxied_door();
    door.proxy.max_waiting = 2;
    scene s(std::move(door));
    auto one = s.connect(""), two = s.connect("");
    s.w.settle();
    auto third = s.connect(line);
    for (int i = 0; i < 20; ++i) s.w.settle();
    CHECK(s.c.in.empty());
    s.w.pass(3100ms);
    s.until_in(1);
    CHECK(s.c.in[0].peer.remote == at("203.0.113.9", 4711));
    CHECK(s.listener.snapshot().protocol_errors == 2);
}

TEST_CASE("who has a header waits for a place where newcomers wait") {
    auto door = proxied_door();
    door.limits.max_connections = 1;
    door.limits.full = portunus::when_full::wait;
    scene s(std::move(door));
    auto first = s.connect(line);
    s.until_in(1);
    auto second = s.connect(line);
    auto third = s.connect(line);
    for (int i = 0; i < 20; ++i) s.w.settle();
    CHECK(s.c.in.size() == 1);
    s.c.in.clear();
    s.until_in(1);
    s.c.in.clear();
    s.until_in(1);
    CHECK(s.listener.snapshot().accepted == 3);
}

TEST_CASE("who is before his header when the listener stops is still let in") {
    scene s(proxied_door());
    auto peer = s.connect("PROXY TCP4 203.0.113.9 ");
    s.w.settle();
    s.listener.stop();
    s.w.settle();
    CHECK_FALSE(s.c.over);
    peer.send("192.0.2.1 4711 443\r\n");
    s.until_in(1);
    s.w.until([&] {
        s.w.time.advance(10ms);
        return s.c.over;
    });
    CHECK(s.c.ended == errc::listener_closed);
}

TEST_CASE("proxies that let nobody in are refused as an option") {
    world w;
    auto door = any_door();
    door.proxy.only = true;
    CHECK(error_of(tcp_listener::open(w.context.get_executor(), door)) == errc::invalid_option);
    door = proxied_door();
    door.proxy.max_waiting = 0;
    CHECK(error_of(tcp_listener::open(w.context.get_executor(), door)) == errc::invalid_option);
}

TEST_CASE("a server behind a proxy serves clients of both families, on several contexts") {
    runtime rt(2, portunus::logger::silent());
    auto tell = [](portunus::tcp_stream stream, portunus::peer_info peer) -> awaitable<void> {
        const std::string text =
            portunus::to_string(stream.remote_endpoint()) + " " + std::to_string(peer.proxy.port());
        auto sent = co_await stream.write(text);
        (void)sent;
    };
    const auto server = rt.listen(proxied_door(), tell);
    running r(rt);
    for (const auto& [header, client] : {std::pair<std::string, std::string>{line, "203.0.113.9:4711"},
                                         {"PROXY TCP6 2001:db8::7 ::1 9 10\r\n", "[2001:db8::7]:9"}}) {
        auto peer = connect_to(server);
        peer.send(header);
        const std::string expected = client + " " + std::to_string(peer.local().port());
        CHECK(peer.read_to_end() == std::pair(expected, ending::eof));
    }
    CHECK(r.stop() == 0);
}

TEST_CASE("a listener can be destroyed at every point, with headers that come and do not come") {
    struct play {
        std::optional<tcp_listener> listener;
        std::vector<plain_socket> peers;
        std::vector<accepted> in;
        awaitable<void> operator()() {
            for (int i = 0; i < 3 && listener; ++i) {
                for (const std::string_view says :
                     {std::string_view(line), std::string_view("PROXY"), std::string_view("no")}) {
                    peers.push_back(plain_socket::connected_to(listener->endpoints().front()));
                    peers.back().send(says);
                }
                auto next = co_await listener->accept();
                if (!next) break;
                in.push_back(std::move(*next));
            }
            in.clear(); // their limits keep the context alive
        }
        void drop() { listener.reset(); }
    };
    const auto handlers = destroy_at_every_point([](asio::io_context& context) {
        play p;
        auto door = proxied_door();
        door.proxy.limit = 50ms;
        p.listener.emplace(context.get_executor(), std::move(door));
        return p;
    });
    CHECK(handlers > 3);
}
