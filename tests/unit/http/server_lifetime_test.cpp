// SPDX-License-Identifier: BSL-1.0
// How connections of an HTTP server end before their time: the stop, clients that leave, a full house.
#include <portunus/http/server.hpp>

#include "support/catch.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/core/event_queue.hpp>
#include <portunus/http/streaming.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::event_queue;
using portunus::log_level;

namespace {

/// Handlers that wait until the test lets them go on.
struct gate {
    std::atomic<int> waiting{0}, canceled{0}, passed{0};
    std::vector<event_queue<int>*> queues; // of the context's thread alone

    awaitable<void> pass(boost::asio::any_io_executor executor) {
        event_queue<int> opened(executor, 1);
        queues.push_back(&opened);
        ++waiting;
        auto got = co_await opened.pop();
        std::erase(queues, &opened);
        --waiting;
        ++(got ? passed : canceled);
    }
    void open(house& h) {
        h.runs.on_context([&] {
            for (auto* q : queues) (void)q->push(1);
        });
    }
};

http::handler slow_handler(gate& g) {
    return http::handler([&g](http::request& r) -> awaitable<http::response> {
        if (r.path() == "/slow") co_await g.pass(r.get_executor());
        co_return http::response("done", http::media::text);
    });
}

const std::string ok = plain_answer("done"), last = plain_answer("done", "HTTP/1.1 200 OK", closing);

} // namespace

TEST_CASE("after a stop what has arrived is answered, the last answer says so, and nothing more is read") {
    gate g;
    house h(slow_handler(g));
    auto one = connect_to(h.server), several = connect_to(h.server), started = connect_to(h.server),
         idle = connect_to(h.server);
    one.send(request("GET /slow"));
    several.send(request("GET /slow") + request("GET /a") + request("GET /b"));
    started.send(request("GET /slow") + "GET /c HTT");
    eventually([&] { return g.waiting == 3 && h.server.snapshot().sessions_open() == 4; });
    h.rt.request_stop(20s);
    CHECK(idle.read_to_end() == std::pair(std::string(), ending::eof)); // so all have been asked
    one.send(request("GET /too-late"));
    g.open(h);
    CHECK(undated(one.read_to_end().first) == last);
    CHECK(undated(several.read_to_end().first) == ok + ok + last);
    CHECK(undated(started.read_to_end().first) == ok); // somebody had begun to ask
    one.close(), several.close(), started.close(), idle.close();
    CHECK(h.runs.wait() == 0);
    CHECK(g.canceled == 0);
    CHECK(h.server.counters().requests == 5);
}

TEST_CASE("the handler of a client that has gone is cancelled within seconds, and nobody is alarmed") {
    std::mutex guard;
    std::string errors;
    gate g;
    auto o = open_house();
    o.door.log = portunus::logger([&](log_level level, std::string_view text, auto&&) {
        const std::lock_guard lock(guard);
        if (level >= log_level::warning) errors += text;
    });
    const bool streamed = GENERATE(false, true);
    house h(streamed ? http::handler([&](http::request& r) {
                return http::streamed(
                    http::media::events,
                    [&g, executor = r.get_executor()](http::body_writer& to) -> awaitable<void> {
                        auto sent = co_await to.write("first");
                        if (sent) sent = co_await to.flush();
                        co_await g.pass(executor);
                    });
            })
                     : slow_handler(g),
            o, true);
    auto peer = connect_to(h.server), other = connect_to(h.server);
    peer.send(request("GET /slow") + request("GET /behind"));
    other.send(request("GET /slow"));
    eventually([&] { return g.waiting == 2; });
    h.pass(1s);
    h.pass(1s);
    CHECK(g.canceled == 0);
    peer.reset();
    eventually([&] {
        h.pass(1s);
        return g.canceled == 1;
    });
    eventually([&] { return h.server.snapshot().sessions_open() == 1; });
    CHECK(g.waiting == 1);
    CHECK(h.server.counters().client_gone == 1);
    CHECK(h.server.counters().handler_failures == 0);
    g.open(h);
    eventually([&] { return g.passed == 1; });
    const std::lock_guard lock(guard);
    CHECK(errors.empty());
}

TEST_CASE("a client that ends its own direction waits for its answer, unless that is said to be leaving") {
    gate g;
    auto o = open_house();
    o.half_close_is_gone = GENERATE(false, true);
    house h(slow_handler(g), o, true);
    auto peer = connect_to(h.server);
    peer.send(request("GET /slow"));
    peer.shutdown_send();
    eventually([&] { return g.waiting == 1; });
    if (o.half_close_is_gone) {
        eventually([&] {
            h.pass(1s);
            return g.canceled == 1;
        });
        CHECK(peer.read_to_end().first.empty());
        CHECK(h.server.counters().client_gone == 1);
    } else {
        for (int i = 0; i < 5; ++i) h.pass(1s);
        CHECK(g.canceled == 0);
        g.open(h);
        CHECK(undated(peer.read_to_end().first) == ok);
        CHECK(h.server.counters().client_gone == 0);
    }
}

TEST_CASE("who comes into a full house waits, or is told when to come again") {
    gate g;
    auto o = open_house();
    o.door.limits.max_connections = 2;
    o.refusals = 1;
    o.full = GENERATE(http::when_full::pause, http::when_full::refuse_503);
    house h(slow_handler(g), o, true);
    auto a = connect_to(h.server), b = connect_to(h.server);
    a.send(request("GET /slow"));
    b.send(request("GET /slow"));
    eventually([&] { return g.waiting == 2; });
    auto c = connect_to(h.server);
    c.send(request("GET /c"));
    if (o.full == http::when_full::refuse_503) {
        const std::string refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; "
                                    "charset=utf-8\r\nRetry-After: 5\r\nContent-Length: 19\r\nConnection: "
                                    "close\r\n\r\nService Unavailable";
        CHECK(undated(c.read_to_end().first) == refusal);
        auto silent = connect_to(h.server); // says nothing, and keeps the one place for the refused
        auto behind = connect_to(h.server);
        behind.send(request("GET /behind"));
        c.close();
        CHECK(silent.peek() == ending::open);
        std::string told;
        eventually([&] {
            h.pass(1s);
            told += silent.read_available();
            return silent.peek() == ending::eof;
        });
        CHECK(undated(told) == refusal);
        silent.close();
        CHECK(undated(behind.read_to_end().first) == refusal);
        behind.close();
        CHECK(h.server.counters().turned_away == 3);
        CHECK(h.server.counters().answers[5] == 3);
        eventually([&] { return h.server.snapshot().sessions_open() == 2; });
    }
    g.open(h);
    CHECK(undated(a.read(ok.size() + 37)) == ok);
    a.close();
    eventually([&] { return h.server.snapshot().sessions_open() <= 2; });
    if (o.full == http::when_full::pause) {
        CHECK(undated(c.read(ok.size() + 37)) == ok);
        CHECK(h.server.counters().turned_away == 0);
    } else {
        eventually([&] { return h.server.snapshot().sessions_open() == 1; });
        auto d = connect_to(h.server);
        d.send(request("GET /d"));
        CHECK(undated(d.read(ok.size() + 37)) == ok);
    }
}

TEST_CASE("refusing with 503 needs places that are the server's own") {
    gate g;
    auto o = open_house();
    o.full = http::when_full::refuse_503;
    SECTION("not those of a shared house") {
        o.door.house = portunus::admission();
    }
    SECTION("and at least one") {
        o.refusals = 0;
    }
    runtime rt;
    CHECK_THROWS_AS(rt.listen(o, slow_handler(g)), portunus::failure);
}
