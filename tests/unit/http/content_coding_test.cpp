// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/content_coding.hpp>

#include "support/catch.hpp"

#include <string_view>

using portunus::http::content_codings;

TEST_CASE("what a client takes is what its Accept-Encoding says") {
    struct row {
        std::string_view field;
        bool gzip, identity, prefers_gzip;
    };
    const auto r = GENERATE(values<row>({
        {"", false, true, false},
        {"gzip", true, true, true},
        {"GZIP, br", true, true, true},
        {"x-gzip", true, true, true},
        {"br, zstd", false, true, false},
        {"gzip;q=0", false, true, false},
        {"gzip;q=0.001", true, true, true},
        {"gzip ; q=0.5 , identity;q=0.5", true, true, true},
        {"gzip;q=0.2, identity", true, true, false},
        {"*", true, true, true},
        {"*;q=0", false, false, false},
        {"*;q=0, gzip", true, false, true},
        {"*;q=0, identity;q=0.1", false, true, false},
        {"*;q=0.5, gzip;q=0", false, true, false},
        {"*;q=0.1, identity", true, true, false},
        {"identity;q=0", false, false, false},
        {"identity;q=0, gzip;q=1.0", true, false, true},
        {"gzip;q=2", false, true, false},
        {"gzip;q=", false, true, false},
        {"gzip, (", false, true, false},
        {"gzip;q=0.1234", false, true, false},
        {", ,gzip,", true, true, true},
    }));
    const content_codings c(r.field);
    INFO(r.field);
    CHECK(c.takes_gzip() == r.gzip);
    CHECK(c.takes_identity() == r.identity);
    CHECK(c.prefers_gzip() == r.prefers_gzip);
}

TEST_CASE("several Accept-Encoding fields are one") {
    constexpr std::string_view base = "Accept-EncodinggzipAcceptaccept-encodingidentity;q=0";
    const portunus::http::field_slot slots[] = {{0, 15, 15, 4}, {19, 6, 15, 4}, {25, 15, 40, 12}};
    const content_codings both(portunus::http::field_list(base.data(), slots, 3));
    CHECK(both.takes_gzip());
    CHECK_FALSE(both.takes_identity());
    CHECK_FALSE(content_codings(portunus::http::field_list()).takes_gzip());
}
