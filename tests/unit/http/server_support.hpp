// SPDX-License-Identifier: BSL-1.0
// What the tests of HTTP servers share: a server in a runtime of its own, requests and answers as text.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_SERVER_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_SERVER_SUPPORT_HPP

#include "unit/net/net_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/http/server.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace portunus_tests {

namespace http = portunus::http;
using http::status;
using http::verb;
using portunus::deadline_service;
using portunus::runtime;

inline http::server_options open_house() {
    http::server_options o;
    o.door = any_door();
    return o;
}

/// Without its Date, which changes.
inline std::string undated(std::string text) {
    for (std::size_t at; (at = text.find("Date: ")) != std::string::npos;)
        text.erase(at, text.find("\r\n", at) + 2 - at);
    return text;
}
inline std::string request(std::string_view line, std::string_view more = "") {
    return std::string(line) + " HTTP/1.1\r\nHost: here\r\n" + std::string(more) + "\r\n";
}
inline std::string plain_answer(std::string_view body, std::string_view head = "HTTP/1.1 200 OK",
                                std::string_view connection = "") {
    return std::string(head) +
           "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + std::string(connection) + "\r\n" + std::string(body);
}
inline constexpr std::string_view closing = "Connection: close\r\n";

/// Says what was asked, with the body.
inline awaitable<http::response> tell(http::request& r) {
    const std::string asked = std::string(r.head().method_text()) + ' ' + std::string(r.head().target());
    auto body = co_await r.body();
    if (!body) co_return http::response(status::bad_request);
    co_return http::response(status::ok, asked + ' ' + std::string(*body));
}
inline http::response tell_plainly(http::request& r) {
    return http::response(status::ok,
                          std::string(r.head().method_text()) + ' ' + std::string(r.head().target()) + ' ');
}

/// A server in a runtime of its own, on manual time where that is asked for.
struct house {
    explicit house(http::handler by, http::server_options o = open_house(), bool manual = false)
        : rt(1, o.door.log),
          server((manual ? time().use_manual_time() : void(), rt.listen(std::move(o), std::move(by)))),
          runs(rt) {}
    explicit house(http::router<http::handler> by, http::server_options o = open_house())
        : rt(1, o.door.log), server(rt.listen(std::move(o), std::move(by))), runs(rt) {}

    deadline_service& time() { return deadline_service::of(rt.context()); }
    void pass(portunus::steady_clock::duration d) {
        runs.on_context([&] { time().advance(d); });
    }
    /// What one connection gives for these bytes, until the server or we end it.
    std::string ask(std::string_view bytes, bool to_the_end = true) {
        auto peer = connect_to(server);
        peer.send(bytes);
        if (to_the_end) peer.shutdown_send();
        return undated(peer.read_to_end().first);
    }

    runtime rt;
    http::server server;
    running runs;
};

} // namespace portunus_tests

#endif
