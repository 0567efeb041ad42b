// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/port_range.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using portunus::errc;
using portunus::failure;
using portunus::port_range;

namespace {

std::string refusal_of(std::string_view text) {
    const auto range = port_range::parse(text);
    if (range) return "accepted as " + to_string(*range);
    CHECK(range.error() == errc::invalid_port);
    return std::string(range.error().detail());
}

template <class Make>
std::string thrown_by(Make make) {
    try {
        make();
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_port);
        return std::string(f.reason().detail());
    }
    return "nothing thrown";
}

} // namespace

TEST_CASE("a port range holds its ends and what lies between") {
    const port_range range(2000, 2005);
    CHECK(!range.contains(1999));
    CHECK(range.contains(2000));
    CHECK(range.contains(2003));
    CHECK(range.contains(2005));
    CHECK(!range.contains(2006));
    CHECK(range.size() == 6);
    CHECK(to_string(range) == "2000-2005");
    CHECK(to_string(port_range(7)) == "7");
}

TEST_CASE("a port range without a condition holds every port, also the source port 0 of a datagram") {
    const port_range any;
    CHECK(any.is_any());
    CHECK(any == port_range::any());
    CHECK(any.contains(0));
    CHECK(any.contains(65535));
    CHECK(any.size() == 65536);
    CHECK(to_string(any) == "any");
    CHECK(!port_range(1, 65535).is_any());
}

TEST_CASE("a number that is no port is never cut down to one") {
    CHECK(thrown_by([] { port_range r(65536); }) == "65536 is not a port; allowed: 0 to 65535");
    CHECK(thrown_by([] { port_range r(-1); }) == "-1 is not a port; allowed: 0 to 65535");
    CHECK(thrown_by([] { port_range r(1, 65536U); }) == "65536 is not a port; allowed: 0 to 65535");
    CHECK(thrown_by([] { port_range r(std::numeric_limits<std::uint64_t>::max()); }) ==
          "18446744073709551615 is not a port; allowed: 0 to 65535");
    CHECK(thrown_by([] { port_range r(2005, 2000); }) ==
          "2005-2000 is a reversed range: 2000-2005 was probably meant");
}

TEST_CASE("a port range is read from text") {
    struct row {
        std::string_view text;
        port_range range;
    };
    for (const auto& [text, range] :
         {row{"1", 1}, row{"65535", 65535}, row{"1000-2000", {1000, 2000}},
          row{" 1000 - 2000\t", {1000, 2000}}, row{"5-5", 5}, row{"1-65535", {1, 65535}}}) {
        CAPTURE(text);
        const auto read = port_range::parse(text);
        REQUIRE(read.has_value());
        CHECK(*read == range);
        CHECK(port_range::parse(to_string(*read)).value() == range);
    }
}

TEST_CASE("what is wrong with the text of a port range is quoted, with what is allowed") {
    const std::string allowed = "; allowed: 1 to 65535, as N or N-M";
    struct row {
        std::string_view text;
        std::string problem;
    };
    for (const auto& [text, problem] : {
             row{"", "\"\" is not a port"},
             row{"abc", "\"abc\" is not a port"},
             row{"+5", "\"+5\" is not a port"},
             row{"0x10", "\"0x10\" is not a port"},
             row{"-5", "\"-5\" is not a port and not a range"},
             row{"5-", "\"5-\" is not a port and not a range"},
             row{"-", "\"-\" is not a port and not a range"},
             row{"1-2-3", "\"1-2-3\": \"2-3\" is not a port"},
             row{"80 81", "\"80 81\" is not a port"},
             row{"0080", "\"0080\" is not a port: it begins with a zero"},
             row{"65536", "\"65536\" is above 65535"},
             row{"99999999999999999999", "\"99999999999999999999\" is above 65535"},
             row{"1-70000", "\"1-70000\": \"70000\" is above 65535"},
             row{"9-3", "\"9-3\" is a reversed range: 3-9 was probably meant"},
             row{"0", "\"0\" is not a port that a peer can have"},
             row{"0-9", "\"0-9\" is not a port that a peer can have"},
         })
        CHECK(refusal_of(text) == problem + allowed);
}

TEST_CASE("a port range from wrong text throws what parse returns") {
    CHECK(thrown_by([] { port_range r("9-3"); }) == refusal_of("9-3"));
    CHECK(port_range("1000-2000") == port_range(1000, 2000));
}
