// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/inband_codec.hpp>

#include "support/catch.hpp"
#include "unit/framing/inband_support.hpp"

#include <portunus/net/framed_stream.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus;
using namespace framing_test;
namespace asio = boost::asio;

namespace {

// In text the escape is readable: '!' begins a command, ';' ends it.
constexpr inband_options readable{.escape = '!', .end = ';'};

/// Every cut, through both ways of decoding; what it came to, or an exception with the first cuts that
/// differ.
outcome grind_inband(const inband_options& options, std::string_view input) {
    const inband_codec codec(options);
    const outcome whole = inband_outcome(codec, input, {});
    const auto same = [&](const std::vector<std::size_t>& cuts) {
        for (const bool by_decoder : {false, true}) {
            if (inband_outcome(codec, input, cuts, by_decoder) == whole) continue;
            std::string text = "fed whole and cut at";
            for (const std::size_t cut : cuts) text += ' ' + std::to_string(cut);
            throw std::logic_error(text + " differ for " + printable(input));
        }
    };
    same({});
    same(every_cut(input.size()));
    for (std::size_t i = 1; i < input.size(); ++i) {
        same({i});
        for (std::size_t j = i + 1; j < input.size(); ++j) same({i, j});
    }
    return whole;
}

} // namespace

TEST_CASE("data and commands come out of one stream, wherever it is cut") {
    struct row {
        std::string_view bytes;
        outcome expected;
    };
    const row rows[] = {
        {"", frames({})},
        {"data", frames({"ddata"})},
        {"!Cbody;", frames({"cCbody;"})},
        {"!C;", frames({"cC;"})},
        {"!!", frames({"d!"})},
        {"!!!!", frames({"d!!"})},
        {"a!!b", frames({"da!b"})},
        {"a!Cb;c", frames({"da", "cCb;", "dc"})},
        {"a!Cb;!Dc;d;e", frames({"da", "cCb;", "cDc;", "dd;e"})},
        {"!!!Cb;", frames({"d!", "cCb;"})},
        {"!Ca!b;x", frames({"cCa!b;", "dx"})},   // an escape in a body is a byte like others
        {"!Ca!!b;x", frames({"cCa!!b;", "dx"})}, // also twice
        {"!;;x", frames({"c;;", "dx"})},         // the end character as the tag
        {"!;a;x", frames({"c;a;", "dx"})},
        {"only; ends;", frames({"donly; ends;"})},
        {"a!", frames_then({"da"}, errc::partial_frame, "!")},
        {"a!C", frames_then({"da"}, errc::partial_frame, "!C")},
        {"a!Cbody", frames_then({"da"}, errc::partial_frame, "!Cbody")},
        {"a!!!", frames_then({"da!"}, errc::partial_frame, "!")},
    };
    for (const row& r : rows) {
        CAPTURE(r.bytes);
        CHECK(grind_inband(readable, r.bytes) == r.expected);
    }
}

TEST_CASE("the defaults of row T-33 are 255 and 13, and a command has its end but not its first two bytes") {
    const std::string wire = std::string("on\xFF\xFF") + "\xFF\x02" + "speed 9600\r" + "off\r";
    recorded_inband recorded{inband_codec()};
    CHECK(decode_in_pieces(recorded, wire, {}).frames ==
          std::vector<std::string>{"on\xFF", "speed 9600\r", "off\r"});
    CHECK(*recorded.log == std::vector<std::string>{"don\xFF", "c\x02speed 9600\r", "doff\r"});
    inband_codec codec;
    std::string command = "\xFF\x02go\r";
    const decode_step step = codec.decode(command.data(), command.size());
    const inband_piece piece = codec.piece(step.frame);
    CHECK(piece.is_command());
    CHECK(piece.tag == 2);
    CHECK(piece.bytes == "go\r");
    CHECK(piece.body() == "go");
}

TEST_CASE("random escapes give what a model reading single characters finds, however they are cut") {
    std::mt19937 random(33);
    for (int i = 0; i < 12000; ++i) {
        inband_options options = readable;
        options.max_frame = 1 + random() % 20;
        options.max_command = 1 + random() % 20;
        const std::string bytes = random_bytes(random, 100, i % 2 ? "!;a" : "!;abcdefghijkl");
        CAPTURE(bytes, options.max_frame, options.max_command);
        const outcome expected = inband_model(options, bytes);
        const inband_codec codec(options);
        REQUIRE(inband_outcome(codec, bytes, {}) == expected);
        REQUIRE(inband_outcome(codec, bytes, random_cuts(random, bytes.size())) == expected);
        outcome decoded = inband_outcome(codec, bytes, random_cuts(random, bytes.size()), true);
        REQUIRE(decoded == expected);
    }
}

