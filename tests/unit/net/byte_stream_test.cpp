// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/byte_stream.hpp>

#include <portunus/net/any_stream.hpp>
#include <portunus/net/tcp_stream.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include "net_support.hpp"
#include "support/catch.hpp"

using namespace portunus;
using namespace portunus::testing;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace sys = boost::system::errc;

static_assert(byte_stream<tcp_stream>);
static_assert(byte_stream<memory_stream>);
static_assert(!byte_stream<asio::ip::tcp::socket>);
static_assert(!byte_stream<int>);

namespace {

/// Two connected streams of one kind.
template <class Stream>
struct stream_pair {
    std::optional<Stream> near;
    Stream far;
};

stream_pair<memory_stream> make_pair_of(asio::io_context& context, memory_stream*) {
    auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 65536});
    return {std::move(near), std::move(far)};
}
stream_pair<tcp_stream> make_pair_of(asio::io_context& context, tcp_stream*) {
    asio::ip::tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
    asio::ip::tcp::socket near(context);
    near.connect(listener.local_endpoint());
    asio::ip::tcp::socket far = listener.accept();
    return {tcp_stream(std::move(near)), tcp_stream(std::move(far))};
}
stream_pair<any_stream> make_pair_of(asio::io_context& context, any_stream*) {
    auto [near, far] = make_pair_of(context, static_cast<tcp_stream*>(nullptr));
    return {any_stream(std::move(*near)), any_stream(std::move(far))};
}

template <class Stream>
awaitable<result<std::string>> read(Stream& s) {
    std::string buffer(256, '\0');
    const auto got = co_await s.read_some(asio::buffer(buffer));
    if (!got) co_return got.error();
    buffer.resize(*got);
    co_return buffer;
}
template <class Stream>
result<std::size_t> put(Stream& s, std::string_view text) {
    return s.try_write_some(asio::const_buffer(text.data(), text.size()));
}
/// Writes until nothing more fits.
template <class Stream>
std::size_t fill(Stream& s) {
    static const std::string block(65536, 'x');
    std::size_t all = 0;
    while (const auto sent = put(s, block)) all += *sent;
    return all;
}

} // namespace

// The law of the concept, for each stream that models it.

TEMPLATE_TEST_CASE("a stream carries bytes in both directions", "", memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        CHECK(put(*near, "ping").value() == 4);
        const auto ping = co_await read(far);
        CHECK(ping.value() == "ping");
        CHECK(put(far, "pong").value() == 4);
        const auto pong = co_await read(*near);
        CHECK(pong.value() == "pong");
        CHECK(near->get_executor() == asio::any_io_executor(context.get_executor()));
    });
}

TEMPLATE_TEST_CASE("try_read_some does not wait, wait_readable takes nothing", "", memory_stream, tcp_stream,
                   any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        char buffer[16];
        CHECK(far.try_read_some(asio::buffer(buffer)).error() == errc::would_block);
        auto waiting = start(context.get_executor(), far.wait_readable());
        co_await settle();
        CHECK(!waiting.done());
        (void)put(*near, "x");
        const auto ready = co_await waiting.join();
        CHECK(ready);
        CHECK(far.try_read_some(asio::buffer(buffer)).value() == 1);
        CHECK(far.try_read_some(asio::buffer(buffer)).error() == errc::would_block);
    });
}

TEMPLATE_TEST_CASE("a full stream gives would_block, and wait_writable completes when it has room", "",
                   memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        const std::size_t sent = fill(*near);
        CHECK(sent > 0);
        auto waiting = start(context.get_executor(), near->wait_writable());
        co_await settle();
        CHECK(!waiting.done());
        std::size_t received = 0;
        std::string buffer(1 << 20, '\0');
        while (!waiting.done()) {
            const auto got = co_await far.read_some(asio::buffer(buffer));
            REQUIRE(got);
            received += *got;
            co_await settle();
        }
        const auto room = waiting.get();
        CHECK(room);
        CHECK(put(*near, "x").value() == 1);
        CHECK(received <= sent);
    });
}

