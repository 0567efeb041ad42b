// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/detail/utf8.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using portunus::http::detail::is_utf8;
using portunus::http::detail::utf8_check;

namespace {

std::string encoded(std::uint32_t c) {
    const auto byte = [](std::uint32_t n) { return static_cast<char>(static_cast<unsigned char>(n)); };
    if (c < 0x80) return {byte(c)};
    if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 63))};
    if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
    return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)),
            byte(0x80 | (c & 63))};
}

} // namespace

TEST_CASE("every character is UTF-8, and no surrogate is") {
    for (std::uint32_t c = 0; c != 0x110000; ++c)
        if (is_utf8(encoded(c)) != (c < 0xd800 || c > 0xdfff)) FAIL("U+" << std::hex << c);
    for (std::uint32_t c = 0x110000; c < 0x200000; c += 0x101)
        if (is_utf8(encoded(c))) FAIL("above U+10FFFF: " << std::hex << c);
}

TEST_CASE("overlong forms, lonely bytes and cut characters are no UTF-8") {
    for (const std::string_view bad : {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\x80",
                                       "\xbf", "\xfe", "\xff", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82",
                                       "\xf0\x9f\x98", "\xc3\xc3", "abcdefgh\x80", "abcdefghi\xc3("})
        CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("UTF-8 may come in pieces that cut characters, and a failure stays") {
    const std::string text = "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 and more plain text";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        utf8_check check;
        CHECK(check.feed(std::string_view(text).substr(0, cut)));
        CHECK(check.feed(std::string_view(text).substr(cut)));
        CHECK(check.complete());
    }
    utf8_check check;
    CHECK_FALSE(check.feed("\x80"));
    CHECK_FALSE(check.feed("a"));
    CHECK_FALSE(check.feed(""));
    CHECK_FALSE(check.complete());
}
