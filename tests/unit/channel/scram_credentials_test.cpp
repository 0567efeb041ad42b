// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/scram_credentials.hpp>

#include <portunus/core/base64.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using namespace portunus;
using Catch::Matchers::Contains;

namespace {
// of the secret "pencil", computed with Python's hashlib
constexpr std::string_view stored =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
} // namespace

TEST_CASE("credentials are those that others compute, and are written as they are read") {
    const auto made =
        scram_credentials::make("pencil", 4096, base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value()).value();
    CHECK(made.to_text().view() == stored);
    const auto read = scram_credentials::parse(stored).value();
    CHECK(read.iterations == 4096);
    CHECK(read.to_text().view() == stored);
    CHECK(read.copy().to_text().view() == stored);
}

TEST_CASE("credentials that are made twice have different salts") {
    const auto one = scram_credentials::make("pencil", 4096).value(),
               two = scram_credentials::make("pencil", 4096).value();
    CHECK(one.salt.size() == 16);
    CHECK(one.salt != two.salt);
    CHECK(one.stored_key.view() != two.stored_key.view());
}

TEST_CASE("secrets and numbers that make no credentials are refused with their range, and not shown") {
    const auto said = [](std::string_view secret, std::uint32_t iterations, std::string_view salt = "salt") {
        const auto made = scram_credentials::make(secret, iterations, salt);
        REQUIRE(made.has_error());
        CHECK(made.error() == errc::invalid_option);
        CHECK(made.error().message().find("hidden") == std::string::npos);
        return made.error().message();
    };
    CHECK_THAT(said("", 4096), Contains("this one has 0 bytes"));
    CHECK_THAT(said("hidden\n", 4096), Contains("this one has 7 bytes"));
    CHECK_THAT(said(std::string(1025, 'x'), 4096), Contains("1025"));
    CHECK_THAT(said("\xFF", 4096), Contains("UTF-8"));
    CHECK_THAT(said("hidden", 4095), Contains("4095 iterations; it may be 4096 to 10000000"));
    CHECK_THAT(said("hidden", 10'000'001), Contains("10000001"));
    CHECK_THAT(said("hidden", 4096, ""), Contains("salt"));
}

TEST_CASE("no part of credentials reads as credentials, nor what has more") {
    for (std::size_t i = 0; i < stored.size(); ++i)
        CHECK_FALSE(scram_credentials::parse(stored.substr(0, i)).has_value());
    const auto refused = [](std::string text) {
        const auto read = scram_credentials::parse(text);
        return !read && read.error() == errc::invalid_option &&
               read.error().message().find("WG5d8oPm") == std::string::npos;
    };
    std::string text(stored);
    CHECK(refused(text + "A"));
    CHECK(refused(text + ":"));
    CHECK(refused("x" + text));
    for (const char* iterations : {"4095", "10000001", "-4096", "+4096", "0x1000", "", " 4096"}) {
        CAPTURE(iterations);
        CHECK(refused("SCRAM-SHA-256$" + std::string(iterations) + text.substr(18)));
    }
    CHECK(text.substr(18).front() == ':');
}
