// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/auth_challenge.hpp>

#include "support/catch.hpp"

using namespace portunus::http;

namespace {
std::string shown(std::string_view value) {
    std::string text;
    for (const auto& c : parse_challenges(value)) {
        text.append("[").append(c.scheme).append(c.token68.empty() ? "" : " " + c.token68);
        for (const auto& [name, v] : c.parameters) text.append(" ").append(name).append("=").append(v);
        text += "]";
    }
    return text;
}
} // namespace

TEST_CASE("challenges are read with their parameters, however they are separated") {
    CHECK(shown("Basic") == "[Basic]");
    CHECK(shown("Basic realm=\"x\"") == "[Basic realm=x]");
    CHECK(shown("Basic realm=x, Digest realm=\"a, \\\"b\\\"\", qop=\"auth,auth-int\" ,nonce = n") ==
          "[Basic realm=x][Digest realm=a, \"b\" qop=auth,auth-int nonce=n]");
    CHECK(shown(",, Negotiate , Basic realm=x,,charset=\"UTF-8\"") ==
          "[Negotiate][Basic realm=x charset=UTF-8]");
    CHECK(shown("Negotiate abc+/==, Basic realm=x") == "[Negotiate abc+/==][Basic realm=x]");
    CHECK(shown("Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"") ==
          "[Newauth realm=apps type=1 title=Login to \"apps\"][Basic realm=simple]"); // RFC 9110 11.6.1
}

TEST_CASE("what is no challenge ends the list, and its size is bounded") {
    CHECK(shown("") == "");
    CHECK(shown("=") == "");
    CHECK(shown("Basic realm=\"x") == "");
    CHECK(shown("Basic realm=x, Digest nonce=\"") == "[Basic realm=x]");
    CHECK(shown("Basic realm=x y=z") == "");
    std::string many, deep = "D a=b";
    for (int i = 0; i < 100; ++i) many += "B,";
    for (int i = 0; i < 100; ++i) deep += ",a=b";
    CHECK(parse_challenges(many).size() == 16);
    CHECK(parse_challenges(deep).empty());
    const std::string text = "Digest realm=\"a\\\\b\", nonce=x, B";
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const std::string part(text, 0, i); // in memory of its own
        (void)parse_challenges(part);
    }
}

TEST_CASE("what would end a quoted string is escaped") {
    CHECK(quoted_string("a\"b\\c") == "\"a\\\"b\\\\c\"");
}
