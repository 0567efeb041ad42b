// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/server.hpp>
#include <portunus/http/streaming.hpp>

#include "support/catch.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/core/event_queue.hpp>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using portunus::deadline_service;
using portunus::errc;
using portunus::event_queue;
using portunus::log_level;
using portunus::runtime;
namespace http = portunus::http;
using http::status;
using http::verb;

TEST_CASE("a request is answered with its status, its length and its date, and the connection stays") {
    house h(&tell_plainly);
    auto peer = connect_to(h.server);
    for (int i = 0; i < 3; ++i) {
        peer.send(request("GET /" + std::to_string(i)));
        const std::string expected = plain_answer("GET /" + std::to_string(i) + ' ');
        const std::string answer = peer.read(expected.size() + 37); // the date's line
        CHECK(undated(answer) == expected);
        CHECK(answer.find("\r\nDate: ") != std::string::npos);
        CHECK(answer.find(" GMT\r\n") != std::string::npos);
    }
    CHECK(h.server.snapshot().accepted == 1);
    CHECK(h.server.counters().requests == 3);
    CHECK(h.server.counters().answers[2] == 3);
}

TEST_CASE("requests that come together are answered in order, however their bytes were split") {
    const bool coroutine = GENERATE(false, true);
    const std::string asked =
        request("GET /a") + request("POST /b", "Content-Length: 5\r\n") + "hello" +
        request("PUT /c", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n" +
        request("GET /d", "Connection: close\r\n") + "what follows the last one is not read";
    const std::string expected =
        coroutine ? plain_answer("GET /a ") + plain_answer("POST /b hello") + plain_answer("PUT /c abcde") +
                        plain_answer("GET /d ", "HTTP/1.1 200 OK", closing)
                  : plain_answer("GET /a ") + plain_answer("POST /b ") +
                        plain_answer("PUT /c ", "HTTP/1.1 200 OK", closing); // nobody reads that body
    house h(coroutine ? http::handler(&tell) : http::handler(&tell_plainly));
    CHECK(h.ask(asked, false) == expected);
    auto slow = connect_to(h.server);
    for (const char c : asked)
        if (!slow.try_send({&c, 1})) break; // closed behind the last one
    CHECK(undated(slow.read_to_end().first) == expected);
}

TEST_CASE("what is no request is refused with its status and a reason, counted, and closed") {
    struct row {
        std::string_view bytes, status, reason;
        http::refusal kind;
    };
    const auto r = GENERATE(values<row>({
        {"GET / HTTP/1.1\nHost: a\n\n", "400 Bad Request", "LF", http::refusal::bare_lf},
        {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "Host", http::refusal::missing_host},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 Bad Request", "Host",
         http::refusal::repeated_host},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         "400 Bad Request", "", http::refusal::transfer_encoding_with_length},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented", "",
         http::refusal::unknown_transfer_coding},
        {"GET / HTTP/3.0\r\n\r\n", "505 HTTP Version Not Supported", "", http::refusal::unsupported_version},
    }));
    house h(&tell_plainly);
    const std::string answer = h.ask(std::string(r.bytes) + request("GET /smuggled"), false);
    INFO(answer);
    CHECK(answer.starts_with("HTTP/1.1 " + std::string(r.status) + "\r\n"));
    CHECK(answer.find(closing) != std::string::npos);
    CHECK(answer.find(r.reason, answer.find("\r\n\r\n")) != std::string::npos);
    CHECK(answer.find("smuggled") == std::string::npos);
    CHECK(h.server.counters().refused[static_cast<std::size_t>(r.kind)] == 1);
    CHECK(h.server.counters().requests == 0);
}

TEST_CASE("whether a connection stays is what version and Connection say") {
    house h(&tell_plainly);
    CHECK(h.ask("GET /1 HTTP/1.0\r\n\r\n", false) == plain_answer("GET /1 ", "HTTP/1.1 200 OK", closing));
    CHECK(h.ask("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n", false) ==
          plain_answer("GET /1 ", "HTTP/1.1 200 OK", "Connection: keep-alive\r\n") +
              plain_answer("GET /2 ", "HTTP/1.1 200 OK", closing));
    CHECK(h.ask(request("GET /1", closing) + request("GET /2"), false) ==
          plain_answer("GET /1 ", "HTTP/1.1 200 OK", closing));
}

