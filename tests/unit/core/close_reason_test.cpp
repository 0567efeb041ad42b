// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/close_reason.hpp>

#include "support/catch.hpp"

#include <boost/system/errc.hpp>

#include <set>
#include <sstream>
#include <string>

using portunus::close_reason;
using portunus::errc;
using portunus::error;
using portunus::reason_of;

TEST_CASE("every close reason has a name of its own") {
    std::set<std::string> names;
    for (int i = 0; i <= static_cast<int>(close_reason::shutdown); ++i)
        CHECK(names.insert(std::string(to_string(static_cast<close_reason>(i)))).second);
    CHECK(names.count("unknown") == 0);
    CHECK(to_string(static_cast<close_reason>(99)) == "unknown");
    std::ostringstream out;
    out << close_reason::timed_out;
    CHECK(out.str() == "timed_out");
}

TEST_CASE("an error of the library stands for the reason that the session is told") {
    struct row {
        errc code;
        close_reason reason;
    };
    for (const auto& [code, reason] : {
             row{errc::end_of_stream, close_reason::eof},
             row{errc::partial_frame, close_reason::protocol_error},
             row{errc::malformed_frame, close_reason::protocol_error},
             row{errc::frame_too_large, close_reason::protocol_error},
             row{errc::closed_locally, close_reason::closed_locally},
             row{errc::aborted_locally, close_reason::aborted_locally},
             row{errc::canceled, close_reason::aborted_locally},
             row{errc::torn_write, close_reason::aborted_locally},
             row{errc::replaced, close_reason::replaced},
             row{errc::shutting_down, close_reason::shutdown},
             row{errc::idle_timeout, close_reason::idle},
             row{errc::connect_timeout, close_reason::timed_out},
             row{errc::handshake_timeout, close_reason::timed_out},
             row{errc::read_timeout, close_reason::timed_out},
             row{errc::write_timeout, close_reason::timed_out},
             row{errc::drain_timeout, close_reason::timed_out},
             row{errc::denied, close_reason::denied},
             row{errc::rate_exceeded, close_reason::denied},
         }) {
        CAPTURE(code);
        CHECK(reason_of(error(code)) == reason);
        CHECK(reason_of(error(code, "with a detail")) == reason);
    }
}

TEST_CASE("an error of the system stands for the reason that the session is told") {
    namespace e = boost::system::errc;
    CHECK(reason_of(error(boost::asio::error::eof)) == close_reason::eof);
    CHECK(reason_of(error(boost::asio::error::connection_reset)) == close_reason::reset);
    CHECK(reason_of(error(e::make_error_code(e::broken_pipe))) == close_reason::reset);
    CHECK(reason_of(error(e::make_error_code(e::host_unreachable))) == close_reason::reset);
    CHECK(reason_of(error(e::make_error_code(e::timed_out))) == close_reason::timed_out);
    CHECK(reason_of(error(boost::asio::error::operation_aborted)) == close_reason::aborted_locally);
}

TEST_CASE("no error stands for no reason") {
    CHECK(reason_of(error()) == close_reason::none);
}
