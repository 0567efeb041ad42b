// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/frame_decoder.hpp>

#include <portunus/framing/delimiter_codec.hpp>
#include <portunus/framing/escaped_codec.hpp>
#include <portunus/framing/fixed_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/framing/raw_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>

using namespace portunus;
using namespace framing_test;

namespace {

template <class Codec>
void feed(frame_decoder<Codec>& decoder, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto room = decoder.prepare();
        const std::size_t count = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), count);
        decoder.commit(count);
        bytes.remove_prefix(count);
    }
}

/// Never finds a frame and promises to need little: what the decoder has to survive.
struct greedy_codec : raw_codec {
    decode_step decode(char*, std::size_t) noexcept { return {}; }
};

} // namespace

TEST_CASE("a decoder holds no memory until the first prepare, and gives it back when nothing is buffered") {
    frame_decoder decoder(line_codec{});
    CHECK(decoder.capacity() == 0);
    CHECK(decoder.next().what == decode_step::kind::more);
    CHECK(decoder.finish().what == decode_step::kind::more);
    CHECK(decoder.release());
    CHECK(decoder.prepare().size() == 4096);
    CHECK(decoder.capacity() == 4096);
    feed(decoder, "one\r\ntw");
    CHECK(decoder.next().frame == "one");
    CHECK(decoder.next().what == decode_step::kind::more);
    CHECK_FALSE(decoder.release());
    CHECK(decoder.buffered() == "tw");
    feed(decoder, "o\r\n");
    CHECK(decoder.next().frame == "two");
    CHECK(decoder.release());
    CHECK(decoder.capacity() == 0);
    feed(decoder, "three\r\n");
    CHECK(decoder.next().frame == "three");
}

TEST_CASE("the buffer doubles when a read filled it, up to 64 KiB, and no further for small frames") {
    frame_decoder decoder(line_codec{});
    std::size_t expected = 4096;
    for (int i = 0; i < 10; ++i) {
        const auto room = decoder.prepare();
        CHECK(decoder.capacity() == expected);
        CHECK(room.size() >= expected / 2);
        for (std::size_t at = 0; at < room.size(); ++at) room[at] = at % 32 == 31 ? '\n' : 'x';
        decoder.commit(room.size());
        while (decoder.next().what == decode_step::kind::frame) {
        }
        expected = std::min<std::size_t>(expected * 2, 65536);
    }
    // A read that left room: nothing changes.
    frame_decoder calm(line_codec{});
    for (int i = 0; i < 10; ++i) {
        feed(calm, "short\n");
        CHECK(calm.next().frame == "short");
        CHECK(calm.next().what == decode_step::kind::more);
        CHECK(calm.capacity() == 4096);
    }
}

TEST_CASE("a large frame grows the buffer to what max_frame needs and no further") {
    frame_decoder decoder(line_codec(line_mode::crlf, {.max_frame = 300000}));
    CHECK(decoder.max_capacity() == 303104); // 300002 bytes in whole pages
    const std::string large(300000, 'x');
    feed(decoder, "small\r\n" + large + "\r\n");
    CHECK(decoder.next().frame == "small");
    CHECK(decoder.next().frame == large);
    CHECK(decoder.capacity() <= decoder.max_capacity());
    CHECK(frame_decoder(line_codec(line_mode::lf, {.max_frame = 100})).max_capacity() == 65536);
    CHECK(frame_decoder(fixed_codec(65536)).max_capacity() == 65536);
    CHECK(frame_decoder(fixed_codec(65537)).max_capacity() == 69632);
}

TEST_CASE("a peer that announces much and sends little makes the decoder hold little") {
    frame_decoder decoder(packet_4());
    feed(decoder, std::string("\0\x0f\xff\xff", 4));
    const decode_step step = decoder.next();
    CHECK(step.need == 0x0fffff);
    decoder.prepare();
    CHECK(decoder.capacity() == 4096);
}

