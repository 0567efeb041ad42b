// SPDX-License-Identifier: BSL-1.0
#include <portunus/json/raw.hpp>

#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

using namespace portunus;

TEST_CASE("a raw value is kept byte for byte, without what stands around it") {
    const auto all = json::read<std::vector<json::raw>>(R"([ {"a" : 1.50 } ,"\u0041", [ ] ,null ])");
    REQUIRE(all.has_value());
    CHECK(*all == std::vector<json::raw>{{R"({"a" : 1.50 })"}, {R"("\u0041")"}, {"[ ]"}, {"null"}});
    CHECK(json::to_text(*all).value() == R"([{"a" : 1.50 },"\u0041",[ ],null])");
}

TEST_CASE("a raw value that is nothing yet is null") {
    CHECK(json::to_text(json::raw()).value() == "null");
}

TEST_CASE("a raw value is validated when it is read, and counts in the depth") {
    CHECK(json::read<json::raw>("[1,]").error() == errc::malformed_data);
    const std::string deep = std::string(32, '[') + std::string(32, ']');
    CHECK(json::read<json::raw>(deep).has_value());
    CHECK(json::read<std::vector<json::raw>>("[" + deep + "]").has_error());
}
