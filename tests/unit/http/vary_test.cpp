// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/vary.hpp>

#include "support/catch.hpp"

using portunus::http::add_vary;
using portunus::http::response;

TEST_CASE("names are joined in one Vary, each once, and nothing is added to a star") {
    response r("x");
    add_vary(r, "Origin");
    add_vary(r, "Accept-Encoding");
    add_vary(r, "origin");
    CHECK(r.fields() == "Vary: Origin, Accept-Encoding\r\n");
    response star("x");
    star.add("Vary", "*");
    add_vary(star, "Origin");
    CHECK(star.fields() == "Vary: *\r\n");
}
