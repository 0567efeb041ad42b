// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/admission_options.hpp>

#include "support/catch.hpp"

TEST_CASE("the default admission options bound the total and no single address") {
    const portunus::admission_options options;
    CHECK(options.max_connections == 10'000);
    CHECK(options.max_per_address == 0);
    CHECK(options.rate == 0);
    CHECK(options.v6_prefix == 64);
    CHECK(options.full == portunus::when_full::wait);
    CHECK(options.refuse_with == portunus::refusal::reset);
}
