// SPDX-License-Identifier: BSL-1.0
// What a stream knows about what its peer has acknowledged: drain, wait_stalled, user_timeout, icmp_errors.
#include <portunus/net/tcp_stream.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/tcp_listener.hpp>
#include <portunus/testing/run.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <linux/sockios.h>
#include <netinet/ip_icmp.h>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::errc;
using portunus::error;
using portunus::result;
using portunus::stall;
using portunus::steady_clock;
using portunus::tcp_stream;
using portunus::tcp_stream_options;
using portunus::testing::destroy_at_every_point;

namespace {

/// Fills what lies between the stream and a peer that does not read. What was taken.
std::size_t fill(tcp_stream& stream) {
    const std::string bytes = pattern(std::size_t{1} << 16);
    for (std::size_t taken = 0;;) {
        auto n = stream.try_write_some(asio::buffer(bytes));
        if (!n) {
            REQUIRE(n.error() == errc::would_block);
            return taken;
        }
        taken += *n;
    }
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

int outstanding(const tcp_stream& s) {
    int n = -1;
    REQUIRE(::ioctl(s.native_handle(), SIOCOUTQ, &n) == 0);
    return n;
}

/// Lets the clock of the test go on in small steps, as the real one would, until `reached()`; the steps that
/// it took.
template <class Condition>
std::size_t tick_until(world& w, Condition reached, steady_clock::duration step = 1ms) {
    std::size_t steps = 0;
    w.until([&] {
        if (reached()) return true;
        ++steps;
        w.pass(step);
        return reached();
    });
    return steps;
}

tcp_stream_options patient() {
    tcp_stream_options options;
    options.idle_limit = 0s;
    options.write_limit = 0s;
    return options;
}

} // namespace

// drain
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("a drain of a stream that has written nothing completes at once, and leaves no timer behind") {
    world w;
    auto c = connect_pair(w.context);
    auto drained = w.start(c.stream.drain());
    w.settle();
    CHECK(drained.get().has_value());
    c.stream.abort();
    w.run();
}

TEST_CASE("drain completes when the peer's kernel has everything, though the peer has read nothing") {
    world w;
    auto c = connect_pair(w.context);
    REQUIRE(c.stream.try_write_some(asio::buffer(pattern(1000))).value() == 1000);
    auto drained = w.start(c.stream.drain());
    tick_until(w, [&] { return drained.done(); });
    CHECK(drained.get().has_value());
    CHECK(outstanding(c.stream) == 0);
    CHECK(c.peer.read(1000) == pattern(1000));
}

TEST_CASE("drain waits for a peer that does not read, beside a read and a write that wait") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    std::array<char, 8> buffer;
    auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
    fill(c.stream);
    auto writing = w.start(c.stream.write("the last bytes"));
    auto drained = w.start(c.stream.drain());
    auto another = w.start(c.stream.drain());
    for (int i = 0; i < 100; ++i) w.pass(10ms);
    CHECK_FALSE(drained.done());
    CHECK_FALSE(writing.done());
    c.peer.send("x");
    w.settle();
    CHECK(must(reading.get()) == 1);
    CHECK_FALSE(drained.done());
    std::string got;
    tick_until(w, [&] {
        got += c.peer.read_available();
        return drained.done() && another.done();
    });
    CHECK(drained.get().has_value());
    CHECK(another.get().has_value());
    CHECK(writing.get().has_value());
    CHECK(outstanding(c.stream) == 0);
    got += c.peer.read_available();
    CHECK(got.size() == c.stream.bytes_sent());
    CHECK(got.substr(got.size() - 14) == "the last bytes");
}

TEST_CASE("drain counts our end as well: after shutdown_send it has been acknowledged") {
    world w;
    auto c = connect_pair(w.context);
    auto half = w.start(c.stream.shutdown_send());
    w.settle();
    REQUIRE(half.get().has_value());
    auto drained = w.start(c.stream.drain());
    tick_until(w, [&] { return drained.done(); });
    CHECK(drained.get().has_value());
    CHECK(outstanding(c.stream) == 0);
    CHECK(c.peer.peek() == ending::eof);
}

