// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/json_lines.hpp>

#include <portunus/framing/line_codec.hpp>
#include <portunus/json/read.hpp>

#include "support/catch.hpp"
#include "unit/channel/codec_support.hpp"
#include "unit/framing/decode_support.hpp"

#include <string>

using namespace portunus;
using namespace channel_test;

TEST_CASE("json_lines is an object and nothing else") {
    CHECK(encode(json_lines(), {{}, service_id::read_request, data_id(7), "null"}) ==
          R"({"data_id":7,"service_id":10,"status":0,"data":null})");
}

TEST_CASE("json_lines gives back every message, and accepts no part of one") {
    check_laws(json_lines());
}

TEST_CASE("json_lines reads its envelope in any form and refuses what is none, with the field") {
    check_envelope(json_lines(), [](std::string text) { return text; });
}

TEST_CASE("white space in the data does not end the line") {
    const std::string line =
        encode(json_lines(), {{}, service_id(10), data_id(7), "{\r\n\t\"a\":\n\"\\n\" }"});
    CHECK(line == "{\"data_id\":7,\"service_id\":10,\"status\":0,\"data\":{  \t\"a\": \"\\n\" }}");
    CHECK(json::read<json::raw>(decode(json_lines(), line).value().data).has_value());
}

TEST_CASE("json_lines messages survive as lines, wherever the stream is cut") {
    const line_codec framing;
    std::string bytes;
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < 5; ++i) {
        expected.push_back(encode(json_lines(), samples()[i]));
        bytes += framing_test::encode(framing, expected.back()).bytes;
    }
    CHECK(framing_test::grind(framing, bytes) == framing_test::frames(expected));
}