TEST_CASE("data is delivered at once, as one piece without its escapes, up to max_frame") {
    recorded_inband recorded{inband_codec({.escape = '!', .end = ';', .max_frame = 4})};
    (void)decode_in_pieces(recorded, "ab!!cdef!!!!!!!!g", {});
    CHECK(*recorded.log == std::vector<std::string>{"dab!c", "ddef!", "d!!!g"});
    recorded_inband held{inband_codec(readable)};
    (void)decode_in_pieces(held, "ab!!c", {1, 3});
    CHECK(*held.log == std::vector<std::string>{"da", "db", "d!c"}); // a single escape waits for what follows
}

TEST_CASE("a command of just max_command bytes passes, a longer one fails with the numbers") {
    inband_options options = readable;
    options.max_command = 4;
    CHECK(grind_inband(options, "!Cabc;x") == frames({"cCabc;", "dx"}));
    CHECK(grind_inband(options, "a!Cabcd;x") == frames_then({"da"}, errc::frame_too_large));
    CHECK(grind_inband(options, "a!Cabcd") == frames_then({"da"}, errc::frame_too_large));
    CHECK(grind_inband(options, "!Cabc") == frames_then({}, errc::partial_frame, "!Cabc"));
    options.max_command = 1;
    CHECK(grind_inband(options, "!C;!Da") == frames_then({"cC;"}, errc::frame_too_large));
    inband_codec codec({.max_command = 4});
    std::string bytes = "\xFF"
                        "Cabcde";
    CHECK(codec.decode(bytes.data(), bytes.size()).what == decode_step::kind::failed);
    CHECK(codec.failure() ==
          error(errc::frame_too_large, "command of at least 5 bytes exceeds max_command 4"));
    codec.reset();
    CHECK_FALSE(codec.failure().code().failed());
    std::string good = "fine";
    CHECK(codec.decode(good.data(), good.size()).frame == "fine");
}

TEST_CASE("no byte of an unfinished command is searched twice") {
    inband_codec codec({.max_command = 3000});
    std::string bytes = "\xFF"
                        "C" +
                        std::string(2000, 'x');
    for (std::size_t size = 2; size <= bytes.size(); ++size) {
        const decode_step step = codec.decode(bytes.data(), size);
        REQUIRE(step.what == decode_step::kind::more);
        REQUIRE(step.consumed == 0);
        REQUIRE(codec.scanned() == size);
    }
}

TEST_CASE("every payload can be carried as data, and comes back as it was") {
    std::mt19937 random(7);
    for (int i = 0; i < 4000; ++i) {
        const std::string payload = random_bytes(random, 100, i % 2 ? "!;a" : "!;abcdefghijkl");
        const encoded sent = encode(inband_codec(readable), payload);
        REQUIRE_FALSE(sent.refused);
        const outcome back =
            inband_outcome(inband_codec(readable), sent.bytes, random_cuts(random, sent.bytes.size()));
        if (payload.empty())
            REQUIRE(back == frames({}));
        else
            REQUIRE(back == frames({"d" + payload}));
    }
    CHECK(encode(inband_codec(readable), "!!").bytes == "!!!!");
    CHECK(encode(inband_codec(readable), "a;b").bytes == "a;b");
    CHECK(encode(inband_codec({.max_frame = 2}), "longer").bytes == "longer");
}

TEST_CASE("a command that is encoded is decoded to the same, between any data") {
    std::mt19937 random(8);
    const inband_codec codec(readable);
    for (int i = 0; i < 2000; ++i) {
        const std::string before = random_bytes(random, 10, "!;a"), after = random_bytes(random, 10, "!;a");
        const std::string body = random_bytes(random, 20, "!ab");
        const char tag = "a;b"[random() % 3];
        const std::string wire =
            encode(codec, before).bytes + codec.command(tag, body).value() + encode(codec, after).bytes;
        std::vector<std::string> expected;
        if (!before.empty()) expected.push_back("d" + before);
        expected.push_back(std::string("c") + tag + body + ';');
        if (!after.empty()) expected.push_back("d" + after);
        REQUIRE(inband_outcome(codec, wire, random_cuts(random, wire.size())) == frames(expected));
    }
}

