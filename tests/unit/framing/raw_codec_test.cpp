// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/raw_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <string>

using namespace portunus;
using namespace framing_test;

TEST_CASE("a raw frame is what is there, up to max_frame, and never empty") {
    CHECK(decode_in_pieces(raw_codec(), "abcdef", {2, 3}) == frames({"ab", "c", "def"}));
    CHECK(decode_in_pieces(raw_codec({.max_frame = 4}), "abcdefghij", {9}) ==
          frames({"abcd", "efgh", "i", "j"}));
    CHECK(decode_by_decoder(raw_codec({.max_frame = 4}), "abcdefghij", {9}) ==
          frames({"abcd", "efgh", "i", "j"}));
    CHECK(decode_in_pieces(raw_codec(), "", {}) == frames({}));
}

TEST_CASE("the end of a raw stream is always clean, and gives what is left") {
    raw_codec codec;
    std::string bytes = "rest";
    CHECK(codec.finish(bytes.data(), 4).frame == "rest");
    CHECK(codec.finish(bytes.data(), 0).what == decode_step::kind::more);
    CHECK_FALSE(codec.failure().code().failed());
}

TEST_CASE("a raw payload is sent as it is, whatever its size") {
    CHECK(encode(raw_codec(), "a\r\nb").bytes == "a\r\nb");
    CHECK(encode(raw_codec({.max_frame = 2}), "longer").bytes == "longer");
    CHECK(encode(raw_codec(), "").bytes.empty());
    CHECK(refusal([] { raw_codec({.max_frame = 0}); }).find("max_frame 0") == 0);
}
