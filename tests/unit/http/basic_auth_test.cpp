// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/basic_auth.hpp>

#include "unit/http/site_support.hpp"

#include <string>
#include <string_view>

using namespace portunus_tests;
using http::basic_credentials;
using http::same_secret;

TEST_CASE("name and password are read strictly") {
    const auto read = [](std::string_view value) {
        const auto c = basic_credentials::parse(value);
        return c ? c->user + "|" + c->password : std::string("(none)");
    };
    CHECK(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == "Aladdin|open sesame");
    CHECK(read("basic  dGVzdDoxMjPCow==") == "test|123\xc2\xa3");
    CHECK(read("Basic YTpiOmM=") == "a|b:c");
    CHECK(read("Basic Og==") == "|");
    for (const std::string_view bad :
         {"", "Basic", "Basic ", "Bearer Og==", "Basic YWJj", "Basic Og=", "Basic Og",
          "Basic O===", "Basic =", "Basic Oh==", "Basic Og==Og==", "Basic Og==\n",
          "Basic O g=", "Basic OgA=", "Basic OgoK"})
        CHECK(read(bad) == "(none)");
}

TEST_CASE("secrets are the same only when all their bytes are") {
    CHECK(same_secret("", ""));
    CHECK(same_secret("abc", "abc"));
    CHECK_FALSE(same_secret("abd", "abc"));
    CHECK_FALSE(same_secret("abcabc", "abc"));
    CHECK_FALSE(same_secret("ab", "abc"));
    CHECK_FALSE(same_secret("", "abc"));
    CHECK_FALSE(same_secret("abc", ""));
    CHECK_FALSE(same_secret(std::string_view("\0", 1), ""));
}

TEST_CASE(
    "who does not know the password is answered with 401 and the realm, and never reaches the handler") {
    int reached = 0;
    site s(http::wrap(http::handler([&](http::request&) {
                          ++reached;
                          return http::response("in");
                      }),
                      http::require_basic_auth("lamps", [](std::string_view user, std::string_view password) {
                          return same_secret(user, "a") & same_secret(password, "b");
                      })));
    for (const std::string_view fields : {"", "Authorization: Basic YTpj\r\n", "Authorization: Basic !\r\n",
                                          "Authorization: Bearer YTpi\r\n"}) {
        const auto a = s.ask("GET /", fields);
        CHECK(a.status == 401);
        CHECK(a["WWW-Authenticate"] == "Basic realm=\"lamps\", charset=\"UTF-8\"");
    }
    CHECK(reached == 0);
    CHECK(s.ask("GET /", "Authorization: Basic YTpi\r\n").body == "in");
    CHECK_THROWS_AS(http::require_basic_auth("a\"b", nullptr), portunus::failure);
}
