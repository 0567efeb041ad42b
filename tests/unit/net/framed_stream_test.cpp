// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/framed_stream.hpp>

#include <portunus/framing/any_codec.hpp>
#include <portunus/framing/escaped_codec.hpp>
#include <portunus/framing/fixed_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/quiet_time_codec.hpp>
#include <portunus/framing/raw_codec.hpp>
#include <portunus/testing/fuse.hpp>
#include <portunus/testing/grind.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/scripted_peer.hpp>

#include "net_support.hpp"
#include "support/catch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

using namespace portunus;
using namespace portunus::testing;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace sys = boost::system::errc;
using Catch::Matchers::Contains;

namespace {

constexpr run_options manual{.manual_time = true};

/// Without the real clock nothing has to be waited for, not even at the end.
template <class Body>
void manually(Body&& body) {
    run(body, manual);
}

template <class Codec>
using framed = framed_stream<memory_stream, Codec>;

/// A framed stream and the bare other end of it.
template <class Codec = line_codec>
struct ends {
    framed<Codec> frames;
    memory_stream far;
};

template <class Codec>
ends<Codec> open_ends(asio::io_context& context, Codec codec, const framed_options& options = {},
                      const memory_stream_options& near = {}, const memory_stream_options& far = {}) {
    auto pair = make_memory_stream_pair(context.get_executor(), near, far);
    return {framed<Codec>(std::move(pair.first), std::move(codec), options), std::move(pair.second)};
}

/// A read whose frame is copied, so that it can be looked at later.
template <class Frames>
awaitable<result<std::string>> read_copy(Frames& frames) {
    const auto frame = co_await frames.read();
    if (!frame) co_return frame.error();
    co_return std::string(*frame);
}

std::string bytes_at(memory_stream& s) {
    std::string all;
    char buffer[4096];
    for (;;) {
        const auto got = s.try_read_some(asio::buffer(buffer));
        if (!got) return all;
        all.append(buffer, *got);
    }
}

// the three ways to read
// ----------------------------------------------------------------------------------------------------------

enum class way { read, fill, batch };

/// All frames, then the error that ended it.
struct received {
    std::vector<std::string> frames;
    error end;
    std::string left; // bytes of a partial frame
    friend bool operator==(const received&, const received&) = default;
    friend std::ostream& operator<<(std::ostream& out, const received& r) {
        for (const auto& frame : r.frames) out << printable(frame) << ' ';
        return out << "then " << r.end << ' ' << printable(r.left);
    }
};

template <class Frames>
awaitable<received> read_everything(Frames& frames, way how) {
    received all;
    for (;;) {
        if (how == way::read) {
            const auto frame = co_await frames.read();
            if (frame) {
                all.frames.emplace_back(*frame);
                continue;
            }
            all.end = frame.error();
        } else if (how == way::fill) {
            for (;;) {
                const auto frame = frames.try_read();
                if (!frame) break;
                all.frames.emplace_back(*frame);
            }
            const auto more = co_await frames.fill();
            if (more) continue;
            all.end = more.error();
        } else {
            auto batch = co_await frames.read_batch();
            if (batch) {
                for (const std::string_view frame : *batch) all.frames.emplace_back(frame);
                continue;
            }
            all.end = batch.error();
        }
        all.left = frames.unread();
        co_return all;
    }
}

/// What a reader gets when `pieces` arrive one by one and the peer then finishes.
template <class Codec>
received receive_in_pieces(const Codec& codec, std::span<const std::string_view> pieces, way how,
                           std::size_t read_size) {
    received all;
    manually([&](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, codec, {}, {.read_size = read_size});
        auto reading = start(context.get_executor(), read_everything(frames, how));
        for (const std::string_view piece : pieces) {
            REQUIRE(far.try_write_some(piece).value() == piece.size());
            co_await settle();
        }
        (void)co_await far.shutdown_send();
        all = co_await reading.join();
    });
    return all;
}

} // namespace

TEST_CASE("the three ways to read give the same frames and the same end, whatever the size of the reads") {
    const auto same = [](const auto& codec, std::string_view bytes, const received& expected) {
        const std::string_view whole[] = {bytes};
        for (const std::size_t read_size : {1U, 2U, 3U, 7U, 0U}) {
            for (const way how : {way::read, way::fill, way::batch}) {
                CAPTURE(bytes, read_size, static_cast<int>(how));
                CHECK(receive_in_pieces(codec, whole, how, read_size) == expected);
            }
        }
    };
    const received nothing{{}, errc::end_of_stream, ""};

    same(line_codec(), "", nothing);
    same(line_codec(), "one\r\ntwo\nthree\r\r\n\nfour\n",
         {{"one", "two", "three", "four"}, errc::end_of_stream, ""});
    same(line_codec(line_mode::lf), "a\n\nb\n", {{"a", "", "b"}, errc::end_of_stream, ""});
    same(packet_2(), std::string_view("\0\3abc\0\0\0\1d", 10), {{"abc", "", "d"}, errc::end_of_stream, ""});
    same(fixed_codec(3), "abcdef", {{"abc", "def"}, errc::end_of_stream, ""});
    same(stp(), ":<:=message:=:>", {{":message:"}, errc::end_of_stream, ""});
    same(any_codec(line_codec()), "one\ntwo\n", {{"one", "two"}, errc::end_of_stream, ""});
    // A partial frame at the end is an error that says how much there was, and leaves the bytes.
    {
        received expected{{"one"}, {}, "tw"};
        const std::string_view whole[] = {"one\ntw"};
        expected.end = receive_in_pieces(line_codec(), whole, way::read, 0).end;
        CHECK(expected.end == errc::partial_frame);
        CHECK_THAT(std::string(expected.end.detail()), Contains("2 bytes"));
        same(line_codec(), whole[0], expected);
    }
}

TEST_CASE("a codec for which the end of the stream completes a frame gives it in each of the three ways") {
    const received expected{{"ab", "cd"}, errc::end_of_stream, ""};
    for (const way how : {way::read, way::fill, way::batch}) {
        CAPTURE(static_cast<int>(how));
        received all;
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, quiet_time_codec(50ms));
                auto reading = start(context.get_executor(), read_everything(frames, how));
                (void)far.try_write_some("ab");
                co_await advance(50ms);
                (void)far.try_write_some("cd");
                co_await advance(10ms);
                (void)co_await far.shutdown_send();
                all = co_await reading.join();
            },
            manual);
        CHECK(all == expected);
    }
}

