// SPDX-License-Identifier: BSL-1.0
#include <portunus/json/write.hpp>

#include <portunus/json/read.hpp>

#include "support/catch.hpp"
#include "unit/json/json_support.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace portunus;
using namespace json_test;
using namespace std::string_literals;

namespace {

template <class T>
std::string text_of(const T& value) {
    result<std::string> text = json::to_text(value);
    if (!text) FAIL(text.error().message());
    CHECK(json::validate(*text));
    return *text;
}

template <class T>
std::string refusal(const T& value) {
    std::string out = "before";
    const result<void> r = json::write(out, value);
    CHECK(out == "before");
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::unencodable_payload);
    return std::string(r.error().detail());
}

} // namespace

TEST_CASE("every type of the table is written without white space, and read back as the same") {
    everything e;
    e.flag = true;
    e.small = -7;
    e.large = std::numeric_limits<std::uint64_t>::max();
    e.real = 21.5;
    e.text = "a\"b\\c\n\x01/\x7F\xC3\xA4";
    e.mode = mode::automatic;
    e.bits = {true, false};
    e.three = {1, -2, 3};
    e.lists = {{"x", {}}, {"y\t", {4, 5}}};
    e.rest.text = "[ 1 ]";
    const std::string text = text_of(e);
    CHECK(text ==
          R"({"flag":true,"small":-7,"large":18446744073709551615,"real":21.5,"text":"a\"b\\c\n\u0001/)"
          "\x7F\xC3\xA4"
          R"(","mode":"automatic","bits":[true,false],"three":[1,-2,3],"lists":{"x":[],"y\t":[4,5]},)"
          R"("rest":[ 1 ],"nothing":null})");
    CHECK(json::read<everything>(text).value() == e);
    e.maybe = "";
    CHECK(json::read<everything>(text_of(e)).value() == e);
    CHECK(text_of(empty()) == "{}");
    CHECK(text_of(std::vector<int>()) == "[]");
    CHECK(text_of(std::optional<int>()) == "null");
    CHECK(text_of(derived{{1}, 2}) == R"({"first":1,"second":2})");
}

TEST_CASE("values are appended to what is there") {
    std::string out = "x=";
    REQUIRE(json::write(out, 1));
    out += ' ';
    REQUIRE(json::write(out, sensor{"a", 2}));
    CHECK(out == R"(x=1 {"name":"a","value":2})");
}

TEST_CASE("what JSON cannot say is refused with the path of the field") {
    house h;
    h.room.sensors = {{"a", 1}, {"b", std::nan("")}};
    CHECK(refusal(h) == "room.sensors[1].value: NaN has no form in JSON");
    h.room.sensors[1].value = -std::numeric_limits<double>::infinity();
    CHECK(refusal(h) == "room.sensors[1].value: infinity has no form in JSON");
    h.room.sensors[1] = {"good\xC3(", 1};
    CHECK(refusal(h) == "room.sensors[1].name: invalid UTF-8 at byte 4 of a string");
    CHECK(refusal(std::map<std::string, int>{{"a\xFF", 1}}) ==
          R"(["a\xff"]: invalid UTF-8 at byte 1 of a string)");
    CHECK(refusal(mode::unnamed) == "the value 77 has no name");
    CHECK(refusal(json::raw{"[1"}) == "raw text is not JSON: expected ',' or ']' at byte 2, found the end");
    CHECK(refusal(json::raw{""}).find("raw text is not JSON") == 0);
    CHECK(refusal(std::vector<json::raw>{{std::string(32, '[') + std::string(32, ']')}}).find("[0]: raw") ==
          0);
    tree deep;
    for (int i = 0; i < 16; ++i) {
        tree above;
        above.branches.push_back(deep);
        deep = above;
    }
    CHECK(refusal(deep).find("nested deeper than 32 levels") != std::string::npos);
    CHECK(text_of(deep.branches[0]).size() > 100);
}

TEST_CASE("a number is read back as the same bits") {
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) {
        const std::uint64_t bits = random();
        double value = 0;
        std::memcpy(&value, &bits, sizeof value);
        if (!std::isfinite(value)) continue;
        const double back = json::read<double>(json::to_text(value).value()).value();
        if (std::memcmp(&back, &value, sizeof value) != 0) FAIL(value);
        const float single = static_cast<float>(static_cast<int>(bits)) / 64;
        if (json::read<float>(json::to_text(single).value()).value() != single) FAIL(single);
    }
    CHECK(text_of(-0.0) == "-0");
    CHECK(std::signbit(json::read<double>("-0").value()));
}

TEST_CASE("any UTF-8 survives as a string, whatever stands where") {
    std::mt19937 random(9);
    const std::string pieces[] = {"a",
                                  "\"",
                                  "\\",
                                  "\n",
                                  "\0"s,
                                  "\x1F",
                                  "\x7F",
                                  "/",
                                  "\xC3\xA4",
                                  "\xE2\x82\xAC",
                                  "\xF0\x9F\x98\x80",
                                  "plain text"};
    for (int i = 0; i < 5000; ++i) {
        std::string value;
        for (unsigned long n = random() % 20; n != 0; --n) value += pieces[random() % std::size(pieces)];
        const std::string text = json::to_text(value).value();
        REQUIRE(text.find('\n') == std::string::npos);
        if (json::read<std::string>(text).value() != value) FAIL(text);
        std::string escaped = "x";
        REQUIRE(json::escape(escaped, value));
        REQUIRE(escaped == "x" + text);
    }
    std::string out = "x";
    CHECK(json::escape(out, "a\x80").error().detail() == "invalid UTF-8 at byte 1 of a string");
    CHECK(out == "x");
}
