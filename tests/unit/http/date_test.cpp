// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/date.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <random>
#include <string>
#include <string_view>

using namespace portunus::http;

namespace {

http_time at(long long seconds) {
    return http_time(std::chrono::seconds(seconds));
}
const http_time now = at(1'767'225'600); // 2026-01-01

long long read(std::string_view text) {
    const auto t = parse_http_date(text, now);
    return t ? t->time_since_epoch().count() : -1;
}

} // namespace

TEST_CASE("a time is written as IMF-fixdate") {
    CHECK(http_date(at(784111777)).text() == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(http_date(at(0)).text() == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(http_date(at(-1)).text() == "Wed, 31 Dec 1969 23:59:59 GMT");
    CHECK(http_date(at(1709164799)).text() == "Wed, 28 Feb 2024 23:59:59 GMT");
    CHECK(http_date(at(1709164800)).text() == "Thu, 29 Feb 2024 00:00:00 GMT");
    CHECK(http_date(at(253402300799)).text() == "Fri, 31 Dec 9999 23:59:59 GMT");
    CHECK(http_date(at(253402300800)).text() == "Fri, 31 Dec 9999 23:59:59 GMT");
    CHECK(http_date(at(-99999999999999)).text() == "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST_CASE("the three forms of a date are read") {
    CHECK(read("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
    CHECK(read("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
    CHECK(read("Sun Nov  6 08:49:37 1994") == 784111777);
    CHECK(read("Wed Nov 16 08:49:37 1994") == 784975777);
    // Two digits: not more than 50 years ahead.
    CHECK(read("Saturday, 01-Jan-77 00:00:00 GMT") == 220924800);
    CHECK(read("Wednesday, 01-Jan-76 00:00:00 GMT") == 3345062400);
    CHECK(read("Thu, 29 Feb 2024 00:00:00 GMT") == 1709164800);
    CHECK(read("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228800); // a leap second
}

TEST_CASE("what is no date is told apart") {
    for (const char* bad : {"",
                            "Sun",
                            "Mon, 06 Nov 1994 08:49:37 GMT",
                            "Sun, 6 Nov 1994 08:49:37 GMT",
                            "Sun, 06 nov 1994 08:49:37 GMT",
                            "sun, 06 Nov 1994 08:49:37 GMT",
                            "Sun, 06 Nov 1994 08:49:37 UTC",
                            "Sun, 06 Nov 1994 08:49:37",
                            "Sun, 06 Nov 1994 08:49:37 GMT ",
                            "Sun, 06 Nov 1994 24:00:00 GMT",
                            "Sun, 06 Nov 1994 08:60:37 GMT",
                            "Sun, 06 Nov 1994 08:49:61 GMT",
                            "Wed, 30 Feb 2024 00:00:00 GMT",
                            "Wed, 29 Feb 2023 00:00:00 GMT",
                            "Sun, 00 Nov 1994 08:49:37 GMT",
                            "Sun, 06 anF 1994 08:49:37 GMT",
                            "Sun, 06 Nov 94 08:49:37 GMT",
                            "Sun, 06-Nov-94 08:49:37 GMT",
                            "Sunday, 06-Nov-1994 08:49:37 GMT",
                            "Sund, 06-Nov-94 08:49:37 GMT",
                            "Sun Nov 6 08:49:37 1994",
                            "Sun Nov 06 08:49:37 94",
                            "Sun Nov  6 08:49:37 1994 GMT",
                            "784111777",
                            ", 06 Nov 1994 08:49:37 GMT"}) {
        INFO(bad);
        CHECK(read(bad) == -1);
    }
}

TEST_CASE("what is written is read back as the same time") {
    std::mt19937_64 random(23);
    for (int i = 0; i != 2000; ++i) {
        const auto seconds = static_cast<long long>(random() % 253402300800u);
        CHECK(read(http_date(at(seconds)).text()) == seconds);
    }
}
