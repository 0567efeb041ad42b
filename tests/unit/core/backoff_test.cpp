// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/backoff.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using portunus::backoff;
using portunus::backoff_options;
using portunus::errc;
using portunus::failure;
using portunus::jitter;

namespace {

const backoff::time_point start{1000h};

std::string refusal_of(const backoff_options& options) {
    try {
        const backoff pause(options, 1);
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_option);
        return std::string(f.reason().detail());
    }
    return "nothing thrown";
}

backoff_options plain(std::chrono::milliseconds first, std::chrono::milliseconds cap, double factor = 2.0) {
    return {.first = first, .cap = cap, .factor = factor, .spread = jitter::none, .stable = 10s};
}

} // namespace

TEST_CASE("without jitter the delays grow by the factor up to the cap") {
    struct row {
        backoff_options options;
        std::vector<backoff::duration> delays;
    };
    for (const auto& [options, delays] : {
             row{plain(5ms, 1s), {5ms, 10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1s, 1s}},
             row{plain(100ms, 300ms), {100ms, 200ms, 300ms, 300ms}},
             row{plain(100ms, 100ms), {100ms, 100ms}},
             row{plain(100ms, 1s, 1.0), {100ms, 100ms, 100ms}},
             row{plain(1ms, 10ms, 1.5), {1ms, 1500us, 2250us, 3375us}},
             row{plain(1ms, 24h, 100.0), {1ms, 100ms, 10s, 1000s, 24h, 24h}},
         }) {
        backoff pause(options, 1);
        for (const auto expected : delays) CHECK(pause.failed(start) == expected);
    }
}

