// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/constant_time.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using portunus::equal_in_constant_time;

TEST_CASE("texts are equal when every byte is, and only then") {
    const std::string text(40, '\0');
    CHECK(equal_in_constant_time(text, text));
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string other = text;
        other[i] = 1;
        CHECK_FALSE(equal_in_constant_time(text, other));
        CHECK_FALSE(equal_in_constant_time(std::string_view(text).substr(0, i), text));
    }
    CHECK(equal_in_constant_time({}, ""));
}
