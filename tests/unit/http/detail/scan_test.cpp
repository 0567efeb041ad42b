// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/detail/scan.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace scan = portunus::http::detail;

namespace {

/// Bytes in memory of exactly their size.
struct exact {
    explicit exact(const std::string& text) : size(text.size()), memory(new char[text.size()]) {
        std::copy(text.begin(), text.end(), memory.get());
    }
    const char* begin() const { return memory.get(); }
    const char* end() const { return memory.get() + size; }
    std::size_t size;
    std::unique_ptr<char[]> memory;
};

} // namespace

TEST_CASE("each of the 256 bytes ends names, values, targets and plain hosts alike in both implementations") {
    for (int byte = 0; byte != 256; ++byte) {
        for (const std::size_t before : {0u, 1u, 7u, 15u, 16u, 20u, 40u}) {
            for (const std::size_t behind : {0u, 1u, 16u, 30u}) {
                const exact text(std::string(before, 'a') + static_cast<char>(byte) +
                                 std::string(behind, 'a'));
                const char *const b = text.begin(), *const e = text.end();
                CHECK(scan::find_name_end(b, b, e) == scan::portable::find_name_end(b, e));
                CHECK(scan::find_value_end(b, b, e) == scan::portable::find_value_end(b, e));
                CHECK(scan::find_target_end(b, b, e) == scan::portable::find_target_end(b, e));
                CHECK(scan::find_plain_end(b, b, e) == scan::portable::find_plain_end(b, e));
            }
        }
    }
}

TEST_CASE("a search that begins inside finds nothing before its beginning") {
    std::mt19937 random(3);
    for (int i = 0; i != 3000; ++i) {
        std::string bytes(random() % 80, 'a');
        for (char& c : bytes)
            if (random() % 8 == 0) c = static_cast<char>(random());
        const exact text(bytes);
        const char *const b = text.begin(), *const e = text.end(),
                          *const from = b + random() % (bytes.size() + 1);
        CHECK(scan::find_name_end(b, from, e) == scan::portable::find_name_end(from, e));
        CHECK(scan::find_value_end(b, from, e) == scan::portable::find_value_end(from, e));
        CHECK(scan::find_target_end(b, from, e) == scan::portable::find_target_end(from, e));
        CHECK(scan::find_plain_end(b, from, e) == scan::portable::find_plain_end(from, e));
    }
}

TEST_CASE("value_ends finds every end of a value, one after the other, like a loop over the bytes") {
    std::mt19937 random(5);
    for (int i = 0; i != 3000; ++i) {
        std::string bytes;
        for (std::size_t lines = random() % 8; lines != 0; --lines) {
            bytes.append(random() % 90, 'v');
            if (random() % 3 == 0) bytes += "\tv";
            bytes += random() % 8 == 0 ? "\x01" : "\r\n";
        }
        bytes.append(random() % 20, 'r');
        const exact text(bytes);
        const char *const b = text.begin(), *const e = text.end();
        const char* const from = b + random() % (bytes.size() + 1);
        std::vector<std::ptrdiff_t> found, expected;
        scan::value_ends ends(b, from, e);
        for (const char* line = from;;) {
            const char* const p = ends.next(line);
            if (p == e) break;
            if (*p == '\t') {
                ends.pass();
                continue;
            }
            found.push_back(p - b);
            if (e - p >= 2 && p[0] == '\r' && p[1] == '\n') {
                ends.pass_line_end();
                line = p + 2;
            } else {
                ends.pass();
            }
        }
        for (const char* p = from; p != e;) {
            if (scan::is_of(scan::class_value, *p)) {
                ++p;
                continue;
            }
            expected.push_back(p - b);
            p += e - p >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 1;
        }
        CHECK(found == expected);
    }
}

TEST_CASE("is_name compares without regard to case") {
    CHECK(scan::is_name("Host", "host"));
    CHECK(scan::is_name("cONTENT-lENGTH", "content-length"));
    CHECK(scan::is_name("Transfer-Encoding", "transfer-encoding"));
    CHECK(scan::is_name("expecT", "expect"));
    CHECK_FALSE(scan::is_name("Most", "host"));
    CHECK_FALSE(scan::is_name("Content-Lengtk", "content-length"));
    CHECK_FALSE(scan::is_name("Transfer_Encoding", "transfer-encoding"));
}