TEST_CASE("a drain ends at its limit with the bytes that are missing, and the connection stays") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    auto drained = w.start(c.stream.drain(5s));
    w.settle();
    for (int i = 0; i < 99; ++i) w.pass(50ms);
    CHECK_FALSE(drained.done());
    const int missing = outstanding(c.stream);
    w.pass(50ms);
    const auto outcome = drained.get();
    CHECK(error_of(outcome) == errc::drain_timeout);
    const std::string detail(outcome.error().detail());
    CHECK(detail.find(std::to_string(missing) + " bytes are not acknowledged") == 0);
    CHECK(detail.find("after 5000 ms") != std::string::npos);
    CHECK(c.stream.is_open());
    CHECK(c.stream.reason() == close_reason::none);
    std::string got;
    auto again = w.start(c.stream.drain());
    tick_until(w, [&] {
        got += c.peer.read_available();
        return again.done();
    });
    CHECK(again.get().has_value());
}

TEST_CASE("a drain without patience asks once, and one with endless patience goes on") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    auto hasty = w.start(c.stream.drain(0s));
    auto endless = w.start(c.stream.drain(steady_clock::duration::max()));
    w.pass(0s);
    CHECK(error_of(hasty.get()) == errc::drain_timeout);
    for (int i = 0; i < 100; ++i) w.pass(1h);
    CHECK_FALSE(endless.done());
    endless.cancel();
    w.settle();
    CHECK(error_of(endless.get()) == errc::canceled);
}

TEST_CASE("drain asks often at first and every 50 ms in the end") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    auto drained = w.start(c.stream.drain(1h));
    w.settle();
    const std::size_t idle = w.time.armed(); // the limit, and the next look
    CHECK(idle == 2);
    for (int i = 0; i < 20; ++i) w.pass(50ms);
    CHECK_FALSE(drained.done());
    std::string got;
    while (outstanding(c.stream) != 0) got += c.peer.read_available();
    w.settle();
    CHECK_FALSE(drained.done()); // nothing tells but the next look
    w.pass(50ms);
    CHECK(drained.get().has_value());
    CHECK(w.time.armed() == 0);
}

TEST_CASE("a drain ends with what ends the connection") {
    world w;
    auto options = patient();
    options.idle_limit = 30s;
    auto c = connect_pair(w.context, options, true);
    fill(c.stream);
    auto drained = w.start(c.stream.drain(1h));
    w.settle();
    REQUIRE_FALSE(drained.done());
    std::optional<error> expected;
    bool told_at_once = true;
    SECTION("our abort") {
        c.stream.abort();
        expected = errc::aborted_locally;
    }
    SECTION("our close") {
        auto closing = w.start(c.stream.close(0s));
        w.settle();
        expected = errc::closed_locally;
    }
    SECTION("another connection that takes its place") {
        c.stream.abort(close_reason::replaced);
        expected = errc::replaced;
    }
    SECTION("the idle limit") {
        w.time.advance(31s);
        w.settle();
        w.time.advance(31s);
        expected = errc::idle_timeout;
    }
    SECTION("its handle") {
        const tcp_stream gone(std::move(c.stream));
        expected = errc::canceled;
    }
    SECTION("cancel, which leaves the connection alone") {
        c.stream.cancel();
        expected = errc::canceled;
        CHECK(c.stream.is_open());
    }
    SECTION("the peer's reset, which nobody reads") {
        c.peer.reset();
        told_at_once = false;
        expected = error(boost::system::error_code(
            boost::system::errc::make_error_code(boost::system::errc::connection_reset)));
    }
    w.settle();
    if (!told_at_once) w.pass(50ms);
    REQUIRE(drained.done());
    const error met = error_of(drained.get());
    CHECK(met.code().value() == expected->code().value());
    CHECK(met.code().message() == expected->code().message());
}

TEST_CASE("a reset that a drain has met first is told to the reads that follow") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    std::array<char, 8> buffer;
    const bool reader_waits = GENERATE(false, true);
    std::optional<portunus::testing::started<result<std::size_t>>> reading;
    if (reader_waits) reading = w.start(c.stream.read_some(asio::buffer(buffer)));
    fill(c.stream);
    auto drained = w.start(c.stream.drain());
    w.settle();
    c.peer.reset();
    w.time.advance(50ms);
    w.pass(50ms);
    CHECK(error_of(drained.get()) == boost::system::errc::connection_reset);
    if (!reader_waits) reading = w.start(c.stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(error_of(reading->get()) == boost::system::errc::connection_reset);
    CHECK(c.stream.reason() == close_reason::reset);
}

