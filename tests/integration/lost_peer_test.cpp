// SPDX-License-Identifier: BSL-1.0
// What the library notices when the other side disappears: cables that are pulled, packets that are dropped,
// addresses and interfaces that go, peers that die, reboot and come back. In networks that the tests make.
//
// The clock is the real one, as the kernel's own timers take part. That something is never early is asserted
// where it is promised; how late it is bounds nothing but a watchdog.
#include <portunus/net/connector.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/tcp_stream.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/network_namespace.hpp"
#include "unit/net/server_support.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::connect_options;
using portunus::connector;
using portunus::connector_options;
using portunus::errc;
using portunus::error;
using portunus::link_event;
using portunus::link_state;
using portunus::peer_info;
using portunus::replaces;
using portunus::result;
using portunus::runtime;
using portunus::steady_clock;
using portunus::tcp_stream;
using portunus::tcp_stream_options;

namespace {

using end = network_pair::end;

asio::ip::address address(const char* text) {
    return asio::ip::make_address(text);
}

bool is(const error& e, int number) {
    return e.code() == boost::system::error_code(number, boost::system::system_category());
}

/// Without any limit: each test asks for the one that it is about.
tcp_stream_options without_limits() {
    tcp_stream_options options;
    options.idle_limit = 0s;
    options.write_limit = 0s;
    options.keep_alive = 0s;
    return options;
}

/// Runs `body(world)` in the near network, with the real clock.
template <class Body>
void at_the_near_end(const network_pair& net, Body body) {
    network_pair::inside(net.near(), [&] {
        world w(world::clock::real);
        body(w);
    });
}

std::unique_ptr<plain_listener> door_at(const end& e, const asio::ip::address& on) {
    return network_pair::inside(e, [&] { return std::make_unique<plain_listener>(on); });
}

result<tcp_stream> connect_by(world& w, const tcp::endpoint& to, const connect_options& how) {
    auto connecting = w.start(portunus::connect(to, how));
    w.until([&] { return connecting.done(); });
    return connecting.get();
}

/// A stream of ours, and its other end: a plain socket in the far network. To be called at the near end.
connection connect_across(world& w, const network_pair& net, const tcp_stream_options& options,
                          bool by_v6 = false) {
    const auto door = door_at(net.far(), by_v6 ? net.far().v6 : net.far().v4);
    connect_options how;
    how.stream = options;
    tcp_stream stream = must(connect_by(w, door->endpoint(), how));
    return {std::move(stream), door->accept()};
}

/// A plain socket in the far network, connected to us.
std::unique_ptr<plain_socket> call_from(const end& e, const tcp::endpoint& to,
                                        const tcp::endpoint& from = {}) {
    return network_pair::inside(
        e, [&] { return std::make_unique<plain_socket>(plain_socket::connected_to(to, from)); });
}

/// Reads until the connection is over, and gives the error that said so.
error end_of(world& w, tcp_stream& stream) {
    std::array<char, 64> buffer;
    for (;;) {
        auto reading = w.start(stream.read_some(asio::buffer(buffer)));
        w.until([&] { return reading.done(); });
        const auto got = reading.get();
        if (!got) return got.error();
    }
}

/// Ours is the second half of a connection whose peer has finished: there is nothing to wait for.
void close_now(world& w, tcp_stream& stream) {
    auto closing = w.start(stream.close(20s));
    w.until([&] { return closing.done(); });
    must(closing.get());
}

void send_now(tcp_stream& stream, std::string_view text) {
    REQUIRE(must(stream.try_write_some(asio::buffer(text))) == text.size());
}

/// Whether what is written now reaches the peer.
void check_that_it_lives(world& w, connection& c, std::string_view text) {
    send_now(c.stream, text);
    auto drained = w.start(c.stream.drain(20s));
    w.until([&] { return drained.done(); });
    CHECK(drained.get().has_value());
    CHECK(c.peer.read(text.size()) == text);
    CHECK(c.stream.reason() == close_reason::none);
}

/// The probes of keep-alive come 10 s apart; no test waits so long.
void probe_each_second(const tcp_stream& stream) {
    const int one = 1;
    REQUIRE(::setsockopt(stream.native_handle(), IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof one) == 0);
}

/// The near kernel looks for a silent neighbour for 0.1 s in place of 3 s, and then reports it as
/// unreachable.
void give_up_neighbours_soon(const network_pair& net) {
    net.ip(net.near(),
           {"ntable", "change", "name", "arp_cache", "dev", "near0", "retrans", "100", "mcast_probes", "1"});
}

/// The device at the far end is off while its switch goes on: nobody answers for its address.
void switch_off(const network_pair& net) {
    net.remove_address(net.far(), "10.231.0.2/24");
    net.ip(net.near(), {"neigh", "flush", "dev", "near0"});
}

/// Answers what arrives at an end from now on, as a router or a firewall on the way would. Until `pass`.
void answer_with(const end& e, const std::string& what, const std::string& reject) {
    network_pair::inside(e, [&] {
        network_pair::run(
            {"nft", "add table inet portunus; add chain inet portunus in { type filter hook input "
                    "priority 0; }; add rule inet portunus in " +
                        what + " counter reject with " + reject});
    });
}

/// Two ways to lose all packets.
enum class loss {
    cable,   ///< the far interface is down, so ours has no carrier and forgets its neighbours
    firewall ///< the link is fine, and what arrives at the far end is dropped
};
void cut(const network_pair& net, loss how) {
    if (how == loss::cable)
        net.link_down(net.far());
    else
        net.drop_all(net.far());
}
void mend(const network_pair& net, loss how) {
    if (how == loss::cable)
        net.link_up(net.far());
    else
        net.pass(net.far());
}
std::string to_text(loss how) {
    return how == loss::cable ? "the cable is pulled" : "packets are dropped";
}

} // namespace