TEST_CASE(
    "a frame of any size up to the limit fits the buffer, whatever stands before it and however it arrives") {
    std::mt19937 random(47);
    for (int i = 0; i < 60; ++i) {
        const std::size_t limit = 4000 + random() % 200000;
        frame_decoder decoder(packet_4(limit));
        std::string stream;
        std::vector<std::size_t> sizes;
        for (int frame = 0; frame < 4; ++frame) {
            const std::size_t size = random() % 3 == 0 ? limit : random() % limit;
            sizes.push_back(size);
            for (const int shift : {24, 16, 8, 0}) stream += static_cast<char>(size >> shift);
            stream.append(size, static_cast<char>('a' + frame));
        }
        std::size_t frame = 0;
        for (std::string_view rest = stream; !rest.empty();) {
            const auto room = decoder.prepare();
            REQUIRE(!room.empty());
            const std::size_t count = std::min({room.size(), rest.size(), 1 + random() % 100000});
            std::memcpy(room.data(), rest.data(), count);
            decoder.commit(count);
            rest.remove_prefix(count);
            decode_step step;
            while ((step = decoder.next()).what == decode_step::kind::frame) {
                REQUIRE(step.frame == std::string(sizes[frame], static_cast<char>('a' + frame)));
                ++frame;
            }
            REQUIRE(step.what == decode_step::kind::more);
            REQUIRE(decoder.capacity() <= decoder.max_capacity());
        }
        REQUIRE(frame == 4);
    }
}

TEST_CASE("a mebibyte that arrives a byte at a time is searched once and moved a few times") {
    frame_decoder decoder(line_codec(line_mode::any, {.max_frame = 1 << 20}));
    const char* place = nullptr;
    int moves = 0;
    for (std::size_t size = 1; size <= 1 << 20; ++size) {
        const auto room = decoder.prepare();
        room[0] = 'x';
        decoder.commit(1);
        if (decoder.next().what != decode_step::kind::more || decoder.codec().scanned() != size) FAIL(size);
        if (std::exchange(place, decoder.buffered().data()) != decoder.buffered().data()) ++moves;
    }
    CHECK(moves <= 10); // 4 KiB doubled until it is a mebibyte and a page
    const auto room = decoder.prepare();
    room[0] = '\n';
    decoder.commit(1);
    CHECK(decoder.next().frame.size() == 1 << 20);
}

TEST_CASE("left-over bytes are moved only when room is needed") {
    frame_decoder decoder(line_codec{});
    feed(decoder, "one\ntw");
    CHECK(decoder.next().frame == "one");
    CHECK(decoder.next().what == decode_step::kind::more);
    const char* const before = decoder.buffered().data();
    decoder.prepare();
    CHECK(decoder.buffered().data() == before);
    const auto most = decoder.prepare(4096 - 2);
    CHECK(most.size() == 4096 - 2);
    CHECK(decoder.buffered() == "tw");
    CHECK(decoder.capacity() == 4096);
    CHECK(decoder.prepare(4096).size() >= 4096);
    CHECK(decoder.buffered() == "tw");
    CHECK(decoder.prepare(100000).size() >= 100000);
    CHECK(decoder.prepare(static_cast<std::size_t>(-1)).size() == decoder.max_capacity() - 2);
    CHECK(decoder.buffered() == "tw");
}

TEST_CASE("frames of one buffer stay valid together until the next prepare") {
    frame_decoder decoder(stp());
    feed(decoder, ":<o:=ne:>:<two:>:<th:=ree:>");
    const std::string_view one = decoder.next().frame, two = decoder.next().frame,
                           three = decoder.next().frame;
    CHECK(decoder.next().what == decode_step::kind::more);
    CHECK(decoder.finish().what == decode_step::kind::more);
    CHECK(one == "o:ne");
    CHECK(two == "two");
    CHECK(three == "th:ree");
}

TEST_CASE("after a failure and after a partial frame the bytes can still be read") {
    frame_decoder decoder(line_codec(line_mode::lf, {.max_frame = 4}));
    feed(decoder, "one\ntoo long");
    CHECK(decoder.next().frame == "one");
    CHECK(decoder.next().what == decode_step::kind::failed);
    CHECK(decoder.failure() == errc::frame_too_large);
    CHECK(decoder.buffered() == "too long");
    CHECK(decoder.next().what == decode_step::kind::failed);

    frame_decoder ended(packet_2());
    feed(ended, std::string_view("\0\5abc", 5));
    CHECK(ended.next().need == 2);
    CHECK(ended.finish().what == decode_step::kind::failed);
    CHECK(ended.failure() == error(errc::partial_frame, "stream ended after 5 bytes of a frame"));
    CHECK(ended.buffered() == std::string_view("\0\5abc", 5));
}

