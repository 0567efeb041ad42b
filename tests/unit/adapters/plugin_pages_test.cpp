// SPDX-License-Identifier: BSL-1.0
#include <portunus/adapters/plugin_pages.hpp>

#include "support/catch.hpp"
#include "unit/adapters/plugin_support.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

using namespace portunus_tests;
using portunus::page_id;
using portunus::page_reply;
using portunus::page_request;

namespace {

/// A plugin that serves pages with `answer`.
struct site {
    using function = std::function<std::optional<page_reply>(site&, page_id, const page_request&)>;

    explicit site(plugin_place place, function answer,
                  portunus::steady_clock::duration limit = std::chrono::seconds(20)) {
        portunus::plugin_functions f;
        f.started = [this, limit](const plugin_control& c) {
            control = c;
            portunus::http::server_options o;
            o.door = any_door();
            door = portunus::listen_pages(c, std::move(o), limit).value();
            port = c.listening(door).value().port;
        };
        f.page = [this, answer = std::move(answer)](page_id page, const page_request& r) {
            return answer(*this, page, r);
        };
        host.start(std::move(f), quiet_options(place));
        thread.emplace(rt);
        eventually([&] { return port != 0; });
    }
    std::string get(std::string_view path, std::string_view body = "") {
        auto peer = plain_socket::connected_to({loopback, port});
        peer.send("POST " + std::string(path) +
                  " HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX-Mine: yes\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
        return peer.read_to_end().first;
    }

    runtime rt{1, portunus::logger::silent()};
    plugin_control control;
    listener_id door;
    std::atomic<std::uint16_t> port{0};
    std::atomic<std::uint64_t> later{0};
    plugin_host host{rt};
    std::optional<running> thread;
};

plugin_place any_place() {
    return GENERATE(plugin_place::own_thread, plugin_place::io_context);
}

} // namespace

TEST_CASE("a page is answered there and then, with all that was asked at hand") {
    site s(any_place(), [](site& me, page_id, const page_request& r) {
        CHECK(r.listener == me.door);
        return page_reply{201,
                          r.method + ' ' + r.path + ' ' + r.query + ' ' + std::string(r.field("x-MINE")) +
                              ' ' + r.body,
                          "text/x-test"};
    });
    const auto answer = s.get("/a?b=c", "body");
    CHECK(answer.starts_with("HTTP/1.1 201 Created\r\n"));
    CHECK(answer.find("Content-Type: text/x-test\r\n") != answer.npos);
    CHECK(answer.ends_with("\r\n\r\nPOST /a b=c yes body"));
}

TEST_CASE("a page may be answered later, from any thread, once") {
    site s(any_place(), [](site& me, page_id page, const page_request&) {
        me.later = page.value();
        return std::optional<page_reply>();
    });
    std::string answer;
    std::thread client([&] { answer = s.get("/"); });
    eventually([&] { return s.later != 0; });
    const auto page = page_id::from_value(s.later);
    must(s.control.reply(page, page_reply{200, "late"}));
    CHECK(error_of(s.control.reply(page, page_reply{200, "twice"})) == errc::not_connected);
    client.join();
    CHECK(answer.ends_with("\r\n\r\nlate"));
}

TEST_CASE("a page that is never answered is a 504, and an answer after that an error") {
    site s(
        any_place(),
        [](site& me, page_id page, const page_request&) {
            me.later = page.value();
            return std::optional<page_reply>();
        },
        20ms);
    CHECK(s.get("/").starts_with("HTTP/1.1 504 "));
    CHECK(error_of(s.control.reply(page_id::from_value(s.later), {})) == errc::not_connected);
}

TEST_CASE("an exception in a page's event is a 500, a wrong answer too, and a stopped plugin a 503") {
    site s(any_place(), [](site&, page_id, const page_request& r) -> std::optional<page_reply> {
        if (r.path == "/throw") throw std::runtime_error("no");
        if (r.path == "/status") return page_reply{999};
        return page_reply{200, "", "a\r\nb: c"};
    });
    CHECK(s.get("/throw").starts_with("HTTP/1.1 500 "));
    CHECK(s.get("/status").starts_with("HTTP/1.1 500 "));
    CHECK(s.get("/type").starts_with("HTTP/1.1 500 "));
    CHECK(s.control.counters().exceptions == 1);
}

TEST_CASE("who waits for a page when the plugin stops is told 503") {
    site s(any_place(), [](site& me, page_id page, const page_request&) {
        me.later = page.value();
        return std::optional<page_reply>();
    });
    std::string answer;
    std::thread client([&] { answer = s.get("/"); });
    eventually([&] { return s.later != 0; });
    must(s.control.stop());
    client.join();
    CHECK(answer.starts_with("HTTP/1.1 503 "));
}
