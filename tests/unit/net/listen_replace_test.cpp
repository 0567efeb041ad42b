// SPDX-License-Identifier: BSL-1.0
// Newcomers that take the place of old sessions, slots, and sessions that are held back.
#include <portunus/net/listen.hpp>

#include "support/catch.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/core/event_queue.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::connection_attempt;
using portunus::errc;
using portunus::peer_info;
using portunus::replace_policy;
using portunus::replaces;
using portunus::runtime;
using portunus::stop_mode;
using portunus::tcp_stream;
using portunus::when_full;

namespace {

const auto host_a = asio::ip::make_address("127.0.0.5"), host_b = asio::ip::make_address("127.0.0.6");

plain_socket from(const portunus::tcp_server& server, const asio::ip::address& host) {
    return plain_socket::connected_to(server.endpoints().front(), {host, 0});
}

/// What sessions say about themselves, in order, from whatever thread.
class diary {
  public:
    void write(const std::string& line) {
        const std::lock_guard lock(mutex_);
        text_ += text_.empty() ? line : " | " + line;
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

  private:
    mutable std::mutex mutex_;
    std::string text_;
};

/// Echoes, and writes down when it begins, how its reading ended, and when it has returned.
auto told_in(diary& d) {
    return [&d](tcp_stream stream, peer_info peer) -> awaitable<void> {
        const std::string name = std::to_string(peer.id);
        d.write(name + " begins");
        std::array<char, 64> buffer;
        for (;;) {
            auto n = co_await stream.read_some(asio::buffer(buffer));
            if (!n) {
                d.write(name + " " + n.error().message());
                // Some cleaning up, which takes its time.
                for (int i = 0; i < 20; ++i) co_await asio::post(asio::deferred);
                d.write(name + " ends");
                co_return;
            }
            auto sent = co_await stream.write(std::string_view(buffer.data(), *n));
            (void)sent;
        }
    };
}

} // namespace

TEST_CASE(
    "a newcomer that replaces begins only when the old session has returned, and the old peer sees a reset") {
    const unsigned contexts = GENERATE(1U, 3U);
    CAPTURE(contexts);
    diary d;
    runtime rt(contexts, portunus::logger::silent());
    auto door = any_door();
    door.replace = replaces::same_address;
    const auto server = rt.listen(door, told_in(d));
    running r(rt);
    auto old = from(server, host_a);
    old.send("x");
    CHECK(old.read(1) == "x");
    auto other = from(server, host_b);
    other.send("y");
    CHECK(other.read(1) == "y");
    auto fresh = from(server, host_a);
    fresh.send("z"); // buffered until its session begins
    CHECK(old.read_to_end().second == ending::reset);
    CHECK(fresh.read(1) == "z");
    CHECK(d.text() == "1 begins | 2 begins | 1 replaced by a newer connection | 1 ends | 3 begins");
    other.send("y"); // nobody else has noticed
    CHECK(other.read(1) == "y");
    CHECK(server.snapshot().closed_by(close_reason::replaced) == 1);
    fresh.close();
    other.close();
    CHECK(r.stop() == 0);
}

TEST_CASE("without a policy, or for a peer that it does not mean, nobody is replaced") {
    runtime rt(1, portunus::logger::silent());
    auto door = any_door();
    door.replace = GENERATE(replaces::nobody, replaces::same_address_and_port);
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 5; ++i) {
        peers.push_back(from(server, host_a));
        peers.back().send("x\n");
        CHECK(peers.back().read(2) == "x\n");
    }
    for (auto& peer : peers) {
        peer.send("y\n");
        CHECK(peer.read(2) == "y\n");
    }
    peers.clear();
    CHECK(r.stop() == 0);
}