TEST_CASE("a drain after the peer acknowledged everything and then broke off is a success") {
    world w;
    auto c = connect_pair(w.context);
    REQUIRE(c.stream.try_write_some(asio::buffer("abc", 3)).value() == 3);
    CHECK(c.peer.read(3) == "abc");
    w.until([&] { return outstanding(c.stream) == 0; });
    c.peer.reset();
    auto drained = w.start(c.stream.drain());
    w.settle();
    CHECK(drained.get().has_value());
}

TEST_CASE("drain and wait_stalled without a connection say so") {
    world w;
    tcp_stream none;
    auto drained = w.start(none.drain());
    auto stalled = w.start(none.wait_stalled(1s));
    auto c = connect_pair(w.context);
    c.stream.abort();
    auto after = w.start(c.stream.drain());
    auto stalled_after = w.start(c.stream.wait_stalled(1s));
    w.run();
    CHECK(error_of(drained.get()) == errc::not_connected);
    CHECK(error_of(stalled.get()) == errc::not_connected);
    CHECK(error_of(after.get()) == errc::aborted_locally);
    CHECK(error_of(stalled_after.get()) == errc::aborted_locally);
}

TEST_CASE("of too many waits beside reading and writing the last is refused with the number") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    std::deque<portunus::testing::started<result<void>>> drains;
    for (int i = 0; i < 256; ++i) drains.push_back(w.start(c.stream.drain(1h)));
    auto stalled = w.start(c.stream.wait_stalled(1h));
    w.settle();
    std::size_t refused = 0;
    for (auto& d : drains) {
        if (!d.done()) continue;
        ++refused;
        const auto outcome = d.get();
        CHECK(error_of(outcome) == errc::operation_in_progress);
        CHECK(outcome.error().detail() == "255 coroutines already wait for this stream");
    }
    CHECK(refused == 1);
    CHECK(error_of(stalled.get()) == errc::operation_in_progress);
    c.stream.abort();
    w.run();
    for (auto& d : drains) CHECK(d.done());
}

// wait_stalled
// -----------------------------------------------------------------------------------------------------

TEST_CASE("a peer that takes nothing is reported once a limit, with the bytes and the time, for ever") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    std::vector<stall> reports;
    w.spawn([](tcp_stream& s, std::vector<stall>& all) -> awaitable<void> {
        for (;;) {
            auto report = co_await s.wait_stalled(16s);
            if (!report) {
                CHECK(report.error() == errc::aborted_locally);
                co_return;
            }
            all.push_back(*report);
        }
    }(c.stream, reports));
    w.settle();
    for (int i = 0; i < 15; ++i) w.pass(1s);
    CHECK(reports.empty());
    w.pass(1s);
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].lasted == 16s);
    CHECK(reports[0].unacknowledged + reports[0].unsent == static_cast<std::uint64_t>(outstanding(c.stream)));
    CHECK(reports[0].unsent > 0); // its window is closed
    for (int i = 0; i < 32; ++i) w.pass(1s);
    CHECK(reports.size() == 3);
    CHECK(c.stream.is_open()); // it reports and changes nothing
    c.stream.abort();
    w.run();
    CHECK(reports.size() == 3);
}

TEST_CASE("a peer that acknowledges a little now and then is not stalled") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    auto stalled = w.start(c.stream.wait_stalled(16s));
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 14; ++i) w.pass(1s);
        const int before = outstanding(c.stream);
        w.until([&] { // a window update and an acknowledgement take real time
            c.peer.read_available();
            return outstanding(c.stream) < before || outstanding(c.stream) == 0;
        });
        fill(c.stream); // more is outstanding than before: it is not the number that counts
        w.pass(1s);
        CHECK_FALSE(stalled.done());
    }
    w.until([&] { // until nothing moves by itself any more
        const int before = outstanding(c.stream);
        std::this_thread::sleep_for(1ms);
        return before == outstanding(c.stream);
    });
    for (int i = 0; i < 18; ++i) w.pass(1s);
    CHECK(stalled.get().has_value());
}

