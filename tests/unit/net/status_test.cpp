// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/status.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <linux/sockios.h>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::errc;
using portunus::for_each_field;
using portunus::listener_options;
using portunus::listener_status;
using portunus::parse_tcp_global;
using portunus::status;
using portunus::tcp_global;
using portunus::tcp_listener;
using portunus::tcp_state;
using portunus::tcp_status;
using portunus::tcp_stream;
using portunus::to_string;
using portunus::detail::tcp_info_block;

namespace {

std::size_t fill(tcp_stream& stream) {
    const std::string bytes = pattern(std::size_t{1} << 16);
    for (std::size_t taken = 0;;) {
        auto n = stream.try_write_some(asio::buffer(bytes));
        if (!n) return taken;
        taken += *n;
    }
}

/// The fields as a hub would print them.
struct json_visitor {
    std::string text;
    void operator()(std::string_view name, std::string_view value) {
        (text += '"').append(name).append("\":\"").append(value) += "\",";
    }
    void operator()(std::string_view name, std::uint64_t value) {
        (text += '"').append(name).append("\":").append(std::to_string(value)) += ',';
    }
};

struct name_visitor {
    std::vector<std::string> names;
    template <class T>
    void operator()(std::string_view name, const T&) {
        names.emplace_back(name);
    }
};

std::vector<std::string> names_of(const tcp_status& s) {
    name_visitor v;
    for_each_field(s, v);
    return v.names;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

listener_options any_door() {
    listener_options door;
    door.ports = 0;
    door.addresses = {loopback};
    door.policy = portunus::accept_policy::anyone();
    door.log = portunus::logger::silent();
    return door;
}

} // namespace

// connections
// ------------------------------------------------------------------------------------------------------

TEST_CASE("the status of an idle connection has its ends, its state, open windows and empty queues") {
    world w;
    const auto on = GENERATE(asio::ip::make_address("127.0.0.1"), asio::ip::make_address("::1"));
    auto c = connect_pair(w.context, {}, false, on);
    const tcp_status s = status(c.stream).value();
    CHECK(s.local == c.peer.remote());
    CHECK(s.remote == c.peer.local());
    CHECK(s.state == tcp_state::established);
    CHECK(s.reason == close_reason::none);
    CHECK(s.bytes_read == 0);
    CHECK(s.bytes_written == 0);
    CHECK(s.unacknowledged == 0u);
    CHECK(s.unsent == 0u);
    CHECK(s.unread == 0u);
    CHECK(s.type_of_service == 0u);
    CHECK(s.mss.value() > 0);
    CHECK(s.path_mtu.value() >= s.mss.value());
    CHECK(s.congestion_window.value() % s.mss.value() == 0);
    CHECK(s.congestion_window.value() > 0);
    CHECK(s.rto.value() >= std::chrono::milliseconds(1));
    CHECK(s.retransmissions == 0u);
    CHECK(s.writable_estimate.value() > 0);
    CHECK(s.since_received.value() < std::chrono::hours(1));
    CHECK(s.since_sent.value() < std::chrono::hours(1));
    // The windows came with Linux 5.4 and 6.2.
    CHECK(s.send_window.has_value() == (tcp_info_block(c.stream.native_handle()).size() >= 232));
    if (s.send_window) {
        CHECK(*s.send_window > 0);
        CHECK(s.window_left() == s.send_window);
    }
}

TEST_CASE("what has arrived and was not read is unread, and what was read is counted") {
    world w;
    auto c = connect_pair(w.context);
    c.peer.send(pattern(1000));
    w.until([&] { return status(c.stream).value().unread == 1000u; });
    std::array<char, 300> buffer;
    REQUIRE(c.stream.try_read_some(asio::buffer(buffer)).value() == 300);
    const tcp_status s = status(c.stream).value();
    CHECK(s.unread == 700u);
    CHECK(s.bytes_read == 300);
    CHECK(s.bytes_in == 1000u);
    CHECK(s.segments_in.value() >= 1);
    CHECK(s.rtt.has_value());
    CHECK(s.rtt_variance.has_value());
}

TEST_CASE("a peer that does not read closes its window: bytes are unsent, and hardly a write is taken") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    const std::size_t room = status(c.stream).value().writable_estimate.value();
    const std::size_t taken = fill(c.stream);
    std::optional<tcp_status> s;
    // Segments are under way for a moment; then the rest waits for a window that has no room for one.
    w.until([&] {
        s = status(c.stream).value();
        return s->unacknowledged == 0u && s->unsent.value() > 0 &&
               s->bytes_acknowledged == status(c.stream).value().bytes_acknowledged &&
               *s->bytes_acknowledged + *s->unsent == taken;
    });
    int out = 0, unsent = 0;
    REQUIRE(::ioctl(c.stream.native_handle(), SIOCOUTQ, &out) == 0);
    REQUIRE(::ioctl(c.stream.native_handle(), SIOCOUTQNSD, &unsent) == 0);
    CHECK(s->unsent == static_cast<std::uint32_t>(unsent));
    CHECK(s->unacknowledged.value() + s->unsent.value() == static_cast<std::uint32_t>(out));
    CHECK(s->bytes_written == taken);
    CHECK(s->writable_estimate.value() < room);
    if (s->send_window) {
        CHECK(*s->send_window < *s->unsent);
        CHECK(s->window_left() == s->send_window);
    }
}

