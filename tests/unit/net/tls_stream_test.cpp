// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/tls_stream.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/relay.hpp>
#include <portunus/testing/fuse.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace portunus_tests;
using namespace portunus::testing;
using Catch::Matchers::Contains;
using portunus::byte_stream;
using portunus::close_reason;
using portunus::condition;
using portunus::errc;
using portunus::error;
using portunus::framed_stream;
using portunus::line_codec;
using portunus::result;
using portunus::tcp_stream;
using portunus::tls_accept;
using portunus::tls_client_context;
using portunus::tls_connect;
using portunus::tls_engine;
using portunus::tls_errc;
using portunus::tls_server_context;
using portunus::tls_stream;
using portunus::tls_stream_options;
using portunus::tls_version;
namespace sys = boost::system::errc;

static_assert(byte_stream<tls_stream<memory_stream>>);
static_assert(byte_stream<tls_stream<tcp_stream>>);
static_assert(byte_stream<tls_stream<tls_stream<tcp_stream>>>);

namespace {

const tls_client_context& client_context() {
    static const tls_client_context context(client_options());
    return context;
}
const tls_server_context& server_context() {
    static const tls_server_context context(server_options());
    return context;
}

/// Two connected streams of one kind, without TLS.
template <class Stream>
struct plain_pair {
    Stream near;
    Stream far;
};
plain_pair<memory_stream> plain(asio::io_context& context, memory_stream*,
                                const memory_stream_options& options = {}) {
    auto [near, far] = make_memory_stream_pair(context.get_executor(), options);
    return {std::move(near), std::move(far)};
}
plain_pair<tcp_stream> plain(asio::io_context& context, tcp_stream*) {
    asio::ip::tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
    asio::ip::tcp::socket near(context);
    near.connect(listener.local_endpoint());
    asio::ip::tcp::socket far = listener.accept();
    return {tcp_stream(std::move(near)), tcp_stream(std::move(far))};
}

/// The same with TLS over it; `near` is the client.
template <class Stream>
struct secure_pair {
    std::optional<tls_stream<Stream>> near;
    tls_stream<Stream> far;
};
template <class Stream>
awaitable<secure_pair<Stream>> secure(plain_pair<Stream> below) {
    const auto executor = below.near.get_executor();
    auto accepting = start(executor, tls_accept(std::move(below.far), server_context()));
    auto near = co_await tls_connect(std::move(below.near), client_context(), "server.test");
    auto far = co_await accepting.join();
    secure_pair<Stream> both;
    both.near = std::move(near).value();
    both.far = std::move(far).value();
    co_return both;
}
// Plain functions: g++ 12 destroys what owns something twice when it is made inside of a co_await expression.
template <class Stream>
awaitable<secure_pair<Stream>> make_pair_of(asio::io_context& context, Stream* kind) {
    return secure(plain(context, kind));
}
awaitable<secure_pair<memory_stream>> small_pair(asio::io_context& context,
                                                 const memory_stream_options& options) {
    return secure(plain(context, static_cast<memory_stream*>(nullptr), options));
}

template <class Stream>
awaitable<result<std::string>> read(Stream& s, std::size_t size = 256) {
    std::string buffer(size, '\0');
    const auto got = co_await s.read_some(asio::buffer(buffer));
    if (!got) co_return got.error();
    buffer.resize(*got);
    co_return buffer;
}
/// Everything up to the end, and the error that the end was.
template <class Stream>
awaitable<std::pair<std::string, error>> read_all(Stream& s) {
    std::string all;
    std::string buffer(10'000, '\0');
    for (;;) {
        const auto got = co_await s.read_some(asio::buffer(buffer));
        if (!got) co_return std::pair<std::string, error>(std::move(all), got.error());
        all.append(buffer, 0, *got);
    }
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

/// A peer that is an engine over a memory stream: for what a `tls_stream` does not do by itself.
struct engine_peer {
    memory_stream below;
    tls_engine engine;

    /// Sends what the engine has to say and gives it what has come, as far as both go now.
    void pump() {
        for (bool moved = true; moved;) {
            moved = false;
            while (!engine.pending_output().empty()) {
                const auto out = engine.pending_output();
                const auto n = below.try_write_some(out);
                if (!n) break;
                engine.consume_output(*n);
                moved = true;
            }
            const auto space = engine.prepare_input();
            if (space.empty()) return;
            const auto n = below.try_read_some(asio::mutable_buffer(space.data(), space.size()));
            if (n) engine.commit_input(*n);
            if (!n && n.error() == errc::end_of_stream) engine.feed_end();
            moved = moved || n.has_value();
        }
    }
    std::string text() {
        pump();
        std::string buffer(65536, '\0');
        const auto got = engine.read(buffer);
        buffer.resize(got ? *got : 0);
        return buffer;
    }
    error read_error() {
        pump();
        char byte;
        const auto got = engine.read({&byte, 1});
        return got ? error() : got.error();
    }
};

/// A `tls_stream` that is a server, and a client that is an engine.
struct with_engine {
    tls_stream<memory_stream> server;
    engine_peer client;
};
awaitable<with_engine> server_and_engine(asio::io_context& context, const memory_stream_options& options = {},
                                         const tls_stream_options& limits = {}) {
    auto [near, far] = make_memory_stream_pair(context.get_executor(), options);
    auto accepting = start(context.get_executor(), tls_accept(std::move(near), server_context(), limits));
    engine_peer client{std::move(far), tls_engine::client(client_context(), "server.test").value()};
    while (!accepting.done()) {
        (void)client.engine.handshake();
        client.pump();
        co_await settle();
    }
    auto server = co_await accepting.join();
    co_return with_engine{std::move(server).value(), std::move(client)};
}

} // namespace

// The law of byte_stream, over each kind of stream.

TEMPLATE_TEST_CASE("a TLS stream carries bytes in both directions", "", memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        CHECK(put(*near, "ping").value() == 4);
        const auto ping = co_await read(far);
        CHECK(ping.value() == "ping");
        const auto written = co_await far.write("pong");
        CHECK(written);
        const auto pong = co_await read(*near);
        CHECK(pong.value() == "pong");
        CHECK(near->get_executor() == asio::any_io_executor(context.get_executor()));
        CHECK(near->bytes_sent() == 4);
        CHECK(near->bytes_received() == 4);
        const auto facts = near->facts();
        CHECK(facts.verified);
        CHECK(facts.version == "TLSv1.3");
        CHECK(near->channel_binding().value() == far.channel_binding().value());
        CHECK(near->is_open());
        CHECK(near->reason() == close_reason::none);
    });
}

