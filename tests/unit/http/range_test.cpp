// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/range.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using namespace portunus::http;

namespace {

std::string told(std::string_view field, std::uint64_t size = 1000) {
    const range_request r(field, size);
    if (r.what() == range_request::kind::whole) return "whole";
    if (r.what() == range_request::kind::unsatisfiable) return "416";
    std::string text;
    for (const byte_range& one : r.ranges()) text.append("[").append(content_range(one, size)).append("]");
    return text;
}

} // namespace

TEST_CASE("ranges of bytes are cut to what there is") {
    CHECK(told("bytes=0-499") == "[bytes 0-499/1000]");
    CHECK(told("Bytes= 500-999 ") == "[bytes 500-999/1000]");
    CHECK(told("bytes=500-") == "[bytes 500-999/1000]");
    CHECK(told("bytes=-500") == "[bytes 500-999/1000]");
    CHECK(told("bytes=-5000") == "[bytes 0-999/1000]");
    CHECK(told("bytes=999-99999") == "[bytes 999-999/1000]");
    CHECK(told("bytes=0-0, 5-5 ,-1") == "[bytes 0-0/1000][bytes 5-5/1000][bytes 999-999/1000]");
    CHECK(told("bytes=0-1,2-3") == "[bytes 0-1/1000][bytes 2-3/1000]");
    CHECK(told("bytes=0-99999999999999999999999999") == "[bytes 0-999/1000]");
    CHECK(told("bytes=0-0", 18446744073709551615u) == "[bytes 0-0/18446744073709551615]");
}

TEST_CASE("ranges behind the end are left out, and without any other it is 416") {
    CHECK(told("bytes=1000-") == "416");
    CHECK(told("bytes=99999999999999999999999999-") == "416");
    CHECK(told("bytes=-0") == "416");
    CHECK(told("bytes=0-", 0) == "416");
    CHECK(told("bytes=-5", 0) == "416");
    CHECK(told("bytes=1000-,0-0") == "[bytes 0-0/1000]");
    CHECK(unsatisfied_range(1000) == "bytes */1000");
}

TEST_CASE("what is malformed, of another unit, or a flood asks for the whole") {
    for (const char* field :
         {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1-2-3", "bytes=1", "bytes=0x1-2",
          "lines=0-1", "bytes =0-1", "bytes=0-1,", "bytes=,0-1", "bytes=+1-2", "bytes=0-5,3-9",
          "bytes=5-9,0-1", "bytes=0-0,0-0", "bytes=1 -2"}) {
        INFO(field);
        CHECK(told(field) == "whole");
    }
    std::string many = "bytes=0-0";
    for (std::size_t i = 1; i != max_ranges; ++i)
        many += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
    CHECK(told(many) != "whole");
    CHECK(told(many + ",500-500") == "whole");
    CHECK(told(many + ",5000-5000") == "whole"); // those behind the end count as well
}