TEST_CASE("a predicate chooses whom a newcomer replaces") {
    runtime rt(1, portunus::logger::silent());
    auto door = any_door();
    door.replace = replace_policy([](const connection_attempt& older, const connection_attempt& newer) {
        return older.remote == host_a && newer.remote == host_b;
    });
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    auto a1 = from(server, host_a), a2 = from(server, host_a);
    for (auto* a : {&a1, &a2}) {
        a->send("x\n");
        CHECK(a->read(2) == "x\n");
    }
    auto b = from(server, host_b);
    b.send("x\n");
    CHECK(b.read(2) == "x\n");
    CHECK(a1.read_to_end().second == ending::reset);
    CHECK(a2.read_to_end().second == ending::reset);
    b.close();
    CHECK(r.stop() == 0);
    CHECK(server.snapshot().closed_by(close_reason::replaced) == 2);
}

TEST_CASE("a predicate that throws costs that connection, and not the door") {
    const log_book book;
    runtime rt(2, book.logger());
    auto door = any_door();
    std::atomic<int> calls{0};
    door.replace = replace_policy([&calls](const connection_attempt&, const connection_attempt&) -> bool {
        if (++calls == 1) throw std::runtime_error("no idea");
        return false;
    });
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    auto first = from(server, host_a);
    first.send("x\n");
    CHECK(first.read(2) == "x\n");
    CHECK(from(server, host_b).read_to_end().second != ending::open);
    eventually([&] { return book.count("no idea") == 1; });
    auto third = from(server, host_b);
    third.send("x\n");
    CHECK(third.read(2) == "x\n");
    first.close();
    third.close();
    CHECK(r.stop() == 0);
    CHECK(server.snapshot().sessions_open() == 0);
}

TEST_CASE("in a full house a newcomer takes the place of its old connection, and strangers are refused") {
    runtime rt(1, portunus::logger::silent());
    auto door = any_door();
    door.replace = replaces::same_address;
    door.limits.max_connections = 1;
    door.limits.full = GENERATE(when_full::wait, when_full::reset);
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    auto old = from(server, host_a);
    old.send("x\n");
    CHECK(old.read(2) == "x\n");
    CHECK(from(server, host_b).read_to_end().second == ending::reset);
    for (int i = 0; i < 3; ++i) { // a device that is switched off and on
        auto fresh = from(server, host_a);
        fresh.send("y\n");
        CHECK(fresh.read(2) == "y\n");
        CHECK(old.read_to_end().second == ending::reset);
        old = std::move(fresh);
    }
    CHECK(server.snapshot().sessions_open() == 1);
    old.close();
    eventually([&] { return server.snapshot().sessions_open() == 0; });
    auto stranger = from(server, host_b);
    stranger.send("x\n");
    CHECK(stranger.read(2) == "x\n");
    stranger.close();
    CHECK(r.stop() == 0);
}

TEST_CASE("many newcomers of one address in a row leave the last one, and every other one is told") {
    const unsigned contexts = GENERATE(1U, 4U);
    runtime rt(contexts, portunus::logger::silent());
    auto door = any_door();
    door.replace = replaces::same_address;
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    constexpr int many = 200;
    std::vector<plain_socket> peers;
    for (int i = 0; i < many; ++i) peers.push_back(from(server, host_a));
    peers.back().send("last\n");
    CHECK(peers.back().read(5) == "last\n");
    for (int i = 0; i + 1 < many; ++i)
        REQUIRE(peers[static_cast<std::size_t>(i)].read_to_end().second == ending::reset);
    eventually([&] { return server.snapshot().sessions_open() == 1; });
    CHECK(server.snapshot().closed_by(close_reason::replaced) == many - 1);
    peers.clear();
    CHECK(r.stop() == 0);
}

TEST_CASE("a server that is stopped while newcomers wait for places ends, and nobody stays open") {
    const auto mode = GENERATE(stop_mode::graceful, stop_mode::now);
    const unsigned contexts = GENERATE(1U, 3U);
    for (int round = 0; round < 10; ++round) {
        runtime rt(contexts, portunus::logger::silent());
        auto door = any_door();
        door.replace = replaces::same_address;
        const auto server = rt.listen(door, &echo_lines);
        running r(rt);
        std::vector<plain_socket> peers;
        for (int i = 0; i < 20 + round; ++i) peers.push_back(from(server, host_a));
        server.stop(mode, 20s);
        for (auto& peer : peers) {
            peer.shutdown_send();
            REQUIRE(peer.read_to_end().second != ending::open);
        }
        r.stop();
        CHECK(server.snapshot().sessions_open() == 0);
    }
}