TEST_CASE("frames do not depend on where the bytes were split") {
    const auto ground = [](const auto& codec, std::string_view bytes) {
        return grind(bytes,
                     [&](std::span<const std::string_view> pieces) {
                         return receive_in_pieces(codec, pieces, way::batch, 0);
                     },
                     {.pairs_up_to = 12});
    };
    CHECK(ground(line_codec(), "ab\r\ncd\n\re").frames == std::vector<std::string>{"ab", "cd"});
    CHECK(ground(packet_1(), std::string_view("\2ab\0\1c", 6)).frames ==
          std::vector<std::string>{"ab", "", "c"});
    CHECK(ground(stp(), ":<a:=b:>").frames == std::vector<std::string>{"a:b"});
}

TEST_CASE("a frame that is larger than a buffer of reads arrives whole") {
    manually([](asio::io_context& context) -> awaitable<void> {
        const std::string large(300'000, 'x');
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf));
        scripted_peer sender;
        sender.send(large + "\n" + "small\n");
        auto sending = start(context.get_executor(), sender.play(far));
        const auto first = co_await frames.read();
        REQUIRE(first);
        CHECK(*first == large);
        const auto second = co_await frames.read();
        REQUIRE(second);
        CHECK(*second == "small");
        const std::string said = co_await sending.join();
        CHECK(said == "");
    });
}

TEST_CASE("try_read gives would_block when no frame is complete, and consumes nothing of it") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        CHECK(frames.try_read().error() == errc::would_block);
        (void)far.try_write_some("hal");
        const auto filled = co_await frames.fill();
        CHECK(filled);
        CHECK(frames.try_read().error() == errc::would_block);
        CHECK(frames.unread() == "hal");
        (void)far.try_write_some("f\nmore");
        (void)co_await frames.fill();
        const auto line = frames.try_read();
        REQUIRE(line);
        CHECK(*line == "half");
        CHECK(frames.try_read().error() == errc::would_block);
        CHECK(frames.unread() == "more");
    });
}

// batches
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("breaking out of a batch leaves the rest for the next read") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        (void)far.try_write_some("1\n2\n3\n4\n");
        {
            auto batch = co_await frames.read_batch();
            REQUIRE(batch.has_value());
            for (const std::string_view line : *batch)
                if (line == "2") break;
        }
        const auto third = co_await frames.read();
        REQUIRE(third);
        CHECK(*third == "3");
        auto batch = co_await frames.read_batch();
        REQUIRE(batch.has_value());
        std::vector<std::string> rest;
        for (const std::string_view line : *batch) rest.emplace_back(line);
        CHECK(rest == std::vector<std::string>{"4"});
    });
}

TEST_CASE("an error behind good frames is reported by the read after them, again and again") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf, {.max_frame = 4}));
        (void)far.try_write_some("one\ntwo\nmuch too long\n");
        auto batch = co_await frames.read_batch();
        REQUIRE(batch.has_value());
        std::vector<std::string> good;
        for (const std::string_view line : *batch) good.emplace_back(line);
        CHECK(good == std::vector<std::string>{"one", "two"});
        for (int i = 0; i < 2; ++i) {
            auto next = co_await frames.read_batch();
            CHECK(next.error() == errc::frame_too_large);
            const auto single = co_await frames.read();
            CHECK(single.error() == errc::frame_too_large);
            const auto filled = co_await frames.fill();
            CHECK(filled.error() == errc::frame_too_large);
            CHECK(frames.try_read().error() == errc::frame_too_large);
        }
        CHECK(frames.unread() == "much too long\n");
    });
}

TEST_CASE("the views of a batch stay valid across queue and flush, also a flush that waits") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 4});
        (void)far.try_write_some("first\nsecond\nthird\n");
        auto batch = co_await frames.read_batch();
        REQUIRE(batch.has_value());
        std::vector<std::string_view> views;
        for (const std::string_view line : *batch) {
            views.push_back(line);
            REQUIRE(frames.queue(line));
        }
        scripted_peer reader;
        reader.expect("first\nsecond\nthird\n");
        auto reading = start(context.get_executor(), reader.play(far));
        (void)far.try_write_some("bytes that come meanwhile\n");
        const auto sent = co_await frames.flush();
        CHECK(sent);
        CHECK(views == std::vector<std::string_view>{"first", "second", "third"});
        const std::string said = co_await reading.join();
        CHECK(said == "");
    });
}

TEST_CASE("a batch can be walked after its handle was destroyed") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [live, far] = open_ends(context, line_codec());
        auto frames = std::make_optional(std::move(live));
        (void)far.try_write_some("1\n2\nquit\n4\n");
        auto batch = co_await frames->read_batch();
        REQUIRE(batch.has_value());
        std::string all;
        for (const std::string_view line : *batch) {
            if (line == "quit") frames.reset(); // a session that ends itself
            all += line;
        }
        CHECK(all == "12quit4");
    });
}

// writing
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("queue sends nothing, flush sends it all, in order and in as few writes as possible") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        REQUIRE(frames.queue("one"));
        REQUIRE(frames.queue("two"));
        CHECK(far.unread() == 0);
        CHECK(frames.queued() == 10);
        const auto sent = co_await frames.flush();
        CHECK(sent);
        CHECK(frames.queued() == 0);
        CHECK(bytes_at(far) == "one\r\ntwo\r\n");
        const auto nothing = co_await frames.flush();
        CHECK(nothing);
        const auto written = co_await frames.write("three");
        CHECK(written);
        CHECK(bytes_at(far) == "three\r\n");
    });
}

TEST_CASE("a full queue refuses with the numbers and queues nothing; a single frame always fits") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, packet_2(), {.max_queued = 10});
        REQUIRE(frames.queue("sixteen bytes...")); // into the empty queue
        CHECK(frames.queued() == 18);
        const auto refused = frames.queue("x");
        REQUIRE(!refused);
        CHECK(refused.error() == errc::queue_full);
        CHECK(!is_fatal(refused.error()));
        CHECK_THAT(std::string(refused.error().detail()),
                   Contains("18 bytes") && Contains("3 more") && Contains("max_queued 10"));
        CHECK(frames.queued() == 18);
        (void)co_await frames.flush();
        REQUIRE(frames.queue("1234567")); // 9
        CHECK(frames.queue("").error() == errc::queue_full);
        CHECK(frames.queued() == 9);
        (void)co_await frames.flush();
        REQUIRE(frames.queue("12345678")); // 10: just full
        CHECK(frames.queued() == 10);
    });
}

TEST_CASE("a payload that the codec cannot carry is refused and leaves the queue as it was") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf));
        REQUIRE(frames.queue("good"));
        const auto refused = frames.queue("two\nlines");
        REQUIRE(!refused);
        CHECK(refused.error() == errc::unencodable_payload);
        CHECK(!is_fatal(refused.error()));
        CHECK(frames.queued() == 5);
        const auto written = co_await frames.write("two\nlines");
        CHECK(written.error() == errc::unencodable_payload);
        (void)co_await frames.flush();
        CHECK(bytes_at(far) == "good\n");
    });
}

