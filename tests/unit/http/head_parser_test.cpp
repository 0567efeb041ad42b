// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/head_parser.hpp>

#include "support/catch.hpp"
#include "unit/http/head_support.hpp"

#include <portunus/testing/grind.hpp>

#include <array>
#include <cstddef>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>

using namespace http_test;
using http::body_end;
using http::field_slot;
using http::request_parser;
using http::response_parser;
using http::status;
using http::target_form;
using http::verb;
using portunus::condition;

namespace {

constexpr auto complete = head_step::kind::complete;
constexpr auto more = head_step::kind::more;

verdict request(std::string_view bytes, const head_limits& limits = {}, std::size_t room = 100) {
    return portunus::testing::grind(bytes,
                                    [&](std::span<const std::string_view> pieces) {
                                        return read_head<request_parser>(pieces, limits, room);
                                    },
                                    {.pairs_up_to = 24});
}
verdict response(std::string_view bytes, const head_limits& limits = {}) {
    return portunus::testing::grind(
        bytes,
        [&](std::span<const std::string_view> pieces) { return read_head<response_parser>(pieces, limits); },
        {.pairs_up_to = 24});
}

/// The name of the refusal, or "fine".
std::string reason(const verdict& v) {
    if (v.what == complete) return "fine";
    if (v.what == more) return "more";
    return std::string(to_string(v.why.kind));
}
std::string reason_of_line(const std::string& line) {
    return reason(request(line + "\r\nHost: a\r\n\r\n"));
}
/// Of a field line behind a good request line and Host; `line` with its end.
std::string reason_of_field(const std::string& line, const char* version = "1.1") {
    return reason(request(std::string("POST / HTTP/") + version + "\r\nHost: a\r\n" + line + "\r\n"));
}

struct parsed {
    explicit parsed(std::string text) : bytes(std::move(text)), parser(slots) {
        demand(parser.feed(bytes).what == complete, "the head was not accepted");
    }
    const http::request_head& head() const { return parser.head(); }

    std::string bytes;
    std::array<field_slot, 100> slots;
    request_parser parser;
};
struct parsed_response {
    explicit parsed_response(std::string text) : bytes(std::move(text)), parser(slots) {
        demand(parser.feed(bytes).what == complete, "the head was not accepted");
    }
    const http::response_head& head() const { return parser.head(); }

    std::string bytes;
    std::array<field_slot, 100> slots;
    response_parser parser;
};

} // namespace

TEST_CASE("a request head tells its method, target, version and fields, and where the body begins") {
    const std::string bytes =
        "POST /a/b?x=1&y HTTP/1.1\r\nHost: example.com:8080\r\nAccept:  text/html ,*/* \t\r\n"
        "Empty:\r\nContent-Length: 5\r\n\r\nhello";
    const verdict v = request(bytes);
    REQUIRE(v.what == complete);
    CHECK(v.size == bytes.size() - 5);
    const parsed p(bytes);
    const auto& head = p.head();
    CHECK(head.method() == verb::post);
    CHECK(head.method_text() == "POST");
    CHECK(head.target() == "/a/b?x=1&y");
    CHECK(head.form() == target_form::origin);
    CHECK(head.path() == "/a/b");
    CHECK(head.query() == "x=1&y");
    CHECK(head.version() == http::http_version::v1_1);
    CHECK(head.host() == "example.com:8080");
    CHECK(head.host_name() == "example.com");
    CHECK(head.port() == 8080);
    CHECK(head.size() == 4);
    CHECK(head[1].name == "Accept");
    CHECK(head[1].value == "text/html ,*/*");
    CHECK(head.find("EMPTY") == std::string_view(""));
    CHECK(head.find(http::field::host) == std::string_view("example.com:8080"));
    CHECK_FALSE(head.find("missing"));
    CHECK(head.content_length() == 5u);
    CHECK(head.has_body());
    CHECK(head.keep_alive());
}