TEMPLATE_TEST_CASE("try_read_some of TLS does not wait, wait_readable takes nothing", "", memory_stream,
                   tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        char buffer[16];
        for (auto* stream : {&*near, &far}) { // also where tickets lie unread
            auto& other = stream == &far ? *near : far;
            CHECK(stream->try_read_some(asio::buffer(buffer)).error() == errc::would_block);
            auto waiting = start(context.get_executor(), stream->wait_readable());
            co_await settle();
            CHECK(!waiting.done());
            (void)put(other, "x");
            const auto ready = co_await waiting.join();
            CHECK(ready);
            CHECK(stream->try_read_some(asio::buffer(buffer)).value() == 1);
            CHECK(stream->try_read_some(asio::buffer(buffer)).error() == errc::would_block);
        }
    });
}

TEMPLATE_TEST_CASE("a full TLS stream gives would_block, and wait_writable completes when it has room", "",
                   memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        std::size_t sent = fill(*near);
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
        sent += put(*near, "x").value();
        while (received < sent) { // nothing that was taken is lost
            const auto got = co_await far.read_some(asio::buffer(buffer));
            REQUIRE(got);
            received += *got;
        }
        CHECK(received == sent);
    });
}

TEMPLATE_TEST_CASE("after a half close of TLS the other end reads the rest and the end, and can answer", "",
                   memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
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

TEMPLATE_TEST_CASE("one read and one write of TLS may be pending; a second one is told so", "", memory_stream,
                   tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
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
        const auto written = co_await near->write("x");
        CHECK(written.error() == errc::operation_in_progress);
        char byte;
        CHECK(near->try_read_some(asio::buffer(&byte, 1)).error() == errc::operation_in_progress);
        CHECK(put(*near, "x").error() == errc::operation_in_progress);
        CHECK(!reading.done());
        CHECK(!writing.done());
        (void)put(far, "for the first");
        const auto first = co_await reading.join();
        CHECK(first.value() == "for the first");
        near->abort();
        (void)co_await writing.join();
    });
}

TEMPLATE_TEST_CASE("cancel ends both directions' waits of TLS and nothing else", "", memory_stream,
                   tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        const std::size_t sent = fill(*near);
        auto reading = start(context.get_executor(), read(*near));
        auto writing = start(context.get_executor(), near->wait_writable());
        co_await settle();
        near->cancel();
        const auto got = co_await reading.join();
        CHECK(got.error() == errc::canceled);
        const auto room = co_await writing.join();
        CHECK(room.error() == errc::canceled);
        (void)put(far, "still here");
        auto next_reading = start(context.get_executor(), read(*near));
        co_await settle();
        near->cancel_read();
        const auto next = co_await next_reading.join();
        // What had come before is not lost with the cancellation.
        if (next)
            CHECK(next.value() == "still here");
        else
            CHECK(next.error() == errc::canceled);
        // What was taken is sent all the same.
        std::size_t received = 0;
        std::string buffer(1 << 20, '\0');
        while (received < sent) {
            const auto n = co_await far.read_some(asio::buffer(buffer));
            REQUIRE(n);
            received += *n;
        }
        CHECK(received == sent);
        near->abort();
    });
}

TEMPLATE_TEST_CASE("abort of TLS gives aborted_locally here and connection_reset there, for good", "",
                   memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
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
        CHECK(near->reason() == close_reason::aborted_locally);
        CHECK(!near->is_open());
        near->abort(); // twice is once
        const auto closed = co_await near->close(1s);
        CHECK(closed);
    });
}

