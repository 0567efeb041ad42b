// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/url.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace portunus::http;
using portunus::errc;

namespace {

std::string problem_of(std::string_view text, const url_options& options = {}) {
    const auto url = parse_url(text, options);
    if (url) return "accepted";
    CHECK(url.error() == errc::invalid_address);
    return std::string(url.error().detail());
}
std::string normalised(std::string_view path) {
    const auto text = normalise_path(path);
    if (text) return *text;
    CHECK(text.error() == errc::malformed_frame);
    return "refused";
}
std::string decoded(std::string_view text, const decode_options& options = {}) {
    const auto out = percent_decode(text, options);
    return out ? *out : std::string(out.error().detail());
}

} // namespace

TEST_CASE("percent_encode leaves letters, digits and -._~ and encodes every other byte") {
    CHECK(percent_encode("aZ09-._~") == "aZ09-._~");
    CHECK(percent_encode("a b+/\xc3\xa4") == "a%20b%2B%2F%C3%A4");
    CHECK(percent_encode("a b+/\xc3\xa4", hex_case::lower) == "a%20b%2b%2f%c3%a4");
    CHECK(percent_encode("") == "");
    for (int i = 0; i != 256; ++i) {
        const std::string one(1, static_cast<char>(i));
        CHECK(decoded(percent_encode(one), {.allow_nul = true}) == one);
        CHECK(decoded(percent_encode(one, hex_case::lower), {.allow_nul = true}) == one);
    }
}

TEST_CASE("percent_decode is strict") {
    CHECK(decoded("a%20b%2f%2F") == "a b//");
    CHECK(decoded("a+b") == "a+b");
    CHECK(decoded("a+b%2B", {.plus_is_space = true}) == "a b+");
    CHECK(decoded("%") == "byte 0 of \"%\": '%' without two hexadecimal digits");
    CHECK(decoded("a%4") == "byte 1 of \"a%4\": '%' without two hexadecimal digits");
    CHECK(decoded("a%4g") == "byte 1 of \"a%4g\": '%' without two hexadecimal digits");
    CHECK(decoded("a%%41").starts_with("byte 1"));
    CHECK(decoded("ab%00") == "byte 2 of \"ab%00\": %00 is not allowed");
    CHECK(decoded("%00", {.allow_nul = true}) == std::string(1, '\0'));
}

TEST_CASE("a URL is taken apart") {
    const auto whole = parse_url("https://example.com:8443/a%20b/c?x=1&y#z");
    REQUIRE(whole.has_value());
    CHECK(whole->scheme == "https");
    CHECK(whole->secure());
    CHECK(whole->host == "example.com");
    CHECK(whole->authority == "example.com:8443");
    CHECK(whole->port == 8443);
    CHECK(whole->effective_port() == 8443);
    CHECK(whole->path == "/a%20b/c");
    CHECK(whole->query == std::string_view("x=1&y"));
    CHECK(whole->fragment == std::string_view("z"));
    CHECK(whole->target() == "/a%20b/c?x=1&y");

    const auto least = parse_url("ws://h");
    REQUIRE(least.has_value());
    CHECK(least->path == "/");
    CHECK_FALSE(least->secure());
    CHECK_FALSE(least->port);
    CHECK(least->effective_port() == 80);
    CHECK_FALSE(least->query);
    CHECK(parse_url("wss://h")->effective_port() == 443);
    CHECK(parse_url("WSS://h")->secure());
    CHECK(parse_url("http://h?")->query == std::string_view(""));
    CHECK(parse_url("http://h?a/b")->path == "/");
    CHECK(parse_url("http://h#f")->fragment == std::string_view("f"));
    CHECK(parse_url("http://h:/")->effective_port() == 80);

    const auto v6 = parse_url("http://[2001:db8::1]:81/");
    REQUIRE(v6.has_value());
    CHECK(v6->host == "2001:db8::1");
    CHECK(v6->is_ipv6);
    CHECK(v6->authority == "[2001:db8::1]:81");
}

