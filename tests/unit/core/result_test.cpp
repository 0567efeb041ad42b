// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/result.hpp>

#include "support/catch.hpp"

#include <boost/asio/error.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using portunus::errc;
using portunus::error;
using portunus::failure;
using portunus::result;

namespace {

result<int> half(int n) {
    if (n % 2 != 0) return error(errc::invalid_option, std::to_string(n) + " is odd");
    return n / 2;
}

} // namespace

TEST_CASE("a result holds the value or the error") {
    const auto good = half(8);
    REQUIRE(good);
    CHECK(*good == 4);
    CHECK(good.value() == 4);
    const auto bad = half(7);
    REQUIRE_FALSE(bad);
    CHECK(bad.error() == errc::invalid_option);
    CHECK(bad.error().detail() == "7 is odd");
}

TEST_CASE("the error of a successful result is an empty one") {
    const auto good = half(8);
    CHECK_FALSE(good.error().code().failed());
    CHECK(good.error().detail().empty());
    const result<void> nothing;
    CHECK(nothing.has_value());
    CHECK_FALSE(nothing.error().code().failed());
}

TEST_CASE("asking for the value of a failed result throws a failure with that very error") {
    try {
        (void)half(7).value();
        FAIL("nothing was thrown");
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_option);
        CHECK(f.reason().detail() == "7 is odd");
        CHECK(std::string(f.what()) == "invalid option: 7 is odd");
    }
    const result<void> nothing = error(errc::canceled);
    CHECK_THROWS_AS(nothing.value(), failure);
}

TEST_CASE("an errc, a code of the system and an error all make a failed result") {
    const result<int> from_errc = errc::queue_full;
    CHECK(from_errc.error() == errc::queue_full);
    const result<int> from_code = boost::system::error_code(boost::asio::error::connection_reset);
    CHECK(from_code.error() == boost::system::errc::connection_reset);
    const result<void> from_error = error(errc::denied, "why");
    CHECK(from_error.error().detail() == "why");
}

TEST_CASE("a result of something that can only be moved gives it away") {
    result<std::unique_ptr<int>> r = std::make_unique<int>(7);
    static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>>>);
    const std::unique_ptr<int> mine = std::move(r).value();
    CHECK(*mine == 7);
}