TEST_CASE("acknowledged bytes grow with what the peer's kernel took") {
    world w;
    auto c = connect_pair(w.context);
    const std::uint64_t before = status(c.stream).value().bytes_acknowledged.value();
    REQUIRE(c.stream.try_write_some(asio::buffer("hello", 5)).value() == 5);
    w.until([&] {
        const auto s = status(c.stream).value();
        return s.unacknowledged == 0u && s.unsent == 0u;
    });
    const auto s = status(c.stream).value();
    CHECK(s.bytes_acknowledged == before + 5);
    CHECK(s.bytes_written == 5);
    CHECK(s.bytes_out == 5u);
    CHECK(s.bytes_retransmitted == 0u);
}

TEST_CASE("the state follows both ends, and after the end of our side the past stays readable") {
    world w;
    auto c = connect_pair(w.context);
    const auto state_of = [&] { return status(c.stream).value().state; };
    SECTION("the peer first") {
        c.peer.shutdown_send();
        w.until([&] { return state_of() == tcp_state::close_wait; });
        auto half = w.start(c.stream.shutdown_send());
        w.settle();
        w.until([&] { return state_of() != tcp_state::last_ack; });
        CHECK(state_of() == tcp_state::closed);
        c.stream.abort();
    }
    SECTION("we first") {
        auto half = w.start(c.stream.shutdown_send());
        w.settle();
        w.until([&] { return state_of() == tcp_state::fin_wait_2; });
        c.stream.abort();
    }
    const tcp_status s = status(c.stream).value();
    CHECK(s.state == tcp_state::closed);
    CHECK(s.reason == close_reason::aborted_locally);
    CHECK(s.remote == c.peer.local());
    CHECK_FALSE(s.unread.has_value());
    CHECK_FALSE(s.send_window.has_value());
    CHECK_FALSE(s.writable_estimate.has_value());
    CHECK(names_of(s) ==
          std::vector<std::string>{"local", "remote", "state", "reason", "bytes_read", "bytes_written"});
}

TEST_CASE("a stream without a connection has no status") {
    tcp_stream none;
    CHECK(error_of(status(none)) == errc::not_connected);
}

TEST_CASE("a stream that outlives its context has the status of its past") {
    std::optional<tcp_stream> survivor;
    {
        world w;
        survivor.emplace(connect_pair(w.context).stream);
    }
    const tcp_status s = status(*survivor).value();
    CHECK(s.state == tcp_state::closed);
    CHECK(s.remote.port() != 0);
}

TEST_CASE("the type of service that was set is told") {
    world w;
    const auto on = GENERATE(asio::ip::make_address("127.0.0.1"), asio::ip::make_address("::1"));
    auto c = connect_pair(w.context, {}, false, on);
    const int value = 0x88;
    REQUIRE((on.is_v4() ? ::setsockopt(c.stream.native_handle(), IPPROTO_IP, IP_TOS, &value, sizeof value)
                        : ::setsockopt(c.stream.native_handle(), IPPROTO_IPV6, IPV6_TCLASS, &value,
                                       sizeof value)) == 0);
    CHECK(status(c.stream).value().type_of_service == 0x88u);
}

