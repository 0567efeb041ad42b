// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/cors.hpp>

#include "unit/http/site_support.hpp"

#include <string>
#include <utility>

using namespace portunus_tests;
using http::cors_options;
using http::verb;

namespace {

http::router<http::handler> lamps() {
    http::router<http::handler> routes;
    routes.add(verb::put, "/lamp", [](http::request&) { return http::response("on"); });
    return routes;
}
constexpr const char* ours = "Origin: https://panel.example\r\n";
constexpr const char* preflight = "Origin: https://panel.example\r\nAccess-Control-Request-Method: PUT\r\n";

} // namespace

TEST_CASE("a site that is named may ask, and its preflight is answered") {
    cors_options o;
    o.origins = {"https://panel.example"};
    o.credentials = true;
    o.exposed_headers = "ETag";
    site s(lamps(), open_site(http::cors(o)));
    const auto asked = s.ask("OPTIONS /lamp", preflight);
    CHECK(asked.status == 204);
    CHECK(asked["Access-Control-Allow-Origin"] == "https://panel.example");
    CHECK(asked["Access-Control-Allow-Methods"].find("PUT") != std::string::npos);
    CHECK(asked["Access-Control-Allow-Headers"] == "Content-Type");
    CHECK(asked["Access-Control-Max-Age"] == "600");
    CHECK(asked["Access-Control-Allow-Credentials"] == "true");
    CHECK(asked["Vary"] == "Origin");
    const auto put = s.ask("PUT /lamp", ours);
    CHECK(put.body == "on");
    CHECK(put["Access-Control-Allow-Origin"] == "https://panel.example");
    CHECK(put["Access-Control-Expose-Headers"] == "ETag");
    CHECK_FALSE(put.has("Access-Control-Allow-Methods"));
}

TEST_CASE("other sites, and without options all of them, are told nothing") {
    cors_options o;
    if (GENERATE(false, true)) o.origins = {"https://panel.example"};
    site s(lamps(), open_site(http::cors(o)));
    for (const char* origin :
         {"Origin: https://panel.example.evil\r\n", "Origin: http://panel.example\r\n", "Origin: null\r\n"}) {
        const auto a = s.ask("OPTIONS /lamp", std::string(origin) + "Access-Control-Request-Method: PUT\r\n");
        CHECK(a.status == 204);
        CHECK(a.head.find("Access-Control") == std::string::npos);
        CHECK(s.ask("PUT /lamp", origin).head.find("Access-Control") == std::string::npos);
    }
    CHECK(s.ask("OPTIONS /lamp")["Allow"] == "PUT, OPTIONS");
}

TEST_CASE("everybody may be let in, but not together with credentials") {
    cors_options o;
    o.origins = {"*"};
    site s(lamps(), open_site(http::cors(o)));
    const auto a = s.ask("PUT /lamp", ours);
    CHECK(a["Access-Control-Allow-Origin"] == "*");
    CHECK_FALSE(a.has("Vary"));
    o.credentials = true;
    CHECK_THROWS_AS(http::cors(o), portunus::failure);
}