// while nobody says anything
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("a cable that is pulled while a session is idle ends it at its idle limit, and never before") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.idle_limit = 1s;
        auto c = connect_across(w, net, options);
        c.stream.set_idle_limit(1s); // from now on
        const auto began = steady_clock::now();
        net.link_down(net.far());
        CHECK(end_of(w, c.stream) == errc::idle_timeout);
        CHECK(steady_clock::now() - began >= 1s);
        CHECK(c.stream.reason() == close_reason::idle);
        CHECK(c.peer.peek() == ending::open); // who was never told
    });
}

TEST_CASE("keep-alive with a user timeout notices that the peer of an idle session is gone, and when its "
          "time is up") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const bool pulled = GENERATE(false, true);
    CAPTURE(pulled);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.keep_alive = 1s;
        options.user_timeout = 1500ms;
        auto c = connect_across(w, net, options);
        probe_each_second(c.stream);
        if (pulled)
            net.link_down(net.far());
        else
            switch_off(net);
        CHECK(is(end_of(w, c.stream), ETIMEDOUT));
        CHECK(c.stream.reason() == close_reason::timed_out);
    });
}

TEST_CASE(
    "keep-alive does not end a session whose peer is there and silent, however short the user timeout") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.keep_alive = 1s;
        options.user_timeout = 500ms;
        auto c = connect_across(w, net, options);
        probe_each_second(c.stream);
        std::array<char, 8> buffer;
        auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
        const auto probed = steady_clock::now() + 3s; // as many seconds as a lost peer would not outlast
        w.until([&] { return reading.done() || steady_clock::now() > probed; });
        CHECK_FALSE(reading.done());
        c.peer.send("still here");
        w.until([&] { return reading.done(); });
        CHECK(must(reading.get()) == 8);
        CHECK(c.stream.reason() == close_reason::none);
    });
}

TEST_CASE("without any limit an idle session whose cable is pulled is never noticed, and lives on with it") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto c = connect_across(w, net, without_limits());
        std::array<char, 8> buffer;
        auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
        net.link_down(net.far());
        const auto long_enough = steady_clock::now() + 2s;
        w.until([&] { return reading.done() || steady_clock::now() > long_enough; });
        CHECK_FALSE(reading.done());
        CHECK(c.stream.reason() == close_reason::none);
        net.link_up(net.far());
        c.peer.send("back");
        w.until([&] { return reading.done(); });
        CHECK(must(reading.get()) == 4);
    });
}

// while something is on the way
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("what nobody acknowledges ends the connection at the user timeout, and never before") {
    const auto how = GENERATE(loss::cable, loss::firewall);
    CAPTURE(to_text(how));
    if (const auto why = network_pair::missing(how == loss::firewall); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.user_timeout = 1s;
        auto c = connect_across(w, net, options);
        cut(net, how);
        const auto began = steady_clock::now();
        send_now(c.stream, "is anybody there?");
        auto stalled = w.start(c.stream.wait_stalled(20s));
        auto drained = w.start(c.stream.drain(20s));
        CHECK(is(end_of(w, c.stream), ETIMEDOUT));
        CHECK(steady_clock::now() - began >= 1s - 10ms); // the kernel counts in ticks of its own
        CHECK(c.stream.reason() == close_reason::timed_out);
        w.until([&] { return stalled.done() && drained.done(); });
        CHECK(is(error_of(stalled.get()), ETIMEDOUT));
        CHECK(is(error_of(drained.get()), ETIMEDOUT));
        CHECK_FALSE(c.stream.try_write_some(asio::buffer("x", 1)).has_value());
    });
}

TEST_CASE("a stall is reported and ends nothing: the connection goes on when the packets do") {
    const auto how = GENERATE(loss::cable, loss::firewall);
    CAPTURE(to_text(how));
    if (const auto why = network_pair::missing(how == loss::firewall); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.user_timeout = 30s;
        auto c = connect_across(w, net, options);
        check_that_it_lives(w, c, "before");
        cut(net, how);
        send_now(c.stream, "fourteen bytes");
        for (int i = 0; i < 2; ++i) { // asked again it is told again
            auto stalled = w.start(c.stream.wait_stalled(300ms));
            w.until([&] { return stalled.done(); });
            const auto s = must(stalled.get());
            CHECK(s.unacknowledged + s.unsent == 14); // an interface may refuse what it cannot send
            CHECK(s.lasted >= 300ms);
        }
        CHECK(c.stream.reason() == close_reason::none);
        mend(net, how);
        CHECK(c.peer.read(14) == "fourteen bytes");
        check_that_it_lives(w, c, "after");
        auto stalled = w.start(c.stream.wait_stalled(300ms)); // nothing is outstanding
        const auto a_while = steady_clock::now() + 600ms;
        w.until([&] { return stalled.done() || steady_clock::now() > a_while; });
        CHECK_FALSE(stalled.done());
        c.stream.abort();
        w.until([&] { return stalled.done(); });
        CHECK(error_of(stalled.get()) == errc::aborted_locally);
    });
}

