// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/error.hpp>

#include <portunus/core/result.hpp>

#include "support/catch.hpp"

#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>

#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sys = boost::system;
using portunus::condition;
using portunus::errc;
using portunus::error;
using portunus::failure;
using portunus::is_fatal;
using portunus::result;

namespace {

constexpr errc first_errc = errc::end_of_stream;
constexpr errc last_errc = errc::remote_error;

std::vector<errc> every_errc() {
    std::vector<errc> all;
    for (int i = static_cast<int>(first_errc); i <= static_cast<int>(last_errc); ++i)
        all.push_back(static_cast<errc>(i));
    return all;
}

constexpr condition every_condition[] = {
    condition::timeout,         condition::canceled,  condition::closed,
    condition::denied,          condition::malformed, condition::too_large,
    condition::unauthenticated, condition::remote,    condition::exhausted};

/// The conditions that hold for an error. At most one should.
std::set<condition> conditions_of(const error& e) {
    std::set<condition> all;
    for (const condition c : every_condition)
        if (e == c) all.insert(c);
    return all;
}

} // namespace

TEST_CASE("every errc has a text of its own") {
    std::set<std::string> texts;
    for (const errc e : every_errc()) {
        const std::string text = make_error_code(e).message();
        CHECK(text != "unknown error");
        CHECK(texts.insert(text).second);
        CHECK(make_error_code(e).failed());
    }
    // whoever adds an errc behind the last one changes `last_errc` above
    CHECK(make_error_code(static_cast<errc>(static_cast<int>(last_errc) + 1)).message() == "unknown error");
    CHECK(std::string_view(make_error_code(errc::denied).category().name()) == "portunus");
}

TEST_CASE("every condition has a text of its own") {
    std::set<std::string> texts;
    for (const condition c : every_condition) CHECK(texts.insert(make_error_condition(c).message()).second);
    CHECK(texts.count("unknown condition") == 0);
    CHECK(std::string_view(make_error_condition(condition::timeout).category().name()) ==
          "portunus.condition");
}

TEST_CASE("an error of the library belongs to the condition that the program asks for") {
    const std::vector<std::pair<condition, std::vector<errc>>> groups = {
        {condition::timeout,
         {errc::resolve_timeout, errc::connect_timeout, errc::handshake_timeout, errc::idle_timeout,
          errc::read_timeout, errc::write_timeout, errc::drain_timeout}},
        {condition::canceled, {errc::canceled, errc::torn_write}},
        {condition::closed,
         {errc::end_of_stream, errc::closed_locally, errc::aborted_locally, errc::replaced,
          errc::shutting_down, errc::not_connected, errc::listener_closed}},
        {condition::denied, {errc::denied, errc::rate_exceeded, errc::port_requires_privilege}},
        {condition::malformed,
         {errc::partial_frame, errc::malformed_frame, errc::unencodable_payload, errc::malformed_data,
          errc::checksum_mismatch, errc::invalid_name, errc::invalid_port, errc::invalid_address,
          errc::invalid_option}},
        {condition::too_large, {errc::frame_too_large}},
        {condition::unauthenticated, {errc::unauthenticated}},
        {condition::remote, {errc::remote_error}},
        {condition::exhausted, {errc::queue_full, errc::too_many_connections}},
    };
    std::set<errc> grouped;
    for (const auto& [group, members] : groups)
        for (const errc e : members) {
            CAPTURE(e);
            CHECK(conditions_of(e) == std::set<condition>{group});
            grouped.insert(e);
        }
    for (const errc e : every_errc()) {
        if (grouped.count(e) != 0) continue;
        CAPTURE(e);
        CHECK(conditions_of(e).empty());
    }
}

TEST_CASE("an error of the system belongs to the condition that it means") {
    struct row {
        sys::error_code code;
        std::optional<condition> expected;
    };
    namespace e = sys::errc;
    for (const auto& [code, expected] : {
             row{e::make_error_code(e::timed_out), condition::timeout},
             row{e::make_error_code(e::operation_canceled), condition::canceled},
             row{boost::asio::error::operation_aborted, condition::canceled},
             row{boost::asio::error::eof, condition::closed},
             row{boost::asio::error::connection_reset, condition::closed},
             row{e::make_error_code(e::broken_pipe), condition::closed},
             row{e::make_error_code(e::connection_aborted), condition::closed},
             row{boost::asio::error::not_connected, condition::closed},
             row{boost::asio::error::bad_descriptor, condition::closed},
             row{boost::asio::error::access_denied, condition::denied},
             row{boost::asio::error::connection_refused, condition::denied},
             row{e::make_error_code(e::operation_not_permitted), condition::denied},
             row{boost::asio::error::message_size, condition::too_large},
             row{boost::asio::error::no_descriptors, condition::exhausted},
             row{e::make_error_code(e::too_many_files_open_in_system), condition::exhausted},
             row{boost::asio::error::no_memory, condition::exhausted},
             row{boost::asio::error::no_buffer_space, condition::exhausted},
             row{boost::asio::error::address_in_use, std::nullopt},
             row{boost::asio::error::network_unreachable, std::nullopt},
             row{sys::error_code(), std::nullopt},
         }) {
        CAPTURE(code);
        CHECK(conditions_of(code) == (expected ? std::set<condition>{*expected} : std::set<condition>{}));
    }
}

