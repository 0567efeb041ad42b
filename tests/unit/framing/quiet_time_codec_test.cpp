// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/quiet_time_codec.hpp>

#include <portunus/framing/frame_decoder.hpp>

#include "support/catch.hpp"
#include "unit/framing/decode_support.hpp"

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus;
using namespace framing_test;
using namespace std::chrono_literals;

namespace {

using time_point = std::chrono::steady_clock::time_point;

constexpr time_point at(std::chrono::milliseconds since_start) {
    return time_point(1000s) + since_start;
}

/// A decoder, and what comes in when.
struct line {
    explicit line(quiet_time_codec codec) : decoder(codec) {}

    void receive(std::chrono::milliseconds when, std::string_view bytes) {
        std::memcpy(decoder.prepare(bytes.size()).data(), bytes.data(), bytes.size());
        decoder.commit(bytes.size());
        decoder.received(at(when));
        fetch();
    }
    void expire(std::chrono::milliseconds when) {
        decoder.expired(at(when));
        fetch();
    }
    void end() {
        decode_step step;
        while ((step = decoder.finish()).what == decode_step::kind::frame) got.emplace_back(step.frame);
        last = step.what;
    }
    void fetch() {
        decode_step step;
        while ((step = decoder.next()).what == decode_step::kind::frame) got.emplace_back(step.frame);
        last = step.what;
    }
    std::vector<std::string> take() { return std::exchange(got, {}); }
    /// Milliseconds since the start; nothing when there is no deadline.
    std::optional<std::chrono::milliseconds> deadline() const {
        const auto when = decoder.deadline();
        if (!when) return std::nullopt;
        return std::chrono::duration_cast<std::chrono::milliseconds>(*when - at(0ms));
    }

    frame_decoder<quiet_time_codec> decoder;
    std::vector<std::string> got{};
    decode_step::kind last = decode_step::kind::more;
};

using texts = std::vector<std::string>;
using when = std::optional<std::chrono::milliseconds>;

} // namespace

TEST_CASE("a frame is what came before a silence, and the codec tells when that is over") {
    line wire(quiet_time_codec(50ms));
    CHECK(wire.deadline() == std::nullopt);
    wire.receive(0ms, "one ");
    CHECK(wire.deadline() == when(50ms));
    wire.receive(49ms, "frame");
    CHECK(wire.deadline() == when(99ms));
    CHECK(wire.take() == texts{});
    wire.expire(98ms);
    CHECK(wire.take() == texts{});
    wire.expire(99ms);
    CHECK(wire.take() == texts{"one frame"});
    CHECK(wire.deadline() == std::nullopt);
    wire.expire(500ms);
    CHECK(wire.take() == texts{});
    wire.receive(1000ms, "two");
    CHECK(wire.deadline() == when(1050ms));
    wire.expire(1050ms);
    CHECK(wire.take() == texts{"two"});
}

TEST_CASE("bytes that come when the silence is over are a new frame, though nobody said that it was over") {
    line wire(quiet_time_codec(50ms));
    wire.receive(0ms, "one");
    wire.receive(50ms, "two");
    CHECK(wire.take() == texts{"one"});
    CHECK(wire.deadline() == when(100ms));
    wire.expire(75ms); // late news of the first deadline
    CHECK(wire.take() == texts{});
    wire.expire(100ms);
    CHECK(wire.take() == texts{"two"});
}

TEST_CASE("a frame that is complete but not fetched does not grow when more bytes come") {
    line wire(quiet_time_codec(50ms));
    wire.receive(0ms, "one");
    wire.decoder.expired(at(60ms));
    wire.receive(61ms, "two");
    CHECK(wire.take() == texts{"one"});
    CHECK(wire.deadline() == when(111ms));
    wire.expire(111ms);
    CHECK(wire.take() == texts{"two"});
}

TEST_CASE("bytes that are received twice before a step is asked for are told apart by their times") {
    frame_decoder decoder(quiet_time_codec(50ms));
    for (const auto& [time, text] : {std::pair{0ms, "one"}, {80ms, "two"}}) {
        std::memcpy(decoder.prepare(3).data(), text, 3);
        decoder.commit(3);
        decoder.received(at(time));
    }
    decoder.expired(at(130ms)); // the first frame has to be fetched first
    CHECK(decoder.next().frame == "one");
    CHECK(decoder.next().what == decode_step::kind::more);
    CHECK(decoder.deadline() == at(130ms));
    decoder.expired(at(130ms));
    CHECK(decoder.next().frame == "two");
}

TEST_CASE("a steady trickle cannot hold a frame back for longer than longest") {
    line wire(quiet_time_codec(50ms, {.longest = 100ms}));
    std::string all;
    for (auto t = 0ms; t < 100ms; t += 10ms) {
        wire.receive(t, "x");
        CHECK(wire.deadline() == when(std::min(t + 50ms, 100ms)));
    }
    CHECK(wire.take() == texts{});
    wire.receive(100ms, "y"); // no silence, but the time is over
    CHECK(wire.take() == texts{"xxxxxxxxxx"});
    CHECK(wire.deadline() == when(150ms));

    line endless(quiet_time_codec(50ms));
    for (auto t = 0ms; t < 10000ms; t += 49ms) endless.receive(t, "x");
    CHECK(endless.take() == texts{});
}