TEST_CASE("a drain that ends at its limit tells how many bytes are missing, and the next one completes when "
          "the packets go on") {
    const auto how = GENERATE(loss::cable, loss::firewall);
    CAPTURE(to_text(how));
    if (const auto why = network_pair::missing(how == loss::firewall); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto c = connect_across(w, net, without_limits());
        cut(net, how);
        const auto began = steady_clock::now();
        send_now(c.stream, "fourteen bytes");
        auto first = w.start(c.stream.drain(300ms));
        auto second = w.start(c.stream.drain(25s));
        w.until([&] { return first.done(); });
        CHECK(steady_clock::now() - began >= 300ms);
        const error missing = error_of(first.get());
        CHECK(missing == errc::drain_timeout);
        CHECK(missing.detail().starts_with("14 bytes are not acknowledged, "));
        CHECK(missing.detail().ends_with(" of them not sent, after 300 ms"));
        CHECK_FALSE(second.done());
        mend(net, how);
        w.until([&] { return second.done(); });
        CHECK(second.get().has_value());
        CHECK(c.peer.read(14) == "fourteen bytes");
    });
}

TEST_CASE("a write that finds no room because the cable is out ends at the write limit") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.write_limit = 1s;
        options.send_buffer = 16384;
        auto c = connect_across(w, net, options);
        net.link_down(net.far());
        const std::string much = pattern(std::size_t{1} << 20);
        const auto began = steady_clock::now();
        auto writing = w.start(c.stream.write(much));
        w.until([&] { return writing.done(); });
        CHECK(error_of(writing.get()) == errc::write_timeout);
        CHECK(steady_clock::now() - began >= 1s);
        CHECK(c.stream.reason() == close_reason::timed_out);
    });
}

TEST_CASE("a graceful close of a connection whose peer is gone ends at its limit") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto c = connect_across(w, net, without_limits());
        net.link_down(net.far());
        const auto began = steady_clock::now();
        auto closing = w.start(c.stream.close(300ms));
        w.until([&] { return closing.done(); });
        CHECK(error_of(closing.get()) == errc::drain_timeout);
        CHECK(steady_clock::now() - began >= 300ms);
        CHECK(c.stream.reason() == close_reason::closed_locally);
        CHECK_FALSE(c.stream.is_open());
    });
}

TEST_CASE("the idle limit ends a connection with bytes on the way that nobody acknowledges, too") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.idle_limit = 1s;
        auto c = connect_across(w, net, options);
        net.link_down(net.far());
        const auto began = steady_clock::now();
        send_now(c.stream, "is anybody there?");
        CHECK(end_of(w, c.stream) == errc::idle_timeout);
        CHECK(steady_clock::now() - began >= 1s);
        CHECK(c.stream.reason() == close_reason::idle);
    });
}

TEST_CASE("whoever goes on writing into the void is not idle: it takes a user timeout to notice") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const bool limited = GENERATE(false, true);
    CAPTURE(limited);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.idle_limit = limited ? 20s : 3s; // far more than the pauses between the writes
        options.keep_alive = 1s;
        if (limited) options.user_timeout = 1s;
        auto c = connect_across(w, net, options);
        probe_each_second(c.stream);
        std::array<char, 8> buffer;
        auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
        net.link_down(net.far());
        const auto enough = steady_clock::now() + (limited ? 20s : 4s);
        while (!reading.done() && steady_clock::now() < enough) {
            if (auto sent = c.stream.try_write_some(asio::buffer("reading 21.5\n", 13)); !sent) break;
            const auto pause = steady_clock::now() + 100ms;
            w.until([&] { return reading.done() || steady_clock::now() > pause; });
        }
        if (limited) {
            w.until([&] { return reading.done(); });
            CHECK(is(error_of(reading.get()), ETIMEDOUT));
            CHECK(c.stream.reason() == close_reason::timed_out);
        } else {
            CHECK_FALSE(reading.done());
            CHECK(c.stream.reason() == close_reason::none);
            CHECK(c.stream.bytes_sent() > 0);
        }
    });
}

// What the kernel remembers of the reports that it met on the way takes the place of ETIMEDOUT when it gives
// up (tcp_write_err: sk_err_soft): a device on the same link that was switched off gives EHOSTUNREACH so,
// once nobody answers for its address, and our own interface, when it went, ENETUNREACH. It is still the
// kernel's patience that ended, which is what `close_reason::timed_out` is for and what the comment of
// `user_timeout` promises.
TEST_CASE(
    "a connection that the kernel gave up for want of time is timed out, also where the kernel says why") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const bool our_interface = GENERATE(false, true);
    CAPTURE(our_interface);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        give_up_neighbours_soon(net);
        auto options = without_limits();
        options.user_timeout = 1s;
        auto c = connect_across(w, net, options);
        if (our_interface) {
            net.drop_all(net.far());
            send_now(c.stream, "is anybody there?"); // which has left when the interface goes
            net.link_down(net.near());
        } else {
            switch_off(net);
            send_now(c.stream, "is anybody there?");
        }
        CHECK(is(end_of(w, c.stream), our_interface ? ENETUNREACH : EHOSTUNREACH));
        CHECK(c.stream.reason() == close_reason::timed_out);
    });
}

