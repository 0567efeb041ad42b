// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/event_stream.hpp>

#include "unit/http/site_support.hpp"

#include <portunus/core/event_queue.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace portunus_tests;
using http::event;
using http::event_broadcaster;
using http::event_stream;
using http::event_subscription;
using http::event_writer;
using http::request;
using portunus::errc;

namespace {

/// A page: it asks, and reads the stream as it comes.
struct page {
    explicit page(const site& s, std::string_view fields = "", bool http_1_0 = true)
        : socket(connect_to(s.server)) {
        socket.send("GET /events HTTP/1." + std::string(http_1_0 ? "0" : "1") + "\r\nHost: a\r\n" +
                    std::string(fields) + "\r\n");
    }
    /// Reads until that text has come; a stream in HTTP/1.0 is not cut into chunks.
    void until(std::string_view text) {
        for (std::size_t from = seen;;) {
            const std::size_t at = all.find(text, from);
            if (at != std::string::npos) {
                seen = at + text.size();
                return;
            }
            from = std::max(seen, all.size() - std::min(all.size(), text.size()));
            const std::string more = socket.read(1);
            if (more.empty()) throw std::runtime_error("the stream has ended");
            all += more + socket.read_available();
        }
    }
    /// Whether nothing has come since.
    bool quiet() { return seen == all.size() && socket.read_available().empty(); }
    plain_socket socket;
    std::string all;
    std::size_t seen = 0;
};

bool all_closed(const site& s) {
    return s.server.snapshot().sessions_open() == 0;
}

http::server_options without_idle_limit() {
    auto o = open_site();
    o.door.stream.idle_limit = {};
    return o;
}

} // namespace

TEST_CASE("what is published reaches every page at once, in order, behind what it was told alone") {
    const event_broadcaster changes;
    site s([changes](request& r) {
        event_subscription mine = changes.subscribe();
        mine.push(event("state", "now"));
        return event_stream(r, std::move(mine));
    });
    page a(s), b(s);
    for (page* p : {&a, &b}) {
        p->until("event: state\ndata: now\n\n");
        CHECK(p->all.find("\r\nContent-Type: text/event-stream\r\n") != std::string::npos);
        CHECK(p->all.find("\r\nCache-Control: no-store\r\n") != std::string::npos);
    }
    CHECK(changes.subscribers() == 2);
    CHECK(changes.publish(event("1")) == 2);
    for (page* p : {&a, &b}) p->until("data: 1\n\n");
    std::thread other([&] {
        for (int i = 0; i != 50; ++i) changes.publish(event(std::to_string(100 + i)));
    });
    other.join();
    for (page* p : {&a, &b}) {
        p->until("data: 149\n\n");
        std::size_t at = 0;
        for (int i = 0; i != 50; ++i) {
            const std::size_t next = p->all.find("data: " + std::to_string(100 + i) + "\n\n");
            CHECK(next != std::string::npos);
            CHECK(next > at);
            at = next;
        }
    }
    changes.close();
    for (page* p : {&a, &b}) {
        CHECK(p->socket.read_to_end().second == ending::eof);
        p->socket.close();
    }
    eventually([&] { return all_closed(s); });
}

TEST_CASE("a stream in HTTP/1.1 is chunked and ends as one, and the connection stays") {
    const event_broadcaster changes;
    site s([changes](request& r) { return event_stream(r, changes.subscribe()); });
    page p(s, "", false);
    p.until("3\r\n:\n\n\r\n");
    changes.publish(event("x"));
    p.until("9\r\ndata: x\n\n\r\n");
    changes.close();
    p.until("0\r\n\r\n");
    CHECK(p.socket.peek() == ending::open);
}

TEST_CASE("a page that says nothing and hears nothing is kept alive with comments") {
    const event_broadcaster changes;
    site s([changes](request& r) { return event_stream(r, changes.subscribe()); }, without_idle_limit(),
           true);
    page p(s);
    p.until("\r\n\r\n:\n\n");
    for (int i = 0; i != 3; ++i) {
        s.pass(14s);
        CHECK(p.quiet());
        s.pass(2s);
        p.until(":\n\n");
    }
    s.pass(14s);
    changes.publish(event("x")); // which puts the comment off
    p.until("data: x\n\n");
    s.pass(14s);
    CHECK(p.quiet());
    s.pass(2s);
    p.until(":\n\n");
    changes.close();
    p.socket.read_to_end();
}

TEST_CASE("a page that has gone is noticed when it is told something, and its queue goes with it") {
    const event_broadcaster changes;
    site s([changes](request& r) { return event_stream(r, changes.subscribe()); });
    {
        page p(s);
        p.until(":\n\n");
        p.socket.reset();
    }
    eventually([&] {
        changes.publish(event("x"));
        return changes.subscribers() == 0;
    });
    eventually([&] { return all_closed(s); });
}

TEST_CASE("a page that does not read holds nobody else up") {
    const event_broadcaster changes({.capacity = 4});
    site s([changes](request& r) { return event_stream(r, changes.subscribe()); });
    page slow(s), quick(s);
    slow.until(":\n\n");
    quick.until(":\n\n");
    const std::string large(1'000'000, 'x');
    for (int i = 0; changes.counters().dropped == 0; ++i) {
        const std::string name = "n" + std::to_string(i);
        changes.publish(event(name, large));
        quick.until("event: " + name + "\n");
        quick.until("x\n\n");
    }
    changes.close();
    CHECK(quick.socket.read_to_end().second == ending::eof);
    slow.socket.reset();
}