TEST_CASE("nothing outstanding is no stall, and a stall begins when something is") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    auto stalled = w.start(c.stream.wait_stalled(16s));
    for (int i = 0; i < 100; ++i) w.pass(1s);
    CHECK_FALSE(stalled.done());
    fill(c.stream);
    for (int i = 0; i < 16; ++i) w.pass(1s); // the first look finds it
    CHECK_FALSE(stalled.done());
    w.pass(1s);
    CHECK(stalled.get().has_value());
}

TEST_CASE("short limits are looked at every millisecond, and less than one counts as one") {
    world w;
    auto c = connect_pair(w.context, patient(), true);
    fill(c.stream);
    const auto limit = GENERATE(steady_clock::duration(-1s), steady_clock::duration(0s),
                                steady_clock::duration(1ns), steady_clock::duration(1ms));
    auto stalled = w.start(c.stream.wait_stalled(limit));
    w.settle();
    CHECK_FALSE(stalled.done());
    w.pass(1ms);
    CHECK(must(stalled.get()).lasted == 1ms);
}

TEST_CASE("a wait for a stall ends with what ends the connection, and can be cancelled") {
    world w;
    auto c = connect_pair(w.context, patient());
    auto stalled = w.start(c.stream.wait_stalled(10s));
    w.settle();
    SECTION("our abort") {
        c.stream.abort();
        w.run();
        CHECK(error_of(stalled.get()) == errc::aborted_locally);
    }
    SECTION("cancel of the stream") {
        c.stream.cancel();
        w.settle();
        CHECK(error_of(stalled.get()) == errc::canceled);
        CHECK(c.stream.is_open());
    }
    SECTION("cancel of the coroutine") {
        stalled.cancel();
        w.settle();
        CHECK(error_of(stalled.get()) == errc::canceled);
    }
    SECTION("the peer's reset") {
        c.peer.reset();
        w.pass(1s);
        CHECK(error_of(stalled.get()) == boost::system::errc::connection_reset);
        CHECK(c.stream.reason() == close_reason::reset);
    }
    SECTION("both sides' end, in order") {
        auto half = w.start(c.stream.shutdown_send());
        w.settle();
        c.peer.close();
        w.until([&] {
            w.pass(1s);
            return stalled.done();
        });
        CHECK(error_of(stalled.get()) == errc::end_of_stream);
        CHECK(c.stream.reason() == close_reason::none); // whoever closes it says why
    }
    SECTION("its handle") {
        { const tcp_stream gone(std::move(c.stream)); }
        w.settle();
        CHECK(error_of(stalled.get()) == errc::canceled);
    }
}

// the kernel's own limit
// -------------------------------------------------------------------------------------------

TEST_CASE("user_timeout and icmp_errors reach the socket, and the sockets that a listener accepts") {
    world w;
    tcp_stream_options options;
    options.user_timeout = 1234ms;
    options.icmp_errors = true;
    const auto on = GENERATE(asio::ip::make_address("127.0.0.1"), asio::ip::make_address("::1"));
    const auto check = [&](const tcp_stream& s, bool set) {
        CHECK(option(s.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT) == (set ? 1234 : 0));
        if (on.is_v4())
            CHECK(option(s.native_handle(), IPPROTO_IP, IP_RECVERR) == set);
        else
            CHECK(option(s.native_handle(), IPPROTO_IPV6, IPV6_RECVERR) == set);
    };
    auto c = connect_pair(w.context, options, false, on);
    check(c.stream, true);
    auto plain = connect_pair(w.context, {}, false, on);
    check(plain.stream, false);
    options.user_timeout = 1000h * 1000;
    auto most = connect_pair(w.context, options, false, on);
    CHECK(option(most.stream.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT) == INT32_MAX);
    options.user_timeout = 1234ms;

    portunus::listener_options door;
    door.ports = 0;
    door.addresses = {on};
    door.policy = portunus::accept_policy::anyone();
    door.stream = options;
    portunus::tcp_listener listener(w.context.get_executor(), door);
    const auto peer = plain_socket::connected_to(listener.endpoints().front());
    auto came = w.start(listener.accept());
    w.settle();
    check(must(came.get()).stream, true);
}

