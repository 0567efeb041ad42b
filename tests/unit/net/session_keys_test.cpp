// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/session_keys.hpp>

#include "support/catch.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/testing/run.hpp>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::errc;
using portunus::runtime;
using portunus::session_key;
using portunus::session_keys;
using portunus::tcp_stream;

TEST_CASE("different keys do not disturb each other") {
    world w;
    session_keys keys;
    auto a = connect_pair(w.context), b = connect_pair(w.context);
    auto first = w.start(keys.claim(a.stream, "pump-7"));
    auto second = w.start(keys.claim(b.stream, "pump-8"));
    w.settle();
    const auto one = must(first.get()), two = must(second.get());
    CHECK(one);
    CHECK(two);
    CHECK(keys.size() == 2);
    CHECK(keys.contains("pump-7"));
    CHECK_FALSE(keys.contains("pump-9"));
    CHECK(a.stream.is_open());
}

TEST_CASE("a newcomer gets the key when the old session has given it up, and the old peer sees a reset") {
    world w;
    session_keys keys;
    auto a = connect_pair(w.context), b = connect_pair(w.context);
    auto first = w.start(keys.claim(a.stream, "pump-7"));
    w.settle();
    auto old = must(first.get());
    std::array<char, 8> buffer;
    auto reading = w.start(a.stream.read_some(asio::buffer(buffer)));
    auto second = w.start(keys.claim(b.stream, "pump-7"));
    w.settle();
    CHECK(error_of(reading.get()) == errc::replaced);
    CHECK(a.stream.reason() == close_reason::replaced);
    CHECK(a.peer.read_to_end().second == ending::reset);
    CHECK_FALSE(second.done()); // the old session still cleans up
    old.release();
    w.settle();
    auto fresh = must(second.get());
    CHECK(fresh);
    CHECK(b.stream.is_open());
    fresh.release();
    CHECK(keys.size() == 0);
    CHECK(w.time.armed() == 1); // the idle limit of the stream that is left
}

TEST_CASE("of two that wait for a key the newer one gets it, and the other is replaced in its turn") {
    world w;
    session_keys keys;
    auto a = connect_pair(w.context), b = connect_pair(w.context), c = connect_pair(w.context);
    auto first = w.start(keys.claim(a.stream, "k"));
    w.settle();
    auto old = must(first.get());
    auto second = w.start(keys.claim(b.stream, "k"));
    w.settle();
    auto third = w.start(keys.claim(c.stream, "k"));
    w.settle();
    CHECK(error_of(second.get()) == errc::replaced);
    CHECK(b.stream.reason() == close_reason::replaced);
    CHECK_FALSE(third.done());
    old = session_key();
    w.settle();
    CHECK(must(third.get()));
}

TEST_CASE("a session that does not end costs the newcomer its limit, and the error names the key") {
    world w;
    session_keys keys;
    auto a = connect_pair(w.context), b = connect_pair(w.context);
    auto first = w.start(keys.claim(a.stream, "stuck"));
    w.settle();
    auto old = must(first.get());
    auto second = w.start(keys.claim(b.stream, "stuck", 3s));
    w.pass(3s - 1ns);
    CHECK_FALSE(second.done());
    w.pass(1ns);
    const auto failed = second.get();
    CHECK(error_of(failed) == errc::drain_timeout);
    CHECK(failed.error().detail() == "the session that holds \"stuck\" did not end within 3000 ms");
    CHECK(keys.size() == 1); // still the old one's
}

TEST_CASE("a claim that is cancelled leaves the key to whoever has it") {
    world w;
    session_keys keys;
    auto a = connect_pair(w.context), b = connect_pair(w.context);
    auto first = w.start(keys.claim(a.stream, "k"));
    w.settle();
    auto old = must(first.get());
    auto second = w.start(keys.claim(b.stream, "k"));
    w.settle();
    second.cancel();
    w.settle();
    CHECK(error_of(second.get()) == errc::canceled);
    CHECK(b.stream.is_open());
    old.release();
    w.settle();
    CHECK(keys.size() == 0);
    auto closed = w.start(keys.claim(a.stream, "k"));
    w.settle();
    CHECK(error_of(closed.get()) == errc::not_connected);
}

TEST_CASE("sessions on several threads hand a key on, and never two of them hold it") {
    session_keys keys;
    std::atomic<int> holding{0}, most{0}, served{0};
    runtime rt(4, portunus::logger::silent());
    const auto server = rt.listen(any_door(), [&](tcp_stream stream) -> awaitable<void> {
        auto key = co_await keys.claim(stream, "the only one");
        if (!key) co_return;
        const int now = ++holding;
        if (now > most) most = now;
        ++served;
        std::array<char, 8> buffer;
        auto n = co_await stream.read_some(asio::buffer(buffer));
        while (n) n = co_await stream.read_some(asio::buffer(buffer));
        --holding;
    });
    running r(rt);
    std::vector<plain_socket> peers;
    for (int i = 0; i < 300; ++i) peers.push_back(connect_to(server));
    std::size_t open = peers.size();
    eventually([&] {
        open = 0;
        for (const auto& peer : peers) open += peer.peek() == ending::open;
        return open <= 1;
    });
    CHECK(open == 1);
    CHECK(most == 1);
    CHECK(served >= 1);
    peers.clear();
    CHECK(r.stop() == 0);
    CHECK(keys.size() == 0);
}

TEST_CASE("claims can be destroyed at every point") {
    struct scene {
        std::optional<connection> a, b;
        session_keys keys;
        awaitable<void> operator()() {
            if (!a || !b) co_return;
            auto first = co_await keys.claim(a->stream, "k");
            if (!first || !b) co_return;
            auto second = co_await keys.claim(b->stream, "k", 1ms);
            (void)second;
        }
        void drop() {
            a.reset();
            b.reset();
        }
    };
    CHECK(portunus::testing::destroy_at_every_point([](asio::io_context& context) {
              return scene{connect_pair(context), connect_pair(context), {}};
          }) > 1);
}
