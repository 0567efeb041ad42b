// SPDX-License-Identifier: BSL-1.0
#include <portunus/testing/memory_stream.hpp>

#include <portunus/testing/run.hpp>

#include "support/catch.hpp"

using namespace portunus;
using namespace portunus::testing;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace sys = boost::system::errc;

namespace {

constexpr run_options manual{.manual_time = true};

/// One read, as text; or the error's message in angle brackets.
std::string try_read(memory_stream& s) {
    char buffer[256];
    const auto got = s.try_read_some(asio::buffer(buffer));
    return got ? std::string(buffer, *got) : '<' + got.error().message() + '>';
}
awaitable<result<std::string>> read(memory_stream& s, std::size_t most = 256) {
    std::string buffer(most, '\0');
    const auto got = co_await s.read_some(asio::buffer(buffer));
    if (!got) co_return got.error();
    buffer.resize(*got);
    co_return buffer;
}

} // namespace

TEST_CASE("what one end of a memory stream writes the other one reads, in both directions") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        CHECK(near.get_executor() == asio::any_io_executor(context.get_executor()));
        CHECK(near.try_write_some("ping").value() == 4);
        CHECK(far.unread() == 4);
        auto got = co_await read(far);
        CHECK(got.value() == "ping");
        CHECK(far.try_write_some("pong").value() == 4);
        auto answer = co_await read(near);
        CHECK(answer.value() == "pong");
        CHECK(try_read(near) == "<nothing to do without waiting>");
    });
}

TEST_CASE("a waiting read completes with the bytes that were there when the first of them came") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto reading = start(context.get_executor(), read(far));
        co_await settle();
        CHECK(far.pending_read() == "read_some");
        (void)near.try_write_some("ab");
        (void)near.try_write_some(
            "cd"); // before the reader is resumed: the kernel has given it its bytes already
        auto got = co_await reading.join();
        CHECK(got.value() == "ab");
        CHECK(far.pending_read() == "");
        CHECK(try_read(far) == "cd");
    });
}

TEST_CASE("a read never completes inside the call") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        (void)near.try_write_some("x");
        int order = 0;
        asio::post(context, [&] { order = 1; });
        auto got = co_await read(far);
        CHECK(got.value() == "x");
        CHECK(order == 1);
    });
}

TEST_CASE("reads and writes are no larger than their caps") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] =
            make_memory_stream_pair(context.get_executor(), {.write_size = 3}, {.read_size = 2});
        CHECK(near.try_write_some("abcdef").value() == 3);
        auto got = co_await read(far);
        CHECK(got.value() == "ab");
        CHECK(try_read(far) == "c");
        far.set_options({});
        CHECK(near.try_write_some("abc").value() == 3);
        CHECK(try_read(far) == "abc");
    });
}

TEST_CASE("a full pipe gives would_block, and wait_writable completes when the other end has read") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 4});
        CHECK(near.try_write_some("abcdef").value() == 4);
        CHECK(near.try_write_some("ef").error() == errc::would_block);
        auto room = start(context.get_executor(), near.wait_writable());
        co_await settle();
        CHECK(!room.done());
        CHECK(near.pending_write() == "wait_writable");
        char byte;
        (void)far.try_read_some(asio::buffer(&byte, 1));
        const auto woken = co_await room.join();
        CHECK(woken);
        CHECK(near.try_write_some("ef").value() == 1);
        // The other direction has room of its own.
        CHECK(far.try_write_some("1234567").value() == 4);
    });
}

TEST_CASE("wait_readable completes for bytes, for the end and for a reset, and takes nothing") {
    run([](asio::io_context& context) -> awaitable<void> {
        for (int what = 0; what < 3; ++what) {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto waiting = start(context.get_executor(), far.wait_readable());
            co_await settle();
            CHECK(far.pending_read() == "wait_readable");
            CHECK(!waiting.done());
            if (what == 0) (void)near.try_write_some("x");
            if (what == 1) (void)co_await near.shutdown_send();
            if (what == 2) near.abort();
            const auto woken = co_await waiting.join();
            CHECK(woken);
            const auto again = co_await far.wait_readable(); // also when it is there already
            CHECK(again);
            CHECK(try_read(far) == (what == 0   ? "x"
                                    : what == 1 ? "<end of stream>"
                                                : "<Connection reset by peer>"));
        }
    });
}