TEST_CASE("one CR LF before a request is skipped, two are refused") {
    CHECK(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").size == 29);
    CHECK(reason(request("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")) == "malformed_request_line");
    CHECK(reason(request("\n")) == "bare_lf");
    CHECK(reason(request("\rGET / HTTP/1.1\r\n")) == "bare_cr");
    CHECK(reason(request("\r")) == "more");
    CHECK(reason(request("\r\n")) == "more");
    CHECK(reason(request("")) == "more");
}

TEST_CASE("what is no HTTP/1 is told by its first bytes or its first line") {
    CHECK(reason(request(std::string_view("\x16\x03\x01\x02\x00\x01", 6))) == "tls");
    CHECK(reason(request("\x16")) == "tls");
    CHECK(reason(response("\x15\x03\x03")) == "tls");
    const verdict preface = request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    CHECK(reason(preface) == "http2");
    CHECK(preface.why.answer() == status::http_version_not_supported);
    CHECK(reason(request(std::string_view("\0\0", 2))) == "malformed_method");
    CHECK(reason(request("\x80")) == "malformed_method");
    CHECK(reason(response("SSH-2.0-x\r\n")) == "malformed_status_line");
}

TEST_CASE("request lines: each deviation has its own reason") {
    const struct {
        std::string line;
        const char* reason;
    } rows[] = {
        {"GET / HTTP/1.1", "fine"},
        {"GET / HTTP/1.0", "fine"},
        {"get / HTTP/1.1", "fine"}, // another method: they are case-sensitive
        {"M-SEARCH * HTTP/1.1", "malformed_target"},
        {"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", "fine"},
        {std::string(32, 'A') + " / HTTP/1.1", "fine"},
        {std::string(33, 'A') + " / HTTP/1.1", "method_too_long"},
        {std::string(40, 'A') + "\x01 / HTTP/1.1", "method_too_long"},
        {"G(T / HTTP/1.1", "malformed_method"},
        {"G\tT / HTTP/1.1", "malformed_method"},
        {" GET / HTTP/1.1", "malformed_request_line"},
        {"GET", "malformed_request_line"},
        {"GET ", "malformed_request_line"},
        {"GET  / HTTP/1.1", "malformed_request_line"},
        {"GET /", "malformed_version"},
        {"GET / ", "malformed_version"},
        {"GET /  HTTP/1.1", "malformed_version"},
        {"GET / HTTP/1.1 ", "malformed_version"},
        {"GET / http/1.1", "malformed_version"},
        {"GET / HTTP/11", "malformed_version"},
        {"GET / HTTP/1.", "malformed_version"},
        {"GET / HTTP/1.10", "malformed_version"},
        {"GET / HTTP/a.1", "malformed_version"},
        {"GET / x HTTP/1.1", "malformed_version"},
        {"GET / HTTP/1.2", "unsupported_version"},
        {"GET / HTTP/0.9", "unsupported_version"},
        {"GET / HTTP/2.0", "unsupported_version"},
        {"GET / HTTP/3.0", "unsupported_version"},
        {"GET\t/ HTTP/1.1", "malformed_method"},
        {"GET /\tHTTP/1.1", "malformed_target"},
        {"GET /a\x80 HTTP/1.1", "malformed_target"},
        {"GET /a#b HTTP/1.1", "malformed_target"},
        {std::string("GET /a\0b HTTP/1.1", 17), "malformed_target"},
        {"GET /a\x7f HTTP/1.1", "malformed_target"},
        {"GET / HT\rP/1.1", "bare_cr"},
        {"GET / HTTP/1.1\r", "bare_cr"},
        {"GET /a\rb HTTP/1.1", "malformed_version"},
    };
    for (const auto& row : rows) {
        INFO(row.line);
        CHECK(reason_of_line(row.line) == row.reason);
    }
}

TEST_CASE("targets: the four forms, each where it belongs") {
    const struct {
        const char* line;
        const char* reason;
    } rows[] = {
        {"OPTIONS * HTTP/1.1", "fine"},
        {"GET * HTTP/1.1", "malformed_target"},
        {"OPTIONS ** HTTP/1.1", "malformed_target"},
        {"GET a HTTP/1.1", "malformed_target"},
        {"GET http://example.com HTTP/1.1", "fine"},
        {"GET http://example.com?x HTTP/1.1", "fine"},
        {"GET HTTPS://[::1]:443/a HTTP/1.1", "fine"},
        {"GET http:///a HTTP/1.1", "malformed_target"},
        {"GET http://u@h/ HTTP/1.1", "malformed_target"},
        {"GET http://h:0/ HTTP/1.1", "malformed_target"},
        {"GET http://h:65536/ HTTP/1.1", "malformed_target"},
        {"GET http://h:/ HTTP/1.1", "fine"},
        {"GET ftp://h/ HTTP/1.1", "malformed_target"},
        {"GET http:/h HTTP/1.1", "malformed_target"},
        {"CONNECT h:443 HTTP/1.1", "fine"},
        {"CONNECT [2001:db8::1]:443 HTTP/1.1", "fine"},
        {"CONNECT h HTTP/1.1", "malformed_target"},
        {"CONNECT h: HTTP/1.1", "malformed_target"},
        {"CONNECT /h:1 HTTP/1.1", "malformed_target"},
        {"CONNECT http://h:1/ HTTP/1.1", "malformed_target"},
        {"GET h:443 HTTP/1.1", "malformed_target"},
        {"GET //h/a HTTP/1.1", "fine"},
        {"GET /\"<>[]{}|\\^` HTTP/1.1", "fine"},
    };
    for (const auto& row : rows) {
        INFO(row.line);
        CHECK(reason_of_line(row.line) == row.reason);
    }
    const parsed absolute("GET https://Example.com:8443/a?b HTTP/1.1\r\nHost: other\r\n\r\n");
    CHECK(absolute.head().form() == target_form::absolute);
    CHECK(absolute.head().host() == "Example.com:8443"); // the target's counts, not Host
    CHECK(absolute.head().host_name() == "Example.com");
    CHECK(absolute.head().port() == 8443);
    CHECK(absolute.head().secure_target());
    CHECK(absolute.head().path() == "/a");
    CHECK(absolute.head().query() == "b");
    const parsed bare("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(bare.head().path() == "/");
    CHECK(bare.head().query() == "");
    const parsed query("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(query.head().path() == "/");
    CHECK(query.head().query() == "q");
    const parsed tunnel("CONNECT [::1]:443 HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(tunnel.head().form() == target_form::authority);
    CHECK(tunnel.head().host_name() == "[::1]");
    CHECK(tunnel.head().path() == "");
    const parsed asterisk("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(asterisk.head().form() == target_form::asterisk);
    CHECK(asterisk.head().path() == "*");
    CHECK(asterisk.head().host() == "h");
}

TEST_CASE("HTTP/1.1 has exactly one valid Host; HTTP/1.0 at most one") {
    const auto with = [](const std::string& fields, const char* version = "1.1") {
        return reason(request(std::string("GET / HTTP/") + version + "\r\n" + fields + "\r\n"));
    };
    CHECK(with("") == "missing_host");
    CHECK(with("", "1.0") == "fine");
    CHECK(with("X-Host: a\r\n") == "missing_host");
    CHECK(with("Host: a\r\nHost: a\r\n") == "repeated_host");
    CHECK(with("Host: a\r\nhOST: b\r\n", "1.0") == "repeated_host");
    for (const char* good : {"a", "a.b-c_d~", "10.0.0.7", "10.0.0.7:80", "[::1]", "[fe80::1:2]:8080",
                             "a:", "a%20b", "a,b", "!$&'()*+;=", "[::ffff:1.2.3.4]", "a:1", "a:65535"}) {
        INFO(good);
        CHECK(with(std::string("Host: ") + good + "\r\n") == "fine");
    }
    for (const char* bad : {"",     " ",       "a b",    "a/b",     "a@b",      "u:p@b",
                            "a:b",  "a:80:80", "a:0",    "a:65536", "a:000080", ":80",
                            "[::1", "[]",      "[::1]x", "[1:2]",   "[:::]",    "[fe80::1%25eth0]",
                            "a%2",  "a%zz",    "a\\b",   "\"a\"",   "\xc3\xa4", "http://a"}) {
        INFO(bad);
        CHECK(with(std::string("Host: ") + bad + "\r\n") == "malformed_host");
        CHECK(with(std::string("Host: ") + bad + "\r\n", "1.0") == "malformed_host");
    }
    CHECK(with("Host: " + std::string(255, 'a') + "\r\n") == "fine");
    CHECK(with("Host: " + std::string(256, 'a') + "\r\n") == "malformed_host");
}

TEST_CASE("field lines: names are tokens, values are visible, lines end with CR LF") {
    const struct {
        std::string line; // with its end
        const char* reason;
    } rows[] = {
        {"X: y\r\n", "fine"},
        {"X:y\r\n", "fine"},
        {"X:\r\n", "fine"},
        {"X: \t \r\n", "fine"},
        {"X:\ty\tz\t\r\n", "fine"},
        {"X_1.2!#$%&'*+-^`|~: y\r\n", "fine"},
        {"X: \x80\xff\r\n", "fine"}, // obs-text
        {"A-Name-Of-More-Than-Sixteen-Bytes-0: and a value of more than sixty-four bytes, which is looked at "
         "in "
         "blocks of sixty-four\r\n",
         "fine"},
        {"X : y\r\n", "space_before_colon"},
        {"X\t: y\r\n", "space_before_colon"},
        {"X y: z\r\n", "malformed_field_name"},
        {": y\r\n", "malformed_field_name"},
        {"X\r\n", "malformed_field_name"},
        {"X(: y\r\n", "malformed_field_name"},
        {"\x80: y\r\n", "malformed_field_name"},
        {std::string("X\0: y\r\n", 7), "malformed_field_name"},
        {"X\n: y\r\n", "malformed_field_name"},
        {" folded\r\n", "folded_line"},
        {"\tfolded\r\n", "folded_line"},
        {"X: y\r\n z\r\n", "folded_line"},
        {"X: y\n", "bare_lf"},
        {"X:\n", "bare_lf"},
        {"\n", "bare_lf"},
        {"X: y\rz\r\n", "bare_cr"},
        {"X: y\r\r\n", "bare_cr"},
        {"\rX: y\r\n", "bare_cr"},
        {std::string("X: y\0z\r\n", 8), "malformed_field_value"},
        {"X: y\x01\r\n", "malformed_field_value"},
        {"X: y\x7f\r\n", "malformed_field_value"},
        {"X: y\x1bz\r\n", "malformed_field_value"},
    };
    for (const auto& row : rows) {
        INFO(row.line);
        CHECK(reason_of_field(row.line) == row.reason);
        CHECK(reason(response("HTTP/1.1 200 OK\r\n" + row.line + "\r\n")) == row.reason);
    }
}

TEST_CASE("Content-Length is one number that fits into 63 bits") {
    const auto with = [](const std::string& value) {
        return reason_of_field("Content-Length: " + value + "\r\n");
    };
    for (const char* good :
         {"0", "5", "00005", "9223372036854775807", "0000000000000000000000000000000000007"})
        CHECK(with(good) == "fine");
    for (const char* bad : {"", "-1", "+1", "1 2", "0x10", "1,1", "5, 5", "1.0", "a", "\"5\"", "5;"}) {
        INFO(bad);
        CHECK(with(bad) == "malformed_content_length");
    }
    for (const char* large : {"9223372036854775808", "18446744073709551616", "99999999999999999999999999"})
        CHECK(with(large) == "content_length_too_large");
    CHECK(reason_of_field("Content-Length: 5\r\nContent-Length: 5\r\n") == "repeated_content_length");
    CHECK(reason_of_field("Content-Length: 5\r\ncontent-length: 6\r\n") == "repeated_content_length");
    const verdict v = request("POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n");
    CHECK(v.why.answer() == status::payload_too_large);
    CHECK(v.why.detail() == "line 2, byte 33: Content-Length exceeds 9223372036854775807");
    CHECK(v.why.to_error() == condition::too_large);
    CHECK_FALSE(parsed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").head().has_body());
}

TEST_CASE("Transfer-Encoding is chunked and nothing else, never beside a length, never in HTTP/1.0") {
    const struct {
        const char* lines;
        const char* reason;
    } rows[] = {
        {"Transfer-Encoding: chunked\r\n", "fine"},
        {"TRANSFER-ENCODING: CHUNKED\r\n", "fine"},
        {"Transfer-Encoding:\tchunked \t\r\n", "fine"},
        {"Transfer-Encoding: gzip\r\n", "unknown_transfer_coding"},
        {"Transfer-Encoding: gzip, chunked\r\n", "unknown_transfer_coding"},
        {"Transfer-Encoding: xchunked\r\n", "unknown_transfer_coding"},
        {"Transfer-Encoding: identity\r\n", "unknown_transfer_coding"},
        {"Transfer-Encoding: chunked, gzip\r\n", "chunked_not_final"},
        {"Transfer-Encoding: chunked, chunked\r\n", "chunked_not_final"},
        {"Transfer-Encoding: chunked;q=1\r\n", "malformed_transfer_encoding"},
        {"Transfer-Encoding: chunked,\r\n", "malformed_transfer_encoding"},
        {"Transfer-Encoding: ,chunked\r\n", "malformed_transfer_encoding"},
        {"Transfer-Encoding: \"chunked\"\r\n", "malformed_transfer_encoding"},
        {"Transfer-Encoding: chun ked\r\n", "malformed_transfer_encoding"},
        {"Transfer-Encoding:\r\n", "malformed_transfer_encoding"},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "repeated_transfer_encoding"},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", "repeated_transfer_encoding"},
        {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "transfer_encoding_with_length"},
        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "transfer_encoding_with_length"},
        {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "transfer_encoding_with_length"},
    };
    for (const auto& row : rows) {
        INFO(row.lines);
        CHECK(reason_of_field(row.lines) == row.reason);
        CHECK(reason(response(std::string("HTTP/1.1 200 OK\r\n") + row.lines + "\r\n")) == row.reason);
    }
    CHECK(reason_of_field("Transfer-Encoding: chunked\r\n", "1.0") == "transfer_encoding_on_1_0");
    CHECK(request("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n").why.answer() ==
          status::not_implemented);
    const parsed p("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    CHECK(p.head().chunked());
    CHECK(p.head().has_body());
    CHECK_FALSE(p.head().content_length());
}

TEST_CASE("keep-alive follows the version and the Connection options") {
    const auto keeps = [](const char* version, const std::string& fields) {
        return parsed(std::string("GET / HTTP/") + version + "\r\nHost: a\r\n" + fields + "\r\n")
            .head()
            .keep_alive();
    };
    CHECK(keeps("1.1", ""));
    CHECK_FALSE(keeps("1.1", "Connection: close\r\n"));
    CHECK_FALSE(keeps("1.1", "Connection: Close\r\n"));
    CHECK_FALSE(keeps("1.1", "Connection: x , close\r\n"));
    CHECK_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    CHECK(keeps("1.1", "Connection: closed\r\n"));
    CHECK_FALSE(keeps("1.0", ""));
    CHECK(keeps("1.0", "Connection: Keep-Alive\r\n"));
    CHECK(keeps("1.0", "Connection: TE, keep-alive\r\n"));
    CHECK_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

TEST_CASE("an upgrade counts when Connection announces it and the version is 1.1") {
    const auto upgrades = [](const char* version, const std::string& fields) {
        return parsed(std::string("GET / HTTP/") + version + "\r\nHost: a\r\n" + fields + "\r\n")
            .head()
            .upgrade();
    };
    CHECK(upgrades("1.1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"));
    CHECK(upgrades("1.1", "Upgrade: websocket\r\nConnection: UPGRADE\r\n"));
    CHECK_FALSE(upgrades("1.1", "Upgrade: websocket\r\n"));
    CHECK_FALSE(upgrades("1.1", "Connection: upgrade\r\n"));
    CHECK_FALSE(upgrades("1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
}

TEST_CASE("Expect is 100-continue or refused, and means nothing in HTTP/1.0") {
    const auto waits = [](const char* version) {
        return parsed(std::string("PUT / HTTP/") + version + "\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n")
            .head()
            .expect_continue();
    };
    CHECK(waits("1.1"));
    CHECK_FALSE(waits("1.0"));
    CHECK(reason_of_field("Expect: 200-ok\r\n") == "unknown_expectation");
    CHECK(reason_of_field("Expect: 200-ok\r\n", "1.0") == "fine");
    CHECK(request("GET / HTTP/1.1\r\nExpect: x\r\n\r\n").why.answer() == status::expectation_failed);
}

TEST_CASE("a line that exceeds max_line is refused at exactly that byte") {
    const head_limits limits{.max_head = 200, .max_line = 40, .max_fields = 4};
    const auto line_of = [](std::size_t size) { return "X: " + std::string(size - 5, 'y') + "\r\n"; };
    const auto target_of = [](std::size_t size) {
        return "GET /" + std::string(size - 16, 'y') + " HTTP/1.1\r\n";
    };
    CHECK(target_of(40).size() == 40);
    CHECK(reason(request(target_of(40) + "Host: a\r\n" + line_of(40) + "\r\n", limits)) == "fine");
    const verdict target = request(target_of(41) + "Host: a\r\n\r\n", limits);
    CHECK(reason(target) == "target_too_long");
    CHECK(target.why.answer() == status::uri_too_long);
    CHECK(target.why.detail() == "line 1, byte 40: request line exceeds 40");
    const verdict field = request(target_of(40) + "Host: a\r\n" + line_of(41) + "\r\n", limits);
    CHECK(reason(field) == "line_too_long");
    CHECK(field.why.answer() == status::request_header_fields_too_large);
    CHECK(field.why.detail() == "line 3, byte 89: line exceeds 40");
    CHECK(reason(request(std::string(100, 'A'), limits)) == "method_too_long");
    CHECK(reason(request("GET /" + std::string(35, 'a'), limits)) == "target_too_long");
    CHECK(reason(request("GET /" + std::string(34, 'a'), limits)) == "more");
    // An error within the limit counts before the length does.
    CHECK(reason(request("GET /\x01" + std::string(60, 'a'), limits)) == "malformed_target");
    CHECK(reason(request("GET /" + std::string(60, 'a') + "\x01\r\n", limits)) == "target_too_long");
}

TEST_CASE("a head that exceeds max_head, or max_fields, or the slots is refused") {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    CHECK(reason(request(head, {.max_head = head.size()})) == "fine");
    for (std::size_t size = 1; size != head.size(); ++size) {
        const verdict v = request(head, {.max_head = size});
        CHECK(reason(v) == "head_too_large");
        CHECK(v.why.at == size);
        CHECK(v.why.number == size);
    }
    CHECK(reason(request(head, {.max_fields = 2})) == "fine");
    const verdict many = request(head, {.max_fields = 1});
    CHECK(reason(many) == "too_many_fields");
    CHECK(many.why.detail() == "line 3, byte 25: number of fields exceeds 1");
    CHECK(reason(request(head, {}, 1)) == "too_many_fields");
    CHECK(reason(request(head, {}, 0)) == "too_many_fields");
}

TEST_CASE("a refusal names line, byte and what stood there") {
    const verdict v = request("GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n");
    CHECK(v.why.detail() == "line 3, byte 26: field name (met 0x20)");
    CHECK(v.why.answer() == status::bad_request);
    CHECK(v.why.to_error() == condition::malformed);
    CHECK(request("\r\nGET / HTTP/1.1\r\nA: \x01\r\n\r\n").why.detail() ==
          "line 3, byte 21: field value (met 0x01)");
    CHECK(request("GET / HTTP/1.1\r\nA: b\r\n\r\n").why.detail() ==
          "line 3, byte 22: no Host, which HTTP/1.1 demands");
}

TEST_CASE("a parser reads one request after the other from one buffer") {
    std::array<field_slot, 8> slots;
    request_parser parser(slots);
    const std::string bytes =
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\nExpect: "
        "100-continue\r\nContent-Length: 0\r\n\r\n"
        "GET https://b HTTP/1.1\r\nHost: b\r\n\r\n"
        "GET /c HTTP/1.0\r\n\r\n";
    std::string_view rest = bytes;
    std::string told;
    for (int i = 0; i != 3; ++i) {
        parser.reset();
        const head_step step = parser.feed(rest);
        REQUIRE(step.what == complete);
        const std::string alone = read_head<request_parser>(rest.substr(0, step.size)).said;
        CHECK(tell(parser.head()) == alone); // nothing of the one before is left
        rest.remove_prefix(step.size);
    }
    CHECK(rest.empty());
    parser.reset();
    CHECK(parser.feed("\x16").what == head_step::kind::refused);
    parser.reset();
    CHECK(parser.feed("GET / HTTP/1.0\r\n\r\n").what == complete);
    CHECK(parser.why().kind == refusal::none);
}

TEST_CASE("a response head tells its status, reason and where the body ends") {
    const verdict v = response("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found");
    REQUIRE(v.what == complete);
    CHECK(v.size == 45);
    const parsed_response p("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n");
    CHECK(p.head().status_code() == 404);
    CHECK(p.head().status() == status::not_found);
    CHECK(p.head().reason() == "Not Found");
    CHECK(p.head().body(verb::get) == body_end::length);
    CHECK(p.head().body(verb::head) == body_end::none);
    CHECK_FALSE(p.head().interim());
    const auto body = [](const std::string& head, verb asked = verb::get) {
        return parsed_response("HTTP/1.1 " + head + "\r\n\r\n").head().body(asked);
    };
    CHECK(body("200 OK") == body_end::close);
    CHECK(body("200 OK\r\nContent-Length: 0") == body_end::none);
    CHECK(body("200 OK\r\nTransfer-Encoding: chunked") == body_end::chunked);
    CHECK(body("204 No Content\r\nContent-Length: 5") == body_end::none);
    CHECK(body("304 Not Modified\r\nContent-Length: 5") == body_end::none);
    CHECK(body("101 Switching Protocols") == body_end::none);
    CHECK(body("200 OK", verb::connect) == body_end::none);
    CHECK(body("403 No\r\nContent-Length: 5", verb::connect) == body_end::length);
    CHECK(parsed_response("HTTP/1.1 100 Continue\r\n\r\n").head().interim());
    CHECK_FALSE(parsed_response("HTTP/1.1 101 S\r\n\r\n").head().interim());
}

TEST_CASE("status lines: the reason may be absent, nothing else") {
    const struct {
        std::string line;
        const char* reason;
    } rows[] = {
        {"HTTP/1.1 200 OK", "fine"},
        {"HTTP/1.0 200 OK", "fine"},
        {"HTTP/1.1 200 ", "fine"},
        {"HTTP/1.1 200", "fine"},
        {"HTTP/1.1 999 \xc3\xa4\tb", "fine"},
        {"HTTP/1.1 20", "malformed_status_line"},
        {"HTTP/1.1 2000 OK", "malformed_status_line"},
        {"HTTP/1.1 099 OK", "malformed_status_line"},
        {"HTTP/1.1 2a0 OK", "malformed_status_line"},
        {"HTTP/1.1  200 OK", "malformed_status_line"},
        {"HTTP/1.1\t200 OK", "malformed_status_line"},
        {"HTTP/1.1 200OK", "malformed_status_line"},
        {"HTTP/1.1 200 O\x01K", "malformed_status_line"},
        {"HTTP/1.1 200 O\rK", "bare_cr"},
        {"HTTP/1.2 200 OK", "unsupported_version"},
        {"HTTP/2.0 200 OK", "unsupported_version"},
        {"HTTP/2 200 OK", "malformed_version"},
        {"HTTP 200 OK", "malformed_version"},
        {"Http/1.1 200 OK", "malformed_version"},
        {"H", "malformed_version"},
        {"ICY 200 OK", "malformed_status_line"},
        {"", "malformed_status_line"},
    };
    for (const auto& row : rows) {
        INFO(row.line);
        CHECK(reason(response(row.line + "\r\n\r\n")) == row.reason);
    }
    CHECK(reason(response("HTTP/1.1 200 OK\n\r\n")) == "bare_lf");
    CHECK(reason(response("HTTP/1.1 200 " + std::string(60, 'x'), {.max_line = 40})) == "line_too_long");
    CHECK(reason(response("HTTP/1.1 200 OK\r\n", {})) == "more");
    CHECK(parsed_response("HTTP/1.1 700\r\n\r\n").head().status() == status::unknown);
}

TEST_CASE(
    "whole, by the byte and by beginnings give the same verdict at the same byte, whatever the bytes are") {
    const std::string requests[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nPOST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\nbody",
        "GET http://h/p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nA-Rather-Long-Name-Of-A-Field: with a value\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    };
    const std::string responses[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhello",
        "HTTP/1.0 404\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    std::mt19937 random(7);
    std::set<std::string> met;
    for (int i = 0; i != 3000; ++i) {
        // Limits that the inputs come close to, too.
        const head_limits limits{.max_head = i % 3 == 0 ? 60 + random() % 100 : 16384,
                                 .max_line = i % 2 == 0 ? 20 + random() % 40 : 8192,
                                 .max_fields = 1 + random() % 4};
        const std::string bytes = mutated(requests[random() % std::size(requests)], random);
        const std::string answer = mutated(responses[random() % std::size(responses)], random);
        INFO(bytes << "---" << answer);
        met.insert(reason(read_head_every_way<request_parser>(bytes, limits)));
        met.insert(reason(read_head_every_way<response_parser>(answer, limits)));
    }
    CHECK(met.size() > 25); // it went through most of the reasons
}
