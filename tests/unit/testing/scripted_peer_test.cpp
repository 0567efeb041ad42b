// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/scripted_peer.hpp>

#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include "support/catch.hpp"

using namespace portunus;
using namespace portunus::testing;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Catch::Matchers::StartsWith;

namespace {

/// What the script says when the other side has sent `bytes` and then does `and_then`.
enum class then { nothing, half_close, abort };

std::string play_against(const scripted_peer& script, std::string_view bytes, then and_then = then::nothing) {
    std::string said = "(not played)";
    run([&](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        (void)near.try_write_some(bytes);
        if (and_then == then::half_close) (void)co_await near.shutdown_send();
        if (and_then == then::abort) near.abort();
        auto played = start(context.get_executor(), script.play(far));
        said = co_await played.join();
    });
    return said;
}

} // namespace

TEST_CASE("a scripted peer follows its script to the end") {
    scripted_peer script;
    script.expect("hello").send("world").expect("bye").half_close().expect_end().close();
    CHECK(script.steps() == 6);
    run([&](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto played = start(context.get_executor(), script.play(far));
        (void)near.try_write_some("he");
        co_await settle();
        (void)near.try_write_some("llo");
        co_await settle();
        char buffer[16];
        const auto got = co_await near.read_some(asio::buffer(buffer));
        REQUIRE(got);
        CHECK(std::string_view(buffer, *got) == "world");
        (void)near.try_write_some("bye");
        const auto end = co_await near.read_some(asio::buffer(buffer));
        CHECK(end.error() == errc::end_of_stream);
        (void)co_await near.close();
        const std::string said = co_await played.join();
        CHECK(said == "");
    });
}

TEST_CASE("a scripted peer says at which step and where other bytes came") {
    CHECK(play_against(scripted_peer().expect("hello\r\n"), "help!\r\n") ==
          R"(step 1, expect "hello\r\n" (7 bytes): the first 3 came, then "p!\r\n" instead of "lo\r\n")");
    CHECK(play_against(scripted_peer().expect("ab").expect("cd"), "abxd") ==
          R"(step 2, expect "cd" (2 bytes): "xd" instead of "cd")");
}

TEST_CASE("a scripted peer says when the end, or a reset, came instead of bytes") {
    CHECK(play_against(scripted_peer().expect("hello"), "hel", then::half_close) ==
          R"(step 1, expect "hello" (5 bytes): the first 3 came, then end of stream)");
    CHECK_THAT(play_against(scripted_peer().expect("hello"), "", then::abort),
               StartsWith(R"(step 1, expect "hello" (5 bytes): Connection reset)"));
}

TEST_CASE("a scripted peer tells an end from a reset, and both from bytes") {
    CHECK(play_against(scripted_peer().expect_end(), "", then::half_close) == "");
    CHECK(play_against(scripted_peer().expect_reset(), "", then::abort) == "");
    CHECK_THAT(play_against(scripted_peer().expect_end(), "", then::abort),
               StartsWith("step 1, expect the end: Connection reset"));
    CHECK(play_against(scripted_peer().expect_reset(), "", then::half_close) ==
          "step 1, expect a reset: end of stream");
    CHECK(play_against(scripted_peer().expect_end(), "x") == R"(step 1, expect the end: "x" came)");
}

TEST_CASE("a scripted peer sends in chunks that arrive apart") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        scripted_peer script;
        script.send("abcdefgh", 3).half_close();
        auto played = start(context.get_executor(), script.play(far));
        std::vector<std::string> pieces;
        for (;;) {
            char buffer[16];
            const auto got = co_await near.read_some(asio::buffer(buffer));
            if (!got) break;
            pieces.emplace_back(buffer, *got);
        }
        CHECK(pieces == std::vector<std::string>{"abc", "def", "gh"});
        const std::string said = co_await played.join();
        CHECK(said == "");
    });
}

TEST_CASE("a scripted peer waits for room when it sends, and says how far it got") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 4});
        scripted_peer script;
        script.send("abcdefgh");
        auto played = start(context.get_executor(), script.play(far));
        co_await settle();
        CHECK(!played.done());
        CHECK(near.unread() == 4);
        char buffer[4];
        (void)near.try_read_some(asio::buffer(buffer, 1));
        co_await settle();
        CHECK(!played.done());
        near.abort();
        const std::string said = co_await played.join();
        CHECK_THAT(
            said,
            StartsWith(R"(step 1, send "abcdefgh" (8 bytes): 5 bytes were sent, then Connection reset)"));
    });
}

TEST_CASE("a scripted peer waits in the context's time") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            scripted_peer script;
            script.wait(10s).send("late");
            auto played = start(context.get_executor(), script.play(far));
            co_await advance(9999ms);
            CHECK(near.unread() == 0);
            co_await advance(1ms);
            CHECK(near.unread() == 4);
            CHECK(played.done());
        },
        {.manual_time = true});
}

TEST_CASE("a scripted peer waits until a condition holds") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        bool open = false;
        scripted_peer script;
        script.wait_until([&] { return open; }, "the door opens").send("in");
        auto played = start(context.get_executor(), script.play(far));
        for (int i = 0; i < 10; ++i) co_await settle();
        CHECK(!played.done());
        open = true;
        co_await settle();
        co_await settle();
        CHECK(played.done());
        CHECK(near.unread() == 2);
    });
}

TEST_CASE("a cancelled script says at which step it was") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        scripted_peer script;
        script.wait(1h);
        auto waiting = start(context.get_executor(), script.play(far));
        auto reading = start(context.get_executor(), scripted_peer().expect("x").play(near));
        co_await settle();
        waiting.cancel();
        reading.cancel();
        const std::string said = co_await waiting.join();
        CHECK(said == "step 1, wait 3600000 ms: canceled");
        const std::string other = co_await reading.join();
        CHECK(other == R"(step 1, expect "x" (1 bytes): canceled)");
    });
}

TEST_CASE("the reset and the close of a scripted peer are seen by the other side") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            char byte;
            {
                auto [near, far] = make_memory_stream_pair(context.get_executor());
                const std::string said = co_await scripted_peer().reset().play(far);
                CHECK(said == "");
                const auto got = co_await near.read_some(asio::buffer(&byte, 1));
                CHECK(got.error() == boost::system::errc::connection_reset);
            }
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto played = start(context.get_executor(), scripted_peer().close(2s).play(far));
            co_await advance(2s);
            const std::string said = co_await played.join();
            CHECK_THAT(said, StartsWith("step 1, close within 2000 ms: the peer did not finish"));
        },
        {.manual_time = true});
}