TEST_CASE("a function sends events, with the id that the page has got last, and its return ends the stream") {
    site s([](request& r) {
        return event_stream(r, [](event_writer& to) -> awaitable<void> {
            event first("last was " + std::string(to.last_event_id()));
            auto sent = co_await to.send(first);
            for (int i = 0; sent && i != 100; ++i) {
                event e("count", std::to_string(i));
                e.id = std::to_string(i);
                sent = co_await to.send(e);
            }
        });
    });
    page p(s, "Last-Event-ID: 41\r\n");
    p.until("data: last was 41\n\n");
    p.until("id: 99\nevent: count\ndata: 99\n\n");
    CHECK(p.socket.read_to_end().second == ending::eof);
    const auto whole = s.ask("GET /");
    CHECK(whole.body.ends_with("id: 99\nevent: count\ndata: 99\n\n"));
    CHECK(s.ask("HEAD /").body.empty());
}

TEST_CASE("while a function waits its page is kept alive, and when the page has gone it is cancelled") {
    std::atomic<int> state{0};
    site s(
        [&](request& r) {
            return event_stream(r, [&state](event_writer& to) -> awaitable<void> {
                portunus::event_queue<int> nothing(co_await boost::asio::this_coro::executor, 1);
                state = 1;
                auto got = co_await nothing.pop();
                auto sent = co_await to.send(event());
                state = got.has_error() && got.error() == errc::canceled && sent.has_error() &&
                                sent.error() == errc::end_of_stream && !to.client_is_there()
                            ? 2
                            : 3;
            });
        },
        without_idle_limit(), true);
    page p(s);
    p.until(":\n\n");
    s.pass(16s);
    p.until(":\n\n");
    CHECK(state == 1);
    p.socket.reset();
    eventually([&] {
        s.pass(16s); // the next comment finds that nobody is there
        return state != 1;
    });
    CHECK(state == 2);
    eventually([&] { return all_closed(s); });
}

TEST_CASE("two events at the same time are refused, and nothing is lost") {
    std::mutex lock;
    std::vector<portunus::error> second;
    site s([&](request& r) {
        return event_stream(r, [&](event_writer& to) -> awaitable<void> {
            const event one("one"), two("two");
            auto first = to.send(one);
            portunus::task_group beside(co_await boost::asio::this_coro::executor);
            auto other = [](event_writer& w, event e, std::mutex& l,
                            std::vector<portunus::error>& out) -> awaitable<void> {
                auto sent = co_await w.send(e);
                const std::lock_guard guard(l);
                out.push_back(sent.error());
            };
            beside.spawn(other(to, two, lock, second));
            beside.spawn(other(to, two, lock, second));
            auto joined = co_await beside.join();
            auto sent = co_await std::move(first);
            (void)joined;
            (void)sent;
        });
    });
    page p(s);
    p.until("data: two\n\n");
    p.until("data: one\n\n");
    CHECK(p.socket.read_to_end().first.empty());
    REQUIRE(second.size() == 2);
    CHECK((second[0] == errc::operation_in_progress) != (second[1] == errc::operation_in_progress));
}

TEST_CASE("an exception that leaves a function breaks the connection and is counted") {
    site s([](request& r) {
        return event_stream(r, [](event_writer& to) -> awaitable<void> {
            const event e("x");
            auto sent = co_await to.send(e);
            (void)sent;
            throw std::runtime_error("no more");
        });
    });
    page p(s, "", false);
    p.until("data: x\n\n");
    const std::string rest = p.socket.read_to_end().first;
    CHECK((p.all + rest).find("0\r\n\r\n") == std::string::npos); // no end of the last chunk
    eventually([&] { return s.server.counters().handler_failures == 1; });
}

TEST_CASE("a runtime that stops ends streams of events at the end of the grace, at the latest") {
    const bool by_function = GENERATE(false, true);
    const event_broadcaster changes;
    site s([changes, by_function](request& r) {
        if (!by_function) return event_stream(r, changes.subscribe());
        return event_stream(r, [](event_writer& to) -> awaitable<void> {
            portunus::event_queue<int> nothing(co_await boost::asio::this_coro::executor, 1);
            auto got = co_await nothing.pop();
            (void)got;
            (void)to;
        });
    });
    page p(s);
    p.until(":\n\n");
    s.runs.stop(0s);
    CHECK(changes.subscribers() == 0);
    CHECK(changes.publish(event("nobody")) == 0);
}

TEST_CASE("a runtime is destroyed while streams wait, and their queues may outlive it") {
    const event_broadcaster changes;
    std::optional<event_subscription> kept;
    for (int steps = 0; steps != 40; ++steps) {
        portunus::runtime rt(1, portunus::logger::silent());
        auto server = rt.listen(open_site(), [&](request& r) {
            if (r.path() == "/function")
                return event_stream(r, [](event_writer& to) -> awaitable<void> {
                    for (;;) {
                        const event e("x");
                        auto sent = co_await to.send(e);
                        if (!sent) co_return;
                    }
                });
            kept = changes.subscribe();
            return event_stream(r, *kept);
        });
        auto a = connect_to(server), b = connect_to(server);
        a.send("GET /function HTTP/1.1\r\nHost: a\r\n\r\n");
        b.send("GET /queue HTTP/1.1\r\nHost: a\r\n\r\n");
        for (int i = 0; i != steps; ++i) {
            rt.context().restart();
            rt.context().run_one_for(20ms);
            changes.publish(event("y"));
        }
    }
    if (kept) kept->push(event("nobody reads it"));
    CHECK(changes.subscribers() <= 1);
}
