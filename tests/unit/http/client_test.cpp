// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/client.hpp>

#include "support/catch.hpp"
#include "unit/http/client_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/http/server.hpp>
#include <portunus/testing/grind.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using namespace portunus::testing;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using http::status;
using http::verb;
using portunus::condition;
using portunus::errc;
using portunus::error;
using portunus::result;

TEST_CASE("an answer has its status, fields and body, and its connection serves the next request") {
    wire net;
    net.next()
        .expect(asked("GET /state?x=1"))
        .send(told("21.5", "200 OK", "X-Room: kitchen\r\n"))
        .expect(asked("DELETE /state"))
        .send("HTTP/1.1 204 No Content\r\n\r\n")
        .expect(asked("HEAD /"))
        .send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        .expect(asked("POST /a", "Content-Type: text/plain\r\nContent-Length: 5\r\n") + "hello")
        .send(told("", "201 Created"))
        .expect(asked("PUT /a", "Content-Type: text/plain\r\nContent-Length: 3\r\n") + "bye")
        .send("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
        .expect(asked("PATCH /a", "Content-Type: text/plain\r\nContent-Length: 0\r\n"))
        .send("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .expect_end();
    run([&](asio::io_context& context) -> awaitable<void> {
        {
            http::client web(context.get_executor(), net.options());
            auto first = co_await web.get("http://device/state?x=1#here");
            REQUIRE(first.has_value());
            CHECK(first->status() == status::ok);
            CHECK(first->ok());
            CHECK(first->body() == "21.5");
            CHECK(first->find("x-room") == "kitchen");
            CHECK(first->head().size() == 2);
            CHECK(first->url() == "http://device/state?x=1#here");
            auto second = co_await web.delete_("http://device/state");
            REQUIRE(second.has_value());
            CHECK(second->status() == status::no_content);
            auto third = co_await web.head("http://device/");
            REQUIRE(third.has_value());
            CHECK(third->body().empty());
            CHECK(third->head().content_length() == 5000);
            auto fourth = co_await web.post("http://device/a", "hello", "text/plain");
            REQUIRE(fourth.has_value());
            CHECK(fourth->status() == status::created);
            auto fifth = co_await web.put("http://device/a", "bye", "text/plain");
            REQUIRE(fifth.has_value());
            CHECK(fifth->status_code() == 304);
            auto sixth = co_await web.patch("http://device/a", "", "text/plain");
            REQUIRE(sixth.has_value());
            CHECK(sixth->body() == "abcde");
            const auto counted = web.counters();
            CHECK(counted.requests == 6);
            CHECK(counted.connections == 1);
            CHECK(counted.reused == 5);
            CHECK(counted.resting == 1);
            CHECK(counted.in_use == 0);
        }
        co_await settle();
        CHECK(net.difference() == "");
    });
}

namespace {

/// One answer to GET, told in pieces as given: what the client makes of it.
std::string outcome(std::span<const std::string_view> pieces, bool then_close, verb method = verb::get,
                    const http::client_options* with = nullptr) {
    wire net;
    auto& script = net.next();
    script.expect(asked(std::string(http::text_of(method)) + " /"));
    for (const std::string_view piece : pieces) script.send(std::string(piece), piece.size());
    if (then_close) script.half_close();
    std::string text;
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client_options o = with ? *with : http::client_options();
        o.user_agent.clear();
        o.dial = net.dial();
        http::client web(context.get_executor(), std::move(o));
        const http::client_request r(method, "http://device/");
        auto answer = co_await web.send(r);
        if (answer)
            text = std::to_string(answer->status_code()) + " " + std::string(answer->body());
        else
            text = answer.error().code().message() + ": " + std::string(answer.error().detail());
        text += web.counters().resting == 1 ? " +" : " -"; // kept, or closed
    });
    return text;
}
std::string outcome(std::string_view bytes, bool then_close, verb method = verb::get,
                    const http::client_options* with = nullptr) {
    return outcome(std::span<const std::string_view>(&bytes, 1), then_close, method, with);
}

} // namespace

