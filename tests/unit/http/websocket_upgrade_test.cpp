// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/websocket_upgrade.hpp>

#include "support/catch.hpp"

#include <portunus/http/head_parser.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace http = portunus::http;
using http::status;
using portunus::errc;

namespace {

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view accept_of_key = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The usual fields, of which `without` is left out, and `more`.
std::string asked(std::string_view without = "", std::string_view more = "",
                  std::string_view line = "GET /live HTTP/1.1") {
    std::string text(line);
    text += "\r\n";
    const std::vector<std::string> fields{"Host: here:8080", "Upgrade: websocket", "Connection: Upgrade",
                                          "Sec-WebSocket-Version: 13",
                                          "Sec-WebSocket-Key: " + std::string(key)};
    for (const std::string& f : fields)
        if (without.empty() || !f.starts_with(std::string(without) + ":")) text += f + "\r\n";
    return text.append(more).append("\r\n");
}

http::websocket_verdict judge(const std::string& text, const http::websocket_upgrade_rules& rules = {}) {
    std::vector<http::field_slot> slots(40);
    http::request_parser parser(slots);
    const auto step = parser.feed(text);
    INFO(text);
    REQUIRE(step.what == http::head_step::kind::complete);
    return http::judge_upgrade(parser.head(), rules);
}

portunus::result<std::string> judge_answer(const std::string& text,
                                           const std::vector<std::string>& offered = {}) {
    std::vector<http::field_slot> slots(40);
    http::response_parser parser(slots);
    const auto step = parser.feed(text);
    INFO(text);
    REQUIRE(step.what == http::head_step::kind::complete);
    const auto chosen = http::judge_upgrade_answer(parser.head(), key, offered);
    if (!chosen) return chosen.error();
    return std::string(*chosen);
}

std::string answer(std::string_view more = "", std::string_view accept = accept_of_key,
                   std::string_view line = "HTTP/1.1 101 Switching Protocols",
                   std::string_view upgrade = "websocket", std::string_view connection = "Upgrade") {
    return std::string(line) + "\r\nUpgrade: " + std::string(upgrade) +
           "\r\nConnection: " + std::string(connection) + "\r\nSec-WebSocket-Accept: " + std::string(accept) +
           "\r\n" + std::string(more) + "\r\n";
}

} // namespace

TEST_CASE("the handshake of RFC 6455 is accepted with the checksum that stands there") {
    const auto v = judge(asked());
    CHECK(v.accepted());
    CHECK(v.accept_text() == accept_of_key);
    CHECK(v.subprotocol.empty());
    const auto own = http::websocket_accept(key);
    CHECK(std::string_view(own.data(), own.size()) == accept_of_key);
}

TEST_CASE("Upgrade and Connection are lists, and their words have no case") {
    CHECK(judge(asked("Upgrade", "upgrade: h2c, WebSocket\r\n")).accepted());
    CHECK(judge(asked("Connection", "Connection: keep-alive, upgrade\r\n")).accepted());
    CHECK(judge(asked("Connection", "Connection: keep-alive\r\nConnection: UPGRADE\r\n")).accepted());
    CHECK(judge(asked("Upgrade", "Upgrade: websockets\r\n")).code == status::upgrade_required);
}

TEST_CASE("a request that breaks the handshake's rules is refused with its status") {
    struct row {
        std::string text;
        status code;
    };
    const std::vector<row> rows{
        {asked("Upgrade"), status::upgrade_required},
        {"GET /live HTTP/1.1\r\nHost: here\r\n\r\n", status::upgrade_required},
        {asked("Connection"), status::bad_request},
        {asked("Connection", "Connection: close\r\n"), status::bad_request},
        {asked("Sec-WebSocket-Version"), status::upgrade_required},
        {asked("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8\r\n"), status::upgrade_required},
        {asked("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013\r\n"), status::upgrade_required},
        {asked("", "Sec-WebSocket-Version: 13\r\n"), status::upgrade_required},
        {asked("Sec-WebSocket-Key"), status::bad_request},
        {asked("", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), status::bad_request},
        {asked("Sec-WebSocket-Key", "Sec-WebSocket-Key:\r\n"), status::bad_request},
        {asked("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"), status::bad_request},
        {asked("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n"), status::bad_request},
        {asked("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2-jZQ==\r\n"), status::bad_request},
        {asked("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2=jZQ==\r\n"), status::bad_request},
        {asked("", "", "POST /live HTTP/1.1"), status::bad_request},
        {asked("", "", "GET /live HTTP/1.0"), status::bad_request},
        {asked("", "Content-Length: 3\r\n"), status::bad_request},
        {asked("", "Transfer-Encoding: chunked\r\n"), status::bad_request},
    };
    for (const row& r : rows) {
        INFO(r.text);
        const auto v = judge(r.text);
        CHECK(v.code == r.code);
        CHECK_FALSE(v.accepted());
        CHECK_FALSE(v.why.empty());
    }
}

