// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/tcp_stream.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/connect.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/testing/run.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::connect;
using portunus::errc;
using portunus::error;
using portunus::listener_options;
using portunus::result;
using portunus::steady_clock;
using portunus::tcp_listener;
using portunus::tcp_stream;
using portunus::tcp_stream_options;
using portunus::testing::destroy_at_every_point;

namespace {

template <std::size_t N>
std::string_view text_of(const std::array<char, N>& bytes, std::size_t n) {
    return {bytes.data(), n};
}

/// Fills what lies between the stream and a peer that does not read, so that a write has to wait. What was
/// taken.
std::size_t fill(tcp_stream& stream) {
    const std::string bytes = pattern(std::size_t{1} << 16);
    std::size_t taken = 0;
    for (;;) {
        auto n = stream.try_write_some(asio::buffer(pattern(bytes.size(), taken)));
        if (!n) {
            REQUIRE(n.error() == errc::would_block);
            return taken;
        }
        taken += *n;
    }
}

int option(const tcp_stream& s, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(s.native_handle(), level, name, &value, &size) == 0);
    return value;
}

} // namespace

// bytes
// --------------------------------------------------------------------------------------------------------------

TEST_CASE("bytes go both ways, and are counted") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 64> buffer;
    peer.send("hello");
    auto got = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(must(got.get()) == 5);
    CHECK(text_of(buffer, 5) == "hello");
    auto sent = w.start(stream.write("good day"));
    w.settle();
    CHECK(sent.get().has_value());
    CHECK(peer.read(8) == "good day");
    CHECK(stream.bytes_received() == 5);
    CHECK(stream.bytes_sent() == 8);
}

TEST_CASE("a megabyte goes both ways at the same time, every byte in its place") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    constexpr std::size_t size = 1'000'000;
    const std::string out = pattern(size), in = pattern(size, 77);
    auto writing = w.start(stream.write(out));
    std::string received;
    w.spawn([](tcp_stream& s, std::string& into) -> awaitable<void> {
        std::array<char, 10'000> buffer;
        while (into.size() < size) {
            auto n = co_await s.read_some(asio::buffer(buffer));
            into.append(buffer.data(), must(n));
        }
    }(stream, received));
    std::string at_peer;
    std::size_t sent = 0;
    w.until([&] {
        at_peer += peer.read_available();
        const auto n = ::send(peer.fd(), in.data() + sent, in.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) sent += static_cast<std::size_t>(n);
        return writing.done() && received.size() == size && at_peer.size() == size;
    });
    CHECK(writing.get().has_value());
    CHECK(at_peer == out);
    CHECK(received == in);
    CHECK(stream.bytes_received() == size);
    CHECK(stream.bytes_sent() == size);
}

TEST_CASE("a write may overlap with a read that waits") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    auto writing = w.start(stream.write("x"));
    w.settle();
    CHECK(writing.get().has_value());
    CHECK_FALSE(reading.done());
    peer.send("y");
    w.settle();
    CHECK(must(reading.get()) == 1);
}

TEST_CASE("writing nothing succeeds where there is a connection, and sends nothing") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto nothing = w.start(stream.write(""));
    w.settle();
    CHECK(nothing.get().has_value());
    stream.abort();
    auto after = w.start(stream.write(""));
    w.settle();
    CHECK(error_of(after.get()) == errc::aborted_locally);
}

TEST_CASE("the immediate forms never wait, and say when there is nothing to do") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    CHECK(error_of(stream.try_read_some(asio::buffer(buffer))) == errc::would_block);
    peer.send("abc");
    CHECK(must(stream.try_read_some(asio::buffer(buffer))) == 3);
    CHECK(must(stream.try_write_some(asio::buffer("xyz", 3))) == 3);
    CHECK(peer.read(3) == "xyz");
    const std::size_t taken = fill(stream);
    CHECK(taken > 0);
    CHECK(error_of(stream.try_write_some(asio::buffer("z", 1))) == errc::would_block);
    peer.shutdown_send();
    CHECK(error_of(stream.try_read_some(asio::buffer(buffer))) == errc::end_of_stream);
    w.run(); // no timer, no wait: nothing keeps the context alive
}

TEST_CASE("wait_readable completes when there are bytes, or the end, and takes nothing") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto waiting = w.start(stream.wait_readable());
    w.settle();
    CHECK_FALSE(waiting.done());
    const bool bytes = GENERATE(true, false);
    if (bytes)
        peer.send("abc");
    else
        peer.close();
    w.settle();
    CHECK(waiting.get().has_value());
    std::array<char, 8> buffer;
    const auto n = stream.try_read_some(asio::buffer(buffer));
    if (bytes)
        CHECK(must(n) == 3);
    else
        CHECK(error_of(n) == errc::end_of_stream);
    CHECK(stream.bytes_received() == (bytes ? 3 : 0));
}

TEST_CASE("wait_writable completes when the peer has made room") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto at_once = w.start(stream.wait_writable());
    w.settle();
    CHECK(at_once.get().has_value());
    fill(stream);
    auto waiting = w.start(stream.wait_writable());
    w.settle();
    CHECK_FALSE(waiting.done());
    std::string read;
    w.until([&] {
        read += peer.read_available();
        return waiting.done();
    });
    CHECK(waiting.get().has_value());
    CHECK(must(stream.try_write_some(asio::buffer("x", 1))) == 1);
}

