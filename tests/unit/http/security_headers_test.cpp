// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/security_headers.hpp>

#include "unit/http/site_support.hpp"

#include <string>

using namespace portunus_tests;

TEST_CASE("every answer tells browsers to be careful, and what a handler says itself goes first") {
    site s(
        [](http::request& r) {
            http::response a("x");
            if (r.path() == "/own") a.add("content-security-policy", "default-src 'none'");
            return a;
        },
        open_site(http::security_headers()));
    const auto a = s.ask("GET /");
    CHECK(a["X-Content-Type-Options"] == "nosniff");
    CHECK(a["Content-Security-Policy"].find("frame-ancestors 'none'") != std::string::npos);
    CHECK(a["Referrer-Policy"] == "same-origin");
    CHECK_FALSE(a.has("Strict-Transport-Security"));
    const auto own = s.ask("GET /own");
    CHECK(own["content-security-policy"] == "default-src 'none'");
    CHECK_FALSE(own.has("Content-Security-Policy"));
}
