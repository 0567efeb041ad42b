// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/listen.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/core/event_queue.hpp>
#include <portunus/framing/length_prefix_codec.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::close_reason;
using portunus::deadline_service;
using portunus::errc;
using portunus::error;
using portunus::event_queue;
using portunus::failure;
using portunus::framed_stream;
using portunus::length_prefix_codec;
using portunus::line_codec;
using portunus::line_mode;
using portunus::listener_options;
using portunus::log_level;
using portunus::master_switch;
using portunus::metrics_snapshot;
using portunus::peer_info;
using portunus::runtime;
using portunus::steady_clock;
using portunus::stop_mode;
using portunus::tcp_server;
using portunus::tcp_stream;

namespace {

portunus::logger quiet() {
    return portunus::logger::silent();
}

/// Reads until the end and says nothing.
awaitable<void> swallow(tcp_stream stream) {
    std::array<char, 256> buffer;
    for (;;) {
        auto n = co_await stream.read_some(asio::buffer(buffer));
        if (!n) co_return;
    }
}

/// Waits for something that never comes and takes no notice of its stream.
awaitable<void> ignore_everything(tcp_stream stream) {
    event_queue<int> nothing(stream.get_executor(), 1);
    auto never = co_await nothing.pop();
    (void)never;
}

/// Says one thing and returns.
awaitable<void> say_hello(tcp_stream stream, peer_info peer) {
    const std::string text = "hello " + portunus::to_string(peer.remote);
    auto sent = co_await stream.write(text);
    (void)sent;
}

} // namespace

// sessions
// -----------------------------------------------------------------------------------------------------------

TEST_CASE("every connection gets a session of its own, and all of them run at the same time") {
    runtime rt(GENERATE(1U, 4U), quiet());
    const auto server = rt.listen(any_door(), &echo_lines);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 20; ++i) peers.push_back(connect_to(server));
    for (int round = 0; round < 3; ++round)
        for (std::size_t i = 0; i < peers.size(); ++i) peers[i].send("line " + std::to_string(i) + "\n");
    for (std::size_t i = 0; i < peers.size(); ++i) {
        const std::string line = "line " + std::to_string(i) + "\n";
        CHECK(peers[i].read(3 * line.size()) == line + line + line);
    }
    CHECK(server.snapshot().accepted == 20);
    CHECK(server.snapshot().sessions_open() == 20);
    rt.request_stop(20s);
    for (auto& p : peers) {
        CHECK(p.read_to_end().second == ending::eof);
        p.close();
    }
    CHECK(r.wait() == 0);
}

TEST_CASE("a handler may be a function or an object with captures, and may want to know who the peer is") {
    runtime rt(1, quiet());
    const std::string greeting = "welcome to a place with a rather long name, ";
    std::atomic<int> calls{0};
    SECTION("a function that is told who came") {
        const auto server = rt.listen(any_door(), &say_hello);
        running r(rt);
        auto peer = connect_to(server);
        CHECK(peer.read_to_end() == std::pair("hello " + portunus::to_string(peer.local()), ending::eof));
    }
    SECTION("a coroutine lambda with captures: it outlives its sessions") {
        auto handler = [greeting, &calls](tcp_stream stream) -> awaitable<void> {
            ++calls;
            co_await asio::post(asio::use_awaitable); // what it captured must still be there after that
            auto sent = co_await stream.write(greeting);
            (void)sent;
        };
        const auto server = rt.listen(any_door(), handler);
        running r(rt);
        for (int i = 1; i <= 3; ++i) {
            CHECK(connect_to(server).read_to_end().first == greeting);
            CHECK(calls == i);
        }
    }
    SECTION("an object that counts, and wants both") {
        struct counting {
            int served = 0;
            awaitable<void> operator()(tcp_stream stream, peer_info peer) {
                const std::string text = std::to_string(++served) + "/" + std::to_string(peer.id);
                auto sent = co_await stream.write(text);
                (void)sent;
            }
        };
        const auto server = rt.listen(any_door(), counting{});
        running r(rt);
        CHECK(connect_to(server).read_to_end().first == "1/1");
        CHECK(connect_to(server).read_to_end().first == "2/2");
    }
}

TEST_CASE("what a peer sent before it was accepted is not lost") {
    runtime rt(1, quiet());
    const auto server = rt.listen(any_door(), &echo_lines);
    auto peer = connect_to(server); // nothing runs yet
    peer.send("early\n");
    peer.shutdown_send();
    running r(rt);
    CHECK(peer.read_to_end() == std::pair(std::string("early\n"), ending::eof));
}

