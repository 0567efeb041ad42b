// SPDX-License-Identifier: BSL-1.0
#include <portunus/json/detail/utf8.hpp>

#include "support/catch.hpp"

#include <map>
#include <string>

using namespace portunus::json::detail;

TEST_CASE("of all sequences of up to four bytes those of code points are UTF-8, each once, and no others") {
    std::map<std::size_t, std::size_t> points; // how many code points have so many bytes
    for (std::uint32_t point = 0x80; point <= 0x10FFFF; ++point) {
        if (point >= 0xD800 && point <= 0xDFFF) continue;
        std::string text;
        append_utf8(text, point);
        ++points[text.size()];
        if (utf8_length(text.data(), text.data() + text.size()) != text.size()) FAIL("code point " << point);
        if (utf8_length(text.data(), text.data() + text.size() - 1) != 0)
            FAIL("cut off: code point " << point);
    }
    CHECK(points == std::map<std::size_t, std::size_t>{{2, 1920}, {3, 61440}, {4, 1048576}});

    // As many are accepted as there are code points, so they are the same ones.
    std::map<std::size_t, std::size_t> accepted;
    char bytes[4]{};
    const auto length = [&](std::size_t size) { return utf8_length(bytes, bytes + size); };
    for (unsigned a = 0x80; a < 0x100; ++a)
        for (unsigned b = 0; b < 0x100; ++b) {
            bytes[0] = static_cast<char>(a);
            bytes[1] = static_cast<char>(b);
            accepted[2] += length(2) == 2;
            if (a < 0xE0) continue;
            for (unsigned c = 0; c < 0x100; ++c) {
                bytes[2] = static_cast<char>(c);
                accepted[3] += length(3) == 3;
                if (a < 0xF0 || b < 0x80 || b > 0xBF) continue;
                for (unsigned d = 0; d < 0x100; ++d) {
                    bytes[3] = static_cast<char>(d);
                    accepted[4] += length(4) == 4;
                }
            }
        }
    CHECK(accepted == points);
}

TEST_CASE("the first byte that is more than itself is found, whatever stands before and behind it") {
    for (unsigned byte = 0; byte < 0x100; ++byte) {
        const bool special = byte == '"' || byte == '\\' || byte < 0x20 || byte >= 0x80;
        for (std::size_t at = 0; at < 20; ++at) {
            for (const char* filler : {"x", "!", "#", "[", "]", " ", "\x7F"}) {
                std::string text;
                while (text.size() < 20) text += filler;
                text[at] = static_cast<char>(byte);
                const char* const end = text.data() + text.size();
                if (plain_end(text.data(), end) != (special ? text.data() + at : end))
                    FAIL("byte " << byte << " at " << at << " among " << filler);
                text[19] = '\n';
                if (plain_end(text.data(), end) != text.data() + (special ? at : 19))
                    FAIL("byte " << byte << " at " << at << " before a line feed");
            }
        }
    }
    CHECK(plain_end(nullptr, nullptr) == nullptr);
}