TEST_CASE("where a body ends is what RFC 9112 6.3 says, however the bytes are split") {
    struct row {
        std::string_view bytes, expected;
        bool then_close = false;
        verb method = verb::get;
    };
    const auto r = GENERATE(values<row>({
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 abc +"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200  +"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n",
         "200 abc +"},
        {"HTTP/1.1 200 OK\r\n\r\nabc", "200 abc -", true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 abc -"},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", "200 abc -"},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "200 abc -"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "204  +"},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "204  +"},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "304  +"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200  +", false, verb::head},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
         "200 x +"},
    }));
    INFO(r.bytes);
    const std::string found = grind(
        r.bytes,
        [&](std::span<const std::string_view> pieces) { return outcome(pieces, r.then_close, r.method); },
        {.pairs_up_to = 0});
    CHECK(found == r.expected);
}

TEST_CASE("what is no answer is an error that says what, where and from whom") {
    struct row {
        std::string_view bytes, expected;
    };
    const auto r = GENERATE(values<row>({
        {"", "closed without an answer"},
        {"HTTP/1.1 200 OK\r\nContent-Le", "the head of the answer ended after 27 bytes"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "the body ended after 3 of 10 bytes"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
         "the body ended after 3 bytes, before its last chunk"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", "Content-Length"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "coding"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc", "hunked"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "1.0"},
        {"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", "LF"},
        {"HTTP/2 200\r\n\r\n", ""},
        {"SSH-2.0-OpenSSH_9.2\r\n", "status line"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "line"},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "colon"},
    }));
    const std::string text = outcome(r.bytes, true);
    INFO(text);
    CHECK_THAT(text, Contains(std::string(r.expected)));
    CHECK_THAT(text, Contains("GET at http://device:80"));
    CHECK(text.ends_with(" -"));
    CHECK_FALSE(text.starts_with("2"));
}

