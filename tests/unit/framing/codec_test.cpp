// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/codec.hpp>

#include <portunus/framing/any_codec.hpp>
#include <portunus/framing/frame_decoder.hpp>

#include "support/catch.hpp"

#include <string>
#include <type_traits>

using namespace portunus;

namespace {

/// A user's own codec: frames are single bytes. What the concept asks for, and nothing else.
struct byte_codec {
    decode_step decode(char* data, std::size_t size) {
        if (size == 0) return {.need = 1};
        return {.what = decode_step::kind::frame, .consumed = 1, .frame = {data, 1}};
    }
    decode_step finish(char* data, std::size_t size) { return decode(data, size); }
    error failure() const { return {}; }
    std::size_t max_frame() const { return 1; }
    std::size_t max_encoded() const { return 1; }
    std::size_t encode_bound(std::string_view) const { return 1; }
    std::size_t encode(std::string_view payload, char* out) {
        if (payload.size() != 1) return unencodable;
        *out = payload[0];
        return 1;
    }
    error encode_failure(std::string_view) const { return errc::unencodable_payload; }
    void reset() {}
};

template <class... Codecs>
constexpr bool all_are_codecs = (frame_codec<Codecs> && ...);
template <class... Codecs>
constexpr bool all_are_trivially_copyable = (std::is_trivially_copyable_v<Codecs> && ...);

} // namespace

TEST_CASE("every codec models the concept, and only those with time the timed one") {
    STATIC_REQUIRE(
        all_are_codecs<line_codec, delimiter_codec, fixed_codec, length_prefix_codec, tagged_length_codec,
                       escaped_codec, quiet_time_codec, raw_codec, any_codec, byte_codec>);
    STATIC_REQUIRE(timed_codec<quiet_time_codec>);
    STATIC_REQUIRE(timed_codec<any_codec>);
    STATIC_REQUIRE_FALSE(timed_codec<line_codec>);
    STATIC_REQUIRE_FALSE(frame_codec<std::string>);
}

TEST_CASE("a codec is small and owns no memory: it lives in each connection") {
    STATIC_REQUIRE(all_are_trivially_copyable<line_codec, delimiter_codec, fixed_codec, length_prefix_codec,
                                              tagged_length_codec, escaped_codec, quiet_time_codec, raw_codec,
                                              any_codec>);
    STATIC_REQUIRE(sizeof(line_codec) <= 32);
    STATIC_REQUIRE(sizeof(any_codec) <= 72);
    STATIC_REQUIRE(sizeof(frame_decoder<line_codec>) <= 48 + sizeof(line_codec));
}

TEST_CASE("a codec that a user wrote works in the decoder") {
    frame_decoder decoder(byte_codec{});
    const auto room = decoder.prepare();
    room[0] = 'x';
    room[1] = 'y';
    decoder.commit(2);
    CHECK(decoder.next().frame == "x");
    CHECK(decoder.next().frame == "y");
    CHECK(decoder.next().what == decode_step::kind::more);
}