TEST_CASE("finish gives the frames that are still there before it tells of the end") {
    frame_decoder decoder(line_codec{});
    feed(decoder, "one\ntwo\nrest");
    CHECK(decoder.finish().frame == "one");
    CHECK(decoder.finish().frame == "two");
    CHECK(decoder.finish().what == decode_step::kind::failed);
    CHECK(decoder.buffered() == "rest");
}

TEST_CASE("a codec is exchanged at any frame without losing a byte or finding a frame twice") {
    const std::string stream = "first line\nsecond|third|fourth\n";
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        frame_decoder decoder(delimiter_codec("\n"));
        std::vector<std::string> got;
        const auto drain = [&] {
            decode_step step;
            while ((step = decoder.next()).what == decode_step::kind::frame) {
                got.emplace_back(step.frame);
                if (got.size() == 1) decoder.exchange(delimiter_codec("|"));
                if (got.size() == 3) decoder.exchange(delimiter_codec("\n"));
            }
        };
        feed(decoder, stream.substr(0, cut));
        drain();
        feed(decoder, stream.substr(cut));
        drain();
        CHECK(got == std::vector<std::string>{"first line", "second", "third", "fourth"});
    }
}

TEST_CASE("a codec that has searched is exchanged for one that searches from the front") {
    frame_decoder decoder(delimiter_codec("\n"));
    feed(decoder, "one|two|");
    CHECK(decoder.next().what == decode_step::kind::more);
    decoder.exchange(delimiter_codec("|"));
    CHECK(decoder.next().frame == "one");
    CHECK(decoder.next().frame == "two");

    // The new codec may have been at work elsewhere: what it knows is not about these bytes.
    frame_decoder again(delimiter_codec("\n"));
    feed(again, "one|two|");
    CHECK(again.next().what == decode_step::kind::more);
    delimiter_codec used("|");
    std::string elsewhere = "no delimiter in this text";
    CHECK(used.decode(elsewhere.data(), elsewhere.size()).what == decode_step::kind::more);
    again.exchange(used);
    CHECK(again.next().frame == "one");
}

TEST_CASE("an LF that was already received when the codec is exchanged belongs to the line before it, too") {
    frame_decoder decoder(line_codec{});
    feed(decoder, "one\r");
    CHECK(decoder.next().frame == "one");
    feed(decoder, "\n\n");
    decoder.exchange(line_codec(line_mode::lf));
    CHECK(decoder.buffered() == "\n");
    CHECK(decoder.next().frame.empty());
}

TEST_CASE("the bytes of a decoder go to one with a codec of another type, without a copy") {
    frame_decoder lines(line_codec{});
    feed(lines, "upgrade\r\nabcd");
    CHECK(lines.next().frame == "upgrade");
    const char* const place = lines.buffered().data();
    frame_decoder blocks(fixed_codec(4), std::move(lines));
    CHECK(blocks.buffered().data() == place);
    CHECK(blocks.next().frame == "abcd");
    CHECK(lines.capacity() == 0);
    feed(lines, "again\n");
    CHECK(lines.next().what == decode_step::kind::frame);

    frame_decoder halved(line_codec{});
    feed(halved, "upgrade\r");
    CHECK(halved.next().frame == "upgrade");
    frame_decoder after(fixed_codec(2), std::move(halved));
    feed(after, "\nab");
    CHECK(after.next().frame == "ab");
}

TEST_CASE("a moved decoder has the bytes, and views stay valid") {
    frame_decoder first(line_codec{});
    feed(first, "one\ntwo\n");
    const std::string_view one = first.next().frame;
    frame_decoder second(std::move(first));
    CHECK(one == "one");
    CHECK(second.next().frame == "two");
    CHECK(first.capacity() == 0);
    frame_decoder third(line_codec{});
    feed(third, "lost");
    third = std::move(second);
    CHECK(third.buffered().empty());
    feed(third, "three\n");
    CHECK(third.next().frame == "three");
}

TEST_CASE("a codec that wants more than its promise is stopped, not fed for ever") {
    frame_decoder<greedy_codec> decoder;
    std::size_t fed = 0;
    CHECK_THROWS_AS(
        [&] {
            for (;;) {
                const std::size_t count = decoder.prepare().size();
                decoder.commit(count);
                fed += count;
                static_cast<void>(decoder.next());
            }
        }(),
        portunus::failure);
    CHECK(fed == decoder.max_capacity());
}
