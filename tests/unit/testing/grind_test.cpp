// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/grind.hpp>

#include "support/catch.hpp"

#include <map>
#include <set>

using namespace portunus::testing;
using Catch::Matchers::Contains;
using pieces = std::span<const std::string_view>;

namespace {

std::string joined(pieces all) {
    std::string text;
    for (const std::string_view piece : all) text += piece;
    return text;
}

} // namespace

TEST_CASE(
    "grind gives all the bytes in order, whole, byte by byte, and cut at every point and pair of points") {
    std::set<std::vector<std::size_t>> ways;
    const std::string result = grind("abcdef", [&](pieces all) {
        std::vector<std::size_t> sizes;
        for (const std::string_view piece : all) {
            CHECK(!piece.empty());
            sizes.push_back(piece.size());
        }
        CHECK(ways.insert(sizes).second); // no way twice
        return joined(all);
    });
    CHECK(result == "abcdef");
    CHECK(ways.size() == 1 + 1 + 5 + 10);
    CHECK(ways.count({6}) == 1);
    CHECK(ways.count({1, 1, 1, 1, 1, 1}) == 1);
    CHECK(ways.count({2, 3, 1}) == 1);
}

TEST_CASE("grind leaves the pairs out for long inputs") {
    std::size_t calls = 0;
    grind(std::string(100, 'x'), [&](pieces) { ++calls; });
    CHECK(calls == 1 + 1 + 99);
    calls = 0;
    grind(std::string(100, 'x'), [&](pieces) { ++calls; }, {.pairs_up_to = 100});
    CHECK(calls == 1 + 1 + 99 + 99 * 98 / 2);
}

TEST_CASE("grind takes inputs of no, one and two bytes") {
    CHECK(grind("", &joined).empty());
    CHECK(grind("a", &joined) == "a");
    std::size_t calls = 0;
    grind("ab", [&](pieces) { ++calls; });
    CHECK(calls == 2);
}

TEST_CASE("grind names the first cut that makes a difference, and both results") {
    const auto longest = [](pieces all) {
        std::size_t most = 0;
        for (const std::string_view piece : all) most = std::max(most, piece.size());
        return most < 3 ? most : 3; // only pieces below three bytes show
    };
    try {
        grind("abc\n", longest, {.pairs_up_to = 0});
        FAIL("no difference was seen");
    } catch (const test_failure& e) {
        CHECK(std::string(e.what()) ==
              R"("abc\n" gives 3 when it comes whole, and 1 when it comes byte by byte)");
    }
    try {
        grind("ab", [](pieces all) { return all.size(); });
        FAIL("no difference was seen");
    } catch (const test_failure& e) {
        CHECK_THAT(e.what(), Contains("cut at 1 of 2"));
    }
}