TEST_CASE("an answer may be so large and no larger") {
    http::client_options o;
    o.max_body = 4;
    o.head.max_head = 200;
    o.head.max_fields = 3;
    o.max_interim = 2;
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    CHECK(outcome(told("abcd"), false, verb::get, &o) == "200 abcd +");
    CHECK_THAT(outcome(told("abcde"), false, verb::get, &o), Contains("5 bytes or more exceeds 4"));
    CHECK_THAT(outcome(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nffff\r\nc", false, verb::get, &o),
               Contains("65537 bytes or more exceeds 4"));
    CHECK_THAT(outcome(ok + "\r\nabcde", false, verb::get, &o), Contains("5 bytes or more exceeds 4"));
    CHECK_THAT(outcome(ok + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", false, verb::get, &o), Contains("3"));
    CHECK_THAT(outcome(ok + "A: " + std::string(300, 'a') + "\r\n", false, verb::get, &o), Contains("200"));
    const std::string interim = "HTTP/1.1 102 Processing\r\n\r\n";
    CHECK(outcome(interim + interim + told("a"), false, verb::get, &o) == "200 a +");
    CHECK_THAT(outcome(interim + interim + interim + told("a"), false, verb::get, &o),
               Contains("more than 2 interim answers"));
}

TEST_CASE("a connection on which more comes than was asked for is not used again") {
    CHECK(outcome(told("abc") + "x", false) == "200 abc -");
    wire net; // the bytes come later, while it rests
    bool rests = false;
    net.next().expect(asked("GET /1")).send(told("1")).wait_until([&] { return rests; }).send("x");
    net.next().expect(asked("GET /2")).send(told("2"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        auto first = co_await web.get("http://device/1");
        REQUIRE(first.has_value());
        CHECK(web.counters().resting == 1);
        rests = true;
        co_await settle();
        auto second = co_await web.get("http://device/2");
        REQUIRE(second.has_value());
        CHECK(second->body() == "2");
        CHECK(web.counters().stale == 1);
    });
}

TEST_CASE("a connection that breaks before an answer: what may be repeated is, once, and the rest says so") {
    const verb method = GENERATE(verb::get, verb::post);
    wire net;
    net.next().expect(asked("GET /")).send(told("1")).expect(std::string(http::text_of(method))).reset();
    if (method == verb::get) net.next().expect(asked("GET /")).send(told("2"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        auto first = co_await web.get("http://device/");
        REQUIRE(first.has_value());
        const http::client_request r(method, "http://device/");
        auto second = co_await web.send(r);
        CHECK(web.counters().stale == 1);
        if (method == verb::get) {
            REQUIRE(second.has_value());
            CHECK(second->body() == "2");
            CHECK(web.counters().repeated == 1);
        } else {
            REQUIRE(second.has_error());
            CHECK_THAT(second.error().message(), Contains("had served 1 requests before") &&
                                                     Contains("POST is not repeated by itself"));
            CHECK(web.counters().repeated == 0);
        }
    });
}

TEST_CASE("a new connection that breaks is not tried again") {
    wire net;
    net.next().expect("GET /").reset();
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        auto first = co_await web.get("http://device/");
        REQUIRE(first.has_error());
        CHECK(first.error() == boost::system::errc::connection_reset);
        CHECK(web.counters().connections == 1);
    });
}

TEST_CASE("connections are bounded by host and in all, and who waits is served in order") {
    wire net;
    net.next().expect(asked("GET /1")).send(told("1")).expect(asked("GET /2")).send(told("2"));
    net.next().expect("GET /3").send(told("3"));
    run([&](asio::io_context& context) -> awaitable<void> {
        auto o = net.options();
        o.max_per_host = 1;
        o.max_connections = 1;
        o.max_waiting = 2;
        http::client web(context.get_executor(), std::move(o));
        auto first = start(context.get_executor(), web.get("http://device/1"));
        auto second = start(context.get_executor(), web.get("http://device/2"));
        auto third =
            start(context.get_executor(), web.get("http://other/3")); // takes the resting one's place
        auto fourth = start(context.get_executor(), web.get("http://device/4"));
        auto refused = co_await fourth.join();
        REQUIRE(refused.has_error());
        CHECK(refused.error() == errc::queue_full);
        CHECK_THAT(refused.error().message(), Contains("2 requests wait"));
        auto one = co_await first.join();
        auto two = co_await second.join();
        auto three = co_await third.join();
        REQUIRE(one.has_value());
        REQUIRE(two.has_value());
        REQUIRE(three.has_value());
        CHECK(two->body() == "2");
        CHECK(three->body() == "3");
        CHECK(web.counters().connections == 2);
        CHECK(web.counters().waiting == 0);
    });
}

TEST_CASE("each phase has its limit, and the error names it with its numbers") {
    run(
        [&](asio::io_context& context) -> awaitable<void> {
            wire net;
            const auto executor = context.get_executor();
            auto o = net.options();
            o.max_per_host = 1;
            o.head_limit = 7s;
            o.body_limit = 8s;
            o.place_limit = 3s;
            o.total_limit = 20s;
            {
                net.next().expect("GET /head");
                http::client web(executor, o);
                auto slow = start(executor, web.get("http://device/head"));
                auto waits = start(executor, web.get("http://device/place"));
                co_await advance(3s);
                auto place = co_await waits.join();
                REQUIRE(place.has_error());
                CHECK(place.error() == errc::connect_timeout);
                CHECK_THAT(place.error().message(),
                           Contains("no connection became free within 3000 ms") &&
                               Contains("while waiting for a free connection, GET at http://device:80"));
                CHECK(!slow.done());
                co_await advance(4s);
                auto head = co_await slow.join();
                REQUIRE(head.has_error());
                CHECK(head.error() == errc::read_timeout);
                CHECK_THAT(head.error().message(),
                           Contains("the head of the answer did not come within 7000 ms"));
            }
            {
                auto& trickle = net.next();
                trickle.expect(asked("GET /body")).send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
                for (int i = 0; i < 8; ++i) trickle.wait(1s).send("x");
                http::client web(executor, o);
                auto slow = start(executor, web.get("http://device/body"));
                for (int i = 0; i < 8; ++i) co_await advance(1s);
                auto body = co_await slow.join();
                REQUIRE(body.has_error());
                CHECK(body.error() == errc::read_timeout);
                CHECK_THAT(body.error().message(), Contains("the body was not complete within 8000 ms") &&
                                                       Contains("while reading the body"));
            }
            {
                auto& trickle = net.next();
                trickle.expect(asked("GET /body")).send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
                for (int i = 0; i < 8; ++i) trickle.wait(1s).send("x");
                http::client web(executor, o);
                const http::client_request r(verb::get, "http://device/body");
                auto opened = co_await web.open(r);
                REQUIRE(opened.has_value());
                auto reads = start(executor, [](http::exchange x) -> awaitable<error> {
                    for (;;) {
                        auto piece = co_await x.read_body();
                        if (!piece) co_return piece.error();
                    }
                }(std::move(*opened)));
                for (int i = 0; i < 8; ++i) co_await advance(1s);
                const error why = co_await reads.join();
                CHECK(why == errc::read_timeout);
                CHECK_THAT(why.message(), Contains("65536 bytes of the body did not come within 8000 ms"));
            }
            {
                auto& never = net.next();
                never.expect(asked("GET /all"));
                o.head_limit = {};
                http::client web(executor, o);
                auto slow = start(executor, web.get("http://device/all"));
                co_await advance(20s);
                auto all = co_await slow.join();
                REQUIRE(all.has_error());
                CHECK_THAT(all.error().message(), Contains("longer than 20000 ms"));
            }
            co_await settle();
        },
        {.manual_time = true});
}

TEST_CASE("a connection rests for so long and is closed then") {
    wire net;
    net.next().expect(asked("GET /")).send(told("1")).expect_end();
    run(
        [&](asio::io_context& context) -> awaitable<void> {
            http::client web(context.get_executor(), net.options());
            auto first = co_await web.get("http://device/");
            REQUIRE(first.has_value());
            co_await advance(14s);
            CHECK(web.counters().resting == 1);
            co_await advance(1s);
            CHECK(web.counters().resting == 0);
            CHECK(net.difference() == "");
        },
        {.manual_time = true});
}

TEST_CASE("a redirection is followed when asked for, and changes method and body as its status says") {
    struct row {
        unsigned code;
        verb method;
        std::string_view becomes;
    };
    const auto r = GENERATE(values<row>({{301, verb::post, "GET"},
                                         {302, verb::post, "GET"},
                                         {303, verb::post, "GET"},
                                         {303, verb::put, "GET"},
                                         {303, verb::head, "HEAD"},
                                         {301, verb::put, "PUT"},
                                         {307, verb::post, "POST"},
                                         {308, verb::post, "POST"},
                                         {302, verb::get, "GET"}}));
    const bool body = r.method == verb::post || r.method == verb::put;
    const std::string more = "Content-Type: t\r\nContent-Length: 3\r\n";
    const bool stays = body && r.becomes != "GET";
    wire net;
    net.next()
        .expect(asked(std::string(http::text_of(r.method)) + " /a/b?c", body ? more : "") +
                (body ? "abc" : ""))
        .send("HTTP/1.1 " + std::to_string(r.code) + " Go\r\nLocation: ../x?y#z\r\nContent-Length: " +
              (r.method == verb::head ? "3\r\n\r\n" : "3\r\n\r\nxyz"))
        .expect(asked(std::string(r.becomes) + " /x?y", stays ? more : "") + (stays ? "abc" : ""))
        .send(r.becomes == "HEAD" ? "HTTP/1.1 200 OK\r\n\r\n" : told("there"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        http::client_request request(r.method, "http://device/a/b?c");
        if (body) request.body("abc", "t");
        request.follow(3);
        auto answer = co_await web.send(request);
        REQUIRE(answer.has_value());
        CHECK(answer->status_code() == 200);
        CHECK(answer->redirects() == 1);
        CHECK(answer->url() == "http://device/x?y#z");
        CHECK(web.counters().connections == 1);
    });
}

TEST_CASE("redirections are bounded, off by default, and never take secrets elsewhere or leave https") {
    wire net;
    const auto go = [](std::string_view where) {
        return "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + std::string(where) + "\r\n\r\n";
    };
    net.next()
        .expect(asked("GET /"))
        .send(go("/1"))
        .expect(asked("GET /"))
        .send(go("/1"))
        .expect(asked("GET /1"))
        .send(go("/2"))
        .expect(asked("GET /2"))
        .send(go("/3"));
    net.next()
        .expect(asked("GET /secret", "Cookie: a=b\r\nauthorization: Bearer x\r\nX-A: b\r\n"))
        .send(go("//device:81/"));
    net.next().expect("GET / HTTP/1.1\r\nHost: device:81\r\nX-A: b\r\n\r\n").send(told("x"));
    net.next().expect(asked("GET /")).send(go("http://device/"));
    run([&](asio::io_context& context) -> awaitable<void> {
        auto o = net.options();
        o.dial_secure = net.dial();
        http::client web(context.get_executor(), std::move(o));
        auto plain = co_await web.get("http://device/");
        REQUIRE(plain.has_value());
        CHECK(plain->status_code() == 302);
        http::client_request request(verb::get, "http://device/");
        request.follow(2);
        auto bounded = co_await web.send(request);
        REQUIRE(bounded.has_error());
        CHECK(bounded.error() == errc::remote_error);
        CHECK_THAT(bounded.error().message(), Contains("redirected more than 2 times"));
        web.close_resting();
        http::client_request secret(verb::get, "http://device/secret");
        secret.add("Cookie", "a=b").add("authorization", "Bearer x").add("X-A", "b").follow(2);
        auto elsewhere = co_await web.send(secret);
        REQUIRE(elsewhere.has_value());
        CHECK(elsewhere->body() == "x");
        http::client_request secure(verb::get, "https://device/");
        secure.follow(2);
        auto down = co_await web.send(secure);
        REQUIRE(down.has_error());
        CHECK(down.error() == errc::denied);
        CHECK(net.targets == std::vector<std::string>{"http://device:80", "http://device:80",
                                                      "http://device:81", "https://device:443"});
    });
}

TEST_CASE("a body that is written while it is sent is chunked, or has the length that was announced") {
    wire net;
    net.next()
        .expect(asked("POST /", "Content-Type: t\r\nTransfer-Encoding: chunked\r\n") +
                "3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n")
        .send(told("1"))
        .expect(asked("POST /", "Content-Type: t\r\nContent-Length: 13\r\n") + "abc0123456789")
        .send(told("2"))
        .expect(asked("POST /", "Content-Type: t\r\nContent-Length: 14\r\n") + "abc0123456789")
        .expect_end();
    net.next().expect(asked("POST /", "Content-Type: t\r\nContent-Length: 5\r\n") + "abc").expect_end();
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        const auto write = [](http::upload_writer& to) -> awaitable<void> {
            auto first = co_await to.write("abc");
            auto none = co_await to.write("");
            auto second = co_await to.write("0123456789");
            (void)first, (void)none, (void)second;
        };
        http::client_request r(verb::post, "http://device/");
        r.expect_continue(false).body(write, "t");
        auto chunked = co_await web.send(r);
        REQUIRE(chunked.has_value());
        r.body(write, "t", 13);
        auto with_length = co_await web.send(r);
        REQUIRE(with_length.has_value());
        CHECK(with_length->body() == "2");
        r.body(write, "t", 14);
        auto too_short = co_await web.send(r);
        REQUIRE(too_short.has_error());
        CHECK_THAT(too_short.error().message(), Contains("14 bytes was announced, and 13 were written"));
        r.body(write, "t", 5);
        auto too_long = co_await web.send(r);
        REQUIRE(too_long.has_error());
        CHECK_THAT(too_long.error().message(), Contains("longer than the 5 bytes"));
        co_await settle();
        CHECK(net.difference() == "");
    });
}

