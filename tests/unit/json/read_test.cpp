// SPDX-License-Identifier: BSL-1.0
#include <portunus/json/read.hpp>

#include "support/catch.hpp"
#include "unit/json/json_support.hpp"

#include <boost/json/src.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

using namespace portunus;
using namespace json_test;
using namespace std::string_literals;

namespace {

template <class T>
T good(std::string_view text) {
    INFO(text);
    const exact copy(text);
    result<T> r = json::read<T>(copy);
    if (!r) FAIL(r.error().message());
    return *std::move(r);
}

template <class T>
std::string refusal(std::string_view text, json::read_options options = {}) {
    INFO(text);
    const exact copy(text);
    const result<T> r = json::read<T>(copy, options);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::malformed_data);
    CHECK(r.error() == condition::malformed);
    CHECK_FALSE(is_fatal(r.error()));
    return std::string(r.error().detail());
}

constexpr std::string_view whole =
    R"({"flag":true,"small":-128,"large":18446744073709551615,"real":-2.5e-3,"text":"a\"b","mode":"manual",)"
    R"("maybe":null,"bits":[true,false],"three":[1,2,3],"lists":{"x":[],"y":[4]},"rest":{"a":[1, 2]},"nothing":null})";

everything whole_value() {
    everything e;
    e.flag = true;
    e.small = -128;
    e.large = std::numeric_limits<std::uint64_t>::max();
    e.real = -0.0025;
    e.text = "a\"b";
    e.mode = mode::manual;
    e.bits = {true, false};
    e.three = {1, 2, 3};
    e.lists = {{"x", {}}, {"y", {4}}};
    e.rest.text = R"({"a":[1, 2]})";
    return e;
}

} // namespace

TEST_CASE("every type of the table is read") {
    CHECK(good<everything>(whole) == whole_value());
    const auto numbers = good<std::unordered_map<std::string, float>>(R"({"a":0.5,"b\u0021":2})");
    CHECK(numbers == std::unordered_map<std::string, float>{{"a", 0.5f}, {"b!", 2.0f}});
    const derived d = good<derived>(R"({"second":2,"first":1})");
    CHECK(d.first == 1);
    CHECK(d.second == 2);
    good<empty>("{}");
    good<empty>(R"({"x":[{}]})");
    CHECK(good<std::vector<std::optional<int>>>("[1,null]") ==
          std::vector<std::optional<int>>{1, std::nullopt});
}

TEST_CASE("members may come in any order, with any white space and with escapes in their names") {
    const sensor expected{"t1", 21.5};
    for (const char* text : {
             R"({"name":"t1","value":21.5})",
             R"({"value":21.5,"name":"t1"})",
             "\t{ \"name\" :\n\"t1\" ,\r\"value\" : 21.5 } \n",
             R"({"na\u006de":"t1","v\u0061lue":21.5})",
             R"({"other":{"name":[1,{"value":null}]},"value":21.5,"":"","name":"t1","names":0})",
             R"({"value":215e-1,"nam":1,"name":"\u00741"})",
         }) {
        CAPTURE(text);
        CHECK(good<sensor>(text) == expected);
    }
}

TEST_CASE("an error names the path of the field, what was expected and what is there") {
    CHECK(refusal<house>(
              R"({"room":{"name":"k","sensors":[{"name":"a","value":1},{"name":"b","value":"2"}]}})") ==
          "room.sensors[1].value: expected a number, found a string");
    CHECK(json::read<sensor>(R"({"name":1})").error().message() ==
          "malformed data: name: expected a string, found a number");
    CHECK(refusal<sensor>("[1]") == "expected an object, found an array");
    CHECK(refusal<sensor>(R"({"name":null,"value":1})") == "name: expected a string, found null");
    CHECK(refusal<sensor>(R"({"value":{}})") == "value: expected a number, found an object");
    CHECK(refusal<house>(R"({"room":true})") == "room: expected an object, found true");
    CHECK(refusal<std::vector<bool>>("[true,1]") == "[1]: expected true or false, found a number");
    CHECK(refusal<sensor>(R"({"name":"a"})") == "value: missing");
    CHECK(refusal<house>(R"({"room":{"sensors":[]}})") == "room.name: missing");
    CHECK(refusal<sensor>(R"({"name":"a","value":1,"name":"b"})") == "name: appears twice");
    CHECK(refusal<sensor>(R"({"name":"a","value":1,"n\u0061me":"b"})") == "name: appears twice");
    CHECK(refusal<std::map<std::string, int>>(R"({"a":1,"b":2,"a":3})") == "[\"a\"]: appears twice");
    CHECK(refusal<std::map<std::string, sensor>>(R"({"a\n":{"name":[]}})") ==
          R"(["a\x0a"].name: expected a string, found an array)");
    CHECK(refusal<mode>(R"("automatik")") == R"("automatik" is none of off, automatic, manual)");
    CHECK(refusal<mode>("1") == "expected a string, found a number");
    CHECK(refusal<std::array<int, 2>>("[1]") == "expected 2 elements, found 1");
    CHECK(refusal<std::array<int, 2>>("[1,2,3]") == "expected 2 elements, found more");
    CHECK(refusal<std::monostate>("0") == "expected null, found a number");
    CHECK(refusal<std::vector<int>>("[1,2") == "expected ',' or ']' at byte 4, found the end");
    CHECK(refusal<house>(R"({"room":{"name":"k";)") == "room: expected ',' or '}' at byte 19, found \";\"");
    CHECK(refusal<int>("") == "expected a number at byte 0, found the end");
    CHECK(refusal<int>("1 2") == "expected the end at byte 2, found a number");
    CHECK(refusal<mode>("\"" + std::string(100, 'x') + "\"") ==
          "\"" + std::string(40, 'x') + "\"... (100 bytes) is none of off, automatic, manual");
}

