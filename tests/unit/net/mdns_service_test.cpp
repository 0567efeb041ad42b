// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/mdns_service.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::detail::decode_text;
using portunus::detail::encode_text;
using portunus::detail::service_type;

TEST_CASE("a type of services is two labels, the second one of which is the protocol") {
    CHECK(must(service_type("_portunus._tcp")).text() == "_portunus._tcp.local");
    CHECK(must(service_type("_a-B9._udp")).text() == "_a-B9._udp.local");
    CHECK(must(service_type("_fifteen-letters._tcp")).text() == "_fifteen-letters._tcp.local");
    for (const char* text :
         {"", "_tcp", "portunus._tcp", "_portunus", "_portunus._tcp.local", "_portunus.tcp", "_._tcp",
          "_sixteen-letters-._tcp", "_a b._tcp", "_a._b._tcp"}) {
        CAPTURE(text);
        CHECK(error_of(service_type(text)) == errc::invalid_name);
    }
}

TEST_CASE("keys and values become the strings of a record, and come back") {
    using pairs = std::vector<std::pair<std::string, std::string>>;
    const pairs given{{"rooms", "4"}, {"empty", ""}, {"bytes", std::string("=\0\xff", 3)}};
    const std::string bytes = must(encode_text(given));
    CHECK(bytes == std::string("\7rooms=4\6empty=\11bytes==\0\xff", 25));
    pairs back;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto size = static_cast<unsigned char>(bytes[at]);
        std::pair<std::string, std::string> pair;
        REQUIRE(decode_text(std::string_view(bytes).substr(at + 1, size), pair));
        back.push_back(pair);
        at += 1u + size;
    }
    CHECK(back == given);
    CHECK(must(encode_text({})).empty());
}

TEST_CASE("a string without a key is ignored, one without a value is a key alone") {
    std::pair<std::string, std::string> pair;
    CHECK_FALSE(decode_text("", pair));
    CHECK_FALSE(decode_text("=4", pair));
    REQUIRE(decode_text("flag", pair));
    CHECK(pair == std::pair<std::string, std::string>("flag", ""));
}

TEST_CASE("a key that no other one could read, and more than fits, are refused with the numbers") {
    CHECK(error_of(encode_text({{"", "x"}})) == errc::invalid_option);
    CHECK(error_of(encode_text({{"a=b", "x"}})) == errc::invalid_option);
    CHECK(error_of(encode_text({{"tab\t", "x"}})) == errc::invalid_option);
    CHECK(must(encode_text({{"k", std::string(253, 'x')}})).size() == 256);
    CHECK(error_of(encode_text({{"k", std::string(254, 'x')}})).detail() ==
          "text key \"k\" has with its value 255 bytes, more than 254");
    CHECK(error_of(encode_text({14, {"k", std::string(100, 'x')}})).detail() ==
          "the text takes 1442 bytes, more than 1300");
}