TEST_CASE("longest equal to the silence collects for that long from the first byte on") {
    line wire(quiet_time_codec(30ms, {.longest = 30ms}));
    wire.receive(0ms, "a");
    wire.receive(29ms, "b");
    CHECK(wire.deadline() == when(30ms));
    wire.expire(30ms);
    CHECK(wire.take() == texts{"ab"});
}

TEST_CASE("frames depend on the times of the bytes alone, not on when anybody looked") {
    std::mt19937 random(43);
    for (int i = 0; i < 3000; ++i) {
        const std::chrono::milliseconds silence(1 + random() % 20);
        const std::chrono::milliseconds longest =
            random() % 2 ? 0ms : silence + std::chrono::milliseconds(random() % 30);
        const quiet_time_codec codec(silence, {.longest = longest});
        line lazy(codec), punctual(codec);
        texts expected;
        std::string frame;
        std::chrono::milliseconds now{0}, first{0}, last{0};
        for (int piece = 0; piece < 20; ++piece) {
            now += std::chrono::milliseconds(random() % 30);
            const std::string bytes(1 + random() % 5, static_cast<char>('a' + piece));
            if (!frame.empty() && (now >= last + silence || (longest != 0ms && now >= first + longest)))
                expected.push_back(std::exchange(frame, {}));
            if (frame.empty()) first = now;
            last = now;
            frame += bytes;
            while (punctual.deadline() && *punctual.deadline() <= now) punctual.expire(*punctual.deadline());
            if (random() % 2) punctual.expire(now - 1ms);
            lazy.receive(now, bytes);
            punctual.receive(now, bytes);
        }
        expected.push_back(frame);
        lazy.end();
        punctual.end();
        REQUIRE(lazy.take() == expected);
        REQUIRE(punctual.take() == expected);
    }
}

TEST_CASE("the end of the stream completes a quiet-time frame") {
    line wire(quiet_time_codec(50ms));
    wire.receive(0ms, "rest");
    wire.end();
    CHECK(wire.take() == texts{"rest"});
    CHECK(wire.last == decode_step::kind::more);
    CHECK(wire.decoder.buffered().empty());
    CHECK(wire.deadline() == std::nullopt);
}

TEST_CASE("more than max_frame bytes without a silence are too large; the same bytes with one are not") {
    line wire(quiet_time_codec(50ms, {.max_frame = 5}));
    wire.receive(0ms, "12345");
    wire.receive(60ms, "12345");
    CHECK(wire.take() == texts{"12345"});
    wire.receive(70ms, "6");
    CHECK(wire.last == decode_step::kind::failed);
    CHECK(wire.decoder.failure().detail() == "frame of at least 6 bytes exceeds max_frame 5");
    CHECK(wire.decoder.buffered() == "123456");
}

TEST_CASE("bytes that an exchange hands over count from the next received on") {
    line wire(quiet_time_codec(50ms));
    wire.receive(0ms, "kept");
    wire.decoder.exchange(quiet_time_codec(10ms));
    CHECK(wire.deadline() == std::nullopt);
    wire.decoder.received(at(20ms));
    CHECK(wire.deadline() == when(30ms));
    wire.expire(30ms);
    CHECK(wire.take() == texts{"kept"});
}

TEST_CASE("a quiet-time payload is sent as it is; an empty one would not be seen and is refused") {
    const quiet_time_codec codec(50ms, {.max_frame = 4});
    CHECK(encode(codec, "a\r\nb").bytes == "a\r\nb");
    CHECK(encode(codec, "").refused);
    CHECK(encode(codec, "12345").refused);
    CHECK(codec.encode_failure("").detail() == "an empty payload would not be seen");
}

TEST_CASE("a quiet-time codec refuses a broken configuration with the value and what is allowed") {
    CHECK(refusal([] { quiet_time_codec(0ms); }) == "silence of 0 ms is not in 1 to 86400000");
    CHECK(refusal([] { quiet_time_codec(25h); }) == "silence of 90000000 ms is not in 1 to 86400000");
    CHECK(refusal([] { quiet_time_codec(-1ms); }) == "silence of -1 ms is not in 1 to 86400000");
    CHECK(refusal([] { quiet_time_codec(50ms, {.longest = 49ms}); }) ==
          "longest of 49 ms is neither 0 nor in 50 (the silence) to 86400000");
    CHECK(refusal([] { quiet_time_codec(50ms, {.max_frame = 0}); }).find("max_frame 0") == 0);
    CHECK(refusal([] { quiet_time_codec(24h, {.longest = 24h}); }).empty());
}