TEMPLATE_TEST_CASE("close of TLS sends the rest, waits for the other end and discards what it says meanwhile",
                   "", memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)put(*near, "rest");
        (void)put(far, "not read any more");
        auto closing = start(context.get_executor(), near->close(5s));
        const auto rest = co_await read(far);
        CHECK(rest.value() == "rest");
        const auto end = co_await read(far);
        CHECK(end.error() == errc::end_of_stream);
        (void)put(far, "and more");
        co_await settle();
        CHECK(!closing.done());
        const auto second = co_await near->close(5s);
        CHECK(second.error() == errc::operation_in_progress);
        const auto got = co_await read(*near);
        CHECK(got.error() == errc::closed_locally);
        const auto closed_far = co_await far.close(5s);
        CHECK(closed_far);
        const auto closed = co_await closing.join();
        CHECK(closed);
        CHECK(put(*near, "x").error() == errc::closed_locally);
        CHECK(near->reason() == close_reason::closed_locally);
        CHECK(far.reason() == close_reason::eof);
        const auto once_more = co_await near->close(5s);
        CHECK(once_more);
    });
}

TEMPLATE_TEST_CASE("close of TLS gives up at its limit", "", memory_stream, tcp_stream) {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
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
            CHECK_THAT(closed.error().message(), Contains("the peer did not finish within 5000 ms"));
        },
        {.manual_time = true});
}

TEMPLATE_TEST_CASE("abort cuts a close of TLS short, which then says so", "", memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        auto closing = start(context.get_executor(), near->close(5s));
        co_await settle();
        near->abort();
        const auto closed = co_await closing.join();
        CHECK(closed.error() == errc::aborted_locally);
    });
}

TEMPLATE_TEST_CASE("request_stop of TLS lets be read what has arrived, then gives shutting_down", "",
                   memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        for (const bool waiting_already : {false, true}) {
            auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
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
    "the handle of TLS destroyed: what is pending is canceled, the other end sees an end in order", "",
    memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        for (int what = 0; what < 4; ++what) {
            auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
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
            } else if (what == 2) {
                auto closing = start(context.get_executor(), near->close(5s));
                co_await settle();
                near.reset();
                const auto ended = co_await closing.join();
                got = ended.error();
            } else {
                (void)fill(*near);
                auto writing = start(context.get_executor(), near->wait_writable());
                co_await settle();
                near.reset();
                const auto ended = co_await writing.join();
                CHECK(ended.error() == errc::canceled);
                continue; // a part of a record was under way: no end in order
            }
            CAPTURE(what);
            CHECK(got == errc::canceled);
            const auto end = co_await read(far);
            CHECK(end.error() == errc::end_of_stream);
        }
    });
}

TEMPLATE_TEST_CASE("a cancelled coroutine gets canceled from every operation of TLS that would wait", "",
                   memory_stream, tcp_stream) {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = co_await make_pair_of(context, static_cast<TestType*>(nullptr));
        (void)fill(*near);
        auto working = start(context.get_executor(), [](tls_stream<TestType>* s) -> awaitable<int> {
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
            const auto written = co_await s->write("text");
            count(written.error());
            const auto closed = co_await s->close(5s);
            count(closed.error());
            co_return canceled;
        }(&*near));
        co_await settle();
        working.cancel();
        const int canceled = co_await working.join();
        CHECK(canceled == 6);
    });
}

TEMPLATE_TEST_CASE("a TLS handle without a connection says so", "", memory_stream, tcp_stream) {
    run([]() -> awaitable<void> {
        tls_stream<TestType> none;
        char byte;
        CHECK(none.try_read_some(asio::buffer(&byte, 1)).error() == errc::not_connected);
        CHECK(put(none, "x").error() == errc::not_connected);
        const auto got = co_await read(none);
        CHECK(got.error() == errc::not_connected);
        const auto ready = co_await none.wait_readable();
        CHECK(ready.error() == errc::not_connected);
        const auto room = co_await none.wait_writable();
        CHECK(room.error() == errc::not_connected);
        const auto written = co_await none.write("x");
        CHECK(written.error() == errc::not_connected);
        const auto ended = co_await none.shutdown_send();
        CHECK(ended.error() == errc::not_connected);
        const auto closed = co_await none.close(1s);
        CHECK(closed.error() == errc::not_connected);
        none.abort();
        none.cancel();
        none.cancel_read();
        none.request_stop();
        CHECK(!none.is_open());
        CHECK(none.facts().version.empty());
        CHECK(none.channel_binding().error() == errc::not_connected);
        CHECK(none.reason() == close_reason::none);
        TestType nothing_below;
        const auto accepted = co_await tls_accept(std::move(nothing_below), server_context());
        CHECK(accepted.error() == errc::not_connected);
    });
}

// The handshake.

