// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/list_elements.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using portunus::http::list_elements;

namespace {

std::string told(std::string_view value) {
    std::string text;
    for (const std::string_view element : list_elements(value)) text.append("[").append(element).append("]");
    return text;
}

} // namespace

TEST_CASE("a list is cut at its commas, blanks and empty elements dropped") {
    CHECK(told("a") == "[a]");
    CHECK(told("a,b") == "[a][b]");
    CHECK(told(" a \t,\t b ") == "[a][b]");
    CHECK(told(",, a,,b ,") == "[a][b]");
    CHECK(told("") == "");
    CHECK(told(" , ,") == "");
    CHECK(told("a b;c=d") == "[a b;c=d]");
}

TEST_CASE("a comma inside of a quoted string separates nothing") {
    CHECK(told("a=\"b,c\",d") == "[a=\"b,c\"][d]");
    CHECK(told("\"a\\\",b\",c") == "[\"a\\\",b\"][c]");
    CHECK(told("\"a,b") == "[\"a,b]"); // never closed
    CHECK(told("\"a\\") == "[\"a\\]");
}

TEST_CASE("an element is found whatever the case of its letters") {
    CHECK(list_elements("keep-alive, Upgrade").contains("upgrade"));
    CHECK_FALSE(list_elements("keep-alive, Upgrades").contains("upgrade"));
    CHECK_FALSE(list_elements("").contains(""));
}
