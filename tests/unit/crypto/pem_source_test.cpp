// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/pem_source.hpp>

#include "support/catch.hpp"

#include <string>
#include <utility>

using portunus::pem_source;

TEST_CASE("a source is none, a file or a text, and knows its name") {
    CHECK(pem_source().empty());
    const auto file = pem_source::file("/etc/ssl/x.pem");
    CHECK(!file.empty());
    CHECK(file.is_file());
    CHECK(file.name() == "/etc/ssl/x.pem");
    CHECK(file.content() == nullptr);
    const auto text = pem_source::text("secret", "the door's key");
    CHECK(!text.empty());
    CHECK(!text.is_file());
    CHECK(text.name() == "the door's key");
    CHECK(text.content()->view() == "secret");
    CHECK(!pem_source::text("").empty()); // an empty text is one, and will be an error
}

TEST_CASE("copies share one text, so that there is one to wipe") {
    const auto text = pem_source::text(std::string(1000, 'x'));
    const auto copy = text;
    CHECK(copy.content() == text.content());
}
