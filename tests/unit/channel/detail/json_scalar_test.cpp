// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/detail/json_scalar.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using namespace portunus::detail;

TEST_CASE("a JSON string is read to the text that it stands for") {
    struct row {
        std::string_view json, text;
    };
    const row r = GENERATE_COPY(
        row{R"("")", ""}, row{R"("abc")", "abc"}, row{R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
        row{R"("\u0041\u00e4\u20AC")", "A\xC3\xA4\xE2\x82\xAC"}, row{R"("\ud83d\ude00")", "\xF0\x9F\x98\x80"},
        row{"\"\xF0\x9F\x98\x80\"", "\xF0\x9F\x98\x80"}, row{R"("\u0000")", std::string_view("\0", 1)},
        row{" \t\r\n\"a\"\n ", "a"});
    CAPTURE(r.json);
    const json_scalar read = read_json_scalar(r.json);
    REQUIRE(read.kind == json_kind::text);
    CHECK(read.text == r.text);
    CHECK(read_json_scalar(write_json_scalar(read)).text == r.text);
}

TEST_CASE("what is no JSON string, truth value or null is something else") {
    const std::string_view json =
        GENERATE("", " ", "\"", "a", "\"a", "a\"", R"("a"b")", R"("\")", R"("\x")", R"("\u12")",
                 R"("\u12g4")", R"("\ud800")", R"("\ud800\u0041")", R"("\udc00")", R"("\ud800x")", "\"\n\"",
                 "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE4\"", "\"\x80\"", "[]",
                 "{}", "1", "nul", "True", "\"a\" \"b\"", "\"\\u00\"41\"");
    CAPTURE(json);
    CHECK(read_json_scalar(json).kind == json_kind::other);
}

TEST_CASE("truth values and null are read and written") {
    CHECK(read_json_scalar("null").kind == json_kind::null);
    CHECK(read_json_scalar(" true ").kind == json_kind::yes);
    CHECK(read_json_scalar("false").kind == json_kind::no);
    CHECK(write_json_scalar({json_kind::null, {}}) == "null");
    CHECK(write_json_scalar({json_kind::yes, {}}) == "true");
    CHECK(write_json_scalar({json_kind::no, {}}) == "false");
    CHECK(write_json_string("a\"\\\x01\x1F/") == R"("a\"\\\u0001\u001f/")");
}

TEST_CASE("plain text has no control character and is well-formed") {
    CHECK(is_plain_text(""));
    CHECK(is_plain_text("K\xC3\xBC"
                        "che 1 \xF0\x9F\x98\x80"));
    const std::string_view bad =
        GENERATE("a\nb", "\x1B[31m", "\x7F", "\xC2\x85", "\xC2", "\xE2\x82", "\xF8\x80\x80\x80");
    CHECK_FALSE(is_plain_text(bad));
}