TEST_CASE(
    "a client that speaks plain text on a TLS port is told from others by how it began, and from where") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto below = plain(context, static_cast<tcp_stream*>(nullptr));
        auto accepting = start(context.get_executor(), tls_accept(std::move(below.far), server_context()));
        const auto sent = co_await below.near.write("GET / HTTP/1.1\r\n");
        CHECK(sent);
        (void)co_await below.near.close(5s);
        const auto accepted = co_await accepting.join();
        CHECK(accepted.error() == tls_errc::not_tls);
        CHECK_THAT(
            accepted.error().message(),
            Contains("the peer does not speak TLS: it began with \"GET / HTTP/1.1\\r\\n\" from 127.0.0.1:"));
    });
}

TEST_CASE("a peer that says nothing, or one byte now and then, meets the handshake limit") {
    const bool trickles = GENERATE(false, true);
    run(
        [trickles](asio::io_context& context) -> awaitable<void> {
            for (const bool accepts : {true, false}) {
                auto below = plain(context, static_cast<memory_stream*>(nullptr));
                auto shaking =
                    start(context.get_executor(),
                          accepts ? tls_accept(std::move(below.far), server_context())
                                  : tls_connect(std::move(below.far), client_context(), "server.test"));
                std::string slow("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
                if (!accepts) slow.assign("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11);
                for (std::size_t i = 0; i < 9; ++i) {
                    co_await advance(1s);
                    if (trickles) (void)put(below.near, slow.substr(i, 1));
                }
                co_await settle();
                CHECK(!shaking.done());
                co_await advance(1s);
                const auto failed = co_await shaking.join();
                CHECK(failed.error() == errc::handshake_timeout);
                CHECK(failed.error() == condition::timeout);
                CHECK_THAT(failed.error().message(), Contains("10000 ms"));
                // With bytes of ours that were not read that is a reset, otherwise the end.
                std::string buffer(4096, '\0');
                auto end = co_await below.near.read_some(asio::buffer(buffer));
                while (end) end = co_await below.near.read_some(asio::buffer(buffer));
                CHECK(end.error() == condition::closed);
            }
        },
        {.manual_time = true});
}

TEST_CASE("a client tells the server by an alert why it refuses, and both say so") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto below = plain(context, static_cast<tcp_stream*>(nullptr));
        auto accepting = start(context.get_executor(), tls_accept(std::move(below.far), server_context()));
        auto connected = co_await tls_connect(std::move(below.near), client_context(), "other.test");
        CHECK(connected.error() == tls_errc::certificate_refused);
        CHECK_THAT(connected.error().message(),
                   Contains("other.test") && Contains("DNS:server.test") && Contains("from 127.0.0.1:"));
        auto accepted = co_await accepting.join();
        // The server is done before it hears of it.
        if (accepted) {
            const auto got = co_await read(*accepted);
            CHECK(got.error() == tls_errc::refused_by_peer);
            CHECK_THAT(got.error().message(), Contains("bad certificate") && Contains("from 127.0.0.1:"));
            CHECK(accepted->reason() == close_reason::reset);
            CHECK(accepted->failure_cause() == tls_errc::refused_by_peer);
        } else {
            CHECK(accepted.error() == tls_errc::refused_by_peer);
        }
    });
}

TEST_CASE("a name that is none is refused, and the stream is closed") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto below = plain(context, static_cast<memory_stream*>(nullptr));
        const auto connected = co_await tls_connect(std::move(below.near), client_context(), "");
        CHECK(connected.error() == errc::invalid_name);
        const auto end = co_await read(below.far);
        CHECK(end.error() == errc::end_of_stream);
    });
}

TEST_CASE("a handshake may be cancelled at each point, and the stream below is closed") {
    for (int steps = 0; steps < 12; ++steps) {
        CAPTURE(steps);
        run([steps](asio::io_context& context) -> awaitable<void> {
            auto below = plain(context, static_cast<memory_stream*>(nullptr), {.capacity = 300});
            auto connecting = start(context.get_executor(),
                                    tls_connect(std::move(below.near), client_context(), "server.test"));
            auto accepting =
                start(context.get_executor(), tls_accept(std::move(below.far), server_context()));
            for (int i = 0; i < steps * 3; ++i) co_await asio::post(asio::deferred);
            connecting.cancel();
            auto connected = co_await connecting.join();
            if (!connected) CHECK(connected.error() == errc::canceled);
            const bool was_done = connected.has_value();
            if (was_done) connected->abort();
            auto accepted = co_await accepting.join();
            if (!accepted) CHECK(accepted.error() == condition::closed);
        });
    }
}

TEST_CASE("a handshake goes through the smallest of streams") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto both = co_await small_pair(context, {.capacity = 1, .read_size = 1, .write_size = 1});
        auto writing = start(context.get_executor(), both.near->write("a text"));
        const auto text = co_await read(both.far);
        CHECK(text.value() == "a text");
        const auto written = co_await writing.join();
        CHECK(written);
    });
}

// The law of shutdown, truncation, bad bytes.