TEMPLATE_TEST_CASE("after a half close the other end reads the rest and the end, and can answer", "",
                   memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)put(*near, "last");
        const auto ended = co_await near->shutdown_send();
        CHECK(ended);
        CHECK(put(*near, "more").error() == errc::closed_locally);
        const auto last = co_await read(far);
        CHECK(last.value() == "last");
        for (int i = 0; i < 2; ++i) {
            const auto end = co_await read(far);
            CHECK(end.error() == errc::end_of_stream);
        }
        (void)put(far, "answer");
        const auto answer = co_await read(*near);
        CHECK(answer.value() == "answer");
    });
}

TEMPLATE_TEST_CASE("one read and one write may be pending; a second one is told so", "", memory_stream,
                   tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)fill(*near);
        auto reading = start(context.get_executor(), read(*near));
        auto writing = start(context.get_executor(), near->wait_writable());
        co_await settle();
        const auto second = co_await read(*near);
        CHECK(second.error() == errc::operation_in_progress);
        const auto ready = co_await near->wait_readable();
        CHECK(ready.error() == errc::operation_in_progress);
        const auto room = co_await near->wait_writable();
        CHECK(room.error() == errc::operation_in_progress);
        CHECK(!reading.done());
        CHECK(!writing.done());
        (void)put(far, "for the first");
        const auto first = co_await reading.join();
        CHECK(first.value() == "for the first");
        near->abort();
        (void)co_await writing.join();
    });
}

TEMPLATE_TEST_CASE("cancel ends both directions' waits and nothing else", "", memory_stream, tcp_stream,
                   any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)fill(*near);
        auto reading = start(context.get_executor(), read(*near));
        auto writing = start(context.get_executor(), near->wait_writable());
        co_await settle();
        near->cancel();
        const auto got = co_await reading.join();
        CHECK(got.error() == errc::canceled);
        const auto room = co_await writing.join();
        CHECK(room.error() == errc::canceled);
        (void)put(far, "still here");
        const auto next = co_await read(*near);
        CHECK(next.value() == "still here");
        near->abort();
    });
}

TEMPLATE_TEST_CASE("abort gives aborted_locally here and connection_reset there, for good", "", memory_stream,
                   tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        auto here = start(context.get_executor(), read(*near));
        auto there = start(context.get_executor(), read(far));
        co_await settle();
        near->abort();
        const auto mine = co_await here.join();
        CHECK(mine.error() == errc::aborted_locally);
        const auto theirs = co_await there.join();
        CHECK(theirs.error() == sys::connection_reset);
        const auto again = co_await read(far);
        CHECK(again.error() == sys::connection_reset);
        CHECK(put(*near, "x").error() == errc::aborted_locally);
        near->abort(); // twice is once
    });
}

TEMPLATE_TEST_CASE("close sends the rest, waits for the other end and discards what it says meanwhile", "",
                   memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)put(*near, "rest");
        (void)put(far, "not read any more");
        auto reading = start(context.get_executor(), near->wait_writable());
        (void)co_await reading.join();
        auto closing = start(context.get_executor(), near->close(5s));
        const auto rest = co_await read(far);
        CHECK(rest.value() == "rest");
        const auto end = co_await read(far);
        CHECK(end.error() == errc::end_of_stream);
        (void)put(far, "and more");
        co_await settle();
        CHECK(!closing.done());
        const auto closed_far = co_await far.close(5s);
        CHECK(closed_far);
        const auto closed = co_await closing.join();
        CHECK(closed);
        CHECK(put(*near, "x").error() == errc::closed_locally);
    });
}

TEMPLATE_TEST_CASE("close gives up at its limit", "", memory_stream, tcp_stream, any_stream) {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
            auto reading = start(context.get_executor(), read(*near));
            co_await settle();
            auto closing = start(context.get_executor(), near->close(5s));
            const auto woken = co_await reading.join();
            CHECK(woken.error() == errc::closed_locally);
            co_await advance(4999ms);
            CHECK(!closing.done());
            co_await advance(1ms);
            const auto closed = co_await closing.join();
            CHECK(closed.error() == errc::drain_timeout);
        },
        {.manual_time = true});
}