TEST_CASE("a large body is announced: sent when permitted or nobody answers, and kept when refused") {
    wire net;
    const std::string expect = "Content-Type: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n";
    net.next()
        .expect(asked("POST /permitted", expect))
        .send("HTTP/1.1 100 Continue\r\n\r\n")
        .expect("abc")
        .send(told("1"))
        .expect(asked("POST /silent", expect))
        .expect("abc")
        .send(told("2"))
        .expect(asked("POST /unknown", expect))
        .send(told("", "417 Expectation Failed"))
        .expect_end();
    net.next()
        .expect(asked("POST /unknown", "Content-Type: t\r\nContent-Length: 3\r\n") + "abc")
        .send(told("3"))
        .expect(asked("POST /refused", expect))
        .send(told("no", "413 Payload Too Large"))
        .expect_end();
    run(
        [&](asio::io_context& context) -> awaitable<void> {
            auto o = net.options();
            o.expect_from = 3;
            http::client web(context.get_executor(), std::move(o));
            const std::vector<std::string> expected{"200 1", "200 2", "200 3", "413 no"};
            std::size_t i = 0;
            for (const char* path : {"permitted", "silent", "unknown", "refused"}) {
                const std::string url = std::string("http://device/") + path;
                auto sending = start(context.get_executor(), web.post(url, "abc", "t"));
                co_await settle();
                CHECK(sending.done() == (i != 1));
                co_await advance(1s);
                auto answer = co_await sending.join();
                REQUIRE(answer.has_value());
                const std::string text =
                    std::to_string(answer->status_code()) + " " + std::string(answer->body());
                CHECK(text == expected[i++]);
            }
            CHECK(net.difference() == "");
        },
        {.manual_time = true});
}

