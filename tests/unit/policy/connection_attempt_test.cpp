// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/connection_attempt.hpp>

#include "support/catch.hpp"

TEST_CASE("a default connection attempt names nobody and an unknown interface") {
    const portunus::connection_attempt attempt;
    CHECK(attempt.remote.is_unspecified());
    CHECK(attempt.port == 0);
    CHECK(attempt.local.is_unspecified());
    CHECK(attempt.local_port == 0);
    CHECK(attempt.interface.empty());
}