// ends
// ---------------------------------------------------------------------------------------------------------------

TEST_CASE("when the peer has finished, what it sent is read first, then the end, again and again; writing "
          "goes on") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    peer.send("last words");
    peer.shutdown_send();
    std::array<char, 64> buffer;
    auto words = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(must(words.get()) == 10);
    for (int i = 0; i < 2; ++i) {
        auto end = w.start(stream.read_some(asio::buffer(buffer)));
        w.settle();
        CHECK(error_of(end.get()) == errc::end_of_stream);
    }
    CHECK(stream.reason() == close_reason::none); // half of it still stands
    auto reply = w.start(stream.write("reply"));
    w.settle();
    CHECK(reply.get().has_value());
    CHECK(peer.read(5) == "reply");
}

TEST_CASE("after shutdown_send the peer reads the end, and reading goes on") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto request = w.start(stream.write("request"));
    w.settle();
    request.get().value();
    for (int i = 0; i < 2; ++i) { // a second call is fine
        auto half = w.start(stream.shutdown_send());
        w.settle();
        CHECK(half.get().has_value());
    }
    CHECK(peer.read_to_end() == std::pair(std::string("request"), ending::eof));
    peer.send("the reply");
    std::array<char, 64> buffer;
    auto reply = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(must(reply.get()) == 9);
    auto late = w.start(stream.write("more"));
    w.settle();
    CHECK(error_of(late.get()) == errc::closed_locally);
    CHECK(stream.is_open());
}

TEST_CASE("close with unread input does not destroy the reply: the peer reads all of it, then the end") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    peer.send(pattern(100'000)); // never read
    const std::string reply = pattern(200'000, 5);
    auto writing = w.start(stream.write(reply));
    auto closing = w.start(
        [](tcp_stream& s, portunus::testing::started<result<void>>& written) -> awaitable<result<void>> {
            auto sent = co_await written.join();
            if (!sent) co_return sent;
            auto closed = co_await s.close();
            co_return closed;
        }(stream, writing));
    std::string got;
    w.until([&] {
        got += peer.read_available();
        return peer.peek() != ending::open;
    });
    CHECK(got == reply);
    CHECK(peer.peek() == ending::eof);
    CHECK_FALSE(closing.done()); // it waits for the peer's end
    peer.send(pattern(100'000)); // and bears with what still comes
    w.settle();
    CHECK(peer.peek() == ending::eof); // and no reset
    peer.close();
    w.run();
    CHECK(closing.get().has_value());
    CHECK(stream.reason() == close_reason::closed_locally);
    CHECK_FALSE(stream.is_open());
}

TEST_CASE("close ends at its limit when the peer never closes, and says so with the number") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto closing = w.start(stream.close(5s));
    w.pass(5s - 1ns);
    CHECK_FALSE(closing.done());
    peer.send("a trickle does not move the limit");
    w.pass(1ns);
    const auto closed = closing.get();
    CHECK(error_of(closed) == errc::drain_timeout);
    CHECK(closed.error().detail().find("5000 ms") != std::string_view::npos);
    CHECK_FALSE(stream.is_open());
    CHECK(stream.reason() == close_reason::closed_locally);
    w.run();
}

TEST_CASE("close without patience closes at once, and with endless patience waits as long as it takes") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    const bool endless = GENERATE(false, true);
    auto closing = w.start(stream.close(endless ? steady_clock::duration::max() : 0s));
    w.pass(24h);
    CHECK(closing.done() == !endless);
    CHECK(peer.read_to_end().second == ending::eof);
    peer.close();
    w.run();
    CHECK(closing.done());
}

TEST_CASE("close during a read and a write that wait completes both with closed_locally") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    const std::size_t taken = fill(stream);
    auto writing = w.start(stream.write("x"));
    w.settle();
    auto closing = w.start(stream.close());
    w.settle();
    CHECK(error_of(reading.get()) == errc::closed_locally);
    CHECK(error_of(writing.get()) == errc::closed_locally);
    std::string got;
    w.until([&] {
        got += peer.read_available();
        return peer.peek() == ending::eof;
    });
    CHECK(got == pattern(taken)); // what was written before arrives
    peer.close();
    w.run();
    CHECK(closing.get().has_value());
    auto after = w.start(stream.read_some(asio::buffer(buffer)));
    w.run();
    CHECK(error_of(after.get()) == errc::closed_locally);
}

TEST_CASE("a close that is cancelled closes at once and says so") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto closing = w.start(stream.close());
    w.settle();
    closing.cancel();
    w.run();
    CHECK(error_of(closing.get()) == errc::canceled);
    CHECK_FALSE(stream.is_open());
}

TEST_CASE("two may close at once, and the one with less patience does not cut the other one's drain short") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    const bool hasty_first = GENERATE(false, true);
    auto first = w.start(stream.close(hasty_first ? 1s : 8s));
    auto second = w.start(stream.close(hasty_first ? 8s : 1s));
    auto& hasty = hasty_first ? first : second;
    auto& patient = hasty_first ? second : first;
    w.pass(2s);
    CHECK(error_of(hasty.get()) == errc::drain_timeout);
    CHECK_FALSE(patient.done());
    CHECK(stream.is_open());
    CHECK(peer.read_to_end().second == ending::eof);
    peer.close();
    w.run();
    CHECK(patient.get().has_value());
    CHECK_FALSE(stream.is_open());
    CHECK(stream.reason() == close_reason::closed_locally);
}

