// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/vocabulary.hpp>

#include "support/catch.hpp"

using namespace portunus::http;

TEST_CASE("methods, fields and states are told as text") {
    CHECK(text_of(verb::get) == "GET");
    CHECK(text_of(verb::msearch) == "M-SEARCH");
    CHECK(text_of(field::content_length) == "Content-Length");
    CHECK(text_of(status::not_found) == "Not Found");
}