TEST_CASE("a session that returns with unread input does not destroy its answer") {
    runtime rt(1, quiet());
    const auto server = rt.listen(any_door(), [](tcp_stream stream) -> awaitable<void> {
        const std::string answer = pattern(300'000);
        auto sent = co_await stream.write(answer);
        (void)sent;
    });
    running r(rt);
    auto peer = connect_to(server);
    peer.send(pattern(50'000));
    const auto [text, end] = peer.read_to_end();
    CHECK(text == pattern(300'000));
    CHECK(end == ending::eof);
    peer.close();
    eventually([&] { return server.snapshot().closed_by(close_reason::closed_locally) == 1; });
}

TEST_CASE("an exception in a session breaks that connection alone, and is logged as an error with its peer") {
    const log_book book;
    runtime rt(GENERATE(1U, 2U), book.logger());
    const auto server = rt.listen(any_door(), [](tcp_stream stream) -> awaitable<void> {
        framed_stream frames(std::move(stream), line_codec(line_mode::lf));
        for (;;) {
            auto line = co_await frames.read();
            if (!line) co_return;
            if (*line == "boom") throw std::runtime_error("the boiler has exploded");
            auto sent = co_await frames.write(*line);
            if (!sent) co_return;
        }
    });
    running r(rt);
    auto bad = connect_to(server), good = connect_to(server);
    const auto remote = portunus::to_string(bad.local());
    good.send("one\n");
    CHECK(good.read(4) == "one\n");
    bad.send("boom\n");
    CHECK(bad.read_to_end().second == ending::reset);
    good.send("two\n");
    CHECK(good.read(4) == "two\n");
    eventually([&] { return server.snapshot().closed_by(close_reason::aborted_locally) == 1; });
    CHECK(book.count(log_level::error) == 1);
    CHECK(book.count("the boiler has exploded remote=" + remote) == 1);
    good.close();
    CHECK(r.stop() == 0);
}

TEST_CASE(
    "a handler that throws at once, as a coroutine or before there is one, breaks that connection alone") {
    const log_book book;
    runtime rt(1, book.logger());
    std::atomic<int> calls{0};
    const bool coroutine = GENERATE(false, true);
    auto as_coroutine = [&calls](tcp_stream) -> awaitable<void> {
        if (++calls <= 2) throw std::runtime_error("not ready");
        co_return;
    };
    auto as_function = [&calls](tcp_stream stream) -> awaitable<void> {
        if (++calls <= 2) throw std::runtime_error("not ready");
        return echo_lines(std::move(stream));
    };
    const auto server = coroutine ? rt.listen(any_door(), as_coroutine) : rt.listen(any_door(), as_function);
    running r(rt);
    for (int i = 0; i < 2; ++i) CHECK(connect_to(server).read_to_end().second == ending::reset);
    auto third = connect_to(server);
    third.shutdown_send();
    CHECK(third.read_to_end().second == ending::eof);
    third.close();
    CHECK(book.count("not ready") == 2);
    CHECK(book.count(log_level::error) == 2);
    CHECK(r.stop() == 0);
    CHECK(server.snapshot().sessions_open() == 0);
}

TEST_CASE("a handler that throws what is no std::exception is survived too") {
    const log_book book;
    runtime rt(1, book.logger());
    const auto server = rt.listen(any_door(), [](tcp_stream) -> awaitable<void> {
        throw 42;
        co_return;
    });
    running r(rt);
    CHECK(connect_to(server).read_to_end().second == ending::reset);
    CHECK(r.stop() == 0);
    CHECK(book.count(log_level::error) == 1);
}

// several contexts
// ---------------------------------------------------------------------------------------------------

TEST_CASE("with four contexts connections are spread evenly, and each stays on its thread") {
    runtime rt(4, quiet());
    std::mutex mutex;
    std::map<std::string, std::set<std::thread::id>> threads; // of each connection
    const auto server = rt.listen(any_door(), [&](tcp_stream stream, peer_info peer) -> awaitable<void> {
        const std::string who = portunus::to_string(peer.remote);
        const auto note = [&] {
            const std::lock_guard lock(mutex);
            threads[who].insert(std::this_thread::get_id());
        };
        note();
        std::array<char, 16> buffer;
        for (;;) {
            auto n = co_await stream.read_some(asio::buffer(buffer));
            note();
            if (!n) co_return;
            auto sent = co_await stream.write(std::string_view(buffer.data(), *n));
            note();
            if (!sent) co_return;
        }
    });
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 40; ++i) peers.push_back(connect_to(server));
    for (int round = 0; round < 5; ++round)
        for (auto& p : peers) {
            p.send("x");
            REQUIRE(p.read(1) == "x");
        }
    for (unsigned i = 0; i < 4; ++i) CHECK(rt.load(i) == 10);
    {
        const std::lock_guard lock(mutex);
        std::map<std::thread::id, int> per_thread;
        CHECK(threads.size() == 40);
        for (const auto& [who, on] : threads) {
            CHECK(on.size() == 1);
            ++per_thread[*on.begin()];
        }
        CHECK(per_thread.size() == 4);
        for (const auto& [thread, n] : per_thread) CHECK(n == 10);
    }
    peers.clear();
    eventually([&] { return server.snapshot().sessions_open() == 0; });
    eventually([&] { return rt.load(0) + rt.load(1) + rt.load(2) + rt.load(3) == 0; });
    CHECK(r.stop() == 0);
}

TEST_CASE("a new connection goes to the context that has become the least loaded") {
    runtime rt(2, quiet());
    const auto server = rt.listen(any_door(), &swallow);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 6; ++i) {
        peers.push_back(connect_to(server));
        eventually([&] { return server.snapshot().accepted == static_cast<std::uint64_t>(i + 1); });
    }
    CHECK(rt.load(0) == 3);
    for (std::size_t i = 0; i < 6; i += 2) peers[i].close(); // those of one context
    eventually([&] { return rt.load(0) == 0 || rt.load(1) == 0; });
    for (int i = 0; i < 3; ++i) peers.push_back(connect_to(server));
    eventually([&] { return rt.load(0) == 3 && rt.load(1) == 3; });
    peers.clear();
    CHECK(r.stop() == 0);
}

// doors
// --------------------------------------------------------------------------------------------------------------

TEST_CASE("what cannot be opened is a failure that names the endpoint, and leaves nothing behind") {
    runtime rt(1, quiet());
    const plain_listener taken;
    auto door = any_door();
    door.ports = taken.endpoint().port();
    try {
        rt.listen(door, &swallow);
        FAIL("it was opened");
    } catch (const failure& f) {
        CHECK(f.reason() == errc::address_in_use);
        CHECK(f.reason().detail() == portunus::to_string(taken.endpoint()));
    }
    CHECK(rt.run() == 0); // nothing is there that would run
}

TEST_CASE("nothing is served any more when the runtime stops") {
    runtime rt(1, quiet());
    std::optional<errc> refused;
    rt.spawn([](runtime& r, std::optional<errc>& why) -> awaitable<void> {
        r.request_stop(10s);
        while (!r.stop_token().stop_requested()) co_await asio::post(asio::use_awaitable);
        try {
            r.listen(any_door(), &swallow);
        } catch (const failure& f) {
            if (f.reason() == errc::shutting_down) why = errc::shutting_down;
        }
    }(rt, refused));
    CHECK(rt.run() == 0);
    CHECK(refused == errc::shutting_down);
}

TEST_CASE(
    "a server is paused and goes on, gets another policy, and obeys the master switch, from any thread") {
    runtime rt(1, quiet());
    master_switch visitors;
    auto door = any_door();
    door.policy = accept_policy::anyone().controlled_by(visitors);
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    const auto served = [&] {
        auto peer = connect_to(server);
        peer.send("x\n");
        const auto got = peer.read(2);
        return got == "x\n";
    };
    CHECK(served());
    server.pause();
    r.on_context([] {});
    auto waiting = connect_to(server);
    waiting.send("y\n");
    r.on_context([] {});
    CHECK(server.snapshot().accepted == 1);
    server.resume();
    CHECK(waiting.read(2) == "y\n");
    visitors.off();
    CHECK(connect_to(server).read_to_end().second == ending::reset);
    visitors.on();
    CHECK(served());
    server.set_policy(accept_policy::nobody().refuse_with(portunus::refusal::close));
    r.on_context([] {});
    CHECK(connect_to(server).read_to_end().second == ending::eof);
    eventually([&] { return server.snapshot().refused_by_policy == 2; });
    waiting.send("z\n"); // who is in stays in
    CHECK(waiting.read(2) == "z\n");
    waiting.close();
    CHECK(r.stop() == 0);
}

TEST_CASE("two servers of one runtime count apart and are stopped apart") {
    runtime rt(1, quiet());
    const auto one = rt.listen(any_door(), &echo_lines), two = rt.listen(any_door(), &echo_lines);
    running r(rt);
    auto a = connect_to(one), b = connect_to(two);
    a.send("a\n");
    b.send("b\n");
    CHECK(a.read(2) == "a\n");
    CHECK(b.read(2) == "b\n");
    one.stop(stop_mode::graceful);
    CHECK(a.read_to_end().second == ending::eof);
    b.send("c\n");
    CHECK(b.read(2) == "c\n");
    CHECK(one.snapshot().accepted == 1);
    CHECK(two.snapshot().accepted == 1);
    a.close();
    b.close();
    CHECK(r.stop() == 0);
}

TEST_CASE("the handle of a server may be dropped at once, and may outlive the runtime") {
    std::optional<tcp_server> survivor;
    {
        runtime rt(2, quiet());
        survivor = rt.listen(any_door(), &echo_lines);
        const auto where = survivor->endpoints().front();
        { const tcp_server dropped = *survivor; }
        running r(rt);
        auto peer = plain_socket::connected_to(where);
        peer.send("x\n");
        CHECK(peer.read(2) == "x\n");
    }
    CHECK(survivor->port() != 0);
    CHECK(survivor->snapshot().accepted == 1);
    CHECK(survivor->snapshot().sessions_open() == 0);
}

// counters and reasons
// -----------------------------------------------------------------------------------------------

TEST_CASE("each way in which a connection ends is counted once, under its own reason") {
    const log_book book;
    runtime rt(GENERATE(1U, 3U), book.logger());
    auto door = any_door();
    door.policy = accept_policy::anyone().deny("127.0.0.9");
    const auto server = rt.listen(door, [](tcp_stream stream) -> awaitable<void> {
        framed_stream frames(std::move(stream), line_codec(line_mode::lf, {.max_frame = 16}));
        for (;;) {
            auto line = co_await frames.read();
            if (!line) co_return;
            if (*line == "close") co_return;
            if (*line == "abort") {
                frames.abort();
                co_return;
            }
            auto sent = co_await frames.write(*line);
            if (!sent) co_return;
        }
    });
    running r(rt);
    const auto closed = [&](close_reason why) {
        eventually([&] { return server.snapshot().closed_by(why) == 1; });
    };
    {
        auto p = connect_to(server);
        p.send("hello\n");
        CHECK(p.read(6) == "hello\n");
        p.close();
        closed(close_reason::eof);
    }
    {
        auto p = connect_to(server);
        p.send("hello\n");
        CHECK(p.read(6) == "hello\n");
        p.reset();
        closed(close_reason::reset);
    }
    {
        auto p = connect_to(server);
        p.send("close\n");
        CHECK(p.read_to_end().second == ending::eof);
        p.close();
        closed(close_reason::closed_locally);
    }
    {
        auto p = connect_to(server);
        p.send("abort\n");
        CHECK(p.read_to_end().second == ending::reset);
        closed(close_reason::aborted_locally);
    }
    {
        auto p = connect_to(server);
        p.send("a line that is too long for this door");
        CHECK(p.read_to_end().first.empty());
        p.close();
        closed(close_reason::protocol_error);
    }
    auto refused =
        plain_socket::connected_to(server.endpoints().front(), {asio::ip::make_address("127.0.0.9"), 0});
    CHECK(refused.read_to_end().second == ending::reset);
    auto last = connect_to(server);
    last.send("bye\n");
    CHECK(last.read(4) == "bye\n");
    rt.request_stop(20s);
    CHECK(last.read_to_end().second == ending::eof);
    last.close();
    CHECK(r.wait() == 0);
    const metrics_snapshot s = server.snapshot();
    CHECK(s.closed_by(close_reason::shutdown) == 1);
    CHECK(s.accepted == 6);
    CHECK(s.sessions_closed() == 6);
    CHECK(s.sessions_open() == 0);
    CHECK(s.refused_by_policy == 1);
    CHECK(s.protocol_errors == 1);
    CHECK(s.messages_in == 5); // hello, hello, close, abort, bye
    CHECK(s.messages_out == 3);
    CHECK(s.bytes_in >= 6 + 6 + 6 + 6 + 17 + 4);
    CHECK(s.bytes_out == 6 + 6 + 4);
    CHECK(book.count(log_level::error) == 0);
}

TEST_CASE("a protocol error is logged once, with the numbers and the peer, and the others notice nothing") {
    const log_book book;
    runtime rt(2, book.logger());
    const auto server = rt.listen(any_door(), [](tcp_stream stream) -> awaitable<void> {
        framed_stream frames(std::move(stream), length_prefix_codec({.width = 4, .max_frame = 65'536}));
        for (;;) {
            auto frame = co_await frames.read();
            if (!frame) co_return;
            auto sent = co_await frames.write(*frame);
            if (!sent) co_return;
        }
    });
    running r(rt);
    auto good = connect_to(server);
    const std::string hello("\0\0\0\5hello", 9);
    good.send(hello);
    CHECK(good.read(9) == hello);
    auto bad = connect_to(server);
    const std::string remote = portunus::to_string(bad.local());
    bad.send(std::string("\0\1\x12\x45", 4)); // 70 213
    CHECK(bad.read_to_end().first.empty());
    bad.close();
    eventually([&] { return server.snapshot().protocol_errors == 1; });
    CHECK(book.count(log_level::warning) == 1);
    CHECK(book.count("70213") == 1);
    CHECK(book.count("65536") == 1);
    bool named = false;
    for (const auto& line : book.lines())
        if (line.level == log_level::warning) named = line.text.find(remote) != std::string::npos;
    CHECK(named);
    good.send(hello);
    CHECK(good.read(9) == hello);
    CHECK(server.snapshot().closed_by(close_reason::protocol_error) == 1);
    good.close();
    CHECK(r.stop() == 0);
}

TEST_CASE("silent and slow peers are ended by their limits, and the others are served meanwhile") {
    runtime rt(1, quiet());
    auto& time = deadline_service::of(rt.context());
    time.use_manual_time();
    auto door = any_door();
    door.stream.idle_limit = 60s;
    std::vector<std::string> ends; // context 0 only
    const auto server = rt.listen(door, [&ends](tcp_stream stream) -> awaitable<void> {
        portunus::framed_options options;
        options.message_limit = 10s;
        framed_stream frames(std::move(stream), line_codec(line_mode::lf), options);
        for (;;) {
            auto line = co_await frames.read();
            if (!line) {
                ends.push_back(line.error().code().message());
                co_return;
            }
            auto sent = co_await frames.write(*line);
            if (!sent) co_return;
        }
    });
    running r(rt);
    auto silent = connect_to(server), slow = connect_to(server), lively = connect_to(server);
    eventually([&] { return server.snapshot().accepted == 3; });
    slow.send("a"); // begins a message, and then trickles
    for (int second = 0; second < 12; ++second) {
        eventually([&] {
            return server.snapshot().bytes_in ==
                   static_cast<std::uint64_t>(std::min(second, 9) + 1 + 2 * second);
        });
        r.on_context([&] { time.advance(1s); });
        if (second < 9) slow.send("b");
        lively.send("x\n");
        REQUIRE(lively.read(2) == "x\n");
    }
    slow.read_to_end();
    slow.close();
    eventually([&] { return server.snapshot().closed_by(close_reason::timed_out) == 1; });
    r.on_context([&] { time.advance(50s); }); // 62 s since the silent one came
    CHECK(silent.read_to_end().second == ending::eof);
    eventually([&] { return server.snapshot().closed_by(close_reason::idle) == 1; });
    lively.send("x\n");
    CHECK(lively.read(2) == "x\n");
    lively.close();
    silent.close();
    eventually([&] { return server.snapshot().sessions_open() == 0; });
    r.on_context([&] {
        REQUIRE(ends.size() == 3);
        CHECK(ends[0] == error(errc::read_timeout).message());
        CHECK(ends[1] == error(errc::idle_timeout).message());
        CHECK(ends[2] == error(errc::end_of_stream).message());
    });
}

// stopping
// -----------------------------------------------------------------------------------------------------------

TEST_CASE("stop accepting lets nobody new in, and the sessions go on") {
    runtime rt(GENERATE(1U, 3U), quiet());
    const auto server = rt.listen(any_door(), &echo_lines);
    running r(rt);
    auto peer = connect_to(server);
    peer.send("a\n");
    CHECK(peer.read(2) == "a\n");
    server.stop(stop_mode::accepting);
    eventually([&] { // the kernel refuses when the door is closed
        try {
            const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            const plain_socket probe(fd);
            const auto& to = server.endpoints().front();
            ::connect(fd, to.data(), static_cast<socklen_t>(to.size()));
            int failed = 0;
            socklen_t size = sizeof failed;
            ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
            return failed == ECONNREFUSED;
        } catch (const std::exception&) {
            return false;
        }
    });
    peer.send("b\n");
    CHECK(peer.read(2) == "b\n");
    server.stop(stop_mode::graceful); // a stricter one may follow
    CHECK(peer.read_to_end().second == ending::eof);
    peer.close();
    CHECK(r.stop() == 0);
}

TEST_CASE(
    "a graceful stop answers every complete line that had arrived, then ends the connection in good order") {
    runtime rt(GENERATE(1U, 3U), quiet());
    const auto server = rt.listen(any_door(), &echo_lines);
    std::vector<plain_socket> peers;
    std::string lines;
    for (int i = 0; i < 200; ++i) lines += "line " + std::to_string(i) + "\n";
    for (int i = 0; i < 10; ++i) {
        peers.push_back(connect_to(server));
        peers.back().send(lines + "and a beginn"); // the last one is not complete
    }
    running r(rt);
    for (auto& p : peers) REQUIRE(p.read(6) == "line 0");
    std::thread stopping([&] { CHECK_NOTHROW(server.stop(stop_mode::graceful, 20s)); });
    stopping.join();
    for (auto& p : peers) CHECK(p.read_to_end() == std::pair(lines.substr(6), ending::eof));
    peers.clear();
    CHECK(r.stop() == 0);
    CHECK(server.snapshot().messages_in == 2000);
    CHECK(server.snapshot().messages_out == 2000);
    CHECK(server.snapshot().closed_by(close_reason::shutdown) == 10);
}

TEST_CASE("a session in the middle of a batch finishes it before it ends") {
    runtime rt(1, quiet());
    event_queue<int> permission(rt.get_executor(), 100);
    std::atomic<int> begun{0};
    const auto server = rt.listen(any_door(), [&](tcp_stream stream) -> awaitable<void> {
        framed_stream frames(std::move(stream), line_codec(line_mode::lf));
        for (;;) {
            auto batch = co_await frames.read_batch();
            if (!batch) co_return;
            for (const std::string_view line : *batch) {
                ++begun;
                auto go = co_await permission.pop(); // some work that takes its time
                if (!go) co_return;
                auto sent = co_await frames.write(line);
                if (!sent) co_return;
            }
        }
    });
    running r(rt);
    auto peer = connect_to(server);
    peer.send("one\ntwo\nthree\nfour\n");
    eventually([&] { return begun == 1; });
    server.stop(stop_mode::graceful, 20s);
    rt.request_stop(20s);
    r.on_context([] {});
    r.on_context([&] {
        for (int i = 0; i < 4; ++i) permission.push(i).value();
    });
    CHECK(peer.read_to_end() == std::pair(std::string("one\ntwo\nthree\nfour\n"), ending::eof));
    peer.close();
    CHECK(r.wait() == 0);
}

TEST_CASE("sessions that do not end are cut off when the grace is over: a warning with their number, and the "
          "value 1") {
    const log_book book;
    runtime rt(GENERATE(1U, 2U), book.logger());
    const auto server = rt.listen(any_door(), &ignore_everything);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 4; ++i) peers.push_back(connect_to(server));
    eventually([&] { return server.snapshot().accepted == 4; });
    CHECK(r.stop(50ms) == 1);
    CHECK(book.count("sessions were cut off by the stop") == rt.size());
    CHECK(book.count("sessions=" + std::to_string(4 / rt.size())) == rt.size());
    CHECK(server.snapshot().closed_by(close_reason::shutdown) == 4);
    for (auto& p : peers) CHECK(p.read_to_end().second != ending::open);
}

TEST_CASE("a peer that does not hang up holds up the stop for the grace, but nothing is lost by it: the "
          "value is 0") {
    const log_book book;
    runtime rt(1, book.logger());
    const auto server = rt.listen(any_door(), &echo_lines);
    running r(rt);
    auto rude = connect_to(server);
    rude.send("x\n");
    CHECK(rude.read(2) == "x\n");
    server.stop(stop_mode::graceful, 1h);
    CHECK(rude.read_to_end().second == ending::eof); // the session has ended, and its peer stays
    CHECK(r.stop(0s) == 0);
    CHECK(book.count("cut off") == 0);
    CHECK(server.snapshot().closed_by(close_reason::shutdown) == 1);
}

TEST_CASE("stop now cuts the sessions off at once, but answers whoever comes with an end, not with silence") {
    const log_book book;
    runtime rt(2, book.logger());
    const auto server = rt.listen(any_door(), &ignore_everything);
    running r(rt);
    auto peer = connect_to(server);
    eventually([&] { return server.snapshot().accepted == 1; });
    server.stop(stop_mode::now, 1h); // its grace has no meaning
    CHECK(peer.read_to_end().second != ending::open);
    eventually([&] { return server.snapshot().closed_by(close_reason::shutdown) == 1; });
    CHECK(book.count(log_level::warning) == 1);
    CHECK(r.stop() == 1);
}

TEST_CASE("now may follow graceful, and the runtime's own stop may follow both") {
    runtime rt(3, quiet());
    const auto server = rt.listen(any_door(), &ignore_everything);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 6; ++i) peers.push_back(connect_to(server));
    eventually([&] { return server.snapshot().accepted == 6; });
    server.stop(stop_mode::graceful, 1h);
    server.stop(stop_mode::graceful, steady_clock::duration::max());
    if (GENERATE(false, true)) server.stop(stop_mode::now);
    CHECK(r.stop(0s) == 1);
    CHECK(server.snapshot().sessions_open() == 0);
    CHECK(server.snapshot().sessions_closed() == 6);
}

TEST_CASE("a session may stop its server, or the runtime, from inside, and still answer") {
    runtime rt(GENERATE(1U, 2U), quiet());
    std::optional<tcp_server> server;
    const bool whole = GENERATE(false, true);
    server = rt.listen(any_door(), [&](tcp_stream stream) -> awaitable<void> {
        framed_stream frames(std::move(stream), line_codec(line_mode::lf));
        auto line = co_await frames.read();
        if (!line) co_return;
        if (whole)
            rt.request_stop(20s);
        else
            server->stop(stop_mode::graceful, 20s);
        auto sent = co_await frames.write("stopping");
        (void)sent;
    });
    running r(rt);
    auto peer = connect_to(*server);
    peer.send("stop\n");
    CHECK(peer.read_to_end() == std::pair(std::string("stopping\n"), ending::eof));
    peer.close();
    CHECK((whole ? r.wait() : r.stop()) == 0);
}

TEST_CASE("who waits at a full house when the server stops is served as the others end, and is not reset") {
    runtime rt(GENERATE(1U, 2U), quiet());
    auto door = any_door();
    door.limits.max_connections = 2;
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 6; ++i) {
        peers.push_back(connect_to(server));
        peers.back().send("line\n");
    }
    for (std::size_t i = 0; i < 2; ++i) CHECK(peers[i].read(5) == "line\n");
    rt.request_stop(20s);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(peers[i].read_to_end() == std::pair(std::string(), ending::eof));
        peers[i].close();
    }
    for (std::size_t i = 2; i < 6; ++i) {
        CHECK(peers[i].read_to_end() == std::pair(std::string("line\n"), ending::eof));
        peers[i].close();
    }
    CHECK(r.wait() == 0);
    CHECK(server.snapshot().accepted == 6);
    CHECK(server.snapshot().refused() == 0);
}

TEST_CASE("a full house of sessions that do not end does not hold up a stop beyond its grace") {
    const log_book book;
    runtime rt(1, book.logger());
    auto door = any_door();
    door.limits.max_connections = 1;
    const auto server = rt.listen(door, &ignore_everything);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 3; ++i) peers.push_back(connect_to(server));
    eventually([&] { return server.snapshot().accepted == 1; });
    CHECK(r.stop(50ms) == 1);
    CHECK(server.snapshot().accepted == 3);
    CHECK(server.snapshot().sessions_open() == 0);
    CHECK(book.count("too late") == 1);
}

TEST_CASE("child: serves and is stopped without descriptors", "[.][child]") {
    { // what UBSan has to see before, while it still has descriptors for a look
        runtime rehearsal(1, quiet());
        const auto server = rehearsal.listen(any_door(), &echo_lines);
        server.pause();
        rehearsal.context().poll();
        server.resume();
        auto peer = connect_to(server);
        peer.send("line\n");
        rehearsal.context().poll();
        rehearsal.request_stop(0s);
        rehearsal.run();
    }
    runtime rt(1, quiet());
    const auto server = rt.listen(any_door(), &echo_lines);
    std::atomic<bool> listening{false};
    std::thread asked([&rt, &listening] {
        listening = true;
        char byte = 0;
        [[maybe_unused]] const auto n = ::read(0, &byte, 1);
        rt.request_stop(20s);
    });
    asked.detach();
    while (!listening) std::this_thread::yield(); // UBSan looks at threads, too, and needs descriptors for it
    const int highest = ::dup(0);
    ::close(highest);
    const rlimit few{static_cast<rlim_t>(highest + 12), static_cast<rlim_t>(highest + 12)};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) std::_Exit(77);
    tell_parent("port " + std::to_string(server.port()));
    const int value = rt.run();
    tell_parent("accepted " + std::to_string(server.snapshot().accepted));
    std::_Exit(value);
}

