// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/etag.hpp>

#include "support/catch.hpp"

#include <string_view>

using namespace portunus::http;

TEST_CASE("an entity tag is quoted, and weak with W/ before it") {
    CHECK(entity_tag::parse("\"abc\"")->opaque == "\"abc\"");
    CHECK_FALSE(entity_tag::parse("\"abc\"")->weak);
    CHECK(entity_tag::parse("W/\"a,\\\"")->weak);
    CHECK(entity_tag::parse("\"\"").has_value());
    for (const char* bad :
         {"", "\"", "abc", "w/\"a\"", "W/", "\"a\"b", "\"a b\"", "\"a\"b\"", "W /\"a\"", "\"\x01\""})
        CHECK_FALSE(entity_tag::parse(bad).has_value());
}

TEST_CASE("If-None-Match compares weakly, If-Match strongly") {
    const entity_tag strong = *entity_tag::parse("\"a\""), weak = *entity_tag::parse("W/\"a\"");
    CHECK(if_none_match_hits("\"a\"", strong));
    CHECK(if_none_match_hits("W/\"a\"", strong));
    CHECK(if_none_match_hits("\"x\", \"y,z\" ,W/\"a\"", weak));
    CHECK(if_none_match_hits(" * ", strong));
    CHECK_FALSE(if_none_match_hits("\"b\"", strong));
    CHECK_FALSE(if_none_match_hits("", strong));
    CHECK(if_match_holds("\"b\", \"a\"", strong));
    CHECK(if_match_holds("*", weak));
    CHECK_FALSE(if_match_holds("W/\"a\"", strong));
    CHECK_FALSE(if_match_holds("\"a\"", weak));
    for (const char* bad :
         {"a", "\"a", "x, \"a\"", "\"b\" \"a\"", "\"b\";\"a\"", "\"x y\", \"a\"", "*, \"a\""}) {
        INFO(bad);
        CHECK_FALSE(if_none_match_hits(bad, strong));
    }
}