TEST_CASE("of the subprotocols that both speak, the one that the server prefers is chosen") {
    http::websocket_upgrade_rules rules;
    rules.subprotocols = {"v2.lamps", "v1.lamps"};
    CHECK(judge(asked("", "Sec-WebSocket-Protocol: v1.lamps, v2.lamps\r\n"), rules).subprotocol ==
          "v2.lamps");
    CHECK(judge(asked("", "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: v1.lamps\r\n"), rules)
              .subprotocol == "v1.lamps");
    CHECK(judge(asked("", "Sec-WebSocket-Protocol: V1.LAMPS\r\n"), rules).subprotocol.empty());
    const auto none = judge(asked("", "Sec-WebSocket-Protocol: chat\r\n"), rules);
    CHECK(none.accepted());
    CHECK(none.subprotocol.empty());
    CHECK(judge(asked("", "Sec-WebSocket-Protocol: chat\r\n")).accepted());
}

TEST_CASE("pages of other origins may not connect unless the server says so") {
    const auto from = [](std::string_view origin, const http::websocket_upgrade_rules& rules = {},
                         std::string_view host = "here:8080") {
        return judge(asked("Host",
                           "Host: " + std::string(host) + "\r\nOrigin: " + std::string(origin) + "\r\n"),
                     rules)
            .code;
    };
    const status yes = status::switching_protocols, no = status::forbidden;
    CHECK(from("http://here:8080") == yes);
    CHECK(from("https://HERE:8080") == yes);
    CHECK(from("http://here") == no);
    CHECK(from("http://here:80") == no);
    CHECK(from("http://here", {}, "here") == yes);
    CHECK(from("https://here", {}, "here") == yes); // a proxy may speak TLS for us
    CHECK(from("http://here", {}, "here:80") == yes);
    CHECK(from("https://here:443", {}, "here") == yes);
    CHECK(from("http://[::1]:8080", {}, "[::1]:8080") == yes);
    CHECK(from("http://there:8080") == no);
    CHECK(from("http://here:8080.evil.example") == no);
    CHECK(from("http://evil.example/here:8080") == no);
    CHECK(from("http://user@here:8080") == no);
    CHECK(from("ftp://here:8080") == no);
    CHECK(from("null") == no);
    CHECK(from("") == no);
    CHECK(from("http://here:8080, http://there") == no);

    http::websocket_upgrade_rules rules;
    rules.allowed_origins = {"https://app.example", "null"};
    CHECK(from("https://app.example", rules) == yes);
    CHECK(from("HTTPS://APP.EXAMPLE", rules) == yes);
    CHECK(from("https://app.example.evil", rules) == no);
    CHECK(from("http://app.example", rules) == no);
    CHECK(from("null", rules) == yes);
    CHECK(from("http://here:8080", rules) == yes);
    rules.origin = http::websocket_origin::any_origin_is_trusted;
    CHECK(from("http://there", rules) == yes);

    const auto two = judge(asked("", "Origin: http://here:8080\r\nOrigin: http://here:8080\r\n"));
    CHECK(two.code == no);
}

TEST_CASE("a server's answer is taken when it belongs to the key and chooses what was offered") {
    CHECK(judge_answer(answer()).value().empty());
    CHECK(judge_answer(answer("Sec-WebSocket-Protocol: b\r\n"), {"a", "b"}).value() == "b");

    const auto wrong = [](const std::string& text, const std::vector<std::string>& offered = {}) {
        const auto r = judge_answer(text, offered);
        REQUIRE(!r);
        CHECK(r.error() == errc::malformed_frame);
    };
    wrong(answer("", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="));
    wrong(answer("", ""));
    wrong(answer("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    wrong(answer("", accept_of_key, "HTTP/1.1 101 Yes", "h2c"));
    wrong(answer("", accept_of_key, "HTTP/1.1 101 Yes", "websocket", "close"));
    wrong(answer("Sec-WebSocket-Protocol: c\r\n"), {"a", "b"});
    wrong(answer("Sec-WebSocket-Protocol: a, b\r\n"), {"a", "b"});
    wrong(answer("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n"), {"a"});
    wrong(answer("Sec-WebSocket-Protocol: a\r\n"));
    wrong(answer("Sec-WebSocket-Extensions: permessage-deflate\r\n"));
}

TEST_CASE("an answer other than 101 is the server's own refusal, with its status") {
    const auto r = judge_answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    REQUIRE(!r);
    CHECK(r.error() == errc::remote_error);
    CHECK(r.error().detail() == "the server answered 403 Forbidden");
}

TEST_CASE("a key is 16 bytes in base64") {
    const std::array<std::uint8_t, 16> sample{'t', 'h', 'e', ' ', 's', 'a', 'm', 'p',
                                              'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'};
    const auto text = http::websocket_key(sample);
    CHECK(std::string_view(text.data(), text.size()) == key);
}