TEST_CASE("a server that answers before it has the whole body is heard, and gets no more of it") {
    wire net;
    net.next().expect("POST / HTTP/1.1\r\n").send(told("enough", "413 Payload Too Large"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        int pieces = 0;
        http::client_request r(verb::post, "http://device/");
        r.expect_continue(false).body(
            [&pieces](http::upload_writer& to) -> awaitable<void> {
                for (; pieces < 1000; ++pieces) {
                    auto sent = co_await to.write(std::string_view("0123456789"));
                    if (!sent) {
                        CHECK(sent.error() == errc::closed_locally);
                        co_return;
                    }
                    co_await settle();
                }
            },
            "t");
        auto answer = co_await web.send(r);
        REQUIRE(answer.has_value());
        CHECK(answer->status_code() == 413);
        CHECK(answer->body() == "enough");
        CHECK(pieces < 1000);
        CHECK(web.counters().resting == 0);
    });
}

TEST_CASE(
    "a body is read in pieces, and an exchange that is dropped keeps the connection where that is cheap") {
    wire net;
    net.next()
        .expect(asked("GET /1"))
        .send(told("abc"))
        .expect(asked("GET /2"))
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
        .expect(asked("GET /3"))
        .send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")
        .expect_reset();
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        {
            const http::client_request r(verb::get, "http://device/1");
            auto opened = co_await web.open(r);
            REQUIRE(opened.has_value());
            CHECK(opened->status() == status::ok);
            CHECK(web.counters().in_use == 1);
        }
        CHECK(web.counters().resting == 1); // what was left had come already
        {
            const http::client_request r(verb::get, "http://device/2");
            auto opened = co_await web.open(r);
            REQUIRE(opened.has_value());
            std::string text;
            for (;;) {
                auto piece = co_await opened->read_body();
                REQUIRE(piece.has_value());
                if (piece->empty()) break;
                text.append(*piece).append("|");
            }
            CHECK(text == "abc|def|");
            CHECK(web.counters().resting == 1); // before the handle is gone
            auto again = co_await opened->read_body();
            REQUIRE(again.has_value());
            CHECK(again->empty());
        }
        {
            const http::client_request r(verb::get, "http://device/3");
            auto opened = co_await web.open(r);
            REQUIRE(opened.has_value());
            auto reading = start(context.get_executor(), opened->collect());
            co_await settle();
            auto second = co_await opened->read_body();
            REQUIRE(second.has_error());
            CHECK(second.error() == errc::operation_in_progress);
            *opened = http::exchange(); // while it is read
            auto got = co_await reading.join();
            REQUIRE(got.has_error());
            CHECK(got.error() == errc::canceled);
        }
        CHECK(web.counters().resting == 0);
        CHECK(web.counters().in_use == 0);
    });
}