TEST_CASE("half close: the other end reads what was sent and then the end, and can still answer") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        (void)near.try_write_some("last words");
        const auto ended = co_await near.shutdown_send();
        CHECK(ended);
        const auto twice = co_await near.shutdown_send();
        CHECK(twice);
        CHECK(near.try_write_some("more").error() == errc::closed_locally);
        CHECK(try_read(far) == "last words");
        CHECK(try_read(far) == "<end of stream>");
        auto end = co_await read(far);
        CHECK(end.error() == errc::end_of_stream);
        (void)far.try_write_some("answer");
        CHECK(try_read(near) == "answer");
        const auto room = co_await near.wait_writable(); // completes: try_write_some has something to say
        CHECK(room);
    });
}

TEST_CASE("a second reader and a second writer are told so, and do not disturb the first") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 1});
        (void)near.try_write_some("x");
        auto writing = start(context.get_executor(), near.wait_writable());
        auto reading = start(context.get_executor(), read(near));
        co_await settle();
        auto second = co_await read(near);
        CHECK(second.error() == errc::operation_in_progress);
        const auto waiting = co_await near.wait_readable();
        CHECK(waiting.error() == errc::operation_in_progress);
        const auto room = co_await near.wait_writable();
        CHECK(room.error() == errc::operation_in_progress);
        CHECK(try_read(near) ==
              "<another operation of this kind is in progress: another coroutine already reads from "
              "this stream>");
        CHECK(near.try_write_some("z").error() == errc::operation_in_progress);
        CHECK(!reading.done());
        CHECK(!writing.done());
        (void)far.try_write_some("y");
        CHECK(try_read(far) == "x");
        auto got = co_await reading.join();
        CHECK(got.value() == "y");
        const auto first = co_await writing.join();
        CHECK(first);
    });
}

TEST_CASE("cancel ends what waits, loses no byte and leaves the stream as it is") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 2});
        (void)far.try_write_some("ab");
        auto reading = start(context.get_executor(), read(far));
        auto writing = start(context.get_executor(), far.wait_writable());
        co_await settle();
        far.cancel();
        (void)near.try_write_some("cd"); // after the cancellation: for the next read
        auto got = co_await reading.join();
        CHECK(got.error() == errc::canceled);
        const auto room = co_await writing.join();
        CHECK(room.error() == errc::canceled);
        CHECK(try_read(near) == "ab");
        CHECK(try_read(far) == "cd");
    });
}

TEST_CASE("a cancel that comes after the bytes comes too late") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto reading = start(context.get_executor(), read(far));
        co_await settle();
        (void)near.try_write_some("ab");
        far.cancel();
        auto got = co_await reading.join();
        CHECK(got.value() == "ab");
        auto next = start(context.get_executor(), read(far));
        co_await settle();
        CHECK(!next.done());
        far.cancel();
        (void)co_await next.join();
    });
}

TEST_CASE("a coroutine that is cancelled gets canceled from its wait, and at once from the next") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto reading = start(context.get_executor(), [](memory_stream* s) -> awaitable<int> {
            int canceled = 0;
            char byte;
            for (int i = 0; i < 3; ++i) {
                const auto got = co_await s->read_some(asio::buffer(&byte, 1));
                if (!got && got.error() == errc::canceled) ++canceled;
            }
            co_return canceled;
        }(&far));
        co_await settle();
        reading.cancel();
        const int canceled = co_await reading.join();
        CHECK(canceled == 3);
    });
}

TEST_CASE("after request_stop reads deliver what has arrived and then give shutting_down; writing goes on") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        (void)near.try_write_some("ab");
        far.request_stop();
        auto got = co_await read(far);
        CHECK(got.value() == "ab");
        auto stopped = co_await read(far);
        CHECK(stopped.error() == errc::shutting_down);
        const auto waited = co_await far.wait_readable();
        CHECK(waited);
        CHECK(far.try_write_some("bye").value() == 3);

        auto waiting = start(context.get_executor(), read(near));
        (void)co_await read(near);
        co_await settle();
        near.request_stop();
        auto woken = co_await waiting.join();
        CHECK(!woken);
    });
}

TEST_CASE("after request_stop what arrives later is not read any more, so that no peer can put off the end") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {}, {.read_size = 1});
        (void)near.try_write_some("ab");
        far.request_stop();
        (void)near.try_write_some("cd");
        CHECK(try_read(far) == "a");
        auto got = co_await read(far);
        CHECK(got.value() == "b");
        CHECK(try_read(far) == "<shutting down>");
        (void)co_await near.shutdown_send();
        CHECK(try_read(far) == "<shutting down>"); // the end is not right behind what was read
    });
}