TEST_CASE("full jitter chooses between almost nothing and the ceiling, equal jitter from its half") {
    struct row {
        jitter kind;
        std::uint64_t bits;
        backoff::duration delay;
    };
    for (const auto& [kind, bits, delay] : {
             row{jitter::full, 0, 1ns},
             row{jitter::full, 499'999, 500us},
             row{jitter::full, 999'999, 1ms},
             row{jitter::full, 1'000'000, 1ns},
             row{jitter::equal, 0, 500'001ns},
             row{jitter::equal, 499'999, 1ms},
             row{jitter::equal, 500'000, 500'001ns},
             row{jitter::none, 0, 1ms},
             row{jitter::none, 12345, 1ms},
         })
        CHECK(backoff::spread(1ms, kind, bits) == delay);
    CHECK(backoff::spread(0ns, jitter::full, 77) == 0ns);
    CHECK(backoff::spread(1ns, jitter::equal, 77) == 1ns);
}

TEST_CASE("delays keep within their bounds for any random bits") {
    for (const jitter kind : {jitter::full, jitter::equal, jitter::none}) {
        backoff_options options = plain(20ms, 2s);
        options.spread = kind;
        backoff pause(options, 42);
        backoff::duration longest{};
        backoff::duration shortest = 1h;
        for (int i = 0; i < 2000; ++i) {
            const auto ceiling = pause.ceiling();
            const auto delay = pause.failed(start);
            REQUIRE(delay > 0ns);
            REQUIRE(delay <= ceiling);
            if (kind == jitter::equal) REQUIRE(delay > ceiling / 2);
            if (i < 10) continue; // the ceiling has reached the cap
            longest = std::max(longest, delay);
            shortest = std::min(shortest, delay);
        }
        // chance is used: two thousand delays come near both ends
        CHECK(longest > 1950ms);
        if (kind == jitter::full) CHECK(shortest < 50ms);
        if (kind == jitter::equal) CHECK(shortest < 1050ms);
    }
}

TEST_CASE("equal seeds give equal delays, and different seeds different ones") {
    const backoff_options options;
    backoff a(options, 7);
    backoff b(options, 7);
    backoff c(options, 8);
    int same = 0;
    for (int i = 0; i < 20; ++i) {
        const auto delay = a.failed(start);
        CHECK(delay == b.failed(start));
        same += delay == c.failed(start) ? 1 : 0;
    }
    CHECK(same < 3);
}

TEST_CASE("two backoffs seeded by the system do not wait alike") {
    backoff a;
    backoff b;
    int same = 0;
    for (int i = 0; i < 20; ++i) same += a.failed(start) == b.failed(start) ? 1 : 0;
    CHECK(same < 3);
}

TEST_CASE("a connection that was lost too soon lets the delays grow on") {
    backoff pause(plain(100ms, 60s), 1);
    CHECK(pause.failed(start) == 100ms);
    pause.succeeded(start + 1s);
    CHECK(pause.failed(start + 1s + 9'999ms) == 200ms);
    pause.succeeded(start + 20s);
    CHECK(pause.failed(start + 20s) == 400ms);
    CHECK(pause.attempts() == 3);
}

TEST_CASE("the loss of a connection that was stable begins again with the first delay") {
    backoff pause(plain(100ms, 60s), 1);
    CHECK(pause.failed(start) == 100ms);
    CHECK(pause.failed(start) == 200ms);
    pause.succeeded(start + 1s);
    CHECK(pause.attempts() == 2); // nothing is forgotten before it has proved stable
    CHECK(pause.failed(start + 1s + 10s) == 100ms);
    CHECK(pause.attempts() == 1);
    CHECK(pause.failed(start + 20min) == 200ms); // that success is spent
}

TEST_CASE("the time that passes without a connection makes none stable") {
    backoff pause(plain(100ms, 60s), 1);
    pause.succeeded(start);
    CHECK(pause.failed(start + 1s) == 100ms); // lost too soon
    CHECK(pause.failed(start + 1h) == 200ms); // and not had again since
    CHECK(pause.failed(start + 2h) == 400ms);
}

TEST_CASE("with no stable period every success starts afresh") {
    backoff_options options = plain(100ms, 60s);
    options.stable = 0ms;
    backoff pause(options, 1);
    pause.failed(start);
    pause.failed(start);
    pause.succeeded(start);
    CHECK(pause.failed(start) == 100ms);
    CHECK(pause.failed(start) == 200ms);
}

TEST_CASE("a reset forgets the failures, and a success before it") {
    backoff pause(plain(100ms, 60s), 1);
    pause.failed(start);
    pause.failed(start);
    pause.succeeded(start);
    pause.reset();
    CHECK(pause.attempts() == 0);
    CHECK(pause.ceiling() == 100ms);
    CHECK(pause.failed(start + 1h) == 100ms);
    CHECK(pause.failed(start + 1h) == 200ms);
}

TEST_CASE("the caller's random bits decide where they are given") {
    backoff_options options;
    options.first = 1ms;
    backoff pause(options, 1);
    CHECK(pause.failed(start, 0) == 1ns);
    CHECK(pause.failed(start, 1'999'999) == 2ms);
}

TEST_CASE("a backoff option out of its range is refused by name, with what is allowed") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    struct row {
        backoff_options options;
        std::string detail;
    };
    for (const auto& [options, detail] : {
             row{{.first = 0ms}, "first = 0 ms; allowed: 1 ms to the cap, 30000 ms"},
             row{{.first = 31s}, "first = 31000 ms; allowed: 1 ms to the cap, 30000 ms"},
             row{{.cap = 0ms}, "cap = 0 ms; allowed: 1 ms to 86400000 ms"},
             row{{.cap = 25h}, "cap = 90000000 ms; allowed: 1 ms to 86400000 ms"},
             row{{.factor = 0.5}, "factor = 0.500000; allowed: 1 to 100"},
             row{{.factor = 101}, "factor = 101.000000; allowed: 1 to 100"},
             row{{.factor = nan}, "factor = nan; allowed: 1 to 100"},
             row{{.stable = -1ms}, "stable = -1 ms; allowed: 0 ms to 86400000 ms"},
             row{{.stable = 25h}, "stable = 90000000 ms; allowed: 0 ms to 86400000 ms"},
             row{{}, "nothing thrown"},
         })
        CHECK(refusal_of(options) == detail);
}

TEST_CASE("the kinds of jitter have names") {
    std::ostringstream out;
    out << jitter::full << ' ' << jitter::equal << ' ' << jitter::none;
    CHECK(out.str() == "full equal none");
}
