// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/refusal.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

using namespace portunus::http;
using portunus::condition;

TEST_CASE("every kind of refusal has a name of its own, a text, and a status that is an error") {
    std::set<std::string> names;
    for (std::size_t i = 1; i != refusal_kinds; ++i) {
        const refused r{static_cast<refusal>(i), 1, 2, 3};
        CHECK(static_cast<bool>(r));
        names.emplace(to_string(r.kind));
        CHECK(to_string(r.kind).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
              std::string_view::npos);
        CHECK(r.detail().starts_with("line 1, byte 2: "));
        const auto code = static_cast<unsigned>(r.answer());
        CHECK((code >= 400 && code < 600));
        CHECK((r.to_error() == condition::malformed || r.to_error() == condition::too_large));
    }
    CHECK(names.size() == refusal_kinds - 1);
    CHECK_FALSE(static_cast<bool>(refused{}));
    CHECK(to_string(refusal::none) == "none");
}

TEST_CASE("a refusal tells the byte that it met, or the limit") {
    CHECK(refused{refusal::bare_cr, 2, 17, 0x41}.detail() == "line 2, byte 17: CR without LF (met 0x41)");
    CHECK(refused{refusal::head_too_large, 0, 9, 8}.detail() == "byte 9: head exceeds 8");
    CHECK(refused{refusal::missing_host, 2, 9, 0}.detail() ==
          "line 2, byte 9: no Host, which HTTP/1.1 demands");
    CHECK(refused{refusal::tls, 1, 0, 0}.detail().find("TLS") != std::string::npos);
}
