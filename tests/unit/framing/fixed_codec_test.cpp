// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/fixed_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <string>

using namespace portunus;
using namespace framing_test;

TEST_CASE("frames of fixed size are cut at that size, wherever the stream is cut") {
    CHECK(grind(fixed_codec(3), "abcdefghi") == frames({"abc", "def", "ghi"}));
    CHECK(grind(fixed_codec(1), "abc") == frames({"a", "b", "c"}));
    CHECK(grind(fixed_codec(3), "") == frames({}));
    CHECK(grind(fixed_codec(4), "abcdefghi") == frames_then({"abcd", "efgh"}, errc::partial_frame, "i"));
}

TEST_CASE("a fixed codec tells how many bytes are missing, and after the end how many there were") {
    fixed_codec codec(10);
    std::string bytes = "abcdefg";
    CHECK(codec.decode(bytes.data(), 0).need == 10);
    CHECK(codec.decode(bytes.data(), 7).need == 3);
    CHECK_FALSE(codec.failure().code().failed());
    CHECK(codec.finish(bytes.data(), 7).what == decode_step::kind::failed);
    CHECK(codec.failure() == error(errc::partial_frame, "stream ended after 7 of the 10 bytes of a frame"));
    codec.reset();
    CHECK_FALSE(codec.failure().code().failed());
}

TEST_CASE("only a payload of exactly the frame size is encoded") {
    const fixed_codec codec(3);
    CHECK(encode(codec, "abc").bytes == "abc");
    CHECK(encode(codec, "ab").refused);
    CHECK(encode(codec, "abcd").refused);
    CHECK(encode(codec, "").refused);
    CHECK(codec.encode_failure("abcd").detail() == "payload of 4 bytes, frames have exactly 3");
    CHECK(codec.max_frame() == 3);
}

TEST_CASE("a fixed codec refuses a size of nothing, and one that no buffer holds") {
    CHECK(refusal([] { fixed_codec(0); }).find("frame size 0 is not in 1 to") == 0);
    CHECK(refusal([] { fixed_codec(static_cast<std::size_t>(-1)); }).find("frame size 184467") == 0);
}