TEST_CASE("of two that close at once both see the peer's end") {
    world w;
    auto c = connect_pair(w.context);
    auto first = w.start(c.stream.close());
    auto second = w.start(c.stream.close());
    w.settle();
    c.peer.close();
    w.run();
    CHECK(first.get().has_value());
    CHECK(second.get().has_value());
    CHECK_FALSE(c.stream.is_open());
}

TEST_CASE("abort during a close ends it at once") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto closing = w.start(stream.close());
    w.settle();
    stream.abort();
    w.run();
    CHECK(closing.done());
    CHECK(stream.reason() == close_reason::closed_locally); // the first cause
    CHECK(peer.read_to_end().second != ending::open);
}

TEST_CASE("abort is seen by the peer as a reset, and completes what waits with its cause") {
    const auto [why, code] =
        GENERATE(table<close_reason, errc>({{close_reason::aborted_locally, errc::aborted_locally},
                                            {close_reason::replaced, errc::replaced},
                                            {close_reason::shutdown, errc::shutting_down},
                                            {close_reason::denied, errc::aborted_locally}}));
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    fill(stream);
    auto writing = w.start(stream.write("x"));
    w.settle();
    stream.abort(why);
    stream.abort(close_reason::idle); // the first one counts
    w.run();
    CHECK(error_of(reading.get()) == code);
    CHECK(error_of(writing.get()) == code);
    CHECK(stream.reason() == why);
    CHECK_FALSE(stream.is_open());
    CHECK(peer.read_to_end().second == ending::reset);
}

TEST_CASE("when the peer breaks the connection a read says so, and the program gets no signal") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    peer.reset();
    w.settle();
    CHECK(error_of(reading.get()) == boost::system::errc::connection_reset);
    CHECK(stream.reason() == close_reason::reset);
    for (int i = 0; i < 3; ++i) { // SIGPIPE would end the test program
        auto writing = w.start(stream.write("x"));
        w.settle();
        CHECK(error_of(writing.get()) == portunus::condition::closed);
    }
    CHECK(stream.reason() == close_reason::reset);
}

TEST_CASE("a reset that a write has met is not taken for an orderly end by the next read") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    peer.reset();
    auto writing = w.start(stream.write("x"));
    w.settle();
    CHECK(error_of(writing.get()) == boost::system::errc::connection_reset);
    std::array<char, 8> buffer;
    for (int i = 0; i < 2; ++i) {
        auto reading = w.start(stream.read_some(asio::buffer(buffer)));
        w.settle();
        CHECK(error_of(reading.get()) == boost::system::errc::connection_reset);
        CHECK(error_of(stream.try_read_some(asio::buffer(buffer))) == boost::system::errc::connection_reset);
    }
    CHECK(stream.reason() == close_reason::reset);
}

TEST_CASE("a reader that waits learns of a reset as a reset, though the writer meets it first") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    peer.reset();
    CHECK(error_of(stream.try_write_some(asio::buffer("x", 1))) == boost::system::errc::connection_reset);
    w.settle();
    CHECK(error_of(reading.get()) == boost::system::errc::connection_reset);
}

// cancellation
// -------------------------------------------------------------------------------------------------------

TEST_CASE("a cancelled read completes with canceled, and the stream stays as it was") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    auto waiting = w.start(stream.wait_writable());
    w.settle();
    const bool by_signal = GENERATE(false, true);
    if (by_signal)
        reading.cancel();
    else
        stream.cancel();
    CHECK_FALSE(reading.done()); // never inside the call
    w.settle();
    CHECK(error_of(reading.get()) == errc::canceled);
    CHECK(stream.reason() == close_reason::none);
    peer.send("after");
    auto again = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(must(again.get()) == 5);
}

TEST_CASE("cancelling one direction by its own signal leaves the other one waiting") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    fill(stream);
    auto writing = w.start(stream.wait_writable());
    w.settle();
    SECTION("the reader") {
        reading.cancel();
        w.settle();
        CHECK(error_of(reading.get()) == errc::canceled);
        CHECK_FALSE(writing.done());
        std::string got;
        w.until([&] {
            got += peer.read_available();
            return writing.done();
        });
        CHECK(writing.get().has_value());
    }
    SECTION("the writer") {
        writing.cancel();
        w.settle();
        CHECK(error_of(writing.get()) == errc::canceled);
        CHECK_FALSE(reading.done());
        peer.send("abc");
        w.settle();
        CHECK(must(reading.get()) == 3);
    }
}

TEST_CASE("a cancel without anything pending has no effect on what comes after it") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    stream.cancel();
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK_FALSE(reading.done());
    peer.send("x");
    w.settle();
    CHECK(must(reading.get()) == 1);
}