TEST_CASE("a transfer tells how far it is, and can be stopped") {
    wire net;
    net.next()
        .expect(asked("POST /", "Content-Type: t\r\nContent-Length: 3\r\n") + "abc")
        .send(told("12345"))
        .expect(asked("GET /"))
        .send(told("12345"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        std::string text;
        http::client_request r(verb::post, "http://device/");
        r.body("abc", "t").on_progress([&text](const http::transfer_progress& p) {
            text += std::to_string(p.sent) + "/" + std::to_string(p.to_send.value_or(99)) + " " +
                    std::to_string(p.received) + "/" + std::to_string(p.to_receive.value_or(99)) + ";";
            return true;
        });
        auto answer = co_await web.send(r);
        REQUIRE(answer.has_value());
        CHECK(text == "3/3 0/99;3/3 5/5;");
        http::client_request stopped(verb::get, "http://device/");
        stopped.on_progress([](const http::transfer_progress&) { return false; });
        auto none = co_await web.send(stopped);
        REQUIRE(none.has_error());
        CHECK(none.error() == errc::canceled);
        CHECK_THAT(none.error().message(), Contains("progress"));
    });
}

TEST_CASE("who is asked for a password answers with it, and only there") {
    wire net;
    const std::string challenge = "WWW-Authenticate: Basic realm=\"x\"\r\n";
    const std::string proof = "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"; // RFC 7617 2
    net.next()
        .expect(asked("GET /any"))
        .send(told("who?", "401 Unauthorized", challenge))
        .expect(asked("GET /any", proof))
        .send(told("in"))
        .expect(asked("GET /again", proof)) // nobody has to ask twice
        .send("HTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n")
        .expect(asked("GET /wrong", proof))
        .send(told("no", "401 Unauthorized", challenge));
    net.next()
        .expect("GET / HTTP/1.1\r\nHost: other\r\n\r\n")
        .send(told("who?", "401 Unauthorized", challenge));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        web.authenticate("http://device/", "Aladdin", "open sesame");
        auto any = co_await web.get("http://device/any");
        REQUIRE(any.has_value());
        CHECK(any->body() == "in");
        http::client_request r(verb::get, "http://device/again");
        r.follow(1);
        auto elsewhere = co_await web.send(r);
        REQUIRE(elsewhere.has_value());
        CHECK(elsewhere->status_code() == 401);
        auto wrong = co_await web.get("http://device/wrong");
        REQUIRE(wrong.has_value());
        CHECK(wrong->status_code() == 401);
        CHECK(wrong->body() == "no");
    });
}