// nobody to connect to
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("a connect to a host that drops everything ends at the connect limit, and never before") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    const auto door = door_at(net.far(), net.far().v4);
    net.drop_all(net.far());
    at_the_near_end(net, [&](world& w) {
        connect_options how;
        how.connect_limit = 500ms;
        const auto began = steady_clock::now();
        const error e = error_of(connect_by(w, door->endpoint(), how));
        CHECK(steady_clock::now() - began >= 500ms);
        CHECK(e == errc::connect_timeout);
        CHECK(e.detail() == portunus::to_string(door->endpoint()) + " did not answer within 500 ms");
        CHECK(net.dropped(net.far()) >= 1);
    });
}

TEST_CASE("a connect to an address of the link that nobody has says host unreachable, and which address") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        give_up_neighbours_soon(net);
        const tcp::endpoint nobody(address("10.231.0.99"), 7001);
        connect_options how;
        how.connect_limit = 25s;
        const error e = error_of(connect_by(w, nobody, how));
        CHECK(is(e, EHOSTUNREACH));
        CHECK(e.detail() == "10.231.0.99:7001");
        const error no_route = error_of(connect_by(w, {address("198.51.100.7"), 7001}, how));
        CHECK(is(no_route, ENETUNREACH));
        CHECK(no_route.detail() == "198.51.100.7:7001");
        const error refused = error_of(connect_by(w, {net.far().v4, 7001}, how));
        CHECK(is(refused, ECONNREFUSED));
        CHECK(refused.detail() == "10.231.0.2:7001");
    });
}

// our own address
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("an established connection survives that our address is removed and comes back") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const bool v6 = GENERATE(false, true);
    CAPTURE(v6);
    const network_pair net;
    const std::string own = v6 ? "fd00:231::1/64" : "10.231.0.1/24";
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.user_timeout = 30s;
        auto c = connect_across(w, net, options, v6);
        check_that_it_lives(w, c, "before");
        net.remove_address(net.near(), own);
        send_now(c.stream, "meanwhile");
        auto stalled = w.start(c.stream.wait_stalled(300ms));
        w.until([&] { return stalled.done(); });
        const auto s = must(stalled.get());
        CHECK(s.unacknowledged + s.unsent == 9); // without a route it cannot even leave
        CHECK(c.stream.reason() == close_reason::none);
        net.add_address(net.near(), own);
        CHECK(c.peer.read(9) == "meanwhile");
        check_that_it_lives(w, c, "after");
    });
}

TEST_CASE("an address of ours that stays away ends the connection at the user timeout") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.user_timeout = 1s;
        auto c = connect_across(w, net, options);
        net.remove_address(net.near(), "10.231.0.1/24");
        const auto began = steady_clock::now();
        send_now(c.stream, "is anybody there?");
        const error e = end_of(w, c.stream);
        CAPTURE(e);
        CHECK(steady_clock::now() - began >= 1s - 10ms);
        const bool known = is(e, ETIMEDOUT) || is(e, ENETUNREACH); // the route went with the address
        CHECK(known);
        CHECK(c.stream.reason() != close_reason::none);
    });
}

// peers that die
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("child: takes one connection and reads nothing of it", "[.][child]") {
    plain_listener door(asio::ip::address_v4::any());
    tell_parent("port " + std::to_string(door.endpoint().port()));
    const plain_socket peer = door.accept();
    tell_parent("accepted");
    for (;;) ::pause();
}

TEST_CASE("a peer whose process is killed is noticed at once, as its kernel says goodbye for it") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    const bool unread = GENERATE(false, true);
    CAPTURE(unread);
    const auto child =
        network_pair::child_inside(net.far(), "child: takes one connection and reads nothing of it");
    const auto port = static_cast<std::uint16_t>(std::stoi(child->line_after("port ")));
    at_the_near_end(net, [&](world& w) {
        connect_options how;
        how.stream = without_limits();
        tcp_stream stream = must(connect_by(w, {net.far().v4, port}, how));
        child->line_after("accepted");
        if (unread) {
            send_now(stream, "never read");
            auto drained = w.start(stream.drain(20s));
            w.until([&] { return drained.done(); });
            must(drained.get());
        }
        child->signal(SIGKILL);
        const error e = end_of(w, stream);
        if (unread) { // it was acknowledged, and the program never saw it: RFC 1122 4.2.2.13 wants a reset
            CHECK(is(e, ECONNRESET));
            CHECK(stream.reason() == close_reason::reset);
        } else {
            CHECK(e == errc::end_of_stream);
            close_now(w, stream);
            CHECK(stream.reason() == close_reason::eof);
        }
    });
    CHECK(child->wait().signal == SIGKILL);
}

