// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/test_failure.hpp>

#include "support/catch.hpp"

using namespace portunus::testing;

TEST_CASE("printable shows each byte as a C++ literal does") {
    CHECK(printable("") == R"("")");
    CHECK(printable("a line\r\n") == R"("a line\r\n")");
    CHECK(printable("say \"x\\y\"") == R"("say \"x\\y\"")");
    CHECK(printable(std::string_view("\0\x7f\xff", 3)) == R"("\x00\x7f\xff")");
}

TEST_CASE("printable cuts what is long and says how long it is") {
    CHECK(printable(std::string(80, 'a')) == '"' + std::string(80, 'a') + '"');
    CHECK(printable("abcdef", 3) == R"("abc"... (6 bytes))");
}