TEST_CASE("digest alone is never answered with basic, and basic at once is sent at once") {
    wire net;
    net.next()
        .expect(asked("GET /"))
        .send(told("", "401 Unauthorized", "WWW-Authenticate: Basic realm=x\r\n"))
        .expect(asked("GET /", "Authorization: Basic dTpw\r\n"))
        .send(told("in"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        http::client_request r(verb::get, "http://device/");
        r.authenticate("u", "p", http::auth::digest);
        auto digest = co_await web.send(r);
        REQUIRE(digest.has_value());
        CHECK(digest->status_code() == 401);
        r.authenticate("u", "p", http::auth::basic);
        auto basic = co_await web.send(r);
        REQUIRE(basic.has_value());
        CHECK(basic->body() == "in");
    });
}

TEST_CASE("a server that takes another protocol leaves us the connection") {
    wire net;
    net.next()
        .expect(asked("GET /", "Connection: Upgrade\r\nUpgrade: lines\r\n"))
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nfirst")
        .expect("second");
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        http::client_request r(verb::get, "http://device/");
        r.upgrade("lines");
        auto opened = co_await web.open(r);
        REQUIRE(opened.has_value());
        CHECK(opened->head().upgrade());
        auto stream = opened->take_stream();
        char text[16];
        auto n = co_await stream.read_some(asio::buffer(text));
        REQUIRE(n.has_value());
        CHECK(std::string(text, *n) == "first");
        auto sent = co_await stream.write(std::string_view("second"));
        CHECK(sent.has_value());
        co_await settle();
        CHECK(net.difference() == "");
        CHECK(web.counters().in_use == 0);
    });
}

TEST_CASE("a URL that is none, https without TLS, and fields that would break the head are refused") {
    run([&](asio::io_context& context) -> awaitable<void> {
        wire net;
        http::client web(context.get_executor(), net.options());
        for (const char* url :
             {"", "device", "ftp://device/", "http://user:pw@device/", "http://device/ x", "http://"}) {
            auto answer = co_await web.get(url);
            REQUIRE(answer.has_error());
            CHECK(answer.error() == errc::invalid_address);
        }
        auto secret = co_await web.get("http://user:hush@device/");
        REQUIRE(secret.has_error());
        CHECK_THAT(secret.error().message(), !Contains("hush"));
        auto secure = co_await web.get("https://device/");
        REQUIRE(secure.has_error());
        CHECK(secure.error() == errc::invalid_option);
        CHECK_THAT(secure.error().message(), Contains("https_client"));
        http::client_request r(verb::get, "http://device/");
        CHECK_THROWS_AS(r.add("Host", "x"), portunus::failure);
        CHECK_THROWS_AS(r.add("content-length", "1"), portunus::failure);
        CHECK_THROWS_AS(r.add("A B", "1"), portunus::failure);
        CHECK_THROWS_AS(r.add("A", "1\r\nB: 2"), portunus::failure);
        CHECK_THROWS_AS(r.body("x", "a\nb"), portunus::failure);
        CHECK_THROWS_AS(web.authenticate("device", "u", "p"), portunus::failure);
    });
}

TEST_CASE("whatever operation of a connection fails, the request ends with an answer or an error") {
    const std::size_t operations = for_each_failure([](fuse& f) {
        wire net;
        net.near_fuse = f;
        net.next()
            .expect(asked("POST /", "Content-Type: t\r\nTransfer-Encoding: chunked\r\n") +
                    "3\r\nabc\r\n0\r\n\r\n")
            .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 7)
            .expect(asked("GET /"))
            .send(told("again"));
        net.next().expect(asked("GET /")).send(told("again"));
        run([&](asio::io_context& context) -> awaitable<void> {
            http::client web(context.get_executor(), net.options());
            http::client_request r(verb::post, "http://device/");
            r.expect_continue(false).body(
                [](http::upload_writer& to) -> awaitable<void> {
                    auto sent = co_await to.write("abc");
                    (void)sent;
                },
                "t");
            auto answer = co_await web.send(r);
            if (answer) {
                CHECK(answer->body() == "abc");
                auto again = co_await web.get("http://device/");
                CHECK((again.has_value() || f.blown()));
                if (again) CHECK(again->body() == "again");
            } else {
                CHECK(f.blown());
            }
            CHECK(web.counters().in_use == 0);
        });
    });
    CHECK(operations >= 8);
}

