// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/random.hpp>

#include "support/catch.hpp"

#include <array>
#include <cstddef>
#include <set>
#include <span>
#include <vector>

using portunus::random_array;
using portunus::random_bytes;

TEST_CASE("random bytes are different each time") {
    std::set<std::array<unsigned char, 16>> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random_array<16>().value());
    CHECK(seen.size() == 1000);
}

TEST_CASE("random bytes fill what they are given, to its end and not beyond") {
    std::vector<unsigned char> bytes(200'000, 0);
    REQUIRE(random_bytes(std::span(bytes).first(199'000)));
    std::size_t zeros = 0;
    for (std::size_t i = 198'000; i < 199'000; ++i) zeros += bytes[i] == 0;
    CHECK(zeros < 100); // about 4
    for (std::size_t i = 199'000; i < bytes.size(); ++i) REQUIRE(bytes[i] == 0);
    CHECK(random_bytes(std::span<unsigned char>()));
}
