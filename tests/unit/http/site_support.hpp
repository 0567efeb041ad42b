// SPDX-License-Identifier: BSL-1.0
// A web server in a runtime of its own, and what a client sees of it.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_SITE_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_SITE_SUPPORT_HPP

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/http/chunked.hpp>
#include <portunus/http/server.hpp>

#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace portunus_tests {

namespace http = portunus::http;

/// An answer, taken apart. The body is whole, whatever carried it.
struct answer {
    int status = 0;
    std::string head;
    std::string body;

    /// The value of the first field of that name, or "(none)".
    std::string operator[](std::string_view name) const {
        const std::size_t at = head.find("\r\n" + std::string(name) + ": ");
        if (at == std::string::npos) return "(none)";
        const std::size_t value = at + 4 + name.size();
        return head.substr(value, head.find("\r\n", value) - value);
    }
    bool has(std::string_view name) const { return (*this)[name] != "(none)"; }

    static answer read(std::string_view text) {
        answer a;
        const std::size_t end = text.find("\r\n\r\n");
        if (end == std::string_view::npos) throw std::runtime_error("no answer: " + std::string(text));
        a.head = text.substr(0, end + 2);
        a.status = std::atoi(a.head.c_str() + 9);
        text.remove_prefix(end + 4);
        if (a["Transfer-Encoding"] != "chunked") {
            a.body = text;
            return a;
        }
        http::chunked_decoder chunks;
        while (!text.empty()) {
            const auto step = chunks.next(text);
            a.body += step.data;
            text.remove_prefix(step.consumed);
            if (step.what != http::chunked_step::kind::data) break;
        }
        if (!chunks.done() && chunks.decoded() != 0) a.body += "(cut off)";
        return a;
    }
};

inline http::server_options open_site(http::middleware around = {}) {
    http::server_options o;
    o.door = any_door();
    o.around = std::move(around);
    return o;
}

struct site {
    template <class By>
    explicit site(By by, http::server_options o = open_site(), bool manual = false)
        : rt(1, o.door.log),
          server((manual ? time().use_manual_time() : void(), rt.listen(std::move(o), std::move(by)))),
          runs(rt) {}

    portunus::deadline_service& time() { return portunus::deadline_service::of(rt.context()); }
    void pass(portunus::steady_clock::duration d) {
        runs.on_context([&] { time().advance(d); });
    }
    /// "GET /x" with more lines of fields.
    answer ask(std::string_view line, std::string_view fields = "") {
        auto peer = connect_to(server);
        peer.send(std::string(line) + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n" +
                  std::string(fields) + "\r\n");
        return answer::read(peer.read_to_end().first);
    }

    portunus::runtime rt;
    http::server server;
    running runs;
};

} // namespace portunus_tests

#endif