TEST_CASE("cancel_read leaves the writing direction alone") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 1});
        (void)near.try_write_some("x");
        auto writing = start(context.get_executor(), near.wait_writable());
        auto reading = start(context.get_executor(), read(near));
        co_await settle();
        near.cancel_read();
        auto got = co_await reading.join();
        CHECK(got.error() == errc::canceled);
        CHECK(!writing.done());
        near.abort();
        (void)co_await writing.join();
    });
}

TEST_CASE("the end of the stream is told before a stop is") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        (void)co_await near.shutdown_send();
        far.request_stop();
        auto got = co_await read(far);
        CHECK(got.error() == errc::end_of_stream);
    });
}

TEST_CASE("abort ends both sides at once: aborted_locally here, connection_reset there, again and again") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        (void)near.try_write_some("lost");
        (void)far.try_write_some("lost too");
        auto reading = start(context.get_executor(), near.wait_writable());
        (void)co_await reading.join();
        near.abort();
        CHECK(!near.is_open());
        CHECK(try_read(near) == "<aborted by this side>");
        for (int i = 0; i < 2; ++i) {
            auto got = co_await read(far);
            CHECK(got.error() == sys::connection_reset);
            CHECK(far.try_write_some("x").error() == sys::connection_reset);
        }
        CHECK(!far.is_open());
    });
}

TEST_CASE("pending operations learn of an abort by either side") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        auto here = start(context.get_executor(), read(near));
        auto there = start(context.get_executor(), read(far));
        co_await settle();
        near.abort();
        auto ended = co_await here.join();
        CHECK(ended.error() == errc::aborted_locally);
        auto broken = co_await there.join();
        CHECK(broken.error() == sys::connection_reset);
    });
}

TEST_CASE("close gives the other end everything and waits for its end, discarding what it still sends") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 4});
            (void)near.try_write_some("last");
            (void)far.try_write_some("unread"); // 4 of it
            auto waiting = start(context.get_executor(), near.wait_writable());
            auto closing = start(context.get_executor(), near.close(5s));
            co_await settle();
            const auto second = co_await near.close(5s);
            CHECK(second.error() == errc::operation_in_progress);
            const auto woken = co_await waiting.join();
            CHECK(woken.error() == errc::closed_locally);
            CHECK(!closing.done());
            CHECK(far.try_write_some("more").value() == 4); // room again: it was discarded
            CHECK(try_read(far) == "last");
            CHECK(try_read(far) == "<end of stream>");
            (void)co_await far.shutdown_send();
            const auto closed = co_await closing.join();
            CHECK(closed);
            CHECK(!near.is_open());
            const auto twice = co_await near.close(5s);
            CHECK(twice);
            CHECK(far.try_write_some("x").error() == errc::closed_locally);
        },
        manual);
}

TEST_CASE("close ends at its limit, and the other end then writes into a broken pipe") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor());
            auto closing = start(context.get_executor(), near.close(5s));
            co_await advance(4999ms);
            CHECK(!closing.done());
            CHECK(far.try_write_some("x").value() == 1);
            co_await advance(1ms);
            const auto closed = co_await closing.join();
            CHECK(closed.error() == errc::drain_timeout);
            CHECK(closed.error().detail() == "the peer did not finish within 5000 ms");
            CHECK(far.try_write_some("x").error() == sys::broken_pipe);
        },
        manual);
}

TEST_CASE("the handle destroyed: pending operations complete with canceled, the other end reads the rest") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto pair = make_memory_stream_pair(context.get_executor(), {.capacity = 4});
        auto near = std::make_optional(std::move(pair.first));
        memory_stream far = std::move(pair.second);
        (void)near->try_write_some("rest");
        auto reading = start(context.get_executor(), read(*near));
        auto writing = start(context.get_executor(), near->wait_writable());
        co_await settle();
        near.reset();
        auto got = co_await reading.join();
        CHECK(got.error() == errc::canceled);
        const auto room = co_await writing.join();
        CHECK(room.error() == errc::canceled);
        CHECK(try_read(far) == "rest");
        CHECK(try_read(far) == "<end of stream>");
        CHECK(far.try_write_some("x").error() == sys::broken_pipe);
    });
}

TEST_CASE("the handle destroyed while it closes: the close completes with canceled") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto pair = make_memory_stream_pair(context.get_executor());
            auto near = std::make_optional(std::move(pair.first));
            auto closing = start(context.get_executor(), near->close(5s));
            co_await settle();
            near.reset();
            const auto closed = co_await closing.join();
            CHECK(closed.error() == errc::canceled);
        },
        manual);
}

