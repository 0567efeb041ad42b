// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/verdict.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>

using portunus::decided_by;
using portunus::errc;
using portunus::refusal;
using portunus::verdict;
using portunus::when_full;

TEST_CASE("a default verdict refuses") {
    const verdict nothing;
    CHECK(!nothing);
    CHECK(nothing.refuse_with == refusal::reset);
    CHECK(nothing.to_error() == errc::denied);
}

TEST_CASE("the reason of a verdict names what decided, with its numbers") {
    struct row {
        decided_by why;
        bool accepted;
        std::uint64_t count;
        std::uint64_t limit;
        const char* words;
        std::string reason;
    };
    for (const auto& [why, accepted, count, limit, words, reason] : {
             row{decided_by::rule, true, 2, 0, "allow 10.0.0.0/8", "accepted by rule 2 (allow 10.0.0.0/8)"},
             row{decided_by::rule, false, 1, 0, "deny any", "refused by rule 1 (deny any)"},
             row{decided_by::rule, false, 1, 0, nullptr, "refused by rule 1"},
             row{decided_by::fallback, false, 0, 0, nullptr,
                 "refused: no rule matched, and the policy denies by default"},
             row{decided_by::fallback, true, 0, 0, nullptr,
                 "accepted: no rule matched, and the policy allows by default"},
             row{decided_by::master_switch, false, 0, 0, nullptr, "refused: the master switch is off"},
             row{decided_by::predicate, false, 3, 0, "allow if \"day\" threw \"no clock\"",
                 "refused: rule 3 could not decide: allow if \"day\" threw \"no clock\""},
             row{decided_by::predicate, false, 3, 0, nullptr, "refused: rule 3 could not decide"},
             row{decided_by::room, true, 17, 500, nullptr, "accepted: 17 of 500 connections are open"},
             row{decided_by::total_cap, false, 500, 500, nullptr, "refused: 500 of 500 connections are open"},
             row{decided_by::address_cap, false, 4, 4, "10.0.0.7",
                 "refused: 4 of 4 connections of 10.0.0.7 are open"},
             row{decided_by::address_rate, false, 20, 1000, "2001:db8::/64",
                 "refused: 2001:db8::/64 connects more often than 20 times in 1000 ms"},
             row{decided_by::address_rate, false, 20, 1000, nullptr,
                 "refused: one address connects more often than 20 times in 1000 ms"},
         }) {
        verdict answer{accepted, why, refusal::reset, count, limit, {}};
        if (words != nullptr) answer.text = std::make_shared<const std::string>(words);
        CHECK(answer.reason() == reason);
        std::ostringstream out;
        out << answer;
        CHECK(out.str() == reason);
    }
}

TEST_CASE("the error of a verdict is of the kind that decided, and carries the reason") {
    struct row {
        decided_by why;
        errc code;
    };
    for (const auto& [why, code] :
         {row{decided_by::rule, errc::denied}, row{decided_by::fallback, errc::denied},
          row{decided_by::master_switch, errc::denied}, row{decided_by::predicate, errc::denied},
          row{decided_by::total_cap, errc::too_many_connections},
          row{decided_by::address_cap, errc::too_many_connections},
          row{decided_by::address_rate, errc::rate_exceeded}}) {
        const verdict refused{false, why, refusal::close, 1, 2, nullptr};
        CAPTURE(refused);
        CHECK(refused.to_error() == code);
        CHECK(std::string(refused.to_error().detail()) == refused.reason());
    }
}

TEST_CASE("an accepting verdict is no error") {
    const verdict accepted{true, decided_by::room, {}, 1, 2, nullptr};
    CHECK(!accepted.to_error().code().failed());
}

TEST_CASE("the modes and causes have names") {
    std::ostringstream out;
    out << refusal::reset << ' ' << refusal::close << ' ' << when_full::wait << ' ' << when_full::reset << ' '
        << when_full::close << ' ' << decided_by::rule << ' ' << decided_by::fallback << ' '
        << decided_by::master_switch << ' ' << decided_by::predicate << ' ' << decided_by::room << ' '
        << decided_by::total_cap << ' ' << decided_by::address_cap << ' ' << decided_by::address_rate;
    CHECK(out.str() ==
          "reset close wait reset close rule fallback master_switch predicate room total_cap address_cap "
          "address_rate");
}