TEST_CASE("a peer that was killed while no packet came through is noticed when we write") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    const auto child =
        network_pair::child_inside(net.far(), "child: takes one connection and reads nothing of it");
    const auto port = static_cast<std::uint16_t>(std::stoi(child->line_after("port ")));
    at_the_near_end(net, [&](world& w) {
        connect_options how;
        how.stream = without_limits();
        tcp_stream stream = must(connect_by(w, {net.far().v4, port}, how));
        child->line_after("accepted");
        send_now(stream, "never read"); // so that the kernel says goodbye once, by a reset
        auto drained = w.start(stream.drain(20s));
        w.until([&] { return drained.done(); });
        must(drained.get());
        net.drop_all(net.near());
        child->signal(SIGKILL);
        CHECK(child->wait().signal == SIGKILL);
        eventually([&] { return net.dropped(net.near()) != 0; });
        net.pass(net.near());

        std::array<char, 8> buffer;
        auto reading = w.start(stream.read_some(asio::buffer(buffer)));
        const auto a_while = steady_clock::now() + 500ms;
        w.until([&] { return reading.done() || steady_clock::now() > a_while; });
        CHECK_FALSE(reading.done()); // it looks as if nothing had happened
        send_now(stream, "hello?");  // which the kernel takes
        w.until([&] { return reading.done(); });
        CHECK(is(error_of(reading.get()), ECONNRESET));
        CHECK(stream.reason() == close_reason::reset);
        CHECK_FALSE(stream.try_write_some(asio::buffer("x", 1)).has_value());
    });
}

TEST_CASE("a peer that crashed and came back is found out by keep-alive, or by the next write") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const bool by_writing = GENERATE(false, true);
    CAPTURE(by_writing);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        if (!by_writing) options.keep_alive = 1s;
        auto c = connect_across(w, net, options);
        check_that_it_lives(w, c, "hello");
        net.drop_all(net.near());
        c.peer.reset(); // nobody hears it
        eventually([&] { return net.dropped(net.near()) != 0; });
        net.pass(net.near());
        if (by_writing) send_now(c.stream, "go on");
        CHECK(is(end_of(w, c.stream), ECONNRESET));
        CHECK(c.stream.reason() == close_reason::reset);
    });
}

TEST_CASE("the orderly end of a peer, lost on the way, arrives when packets do again") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto c = connect_across(w, net, without_limits());
        net.drop_all(net.near());
        c.peer.send("bye");
        c.peer.close();
        eventually([&] { return net.dropped(net.near()) != 0; });
        net.pass(net.near());
        CHECK(end_of(w, c.stream) == errc::end_of_stream);
        CHECK(c.stream.bytes_received() == 3);
        close_now(w, c.stream);
        CHECK(c.stream.reason() == close_reason::eof);
    });
}

// peers that reboot
// ------------------------------------------------------------------------------------------------------------

namespace {

/// What sessions say of their end, from the server's thread.
class endings {
  public:
    /// Echoes until the connection is over.
    auto handler() {
        return [this](tcp_stream stream) -> awaitable<void> {
            std::array<char, 64> buffer;
            for (;;) {
                auto n = co_await stream.read_some(asio::buffer(buffer));
                if (!n) break;
                auto sent = co_await stream.write(std::string_view(buffer.data(), *n));
                if (!sent) break;
            }
            const std::lock_guard lock(mutex_);
            all_.push_back(stream.reason());
        };
    }
    std::vector<close_reason> all() const {
        const std::lock_guard lock(mutex_);
        return all_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<close_reason> all_;
};

portunus::listener_options door_on(const asio::ip::address& own) {
    auto door = any_door();
    door.addresses = {own};
    door.stream = without_limits();
    return door;
}

/// The device loses its power: its kernel forgets the connection, and we hear nothing of it.
void lose_power(const network_pair& net, plain_socket& device) {
    net.drop_all(net.near());
    device.reset();
    eventually([&] { return net.dropped(net.near()) != 0; });
    net.pass(net.near());
}

void check_echo(plain_socket& device, std::string_view text) {
    device.send(text);
    CHECK(device.read(text.size()) == text);
}

} // namespace

TEST_CASE("a device that rebooted takes the place of its old session, where the listener says so") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    net.add_address(net.far(), "10.231.0.3/24");
    network_pair::inside(net.near(), [&] {
        runtime rt(1, portunus::logger::silent());
        endings told;
        auto door = door_on(net.near().v4);
        door.replace = replaces::same_address;
        const auto server = rt.listen(door, told.handler());
        running r(rt);
        const auto to = server.endpoints().front();
        const auto device = call_from(net.far(), to);
        const auto neighbour = call_from(net.far(), to, {address("10.231.0.3"), 0});
        check_echo(*device, "before");
        check_echo(*neighbour, "another");
        lose_power(net, *device);
        CHECK(told.all().empty()); // nobody knows
        const auto again = call_from(net.far(), to);
        check_echo(*again, "after");
        CHECK(told.all() == std::vector{close_reason::replaced});
        CHECK(server.snapshot().closed_by(close_reason::replaced) == 1);
        CHECK(server.snapshot().sessions_open() == 2);
        check_echo(*neighbour, "undisturbed");
        again->close();
        neighbour->close();
        CHECK(r.stop() == 0);
    });
}