TEST_CASE("a peer that takes nothing for the user timeout ends the connection, by the kernel's own clock") {
    world w(world::clock::real);
    auto options = patient();
    options.user_timeout = 20ms;
    auto c = connect_pair(w.context, options, true);
    fill(c.stream);
    std::array<char, 8> buffer;
    auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
    auto drained = w.start(c.stream.drain());
    w.until([&] { return reading.done() && drained.done(); });
    CHECK(error_of(reading.get()) == boost::system::errc::timed_out);
    CHECK(error_of(drained.get()) == boost::system::errc::timed_out);
    CHECK(c.stream.reason() == close_reason::timed_out);
}

// what the network reports
// -----------------------------------------------------------------------------------------

namespace {

/// Where the next byte that is sent stands: what a router would quote. Nothing where we may not ask.
std::optional<std::uint32_t> sequence_of(int fd) {
    const int on = 1, queue = 2, off = -1; // TCP_REPAIR_ON, TCP_SEND_QUEUE, TCP_REPAIR_OFF_NO_WP
    if (::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0) return std::nullopt;
    std::uint32_t sequence = 0;
    socklen_t size = sizeof sequence;
    const bool known = ::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof queue) == 0 &&
                       ::getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence, &size) == 0;
    ::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof off);
    int unsent = 0;
    if (!known || ::ioctl(fd, SIOCOUTQNSD, &unsent) != 0) return std::nullopt;
    return sequence - static_cast<std::uint32_t>(unsent);
}

std::uint16_t checksum(const std::string& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        sum += static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]) << 8 |
                                          static_cast<unsigned char>(bytes[i + 1]));
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

/// Reports a destination of `s` as unreachable, as a router on the way would. False where we may not.
bool report_unreachable(const tcp_stream& s, std::uint8_t code) {
    const auto sequence = sequence_of(s.native_handle());
    const int raw = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (!sequence || raw < 0) return false;
    std::string message;
    const auto put = [&message](std::uint64_t value, int bytes) {
        while (bytes-- > 0) message += static_cast<char>(value >> (8 * bytes) & 0xff);
    };
    put(ICMP_DEST_UNREACH, 1);
    put(code, 1);
    put(0, 6);
    put(0x45000028, 4); // the IPv4 header of the segment that did not arrive, and its first eight bytes
    put(0x00010000, 4);
    put(0x40060000, 4);
    put(s.local_endpoint().address().to_v4().to_uint(), 4);
    put(s.remote_endpoint().address().to_v4().to_uint(), 4);
    put(s.local_endpoint().port(), 2);
    put(s.remote_endpoint().port(), 2);
    put(*sequence, 4);
    const std::uint16_t sum = checksum(message);
    message[2] = static_cast<char>(sum >> 8);
    message[3] = static_cast<char>(sum & 0xff);
    const tcp::endpoint to(s.local_endpoint().address(), 0);
    const auto sent =
        ::sendto(raw, message.data(), message.size(), 0, to.data(), static_cast<socklen_t>(to.size()));
    ::close(raw);
    return sent == static_cast<ssize_t>(message.size());
}

} // namespace

TEST_CASE("what the network reports ends the connection at once where that is wanted, and only there") {
    struct report {
        std::uint8_t code;
        int number;
    };
    const auto [code, number] =
        GENERATE(report{ICMP_HOST_UNREACH, EHOSTUNREACH}, report{ICMP_NET_UNREACH, ENETUNREACH},
                 report{ICMP_PORT_UNREACH, ECONNREFUSED}, report{ICMP_PROT_UNREACH, ENOPROTOOPT});
    const bool wanted = GENERATE(true, false);
    world w;
    auto options = patient();
    options.icmp_errors = wanted;
    auto c = connect_pair(w.context, options);
    std::array<char, 8> buffer;
    auto reading = w.start(c.stream.read_some(asio::buffer(buffer)));
    auto stalled = w.start(c.stream.wait_stalled(1s));
    w.settle();
    if (!report_unreachable(c.stream, code)) {
        WARN("skipped: a raw socket and TCP_REPAIR need privileges that this process has not");
        c.stream.abort();
        w.run();
        return;
    }
    if (!wanted) {
        w.settle();
        w.pass(1s);
        CHECK_FALSE(reading.done());
        CHECK_FALSE(stalled.done());
        c.peer.send("still there");
        w.settle();
        CHECK(must(reading.get()) == 8);
        return;
    }
    w.until([&] { return reading.done(); });
    const error first = error_of(reading.get());
    CHECK(first.code().value() == number);
    CHECK(first.code().category() == boost::system::system_category());
    CHECK(c.stream.reason() == close_reason::reset); // whatever the code: no policy of ours denied it
    w.pass(1s);
    CHECK(error_of(stalled.get()) == first);
    for (int i = 0; i < 3; ++i) { // it is over, for both directions and for good
        auto again = w.start(c.stream.read_some(asio::buffer(buffer)));
        auto writing = w.start(c.stream.write("x"));
        w.settle();
        CHECK(error_of(again.get()) == first);
        CHECK(error_of(writing.get()) == first);
        CHECK(error_of(c.stream.try_read_some(asio::buffer(buffer))) == first);
    }
    CHECK(c.peer.read_to_end().second == ending::reset);
}