namespace {

/// A client with three requests, one of them in line and one streamed.
struct scene {
    explicit scene(asio::io_context& c) : context(c) {
        net = std::make_unique<wire>();
        net->next().expect("GET /1 ").send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 9);
        net->next().expect("GET /3 ").send(told("3"), 5);
        auto o = net->options();
        o.max_per_host = 1;
        web.emplace(context.get_executor(), std::move(o));
    }
    static awaitable<void> ask(std::string url, scene* s) {
        if (!s->web) co_return;
        const http::client_request r(verb::get, url);
        auto opened = co_await s->web->open(r);
        if (!opened) co_return;
        for (;;) {
            auto piece = co_await opened->read_body();
            if (!piece || piece->empty()) break;
        }
        ++s->answered;
    }
    awaitable<void> operator()() {
        auto first = start(context.get_executor(), ask("http://device/1", this));
        auto second = start(context.get_executor(), ask("http://device/2", this));
        auto third = start(context.get_executor(), ask("http://other/3", this));
        co_await settle();
        second.cancel();
        co_await first.join();
        co_await second.join();
        co_await third.join();
        web.reset();
    }
    void drop() { web.reset(); }

    asio::io_context& context;
    std::unique_ptr<wire> net;
    std::optional<http::client> web;
    int answered = 0;
};

} // namespace

TEST_CASE("a client may be destroyed at any point, before and after its context, and its requests end") {
    const std::size_t handlers =
        destroy_at_every_point([](asio::io_context& context) { return scene(context); });
    CHECK(handlers > 20);
}

namespace {

awaitable<http::response> mirror(http::request& r) {
    auto body = co_await r.body();
    if (!body) co_return http::response(status::bad_request);
    co_return http::response(status::ok, std::string(r.head().method_text()) + " " + std::string(*body));
}

awaitable<void> ask_many(portunus::runtime* rt, http::client* web, std::string url,
                         std::vector<std::string>* got) {
    const std::string large = pattern(3'000'000);
    for (int i = 0; i < 3; ++i) {
        auto answer = co_await web->post(url, i == 2 ? std::string_view(large) : "small", "text/plain");
        got->push_back(answer ? std::string(answer->body()) : answer.error().message());
    }
    http::client_request chunked(verb::put, url);
    chunked.body(
        [](http::upload_writer& to) -> awaitable<void> {
            for (int i = 0; i < 3; ++i) {
                auto sent = co_await to.write("piece ");
                if (!sent) co_return;
            }
        },
        "text/plain");
    auto answer = co_await web->send(chunked);
    got->push_back(answer ? std::string(answer->body()) : answer.error().message());
    rt->request_stop(10s);
}

} // namespace

TEST_CASE("our own server and our client understand each other, and a stop does not wait for what rests") {
    http::server_options house;
    house.door = any_door();
    house.max_body = 4'000'000;
    portunus::runtime rt(1, house.door.log);
    const auto server = rt.listen(house, &mirror);
    http::client web(rt);
    std::vector<std::string> got;
    const std::string url = "http://127.0.0.1:" + std::to_string(server.endpoints().front().port()) + "/";
    rt.spawn(ask_many(&rt, &web, url, &got));
    CHECK(rt.run() == 0);
    REQUIRE(got.size() == 4);
    CHECK(got[0] == "POST small");
    CHECK((got[2] == "POST " + pattern(3'000'000)));
    CHECK(got[3] == "PUT piece piece piece ");
    CHECK(web.counters().connections == 1);
    CHECK(web.counters().resting == 0);
}

TEST_CASE("a name that does not exist and a port that nobody listens on are told as such") {
    run([](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor());
        std::uint16_t port = 0;
        {
            const plain_listener gone;
            port = gone.endpoint().port();
        }
        const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/";
        auto refused = co_await web.get(url);
        REQUIRE(refused.has_error());
        CHECK(refused.error() == boost::system::errc::connection_refused);
        CHECK_THAT(refused.error().message(), Contains("while connecting, GET at http://127.0.0.1:"));
        CHECK(web.counters().in_use == 0);
    });
}