TEST_CASE("a flush waits for a stopped reader and goes on when it reads") {
    for (const std::size_t write_size : {0U, 1U, 2U, 3U, 7U}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] =
                open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 5, .write_size = write_size});
            REQUIRE(frames.queue("abcdefghijkl"));
            auto flushing = start(context.get_executor(), frames.flush());
            co_await settle();
            CHECK(!flushing.done());
            CHECK(far.unread() == 5);
            CHECK(frames.queued() == 8);
            REQUIRE(frames.queue("mn")); // queueing goes on meanwhile
            std::string all;
            while (!flushing.done()) {
                all += bytes_at(far);
                co_await settle();
            }
            const auto sent = flushing.get();
            CHECK(sent);
            CHECK(all + bytes_at(far) == "abcdefghijkl\nmn\n");
        });
    }
}

TEST_CASE("wait_writable completes when no more than the threshold is queued") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 4});
        const auto at_once = co_await frames.wait_writable();
        CHECK(at_once);
        REQUIRE(frames.queue("0123456789"));                  // 11 bytes, 4 fit
        const auto still = co_await frames.wait_writable(11); // nothing needs to be sent
        CHECK(still);
        CHECK(far.unread() == 0);
        // Nobody flushes: it sends by itself.
        auto waiting = start(context.get_executor(), frames.wait_writable(3));
        co_await settle();
        CHECK(!waiting.done());
        CHECK(far.unread() == 4);
        CHECK(bytes_at(far) == "0123");
        co_await settle();
        REQUIRE(waiting.done());
        CHECK(frames.queued() == 3);
        const auto room = waiting.get();
        CHECK(room);
        // While somebody flushes it waits for that.
        REQUIRE(frames.queue("abcdefgh")); // 3 + 9 bytes
        auto flushing = start(context.get_executor(), frames.flush());
        auto below = start(context.get_executor(), frames.wait_writable(5));
        co_await settle();
        CHECK(!below.done());
        CHECK(bytes_at(far) == "4567");
        co_await settle();
        CHECK(!below.done());
        CHECK(bytes_at(far) == "89\na");
        co_await settle();
        CHECK(below.done());
        CHECK(!flushing.done());
        while (!flushing.done()) {
            (void)bytes_at(far);
            co_await settle();
        }
        const auto done = below.get();
        CHECK(done);
    });
}

TEST_CASE("wait_writable gives the flush's error when the connection breaks") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(), {}, {.capacity = 4});
        REQUIRE(frames.queue("0123456789"));
        auto flushing = start(context.get_executor(), frames.flush());
        auto waiting = start(context.get_executor(), frames.wait_writable());
        co_await settle();
        far.abort();
        const auto flushed = co_await flushing.join();
        CHECK(flushed.error() == sys::connection_reset);
        const auto waited = co_await waiting.join();
        CHECK(waited.error() == sys::connection_reset);
    });
}

TEST_CASE("write waits for room where queue would refuse") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] =
            open_ends(context, line_codec(line_mode::lf), {.max_queued = 6}, {.capacity = 3});
        REQUIRE(frames.queue("abcde"));
        auto writing = start(context.get_executor(), frames.write("fghij"));
        std::string all;
        while (!writing.done()) {
            co_await settle();
            all += bytes_at(far);
        }
        const auto written = writing.get();
        CHECK(written);
        CHECK(all + bytes_at(far) == "abcde\nfghij\n");
    });
}

// overlapping
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a second reader is told so, whichever ways the two read") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        auto first = start(context.get_executor(), read_copy(frames));
        co_await settle();
        const auto read = co_await frames.read();
        CHECK(read.error() == errc::operation_in_progress);
        CHECK(!is_fatal(read.error()));
        const auto filled = co_await frames.fill();
        CHECK(filled.error() == errc::operation_in_progress);
        auto batch = co_await frames.read_batch();
        CHECK(batch.error() == errc::operation_in_progress);
        CHECK(!first.done());
        (void)far.try_write_some("for the first\n");
        auto got = co_await first.join();
        CHECK(got.value() == "for the first");
    });
}

TEST_CASE("a second writer is told so, and its payload is not queued") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 2});
        REQUIRE(frames.queue("abc"));
        auto first = start(context.get_executor(), frames.flush());
        co_await settle();
        const auto flushed = co_await frames.flush();
        CHECK(flushed.error() == errc::operation_in_progress);
        const auto written = co_await frames.write("never");
        CHECK(written.error() == errc::operation_in_progress);
        CHECK(frames.queued() == 2);
        CHECK(bytes_at(far) == "ab");
        const auto sent = co_await first.join();
        CHECK(sent);
        CHECK(bytes_at(far) == "c\n");
    });
}

TEST_CASE("reading and writing overlap") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 2});
        REQUIRE(frames.queue("abc"));
        auto writing = start(context.get_executor(), frames.flush());
        auto reading = start(context.get_executor(), read_copy(frames));
        co_await settle();
        (void)far.try_write_some("line\n");
        auto got = co_await reading.join();
        CHECK(got.value() == "line");
        CHECK(!writing.done());
        (void)bytes_at(far);
        const auto sent = co_await writing.join();
        CHECK(sent);
    });
}

// cancellation
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a cancelled read loses no byte, whichever way it is cancelled") {
    for (const bool by_handle : {true, false}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec());
            (void)far.try_write_some("hal");
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await settle();
            if (by_handle)
                frames.cancel();
            else
                reading.cancel();
            const auto canceled = co_await reading.join();
            CHECK(canceled.error() == errc::canceled);
            CHECK(!is_fatal(canceled.error()));
            CHECK(frames.unread() == "hal");
            (void)far.try_write_some("f\n");
            auto line = co_await read_copy(frames);
            CHECK(line.value() == "half");
        });
    }
}

TEST_CASE("a cancel that comes after the frame is not remembered against the next read") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        auto reading = start(context.get_executor(), read_copy(frames));
        co_await settle();
        (void)far.try_write_some("one\n");
        frames.cancel(); // the bytes have been read, the reader was not resumed yet
        auto one = co_await reading.join();
        CHECK(one.value() == "one");
        auto next = start(context.get_executor(), read_copy(frames));
        co_await settle();
        CHECK(!next.done());
        (void)far.try_write_some("two\n");
        auto two = co_await next.join();
        CHECK(two.value() == "two");
    });
}

