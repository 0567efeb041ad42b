// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/form.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using namespace portunus::http;
using portunus::errc;

TEST_CASE("a form is decoded, duplicates are kept in order") {
    const auto form = form_fields::parse("a=1&b=x+y%26&a=2&c&=d&&e=%C3%A4%2B");
    REQUIRE(form.has_value());
    CHECK(form->size() == 6);
    CHECK(form->find("a") == std::string_view("1"));
    CHECK(form->find("b") == std::string_view("x y&"));
    CHECK(form->find("c") == std::string_view(""));
    CHECK(form->find("") == std::string_view("d"));
    CHECK(form->find("e") == std::string_view("\xc3\xa4+"));
    CHECK_FALSE(form->find("A"));
    CHECK(form->all("a") == std::vector<std::string_view>{"1", "2"});
    CHECK(form->all("z").empty());
    CHECK(form_fields::parse("")->empty());
}

TEST_CASE("broken encoding names the field, and limits their numbers") {
    const auto problem = [](std::string_view text, const form_limits& limits = {}) {
        const auto form = form_fields::parse(text, limits);
        return form ? "fine" : form.error().message();
    };
    CHECK(problem("a=1&b=%zz") ==
          "malformed frame: byte 0 of \"%zz\": '%' without two hexadecimal digits in the value of field 2");
    CHECK(problem("%=1") ==
          "malformed frame: byte 0 of \"%\": '%' without two hexadecimal digits in the name of field 1");
    CHECK(problem("a=%00").find("%00 is not allowed") != std::string::npos);
    CHECK(problem("a&b", {.max_fields = 2}) == "fine");
    CHECK(problem("a&b&c", {.max_fields = 2}) == "frame too large: form with more fields than max_fields 2");
    CHECK(problem("a&b", {.max_bytes = 2}) == "frame too large: form of 3 bytes exceeds max_bytes 2");
    CHECK(form_fields::parse("a&b", {.max_bytes = 2}).error() == errc::frame_too_large);
}

TEST_CASE("what is encoded as a form is read back as the same fields") {
    const url_parameters fields = {{"a b", "1+2=3&4"}, {"", "%20"}, {"\xc3\xa4", ""}, {"a b", "\r\n"}};
    const std::string text = encode_form(fields);
    CHECK(text == "a+b=1%2B2%3D3%264&=%2520&%C3%A4=&a+b=%0D%0A");
    const auto form = form_fields::parse(text);
    REQUIRE(form.has_value());
    CHECK(url_parameters(form->begin(), form->end()) == fields);
}
