// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/any_stream.hpp>

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/framing/line_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <utility>

using namespace portunus_tests;
using portunus::any_stream;
using portunus::close_reason;
using portunus::errc;
using portunus::tcp_stream;
using portunus::testing::make_memory_stream_pair;
using portunus::testing::memory_stream;

// The law of byte_stream is tested with it in byte_stream_test.cpp.
static_assert(portunus::byte_stream<any_stream>);
static_assert(!std::is_copy_constructible_v<any_stream>);

namespace {

std::string take(any_stream& s, std::size_t most = 100) {
    std::string text(most, '\0');
    text.resize(must(s.try_read_some(asio::buffer(text))));
    return text;
}
std::string await_some(world& w, any_stream& s, std::size_t most = 100) {
    std::string text(most, '\0');
    auto reading = w.start(s.read_some(asio::buffer(text)));
    w.until([&] { return reading.done(); });
    text.resize(must(reading.get()));
    return text;
}

} // namespace

TEST_CASE("bytes that are given back come first, in every way of reading, and then those of the stream") {
    world w;
    auto [near, far] = make_memory_stream_pair(w.context.get_executor());
    any_stream s(std::move(near));
    (void)must(far.try_write_some("below"));
    s.prepend("second,");
    s.prepend("");
    s.prepend("first,");
    auto ready = w.start(s.wait_readable());
    w.until([&] { return ready.done(); });
    CHECK(ready.get());
    CHECK(take(s, 3) == "fir");
    CHECK(await_some(w, s, 6) == "st,sec");
    s.prepend("again,");
    CHECK(take(s) == "again,ond,");
    CHECK(await_some(w, s) == "below");
    char one;
    CHECK(error_of(s.try_read_some(asio::buffer(&one, 1))) == errc::would_block);
}

TEST_CASE("bytes that were given back survive a stop and a cancelled read, and not a close or an abort") {
    world w;
    auto [near, far] = make_memory_stream_pair(w.context.get_executor());
    any_stream s(std::move(near));
    s.prepend("kept");
    std::string into(10, '\0');
    char one;
    SECTION("stop") {
        CHECK_FALSE(s.stop_requested());
        s.request_stop();
        CHECK(s.stop_requested());
        CHECK(await_some(w, s) == "kept");
        CHECK(error_of(s.try_read_some(asio::buffer(&one, 1))) == errc::shutting_down);
    }
    SECTION("cancelled read") {
        auto reading = w.start(s.read_some(asio::buffer(into)));
        reading.cancel();
        w.until([&] { return reading.done(); });
        const auto got = reading.get();
        CHECK((got ? into.substr(0, *got) : take(s)) == "kept"); // whichever came first
    }
    SECTION("abort") {
        s.abort();
        CHECK_FALSE(s.try_read_some(asio::buffer(&one, 1)));
    }
    SECTION("close") {
        auto closing = w.start(s.close());
        w.settle();
        CHECK_FALSE(s.try_read_some(asio::buffer(&one, 1)));
        far = {};
        w.until([&] { return closing.done(); });
    }
}

TEST_CASE("the handle may be destroyed while its own reads and writes are pending") {
    world w;
    auto [near, far] = make_memory_stream_pair(w.context.get_executor(), {.capacity = 4});
    std::optional<any_stream> s(std::move(near));
    std::string into(10, '\0');
    auto writing = w.start(s->write("more than fits"));
    w.settle();
    CHECK_FALSE(writing.done());
    s->prepend("x");
    auto reading = w.start(s->read_some(asio::buffer(into)));
    s.reset();
    w.until([&] { return reading.done() && writing.done(); });
    (void)reading.get();
    CHECK(error_of(writing.get()) == errc::canceled);
}

TEST_CASE("a write to a stream that has none of its own is whole, or fails, or breaks the connection") {
    world w;
    auto [near, far] = make_memory_stream_pair(w.context.get_executor(), {.capacity = 4});
    any_stream s(std::move(near)), peer(std::move(far));
    SECTION("whole") {
        auto writing = w.start(s.write("0123456789"));
        std::string got;
        while (got.size() < 10) got += await_some(w, peer);
        CHECK(got == "0123456789");
        w.until([&] { return writing.done(); });
        CHECK(writing.get());
    }
    SECTION("cancelled before a byte has left") {
        (void)must(s.try_write_some(asio::buffer("full", 4)));
        auto writing = w.start(s.write("x"));
        w.settle();
        s.cancel();
        w.until([&] { return writing.done(); });
        CHECK(error_of(writing.get()) == errc::canceled);
        CHECK(s.is_open());
    }
    SECTION("cancelled in the middle") {
        auto writing = w.start(s.write("0123456789"));
        w.settle();
        s.cancel();
        w.until([&] { return writing.done(); });
        CHECK(error_of(writing.get()) == errc::torn_write);
        CHECK_FALSE(s.is_open());
    }
    SECTION("to somebody who has gone") {
        peer = any_stream();
        auto writing = w.start(s.write("x"));
        w.until([&] { return writing.done(); });
        CHECK_FALSE(writing.get());
    }
}

TEST_CASE("what only some streams know is passed on where there is such a one below") {
    world w;
    auto c = connect_pair(w.context);
    const auto fd = c.stream.native_handle();
    any_stream s(std::move(c.stream));
    CHECK(s.remote_endpoint() == c.peer.local());
    CHECK(s.local_endpoint() == c.peer.remote());
    CHECK(s.get_executor() == asio::any_io_executor(w.context.get_executor()));
    REQUIRE(s.target<tcp_stream>());
    CHECK(s.target<tcp_stream>()->native_handle() == fd);
    CHECK(s.target<memory_stream>() == nullptr);
    CHECK(s.is_open());
    s.record_failure(errc::malformed_frame);
    CHECK(s.reason() == close_reason::protocol_error);
    CHECK(s.failure_cause() == errc::malformed_frame);

    auto [near, far] = make_memory_stream_pair(w.context.get_executor());
    any_stream m(std::move(near));
    CHECK(m.remote_endpoint() == any_stream::endpoint_type());
    CHECK(m.local_endpoint() == any_stream::endpoint_type());
    CHECK(m.reason() == close_reason::none);
    m.set_idle_limit(1s);
    m.abort();
    CHECK_FALSE(m.is_open());

    any_stream none;
    char one;
    CHECK_FALSE(none.is_open());
    CHECK_FALSE(none.stop_requested());
    CHECK(error_of(none.try_read_some(asio::buffer(&one, 1))) == errc::not_connected);
    CHECK(none.target<tcp_stream>() == nullptr);
    none.prepend("nowhere");
    none.abort();
}

TEST_CASE("frames are read from it as from the stream below") {
    world w;
    auto [near, far] = make_memory_stream_pair(w.context.get_executor());
    any_stream s(std::move(near));
    s.prepend("one\ntw");
    (void)must(far.try_write_some("o\nthree\n"));
    portunus::framed_stream frames(std::move(s), portunus::line_codec(portunus::line_mode::lf));
    for (const std::string_view expected : {"one", "two", "three"}) {
        auto reading = w.start(frames.read());
        w.until([&] { return reading.done(); });
        CHECK(must(reading.get()) == expected);
    }
}