TEST_CASE("a cancel when nothing is pending does nothing") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        frames.cancel();
        (void)far.try_write_some("line\n");
        auto line = co_await read_copy(frames);
        CHECK(line.value() == "line");
        REQUIRE(frames.queue("answer"));
        const auto sent = co_await frames.flush();
        CHECK(sent);
    });
}

TEST_CASE("a cancelled flush leaves the queue, and a later one goes on where it ended") {
    for (const bool by_handle : {true, false}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 3});
            REQUIRE(frames.queue("abcdef"));
            auto flushing = start(context.get_executor(), frames.flush());
            co_await settle();
            if (by_handle)
                frames.cancel();
            else
                flushing.cancel();
            const auto canceled = co_await flushing.join();
            CHECK(canceled.error() == errc::canceled);
            CHECK(frames.queued() == 4);
            auto again = start(context.get_executor(), frames.flush());
            std::string all;
            while (!again.done()) {
                all += bytes_at(far);
                co_await settle();
            }
            CHECK(all + bytes_at(far) == "abcdef\n");
        });
    }
}

TEST_CASE("a cancel of a flush is not lost when there was room at the same moment") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 3});
        REQUIRE(frames.queue("abcdefghijk"));
        auto flushing = start(context.get_executor(), frames.flush());
        co_await settle();
        (void)bytes_at(far);
        frames.cancel(); // the wait for room has completed, the flush was not resumed yet
        co_await settle();
        CHECK(flushing.done()); // otherwise it would wait for the next room, which may never come
        if (flushing.done()) {
            const auto canceled = flushing.get();
            CHECK(canceled.error() == errc::canceled);
        }
        frames.abort();
    });
}

namespace {

/// A stream with what the concept asks for and nothing else.
class just_the_concept {
  public:
    explicit just_the_concept(memory_stream s) : inner_(std::move(s)) {}
    asio::any_io_executor get_executor() const { return inner_.get_executor(); }
    awaitable<result<std::size_t>> read_some(asio::mutable_buffer into) { return inner_.read_some(into); }
    result<std::size_t> try_read_some(asio::mutable_buffer into) { return inner_.try_read_some(into); }
    result<std::size_t> try_write_some(asio::const_buffer data) { return inner_.try_write_some(data); }
    awaitable<result<void>> wait_readable() { return inner_.wait_readable(); }
    awaitable<result<void>> wait_writable() { return inner_.wait_writable(); }
    awaitable<result<void>> shutdown_send() { return inner_.shutdown_send(); }
    awaitable<result<void>> close(steady_clock::duration limit) { return inner_.close(limit); }
    void cancel() { inner_.cancel(); }
    void abort() { inner_.abort(); }
    void request_stop() { inner_.request_stop(); }

    const memory_stream& inner() const { return inner_; }

  private:
    memory_stream inner_;
};
static_assert(byte_stream<just_the_concept>);

const memory_stream& memory_of(const just_the_concept& s) {
    return s.inner();
}
const memory_stream& memory_of(const memory_stream& s) {
    return s;
}

} // namespace

TEMPLATE_TEST_CASE("a read that is woken by its own limits does not end a flush", "", memory_stream,
                   just_the_concept) {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 3});
            framed_stream<TestType, line_codec> frames(TestType(std::move(near)), line_codec(),
                                                       {.park_after = 1s});
            REQUIRE(frames.queue("abcdef"));
            auto flushing = start(context.get_executor(), frames.flush());
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await advance(1s); // the reader parks
            CHECK(memory_of(frames.stream()).pending_read() == "wait_readable");
            CHECK(!flushing.done());
            frames.set_codec(line_codec(line_mode::lf)); // the reader is woken
            co_await settle();
            CHECK(!flushing.done());
            CHECK(!reading.done());
            frames.abort();
            const auto flushed = co_await flushing.join();
            CHECK(flushed.error() == errc::aborted_locally);
            const auto read = co_await reading.join();
            CHECK(read.error() == errc::aborted_locally);
        },
        manual);
}

// the end
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("request_stop delivers the complete frames that have arrived and then gives shutting_down") {
    for (const bool while_reading : {false, true}) {
        for (const std::size_t read_size : {1U, 0U}) {
            manually([&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, line_codec(), {}, {.read_size = read_size});
                std::optional<started<received>> reading;
                if (while_reading) {
                    reading.emplace(start(context.get_executor(), read_everything(frames, way::batch)));
                    co_await settle();
                }
                (void)far.try_write_some("one\ntwo\nthr");
                frames.request_stop();
                if (!while_reading)
                    reading.emplace(start(context.get_executor(), read_everything(frames, way::batch)));
                const received all = co_await reading->join();
                CHECK(all.frames == std::vector<std::string>{"one", "two"});
                CHECK(all.end == errc::shutting_down);
                CHECK(all.left == "thr");
                const auto answered = co_await frames.write("answer");
                CHECK(answered);
                CHECK(bytes_at(far) == "answer\r\n");
            });
        }
    }
}

TEST_CASE("request_stop reaches a reader that is parked, and one that is about to be") {
    for (const bool parked : {true, false}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, line_codec(), {.park_after = 1s});
                auto reading = start(context.get_executor(), read_copy(frames));
                co_await settle();
                deadline_service::of(context).advance(1s);
                if (parked) co_await settle();
                frames.request_stop();
                const auto got = co_await reading.join();
                CHECK(got.error() == errc::shutting_down);
            },
            manual);
    }
}

TEST_CASE("close sends what is queued, then ends the stream and waits for the peer's end") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 3});
            REQUIRE(frames.queue("abcdef"));
            scripted_peer peer;
            peer.expect("abcdef\n").expect_end().close();
            auto played = start(context.get_executor(), peer.play(far));
            const auto closed = co_await frames.close(5s);
            CHECK(closed);
            const std::string said = co_await played.join();
            CHECK(said == "");
            CHECK(!frames.stream().is_open());
        },
        manual);
}

TEST_CASE("close waits for a flush that is already on its way") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 3});
            REQUIRE(frames.queue("abcdef"));
            auto flushing = start(context.get_executor(), frames.flush());
            co_await settle();
            auto closing = start(context.get_executor(), frames.close(5s));
            co_await settle();
            scripted_peer peer;
            peer.expect("abcdef\n").expect_end().close();
            const std::string said = co_await peer.play(far);
            CHECK(said == "");
            const auto flushed = co_await flushing.join();
            CHECK(flushed);
            const auto closed = co_await closing.join();
            CHECK(closed);
        },
        manual);
}