TEST_CASE("the handle destroyed with unread input: the other end sees a reset, as with TCP") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto pair = make_memory_stream_pair(context.get_executor());
        (void)pair.first.try_write_some("an answer that is lost");
        (void)pair.second.try_write_some("unread");
        { const memory_stream gone = std::move(pair.first); }
        auto got = co_await read(pair.second);
        CHECK(got.error() == sys::connection_reset);
    });
}

TEST_CASE("a handle without a connection says so") {
    run([]() -> awaitable<void> {
        memory_stream none;
        CHECK(!none.is_open());
        CHECK(try_read(none) == "<not connected>");
        CHECK(none.try_write_some("x").error() == errc::not_connected);
        auto got = co_await read(none);
        CHECK(got.error() == errc::not_connected);
        const auto closed = co_await none.close();
        CHECK(closed.error() == errc::not_connected);
        none.cancel();
        none.abort();
        none.request_stop();
    });
}

TEST_CASE("assigning to a handle drops the connection that it had") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto first = make_memory_stream_pair(context.get_executor());
        auto second = make_memory_stream_pair(context.get_executor());
        first.first = std::move(second.first);
        CHECK(try_read(first.second) == "<end of stream>");
        (void)first.first.try_write_some("x");
        CHECK(try_read(second.second) == "x");
        co_return;
    });
}

TEST_CASE("a fuse breaks the connection at its operation, for good and for both ends") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        fuse f(3);
        near.attach(f);
        (void)far.try_write_some("abc");
        CHECK(try_read(near) == "abc");
        CHECK(near.try_write_some("x").value() == 1);
        auto got = co_await read(near);
        CHECK(got.error() == sys::connection_reset);
        CHECK(f.failed_operation() == "read_some");
        CHECK(near.try_write_some("x").error() == sys::connection_reset);
        CHECK(f.operations() == 3); // a broken stream asks no more
        CHECK(try_read(far) == "<Connection reset by peer>");
    });
}

TEST_CASE("a fuse that blows in one direction wakes the other") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_memory_stream_pair(context.get_executor());
        near.attach(fuse(2, errc::idle_timeout));
        auto reading = start(context.get_executor(), read(near));
        co_await settle();
        CHECK(near.try_write_some("x").error() == errc::idle_timeout);
        auto got = co_await reading.join();
        CHECK(got.error() == errc::idle_timeout);
    });
}

TEST_CASE("every operation of a memory stream asks the fuse") {
    std::vector<std::string> failed;
    const std::size_t operations = for_each_failure([&](fuse& f) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto [near, far] = make_memory_stream_pair(context.get_executor());
                near.attach(f);
                (void)far.try_write_some("x");
                char byte;
                (void)co_await near.wait_readable();
                (void)near.try_read_some(asio::buffer(&byte, 1));
                (void)co_await near.wait_writable();
                (void)near.try_write_some("y");
                (void)far.try_write_some("z");
                (void)co_await near.read_some(asio::buffer(&byte, 1));
                (void)co_await near.shutdown_send();
                (void)co_await far.shutdown_send();
                const auto closed = co_await near.close();
                CHECK(closed.has_value() ==
                      (f.failed_operation() != "close")); // a broken one is closed at once
            },
            manual);
        failed.emplace_back(f.failed_operation());
    });
    CHECK(operations == 7);
    CHECK(failed == std::vector<std::string>{"wait_readable", "try_read_some", "wait_writable",
                                             "try_write_some", "read_some", "shutdown_send", "close", ""});
}

namespace {

struct two_talkers {
    std::optional<memory_stream> near;
    std::optional<memory_stream> far;

    static awaitable<void> talk(std::optional<memory_stream>* end) {
        for (int i = 0; i < 3 && *end; ++i) {
            const auto room = co_await (*end)->wait_writable();
            if (!room || !*end) co_return;
            if (!(*end)->try_write_some("abcdef")) co_return;
            char buffer[2];
            const auto got = co_await (*end)->read_some(asio::buffer(buffer));
            if (!got || !*end) co_return;
        }
        if (*end) (void)co_await (*end)->close(1s);
    }
    awaitable<void> operator()() {
        const auto executor = co_await asio::this_coro::executor;
        auto first = start(executor, talk(&near));
        auto second = start(executor, talk(&far));
        co_await first.join();
        co_await second.join();
    }
    void drop() {
        near.reset();
        far.reset();
    }
};

} // namespace

TEST_CASE("a memory stream can be destroyed at every point") {
    CHECK(destroy_at_every_point(
              [](asio::io_context& context) {
                  auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 3});
                  return two_talkers{std::move(near), std::move(far)};
              },
              {.manual_time = true}) > 10);
}