TEST_CASE("however often reads are cancelled, no byte is lost or doubled") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    constexpr std::size_t size = 20'000;
    std::string got;
    std::size_t canceled = 0;
    w.spawn([](tcp_stream& s, std::string& into, std::size_t& cancels) -> awaitable<void> {
        std::array<char, 97> buffer;
        while (into.size() < size) {
            auto n = co_await s.read_some(asio::buffer(buffer));
            if (n)
                into.append(buffer.data(), *n);
            else if (n.error() == errc::canceled)
                ++cancels;
            else
                n.value();
        }
    }(stream, got, canceled));
    const std::string bytes = pattern(size);
    for (std::size_t sent = 0, step = 0; sent < size; ++step) {
        const std::size_t n = std::min<std::size_t>(1 + step % 150, size - sent);
        peer.send(std::string_view(bytes).substr(sent, n));
        sent += n;
        for (std::size_t i = 0; i < step % 4; ++i) {
            w.context.restart();
            w.context.poll_one();
        }
        stream.cancel();
        if (step % 3 == 0) w.settle();
    }
    w.until([&] { return got.size() == size; });
    CHECK(got == bytes);
    CHECK(canceled > 0);
}

TEST_CASE("a task that is cancelled at any point of a conversation ends, and its read does not wait on") {
    // A read on a lively connection yields before it receives: a cancellation must not get lost there either.
    bool drained = false;
    for (int steps = 0; !drained; steps += steps < 250 ? 7 : 1) {
        CAPTURE(steps);
        REQUIRE(steps < 3000);
        world w;
        auto c = connect_pair(w.context);
        asio::cancellation_signal signal;
        bool ended = false;
        std::size_t got = 0;
        error last;
        constexpr std::size_t size = 1000;
        w.spawn(
            [](tcp_stream& s, std::size_t& total, error& e, bool& done) -> awaitable<void> {
                co_await asio::this_coro::throw_if_cancelled(false);
                std::array<char, 4> buffer;
                for (;;) {
                    auto n = co_await s.read_some(asio::buffer(buffer));
                    if (!n) {
                        e = n.error();
                        break;
                    }
                    total += *n;
                }
                done = true;
            }(c.stream, got, last, ended),
            signal);
        c.peer.send(pattern(size));
        std::size_t ran = 0;
        for (int i = 0; i < steps; ++i) {
            w.context.restart();
            ran = w.context.poll_one();
        }
        drained = got == size && ran == 0; // it waits
        signal.emit(asio::cancellation_type::terminal);
        w.settle();
        REQUIRE(ended);
        REQUIRE(last == errc::canceled);
    }
}

TEST_CASE("a task that was cancelled before writes nothing any more") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    asio::cancellation_signal signal;
    error failed;
    w.spawn(
        [](tcp_stream& s, asio::cancellation_signal& me, error& e) -> awaitable<void> {
            co_await asio::this_coro::throw_if_cancelled(false);
            co_await asio::post(asio::use_awaitable);
            me.emit(asio::cancellation_type::terminal); // from inside: it runs while it is cancelled
            auto sent = co_await s.write("x");
            e = error_of(sent);
        }(stream, signal, failed),
        signal);
    w.settle();
    CHECK(failed == errc::canceled);
    CHECK(peer.read_available().empty());
    auto other = w.start(stream.write("y")); // the stream is as it was
    w.settle();
    CHECK(other.get().has_value());
}

TEST_CASE("a write that is cancelled before a byte has left leaves the stream usable") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    const std::size_t taken = fill(stream);
    auto writing = w.start(stream.write("never"));
    w.settle();
    const bool by_signal = GENERATE(false, true);
    if (by_signal)
        writing.cancel();
    else
        stream.cancel();
    w.settle();
    CHECK(error_of(writing.get()) == errc::canceled);
    auto again = w.start(stream.write("now"));
    std::string got;
    w.until([&] {
        got += peer.read_available();
        return again.done() && got.size() == taken + 3;
    });
    CHECK(got == pattern(taken) + "now");
}

TEST_CASE(
    "a write that is cancelled midway is torn: the stream is of no use any more, and every call says why") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    const std::string bytes = pattern(2'000'000);
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    auto writing = w.start(stream.write(bytes));
    w.settle();
    REQUIRE_FALSE(writing.done());
    REQUIRE(stream.bytes_sent() > 0);
    const bool by_signal = GENERATE(false, true);
    if (by_signal)
        writing.cancel();
    else
        stream.cancel();
    w.settle();
    CHECK(error_of(writing.get()) == errc::torn_write);
    // cancel() ends both directions, the signal that of its own task: either way the reader learns of it
    CHECK(reading.done());
    auto next = w.start(stream.write("more"));
    auto read = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(error_of(next.get()) == errc::torn_write);
    CHECK(error_of(read.get()) == errc::torn_write);
    CHECK(stream.reason() == close_reason::aborted_locally);
}

TEST_CASE("a second reader and a second writer are told, and do not disturb the first ones") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> one, two;
    auto reading = w.start(stream.read_some(asio::buffer(one)));
    const std::size_t taken = fill(stream);
    auto writing = w.start(stream.write("first"));
    w.settle();
    auto second_read = w.start(stream.read_some(asio::buffer(two)));
    auto second_wait = w.start(stream.wait_readable());
    auto second_write = w.start(stream.write("second"));
    auto second_room = w.start(stream.wait_writable());
    w.settle();
    for (const error& e : {error_of(second_read.get()), error_of(second_wait.get()),
                           error_of(second_write.get()), error_of(second_room.get())}) {
        CHECK(e == errc::operation_in_progress);
        CHECK_FALSE(is_fatal(e));
        CHECK_FALSE(e.detail().empty());
    }
    peer.send("abc");
    std::string got;
    w.until([&] {
        got += peer.read_available();
        return reading.done() && writing.done() && got.size() == taken + 5;
    });
    CHECK(must(reading.get()) == 3);
    CHECK(writing.get().has_value());
    CHECK(got == pattern(taken) + "first");
}

