// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/logger.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

using portunus::log_field;
using portunus::log_level;
using portunus::logger;

namespace {

struct written {
    log_level level;
    std::string text;
    std::vector<std::pair<std::string, std::string>> fields;
};

logger into(std::vector<written>& lines, log_level threshold = log_level::info) {
    return logger(
        [&lines](log_level level, std::string_view text, std::span<const log_field> fields) {
            written line{level, std::string(text), {}};
            for (const log_field& f : fields) line.fields.emplace_back(f.name(), f.value());
            lines.push_back(std::move(line));
        },
        threshold);
}

/// What arrives at the descriptor of stderr while `speak` runs.
template <class Speak>
std::string stderr_of(Speak speak) {
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    std::fflush(stderr);
    const int before = ::dup(2);
    ::dup2(fileno(file), 2);
    speak();
    std::fflush(stderr);
    ::dup2(before, 2);
    ::close(before);
    std::string text;
    std::rewind(file);
    char buffer[256];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) != 0;) text.append(buffer, n);
    std::fclose(file);
    return text;
}

} // namespace

TEST_CASE("a sink gets the level, the text and the fields as they were given") {
    std::vector<written> lines;
    const logger log = into(lines);
    const std::string name = "eth0";
    log(log_level::warning, "a peer was refused",
        {{"remote", "10.0.0.7:4411"}, {"interface", name}, {"tries", 3}});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].level == log_level::warning);
    CHECK(lines[0].text == "a peer was refused");
    REQUIRE(lines[0].fields.size() == 3);
    CHECK(lines[0].fields[0] == std::pair<std::string, std::string>("remote", "10.0.0.7:4411"));
    CHECK(lines[0].fields[1] == std::pair<std::string, std::string>("interface", "eth0"));
    CHECK(lines[0].fields[2] == std::pair<std::string, std::string>("tries", "3"));
}

TEST_CASE("a field writes every number in full") {
    CHECK(log_field("n", 0).value() == "0");
    CHECK(log_field("n", std::numeric_limits<std::int64_t>::min()).value() == "-9223372036854775808");
    CHECK(log_field("n", std::numeric_limits<std::uint64_t>::max()).value() == "18446744073709551615");
    CHECK(log_field("n", std::uint8_t{200}).value() == "200");
    CHECK(log_field("n", true).value() == "true");
    CHECK(log_field("n", false).value() == "false");
    CHECK(log_field("n", "").value().empty());
    CHECK(log_field("n", std::string_view("a\0b", 3)).value().size() == 3);
}

TEST_CASE("a copied field shows its own number") {
    const log_field copy = [] {
        const log_field original("n", 12345);
        return log_field(original);
    }();
    CHECK(copy.value() == "12345");
}

TEST_CASE("what lies under the threshold is dropped, and enabled() says so before") {
    std::vector<written> lines;
    const logger log = into(lines, log_level::warning);
    CHECK_FALSE(log.enabled(log_level::debug));
    CHECK_FALSE(log.enabled(log_level::info));
    CHECK(log.enabled(log_level::warning));
    CHECK(log.enabled(log_level::error));
    log(log_level::debug, "no");
    log(log_level::info, "no");
    log(log_level::warning, "yes");
    log(log_level::error, "yes");
    CHECK(lines.size() == 2);
}

TEST_CASE("copies of a logger write to one sink") {
    std::vector<written> lines;
    const logger first = into(lines);
    const logger second = first; // NOLINT: the copy is the point
    first(log_level::info, "one");
    second(log_level::info, "two");
    CHECK(lines.size() == 2);
}

TEST_CASE("a default-made logger writes warnings and errors to stderr, one line each, and nothing else") {
    const std::string said = stderr_of([] {
        const logger log;
        log(log_level::debug, "not this");
        log(log_level::info, "nor this");
        log(log_level::warning, "look here", {{"port", 7001}, {"from", "10.0.0.7"}});
        log(log_level::error, "lost");
    });
    CHECK(said == "portunus warning: look here port=7001 from=10.0.0.7\nportunus error: lost\n");
}

TEST_CASE("a silent logger says nothing, not even errors") {
    const logger quiet = logger::silent();
    CHECK_FALSE(quiet.enabled(log_level::error));
    CHECK(stderr_of([&quiet] { quiet(log_level::error, "lost"); }).empty());
}

TEST_CASE("every level has a name") {
    CHECK(to_string(log_level::debug) == "debug");
    CHECK(to_string(log_level::info) == "info");
    CHECK(to_string(log_level::warning) == "warning");
    CHECK(to_string(log_level::error) == "error");
    CHECK(to_string(log_level::off) == "off");
    CHECK(to_string(static_cast<log_level>(17)) == "unknown");
}