TEST_CASE("HEAD has the length and no body, and a status without a body has neither") {
    house h([](http::request& r) {
        if (r.path() == "/none") return http::response(status::no_content);
        if (r.path() == "/streamed")
            return std::move(http::streamed(http::media::text, [](http::body_writer&) -> awaitable<void> {
                                 co_return;
                             }).code(status::no_content));
        return http::response("0123456789", http::media::text);
    });
    CHECK(h.ask(request("GET /streamed") + request("GET /none")) ==
          "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    CHECK(h.ask(request("HEAD /")) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n\r\n");
    CHECK(h.ask(request("GET /none")) == "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST_CASE("a response takes no field that would break the framing or the next line") {
    http::response r("x");
    r.add("X-A", "b").add(http::field::etag, "\"1\"");
    CHECK(r.fields() == "X-A: b\r\nETag: \"1\"\r\n");
    for (const auto& [name, value] :
         std::vector<std::pair<std::string_view, std::string_view>>{{"Content-Length", "1"},
                                                                    {"transfer-encoding", "chunked"},
                                                                    {"Connection", "close"},
                                                                    {"X", "a\r\nB: c"},
                                                                    {"X Y", "a"},
                                                                    {"", "a"},
                                                                    {"X", std::string_view("a\0b", 3)}})
        CHECK_THROWS_AS(r.add(name, value), portunus::failure);
    CHECK(r.fields() == "X-A: b\r\nETag: \"1\"\r\n");
    r.add("content-type", "image/" + std::string("x-long-enough-for-no-small-string"));
    CHECK(r.fields() == "X-A: b\r\nETag: \"1\"\r\n");
    const http::response moved = std::move(r);
    CHECK(moved.content_type() == "image/x-long-enough-for-no-small-string");
}

TEST_CASE("a body is collected up to its limit, with a length or in chunks, and a larger one is refused") {
    auto o = open_house();
    o.max_body = 100'000;
    house h(&tell, o);
    const std::string body(100'000, 'b');
    const auto with_length = [](std::size_t n) {
        return request("POST /", "Content-Length: " + std::to_string(n) + "\r\n");
    };
    CHECK((h.ask(with_length(body.size()) + body) == plain_answer("POST / " + body)));
    CHECK((h.ask(request("POST /", "Transfer-Encoding: chunked\r\n") + "186a0\r\n" + body +
                 "\r\n0\r\n\r\n") == plain_answer("POST / " + body)));
    const std::string refused = plain_answer("Payload Too Large", "HTTP/1.1 413 Payload Too Large", closing);
    CHECK(h.ask(with_length(100'001), false) == refused);
    CHECK(h.ask(request("POST /", "Transfer-Encoding: chunked\r\n") + "186a1\r\n", false) == refused);
    CHECK(h.server.counters().too_large == 2);
}

TEST_CASE("a body that is read in pieces is not collected, and its client is held up meanwhile") {
    std::atomic<std::size_t> most{0};
    auto o = open_house();
    o.max_body = 10; // which is not asked
    house h(
        [&](http::request& r) -> awaitable<http::response> {
            std::size_t sum = 0;
            for (;;) {
                auto piece = co_await r.read_body();
                if (!piece) co_return http::response(status::bad_request);
                if (piece->empty()) break;
                most = std::max(most.load(), piece->size());
                sum += piece->size();
            }
            auto late = co_await r.body();
            CHECK(error_of(late) == errc::operation_in_progress);
            co_return http::response(status::ok, std::to_string(sum));
        },
        o);
    const std::string body(1'000'000, 'b');
    CHECK(h.ask(request("POST /", "Content-Length: 1000000\r\n") + body) == plain_answer("1000000"));
    CHECK(most <= 64 * 1024);
}

TEST_CASE("a client that asks whether to go on is told so when somebody wants its body, and not before") {
    house h([](http::request& r) -> awaitable<http::response> {
        if (r.path() == "/no") co_return http::response(status::forbidden);
        co_return co_await tell(r);
    });
    const std::string_view expect = "Expect: 100-continue\r\nContent-Length: 2\r\n";
    auto peer = connect_to(h.server);
    peer.send(request("POST /yes", expect));
    CHECK(peer.read(25) == "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("ok");
    const std::string expected = plain_answer("POST /yes ok");
    CHECK(undated(peer.read(expected.size() + 37)) == expected);
    peer.send(request("POST /no", expect));
    CHECK(undated(peer.read_to_end().first) == plain_answer("Forbidden", "HTTP/1.1 403 Forbidden", closing));
}

TEST_CASE("a body that nobody wanted is dropped where it is small, and ends the connection where it is not") {
    house h(&tell_plainly);
    CHECK(h.ask(request("POST /a", "Content-Length: 5\r\n") + "GET /" + request("GET /b")) ==
          plain_answer("POST /a ") + plain_answer("GET /b "));
    CHECK(h.ask(request("POST /a", "Content-Length: 500000\r\n"), false) ==
          plain_answer("POST /a ", "HTTP/1.1 200 OK", closing));
}

TEST_CASE("an exception in a handler is a 500, is logged, and harms nobody else") {
    std::mutex guard;
    std::string logged;
    auto o = open_house();
    o.door.log =
        portunus::logger([&](log_level, std::string_view text, std::span<const portunus::log_field> fields) {
            const std::lock_guard lock(guard);
            logged += text;
            for (const auto& f : fields) logged += " " + std::string(f.value());
        });
    const bool coroutine = GENERATE(false, true);
    const auto maybe = [](http::request& r) {
        if (r.path() == "/bad") throw std::runtime_error("the lamp is gone");
        return http::response("fine", http::media::text);
    };
    house h(coroutine ? http::handler(
                            [maybe](http::request& r) -> awaitable<http::response> { co_return maybe(r); })
                      : http::handler(maybe),
            o);
    CHECK(h.ask(request("GET /bad") + request("GET /good")) ==
          plain_answer("Internal Server Error", "HTTP/1.1 500 Internal Server Error") + plain_answer("fine"));
    CHECK(h.server.counters().handler_failures == 1);
    const std::lock_guard lock(guard);
    CHECK(logged.find("the lamp is gone") != std::string::npos);
    CHECK(logged.find("/bad") != std::string::npos);
}

TEST_CASE("a handler that takes too long is cancelled and answered for") {
    std::atomic<bool> canceled{false}, began{false};
    house h(
        [&](http::request& r) -> awaitable<http::response> {
            event_queue<int> never(r.get_executor(), 1);
            began = true;
            auto got = co_await never.pop();
            canceled = error_of(got) == errc::canceled;
            co_return http::response("too late");
        },
        open_house(), true);
    auto peer = connect_to(h.server);
    peer.send(request("GET /"));
    eventually([&] { return began.load(); });
    h.pass(29s);
    CHECK_FALSE(canceled);
    h.pass(1s);
    CHECK(undated(peer.read(132)).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    CHECK(canceled);
    CHECK(h.server.counters().handler_timeouts == 1);
}

TEST_CASE("a head and a body have to be complete in time, whatever the speed of their bytes") {
    house h(&tell, open_house(), true);
    const bool body = GENERATE(false, true);
    auto peer = connect_to(h.server);
    if (body) peer.send(request("POST /", "Content-Length: 1000\r\n"));
    const int limit = body ? 60 : 10;
    for (int second = 0; second < limit; ++second) {
        const std::uint64_t before = h.server.snapshot().bytes_in;
        peer.send("G");
        eventually([&] { return h.server.snapshot().bytes_in > before; });
        CHECK(peer.peek() == ending::open);
        h.pass(1s);
    }
    CHECK(undated(peer.read(120)).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    const auto n = h.server.counters();
    CHECK((body ? n.body_timeouts : n.head_timeouts) == 1);
    CHECK((body ? n.head_timeouts : n.body_timeouts) == 0);
}

TEST_CASE("a body that is read in pieces has its time for each part, and a trickle has not") {
    house h(
        [](http::request& r) -> awaitable<http::response> {
            std::size_t sum = 0;
            for (;;) {
                auto piece = co_await r.read_body();
                if (!piece) co_return http::response(status::bad_request);
                if (piece->empty()) break;
                sum += piece->size();
            }
            co_return http::response(status::ok, std::to_string(sum));
        },
        open_house(), true);
    auto peer = connect_to(h.server);
    const std::string part(64 * 1024, 'p');
    const auto send = [&](std::string_view bytes) {
        const std::uint64_t before = h.server.snapshot().bytes_in;
        peer.send(bytes);
        eventually([&] { return h.server.snapshot().bytes_in >= before + bytes.size(); });
    };
    send(request("POST /", "Content-Length: 10000000\r\n"));
    for (int i = 0; i < 4; ++i) { // four minutes in all
        send(part);
        h.pass(50s);
        CHECK(peer.peek() == ending::open);
    }
    send(part);
    for (int i = 0; i < 6; ++i) {
        send("p");
        h.pass(10s);
    }
    CHECK(undated(peer.read(120)).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    CHECK(h.server.counters().body_timeouts == 1);
}

TEST_CASE("a connection that rests longer than its limit is closed without a word") {
    house h(&tell_plainly, open_house(), true);
    auto peer = connect_to(h.server);
    peer.send(request("GET /"));
    const std::string expected = plain_answer("GET / ");
    CHECK(undated(peer.read(expected.size() + 37)) == expected);
    h.pass(60s);
    CHECK(peer.read_to_end().first.empty());
    CHECK(h.server.counters().head_timeouts == 0);
}

TEST_CASE("a streamed body goes out as it is written: in chunks, by its length, or until the end for 1.0") {
    house h([](http::request& r) {
        const bool known = r.path() == "/known";
        return http::streamed(
            http::media::text,
            [](http::body_writer& to) -> awaitable<void> {
                for (const std::string_view piece : {"one,", "", "two"}) {
                    auto sent = co_await to.write(piece);
                    if (!sent) co_return;
                }
            },
            known ? std::optional<std::uint64_t>(7) : std::nullopt);
    });
    constexpr std::string_view head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n";
    CHECK(h.ask(request("GET /") + request("GET /known")) ==
          std::string(head) + "Transfer-Encoding: chunked\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n" +
              std::string(head) + "Content-Length: 7\r\n\r\none,two");
    CHECK(h.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false) ==
          std::string(head) + "Connection: close\r\n\r\none,two");
    CHECK(h.ask(request("HEAD /") + request("HEAD /known")) ==
          std::string(head) + "Transfer-Encoding: chunked\r\n\r\n" + std::string(head) +
              "Content-Length: 7\r\n\r\n");
}

TEST_CASE("a body that ends before its end breaks the connection, so that nobody takes it for whole") {
    const bool throws = GENERATE(false, true);
    house h([throws](http::request&) {
        return http::streamed(
            http::media::text,
            [throws](http::body_writer& to) -> awaitable<void> {
                auto sent = co_await to.write("half");
                if (sent) sent = co_await to.flush();
                if (throws) throw std::runtime_error("no more");
            },
            throws ? std::nullopt : std::optional<std::uint64_t>(8));
    });
    auto peer = connect_to(h.server);
    peer.send(request("GET /"));
    const auto [text, end] = peer.read_to_end();
    CHECK(text.find("0\r\n\r\n") == std::string::npos);
    CHECK(end == ending::reset);
}

TEST_CASE("a connection that was taken over is another protocol's, with the bytes that had come already") {
    std::atomic<bool> gave_room{false};
    house h([&](http::request& r) -> awaitable<http::response> {
        http::response answer(r.path() == "/raw" ? status::ok : status::switching_protocols);
        if (r.path() == "/plain") co_return answer;
        if (r.path() != "/silent") answer.add(http::field::upgrade, "echo");
        if (r.method() == verb::connect) answer = http::response(status::ok);
        answer.take_over([&](portunus::any_stream s) -> awaitable<void> {
            std::string text(100, '\0');
            for (;;) {
                auto n = co_await s.read_some(asio::buffer(text));
                if (!n) break;
                if (text.starts_with("throw")) throw std::runtime_error("of the other protocol");
                auto sent = co_await s.write(std::string_view(text.data(), *n));
                if (!sent) break;
            }
            gave_room = true;
        });
        co_return answer;
    });
    const std::string upgrade = "Connection: upgrade\r\nUpgrade: echo\r\n";
    const std::string switched =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";
    SECTION("after 101") {
        CHECK(h.ask(request("GET /", upgrade) + "GET / HTTP/1.1\r\n\r\n") ==
              switched + "GET / HTTP/1.1\r\n\r\n");
        CHECK(gave_room);
    }
    SECTION("after CONNECT") {
        CHECK(h.ask("CONNECT there:1 HTTP/1.1\r\nHost: there:1\r\n\r\nhello") ==
              "HTTP/1.1 200 OK\r\n\r\nhello");
    }
    SECTION("as the rest of an answer") {
        CHECK(h.ask(request("GET /raw") + "hello") ==
              "HTTP/1.1 200 OK\r\nUpgrade: echo\r\nConnection: close, Upgrade\r\n\r\nhello");
    }
    SECTION("no limit of HTTP holds on it, and an exception breaks it alone") {
        auto peer = connect_to(h.server);
        peer.send(request("GET /", upgrade));
        CHECK(undated(peer.read(switched.size() + 37)) == switched);
        peer.send("throw");
        CHECK(peer.read_to_end().second == ending::reset);
        CHECK(h.server.counters().handler_failures == 0);
    }
    SECTION("and not where the request has more to say, or the client cannot know, or it makes no sense") {
        CHECK(h.ask(request("POST /", upgrade + "Content-Length: 5\r\n") + "hello", false)
                  .starts_with("HTTP/1.1 400 "));
        CHECK(h.ask("GET / HTTP/1.0\r\n\r\n", false).starts_with("HTTP/1.1 400 "));
        CHECK(h.ask(request("GET /plain"), false).starts_with("HTTP/1.1 500 "));
        CHECK(h.ask(request("GET /silent"), false).starts_with("HTTP/1.1 500 "));
        CHECK_FALSE(gave_room);
    }
}

TEST_CASE("routes decide by path and method, and say what would be allowed") {
    http::router<http::handler> routes;
    routes.add(verb::get, "/lamps/{id}",
               [](http::request& r) { return http::response(status::ok, "lamp " + r.parameter("id")); });
    routes.add(verb::put, "/lamps/{id}", &tell);
    routes.add(verb::get, "/files/*",
               [](http::request& r) { return http::response(status::ok, std::string(r.rest())); });
    house h(std::move(routes));
    CHECK(h.ask(request("GET /lamps/a%20b?x=1")) == plain_answer("lamp a b"));
    CHECK(h.ask(request("GET /files/a/b")) == plain_answer("a/b"));
    CHECK(h.ask(request("PUT /lamps/1", "Content-Length: 2\r\n") + "on") == plain_answer("PUT /lamps/1 on"));
    CHECK(h.ask(request("GET /")) == plain_answer("Not Found", "HTTP/1.1 404 Not Found"));
    CHECK(h.ask(request("GET /a/../../etc/passwd")) ==
          plain_answer("Bad Request", "HTTP/1.1 400 Bad Request"));
    const std::string allow = "Allow: GET, HEAD, PUT, OPTIONS\r\n";
    CHECK(h.ask(request("DELETE /lamps/1")).find(allow) != std::string::npos);
    CHECK(h.ask(request("OPTIONS /lamps/1")) == "HTTP/1.1 204 No Content\r\n" + allow + "\r\n");
    CHECK(h.ask(request("OPTIONS *")) == "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(h.ask(request("HEAD /lamps/1")).ends_with("Content-Length: 6\r\n\r\n"));
    CHECK(h.ask(request("BREW /lamps/1")).starts_with("HTTP/1.1 501 "));
}

TEST_CASE("a stop answers what has arrived, and cuts off what does not end") {
    std::atomic<int> waiting{0};
    const bool stubborn = GENERATE(false, true);
    house h([&](http::request& r) -> awaitable<http::response> {
        if (r.path() == "/slow") {
            event_queue<int> never(r.get_executor(), 1);
            ++waiting;
            auto got = co_await never.pop();
            (void)got;
        }
        co_return http::response("done", http::media::text);
    });
    auto quick = connect_to(h.server), silent = connect_to(h.server), slow = connect_to(h.server);
    quick.send(request("GET /"));
    const std::string expected = plain_answer("done");
    CHECK(undated(quick.read(expected.size() + 37)) == expected);
    if (stubborn) {
        slow.send(request("GET /slow"));
        eventually([&] { return waiting == 1; });
    }
    h.rt.request_stop(stubborn ? 0s : 20s);
    CHECK(silent.read_to_end().first.empty());
    CHECK(quick.read_to_end() == std::pair(std::string(), ending::eof));
    slow.read_to_end();
    quick.close(), silent.close(), slow.close();
    CHECK(h.runs.wait() == (stubborn ? 1 : 0));
}