// limits
// -------------------------------------------------------------------------------------------------------------

TEST_CASE("a peer that takes no byte for the write limit ends the connection") {
    world w;
    tcp_stream_options options;
    options.write_limit = 7s;
    options.idle_limit = 0s;
    auto c = connect_pair(w.context, options, true);
    auto& stream = c.stream;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    const std::string bytes = pattern(2'000'000);
    auto writing = w.start(stream.write(bytes));
    w.pass(7s - 1ns);
    CHECK_FALSE(writing.done());
    w.pass(1ns);
    CHECK(error_of(writing.get()) == errc::write_timeout);
    CHECK(error_of(reading.get()) == errc::write_timeout); // it is over for both
    CHECK(stream.reason() == close_reason::timed_out);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("a peer that takes bytes slowly does not hit the write limit") {
    world w;
    tcp_stream_options options;
    options.write_limit = 7s;
    options.idle_limit = 0s;
    auto c = connect_pair(w.context, options, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    const std::string bytes = pattern(300'000);
    auto writing = w.start(stream.write(bytes));
    std::string got;
    std::uint64_t before = 0;
    w.until([&] {
        got += peer.read_available();
        const std::uint64_t now = stream.bytes_sent();
        if (now != before && !writing.done()) w.time.advance(6s); // each time just short of the limit
        before = now;
        return writing.done() && got.size() == bytes.size();
    });
    CHECK(writing.get().has_value());
    CHECK(got == bytes);
}

TEST_CASE("without a write limit a write waits as long as it takes") {
    world w;
    tcp_stream_options options;
    options.write_limit = 0s;
    options.idle_limit = 0s;
    auto c = connect_pair(w.context, options, true);
    auto& stream = c.stream;
    const std::string bytes = pattern(2'000'000);
    auto writing = w.start(stream.write(bytes));
    w.pass(240h);
    CHECK_FALSE(writing.done());
    CHECK(w.time.armed() == 0);
}

TEST_CASE("no byte in either direction for the idle limit ends the connection") {
    world w;
    tcp_stream_options options;
    options.idle_limit = 60s;
    auto c = connect_pair(w.context, options);
    auto& stream = c.stream;
    std::array<char, 8> buffer;
    SECTION("while somebody reads") {
        auto reading = w.start(stream.read_some(asio::buffer(buffer)));
        w.pass(60s - 1ns);
        CHECK_FALSE(reading.done());
        w.pass(1ns);
        CHECK(error_of(reading.get()) == errc::idle_timeout);
    }
    SECTION("while somebody waits for readability") {
        auto waiting = w.start(stream.wait_readable());
        w.pass(60s);
        CHECK(error_of(waiting.get()) == errc::idle_timeout);
    }
    SECTION("while nobody does anything: the next call is told") {
        w.pass(60s);
        auto reading = w.start(stream.read_some(asio::buffer(buffer)));
        auto writing = w.start(stream.write("x"));
        w.settle();
        CHECK(error_of(reading.get()) == errc::idle_timeout);
        CHECK(error_of(writing.get()) == errc::idle_timeout);
        CHECK(error_of(stream.try_read_some(asio::buffer(buffer))) == errc::idle_timeout);
    }
    CHECK(stream.reason() == close_reason::idle);
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("each byte, in or out, starts the idle limit anew") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer; // 60 s by default
    std::array<char, 8> buffer;
    for (int i = 0; i < 5; ++i) {
        w.pass(59s);
        if (i % 2 == 0) {
            peer.send("x");
            CHECK(must(stream.try_read_some(asio::buffer(buffer))) == 1);
        } else {
            CHECK(must(stream.try_write_some(asio::buffer("y", 1))) == 1);
        }
    }
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.pass(59s);
    CHECK_FALSE(reading.done());
    w.pass(1s);
    CHECK(error_of(reading.get()) == errc::idle_timeout);
}

TEST_CASE("the idle limit of a live connection can be changed and turned off") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    stream.set_idle_limit(0s);
    w.pass(240h);
    CHECK_FALSE(reading.done());
    CHECK(w.time.armed() == 0);
    stream.set_idle_limit(10s);
    w.pass(9s);
    CHECK_FALSE(reading.done());
    stream.set_idle_limit(20s);
    w.pass(19s);
    CHECK_FALSE(reading.done());
    w.pass(1s);
    CHECK(error_of(reading.get()) == errc::idle_timeout);
    stream.set_idle_limit(10s); // of an ended one: no effect
    w.pass(10s);
    CHECK(stream.reason() == close_reason::idle);
}

TEST_CASE("the longest duration may be given for every limit of a stream") {
    world w;
    tcp_stream_options options;
    options.idle_limit = steady_clock::duration::max();
    options.write_limit = steady_clock::duration::max();
    options.keep_alive = std::chrono::seconds::max();
    auto c = connect_pair(w.context, options);
    auto& stream = c.stream;
    std::array<char, 8> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.pass(240h);
    CHECK_FALSE(reading.done());
}

// stop request
// -------------------------------------------------------------------------------------------------------

TEST_CASE(
    "after a stop request reads deliver what has arrived and then shutting_down, while writing goes on") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    peer.send("arrived");
    stream.request_stop();
    std::array<char, 4> buffer;
    std::string got;
    for (int i = 0; i < 2; ++i) {
        auto n = w.start(stream.read_some(asio::buffer(buffer)));
        w.settle();
        got.append(buffer.data(), must(n.get()));
    }
    CHECK(got == "arrived");
    auto end = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(error_of(end.get()) == errc::shutting_down);
    CHECK(error_of(stream.try_read_some(asio::buffer(buffer))) == errc::shutting_down);
    auto sent = w.start(stream.write("the answer"));
    w.settle();
    CHECK(sent.get().has_value());
    CHECK(peer.read(10) == "the answer");
}

TEST_CASE("a stop request wakes a read that waits, and no write") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 4> buffer;
    const std::size_t taken = fill(stream);
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    auto writing = w.start(stream.write("tail"));
    w.settle();
    stream.request_stop();
    stream.request_stop();
    w.settle();
    CHECK(error_of(reading.get()) == errc::shutting_down);
    CHECK_FALSE(writing.done());
    std::string got;
    w.until([&] {
        got += peer.read_available();
        return writing.done() && got.size() == taken + 4;
    });
    CHECK(writing.get().has_value());
}

