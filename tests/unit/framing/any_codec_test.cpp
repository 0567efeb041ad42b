// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/any_codec.hpp>

#include <portunus/framing/frame_decoder.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <chrono>
#include <string>
#include <string_view>

using namespace portunus;
using namespace framing_test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

const std::chrono::steady_clock::time_point start{1000s};

void feed(frame_decoder<any_codec>& decoder, std::string_view bytes) {
    std::memcpy(decoder.prepare(bytes.size()).data(), bytes.data(), bytes.size());
    decoder.commit(bytes.size());
}

template <class Codec>
void behaves_like(const Codec& codec, std::string_view stream, std::string_view payload) {
    const any_codec any = codec;
    CHECK(grind(any, stream) == grind(codec, stream));
    CHECK(encode(any, payload).bytes == encode(codec, payload).bytes);
    CHECK(encode(any, payload).refused == encode(codec, payload).refused);
    CHECK(any.encode_failure(payload) == codec.encode_failure(payload));
    CHECK(any.max_frame() == codec.max_frame());
    CHECK(any.max_encoded() == codec.max_encoded());
    CHECK(any.deadline() == std::nullopt);
    CHECK(any.template get_if<Codec>() != nullptr);
}

} // namespace

TEST_CASE("any codec does what the codec in it does") {
    behaves_like(line_codec(), "one\r\n\r\ntwo\rthree", "pay\nload");
    behaves_like(line_codec(line_mode::nul, {.max_frame = 3}), "one\0two2\0"s, "pay");
    behaves_like(delimiter_codec("<>"), "one<><two<><", "pay<>load");
    behaves_like(fixed_codec(3), "abcdefg", "pay");
    behaves_like(packet_2(), "\0\3abc\0\1x\0"s, "payload");
    behaves_like(xtension_packets(), "J\4\0x"s + "K\6\0\0\0y"s + "L", "payload");
    behaves_like(stp(), "noise:<a:=b:>:<c:!:<d", "pay:load");
    CHECK(decode_in_pieces(any_codec(raw_codec()), "abc", {1}) == frames({"a", "bc"}));
}

TEST_CASE("any codec with a quiet-time codec in it has its deadlines") {
    frame_decoder<any_codec> decoder(quiet_time_codec(50ms));
    feed(decoder, "one");
    decoder.received(start);
    CHECK(decoder.next().what == decode_step::kind::more);
    CHECK(decoder.deadline() == start + 50ms);
    decoder.expired(start + 50ms);
    CHECK(decoder.next().frame == "one");
    CHECK(decoder.deadline() == std::nullopt);
}

TEST_CASE("the framing of a live stream changes without losing a byte, and setting one boundary removes the "
          "other") {
    frame_decoder<any_codec> decoder(any_codec(line_codec{line_mode::crlf}));
    feed(decoder, "SIZE 4\r\nabcdEND;rest");
    CHECK(decoder.next().frame == "SIZE 4");
    decoder.exchange(fixed_codec(4));
    CHECK(decoder.next().frame == "abcd");
    decoder.exchange(delimiter_codec(";"));
    CHECK(decoder.next().frame == "END");
    decoder.exchange(quiet_time_codec(10ms));
    decoder.received(start);
    CHECK(decoder.deadline() == start + 10ms);
    decoder.expired(start + 10ms);
    CHECK(decoder.next().frame == "rest");
    decoder.exchange(line_codec());
    CHECK(decoder.deadline() == std::nullopt);
}

TEST_CASE(
    "a line's LF that comes after the codec was exchanged belongs to the line, however the bytes arrive") {
    for (const std::string_view first : {"upgrade\r", "upgrade\r\n", "upgrade\r\nab"}) {
        const std::string_view whole = "upgrade\r\nabcd";
        frame_decoder<any_codec> decoder(line_codec{});
        feed(decoder, first);
        CHECK(decoder.next().frame == "upgrade");
        decoder.exchange(fixed_codec(2));
        feed(decoder, whole.substr(first.size()));
        CHECK(decoder.next().frame == "ab");
        CHECK(decoder.next().frame == "cd");
    }
    // It is one LF at most, and only right behind the CR.
    frame_decoder<any_codec> decoder(line_codec{});
    feed(decoder, "upgrade\r");
    CHECK(decoder.next().frame == "upgrade");
    decoder.exchange(fixed_codec(2));
    feed(decoder, "\n\na");
    CHECK(decoder.next().frame == "\na");
    feed(decoder, "\nb");
    CHECK(decoder.next().frame == "\nb");
}

TEST_CASE("the state of the codec inside can be asked for") {
    any_codec codec = stp();
    std::string bytes = "noise:<a:!";
    static_cast<void>(codec.decode(bytes.data(), bytes.size()));
    REQUIRE(codec.get_if<escaped_codec>());
    CHECK(codec.get_if<escaped_codec>()->dropped() == 1);
    CHECK(codec.get_if<line_codec>() == nullptr);
}
