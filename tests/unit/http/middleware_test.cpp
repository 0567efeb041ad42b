// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/middleware.hpp>

#include "unit/http/site_support.hpp"

#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

using namespace portunus_tests;
using http::middleware;
using http::request;
using http::response;
using http::status;
using http::verb;

namespace {

response plainly(request&) {
    return response("plain", http::media::text);
}
awaitable<response> later(request& r) {
    auto body = co_await r.body();
    co_return response(body ? status::ok : status::bad_request, "later");
}

/// Writes its name into the answer, and answers by itself where the path names it.
middleware named(std::string name) {
    middleware m;
    m.before = [name](request& r) -> std::optional<response> {
        if (r.path() != "/" + name) return std::nullopt;
        return response(status::ok, "early " + name);
    };
    m.after = [name](const request&, response& a) { a.add("X-Passed", name); };
    return m;
}

std::string passed(const answer& a) {
    std::string all;
    for (std::size_t at = 0; (at = a.head.find("X-Passed: ", at)) != std::string::npos; ++at)
        all += a.head.substr(at + 10, a.head.find('\r', at) - at - 10);
    return all;
}

} // namespace

TEST_CASE("the first middleware is the outermost, around plain functions and coroutines alike") {
    const bool coroutine = GENERATE(false, true);
    const http::handler inner = coroutine ? http::handler(&later) : http::handler(&plainly);
    const http::handler whole = http::wrap(inner, named("a"), named("b"), named("c"));
    CHECK(whole.is_plain() == !coroutine);
    site s(whole);
    const auto a = s.ask("GET /");
    CHECK(a.body == (coroutine ? "later" : "plain"));
    CHECK(passed(a) == "cba");
}

TEST_CASE("a middleware that answers keeps the request from the handler, and all of them see the answer") {
    const bool coroutine = GENERATE(false, true);
    site s(http::wrap(coroutine ? http::handler(&later) : http::handler(&plainly), named("a"), named("b")));
    CHECK(s.ask("GET /b").body == "early b");
    CHECK(passed(s.ask("GET /b")) == "ba");
    CHECK(s.ask("GET /a").body == "early a");
}

TEST_CASE("what is around a server sees every answer to a request, whoever gave it") {
    http::router<http::handler> routes;
    routes.add(verb::get, "/lamps/{id}", [](request& r) { return response(status::ok, r.parameter("id")); });
    routes.add(verb::get, "/throws", [](request&) -> response { throw std::runtime_error("no"); });
    routes.add(verb::post, "/later", &later);
    auto o = open_site(http::together(named("a"), named("b")));
    o.max_body = 10;
    site s(std::move(routes), o);
    const auto look = [&](std::string_view line, int code, std::string_view fields = "") {
        const auto a = s.ask(line, fields);
        INFO(line);
        CHECK(a.status == code);
        CHECK(passed(a) == "ba");
        return a;
    };
    CHECK(look("GET /lamps/7", 200).body == "7");
    look("GET /nothing", 404);
    CHECK(look("PUT /lamps/7", 405)["Allow"] == "GET, HEAD, OPTIONS");
    look("OPTIONS /lamps/7", 204);
    look("OPTIONS *", 204);
    look("GET /throws", 500);
    look("POST /later", 413, "Content-Length: 11\r\n");
    CHECK(look("GET /b", 200).body == "early b");
}

TEST_CASE("what is around a server sees the parameters of the route, and none where no route was found") {
    http::router<http::handler> routes;
    routes.add(verb::get, "/lamps/{id}", &plainly);
    middleware m;
    m.after = [](const request& r, response& a) { a.add("X-Id", "<" + r.parameter("id") + ">"); };
    site s(std::move(routes), open_site(m));
    auto peer = connect_to(s.server);
    peer.send(
        "GET /lamps/7 HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const std::string both = peer.read_to_end().first;
    CHECK(both.find("X-Id: <7>") != std::string::npos);
    CHECK(both.find("X-Id: <>") != std::string::npos);
}

TEST_CASE("a middleware that throws is answered with 500, and the server goes on") {
    middleware m;
    const bool before = GENERATE(false, true);
    if (before)
        m.before = [](request&) -> std::optional<response> { throw std::runtime_error("before"); };
    else
        m.after = [](const request&, response&) { throw std::runtime_error("after"); };
    site s(http::handler(&plainly), open_site(m));
    CHECK(s.ask("GET /").status == 500);
    CHECK(s.ask("GET /").status == 500);
    CHECK(s.server.counters().handler_failures == 2);
    site one(http::wrap(http::handler(&plainly), m));
    CHECK(one.ask("GET /").status == 500);
}

TEST_CASE("fields of a response are found and taken away by name, whatever the case") {
    response r("x");
    r.add("A", "1").add("ETag", "\"x\"").add("a", "2").add("AA", "");
    CHECK(r.find("a") == "1");
    CHECK(r.find("etag") == "\"x\"");
    CHECK(r.find("AA") == "");
    CHECK_FALSE(r.find("B"));
    CHECK(r.remove("A").fields() == "ETag: \"x\"\r\nAA: \r\n");
    CHECK(r.remove("AA").remove(http::field::etag).fields().empty());
    CHECK_FALSE(r.find("ETag"));
}