TEST_CASE("the reason of a code stands for nothing but its own category") {
    // EPERM is 1, and so is the first condition and the first errc
    CHECK(!(error(sys::error_code(1, sys::system_category())) == errc::end_of_stream));
    CHECK(!(error(errc::end_of_stream) == sys::error_code(1, sys::system_category())));
    CHECK(sys::error_code(1, sys::system_category()) != condition::timeout);
}

TEST_CASE("an error says its meaning, and its detail where it has one") {
    CHECK(error(errc::frame_too_large).message() == "frame too large");
    CHECK(error(errc::frame_too_large).detail().empty());
    const error e(errc::frame_too_large, "70213 bytes exceed 65536");
    CHECK(e.message() == "frame too large: 70213 bytes exceed 65536");
    CHECK(e.detail() == "70213 bytes exceed 65536");
    const error from = e.with("from 10.0.0.7:4411");
    CHECK(from.message() == "frame too large: 70213 bytes exceed 65536 from 10.0.0.7:4411");
    CHECK(e.detail() == "70213 bytes exceed 65536");
    CHECK(error(errc::denied).with("by rule 3").message() == "denied: by rule 3");
    std::ostringstream out;
    out << from;
    CHECK(out.str() == from.message());
}

TEST_CASE("errors are equal when code and detail are, and an errc asks for the code alone") {
    CHECK(error(errc::denied, "a") == error(errc::denied, "a"));
    CHECK(error(errc::denied, "a") != error(errc::denied, "b"));
    CHECK(error(errc::denied, "a") != error(errc::canceled, "a"));
    CHECK(error(errc::denied, "a") == errc::denied);
    CHECK(error(errc::denied, "a") != errc::canceled);
    CHECK(error(errc::denied) != error());
    CHECK(error(boost::asio::error::eof) == sys::error_code(boost::asio::error::eof));
}

TEST_CASE("a default error is no failure and belongs to no condition") {
    const error none;
    CHECK(!none.code().failed());
    CHECK(conditions_of(none).empty());
    CHECK(!is_fatal(none));
}

TEST_CASE("an error is small, and copying shares its text") {
    CHECK(sizeof(error) <= 40);
    const error e(errc::denied, "a text that is too long to be stored anywhere but on the heap");
    const error copy = e; // NOLINT: the copy is what is tested
    CHECK(copy.detail().data() == e.detail().data());
    static_assert(std::is_nothrow_copy_constructible_v<error>);
    static_assert(std::is_nothrow_constructible_v<error, errc>);
}

TEST_CASE("an error is fatal unless it leaves the connection as it was") {
    const std::set<errc> harmless{errc::canceled,       errc::queue_full,        errc::unencodable_payload,
                                  errc::malformed_data, errc::checksum_mismatch, errc::operation_in_progress,
                                  errc::would_block};
    for (const errc e : every_errc()) {
        CAPTURE(e);
        CHECK(is_fatal(e) == (harmless.count(e) == 0));
    }
    CHECK(is_fatal(error(boost::asio::error::connection_reset)));
    CHECK(is_fatal(
        error(boost::asio::error::operation_aborted))); // of a raw operation nobody knows what has moved
}

TEST_CASE("a failure carries its error") {
    const failure f(error(errc::invalid_port, "\"http\" is not a port"));
    CHECK(std::string(f.what()) == "invalid port: \"http\" is not a port");
    CHECK(f.reason() == errc::invalid_port);
    CHECK(f.reason().detail() == "\"http\" is not a port");
}

TEST_CASE("the value of a result that failed throws the error as a failure") {
    const result<int> good = 7;
    CHECK(good.value() == 7);
    const result<int> bad = error(errc::denied, "by rule 3");
    REQUIRE(!bad);
    CHECK(bad.error() == errc::denied);
    try {
        (void)bad.value();
        FAIL("nothing thrown");
    } catch (const failure& f) {
        CHECK(f.reason() == bad.error());
    }
    const result<void> nothing = error(errc::canceled);
    CHECK_THROWS_AS(nothing.value(), failure);
    CHECK(!good.error().code().failed());
}

TEST_CASE("a result holds what can only be moved") {
    result<std::unique_ptr<int>> r = std::make_unique<int>(7);
    REQUIRE(r.has_value());
    CHECK(*std::move(r).value() == 7);
}