TEST_CASE("what was written before close arrives, however slow the stream below is") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto both = co_await small_pair(context, {.capacity = 1000});
        const std::string text = pattern(300'000);
        auto reading = start(context.get_executor(), read_all(both.far));
        auto written = co_await both.near->write(text);
        CHECK(written);
        const std::string tail = pattern(16'000, 7);
        CHECK(put(*both.near, tail).value() == tail.size()); // taken, and mostly not sent yet
        CHECK(put(*both.near, "x").error() == errc::would_block);
        auto closing = start(context.get_executor(), both.near->close(5s));
        const auto [got, end] = co_await reading.join();
        CHECK((got == text + tail));
        CHECK(end == errc::end_of_stream);
        const auto closed_far = co_await both.far.close(5s);
        CHECK(closed_far);
        const auto closed = co_await closing.join();
        CHECK(closed);
    });
}

TEST_CASE("two sides that write before they read can both close, and the limit says what was left") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto both = co_await small_pair(context, {.capacity = 1000});
            (void)fill(*both.near); // nobody reads
            auto closing = start(context.get_executor(), both.near->close(3s));
            co_await settle();
            CHECK(!closing.done());
            co_await advance(3s);
            const auto closed = co_await closing.join();
            CHECK(closed.error() == errc::drain_timeout);
            CHECK_THAT(closed.error().message(), Contains("bytes were not sent within 3000 ms"));
            const auto [got, end] = co_await read_all(both.far);
            CHECK(got.empty()); // less than a record
            CHECK(end == condition::closed);
            CHECK(end != errc::end_of_stream);

            auto others = co_await small_pair(context, {.capacity = 1000});
            (void)fill(*others.near);
            (void)fill(others.far);
            auto one = start(context.get_executor(), others.near->close(3s));
            auto other = start(context.get_executor(), others.far.close(3s));
            const auto one_closed = co_await one.join(); // each discards what the other says
            const auto other_closed = co_await other.join();
            CHECK(one_closed);
            CHECK(other_closed);
        },
        {.manual_time = true});
}

TEST_CASE("a stream below that ends without a word is a truncation, not an end") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [server, client] = co_await server_and_engine(context);
        CHECK(client.engine.write("half a mess").value() == 11);
        client.pump();
        client.below = memory_stream();
        const auto text = co_await read(server);
        CHECK(text.value() == "half a mess");
        const auto ready = co_await server.wait_readable();
        CHECK(ready);
        for (int i = 0; i < 2; ++i) {
            const auto end = co_await read(server);
            CHECK(end.error() == tls_errc::truncated);
        }
        CHECK(server.reason() == close_reason::reset);
        CHECK(server.failure_cause() == tls_errc::truncated);
        const auto closed = co_await server.close(1s);
        CHECK(closed);
    });
}

TEST_CASE("bytes that are no TLS in the midst of it end the connection, and the peer gets an alert") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [server, client] = co_await server_and_engine(context);
        auto reading = start(context.get_executor(), read(server));
        co_await settle();
        CHECK(client.below.try_write_some("this is no record of TLS").value() == 24);
        const auto got = co_await reading.join();
        CHECK(got.error() == tls_errc::protocol_violation);
        CHECK(got.error() == condition::malformed);
        CHECK(put(server, "x").error() == tls_errc::protocol_violation);
        CHECK(server.reason() == close_reason::protocol_error);
        CHECK(client.read_error() == tls_errc::refused_by_peer);
        auto closing = start(context.get_executor(), server.close(1s));
        co_await settle();
        client.below = memory_stream();
        (void)co_await closing.join();
    });
}

TEST_CASE("after the peer's close_notify a close does not wait for more than a second for its end") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto [server, client] = co_await server_and_engine(context);
            CHECK(client.engine.shutdown());
            client.pump();
            const auto end = co_await read(server);
            CHECK(end.error() == errc::end_of_stream);
            auto closing = start(context.get_executor(), server.close(30s));
            co_await advance(999ms);
            CHECK(!closing.done());
            CHECK(client.read_error() == errc::end_of_stream);
            co_await advance(1ms);
            const auto closed = co_await closing.join();
            CHECK(closed);
            CHECK(server.reason() == close_reason::eof);
        },
        {.manual_time = true});
}

// Reading and writing at once.

TEST_CASE("both directions are full at once for long, through small streams, and nothing is lost") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            const std::size_t capacity = 5'000;
            auto both = co_await small_pair(context, {.capacity = capacity});
            const std::string there = pattern(700'000), back = pattern(700'000, 99);
            const auto send = [](tls_stream<memory_stream>* s, const std::string* text) -> awaitable<bool> {
                auto written = co_await s->write(*text);
                if (!written) co_return false;
                auto ended = co_await s->shutdown_send();
                co_return ended.has_value();
            };
            auto a = start(context.get_executor(), send(&*both.near, &there));
            auto b = start(context.get_executor(), send(&both.far, &back));
            auto at_far = start(context.get_executor(), read_all(both.far));
            auto at_near = start(context.get_executor(), read_all(*both.near));
            const auto [got_far, end_far] = co_await at_far.join();
            const auto [got_near, end_near] = co_await at_near.join();
            CHECK((got_far == there));
            CHECK((got_near == back));
            CHECK(end_far == errc::end_of_stream);
            CHECK(end_near == errc::end_of_stream);
            const bool sent = co_await a.join();
            CHECK(sent);
            const bool sent_back = co_await b.join();
            CHECK(sent_back);
        },
        {.watchdog = 60s});
}

