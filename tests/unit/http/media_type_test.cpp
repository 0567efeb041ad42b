// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/media_type.hpp>

#include "support/catch.hpp"

#include <string_view>

using namespace portunus::http;

TEST_CASE("a media type is taken apart, its parameters on demand") {
    const auto m = media_type::parse(" Text/HTML ; Charset=\"utf-\\\"8\"; x=y ");
    REQUIRE(m.has_value());
    CHECK(m->type == "Text");
    CHECK(m->subtype == "HTML");
    CHECK(m->is("text/html"));
    CHECK_FALSE(m->is("text/plain"));
    CHECK_FALSE(m->is("text"));
    CHECK(m->parameter("charset") == "utf-\"8");
    CHECK(m->parameter("X") == "y");
    CHECK_FALSE(m->parameter("z"));
    CHECK(media_type::parse("a/b;").has_value());
    CHECK(media_type::parse("a/b;;c=d")->parameter("c") == "d");
    for (const char* bad : {"", "a", "/", "a/", "/b", "a b/c", "a/b c", "a/b; c", "a/b; c=", "a/b; =d",
                            "a/b; c=\"d", "a/b; c=d e", "a/b/c", "a/b; c=\"d\"e"}) {
        INFO(bad);
        CHECK_FALSE(media_type::parse(bad).has_value());
    }
}

TEST_CASE("the content type of a file follows from the extension of its name") {
    CHECK(content_type_of("index.html") == "text/html; charset=utf-8");
    CHECK(content_type_of("/a.b/c.JPG") == "image/jpeg");
    CHECK(content_type_of("x.min.js") == "text/javascript; charset=utf-8");
    for (const char* unknown : {"", "html", ".html", "a.html/b", "a.", "a.htmlx"})
        CHECK(content_type_of(unknown) == "application/octet-stream");
    for (const char* known :
         {"a.txt", "a.gif", "a.png", "a.ico", "a.bmp", "a.svg", "a.json", "a.css", "a.woff"}) {
        CHECK(content_type_of(known) != "application/octet-stream"); // row T-42
        CHECK(media_type::parse(content_type_of(known)).has_value());
    }
}

TEST_CASE("text is worth compressing, pictures and streams of events are not") {
    for (const char* type :
         {"text/html; charset=utf-8", "application/json", "image/svg+xml", "application/ld+json", "text/css"})
        CHECK(is_compressible(type));
    for (const char* type : {"image/png", "application/zip", "video/mp4", "application/octet-stream", "",
                             "font/woff2", "text/event-stream"})
        CHECK_FALSE(is_compressible(type));
}

TEST_CASE("Accept-Encoding is read with its weights") {
    const auto gzip = [](std::string_view field) { return accepts_encoding(field, "gzip"); };
    CHECK(gzip("gzip"));
    CHECK(gzip("deflate, GZIP ;q=0.5, br"));
    CHECK(gzip("x-gzip"));
    CHECK(gzip("*"));
    CHECK(gzip("gzip;q=0.001"));
    CHECK(gzip("gzip; q=1.000"));
    CHECK(gzip("*;q=0, gzip"));
    CHECK_FALSE(gzip(""));
    CHECK_FALSE(gzip("identity"));
    CHECK_FALSE(gzip("br, deflate"));
    CHECK_FALSE(gzip("gzip;q=0"));
    CHECK_FALSE(gzip("gzip;q=0.000"));
    CHECK_FALSE(gzip("*;q=0"));
    CHECK_FALSE(gzip("gzip;q=0, *"));
    for (const char* bad :
         {"gzip;q=2", "gzip;q=1.5", "gzip;q=0.1234", "gzip;q=", "gzip;q=x", "gzip;q", "gz ip", "gzip;q=.5"}) {
        INFO(bad);
        CHECK_FALSE(gzip(bad));
    }
}
