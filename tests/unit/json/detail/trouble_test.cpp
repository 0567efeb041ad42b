// SPDX-License-Identifier: BSL-1.0
#include <portunus/json/detail/trouble.hpp>

#include "support/catch.hpp"

using namespace portunus;
using namespace portunus::json::detail;

TEST_CASE("a path is put together from the inside out") {
    trouble t;
    CHECK_FALSE(t.any());
    CHECK_FALSE(t.is("the reason"));
    CHECK_FALSE(t.in_member("value"));
    CHECK_FALSE(t.in_element(3));
    CHECK_FALSE(t.in_member("sensors"));
    CHECK_FALSE(t.in_key("a.b\n"));
    CHECK_FALSE(t.in_element(0));
    CHECK_FALSE(t.in_member("rooms"));
    CHECK(t.any());
    CHECK(t.as(errc::malformed_data) ==
          error(errc::malformed_data, R"(rooms[0]["a.b\x0a"].sensors[3].value: the reason)"));
}

TEST_CASE("the first reason counts") {
    trouble t;
    t.is("first");
    t.is("second");
    CHECK(t.as(errc::malformed_data).detail() == "first");
}

TEST_CASE("text of a peer cannot harm a log") {
    CHECK(shown("abc") == "\"abc\"");
    CHECK(shown("\x1B[2J\r\n\xFF") == R"("\x1b[2J\x0d\x0a\xff")");
    CHECK(shown(std::string(1000, 'x')) == "\"" + std::string(40, 'x') + "\"... (1000 bytes)");
}