TEST_CASE("close ends at its limit when the peer takes nothing, and says how much was not sent") {
    for (const bool flushing_already : {false, true}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {}, {.capacity = 3});
                REQUIRE(frames.queue("abcdef"));
                std::optional<started<result<void>>> flushing;
                if (flushing_already) flushing.emplace(start(context.get_executor(), frames.flush()));
                co_await settle();
                auto closing = start(context.get_executor(), frames.close(5s));
                co_await advance(4999ms);
                CHECK(!closing.done());
                co_await advance(1ms);
                REQUIRE(closing.done());
                const auto closed = closing.get();
                CHECK(closed.error() == errc::drain_timeout);
                CHECK_THAT(std::string(closed.error().detail()), Contains("4 queued bytes"));
                CHECK(!frames.stream().is_open());
                if (flushing) {
                    const auto flushed = co_await flushing->join();
                    CHECK(!flushed);
                }
            },
            manual);
    }
}

TEST_CASE("a read that waits while the stream is closed completes with closed_locally") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec());
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await settle();
            auto closing = start(context.get_executor(), frames.close(5s));
            const auto got = co_await reading.join();
            CHECK(got.error() == errc::closed_locally);
            (void)co_await far.shutdown_send();
            const auto closed = co_await closing.join();
            CHECK(closed);
        },
        manual);
}

TEST_CASE("a partial frame at the end is an error that is final, and its bytes stay readable") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, packet_2());
        (void)far.try_write_some(std::string_view("\0\5abc", 5));
        (void)co_await far.shutdown_send();
        for (int i = 0; i < 2; ++i) {
            const auto got = co_await frames.read();
            CHECK(got.error() == errc::partial_frame);
            CHECK(is_fatal(got.error()));
            CHECK_THAT(std::string(got.error().detail()), Contains("5"));
            CHECK(frames.unread() == std::string_view("\0\5abc", 5));
        }
    });
}

TEST_CASE("the end of the stream is given again and again") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        (void)co_await far.shutdown_send();
        for (int i = 0; i < 2; ++i) {
            const auto read = co_await frames.read();
            CHECK(read.error() == errc::end_of_stream);
            const auto filled = co_await frames.fill();
            CHECK(filled.error() == errc::end_of_stream);
            auto batch = co_await frames.read_batch();
            CHECK(batch.error() == errc::end_of_stream);
        }
    });
}

TEST_CASE("a frame over the limit is an error with the numbers") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, packet_4(1000));
        (void)far.try_write_some(std::string_view("\0\1\2\3xyz", 7)); // 66051 bytes are announced
        const auto got = co_await frames.read();
        CHECK(got.error() == errc::frame_too_large);
        CHECK_THAT(got.error().message(), Contains("66051") && Contains("1000"));
    });
}

TEST_CASE("a reset in the middle of a message is reported as such, and its bytes stay readable") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, line_codec());
        (void)far.try_write_some("hal");
        auto reading = start(context.get_executor(), read_copy(frames));
        co_await settle();
        far.abort();
        const auto got = co_await reading.join();
        CHECK(got.error() == sys::connection_reset);
        CHECK(frames.unread() == "hal");
    });
}

// time
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a message that trickles in is given up at its limit, counted from its beginning") {
    for (const way how : {way::read, way::fill, way::batch}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, line_codec(), {.message_limit = 5s});
                auto reading = start(context.get_executor(), read_everything(frames, how));
                co_await advance(1h); // being idle is not limited here
                for (int i = 0; i < 5; ++i) {
                    (void)far.try_write_some("x");
                    co_await settle();
                    co_await advance(i < 4 ? 1s : 999ms);
                    CHECK(!reading.done());
                }
                co_await advance(1ms);
                REQUIRE(reading.done());
                const received all = reading.get();
                CHECK(all.frames.empty());
                CHECK(all.end == errc::read_timeout);
                CHECK_THAT(std::string(all.end.detail()), Contains("5 bytes") && Contains("5000 ms"));
                CHECK(all.left == "xxxxx");
                // Final: the rest of the message does not revive it.
                (void)far.try_write_some("\n");
                const received after = co_await read_everything(frames, how);
                CHECK(after.end == errc::read_timeout);
            },
            manual);
    }
}

TEST_CASE("every message has the whole limit") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {.message_limit = 5s});
            auto reading = start(context.get_executor(), read_everything(frames, way::read));
            for (int i = 0; i < 10; ++i) {
                (void)far.try_write_some("a\nb"); // the end of one and the beginning of the next
                co_await advance(4s);
                REQUIRE(!reading.done());
            }
            co_await advance(1s);
            const received all = co_await reading.join();
            CHECK(all.frames.size() == 10);
            CHECK(all.end == errc::read_timeout);
        },
        manual);
}

TEST_CASE("the limit of a message goes on while nobody reads, but what has arrived by then still counts") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            for (const bool complete : {true, false}) {
                auto [frames, far] = open_ends(context, line_codec(), {.message_limit = 5s});
                (void)far.try_write_some("begun");
                auto reading = start(context.get_executor(), read_copy(frames));
                co_await settle();
                frames.cancel();
                (void)co_await reading.join();
                co_await advance(10s);
                if (complete) (void)far.try_write_some(" and done\n");
                auto again = start(context.get_executor(), read_copy(frames));
                co_await settle();
                co_await advance(1ms);
                REQUIRE(again.done());
                const auto got = again.get();
                if (complete)
                    CHECK(got.value() == "begun and done");
                else
                    CHECK(got.error() == errc::read_timeout);
            }
        },
        manual);
}

TEST_CASE("without a limit a message may take its time") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(), {.message_limit = 0s});
            (void)far.try_write_some("slow");
            auto reading = start(context.get_executor(), read_copy(frames));
            for (int i = 0; i < 100; ++i) {
                co_await advance(1h);
                (void)far.try_write_some("!");
            }
            (void)far.try_write_some("\n");
            const auto got = co_await reading.join();
            CHECK(got.value().size() == 104);
        },
        manual);
}

TEST_CASE("an idle stream gives its buffers back and reads on when bytes come") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(), {.park_after = 2s});
            auto reading = start(context.get_executor(), read_everything(frames, way::batch));
            (void)far.try_write_some("one\n");
            co_await settle();
            for (int i = 0; i < 3; ++i) { // again and again
                co_await advance(1999ms);
                CHECK(frames.stream().pending_read() == "read_some");
                CHECK(frames.unread().data() != nullptr);
                co_await advance(1ms);
                CHECK(frames.stream().pending_read() == "wait_readable");
                CHECK(frames.unread().data() == nullptr);
                co_await advance(1h);
                (void)far.try_write_some("two\nthr");
                co_await settle();
                CHECK(frames.stream().pending_read() == "read_some");
                co_await advance(10s); // in the middle of a message nothing is given back
                CHECK(frames.stream().pending_read() == "read_some");
                CHECK(frames.unread() == "thr");
                (void)far.try_write_some("ee\n");
                co_await settle();
            }
            (void)co_await far.shutdown_send();
            const received all = co_await reading.join();
            CHECK(all.frames ==
                  std::vector<std::string>{"one", "two", "three", "two", "three", "two", "three"});
            CHECK(all.end == errc::end_of_stream);
        },
        manual);
}