TEST_CASE("a loop of wait_readable and try_read_some ends after a stop request") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    error last;
    w.spawn([](tcp_stream& s, error& e) -> awaitable<void> {
        std::array<char, 64> buffer;
        for (int rounds = 0; rounds < 1000; ++rounds) {
            auto ready = co_await s.wait_readable();
            if (!ready) {
                e = ready.error();
                co_return;
            }
            auto n = s.try_read_some(asio::buffer(buffer));
            if (!n && n.error() != errc::would_block) {
                e = n.error();
                co_return;
            }
        }
    }(stream, last));
    w.settle();
    peer.send("x");
    w.settle();
    stream.request_stop();
    w.run();
    CHECK(last == errc::shutting_down);
}

TEST_CASE("the end of the peer comes before the stop request") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    peer.close();
    stream.request_stop();
    std::array<char, 4> buffer;
    auto n = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(error_of(n.get()) == errc::end_of_stream);
}

// reasons
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("every connection ends for exactly one reason, the first") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    const auto read = [&] {
        auto n = w.start(stream.read_some(asio::buffer(buffer)));
        w.settle();
        return error_of(n.get());
    };
    CHECK(stream.reason() == close_reason::none);
    close_reason expected{};
    SECTION("the peer finished, then we closed") {
        peer.close();
        CHECK(read() == errc::end_of_stream);
        auto closing = w.start(stream.close());
        w.run();
        CHECK(closing.get().has_value());
        expected = close_reason::eof;
    }
    SECTION("the peer broke it off") {
        peer.reset();
        CHECK(read() == boost::system::errc::connection_reset);
        expected = close_reason::reset;
    }
    SECTION("we closed, then the peer broke it off") {
        auto closing = w.start(stream.close());
        w.settle();
        peer.reset();
        w.run();
        expected = close_reason::closed_locally;
    }
    SECTION("we aborted") {
        stream.abort();
        expected = close_reason::aborted_locally;
    }
    SECTION("the idle limit passed") {
        w.pass(60s);
        expected = close_reason::idle;
    }
    SECTION("the program stopped") {
        stream.abort(close_reason::shutdown);
        expected = close_reason::shutdown;
    }
    SECTION("the codec refused what came, and then everything else happened") {
        stream.record_failure(error(errc::malformed_frame, "3 of 4"));
        CHECK(stream.failure_cause() == errc::malformed_frame);
        CHECK(stream.failure_cause().detail() == "3 of 4");
        expected = close_reason::protocol_error;
    }
    CHECK(stream.reason() == expected);
    stream.abort(close_reason::replaced);
    stream.record_failure(error(errc::read_timeout));
    w.pass(60s);
    peer.close();
    w.run();
    CHECK(stream.reason() == expected);
}

TEST_CASE("a recorded failure keeps its numbers, and one that says it all has none") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    CHECK_FALSE(stream.failure_cause().code().failed());
    stream.record_failure(error(errc::frame_too_large, "70213 bytes"));
    stream.record_failure(error(errc::malformed_frame, "later"));
    CHECK(stream.failure_cause().detail() == "70213 bytes");
}