TEST_CASE(
    "a peer that changes its keys, and asks for ours, in the midst of both directions disturbs nothing") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [server, client] = co_await server_and_engine(context);
        auto reading = start(context.get_executor(), read(server));
        for (int i = 0; i < 20; ++i) {
            CHECK(client.engine.update_keys(true));
            client.pump();
            co_await settle();
            CHECK(!reading.done()); // it is no text
            CHECK(put(server, "answer").value() == 6);
            CHECK(client.text() == "answer");
        }
        CHECK(client.engine.write("text").value() == 4);
        client.pump();
        const auto text = co_await reading.join();
        CHECK(text.value() == "text");
    });
}

TEST_CASE(
    "a write, or a close, waits for the rest of a ticket that came in part, whether or not anybody reads") {
    const int what = GENERATE(0, 1, 2, 3);
    CAPTURE(what);
    run(
        [what](asio::io_context& context) -> awaitable<void> {
            auto below = plain(context, static_cast<memory_stream*>(nullptr));
            fragmenting_server server;
            const tls_client_context with(fragmenting_server::client());
            auto connecting =
                start(context.get_executor(), tls_connect(std::move(below.near), with, "server.test"));
            std::string rest;
            while (!server.done()) {
                const auto said = co_await read(below.far, 1 << 16);
                REQUIRE(said.has_value());
                rest = server.answer(*said);
                if (!server.done()) (void)put(below.far, rest);
            }
            auto made = co_await connecting.join();
            auto client = std::move(made).value();
            REQUIRE(rest.size() > 600);
            (void)put(below.far, std::string_view(rest).substr(0, 560));
            char byte;
            CHECK(client.try_read_some(asio::buffer(&byte, 1)).error() == errc::would_block);
            CHECK(put(client, "text").error() == errc::would_block);
            std::optional<started<result<std::string>>> reading;
            if (what == 1) reading = start(context.get_executor(), read(client));
            auto working = start(context.get_executor(), what == 2   ? client.close(5s)
                                                         : what == 3 ? client.shutdown_send()
                                                                     : client.write("text"));
            co_await advance(100ms);
            CHECK(!working.done());
            (void)put(below.far, std::string_view(rest).substr(560));
            co_await advance(100ms);
            std::string got;
            while (below.far.unread() != 0) {
                const auto part = co_await read(below.far, 1 << 16);
                REQUIRE(part.has_value());
                (void)server.answer(*part);
            }
            CHECK(server.read() == (what < 2 ? "text" : ""));
            CHECK(working.done() == (what != 2));
            below.far = memory_stream();
            const auto worked = co_await working.join();
            CHECK(worked);
            if (reading) {
                const auto end = co_await reading->join();
                CHECK(end.error() == tls_errc::truncated);
            }
        },
        {.manual_time = true});
}

TEST_CASE("a write that is cancelled before anything was taken may be repeated; after that it is torn") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto both = co_await small_pair(context, {.capacity = 1000});
        const std::size_t taken = fill(*both.near);
        auto writing = start(context.get_executor(), both.near->write("more"));
        co_await settle();
        CHECK(!writing.done());
        both.near->cancel();
        const auto canceled = co_await writing.join();
        CHECK(canceled.error() == errc::canceled);
        std::size_t received = 0;
        while (received < taken) {
            const auto got = co_await read(both.far, 1 << 16);
            REQUIRE(got);
            received += got->size();
        }
        const std::string large = pattern(100'000);
        auto torn = start(context.get_executor(), both.near->write(large));
        co_await settle();
        torn.cancel();
        const auto ended = co_await torn.join();
        CHECK(ended.error() == errc::torn_write);
        CHECK(put(*both.near, "x").error() == errc::torn_write);
    });
}

TEST_CASE("a write that was taken whole has succeeded, though it is cancelled before all has left") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto both = co_await small_pair(context, {.capacity = 1000});
        const std::string text = pattern(10'000);
        auto writing = start(context.get_executor(), both.near->write(text));
        co_await settle();
        CHECK(!writing.done());
        both.near->cancel();
        const auto written = co_await writing.join();
        CHECK(written);
        std::string got;
        while (got.size() < text.size()) {
            const auto part = co_await read(both.far, 1 << 16);
            REQUIRE(part);
            got += *part;
        }
        CHECK((got == text));
    });
}

