// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/https_server.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/core/event_queue.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using portunus::any_stream;
using portunus::errc;
using portunus::error;
using portunus::event_queue;
using portunus::log_level;
using portunus::tcp_stream;
using portunus::tls_client_context;
using portunus::tls_server_context;
using portunus::tls_stream;

namespace {

tls_server_context keys() {
    auto options = server_options();
    options.alpn = {"http/1.1"};
    return tls_server_context(options);
}

/// A server over TLS in a runtime of its own, on manual time where that is asked for.
struct secure_house {
    explicit secure_house(http::handler by, http::server_options o = open_house(), bool manual = false)
        : rt(1, o.door.log), server((manual ? time().use_manual_time() : void(),
                                     http::serve(rt, std::move(o), keys(), std::move(by)))),
          runs(rt) {}
    deadline_service& time() { return deadline_service::of(rt.context()); }
    void pass(portunus::steady_clock::duration d) {
        runs.on_context([&] { time().advance(d); });
    }
    runtime rt;
    http::server server;
    running runs;
};

/// A client of the library's own, with blocking calls.
struct secure_client {
    explicit secure_client(const http::server& server) {
        auto options = client_options();
        options.alpn = {"http/1.1"};
        const tls_client_context trusting(options);
        tcp::socket socket(w.context);
        socket.connect(server.endpoints().front());
        auto shaking = w.start(portunus::tls_connect(tcp_stream(std::move(socket)), trusting, "server.test"));
        w.until([&] { return shaking.done(); });
        s = must(shaking.get());
    }
    void send(std::string_view text) {
        auto writing = w.start(s.write(text));
        w.until([&] { return writing.done(); });
        must(writing.get());
    }
    /// Up to `most` bytes, or to the end; and that error.
    std::pair<std::string, error> read(std::size_t most = std::size_t(-1)) {
        std::string all;
        std::string buffer(16384, '\0');
        while (all.size() < most) {
            auto reading = w.start(s.read_some(asio::buffer(buffer, most - all.size())));
            w.until([&] { return reading.done(); });
            const auto n = reading.get();
            if (!n) return {all, n.error()};
            all.append(buffer, 0, *n);
        }
        return {all, error()};
    }
    world w;
    tls_stream<tcp_stream> s;
};

http::response tell_how(http::request& r) {
    return http::response(status::ok, std::string(r.path()) + (r.is_tls() ? " safe" : " open"));
}

} // namespace

TEST_CASE("requests over TLS get the answers that they would get without, and know it") {
    secure_house h(&tell_how);
    house plain(&tell_how);
    CHECK(plain.ask(request("GET /")) == plain_answer("/ open"));
    secure_client c(h.server);
    CHECK(c.s.facts().alpn == "http/1.1");
    c.send(request("GET /a") + request("GET /b"));
    const std::string both = plain_answer("/a safe") + plain_answer("/b safe");
    CHECK(undated(c.read(both.size() + 2 * 37).first) == both);
    c.send(request("GET /c", closing));
    const auto [text, end] = c.read();
    CHECK(undated(text) == plain_answer("/c safe", "HTTP/1.1 200 OK", closing));
    CHECK(end == errc::end_of_stream); // and not just cut off
    CHECK(h.server.counters().requests == 3);
    CHECK(h.server.counters().handshake_failures == 0);
}