TEST_CASE("unknown keys are ignored, unless they are to be refused") {
    CHECK(good<sensor>(R"({"name":"a","unit":"C","value":1})") == sensor{"a", 1});
    CHECK(refusal<sensor>(R"({"name":"a","unit":"C","value":1})", {.refuse_unknown = true}) ==
          "unknown key \"unit\"");
    CHECK(refusal<house>(R"({"room":{"x":1}})", {.refuse_unknown = true}) == "room: unknown key \"x\"");
    CHECK(refusal<sensor>(R"({"name":"a","unit":tru,"value":1})") ==
          "expected a value at byte 19, found \"t\"");
}

TEST_CASE("an optional member may be absent or null, and nothing of an earlier message stays in it") {
    everything e = whole_value();
    e.maybe = "old";
    e.bits.assign(100, true);
    e.lists["old"] = {1};
    std::string text(whole);
    text.erase(text.find("\"maybe\":null,"), 13);
    REQUIRE(json::read_into(text, e));
    CHECK(e == whole_value());

    std::vector<sensor> sensors(7, sensor{"old", 1});
    REQUIRE(json::read_into(R"([{"name":"new","value":2}])", sensors));
    CHECK(sensors == std::vector<sensor>{{"new", 2}});
}

TEST_CASE("reading into the same object keeps the memory of its strings and vectors") {
    room into;
    const std::string text =
        R"({"name":"a name that is too long to be stored inside of a string","sensors":[)"
        R"({"name":"another text that is certainly on the heap","value":1}]})";
    REQUIRE(json::read_into(text, into));
    const void* const name = into.name.data();
    const void* const sensor = into.sensors.data();
    const void* const inner = into.sensors[0].name.data();
    REQUIRE(json::read_into(text, into));
    CHECK(into.name.data() == name);
    CHECK(into.sensors.data() == sensor);
    CHECK(into.sensors[0].name.data() == inner);
}