TEST_CASE("the limits of the stream below hold: idleness, and a peer that takes nothing") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            asio::ip::tcp::acceptor listener(context, {asio::ip::address_v4::loopback(), 0});
            asio::ip::tcp::socket near(context);
            near.connect(listener.local_endpoint());
            asio::ip::tcp::socket far = listener.accept();
            portunus::tcp_stream_options limits;
            limits.idle_limit = 20s;
            limits.write_limit = 5s;
            plain_pair<tcp_stream> below{tcp_stream(std::move(near), limits), tcp_stream(std::move(far))};
            auto both = co_await secure(std::move(below));
            auto reading = start(context.get_executor(), read(*both.near));
            co_await advance(20s);
            const auto got = co_await reading.join();
            CHECK(got.error() == errc::idle_timeout);
            CHECK(both.near->reason() == close_reason::idle);

            asio::ip::tcp::socket one(context);
            one.connect(listener.local_endpoint());
            asio::ip::tcp::socket other = listener.accept();
            plain_pair<tcp_stream> others{tcp_stream(std::move(one), limits), tcp_stream(std::move(other))};
            auto pair = co_await secure(std::move(others));
            (void)fill(*pair.near);
            auto writing = start(context.get_executor(), pair.near->wait_writable());
            for (int i = 0; i < 4 && !writing.done(); ++i) co_await advance(5s);
            const auto room = co_await writing.join();
            CHECK(room.error() == errc::write_timeout);
            CHECK(put(*pair.near, "x").error() == errc::write_timeout);
        },
        {.manual_time = true});
}

// What stands on it.

TEST_CASE("frames go over TLS as over any stream, also after the buffers were given back") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            auto both = co_await make_pair_of(context, static_cast<memory_stream*>(nullptr));
            framed_stream near(std::move(*both.near), line_codec{});
            framed_stream far(std::move(both.far), line_codec{});
            for (int round = 0; round < 3; ++round) {
                auto reading = start(context.get_executor(), far.read());
                co_await advance(3s); // parks
                CHECK(!reading.done());
                for (const char* line : {"one", "two", "three"}) CHECK(near.queue(line));
                auto flushed = co_await near.flush();
                CHECK(flushed);
                const auto first = co_await reading.join();
                CHECK(first.value() == "one");
                CHECK(far.try_read().value() == "two");
                CHECK(far.try_read().value() == "three");
                auto echoed = co_await far.write("echo");
                CHECK(echoed);
                const auto answer = co_await near.read();
                CHECK(answer.value() == "echo");
            }
            auto closing = start(context.get_executor(), near.close(5s));
            const auto end = co_await far.read();
            CHECK(end.error() == errc::end_of_stream);
            auto closed_far = co_await far.close(5s);
            CHECK(closed_far);
            const auto closed = co_await closing.join();
            CHECK(closed);
        },
        {.manual_time = true});
}

TEST_CASE("a relay ends TLS on one side and speaks plainly on the other") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto both = co_await make_pair_of(context, static_cast<memory_stream*>(nullptr));
        auto behind = plain(context, static_cast<memory_stream*>(nullptr));
        auto relaying =
            start(context.get_executor(), portunus::relay(std::move(both.far), std::move(behind.near)));
        const std::string text = pattern(200'000);
        auto writing = start(context.get_executor(), both.near->write(text));
        std::string got;
        while (got.size() < text.size()) {
            const auto part = co_await read(behind.far, 1 << 16);
            REQUIRE(part);
            got += *part;
        }
        CHECK((got == text));
        const auto written = co_await writing.join();
        CHECK(written);
        CHECK(put(behind.far, "answer").value() == 6);
        const auto answer = co_await read(*both.near);
        CHECK(answer.value() == "answer");
        const auto ended = co_await both.near->shutdown_send();
        CHECK(ended);
        const auto end = co_await read(behind.far);
        CHECK(end.error() == errc::end_of_stream);
        const auto ended_behind = co_await behind.far.shutdown_send();
        CHECK(ended_behind);
        const auto end_here = co_await read(*both.near);
        CHECK(end_here.error() == errc::end_of_stream);
        auto closed = co_await both.near->close(5s);
        CHECK(closed);
        auto closed_behind = co_await behind.far.close(5s);
        CHECK(closed_behind);
        const auto carried = co_await relaying.join();
        CHECK(carried.value().forth == text.size());
        CHECK(carried.value().back == 6);
    });
}

TEST_CASE("TLS goes over TLS") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto outer = co_await make_pair_of(context, static_cast<memory_stream*>(nullptr));
        plain_pair<tls_stream<memory_stream>> below{std::move(*outer.near), std::move(outer.far)};
        auto inner = co_await secure(std::move(below));
        auto written = co_await inner.near->write("twice");
        CHECK(written);
        const auto text = co_await read(inner.far);
        CHECK(text.value() == "twice");
        auto closing = start(context.get_executor(), inner.near->close(5s));
        const auto end = co_await read(inner.far);
        CHECK(end.error() == errc::end_of_stream);
        const auto closed_far = co_await inner.far.close(5s);
        CHECK(closed_far);
        const auto closed = co_await closing.join();
        CHECK(closed);
    });
}

// Failures and destruction at every point.