TEST_CASE("a stop reaches every context, also those that have run out of work") {
    runtime rt(3, quiet());
    const auto server = rt.listen(any_door(), &echo_lines);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 3; ++i) { // one on each context
        peers.push_back(connect_to(server));
        peers.back().send("line\n");
        CHECK(peers.back().read(5) == "line\n");
    }
    server.stop(stop_mode::accepting);
    peers[0].close();
    peers[1].close();
    eventually([&] { return server.snapshot().sessions_open() == 1; });
    std::this_thread::sleep_for(300ms); // proves nothing, but lets the two contexts run dry, as they may
    peers[2].send("still here\n");
    CHECK(peers[2].read(11) == "still here\n");
    rt.request_stop(20s);
    CHECK(peers[2].read_to_end().second == ending::eof);
    peers[2].close();
    CHECK(r.wait() == 0);
}

TEST_CASE("a server that has run out of descriptors can be stopped, and serves whoever still waits") {
    auto child = child_process::of_test("child: serves and is stopped without descriptors");
    const auto port = static_cast<std::uint16_t>(std::stoi(child.line_after("port ")));
    constexpr int many = 40; // of which about ten find a descriptor
    std::vector<plain_socket> peers;
    for (int i = 0; i < many; ++i) {
        peers.push_back(plain_socket::connected_to({loopback, port}));
        peers.back().send("line " + std::to_string(i) + "\n");
    }
    child.write("x"); // now everybody is there
    for (int i = 0; i < many; ++i) {
        auto& peer = peers[static_cast<std::size_t>(i)];
        peer.shutdown_send();
        CHECK(peer.read_to_end() ==
              std::pair<std::string, ending>("line " + std::to_string(i) + "\n", ending::eof));
    }
    CHECK(child.line_after("accepted ") == std::to_string(many));
    const auto status = child.wait();
    INFO(child.said());
    CHECK(status.code == 0);
}