TEST_CASE(
    "a device that rebooted has two sessions where nobody is replaced, until a limit ends the old one") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        runtime rt(1, portunus::logger::silent());
        endings told;
        auto door = door_on(net.near().v4);
        door.stream.idle_limit = 2s;
        const auto server = rt.listen(door, told.handler());
        running r(rt);
        const auto to = server.endpoints().front();
        const auto device = call_from(net.far(), to);
        check_echo(*device, "before");
        const auto last_heard = steady_clock::now();
        lose_power(net, *device);
        const auto again = call_from(net.far(), to);
        check_echo(*again, "after");
        const auto both = server.snapshot();
        if (steady_clock::now() - last_heard < 2s) { // on a machine that was not held up for so long
            CHECK(both.sessions_open() == 2);
            CHECK(both.sessions_closed() == 0);
        }
        eventually([&] {
            check_echo(*again, "x"); // the new one is not idle
            return !told.all().empty();
        });
        CHECK(told.all() == std::vector{close_reason::idle});
        CHECK(server.snapshot().sessions_open() == 1);
        again->close();
        CHECK(r.stop() == 0);
    });
}

TEST_CASE("a device that comes back by the very port that it had is let in, and its old session is reset") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        runtime rt(1, portunus::logger::silent());
        endings told;
        const auto server = rt.listen(door_on(net.near().v4), told.handler());
        running r(rt);
        const auto to = server.endpoints().front();
        const tcp::endpoint from(net.far().v4, 4411); // nobody else is in that network
        const auto device = call_from(net.far(), to, from);
        check_echo(*device, "before");
        lose_power(net, *device);
        const auto again = call_from(net.far(), to, from); // RFC 9293 3.10.7.4: half-open is found out by TCP
        check_echo(*again, "after");
        eventually([&] { return !told.all().empty(); });
        CHECK(told.all() == std::vector{close_reason::reset});
        CHECK(server.snapshot().sessions_open() == 1);
        again->close();
        CHECK(r.stop() == 0);
    });
}

// interfaces
// ------------------------------------------------------------------------------------------------------------

namespace {

/// A second cable beside the first one: vpn0 10.99.0.1/24 and vpn1 10.99.0.2/24.
void add_vpn(const network_pair& net) {
    net.join("vpn0", "vpn1");
    net.add_address(net.near(), "10.99.0.1/24", "vpn0");
    net.add_address(net.far(), "10.99.0.2/24", "vpn1");
}

/// An address behind both cables; the first one is preferred.
constexpr const char* office = "10.50.0.1";
void add_office(const network_pair& net) {
    add_vpn(net);
    net.add_address(net.far(), std::string(office) + "/32", "lo");
    net.ip(net.near(), {"route", "add", office, "via", "10.231.0.2", "metric", "10"});
    net.ip(net.near(), {"route", "add", office, "via", "10.99.0.2", "metric", "20"});
}

} // namespace

TEST_CASE("a listener that is bound to an interface is not there for whoever comes by another one") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    add_vpn(net);
    network_pair::inside(net.near(), [&] {
        runtime rt(1, portunus::logger::silent());
        endings told;
        auto door = any_door();
        door.addresses = {};
        door.interfaces = portunus::interface_list("near0");
        const auto server = rt.listen(door, told.handler());
        running r(rt);
        const auto port = server.port();
        const auto by_near0 = call_from(net.far(), {net.near().v4, port});
        check_echo(*by_near0, "hello");
        const auto refused = [&](const asio::ip::address& to) {
            try {
                call_from(net.far(), {to, port});
                return false;
            } catch (const std::system_error& e) {
                return e.code() == std::errc::connection_refused;
            }
        };
        CHECK(refused(address("10.99.0.1")));
        // Nor for the address of near0, asked for by the other cable.
        net.ip(net.far(), {"route", "add", "10.231.0.1/32", "via", "10.99.0.1"});
        CHECK(refused(net.near().v4));
        net.ip(net.far(), {"route", "del", "10.231.0.1/32"});
        const auto by_near0_again = call_from(net.far(), {net.near().v4, port});
        check_echo(*by_near0_again, "hello");
        by_near0->close();
        by_near0_again->close();
        CHECK(r.stop() == 0);
    });
}

TEST_CASE("connect leaves by the interface, and from the address, that its options name") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    add_office(net);
    net.add_address(net.near(), "10.231.0.9/24");
    const auto door = door_at(net.far(), address(office));
    at_the_near_end(net, [&](world& w) {
        const auto seen_as = [&](const connect_options& how) {
            const tcp_stream stream = must(connect_by(w, door->endpoint(), how));
            const auto seen = door->accept().remote();
            CHECK(seen == stream.local_endpoint());
            return seen.address().to_string();
        };
        connect_options how;
        CHECK(seen_as(how) == "10.231.0.1"); // as the routes want it
        how.interface = "vpn0";
        CHECK(seen_as(how) == "10.99.0.1");
        how.interface = "near0";
        CHECK(seen_as(how) == "10.231.0.1");
        how.local_address = address("10.231.0.9");
        CHECK(seen_as(how) == "10.231.0.9");
        how.interface = "vpn0";
        how.local_address = address("10.99.0.1");
        CHECK(seen_as(how) == "10.99.0.1");
        how.interface = {};
        how.local_address = address("10.231.0.77");
        CHECK(error_of(connect_by(w, door->endpoint(), how)) == errc::address_not_available);
        net.link_down(net.near()); // by near0 alone, though vpn0 would reach it
        how = {};
        how.interface = "near0";
        CHECK(is(error_of(connect_by(w, door->endpoint(), how)), ENETUNREACH));
    });
}