namespace {

/// A whole conversation of a client; whatever fails ends it.
awaitable<error> converse(memory_stream below) {
    auto made = co_await tls_connect(std::move(below), client_context(), "server.test",
                                     tls_stream_options{5s, 5s, 1s});
    if (!made) co_return made.error();
    auto written = co_await made->write("question");
    if (!written) co_return written.error();
    auto ready = co_await made->wait_readable();
    if (!ready) co_return ready.error();
    auto answer = co_await read(*made);
    if (!answer) co_return answer.error();
    auto room = co_await made->wait_writable();
    if (!room) co_return room.error();
    auto ended = co_await made->shutdown_send();
    if (!ended) co_return ended.error();
    auto closed = co_await made->close(5s);
    if (!closed) co_return closed.error();
    co_return error();
}
awaitable<error> serve(memory_stream below) {
    auto made = co_await tls_accept(std::move(below), server_context(), tls_stream_options{5s, 5s, 1s});
    if (!made) co_return made.error();
    auto question = co_await read(*made);
    if (!question) co_return question.error();
    auto written = co_await made->write(*question);
    if (!written) co_return written.error();
    auto end = co_await read(*made);
    if (end || end.error() != errc::end_of_stream) co_return end ? error(errc::malformed_frame) : end.error();
    auto closed = co_await made->close(5s);
    if (!closed) co_return closed.error();
    co_return error();
}

} // namespace

TEST_CASE("whichever operation of the stream below fails, the conversation ends with that, and ends") {
    const bool at_client = GENERATE(true, false);
    const std::size_t count = for_each_failure([&](fuse& f) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                auto below = plain(context, static_cast<memory_stream*>(nullptr), {.capacity = 700});
                (at_client ? below.near : below.far).attach(f);
                auto serving = start(context.get_executor(), serve(std::move(below.far)));
                auto talking = start(context.get_executor(), converse(std::move(below.near)));
                const error client = co_await talking.join();
                const error server = co_await serving.join();
                const error& mine = at_client ? client : server;
                if (f.blown()) {
                    // Told by itself, or by TLS for which it looks like a broken connection.
                    INFO(f << ": client " << client << ", server " << server);
                    CHECK((!mine.code().failed() || mine == sys::connection_reset));
                    if (f.failed_operation() == "close" || f.failed_operation() == "shutdown_send") co_return;
                    CHECK((client.code().failed() || server.code().failed()));
                } else {
                    CHECK(!client.code().failed());
                    CHECK(!server.code().failed());
                }
            },
            {.watchdog = 10s});
    });
    CHECK(count > 10);
}

namespace {

/// A client and a server in the midst of everything; `drop` destroys both handles.
struct scene {
    explicit scene(asio::io_context& context)
        : below(plain(context, static_cast<memory_stream*>(nullptr), {.capacity = 300})) {}

    awaitable<void> operator()() {
        const auto executor = co_await asio::this_coro::executor;
        if (dropped) co_return;
        auto accepting = start(executor, accept(this));
        auto connected = co_await tls_connect(std::move(below.near), client_context(), "server.test");
        (void)co_await accepting.join();
        if (!connected || dropped) co_return;
        client = std::move(*connected);
        if (!server || !client) co_return;
        static const std::string text = pattern(3'000);
        auto writing = start(executor, client->write(text));
        auto reading = start(executor, read_to_end(this));
        auto waiting = start(executor, client->wait_readable());
        auto written = co_await writing.join();
        if (client) {
            client->cancel();
            auto closing = start(executor, client->close(5s));
            (void)co_await reading.join();
            if (server) {
                auto closing_too = start(executor, server->close(5s));
                (void)co_await closing_too.join();
            }
            (void)co_await closing.join();
        } else {
            (void)co_await reading.join();
        }
        (void)co_await waiting.join();
        reached_the_end = reached_the_end || !dropped;
    }
    void drop() {
        dropped = true;
        client.reset();
        server.reset();
        below = {};
    }

    static awaitable<bool> accept(scene* self) {
        auto accepted = co_await tls_accept(std::move(self->below.far), server_context());
        if (!accepted || self->dropped) co_return false;
        self->server = std::move(*accepted);
        co_return true;
    }

    static awaitable<std::size_t> read_to_end(scene* self) {
        std::string buffer(500, '\0');
        std::size_t all = 0;
        while (self->server) { // it may have gone before this began
            auto got = co_await self->server->read_some(asio::buffer(buffer));
            if (!got) break;
            all += *got;
        }
        co_return all;
    }

    plain_pair<memory_stream> below;
    std::optional<tls_stream<memory_stream>> client;
    std::optional<tls_stream<memory_stream>> server;
    bool dropped = false;
    inline static bool reached_the_end = false;
};

} // namespace

TEST_CASE("TLS streams may be destroyed at every point, handles first or the context first") {
    const std::size_t points = destroy_at_every_point(
        [](asio::io_context& context) { return scene(context); }, {.watchdog = 30s, .manual_time = true});
    CHECK(points > 20);
    CHECK(scene::reached_the_end);
}
