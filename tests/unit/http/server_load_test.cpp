// SPDX-License-Identifier: BSL-1.0
// What a connection of an HTTP server does with many requests, and what they cost.
#include <portunus/http/server.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/core/event_queue.hpp>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

using namespace portunus_tests;
using portunus::event_queue;

namespace {

http::response numbered(http::request& r) {
    return http::response(status::ok, std::string(r.path()));
}

} // namespace

TEST_CASE("answers keep their order though a coroutine in the middle has to wait") {
    http::router<http::handler> routes;
    event_queue<int>* gate = nullptr;
    std::atomic<bool> waits{false};
    routes.add(verb::get, "/plain/{n}", &numbered);
    routes.add(verb::get, "/quick/{n}",
               [](http::request& r) -> awaitable<http::response> { co_return numbered(r); });
    routes.add(verb::get, "/slow", [&](http::request& r) -> awaitable<http::response> {
        event_queue<int> opened(r.get_executor(), 1);
        gate = &opened;
        waits = true;
        auto got = co_await opened.pop();
        (void)got;
        co_return numbered(r); // its views are still good
    });
    house h(std::move(routes));
    auto peer = connect_to(h.server);
    peer.send(request("GET /plain/1") + request("GET /quick/2") + request("GET /slow") +
              request("GET /plain/3"));
    eventually([&] { return waits.load(); });
    peer.send(request("GET /quick/4") + request("GET /plain/5", closing));
    h.runs.on_context([&] { (void)gate->push(1); });
    CHECK(undated(peer.read_to_end().first) == plain_answer("/plain/1") + plain_answer("/quick/2") +
                                                   plain_answer("/slow") + plain_answer("/plain/3") +
                                                   plain_answer("/quick/4") +
                                                   plain_answer("/plain/5", "HTTP/1.1 200 OK", closing));
}

TEST_CASE("more requests at once than any buffer holds are all answered, and in order") {
    const bool coroutine = GENERATE(false, true);
    house h(coroutine
                ? http::handler([](http::request& r) -> awaitable<http::response> { co_return numbered(r); })
                : http::handler(&numbered));
    std::string asked, expected;
    for (int i = 0; asked.size() < 3 * 64 * 1024; ++i) {
        const std::string path = "/" + std::to_string(i);
        asked += request("GET " + path);
        expected += plain_answer(path);
    }
    auto peer = connect_to(h.server);
    peer.send(asked); // its answers fit into the kernel's buffers
    peer.shutdown_send();
    CHECK((undated(peer.read_to_end().first) == expected));
}

TEST_CASE("a handler that is none is a 500, and so is one whose answer is no final one") {
    const int kind = GENERATE(0, 1, 2);
    house h(kind == 0   ? http::handler(std::function<http::response(http::request&)>())
            : kind == 1 ? http::handler(std::function<awaitable<http::response>(http::request&)>())
                        : http::handler([](http::request&) { return http::response(status::continue_); }));
    const std::string answer = h.ask(request("GET /"));
    CHECK(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    CHECK(h.server.counters().answers[5] == 1);
    CHECK(h.server.counters().answers[1] == 0);
}

TEST_CASE("a chunk that is none is refused with its reason, also when a handler has begun to read") {
    house h(&tell);
    const std::string answer =
        h.ask(request("POST /", "Transfer-Encoding: chunked\r\n") + "2\r\nabX\r\n", false);
    CHECK(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    CHECK(answer.find(closing) != std::string::npos);
    const std::string reason = answer.substr(answer.find("\r\n\r\n") + 4);
    CHECK(reason.size() > 10);
    CHECK(reason != "Bad Request");
}

TEST_CASE("the time of a handler counts again when the body is over, or when nobody waits for the client") {
    const bool whole = GENERATE(true, false);
    std::atomic<bool> waits{false};
    house h(
        [&](http::request& r) -> awaitable<http::response> {
            for (;;) {
                auto piece = co_await r.read_body();
                if (!piece || piece->empty()) break;
                if (!whole && *piece == "yz") break; // there is more, and it does not ask
            }
            event_queue<int> never(r.get_executor(), 1);
            waits = true;
            auto got = co_await never.pop();
            (void)got;
            co_return http::response("too late");
        },
        open_house(), true);
    auto peer = connect_to(h.server);
    const std::string head = request("POST /", whole ? "Content-Length: 5\r\n" : "Content-Length: 6\r\n");
    peer.send(head);
    eventually([&] { return h.server.counters().requests == 1; });
    h.pass(50s); // the client's own time, in which the handler's does not count
    peer.send("vwx");
    eventually([&] { return h.server.snapshot().bytes_in == head.size() + 3; });
    peer.send("yz");
    eventually([&] { return waits.load(); });
    h.pass(whole ? 29s : 9s);
    CHECK(h.server.counters().handler_timeouts == 0);
    h.pass(1s);
    const std::string answer = peer.read_to_end().first;
    CHECK(answer.starts_with("HTTP/1.1 503 "));
    CHECK(h.server.counters().handler_timeouts == 1);
    CHECK(h.server.counters().body_timeouts == 0);
}

#if PORTUNUS_COUNTS_ALLOCATIONS
TEST_CASE("in the steady state a request for a constant answer allocates nothing") {
    const bool pipelined = GENERATE(false, true), coroutine = GENERATE(false, true);
    http::router<http::handler> routes;
    routes.add(verb::get, "/lamps/{id}/state",
               [](http::request&) { return http::response("on", http::media::text); });
    routes.add(verb::get, "/co/{id}/state", [](http::request&) -> awaitable<http::response> {
        co_return http::response("on", http::media::text);
    });
    house h(std::move(routes));
    auto peer = connect_to(h.server);
    std::string asked;
    const int depth = pipelined ? 16 : 1;
    for (int i = 0; i < depth; ++i) asked += request(coroutine ? "GET /co/17/state" : "GET /lamps/17/state");
    const std::size_t size = (plain_answer("on").size() + 37) * static_cast<std::size_t>(depth);
    const auto talk = [&](int times) {
        for (int i = 0; i < times; ++i) {
            peer.send(asked);
            if (peer.read(size).size() != size) throw std::runtime_error("an answer is missing");
        }
    };
    const auto allocated = [&] {
        std::size_t n = 0;
        h.runs.on_context([&n] { n = allocations; });
        return n;
    };
    talk(200);
    const std::size_t before = allocated();
    talk(500);
    const std::size_t during = allocated() - before;
    CHECK(during == 0);
}
#endif