TEMPLATE_TEST_CASE("abort cuts a close short, which then says so", "", memory_stream, tcp_stream,
                   any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        auto closing = start(context.get_executor(), near->close(5s));
        co_await settle();
        near->abort();
        const auto closed = co_await closing.join();
        CHECK(closed.error() == errc::aborted_locally);
    });
}

TEMPLATE_TEST_CASE("request_stop lets be read what has arrived, then gives shutting_down; writing goes on",
                   "", memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        for (const bool waiting_already : {false, true}) {
            auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
            if (!waiting_already) {
                (void)put(*near, "arrived");
                const auto ready = co_await far.wait_readable();
                CHECK(ready);
                far.request_stop();
                const auto got = co_await read(far);
                CHECK(got.value() == "arrived");
            } else {
                auto reading = start(context.get_executor(), read(far));
                co_await settle();
                far.request_stop();
                const auto got = co_await reading.join();
                CHECK(got.error() == errc::shutting_down);
            }
            const auto next = co_await read(far);
            CHECK(next.error() == errc::shutting_down);
            const auto ready = co_await far.wait_readable(); // try_read_some has something to say
            CHECK(ready);
            CHECK(put(far, "answer").value() == 6);
            const auto answer = co_await read(*near);
            CHECK(answer.value() == "answer");
        }
    });
}

TEMPLATE_TEST_CASE(
    "the handle destroyed: what is pending completes with canceled, the other end sees the end", "",
    memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        for (int what = 0; what < 3; ++what) {
            auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
            error got;
            if (what == 0) {
                auto reading = start(context.get_executor(), read(*near));
                co_await settle();
                near.reset();
                const auto ended = co_await reading.join();
                got = ended.error();
            } else if (what == 1) {
                auto waiting = start(context.get_executor(), near->wait_readable());
                co_await settle();
                near.reset();
                const auto ended = co_await waiting.join();
                got = ended.error();
            } else {
                auto closing = start(context.get_executor(), near->close(5s));
                co_await settle();
                near.reset();
                const auto ended = co_await closing.join();
                got = ended.error();
            }
            CAPTURE(what);
            CHECK(got == errc::canceled);
            const auto end = co_await read(far);
            CHECK(end.error() == errc::end_of_stream);
        }
    });
}

TEMPLATE_TEST_CASE("a cancelled coroutine gets canceled from every operation that would wait", "",
                   memory_stream, tcp_stream, any_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)fill(*near);
        auto working = start(context.get_executor(), [](TestType* s) -> awaitable<int> {
            int canceled = 0;
            const auto count = [&canceled](const error& e) { canceled += e == errc::canceled; };
            const auto got = co_await read(*s);
            count(got.error());
            const auto again = co_await read(*s);
            count(again.error());
            const auto ready = co_await s->wait_readable();
            count(ready.error());
            const auto room = co_await s->wait_writable();
            count(room.error());
            co_return canceled;
        }(&*near));
        co_await settle();
        working.cancel();
        const int canceled = co_await working.join();
        CHECK(canceled == 4);
        near->abort();
    });
}

TEMPLATE_TEST_CASE("a handle without a connection says so", "", memory_stream, tcp_stream, any_stream) {
    run([]() -> awaitable<void> {
        TestType none;
        char byte;
        CHECK(none.try_read_some(asio::buffer(&byte, 1)).error() == errc::not_connected);
        CHECK(put(none, "x").error() == errc::not_connected);
        const auto got = co_await read(none);
        CHECK(got.error() == errc::not_connected);
        const auto ready = co_await none.wait_readable();
        CHECK(ready.error() == errc::not_connected);
        const auto room = co_await none.wait_writable();
        CHECK(room.error() == errc::not_connected);
        const auto ended = co_await none.shutdown_send();
        CHECK(ended.error() == errc::not_connected);
        const auto closed = co_await none.close(1s);
        CHECK(closed.error() == errc::not_connected);
        none.cancel();
        none.abort();
        none.request_stop();
    });
}