TEST_CASE("URLs that are none are refused with the reason") {
    CHECK(problem_of("example.com/") == "\"example.com/\" is no absolute URL: it has no \"://\"");
    for (const char* text : {"",
                             "http",
                             "http:",
                             "http:/h",
                             "//h/",
                             "/a",
                             "ftp://h/",
                             "file:///etc/passwd",
                             "javascript://h",
                             "http://",
                             "http:///a",
                             "http://:80",
                             "http://h:0",
                             "http://h:65536",
                             "http://h:8a",
                             "http://h:80:80",
                             "http://[::1",
                             "http://[::1]x",
                             "http://[1::2::3]",
                             "http://[1:2:3:4:5:6:7:8:9]",
                             "http://[fe80::1%25eth0]",
                             "http://[v1.a]",
                             "http://a b/",
                             "http://h/a b",
                             "http://h/%",
                             "http://h/%4",
                             "http://h/?%zz",
                             "http://h/#%",
                             "http://h/\xc3\xa4",
                             "http://h/\n",
                             "http://h/?a\"b",
                             "http://h/<",
                             "http://h\\a",
                             "http://h/#a#b",
                             " http://h",
                             "http://u@h/",
                             "http://u:p@h/",
                             "http://@h/"}) {
        INFO(text);
        CHECK(problem_of(text) != "accepted");
    }
    CHECK(problem_of("http://u:p@h/") == "\"http://u:p@h/\" contains a user, which is not allowed here");
    const auto url = parse_url("http://u:p%40@h:1/", {.allow_userinfo = true});
    REQUIRE(url.has_value());
    CHECK(url->userinfo == "u:p%40");
    CHECK(url->authority == "h:1");
    CHECK(problem_of("http://u@v@h/", {.allow_userinfo = true}) != "accepted");
}

TEST_CASE("IPv6 literals: what is one, and what is none") {
    const auto fine = [](const std::string& literal) {
        const std::string text = "http://[" + literal + "]/";
        return parse_url(text).has_value();
    };
    for (const char* good : {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
                             "fe80::1", "::ffff:10.0.0.7", "1:2:3:4:5:6:1.2.3.4", "ABCD::abcd"})
        CHECK(fine(good));
    for (const char* bad : {"", ":", ":::", "1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                            "::1::", "12345::", "g::", "1::2:", ":1::2", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3",
                            "::1.2.3.256", "::01.2.3.4", "1.2.3.4", "1:2:3:4:5:6:7:8::", "::%1"})
        CHECK_FALSE(fine(bad));
}

TEST_CASE("a reference is resolved against a page") {
    const auto base = parse_url("http://a/b/c/d?q").value();
    const auto resolved = [&](std::string_view reference) {
        const auto text = resolve_url(base, reference);
        return text ? *text : "refused";
    };
    // RFC 3986 5.4, as far as it is about http.
    CHECK(resolved("g") == "http://a/b/c/g");
    CHECK(resolved("./g") == "http://a/b/c/g");
    CHECK(resolved("g/") == "http://a/b/c/g/");
    CHECK(resolved("/g") == "http://a/g");
    CHECK(resolved("//g") == "http://g/");
    CHECK(resolved("?y") == "http://a/b/c/d?y");
    CHECK(resolved("g?y") == "http://a/b/c/g?y");
    CHECK(resolved("#s") == "http://a/b/c/d?q#s");
    CHECK(resolved("g#s") == "http://a/b/c/g#s");
    CHECK(resolved("") == "http://a/b/c/d?q");
    CHECK(resolved(".") == "http://a/b/c/");
    CHECK(resolved("..") == "http://a/b/");
    CHECK(resolved("../g") == "http://a/b/g");
    CHECK(resolved("../..") == "http://a/");
    CHECK(resolved("../../../g") == "http://a/g");
    CHECK(resolved("/./g") == "http://a/g");
    CHECK(resolved("/../g") == "http://a/g");
    CHECK(resolved("g.") == "http://a/b/c/g.");
    CHECK(resolved("..g") == "http://a/b/c/..g");
    CHECK(resolved("g/./h/../i") == "http://a/b/c/g/i");
    CHECK(resolved("g?y/../x") == "http://a/b/c/g?y/../x");
    CHECK(resolved("https://h:1/x/../y") == "https://h:1/y");
    CHECK(resolved("javascript:alert(1)") == "refused");
    CHECK(resolved("http://u@h/") == "refused");
    CHECK(resolved("a b") == "refused");
}