// handles
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("a handle without a connection says so in every operation") {
    world w;
    const bool moved_from = GENERATE(false, true);
    tcp_stream stream;
    std::optional<connection> kept;
    if (moved_from) {
        kept.emplace(connect_pair(w.context));
        stream = std::move(kept->stream);
        kept->stream = std::move(stream);
    }
    std::array<char, 4> buffer;
    std::vector<error> errors;
    w.run([](tcp_stream& s, asio::mutable_buffer b, std::vector<error>& all) -> awaitable<void> {
        auto read = co_await s.read_some(b);
        all.push_back(error_of(read));
        auto written = co_await s.write("x");
        all.push_back(error_of(written));
        auto readable = co_await s.wait_readable();
        all.push_back(error_of(readable));
        auto writable = co_await s.wait_writable();
        all.push_back(error_of(writable));
        auto half = co_await s.shutdown_send();
        all.push_back(error_of(half));
        auto closed = co_await s.close();
        all.push_back(error_of(closed));
    }(stream, asio::buffer(buffer), errors));
    errors.push_back(error_of(stream.try_read_some(asio::buffer(buffer))));
    errors.push_back(error_of(stream.try_write_some(asio::buffer(buffer))));
    for (const error& e : errors) CHECK(e == errc::not_connected);
    stream.abort();
    stream.cancel();
    stream.request_stop();
    stream.set_idle_limit(1s);
    stream.record_failure(error(errc::malformed_frame));
    CHECK_FALSE(stream.is_open());
    CHECK(stream.reason() == close_reason::none);
    CHECK(stream.native_handle() == -1);
    CHECK(stream.bytes_received() == 0);
    CHECK_FALSE(stream.set_no_delay(true));
    CHECK_FALSE(stream.set_cork(true));
    CHECK(stream.remote_endpoint() == tcp::endpoint());
}

TEST_CASE("destroying the handle ends the connection, and what is pending completes with canceled") {
    world w;
    auto c = connect_pair(w.context, {}, true);
    auto& stream = c.stream;
    auto& peer = c.peer;
    std::array<char, 8> buffer;
    fill(stream);
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    auto writing = w.start(stream.write("x"));
    w.settle();
    SECTION("by going out of scope") {
        const tcp_stream gone(std::move(stream));
    }
    SECTION("by another one taking its place") {
        auto other = connect_pair(w.context);
        stream = std::move(other.stream);
        CHECK(stream.is_open());
        CHECK_FALSE(reading.done());
        w.settle();
    }
    w.settle();
    CHECK(error_of(reading.get()) == errc::canceled);
    CHECK(error_of(writing.get()) == errc::canceled);
    std::string got;
    w.until([&] {
        got += peer.read_available();
        return peer.peek() != ending::open;
    });
}

TEST_CASE("a session may destroy its own stream while others wait in it, and go on") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto owner = std::make_unique<tcp_stream>(std::move(stream));
    std::array<char, 8> buffer;
    auto reading = w.start(owner->read_some(asio::buffer(buffer)));
    w.settle();
    w.run([](std::unique_ptr<tcp_stream>& s) -> awaitable<void> {
        auto sent = co_await s->write("bye");
        CHECK(sent.has_value());
        s.reset();
        co_await asio::post(asio::use_awaitable);
    }(owner));
    CHECK(error_of(reading.get()) == errc::canceled);
    CHECK(peer.read_to_end() == std::pair(std::string("bye"), ending::eof));
}

TEST_CASE("a read may be the one that finds its own stream destroyed by the write beside it") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    auto owner = std::make_unique<tcp_stream>(std::move(stream));
    w.spawn([](std::unique_ptr<tcp_stream>& s) -> awaitable<void> {
        std::array<char, 8> bytes;
        auto n = co_await s->read_some(asio::buffer(bytes));
        CHECK(must(n) == 1);
        s.reset(); // inside its own session, right out of its own read
        co_await asio::post(asio::use_awaitable);
    }(owner));
    peer.send("x");
    w.run();
    CHECK(peer.read_to_end().second == ending::eof);
}

TEST_CASE("a handle may outlive its context, with everything pending, and then knows only its past") {
    std::optional<tcp_stream> survivor;
    plain_socket peer;
    std::array<char, 8> buffer;
    tcp::endpoint remote;
    {
        world w;
        auto pair = connect_pair(w.context, {}, true);
        survivor.emplace(std::move(pair.stream));
        peer = std::move(pair.peer);
        remote = peer.local();
        fill(*survivor);
        auto reading = w.start(survivor->read_some(asio::buffer(buffer)));
        auto writing = w.start(survivor->write("x"));
        w.settle();
    }
    CHECK_FALSE(survivor->is_open());
    CHECK(survivor->remote_endpoint() == remote);
    CHECK(survivor->bytes_sent() > 0);
    CHECK(error_of(survivor->try_read_some(asio::buffer(buffer))) == errc::not_connected);
    CHECK(error_of(survivor->try_write_some(asio::buffer(buffer))) == errc::not_connected);
    survivor->cancel();
    survivor->request_stop();
    survivor->set_idle_limit(5s);
    survivor->abort();
    CHECK(survivor->native_handle() == -1);
    survivor.reset();
    peer.read_available();
    CHECK(peer.peek() != ending::open); // the socket went with its context
}

TEST_CASE("the two ends stay readable after the connection has ended") {
    world w;
    const auto on = GENERATE(asio::ip::make_address("127.0.0.1"), asio::ip::make_address("::1"));
    auto c = connect_pair(w.context, {}, false, on);
    auto& stream = c.stream;
    auto& peer = c.peer;
    const auto remote = peer.local(), local = peer.remote();
    CHECK(stream.remote_endpoint() == remote);
    CHECK(stream.local_endpoint() == local);
    stream.abort();
    CHECK(stream.remote_endpoint() == remote);
    CHECK(stream.local_endpoint() == local);
}