TEST_CASE(
    "on a slot the next peer comes in when the session before it has returned, not when its peer has gone") {
    runtime rt(1, portunus::logger::silent());
    auto door = any_door();
    door.limits.max_connections = 1;
    door.limits.full = when_full::wait;
    portunus::event_queue<int> handled(rt.get_executor(), 8); // the program has handled the closing
    std::atomic<int> begun{0}, ended{0};
    const auto server = rt.listen(door, [&](tcp_stream stream) -> awaitable<void> {
        ++begun;
        std::array<char, 64> buffer;
        auto n = co_await stream.read_some(asio::buffer(buffer));
        while (n) n = co_await stream.read_some(asio::buffer(buffer));
        stream.abort();
        ++ended;
        auto go = co_await handled.pop();
        (void)go;
    });
    running r(rt);
    auto first = connect_to(server);
    eventually([&] { return begun == 1; });
    first.close();
    eventually([&] { return ended == 1; });
    auto second = connect_to(server); // by the kernel
    second.send("early");
    for (int i = 0; i < 50; ++i) r.on_context([] {});
    CHECK(begun == 1);
    r.on_context([&] { must(handled.push(1)); });
    eventually([&] { return begun == 2; });
    second.close();
    eventually([&] { return ended == 2; });
    r.on_context([&] { must(handled.push(2)); });
    CHECK(r.stop() == 0);
}

TEST_CASE("while sessions are held newcomers are accepted and what they send is kept") {
    const unsigned contexts = GENERATE(1U, 3U);
    runtime rt(contexts, portunus::logger::silent());
    const auto server = rt.listen(any_door(), &echo_lines);
    running r(rt);
    auto before = connect_to(server);
    before.send("a\n");
    CHECK(before.read(2) == "a\n");
    server.hold_sessions();
    std::vector<plain_socket> peers;
    for (int i = 0; i < 5; ++i) {
        peers.push_back(connect_to(server));
        peers.back().send("line " + std::to_string(i) + "\n");
    }
    eventually([&] { return server.snapshot().accepted == 6; });
    before.send("b\n"); // who is in is served
    CHECK(before.read(2) == "b\n");
    for (auto& peer : peers) CHECK(peer.peek() == ending::open);
    const bool stop = GENERATE(false, true);
    if (stop)
        server.stop(stop_mode::graceful, 20s);
    else
        server.release_sessions();
    for (int i = 0; i < 5; ++i)
        CHECK(peers[static_cast<std::size_t>(i)].read(7) == "line " + std::to_string(i) + "\n");
    peers.clear();
    before.close();
    CHECK(r.stop() == 0);
}

TEST_CASE("a session that is held back is replaced before it begins") {
    const unsigned contexts = GENERATE(1U, 3U);
    diary d;
    runtime rt(contexts, portunus::logger::silent());
    auto door = any_door();
    door.replace = replaces::same_address;
    const auto server = rt.listen(door, told_in(d));
    running r(rt);
    server.hold_sessions();
    auto first = from(server, host_a);
    eventually([&] { return server.snapshot().accepted == 1; });
    auto second = from(server, host_a);
    second.send("x");
    CHECK(first.read_to_end().second == ending::reset);
    server.release_sessions();
    CHECK(second.read(1) == "x");
    CHECK(d.text() == "2 begins");
    CHECK(server.snapshot().closed_by(close_reason::replaced) == 1);
    second.close();
    CHECK(r.stop() == 0);
    CHECK(server.snapshot().sessions_open() == 0);
}

TEST_CASE("a listener without sessions refuses to replace them") {
    world w;
    auto door = any_door();
    door.replace = replaces::same_address;
    const auto opened = portunus::tcp_listener::open(w.context.get_executor(), door);
    CHECK(error_of(opened) == errc::invalid_option);
    CHECK(opened.error().detail().find("runtime::listen") != std::string_view::npos);
}