TEST_CASE("a body larger than a record and than every buffer arrives over TLS") {
    secure_house h(&tell);
    secure_client c(h.server);
    const std::string body = pattern(300'000);
    c.send(request("POST /", "Connection: close\r\nContent-Length: 300000\r\n") + body);
    CHECK((undated(c.read().first) == plain_answer("POST / " + body, "HTTP/1.1 200 OK", closing)));
}

TEST_CASE("a handshake that fails is counted and logged as information, and harms nobody else") {
    std::mutex guard;
    std::vector<std::pair<log_level, std::string>> logged;
    auto o = open_house();
    o.door.log = portunus::logger([&](log_level level, std::string_view text, auto&&) {
        const std::lock_guard lock(guard);
        logged.emplace_back(level, text);
    });
    secure_house h(&tell_how, o, true);
    auto peer = connect_to(h.server);
    const bool silent = GENERATE(false, true);
    if (!silent) peer.send(request("GET / in the open"));
    eventually([&] { // the limit on the handshake, or that on taking the alert
        h.pass(1s);
        return h.server.counters().handshake_failures == 1;
    });
    (void)peer.read_to_end();
    {
        const std::lock_guard lock(guard);
        const auto told = std::find_if(logged.begin(), logged.end(), [](const auto& line) {
            return line.second.starts_with("a TLS handshake failed: ");
        });
        REQUIRE(told != logged.end());
        CHECK(told->first == log_level::info);
        for (const auto& line : logged) CHECK(line.first <= log_level::info);
    }
    secure_client c(h.server);
    c.send(request("GET /"));
    CHECK(c.read(15).first == "HTTP/1.1 200 OK");
    CHECK(h.server.counters().requests == 1);
}

TEST_CASE("a stop lets a handler finish and ends TLS in good order") {
    std::atomic<bool> waits{false};
    event_queue<int>* opened = nullptr;
    secure_house h([&](http::request& r) -> awaitable<http::response> {
        event_queue<int> gate(r.get_executor(), 1);
        opened = &gate;
        waits = true;
        auto got = co_await gate.pop();
        co_return got ? http::response("done", http::media::text) : http::response(status::bad_gateway);
    });
    secure_client c(h.server), idle(h.server);
    c.send(request("GET /"));
    eventually([&] { return waits.load(); });
    h.rt.request_stop(20s);
    CHECK(idle.read().second == errc::end_of_stream);
    h.runs.on_context([&] { (void)opened->push(1); });
    const auto [text, end] = c.read();
    CHECK(undated(text) == plain_answer("done", "HTTP/1.1 200 OK", closing));
    CHECK(end == errc::end_of_stream);
    c.s = {}, idle.s = {};
    CHECK(h.runs.wait() == 0);
}

TEST_CASE("the handler of a client over TLS that has gone is cancelled") {
    std::atomic<bool> waits{false}, canceled{false};
    secure_house h(
        [&](http::request& r) -> awaitable<http::response> {
            event_queue<int> never(r.get_executor(), 1);
            waits = true;
            auto got = co_await never.pop();
            canceled = error_of(got) == errc::canceled;
            co_return http::response("nobody reads it");
        },
        open_house(), true);
    secure_client c(h.server);
    c.send(request("GET /"));
    eventually([&] { return waits.load(); });
    c.s.lower().abort();
    eventually([&] {
        h.pass(1s);
        return canceled.load();
    });
    CHECK(h.server.counters().client_gone == 1);
}

TEST_CASE("a connection over TLS can be taken over, and who takes it can see that it is one") {
    secure_house h([](http::request&) {
        http::response answer(status::switching_protocols);
        answer.add(http::field::upgrade, "echo").take_over([](any_stream s) -> awaitable<void> {
            if (!s.target<tls_stream<tcp_stream>>()) co_return;
            std::string text(100, '\0');
            auto n = co_await s.read_some(asio::buffer(text));
            if (!n) co_return;
            auto sent = co_await s.write(std::string_view(text.data(), *n));
            (void)sent;
        });
        return answer;
    });
    secure_client c(h.server);
    c.send(request("GET /", "Connection: upgrade\r\nUpgrade: echo\r\n") + "hello");
    const auto [text, end] = c.read();
    CHECK(text.starts_with("HTTP/1.1 101 "));
    CHECK(text.ends_with("\r\n\r\nhello"));
    CHECK(end == errc::end_of_stream);
}

TEST_CASE("who comes too late over TLS is told so over TLS") {
    auto o = open_house();
    o.door.limits.max_connections = 1;
    o.full = http::when_full::refuse_503;
    secure_house h(&tell_how, o);
    secure_client first(h.server);
    first.send(request("GET /"));
    CHECK(first.read(15).first == "HTTP/1.1 200 OK");
    secure_client second(h.server);
    second.send(request("GET /"));
    const auto [text, end] = second.read();
    CHECK(text.starts_with("HTTP/1.1 503 "));
    CHECK(text.find("Retry-After: 5\r\n") != std::string::npos);
    CHECK(end == errc::end_of_stream);
}