TEST_CASE("the options reach the socket") {
    world w;
    SECTION("defaults") {
        auto c = connect_pair(w.context);
        auto& stream = c.stream;
        CHECK(option(stream, IPPROTO_TCP, TCP_NODELAY) == 1);
        CHECK(option(stream, SOL_SOCKET, SO_KEEPALIVE) == 1);
        CHECK(option(stream, IPPROTO_TCP, TCP_KEEPIDLE) == 60);
        CHECK(option(stream, IPPROTO_TCP, TCP_KEEPINTVL) == 10);
        CHECK(option(stream, IPPROTO_TCP, TCP_KEEPCNT) == 4);
        CHECK(stream.set_cork(true).has_value());
        CHECK(option(stream, IPPROTO_TCP, TCP_CORK) == 1);
        CHECK(stream.set_cork(false).has_value());
        CHECK(stream.set_no_delay(false).has_value());
        CHECK(option(stream, IPPROTO_TCP, TCP_NODELAY) == 0);
    }
    SECTION("everything off") {
        tcp_stream_options options;
        options.no_delay = false;
        options.keep_alive = 0s;
        auto c = connect_pair(w.context, options);
        auto& stream = c.stream;
        CHECK(option(stream, IPPROTO_TCP, TCP_NODELAY) == 0);
        CHECK(option(stream, SOL_SOCKET, SO_KEEPALIVE) == 0);
    }
    SECTION("longer than the kernel can") {
        tcp_stream_options options;
        options.keep_alive = 100h;
        auto c = connect_pair(w.context, options);
        auto& stream = c.stream;
        CHECK(option(stream, IPPROTO_TCP, TCP_KEEPIDLE) == 32767);
    }
}

TEST_CASE("corked pieces leave as one when the cork is drawn") {
    world w;
    auto c = connect_pair(w.context);
    auto& stream = c.stream;
    auto& peer = c.peer;
    stream.set_cork(true).value();
    for (const char* piece : {"one ", "message ", "in pieces"})
        CHECK(stream.try_write_some(asio::buffer(piece, std::strlen(piece))));
    CHECK(peer.read_available().empty());
    stream.set_cork(false).value();
    CHECK(peer.read(21) == "one message in pieces");
}

TEST_CASE("streams leave no descriptor behind, however they end") {
    const std::size_t before = open_descriptors();
    {
        world w;
        for (int i = 0; i < 40; ++i) {
            auto c = connect_pair(w.context);
            auto& stream = c.stream;
            auto& peer = c.peer;
            std::array<char, 8> buffer;
            auto reading = w.start(stream.read_some(asio::buffer(buffer)));
            auto waiting = w.start(stream.wait_writable());
            w.settle();
            switch (i % 5) {
            case 0:
                stream.abort();
                break;
            case 1:
                peer.reset();
                break;
            case 2:
                w.spawn([](tcp_stream& s) -> awaitable<void> {
                    auto closed = co_await s.close(0s);
                    (void)closed;
                }(stream));
                w.pass(0s);
                break;
            case 3:
                w.pass(60s);
                break;
            default:
                break;
            }
            w.settle();
        }
    }
    CHECK(open_descriptors() == before);
}

// destroyed at every point
// -------------------------------------------------------------------------------------------

namespace {

/// A client and a server in one context: connect, accept, both directions, half close, close.
struct whole_life {
    explicit whole_life(asio::io_context& c) : context(&c) {
        listener_options door;
        door.ports = 0;
        door.addresses = {loopback};
        door.policy = portunus::accept_policy::anyone();
        door.log = portunus::logger::silent();
        listener.emplace(c.get_executor(), std::move(door));
    }

    awaitable<void> operator()() {
        auto serving = portunus::testing::start(context->get_executor(), serve(*this));
        auto made = co_await connect({loopback, port}, {});
        if (!made) co_return;
        client.emplace(std::move(*made));
        for (int i = 0; client && i < 3; ++i) {
            auto sent = co_await client->write("question");
            if (!sent || !client) break;
            auto n = co_await client->read_some(asio::buffer(at_client));
            if (!n) break;
        }
        if (client) {
            auto half = co_await client->shutdown_send();
            (void)half;
        }
        if (client) {
            auto closed = co_await client->close(1s);
            (void)closed;
        }
        co_await serving.join();
    }

    static awaitable<void> serve(whole_life& self) {
        if (!self.listener) co_return;
        auto came = co_await self.listener->accept();
        if (!came) co_return;
        self.server.emplace(std::move(came->stream));
        while (self.server) {
            auto n = co_await self.server->read_some(asio::buffer(self.at_server));
            if (!n || !self.server) break;
            auto sent = co_await self.server->write(std::string_view(self.at_server.data(), *n));
            if (!sent) break;
        }
        if (self.server) {
            auto closed = co_await self.server->close(1s);
            (void)closed;
        }
    }

    void drop() {
        client.reset();
        server.reset();
        listener.reset();
    }

    asio::io_context* context;
    std::array<char, 16> at_client{}, at_server{};
    std::optional<tcp_listener> listener;
    std::uint16_t port = 0;
    std::optional<tcp_stream> client, server;
};

} // namespace

TEST_CASE("a connection can be destroyed at every point of its life, handles or context first") {
    const std::size_t before = open_descriptors();
    const std::size_t handlers = destroy_at_every_point([](asio::io_context& context) {
        whole_life scene(context);
        scene.port = scene.listener->port();
        return scene;
    });
    CHECK(handlers > 10);
    CHECK(open_descriptors() == before);
}