TEST_CASE("a command that could not be read back is refused with the reason") {
    inband_options options = readable;
    options.max_command = 4;
    const inband_codec codec(options);
    char out[16];
    CHECK(codec.command('C', "abc").value() == "!Cabc;");
    CHECK(codec.command_bound("abc") == 6);
    CHECK_FALSE(codec.command_failure('C', "abc").code().failed());
    CHECK(codec.encode_command('!', "abc", out) == unencodable);
    CHECK(codec.command('!', "abc").error() ==
          error(errc::unencodable_payload,
                "the tag of a command is the escape 0x21 '!', which would make it data"));
    CHECK(codec.command_bound("abcd") == 0);
    CHECK(codec.encode_command('C', "abcd", out) == unencodable);
    CHECK(codec.command('C', "abcd").error() ==
          error(errc::unencodable_payload, "command of 5 bytes with its end exceeds max_command 4"));
    CHECK(codec.encode_command('C', "a;b", out) == unencodable);
    CHECK(codec.command('C', "a;b").error() ==
          error(errc::unencodable_payload,
                "payload of 3 bytes contains 0x3B ';' at offset 1, which would end the frame"));
}

TEST_CASE("an in-band codec refuses a broken configuration with the value and what is allowed") {
    CHECK(framing_test::refusal([] { inband_codec({.max_frame = 0}); }).find("max_frame 0 is not in 1 to") ==
          0);
    CHECK(framing_test::refusal([] {
              inband_codec({.max_command = 0});
          }).find("max_command 0 is not in 1 to") == 0);
    CHECK(framing_test::refusal([] { inband_codec({.escape = 'a', .end = 'a'}); }) ==
          "escape and end are both 0x61 'a'; they have to differ");
}

TEST_CASE("a framed stream tells data from commands in each of its three ways of reading") {
    testing::run([](asio::io_context& context) -> awaitable<void> {
        for (int way = 0; way < 3; ++way) {
            auto [near, far] = testing::make_memory_stream_pair(context.get_executor());
            framed_stream frames(std::move(near), inband_codec(readable));
            (void)far.try_write_some("one!Astop;two!!three!B;!C;four");
            const auto ended = co_await far.shutdown_send();
            CHECK(ended);
            std::vector<std::string> got;
            const auto take = [&](std::string_view frame) {
                const inband_piece piece = frames.codec().piece(frame);
                if (piece.is_command())
                    got.push_back(std::string("c") + piece.tag + std::string(piece.bytes));
                else
                    got.push_back("d" + std::string(piece.bytes));
            };
            error end;
            while (!end.code().failed()) {
                if (way == 0) {
                    const auto frame = co_await frames.read();
                    if (frame) take(*frame);
                    end = frame ? error() : frame.error();
                } else if (way == 1) {
                    while (const auto frame = frames.try_read()) take(*frame);
                    const auto more = co_await frames.fill();
                    end = more ? error() : more.error();
                } else {
                    auto batch = co_await frames.read_batch();
                    if (batch)
                        for (const std::string_view frame : *batch) take(frame);
                    end = batch ? error() : batch.error();
                }
            }
            CAPTURE(way);
            CHECK(end == errc::end_of_stream);
            CHECK(joined(got) ==
                  std::vector<std::string>{"done", "cAstop;", "dtwo!three", "cB;", "cC;", "dfour"});
        }
    });
}

TEST_CASE("a framed stream doubles the escapes of what is queued, and a command goes behind it") {
    testing::run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = testing::make_memory_stream_pair(context.get_executor());
        framed_stream frames(std::move(near), inband_codec(readable));
        CHECK(frames.queue("wow!"));
        const auto flushed = co_await frames.flush();
        CHECK(flushed);
        const std::string command = frames.codec().command('A', "ok").value();
        CHECK(frames.stream().try_write_some(command).value() == command.size());
        char buffer[64];
        const auto got = co_await far.read_some(asio::buffer(buffer));
        CHECK(std::string_view(buffer, got.value()) == "wow!!!Aok;");
    });
}