TEST_CASE("a listener goes on accepting when its interface was down and is up again") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const std::string kind = GENERATE("IPv4 address", "IPv6 address", "interface");
    CAPTURE(kind);
    const network_pair net;
    network_pair::inside(net.near(), [&] {
        runtime rt(1, portunus::logger::silent());
        endings told;
        auto door = any_door();
        const auto own = kind == "IPv6 address" ? net.near().v6 : net.near().v4;
        if (kind == "interface") {
            door.addresses = {};
            door.interfaces = portunus::interface_list("near0");
        } else {
            door.addresses = {own};
        }
        const auto server = rt.listen(door, told.handler());
        running r(rt);
        const tcp::endpoint to(own, server.port());
        const auto before = call_from(net.far(), to);
        check_echo(*before, "before");
        net.link_down(net.near());
        net.link_up(net.near());
        if (kind == "IPv6 address")
            net.add_address(net.near(), "fd00:231::1/64"); // the kernel had removed it
        const auto after = call_from(net.far(), to);
        check_echo(*after, "after");
        check_echo(*before, "still"); // TCP does not care
        before->close();
        after->close();
        CHECK(r.stop() == 0);
    });
}

TEST_CASE(
    "a listener on an address survives that the interface is removed and made anew; one on the interface "
    "does not") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const bool by_interface = GENERATE(false, true);
    CAPTURE(by_interface);
    const network_pair net;
    add_vpn(net);
    network_pair::inside(net.near(), [&] {
        runtime rt(1, portunus::logger::silent());
        endings told;
        auto door = any_door();
        door.addresses = {address("10.99.0.1")};
        if (by_interface) door.interfaces = portunus::interface_list("vpn0");
        const auto server = rt.listen(door, told.handler());
        running r(rt);
        const auto to = server.endpoints().front();
        {
            const auto before = call_from(net.far(), to);
            check_echo(*before, "before");
        }
        net.ip(net.near(), {"link", "del", "vpn0"});
        add_vpn(net);
        if (by_interface) { // it is bound to a number that no interface has any more
            CHECK_THROWS_AS(call_from(net.far(), to), std::system_error);
        } else {
            const auto after = call_from(net.far(), to);
            check_echo(*after, "after");
        }
        CHECK(r.stop() == 0);
    });
}

// staying connected
// ------------------------------------------------------------------------------------------------------------

namespace {

connector_options keep_in_touch_with(const tcp::endpoint& to) {
    connector_options o;
    o.host = to.address().to_string();
    o.port = to.port();
    o.retry = {.first = 50ms, .cap = 100ms};
    o.connect.connect_limit = 500ms;
    o.connect.stream = without_limits();
    o.connect.stream.user_timeout = 300ms;
    o.log = portunus::logger::silent();
    return o;
}

tcp_stream next_of(world& w, connector& link) {
    auto next = w.start(link.next());
    w.until([&] { return next.done(); });
    return must(next.get());
}

std::vector<link_event> events_of(world& w, connector& link) {
    std::vector<link_event> all;
    for (;;) {
        auto one = w.start(link.next_event());
        w.settle();
        if (!one.done()) {
            one.cancel();
            w.settle();
            return all;
        }
        auto e = one.get();
        if (!e) return all;
        all.push_back(*e);
    }
}

} // namespace

TEST_CASE("a connector whose interface goes down reconnects by the other one, and says so") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    add_office(net);
    const auto door = door_at(net.far(), address(office));
    at_the_near_end(net, [&](world& w) {
        connector link(w.context.get_executor(), keep_in_touch_with(door->endpoint()));
        tcp_stream first = next_of(w, link);
        const auto first_peer = door->accept();
        CHECK(first.local_endpoint().address() == net.near().v4);
        net.link_down(net.near());
        send_now(first, "is anybody there?");
        const error lost = end_of(w, first);
        CAPTURE(lost);
        CHECK(first.reason() != close_reason::none);
        tcp_stream second = next_of(w, link);
        auto second_peer = door->accept();
        CHECK(second.local_endpoint().address() == address("10.99.0.1"));
        CHECK(second_peer.remote() == second.local_endpoint());
        connection c{std::move(second), std::move(second_peer)};
        check_that_it_lives(w, c, "by the other way");
        std::string states;
        for (const auto& e : events_of(w, link)) {
            states.append(states.empty() ? "" : " ").append(to_string(e.state));
            if (e.state == link_state::waiting) {
                CHECK_FALSE(e.cause.code().failed()); // a loss, not a failure to connect
                CHECK(e.delay > 0s);
                CHECK(e.delay <= 50ms);
            }
        }
        CHECK(states == "resolving connecting connected waiting resolving connecting connected");
        CHECK(link.connections() == 2);
        c.stream.abort();
    });
}