TEST_CASE("integers are checked against the range of their type") {
    CHECK(good<std::int8_t>("-128") == -128);
    CHECK(good<std::uint8_t>("255") == 255);
    CHECK(good<std::uint8_t>("-0") == 0);
    CHECK(good<std::int64_t>("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
    CHECK(good<std::uint64_t>("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    CHECK(good<int>("21.0") == 21);
    CHECK(good<int>("-2.5e1") == -25);
    CHECK(good<int>("1E+3") == 1000);
    CHECK(refusal<std::int8_t>("128") == "128 is not in -128 to 127");
    CHECK(refusal<std::int8_t>("-129") == "-129 is not in -128 to 127");
    CHECK(refusal<std::uint32_t>("-1") == "-1 is not in 0 to 4294967295");
    CHECK(refusal<std::uint32_t>("4294967296") == "4294967296 is not in 0 to 4294967295");
    CHECK(refusal<std::int64_t>("9223372036854775808").find("9223372036854775808 is not in -92") == 0);
    CHECK(refusal<std::uint64_t>("18446744073709551616") ==
          "18446744073709551616 is not in the range of any integer");
    CHECK(refusal<std::uint64_t>(std::string(5000, '9')).size() < 100);
    CHECK(refusal<int>("1.5") == "expected an integer, found 1.5");
    CHECK(refusal<std::int64_t>("1e17") == "expected an integer, found 1e17");
    CHECK(refusal<int>("1e400") == "1e400 is not in the range of double");
}

TEST_CASE("a double is the one nearest to what is written") {
    const auto is = [](std::string_view text, double expected) {
        CAPTURE(text);
        const double found = good<double>(text);
        CHECK(found == expected);
        CHECK(std::signbit(found) == std::signbit(expected));
    };
    is("0", 0.0);
    is("-0", -0.0);
    is("-0.0e9", -0.0);
    is("21.5", 21.5);
    is("1e22", 1e22);
    is("1e23", 1e23);
    is("9007199254740993", 9007199254740993.0);
    is("0.1", 0.1);
    is("123456789012345678901234567890", 123456789012345678901234567890.0);
    is("2.2250738585072011e-308", 2.2250738585072011e-308);
    is("4.9e-324", 4.9e-324);
    is("1e-400", 0.0);
    is("-1e-99999999999999999999", -0.0);
    is("0e99999999999999999999", 0.0);
    is("0." + std::string(400, '0') + "1", 0.0);
    is("0." + std::string(400, '0') + "1e401", 1.0);
    is("1.7976931348623157e308", 1.7976931348623157e308);
    CHECK(refusal<double>("1.8e308") == "1.8e308 is not in the range of double");
    CHECK(refusal<double>("-1e99999999999999999999") ==
          "-1e99999999999999999999 is not in the range of double");
    CHECK(refusal<double>(std::string(400, '9')).find("is not in the range of double") != std::string::npos);
    CHECK(good<float>("16777217") == 16777216.0f);
    CHECK(good<float>("1e-60") == 0.0f);
    CHECK(refusal<float>("1e39") == "1e39 is not in the range of float");

    std::mt19937_64 random(3);
    for (int i = 0; i < 20000; ++i) {
        std::string text =
            std::to_string(random() >> (random() % 64)) + "." + std::to_string(random() >> (random() % 64));
        if (i % 2) text += "e" + std::to_string(static_cast<int>(random() % 60) - 30);
        const double expected = std::strtod(text.c_str(), nullptr);
        if (json::read<double>(text).value() != expected) FAIL(text);
    }
}

TEST_CASE("a string is what its escapes and its UTF-8 mean") {
    CHECK(good<std::string>(R"("")").empty());
    CHECK(good<std::string>(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
    CHECK(good<std::string>(R"("\u0000\u0041\u00e4\u20AC\uFFFF")") == "\0A\xC3\xA4\xE2\x82\xAC\xEF\xBF\xBF"s);
    CHECK(good<std::string>(R"("\ud83d\uDE00!")") == "\xF0\x9F\x98\x80!");
    CHECK(good<std::string>("\"\x7F\xC3\xA4\xED\x9F\xBF\xF4\x8F\xBF\xBF\"") ==
          "\x7F\xC3\xA4\xED\x9F\xBF\xF4\x8F\xBF\xBF");
    for (std::size_t length = 0; length < 40; ++length) {
        const std::string plain(length, 'x');
        CHECK(good<std::string>("\"" + plain + "\"") == plain);
        CHECK(good<std::string>("\"" + plain + "\\n" + plain + "\"") == plain + "\n" + plain);
    }
    CHECK(refusal<std::string>(R"("\x")") == "an unknown escape at byte 1");
    CHECK(refusal<std::string>(R"("\u12g4")") == "an escape without four hexadecimal digits at byte 1");
    CHECK(refusal<std::string>(R"("a\ud83d")") == "half of a surrogate pair at byte 2");
    CHECK(refusal<std::string>(R"("\ud83dx")") == "half of a surrogate pair at byte 1");
    CHECK(refusal<std::string>(R"("\ude00")") == "half of a surrogate pair at byte 1");
    CHECK(refusal<std::string>(R"("\ud83d\ud83d")") == "half of a surrogate pair at byte 1");
    CHECK(refusal<std::string>("\"abc") == "a string without an end at byte 0");
    CHECK(refusal<std::string>("\"abc\\") == "a string without an end at byte 0");
    CHECK(refusal<std::string>("\"a\nb\"") == "a control character in a string at byte 2");
    for (const char* bytes : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80",
                              "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"})
        CHECK(refusal<std::string>("\"xy" + std::string(bytes) + "\"") == "invalid UTF-8 at byte 3");
}

TEST_CASE("what nests 32 levels deep is read, and no deeper") {
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    CHECK(json::validate(nested(32)).has_value());
    CHECK(json::validate(nested(33)).error().detail() == "nested deeper than 32 levels at byte 32");
    CHECK(json::validate(std::string(1000000, '[')).error().detail() ==
          "nested deeper than 32 levels at byte 32");
    CHECK(json::validate("[" + nested(31) + "," + nested(31) + "]").has_value());

    const auto trees = [](int levels) {
        std::string text = "[]";
        for (int i = 0; i < levels; ++i) text = "[{\"branches\":" + text + "}]";
        return "{\"branches\":" + text + "}";
    };
    good<tree>(trees(15));
    CHECK(refusal<tree>(trees(16)).find("nested deeper than 32 levels") != std::string::npos);
    CHECK(json::read<sensor>("{\"x\":" + nested(31) + ",\"name\":\"\",\"value\":0}").has_value());
    CHECK(refusal<sensor>("{\"x\":" + nested(32) + ",\"name\":\"\",\"value\":0}").find("nested deeper") == 0);
}

TEST_CASE("no beginning of a text is accepted for the whole") {
    const everything expected = whole_value();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const exact part(whole.substr(0, size));
        CAPTURE(size);
        CHECK_FALSE(json::read<everything>(part).has_value());
        CHECK_FALSE(json::validate(part));
    }
    CHECK(json::validate(whole));
}

TEST_CASE("validate agrees with Boost.JSON about what is JSON") {
    boost::json::parse_options options;
    options.max_depth = json::max_depth;
    const auto agree = [&](std::string_view text) {
        const exact copy(text);
        boost::json::error_code ec;
        boost::json::parse(boost::json::string_view(text.data(), text.size()), ec, {}, options);
        const bool ours = json::validate(copy).has_value();
        if (ec == boost::json::error::exponent_overflow) return ours; // a limit of its numbers, not of JSON
        if (ours == ec.failed())
            FAIL(text << " is " << (ours ? "" : "not ") << "accepted by us; " << ec.message());
        return ours;
    };
    std::size_t accepted = 0;
    for (const char* text : {"",
                             " ",
                             "0",
                             "-",
                             "-0",
                             "00",
                             "01",
                             "-01",
                             "1.",
                             ".5",
                             "1.e1",
                             "1e",
                             "1e+",
                             "1E-0",
                             "+1",
                             "0x1",
                             "1_0",
                             "NaN",
                             "Infinity",
                             "-Infinity",
                             "tru",
                             "true",
                             "truee",
                             "nul",
                             "null",
                             "fals",
                             "false",
                             "True",
                             "{}",
                             "[]",
                             "{]",
                             "[}",
                             "[,]",
                             "[1,]",
                             "[,1]",
                             "[1 2]",
                             "{,}",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "{a:1}",
                             "{\"a\" 1}",
                             "{'a':1}",
                             "{\"a\":1 \"b\":2}",
                             "[1]]",
                             "{}{}",
                             "[]\x0c",
                             "\xEF\xBB\xBF[]",
                             "//\n1",
                             "/**/1",
                             "[1]#",
                             "\"\"",
                             "\"",
                             "'a'",
                             "\"\\\"",
                             "\"\\'\"",
                             "\"\\u\"",
                             "\"\t\"",
                             "[\"a\",\n4\n,1,",
                             "{\"a\":{\"b\":[{},[],[{}]]}}",
                             "1e999999",
                             "[-]",
                             "[- 1]",
                             "[1.0E+2]",
                             "\x01",
                             "[\x01]",
                             "{\"\":0}",
                             "{\"a\":/*b*/1}"})
        accepted += agree(text);
    CHECK(accepted == 13);
    agree("a\0b"s);
    agree("1\0"s);
    agree("\0"s);

    std::mt19937 random(7);
    const std::string alphabet = "{}[]:,\"\\ \n0123.5eE+-truefalsn\x80\xC3\xA4u\x1F/";
    std::size_t both = 0;
    for (int i = 0; i < 60000; ++i) {
        std::string text(whole);
        for (unsigned changes = static_cast<unsigned>(1 + random() % 3); changes != 0; --changes) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
            case 0:
                text[at] = alphabet[random() % alphabet.size()];
                break;
            case 1:
                text.erase(at, 1 + random() % 4);
                break;
            default:
                text.insert(at, 1, alphabet[random() % alphabet.size()]);
            }
        }
        both += agree(text);
    }
    CHECK(both > 1000);
}