TEST_CASE("a URL is built from its parts, each encoded where it has to be") {
    url_parts parts;
    parts.host = "example.com";
    parts.port = 8080;
    parts.path = "/a b/c%d/";
    parts.query = {{"x", "1&2"}, {"y z", ""}};
    parts.fragment = "f#";
    CHECK(build_url(parts).value() == "http://example.com:8080/a%20b/c%25d/?x=1%262&y%20z=#f%23");
    CHECK(build_url(parts, hex_case::lower).value() ==
          "http://example.com:8080/a%20b/c%25d/?x=1%262&y%20z=#f%23");
    const std::string text = build_url(parts).value();
    const auto url = parse_url(text);
    REQUIRE(url.has_value());
    CHECK(percent_decode(url->path).value() == parts.path);

    url_parts v6;
    v6.host = "::1";
    v6.path = "";
    CHECK(build_url(v6).value() == "http://[::1]/");
    const auto refused = [](auto change) {
        url_parts p;
        p.host = "h";
        change(p);
        return !build_url(p).has_value();
    };
    CHECK(refused([](url_parts& p) { p.scheme = "ftp"; }));
    CHECK(refused([](url_parts& p) { p.host = ""; }));
    CHECK(refused([](url_parts& p) { p.host = "a/b"; }));
    CHECK(refused([](url_parts& p) { p.host = "a:1"; }));
    CHECK(refused([](url_parts& p) { p.path = "a"; }));
    CHECK(refused([](url_parts& p) { p.port = 0; }));
    CHECK(encode_parameters({{"a", "\xc3\xa4"}, {"b", "="}}, hex_case::lower) == "a=%c3%a4&b=%3d");
    CHECK(encode_parameters({}) == "");
}

TEST_CASE("a path is normalised, and one that leaves the root is refused") {
    CHECK(normalised("/") == "/");
    CHECK(normalised("/a") == "/a");
    CHECK(normalised("/a/") == "/a/");
    CHECK(normalised("//a///b") == "/a/b");
    CHECK(normalised("/a/./b") == "/a/b");
    CHECK(normalised("/a/.") == "/a/");
    CHECK(normalised("/a/../b") == "/b");
    CHECK(normalised("/a/..") == "/");
    CHECK(normalised("/a/b/../..") == "/");
    CHECK(normalised("/a%20b") == "/a b");
    CHECK(normalised("/...") == "/...");
    CHECK(normalised("/..a") == "/..a");
    CHECK(normalised("/a\\..\\b") == "/a\\..\\b"); // one name, here
    for (const char* bad : {"",
                            "a",
                            "*",
                            "/..",
                            "/../a",
                            "/a/../..",
                            "/a/../../b",
                            "/%2e%2e",
                            "/%2E./a",
                            "/.%2e/",
                            "/a/%2e%2e/%2e%2e",
                            "/a%2fb",
                            "/a%2Fb",
                            "/..%2f",
                            "/%00",
                            "/a%00.txt",
                            "/%",
                            "/%2",
                            "/%zz",
                            "/%252e%252e%2f"}) {
        INFO(bad);
        CHECK(normalised(bad) == "refused");
    }
    CHECK(normalised("/%252e%252e") == "/%2e%2e"); // decoded once, not twice
    CHECK(normalise_path("/a/../..").error().detail() == "path \"/a/../..\" leads out of the root");
}

TEST_CASE("the pairs of a query come in order, duplicates kept") {
    const auto pairs = [](std::string_view query) {
        std::string text;
        for (const query_pair& p : query_pairs(query)) {
            text.append("[").append(p.raw_key).append(p.has_value ? "=" : "").append(p.raw_value).append("]");
        }
        return text;
    };
    CHECK(pairs("a=1&b=2&a=3") == "[a=1][b=2][a=3]");
    CHECK(pairs("a&b=&=c&&=&d=e=f") == "[a][b=][=c][=][d=e=f]");
    CHECK(pairs("") == "");
    CHECK(pairs("&&") == "");
    CHECK(pairs("a&") == "[a]");
    const query_pair p = *query_pairs("a%20+b=%C3%A4+1").begin();
    CHECK(p.key().value() == "a  b");
    CHECK(p.value().value() == "\xc3\xa4 1");
    CHECK_FALSE(query_pair{"%", "", true}.key().has_value());
}