TEST_CASE("a parked reader sees the end, a reset, a cancel and its own destruction") {
    for (int what = 0; what < 4; ++what) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [live, far] = open_ends(context, line_codec(), {.park_after = 2s});
                auto frames = std::make_optional(std::move(live));
                auto reading = start(context.get_executor(), read_copy(*frames));
                co_await advance(2s);
                REQUIRE(frames->stream().pending_read() == "wait_readable");
                if (what == 0) (void)co_await far.shutdown_send();
                if (what == 1) far.abort();
                if (what == 2) frames->cancel();
                if (what == 3) frames.reset();
                const auto got = co_await reading.join();
                if (what == 0) CHECK(got.error() == errc::end_of_stream);
                if (what == 1) CHECK(got.error() == sys::connection_reset);
                if (what >= 2) CHECK(got.error() == errc::canceled);
                if (what == 2) { // it stays usable
                    (void)far.try_write_some("line\n");
                    const auto line = co_await read_copy(*frames);
                    CHECK(line.value() == "line");
                }
            },
            manual);
    }
}

TEST_CASE("writing works while the reader is parked") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, line_codec(), {.park_after = 2s});
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await advance(2s);
            const auto written = co_await frames.write("hello");
            CHECK(written);
            CHECK(bytes_at(far) == "hello\r\n");
            CHECK(frames.stream().pending_read() == "wait_readable");
            (void)far.try_write_some("answer\n");
            const auto got = co_await reading.join();
            CHECK(got.value() == "answer");
        },
        manual);
}

TEST_CASE("quiet time is served precisely") {
    for (const way how : {way::read, way::fill, way::batch}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, quiet_time_codec(50ms));
                auto reading = start(context.get_executor(), read_everything(frames, how));
                (void)far.try_write_some("ab");
                co_await advance(49ms);
                (void)far.try_write_some("cd"); // the silence begins anew
                co_await advance(49ms);
                CHECK(frames.unread() == "abcd");
                co_await advance(1ms);
                CHECK(frames.unread() == "");
                co_await advance(1h);
                (void)far.try_write_some("ef");
                co_await advance(50ms);
                (void)co_await far.shutdown_send();
                const received all = co_await reading.join();
                CHECK(all.frames == std::vector<std::string>{"abcd", "ef"});
                CHECK(all.end == errc::end_of_stream);
            },
            manual);
    }
}

TEST_CASE("a steady trickle is delivered when the frame is as old as the codec allows") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] =
                open_ends(context, quiet_time_codec(50ms, {.longest = 100ms}), {.message_limit = 1s});
            auto reading = start(context.get_executor(), read_copy(frames));
            for (int i = 0; i < 10; ++i) {
                CHECK(!reading.done());
                (void)far.try_write_some("x");
                co_await advance(10ms);
            }
            REQUIRE(reading.done());
            CHECK(reading.get().value() == "xxxxxxxxxx");
        },
        manual);
}

// exchanging the codec
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("the codec of a live stream can be exchanged between two frames without losing a byte") {
    for (const std::size_t read_size : {1U, 2U, 3U, 7U, 0U}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] =
                open_ends(context, any_codec(line_codec(line_mode::crlf)), {}, {.read_size = read_size});
            (void)far.try_write_some(std::string_view("LENGTHS 1\r\n\5a\r\nbc\0:<x:>", 22 - 3));
            (void)far.try_write_some("");
            const auto command = co_await read_copy(frames);
            CHECK(command.value() == "LENGTHS 1");
            frames.set_codec(packet_1());
            CHECK(frames.codec().get_if<length_prefix_codec>() != nullptr);
            const auto binary = co_await read_copy(frames);
            CHECK(binary.value() == "a\r\nbc");
            const auto empty = co_await read_copy(frames);
            CHECK(empty.value().empty());
            frames.set_codec(fixed_codec(2));
            (void)far.try_write_some("yz1234");
            std::string rest;
            while (rest.size() < 6) {
                const auto two = co_await read_copy(frames);
                REQUIRE(two);
                CHECK(two.value().size() == 2);
                rest += *two;
            }
        });
    }
}

TEST_CASE("the codec can be exchanged while a read waits: what is buffered goes to the new one") {
    for (const way how : {way::read, way::batch}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, any_codec(line_codec()));
            auto reading = start(context.get_executor(), read_everything(frames, how));
            (void)far.try_write_some("abcdef");
            co_await settle();
            CHECK(frames.unread() == "abcdef");
            frames.set_codec(fixed_codec(3));
            co_await settle();
            CHECK(frames.unread() == "");
            (void)far.try_write_some("ghi");
            co_await settle();
            (void)co_await far.shutdown_send();
            const received all = co_await reading.join();
            CHECK(all.frames == std::vector<std::string>{"abc", "def", "ghi"});
        });
    }
}

TEST_CASE("the codec can be exchanged in the middle of a batch") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, any_codec(line_codec(line_mode::lf)));
        (void)far.try_write_some("one\nbinary\nabcdef");
        auto batch = co_await frames.read_batch();
        REQUIRE(batch.has_value());
        std::vector<std::string> all;
        for (const std::string_view frame : *batch) {
            all.emplace_back(frame);
            if (frame == "binary") frames.set_codec(fixed_codec(3));
        }
        CHECK(all == std::vector<std::string>{"one", "binary", "abc", "def"});
    });
}

TEST_CASE("bytes that are buffered when quiet time becomes the codec are delivered after the silence") {
    for (const bool while_reading : {false, true}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [frames, far] = open_ends(context, any_codec(line_codec(line_mode::lf)));
                (void)far.try_write_some("ATZ\nrest");
                const auto line = co_await read_copy(frames);
                CHECK(line.value() == "ATZ");
                std::optional<started<result<std::string>>> reading;
                if (while_reading) {
                    reading.emplace(start(context.get_executor(), read_copy(frames)));
                    co_await settle();
                }
                frames.set_codec(quiet_time_codec(50ms));
                if (!while_reading) reading.emplace(start(context.get_executor(), read_copy(frames)));
                co_await advance(49ms);
                CHECK(!reading->done());
                co_await advance(1ms);
                REQUIRE(reading->done());
                CHECK(reading->get().value() == "rest");
            },
            manual);
    }
}