// lifetimes
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a runtime with a server can be destroyed at every point, sessions in every state") {
    const std::size_t before = open_descriptors();
    for (int n = 0; n < 90; ++n) {
        CAPTURE(n);
        metrics_snapshot last;
        std::optional<tcp_server> server;
        std::vector<plain_socket> peers;
        {
            runtime rt(1, quiet());
            auto door = any_door();
            door.limits.max_connections = 4;
            door.policy = accept_policy::anyone().deny("127.0.0.9");
            server = rt.listen(door, [](tcp_stream stream) -> awaitable<void> {
                framed_stream frames(std::move(stream), line_codec(line_mode::lf));
                auto line = co_await frames.read();
                if (!line) co_return;
                if (*line == "throw") throw std::runtime_error("x");
                if (*line == "return") co_return;
                for (;;) {
                    auto sent = co_await frames.write(pattern(100'000));
                    if (!sent) co_return;
                }
            });
            const auto to = server->endpoints().front();
            for (const char* text : {"throw\n", "return\n", "write\n", "half", "", "write\n", "throw\n"}) {
                peers.push_back(plain_socket::connected_to(to));
                peers.back().send(text);
            }
            peers.push_back(plain_socket::connected_to(to, {asio::ip::make_address("127.0.0.9"), 0}));
            peers[4].close();
            for (int i = 0; i < n; ++i) {
                rt.context().poll_one();
                if (i == 40) rt.request_stop(n % 2 == 0 ? 0s : 10s);
                if (i == 50) server->stop(n % 4 < 2 ? stop_mode::now : stop_mode::graceful, 1s);
            }
        }
        const metrics_snapshot s = server->snapshot();
        REQUIRE(s.sessions_open() == 0);
        REQUIRE(s.sessions_closed() == s.accepted);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a runtime of several contexts may be destroyed while its sessions are busy") {
    for (int round = 0; round < 10; ++round) {
        std::optional<tcp_server> server;
        std::vector<plain_socket> peers;
        {
            runtime rt(3, quiet());
            server = rt.listen(any_door(), &echo_lines);
            for (int i = 0; i < 9; ++i) {
                peers.push_back(connect_to(*server));
                peers.back().send("x\n");
            }
            rt.request_stop(0s);
            if (round % 2 == 0)
                rt.run();
            else
                for (int i = 0; i < round; ++i) rt.context(static_cast<unsigned>(i % 3)).poll_one();
        }
        CHECK(server->snapshot().sessions_open() == 0);
    }
}
