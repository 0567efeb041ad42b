// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/tls_error.hpp>

#include "support/catch.hpp"

#include <string>

using portunus::condition;
using portunus::error;
using portunus::is_fatal;
using portunus::tls_errc;

TEST_CASE("each error of TLS has a text and belongs to one condition") {
    struct row {
        tls_errc code;
        condition group;
    };
    for (const row r :
         {row{tls_errc::truncated, condition::closed}, row{tls_errc::not_tls, condition::malformed},
          row{tls_errc::certificate_refused, condition::unauthenticated},
          row{tls_errc::refused_by_peer, condition::remote},
          row{tls_errc::nothing_in_common, condition::denied},
          row{tls_errc::protocol_violation, condition::malformed},
          row{tls_errc::library_failure, condition::exhausted}}) {
        const error e(make_error_code(r.code), "more");
        CAPTURE(e.message());
        CHECK(e == r.code);
        int groups = 0;
        for (int c = 1; c <= 9; ++c) groups += e == static_cast<condition>(c);
        CHECK(e == r.group);
        CHECK(groups == 1);
        CHECK(e.code().message() != "unknown TLS error");
        CHECK(is_fatal(e));
    }
    CHECK(portunus::tls_category().message(99) == "unknown TLS error");
    CHECK(std::string(portunus::tls_category().name()) == "portunus.tls");
}
