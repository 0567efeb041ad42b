// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/fuse.hpp>

#include "support/catch.hpp"

#include <sstream>

using namespace portunus;
using namespace portunus::testing;

TEST_CASE("a fuse fails just the operation that it was made for") {
    fuse f(3);
    CHECK(!f.operation("read"));
    CHECK(!f.operation("write"));
    CHECK(!f.blown());
    const auto failed = f.operation("read");
    REQUIRE(failed);
    CHECK(*failed == boost::system::errc::connection_reset);
    CHECK(f.blown());
    CHECK(f.failed_operation() == "read");
    CHECK(!f.operation("read"));
    CHECK(f.blown());
    CHECK(f.operations() == 4);
    std::ostringstream text;
    text << f;
    CHECK(text.str() == "operation 3 (read) fails");
}

TEST_CASE("a fuse without a number only counts") {
    fuse f;
    for (int i = 0; i < 5; ++i) CHECK(!f.operation("x"));
    CHECK(!f.blown());
    CHECK(f.operations() == 5);
}

TEST_CASE("copies are the same fuse, and the error can be chosen") {
    fuse f(2, errc::idle_timeout);
    fuse same = f;
    CHECK(!f.operation("x"));
    const auto failed = same.operation("y");
    REQUIRE(failed);
    CHECK(*failed == errc::idle_timeout);
    CHECK(f.blown());
}

TEST_CASE("for_each_failure fails each operation once and ends with a round without a failure") {
    std::vector<std::size_t> failed_at;
    const std::size_t rounds = for_each_failure([&](fuse& f) {
        for (std::size_t i = 1; i <= 4; ++i)
            if (f.operation("step")) {
                failed_at.push_back(i);
                return;
            }
        failed_at.push_back(0);
    });
    CHECK(rounds == 4);
    CHECK(failed_at == std::vector<std::size_t>{1, 2, 3, 4, 0});
}

TEST_CASE("for_each_failure goes as far as the operations that the failures themselves bring") {
    // Every failure is answered by one more try, up to three.
    const std::size_t rounds = for_each_failure([](fuse& f) {
        int tries = 0;
        while (tries < 3 && f.operation("try")) ++tries;
        if (tries != 0) (void)f.operation("clean up");
    });
    CHECK(rounds == 1);
}

TEST_CASE("for_each_failure passes exceptions on, and says in its own which operation had failed") {
    CHECK_THROWS_AS(for_each_failure([](fuse&) { throw 7; }), int);
    try {
        for_each_failure([](fuse& f) {
            (void)f.operation("connect");
            if (f.operation("read")) throw test_failure("bad");
        });
        FAIL("nothing was thrown");
    } catch (const test_failure& e) {
        CHECK(std::string(e.what()) == "with a fuse for operation 2 (read, blown): bad");
    }
}

TEST_CASE("for_each_failure notices a fuse that nobody asks, and a body that always asks once more") {
    CHECK_THROWS_AS(for_each_failure([](fuse&) {}), test_failure);
    CHECK_THROWS_AS(for_each_failure(
                        [](fuse& f) {
                            while (!f.blown()) (void)f.operation("again");
                        },
                        20),
                    test_failure);
}
