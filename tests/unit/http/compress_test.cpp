// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/compress.hpp>

#include "unit/http/gzip_support.hpp"
#include "unit/http/site_support.hpp"

#include <portunus/http/streaming.hpp>

#include <atomic>
#include <string>
#include <utility>

using namespace portunus_tests;
using http::request;
using http::response;
using http::status;
using http::verb;
using http_test::gunzip;

namespace {

constexpr const char* wants = "Accept-Encoding: gzip\r\n";
const std::string text = [] {
    std::string t;
    for (int i = 0; i < 5000; ++i) t += "line " + std::to_string(i) + '\n';
    return t;
}();

response text_answer(http::literal type = http::media::text) {
    return response(status::ok, text, type);
}

} // namespace

TEST_CASE("an answer is compressed for who wants it, and says so") {
    site s(
        [](request&) { return std::move(text_answer().add("ETag", "\"1\"").add("Accept-Ranges", "bytes")); },
        open_site(http::compressing()));
    for (int i = 0; i != 3; ++i) { // the encoder is used again
        const auto a = s.ask("GET /", wants);
        CHECK(a["Content-Encoding"] == "gzip");
        CHECK(a["Vary"] == "Accept-Encoding");
        CHECK(a["Content-Type"] == "text/plain; charset=utf-8");
        CHECK(a["ETag"] == "W/\"1\"");
        CHECK_FALSE(a.has("Accept-Ranges"));
        CHECK(a["Content-Length"] == std::to_string(a.body.size()));
        CHECK(a.body.size() < text.size() / 3);
        CHECK((gunzip(a.body).text == text));
        CHECK(s.ask("HEAD /", wants)["Content-Length"] == a["Content-Length"]);
    }
    const auto plain = s.ask("GET /");
    CHECK_FALSE(plain.has("Content-Encoding"));
    CHECK(plain["Vary"] == "Accept-Encoding");
    CHECK(plain["ETag"] == "\"1\"");
    CHECK((plain.body == text));
}

TEST_CASE(
    "what is short, coded, a part, without a body, of another kind or not to be changed stays as it is") {
    http::router<http::handler> routes;
    routes.add(verb::get, "/short", [](request&) { return response(status::ok, std::string(859, 'a')); });
    routes.add(verb::get, "/enough", [](request&) { return response(status::ok, std::string(860, 'a')); });
    routes.add(verb::get, "/coded",
               [](request&) { return std::move(text_answer().add("Content-Encoding", "br")); });
    routes.add(verb::get, "/part", [](request&) {
        return std::move(text_answer().code(status::partial_content).add("Content-Range", "bytes 0-1/5"));
    });
    routes.add(verb::get, "/none", [](request&) { return response(status::no_content); });
    routes.add(verb::get, "/bytes", [](request&) { return text_answer(http::media::bytes); });
    routes.add(verb::get, "/as-it-is",
               [](request&) { return std::move(text_answer().add("Cache-Control", "no-transform")); });
    site s(std::move(routes), open_site(http::compressing()));
    for (const char* path : {"/short", "/part", "/none", "/bytes", "/as-it-is"}) {
        const auto a = s.ask("GET " + std::string(path), wants);
        INFO(path);
        CHECK_FALSE(a.has("Content-Encoding"));
        CHECK_FALSE(a.has("Vary"));
    }
    CHECK(s.ask("GET /enough", wants)["Content-Encoding"] == "gzip");
    CHECK(s.ask("GET /coded", wants)["Content-Encoding"] == "br");
}

TEST_CASE("a streamed body is compressed as it is written, and a flush shows what was written") {
    std::atomic<bool> seen{false};
    site s(
        [&](request&) {
            return http::streamed(http::media::text, [&seen](http::body_writer& to) -> awaitable<void> {
                auto sent = co_await to.write("first");
                if (sent) sent = co_await to.flush();
                while (sent && !seen) {
                    boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor, 1ms);
                    co_await pause.async_wait(portunus::detail::use_result);
                }
                if (sent) sent = co_await to.write(text);
                if (sent) sent = co_await to.write("");
            });
        },
        open_site(http::compressing()));
    auto peer = connect_to(s.server);
    peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
    std::string all;
    http::gzip_decoder decoder;
    std::string read;
    while (read != "first") {
        all += peer.read(1);
        const std::size_t end = all.find("\r\n\r\n");
        if (end == std::string::npos) continue;
        decoder.reset();
        read.clear();
        std::string chunk = all + "\r\n";
        http::chunked_decoder chunks;
        for (std::string_view rest = std::string_view(all).substr(end + 4); !rest.empty();) {
            const auto step = chunks.next(rest);
            REQUIRE(decoder.write(step.data, read));
            rest.remove_prefix(step.consumed);
            if (step.what != http::chunked_step::kind::data) break;
        }
    }
    seen = true;
    all += peer.read_to_end().first;
    const auto a = answer::read(all);
    CHECK(a["Content-Encoding"] == "gzip");
    CHECK((gunzip(a.body).text == "first" + text));
}

TEST_CASE("a streamed body that breaks its promise breaks the connection, compressed or not") {
    const std::size_t promised = GENERATE(4000u, 6000u);
    const bool gzip = GENERATE(false, true);
    site s(
        [promised](request&) {
            return http::streamed(
                http::media::text,
                [](http::body_writer& to) -> awaitable<void> {
                    const std::string five(5000, 'x');
                    auto sent = co_await to.write(five);
                    (void)sent;
                },
                promised);
        },
        open_site(http::compressing()));
    auto peer = connect_to(s.server);
    peer.send("GET / HTTP/1.1\r\nHost: a\r\n" + std::string(gzip ? wants : "") + "\r\n");
    CHECK(peer.read_to_end().second == ending::reset);
}

TEST_CASE("a level that zlib does not know is thrown when the program starts") {
    CHECK_THROWS_AS(http::compressing({.level = 0}), portunus::failure);
}
