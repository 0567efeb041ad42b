// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/detail/scan.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>

using namespace portunus::detail;
using framing_test::random_bytes;

namespace {

std::size_t offset(const char* hit, const char* begin) {
    return static_cast<std::size_t>(hit - begin);
}

/// Calls `check(begin, from, end)` with random bytes in memory of exactly their size.
template <class Check>
void with_random_ranges(std::string_view alphabet, std::size_t most, Check check) {
    std::mt19937 random(7);
    for (int i = 0; i < 4000; ++i) {
        const std::string bytes = random_bytes(random, most, alphabet);
        const std::unique_ptr<char[]> exact(new char[bytes.size()]);
        std::copy(bytes.begin(), bytes.end(), exact.get());
        check(exact.get(), exact.get() + random() % (bytes.size() + 1), exact.get() + bytes.size());
    }
}

} // namespace

TEST_CASE("a search for either of two bytes finds the first, or the end") {
    for (const std::string_view alphabet :
         {"ab", "axyzuvwrst", "axyzuvwrstlmnopqxyzuvwrstlmnopqxyzuvwrstlmnopq\xff\x80"})
        with_random_ranges(alphabet, 90, [](const char* begin, const char* from, const char* end) {
            const char* naive = from;
            while (naive != end && *naive != 'a' && *naive != 'b') ++naive;
            REQUIRE(offset(find_either(begin, from, end, 'a', 'b'), begin) == offset(naive, begin));
            REQUIRE(offset(portable::find_either(from, end, 'a', 'b'), begin) == offset(naive, begin));
        });
}

TEST_CASE("a search for one byte finds the first, or the end") {
    for (const char wanted : {'a', '\0', '\x80', '\xff'})
        with_random_ranges(std::string(40, 'x') + wanted, 150,
                           [&](const char* begin, const char* from, const char* end) {
                               REQUIRE(offset(find_byte(from, end, wanted), begin) ==
                                       offset(std::find(from, end, wanted), begin));
                           });
}

TEST_CASE("a search for a pattern finds its first place, or the end") {
    for (const std::string_view pattern :
         {"ab", "aa", "aba", "abab", "aaaaaaaaaaaaaaaaaaaaa", "abaababaabaababaababaabaababaaba"})
        for (const std::string_view alphabet : {"ab", "aaaaaaaaaab", "abx"})
            with_random_ranges(alphabet, 90, [&](const char* begin, const char* from, const char* end) {
                const char* const naive = std::search(from, end, pattern.begin(), pattern.end());
                REQUIRE(offset(find_pattern(begin, from, end, pattern), begin) == offset(naive, begin));
                REQUIRE(offset(portable::find_pattern(from, end, pattern), begin) == offset(naive, begin));
            });
}

TEST_CASE(
    "a checked copy copies all, and tells whether one of two bytes was there, at each length and place") {
    for (std::size_t size = 0; size < 70; ++size)
        for (std::size_t at = 0; at <= size; ++at)
            for (const char bad : {'\r', '\n'}) {
                const std::unique_ptr<char[]> in(new char[size]), out(new char[size]),
                    portable_out(new char[size]);
                for (std::size_t i = 0; i < size; ++i) in[i] = i == at ? bad : static_cast<char>(i + 14);
                REQUIRE(copy_without(in.get(), size, out.get(), '\r', '\n') == (at == size));
                REQUIRE(portable::copy_without(in.get(), size, portable_out.get(), '\r', '\n') ==
                        (at == size));
                REQUIRE(copy_without(in.get(), size, out.get(), '\n') == (at == size || bad != '\n'));
                REQUIRE(std::string_view(out.get(), size) == std::string_view(in.get(), size));
                REQUIRE(std::string_view(portable_out.get(), size) == std::string_view(in.get(), size));
            }
}