TEST_CASE("exchanging the codec of a parked stream keeps it reading") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [frames, far] = open_ends(context, any_codec(line_codec()), {.park_after = 2s});
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await advance(2s);
            REQUIRE(frames.stream().pending_read() == "wait_readable");
            frames.set_codec(fixed_codec(2));
            co_await settle();
            (void)far.try_write_some("ab");
            const auto got = co_await reading.join();
            CHECK(got.value() == "ab");
        },
        manual);
}

TEST_CASE("the LF of a line that ended with CR does not reach the codec that comes after it") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [frames, far] = open_ends(context, any_codec(line_codec()));
        (void)far.try_write_some("binary\r");
        const auto line = co_await read_copy(frames);
        CHECK(line.value() == "binary");
        frames.set_codec(fixed_codec(2));
        (void)far.try_write_some("\nab");
        const auto two = co_await read_copy(frames);
        CHECK(two.value() == "ab");
    });
}

// lifetimes
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("the handle destroyed: a pending read, flush and wait complete with canceled") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [live, far] = open_ends(context, line_codec(), {}, {.capacity = 3});
        auto frames = std::make_optional(std::move(live));
        REQUIRE(frames->queue("abcdef"));
        auto reading = start(context.get_executor(), read_copy(*frames));
        auto flushing = start(context.get_executor(), frames->flush());
        auto waiting = start(context.get_executor(), frames->wait_writable());
        co_await settle();
        frames.reset();
        const auto read = co_await reading.join();
        CHECK(read.error() == errc::canceled);
        const auto flushed = co_await flushing.join();
        CHECK(flushed.error() == errc::canceled);
        const auto waited = co_await waiting.join();
        CHECK(waited.error() == errc::canceled);
    });
}

TEST_CASE("the handle destroyed while it closes: the close completes with canceled") {
    for (const bool still_flushing : {true, false}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [live, far] = open_ends(context, line_codec(), {}, {.capacity = 3});
                auto frames = std::make_optional(std::move(live));
                if (still_flushing) REQUIRE(frames->queue("abcdef"));
                auto closing = start(context.get_executor(), frames->close(5s));
                co_await settle();
                CHECK(!closing.done());
                frames.reset();
                const auto closed = co_await closing.join();
                CHECK(closed.error() == errc::canceled);
            },
            manual);
    }
}

TEST_CASE("the handle destroyed when bytes have come that the reader does not know of yet") {
    for (const bool timed : {false, true}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [live, far] =
                    open_ends(context, timed ? any_codec(quiet_time_codec(50ms)) : any_codec(line_codec()));
                auto frames = std::make_optional(std::move(live));
                auto reading = start(context.get_executor(), read_copy(*frames));
                co_await settle();
                (void)far.try_write_some("partial");
                frames.reset();
                const auto read = co_await reading.join();
                CHECK(read.error() == errc::canceled);
            },
            manual);
    }
}

TEST_CASE("awaitables that were made and not started may be awaited after the handle is gone") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [live, far] = open_ends(context, line_codec());
        auto frames = std::make_optional(std::move(live));
        REQUIRE(frames->queue("never sent"));
        auto read = frames->read();
        auto flush = frames->flush();
        auto close = frames->close(5s);
        auto wait = frames->wait_writable();
        frames.reset();
        const auto got = co_await std::move(read);
        CHECK(got.error() == errc::canceled);
        const auto flushed = co_await std::move(flush);
        CHECK(flushed.error() == errc::canceled);
        const auto closed = co_await std::move(close);
        CHECK(closed.error() == errc::canceled);
        const auto waited = co_await std::move(wait);
        CHECK(waited.error() == errc::canceled);
    });
}

TEST_CASE("a framed stream can be moved while its operations are pending") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [first, far] = open_ends(context, line_codec());
        auto reading = start(context.get_executor(), read_copy(first));
        co_await settle();
        framed<line_codec> second = std::move(first);
        (void)far.try_write_some("line\n");
        const auto got = co_await reading.join();
        CHECK(got.value() == "line");
        const auto written = co_await second.write("answer");
        CHECK(written);
    });
}

TEST_CASE("a framed stream may outlive its context") {
    std::optional<ends<line_codec>> kept;
    {
        asio::io_context context;
        kept.emplace(open_ends(context, line_codec()));
        (void)kept->far.try_write_some("one\ntwo");
        asio::co_spawn(context, kept->frames.fill(), asio::detached);
        context.poll();
        REQUIRE(kept->frames.queue("queued"));
    }
    CHECK(kept->frames.unread() == "one\ntwo");
    kept.reset();
}

namespace {

/// An echo server and its client, both framed, over pipes that are narrow.
struct echo_scene {
    using frames_type = framed<any_codec>;
    std::optional<frames_type> server;
    std::optional<frames_type> client;

    static awaitable<void> serve(std::optional<frames_type>* frames) {
        while (*frames) {
            auto batch = co_await (*frames)->read_batch();
            if (!batch || !*frames) break;
            for (const std::string_view line : *batch)
                if (!(*frames)->queue(line)) co_return;
            const auto sent = co_await (*frames)->flush();
            if (!sent) break;
        }
        if (*frames) (void)co_await (*frames)->close(1s);
    }
    static awaitable<void> ask(std::optional<frames_type>* frames) {
        for (int i = 0; i < 2 && *frames; ++i) {
            if (!(*frames)->queue("question")) co_return;
            const auto room = co_await (*frames)->wait_writable(2);
            if (!room || !*frames) co_return;
            const auto written = co_await (*frames)->write("second");
            if (!written) co_return;
            for (int n = 0; n < 2 && *frames; ++n) {
                const auto answer = co_await (*frames)->read();
                if (!answer) co_return;
            }
        }
        if (*frames) (*frames)->set_codec(line_codec(line_mode::crlf));
        if (*frames) (void)co_await (*frames)->close(1s);
    }
    awaitable<void> operator()() {
        const auto executor = co_await asio::this_coro::executor;
        auto serving = start(executor, serve(&server));
        auto asking = start(executor, ask(&client));
        co_await asking.join();
        co_await serving.join();
    }
    void drop() {
        server.reset();
        client.reset();
    }
};

} // namespace

TEST_CASE("framed streams can be destroyed at every point of a conversation") {
    const std::size_t points = destroy_at_every_point(
        [](asio::io_context& context) {
            auto [near, far] = make_memory_stream_pair(
                context.get_executor(), {.capacity = 64, .read_size = 4}, {.capacity = 5, .read_size = 3});
            return echo_scene{echo_scene::frames_type(std::move(near), line_codec()),
                              echo_scene::frames_type(std::move(far), line_codec())};
        },
        {.manual_time = true});
    CHECK(points > 30);
}

namespace {

/// Idle for so long that it parks, with a codec that wants the time.
struct idle_scene {
    std::optional<framed<any_codec>> frames;
    memory_stream far;