TEST_CASE("an older kernel tells less, and nothing of what it does not tell is made up") {
    std::array<unsigned char, 1024> bytes{}; // more than there is room for
    const auto put = [&](std::size_t offset, auto value) {
        std::memcpy(&bytes[offset], &value, sizeof value);
    };
    put(0, std::uint8_t(1));
    put(8, std::uint32_t(204'000));
    put(16, std::uint32_t(1448));
    put(68, std::uint32_t(1500));
    put(72, std::uint32_t(750));
    put(80, std::uint32_t(10));
    put(100, std::uint32_t(3));
    put(120, std::uint64_t(5'000'000'000));
    put(148, std::uint32_t(0xffffffff)); // no sample yet
    put(228, std::uint32_t(65536));
    put(232, std::uint32_t(32768));
    const auto told = [&](std::size_t size) {
        tcp_status s;
        portunus::detail::read_block(tcp_info_block(bytes.data(), size), s);
        return s;
    };
    const tcp_status all = told(240);
    CHECK(all.state == tcp_state::established);
    CHECK(all.rto == std::chrono::milliseconds(204));
    CHECK(all.rtt == std::chrono::microseconds(1500));
    CHECK(all.rtt_variance == std::chrono::microseconds(750));
    CHECK(all.congestion_window == 14480u);
    CHECK(all.retransmissions == 3u);
    CHECK(all.bytes_acknowledged == 5'000'000'000u);
    CHECK_FALSE(all.min_rtt.has_value());
    CHECK(all.send_window == 65536u);
    CHECK(all.receive_window == 32768u);
    CHECK(told(236).receive_window == 32768u);
    CHECK_FALSE(told(235).receive_window.has_value()); // a field is there as a whole or not at all
    CHECK(told(235).send_window == 65536u);
    CHECK_FALSE(told(228).send_window.has_value());
    CHECK_FALSE(told(127).bytes_acknowledged.has_value());
    CHECK(told(104).retransmissions == 3u); // Linux 2.6
    CHECK_FALSE(told(100).retransmissions.has_value());
    const tcp_status nothing = told(0);
    CHECK(nothing.state == tcp_state::closed);
    CHECK(names_of(nothing).size() == 6);
    put(68, std::uint32_t(0));
    CHECK_FALSE(told(240).rtt.has_value()); // no sample yet
    CHECK_FALSE(told(240).rtt_variance.has_value());
    CHECK(told(bytes.size()).state ==
          tcp_state::established); // a kernel that tells more than we have room for
}

TEST_CASE("the line and the fields say the same, in the same order") {
    world w;
    auto c = connect_pair(w.context);
    c.peer.send("abc");
    w.until([&] { return status(c.stream).value().unread == 3u; });
    const tcp_status s = status(c.stream).value();
    const std::string line = to_string(s);
    CHECK(line.find("local=127.0.0.1:" + std::to_string(c.peer.remote().port()) +
                    " remote=127.0.0.1:" + std::to_string(c.peer.local().port()) +
                    " state=established reason=none bytes_read=0 ") == 0);
    CHECK(line.find(" unread=3 ") != std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.back() != ' ');
    std::size_t at = 0;
    for (const std::string& name : names_of(s)) {
        const std::size_t next = (at == 0 ? line : line.substr(at)).find(name + "=");
        REQUIRE(next != std::string::npos);
        at += next + 1;
    }
    json_visitor json;
    for_each_field(s, json);
    CHECK(json.text.find("\"state\":\"established\",") != std::string::npos);
    CHECK(json.text.find("\"unread\":3,") != std::string::npos);
    CHECK(has(names_of(s), "rto_us"));
    CHECK(has(names_of(s), "since_received_ms"));
}

// listeners
// --------------------------------------------------------------------------------------------------------

TEST_CASE("the status of a listener has the queue and the backlog of every endpoint") {
    world w;
    auto door = any_door();
    door.addresses = {loopback, asio::ip::make_address("127.0.0.2")};
    door.backlog = 7;
    tcp_listener listener(w.context.get_executor(), door);
    const tcp_listener& looked_at = listener;
    listener_status s = status(looked_at).value();
    REQUIRE(s.endpoints.size() == 2);
    CHECK(s.queued == 0);
    CHECK_FALSE(s.paused);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 3; ++i) peers.push_back(plain_socket::connected_to(listener.endpoints()[0]));
    peers.push_back(plain_socket::connected_to(listener.endpoints()[1]));
    w.until([&] { return status(looked_at).value().queued == 4; });
    s = status(looked_at).value();
    CHECK(s.endpoints[0].local == listener.endpoints()[0]);
    CHECK(s.endpoints[0].queued == 3u);
    CHECK(s.endpoints[0].backlog == 7u);
    CHECK(s.endpoints[1].queued == 1u);
    CHECK(to_string(s) == "queued=4 paused=false stopped=false [local=" + to_string(listener.endpoints()[0]) +
                              " queued=3 backlog=7] [local=" + to_string(listener.endpoints()[1]) +
                              " queued=1 backlog=7]");
    auto came = w.start(listener.accept());
    w.settle();
    CHECK(came.get().has_value());
    CHECK(status(looked_at).value().queued == 3);
    listener.pause();
    CHECK(status(looked_at).value().paused);
    listener.stop();
    CHECK(status(looked_at).value().stopped);
    json_visitor json;
    for_each_field(s.endpoints[1], json);
    CHECK(json.text ==
          "\"local\":\"" + to_string(listener.endpoints()[1]) + "\",\"queued\":1,\"backlog\":7,");
}

TEST_CASE("a listener that is closed or was moved from has no status") {
    world w(world::clock::real);
    tcp_listener listener(w.context.get_executor(), any_door());
    listener.stop();
    auto last = w.start(listener.accept());
    w.until([&] { return last.done(); });
    CHECK(error_of(last.get()) == errc::listener_closed);
    CHECK(error_of(status(listener)) == errc::listener_closed);
    const tcp_listener taken(std::move(listener));
    CHECK(error_of(status(listener)) == errc::listener_closed);
}

// the machine
// ------------------------------------------------------------------------------------------------------

TEST_CASE("the machine's counters count connections that come and go") {
    const tcp_global before = portunus::tcp_global_status().value();
    CHECK(before.rto_min_ms.value() > 0);
    CHECK(before.rto_max_ms.value() > before.rto_min_ms.value());
    CHECK(before.rto_algorithm.value() >= 1);
    world w;
    for (int i = 0; i < 5; ++i) {
        auto c = connect_pair(w.context);
        c.peer.send("x");
        c.peer.reset();
    }
    const tcp_global after = portunus::tcp_global_status().value();
    // Others may be at work on this machine: at least ours.
    CHECK(after.active_opens.value() >= before.active_opens.value() + 5);
    CHECK(after.passive_opens.value() >= before.passive_opens.value() + 5);
    CHECK(after.segments_out.value() >= before.segments_out.value() + 20);
    CHECK(after.resets.value() >= before.resets.value() + 5);
    CHECK(to_string(after).find("active_opens=" + std::to_string(*after.active_opens)) != std::string::npos);
}

TEST_CASE("the kernel's table is read by its names, whatever their order, and unknown ones are passed over") {
    const tcp_global g = parse_tcp_global("Ip: Forwarding DefaultTTL\nIp: 1 64\n"
                                          "Tcp: RtoMin Novelty MaxConn CurrEstab OutRsts\n"
                                          "Tcp: 200 99 -1 18446744073709551615 0\n"
                                          "Udp: InDatagrams\nUdp: 5\n")
                             .value();
    CHECK(g.rto_min_ms == 200u);
    CHECK_FALSE(g.max_connections.has_value());
    CHECK(g.established == 18446744073709551615u);
    CHECK(g.resets_out == 0u);
    CHECK_FALSE(g.active_opens.has_value());
    CHECK(to_string(g) == "rto_min_ms=200 established=18446744073709551615 resets_out=0");
    CHECK(parse_tcp_global("Tcp: MaxConn\nTcp: 512").value().max_connections == 512u);
}

TEST_CASE("a table that is not what it should be is malformed, and the detail quotes it") {
    const auto [text, detail] = GENERATE(table<std::string, std::string>({
        {"", "no two lines"},
        {"Udp: A\nUdp: 1\n", "no two lines"},
        {"Tcp: RtoMin\n", "no two lines"},
        {"Tcp: RtoMin RtoMax\nTcp: 200\n", "Tcp RtoMax is \"\""},
        {"Tcp: RtoMin\nTcp: 2x0\n", "Tcp RtoMin is \"2x0\""},
        {"Tcp: RtoMin\nTcp: 18446744073709551616\n", "Tcp RtoMin is"},
        {"Tcp: RtoMin\nTcp: -2\n", "Tcp RtoMin is \"-2\""},
    }));
    const auto g = parse_tcp_global(text);
    REQUIRE(error_of(g) == errc::malformed_frame);
    CHECK(std::string(g.error().detail()).find(detail) != std::string::npos);
}

TEST_CASE("the running kernel's own table is understood at every length that it may be cut off at") {
    std::ifstream file("/proc/net/snmp");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    REQUIRE(parse_tcp_global(text).has_value());
    for (std::size_t n = 0; n < text.size(); ++n) {
        const auto g = parse_tcp_global(std::string_view(text).substr(0, n));
        if (!g) CHECK(g.error() == errc::malformed_frame);
    }
}

TEST_CASE("a file that cannot be read is told with its name") {
    const auto text = portunus::detail::read_proc("/proc/net/no_such_file");
    REQUIRE(error_of(text) == boost::system::errc::no_such_file_or_directory);
    CHECK(text.error().detail() == "/proc/net/no_such_file");
}