TEST_CASE("twenty losses of the link are twenty reconnections, and no descriptor stays behind") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    const auto door = door_at(net.far(), net.far().v4);
    at_the_near_end(net, [&](world& w) {
        give_up_neighbours_soon(net);
        connector link(w.context.get_executor(), keep_in_touch_with(door->endpoint()));
        tcp_stream stream = next_of(w, link);
        plain_socket peer = door->accept();
        const std::size_t descriptors = open_descriptors();
        for (int i = 1; i <= 20; ++i) {
            CAPTURE(i);
            net.link_down(net.far());
            send_now(stream, "is anybody there?");
            const error lost = end_of(w, stream);
            CAPTURE(lost);
            CHECK(stream.reason() != close_reason::none);
            auto next = w.start(link.next());
            if (i % 2 == 0) // the first attempts find the cable still out
                w.until([&] { return link.failed_attempts() >= 2 || next.done(); });
            CHECK_FALSE(next.done());
            net.link_up(net.far());
            w.until([&] { return next.done(); });
            stream = must(next.get());
            peer = door->accept();
        }
        CHECK(link.connections() == 21);
        CHECK(open_descriptors() == descriptors);
        connection c{std::move(stream), std::move(peer)};
        check_that_it_lives(w, c, "after all that");
        c.stream.abort();
    });
}

// what the network itself reports
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("with icmp_errors what a router reports ends the connection at once, with the code of the report") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    struct report {
        bool v6;
        const char* reject;
        int number;
    };
    const auto r = GENERATE(report{false, "icmp type host-unreachable", EHOSTUNREACH},
                            report{false, "icmp type net-unreachable", ENETUNREACH},
                            report{false, "icmp type port-unreachable", ECONNREFUSED},
                            report{true, "icmpv6 type addr-unreachable", EHOSTUNREACH},
                            report{true, "icmpv6 type no-route", ENETUNREACH},
                            report{true, "icmpv6 type admin-prohibited", EACCES});
    CAPTURE(r.reject);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.icmp_errors = true;
        auto c = connect_across(w, net, options, r.v6);
        check_that_it_lives(w, c, "before");
        answer_with(net.far(),
                    r.v6 ? "meta nfproto ipv6 meta l4proto tcp" : "meta nfproto ipv4 meta l4proto tcp",
                    r.reject);
        send_now(c.stream, "is anybody there?");
        CHECK(is(end_of(w, c.stream), r.number)); // there is no other limit that could end it
        CHECK(c.stream.failure_cause().code().value() == r.number);
        if (r.number == EHOSTUNREACH || r.number == ENETUNREACH)
            CHECK(c.stream.reason() == close_reason::reset);
        CHECK_FALSE(c.stream.try_write_some(asio::buffer("x", 1)).has_value());
    });
}

// For a listener or a connect these two codes are a refusal; here the network broke the connection off.
TEST_CASE("whatever a router reports of a connection, the connection was not denied by a policy of ours") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const bool v6 = GENERATE(false, true);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.icmp_errors = true;
        auto c = connect_across(w, net, options, v6);
        answer_with(net.far(),
                    v6 ? "meta nfproto ipv6 meta l4proto tcp" : "meta nfproto ipv4 meta l4proto tcp",
                    v6 ? "icmpv6 type admin-prohibited" : "icmp type port-unreachable");
        send_now(c.stream, "is anybody there?");
        CHECK(is(end_of(w, c.stream), v6 ? EACCES : ECONNREFUSED));
        CHECK(c.stream.reason() == close_reason::reset);
    });
}

TEST_CASE("without icmp_errors a connection outlives what a router reports, and goes on when it stops") {
    if (const auto why = network_pair::missing(true); !why.empty()) PORTUNUS_SKIP(why);
    const bool v6 = GENERATE(false, true);
    CAPTURE(v6);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        auto options = without_limits();
        options.user_timeout = 30s;
        auto c = connect_across(w, net, options, v6);
        answer_with(net.far(),
                    v6 ? "meta nfproto ipv6 meta l4proto tcp" : "meta nfproto ipv4 meta l4proto tcp",
                    v6 ? "icmpv6 type addr-unreachable" : "icmp type host-unreachable");
        send_now(c.stream, "is anybody there?");
        std::array<char, 8> buffer;
        auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
        w.until(
            [&] { return reading.done() || net.dropped(net.far()) >= 2; }); // it was told, and tries again
        w.settle();
        CHECK_FALSE(reading.done());
        CHECK(c.stream.reason() == close_reason::none);
        net.pass(net.far());
        CHECK(c.peer.read(17) == "is anybody there?");
        c.peer.send("yes");
        w.until([&] { return reading.done(); });
        CHECK(must(reading.get()) == 3);
    });
}

TEST_CASE(
    "with icmp_errors a neighbour that is silent is a report of our own kernel's, and ends the connection") {
    if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
    const network_pair net;
    at_the_near_end(net, [&](world& w) {
        give_up_neighbours_soon(net);
        auto options = without_limits();
        options.icmp_errors = true;
        auto c = connect_across(w, net, options);
        switch_off(net);
        send_now(c.stream, "is anybody there?");
        CHECK(is(end_of(w, c.stream), EHOSTUNREACH));
        CHECK(c.stream.reason() != close_reason::none);
    });
}