TEST_CASE("what the network reports wakes a write that waits, and a drain alone meets it too") {
    world w;
    auto options = patient();
    options.icmp_errors = true;
    auto c = connect_pair(w.context, options, true);
    fill(c.stream);
    const bool with_writer = GENERATE(true, false);
    std::optional<portunus::testing::started<result<void>>> writing;
    if (with_writer) writing = w.start(c.stream.write("x"));
    auto drained = w.start(c.stream.drain(1h));
    w.settle();
    if (!report_unreachable(c.stream, ICMP_HOST_UNREACH)) {
        WARN("skipped: a raw socket and TCP_REPAIR need privileges that this process has not");
        c.stream.abort();
        w.run();
        return;
    }
    w.until([&] {
        w.pass(50ms);
        return drained.done() && (!writing || writing->done());
    });
    const error unreachable(boost::system::error_code(EHOSTUNREACH, boost::system::system_category()));
    CHECK(error_of(drained.get()) == unreachable);
    if (writing) CHECK(error_of(writing->get()) == unreachable);
    CHECK(error_of(c.stream.try_write_some(asio::buffer("x", 1))) == unreachable);
    CHECK(c.stream.reason() == close_reason::reset);
}

// destroyed at every point
// -----------------------------------------------------------------------------------------

namespace {

/// A stream whose peer takes nothing, with everything that may wait in it beside reading and writing.
struct waiting_scene {
    explicit waiting_scene(asio::io_context& context) : c(connect_pair(context, {}, true)) {
        stream.emplace(std::move(c.stream));
        fill(*stream);
    }
    awaitable<void> operator()() {
        if (!stream) co_return;
        auto executor = stream->get_executor();
        auto draining = portunus::testing::start(executor, stream->drain(3ms));
        auto stalling = portunus::testing::start(executor, stream->wait_stalled(4ms));
        auto writing = portunus::testing::start(executor, stream->write("x"));
        if (stream) {
            auto drained = co_await stream->drain(5ms);
            CHECK((error_of(drained) == errc::drain_timeout || error_of(drained) == errc::canceled));
        }
        if (stream) {
            auto stalled = co_await stream->wait_stalled(2ms);
            CHECK((stalled || stalled.error() == errc::canceled));
        }
        if (stream) stream->abort();
        co_await draining.join();
        co_await stalling.join();
        co_await writing.join();
    }
    void drop() { stream.reset(); }

    connection c;
    std::optional<tcp_stream> stream;
};

} // namespace

TEST_CASE("drains and waits for a stall can be destroyed at every point, handle or context first") {
    const std::size_t before = open_descriptors();
    const std::size_t handlers =
        destroy_at_every_point([](asio::io_context& context) { return waiting_scene(context); });
    CHECK(handlers > 10);
    CHECK(open_descriptors() == before);
}

TEST_CASE("a stream that outlives its context with waits in it knows only its past") {
    std::optional<tcp_stream> survivor;
    plain_socket peer;
    {
        world w;
        auto pair = connect_pair(w.context, patient(), true);
        survivor.emplace(std::move(pair.stream));
        peer = std::move(pair.peer);
        fill(*survivor);
        auto drained = w.start(survivor->drain());
        auto stalled = w.start(survivor->wait_stalled(1s));
        w.settle();
    }
    CHECK_FALSE(survivor->is_open());
    survivor->cancel();
    world w;
    auto drained = w.start(survivor->drain());
    w.run();
    CHECK(error_of(drained.get()) == errc::not_connected);
}
