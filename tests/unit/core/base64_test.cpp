// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/base64.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using portunus::base64_decode;
using portunus::base64_encode;
using portunus::errc;

TEST_CASE("base64 is that of RFC 4648, both ways") {
    struct row {
        std::string_view bytes, text;
    };
    const row r = GENERATE_COPY(row{"", ""}, row{"f", "Zg=="}, row{"fo", "Zm8="}, row{"foo", "Zm9v"},
                                row{"foob", "Zm9vYg=="}, row{"fooba", "Zm9vYmE="}, row{"foobar", "Zm9vYmFy"},
                                row{"\xFB\xFF\xBE", "+/++"}, row{"n,,", "biws"});
    CHECK(base64_encode(r.bytes) == r.text);
    CHECK(base64_decode(r.text).value() == r.bytes);
}

TEST_CASE("every byte comes back from base64, at each of the three places") {
    for (int byte = 0; byte < 256; ++byte)
        for (std::size_t before = 0; before < 3; ++before) {
            const std::string bytes = std::string(before, 'x') + static_cast<char>(byte);
            REQUIRE(base64_decode(base64_encode(bytes)).value() == bytes);
        }
}

TEST_CASE("base64 that another text would say as well, or that says nothing, is refused with its place") {
    struct row {
        std::string_view text, why;
    };
    const row r = GENERATE_COPY(
        row{"Zg=", "there are 3"}, row{"Zg", "there are 2"}, row{"Z", "there are 1"},
        row{"Zh==", "bits behind the last byte at 1"}, row{"Zm9=", "bits behind the last byte at 2"},
        row{"Zg==Zg==", "none of it at 2"}, row{"Z===", "none of it at 1"}, row{"====", "none of it at 0"},
        row{"Zm9v\nZg=", "none of it at 4"}, row{"Zm 9", "none of it at 2"}, row{"Zm-_", "none of it at 2"},
        row{std::string_view("Zm\0v", 4), "none of it at 2"}, row{"Zm\xC3\xA4", "none of it at 2"});
    CAPTURE(r.text);
    const auto read = base64_decode(r.text);
    REQUIRE_FALSE(read);
    CHECK(read.error() == errc::malformed_data);
    CHECK_THAT(read.error().message(), Catch::Matchers::Contains(std::string(r.why)));
    CHECK(read.error().message().find(r.text) == std::string::npos);
}