    awaitable<void> operator()() {
        const auto executor = co_await asio::this_coro::executor;
        auto reading = start(executor, read_all(&frames));
        co_await advance(3s);
        (void)far.try_write_some("ab");
        co_await advance(20ms);
        (void)far.try_write_some("cd");
        co_await advance(50ms);
        (void)far.try_write_some("partial");
        co_await advance(10ms);
        (void)co_await far.shutdown_send();
        co_await reading.join();
    }
    static awaitable<void> read_all(std::optional<framed<any_codec>>* frames) {
        while (*frames) {
            const auto filled = co_await (*frames)->fill();
            if (!filled || !*frames) break;
            while ((*frames)->try_read()) {
            }
        }
    }
    void drop() { frames.reset(); }
};

} // namespace

TEST_CASE("a framed stream can be destroyed at every point of being idle and of being served by time") {
    const std::size_t points = destroy_at_every_point(
        [](asio::io_context& context) {
            auto [frames, far] = open_ends(context, any_codec(quiet_time_codec(50ms)), {.park_after = 2s});
            return idle_scene{std::move(frames), std::move(far)};
        },
        {.manual_time = true});
    CHECK(points > 10);
}

// failures
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a failing operation ends a session with its error, and the peer has got a prefix of the answers") {
    for (const std::size_t read_size : {1U, 3U, 0U}) {
        const std::size_t operations = for_each_failure([&](fuse& f) {
            run(
                [&](asio::io_context& context) -> awaitable<void> {
                    auto [frames, far] = open_ends(context, line_codec(line_mode::lf), {},
                                                   {.capacity = 4, .read_size = read_size});
                    frames.stream().attach(f);
                    std::optional<error> seen;
                    auto session =
                        start(context.get_executor(),
                              [](framed<line_codec>* s, std::optional<error>* failed) -> awaitable<void> {
                                  for (;;) {
                                      auto batch = co_await s->read_batch();
                                      if (!batch) {
                                          *failed = batch.error();
                                          break;
                                      }
                                      for (const std::string_view line : *batch)
                                          if (const auto queued = s->queue(line); !queued)
                                              *failed = queued.error();
                                      const auto sent = co_await s->flush();
                                      if (!sent) {
                                          *failed = sent.error();
                                          break;
                                      }
                                  }
                                  const auto closed = co_await s->close(1s);
                                  if (!closed) *failed = closed.error();
                              }(&frames, &seen));
                    scripted_peer peer;
                    peer.send("hello\nwor", 4).send("ld\n").half_close();
                    auto played = start(context.get_executor(), peer.play(far));
                    std::string echoed;
                    char buffer[64];
                    for (;;) {
                        const auto got = co_await far.read_some(asio::buffer(buffer));
                        if (!got) break;
                        echoed.append(buffer, *got);
                    }
                    co_await session.join();
                    (void)co_await played.join();
                    INFO(f);
                    REQUIRE(seen);
                    if (f.blown()) {
                        CHECK(*seen == f.failure_given());
                        CHECK(std::string_view("hello\nworld\n").starts_with(echoed));
                    } else {
                        CHECK(*seen == errc::end_of_stream);
                        CHECK(echoed == "hello\nworld\n");
                    }
                    CHECK(!frames.stream().is_open());
                },
                manual);
        });
        CHECK(operations >= 10);
    }
}

// over TCP
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("what is wrong with the frames becomes the reason why a TCP connection ends") {
    struct row {
        std::string_view bytes;
        bool finish;
        errc expected;
        close_reason reason;
        std::string_view numbers;
    };
    const row rows[] = {
        {"12345\n", false, errc::frame_too_large, close_reason::protocol_error, "4"},
        {"123", true, errc::partial_frame, close_reason::protocol_error, "3 bytes"},
        {"123", false, errc::read_timeout, close_reason::timed_out, "3 bytes of a message"},
        {"", true, errc::end_of_stream, close_reason::eof, ""},
    };
    for (const row& each : rows) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto c = portunus_tests::connect_pair(context);
                framed_stream<tcp_stream, line_codec> frames(
                    std::move(c.stream), line_codec(line_mode::lf, {.max_frame = 4}), {.message_limit = 5s});
                auto reading = start(context.get_executor(), read_copy(frames));
                c.peer.send(each.bytes);
                if (each.finish) c.peer.shutdown_send();
                while (!reading.done() && frames.unread().size() < each.bytes.size()) co_await settle();
                if (each.expected == errc::read_timeout) co_await advance(5s);
                const auto got = co_await reading.join();
                CAPTURE(each.bytes, each.finish);
                CHECK(got.error() == each.expected);
                CHECK_THAT(got.error().message(), Contains(std::string(each.numbers)));
                CHECK(frames.unread() == each.bytes);
                c.peer.shutdown_send();
                const auto closed = co_await frames.close(1s);
                CHECK(closed);
                CHECK(frames.stream().reason() == each.reason);
                if (each.expected != errc::end_of_stream)
                    CHECK(frames.stream().failure_cause().message() == got.error().message());
            },
            manual);
    }
}

TEST_CASE("a reader that is woken again and again does not lengthen the limit of a write") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto c = portunus_tests::connect_pair(context, {.idle_limit = 0s, .write_limit = 30s}, true);
            framed_stream<tcp_stream, quiet_time_codec> frames(std::move(c.stream), quiet_time_codec(50ms));
            for (int i = 0; i < 64; ++i) REQUIRE(frames.queue(std::string(16'000, 'x')));
            auto flushing = start(context.get_executor(), frames.flush());
            auto reading = start(context.get_executor(), read_everything(frames, way::read));
            // Twice the limit at most: bytes that were acknowledged after the wait had begun count as taken.
            int seconds = 0;
            while (!flushing.done() && seconds < 70) {
                c.peer.send("x");
                const std::uint64_t before = frames.stream().bytes_received();
                while (frames.stream().bytes_received() == before) co_await settle();
                co_await advance(1s);
                ++seconds;
            }
            CHECK(seconds >= 30);
            REQUIRE(flushing.done());
            CHECK(seconds <= 61);
            const auto flushed = flushing.get();
            CHECK(flushed.error() == errc::write_timeout);
            const received all = co_await reading.join();
            CHECK(all.frames.size() + 1 >= static_cast<std::size_t>(seconds));
            CHECK(all.end == errc::write_timeout);
        },
        manual);
}

TEST_CASE("a framed stream over a handle without a connection is refused") {
    CHECK_THROWS_AS((framed_stream<tcp_stream, line_codec>(tcp_stream())), failure);
    CHECK_THROWS_AS((framed<line_codec>(memory_stream())), failure);
}
