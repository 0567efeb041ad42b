// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/websocket.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/http/websocket_support.hpp"

#include <portunus/testing/fuse.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/start.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace websocket_test;
using namespace std::chrono_literals;
using namespace portunus::testing;
namespace asio = boost::asio;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using http::websocket;
using http::websocket_message;
using http::websocket_options;
using portunus::any_stream;
using portunus::awaitable;
using portunus::condition;
using portunus::errc;
using portunus::result;

namespace {

constexpr unsigned fin = 0x80;
constexpr unsigned text = 1, binary = 2, closing = 8, ping = 9, pong = 10;

/// A WebSocket, and the raw other end.
struct ends {
    websocket near;
    memory_stream far;
};
ends open(asio::io_context& context, const websocket_options& options = {},
          const memory_stream_options& near_options = {}, const memory_stream_options& far_options = {},
          websocket_role role = websocket_role::server) {
    auto [near, far] = make_memory_stream_pair(context.get_executor(), near_options, far_options);
    return {websocket(any_stream(std::move(near)), role, options), std::move(far)};
}

/// Two WebSockets.
struct sockets {
    websocket server, client;
};
sockets open_both(asio::io_context& context, const websocket_options& options = {},
                  const memory_stream_options& stream = {}) {
    auto [near, far] = make_memory_stream_pair(context.get_executor(), stream);
    return {websocket(any_stream(std::move(near)), websocket_role::server, options),
            websocket(any_stream(std::move(far)), websocket_role::client, options)};
}

std::string bytes_at(memory_stream& far) {
    std::string all;
    char buffer[4096];
    for (;;) {
        const auto n = far.try_read_some(asio::buffer(buffer));
        if (!n) return all;
        all.append(buffer, *n);
    }
}
void put(memory_stream& far, std::string_view bytes) {
    const auto n = far.try_write_some(bytes);
    REQUIRE(n);
    REQUIRE(*n == bytes.size());
}

std::string told(const result<websocket_message>& m) {
    if (!m) return m.error().code().message();
    return (m->is_text ? "text " : "binary ") + std::string(m->data);
}

template <class Body>
void manually(Body body) {
    run(std::move(body), {.manual_time = true});
}

awaitable<void> echo(websocket socket) {
    for (;;) {
        auto message = co_await socket.read();
        if (!message) break;
        if (message->is_text) {
            auto sent = co_await socket.write(message->data);
            if (!sent) break;
        } else {
            auto sent = co_await socket.write_binary(message->data);
            if (!sent) break;
        }
    }
    auto closed = co_await socket.close();
    (void)closed;
}

} // namespace

TEST_CASE("messages come whole and as they were, in both directions, whatever the stream takes at once") {
    for (const std::size_t capacity : {3u, 100u, 1u << 16}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto both = open_both(context, {}, {.capacity = capacity});
            auto echoing = start(context.get_executor(), echo(std::move(both.server)));
            for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u}) {
                if (size > 1000 * capacity) continue; // it would take long
                const std::string payload(size, 'm');
                auto sent = co_await both.client.write(payload);
                CHECK(sent);
                auto back = co_await both.client.read();
                REQUIRE(back.has_value());
                CHECK(back->is_text);
                CHECK((back->data == payload));
                const std::string bytes(size, '\xff');
                sent = co_await both.client.write_binary(bytes);
                CHECK(sent);
                back = co_await both.client.read();
                REQUIRE(back.has_value());
                CHECK_FALSE(back->is_text);
                CHECK((back->data == bytes));
            }
            auto closed = co_await both.client.close(websocket_code::normal, "done");
            CHECK(closed);
            CHECK(both.client.close_code() == websocket_code::normal);
            co_await echoing.join();
        });
    }
}

TEST_CASE("a ping is answered at once, also between the fragments of a message") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        auto reading = start(context.get_executor(), near.read());
        put(far, from_client(text, "ab") + from_client(fin | ping, "are you there?"));
        co_await settle();
        CHECK(bytes_at(far) == from_server(fin | pong, "are you there?"));
        CHECK_FALSE(reading.done());
        put(far, from_client(fin, "cd"));
        auto message = co_await reading.join();
        CHECK(told(message) == "text abcd");
    });
}

TEST_CASE("a message is a view that stays while pings are answered, until the next read") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        put(far, from_client(fin | text, "look at this"));
        auto message = co_await near.read();
        REQUIRE(message.has_value());
        auto pinging = start(context.get_executor(), near.ping()); // from now on it listens
        put(far, from_client(fin | ping, "1") + from_client(fin | binary, std::string(5000, 'x')) +
                     from_client(fin | ping, "2"));
        co_await settle();
        CHECK(message->data == "look at this");
        CHECK_THAT(bytes_at(far), Contains(from_server(fin | pong, "1")));
        auto next = co_await near.read();
        CHECK((told(next) == "binary " + std::string(5000, 'x')));
        pinging.cancel();
        const auto pinged = co_await pinging.join();
        CHECK(pinged.error() == errc::canceled);
        auto last = start(context.get_executor(), near.read());
        co_await settle();
        CHECK(bytes_at(far) == from_server(fin | pong, "2"));
        near.abort();
        const auto ended = co_await last.join();
        CHECK(ended.error() == errc::aborted_locally);
    });
}

TEST_CASE("what lies there is read without waiting") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        CHECK(near.try_read().error() == errc::would_block);
        put(far, from_client(fin | text, "one") + from_client(fin | text, "two") + from_client(text, "th"));
        CHECK(told(near.try_read()) == "text one");
        CHECK(told(near.try_read()) == "text two");
        CHECK(near.try_read().error() == errc::would_block);
        auto reading = start(context.get_executor(), near.read());
        co_await settle();
        CHECK(near.try_read().error() == errc::operation_in_progress);
        const auto second = co_await near.read();
        CHECK(second.error() == errc::operation_in_progress);
        put(far, from_client(fin, "ree"));
        const auto message = co_await reading.join();
        CHECK(told(message) == "text three");
    });
}

TEST_CASE("a cancelled read loses nothing, not even in the middle of a frame") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        const std::string frame = from_client(fin | text, "a message");
        for (std::size_t cut = 0; cut != frame.size(); ++cut) {
            put(far, std::string_view(frame).substr(0, cut));
            auto reading = start(context.get_executor(), near.read());
            co_await settle();
            reading.cancel();
            const auto cancelled = co_await reading.join();
            CHECK(cancelled.error() == errc::canceled);
            put(far, std::string_view(frame).substr(cut));
            const auto message = co_await near.read();
            CHECK(told(message) == "text a message");
        }
    });
}

TEST_CASE("several may write at the same time, and messages are not mixed") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {}, {.capacity = 5});
        const std::string first(20, 'a'), second(20, 'b');
        auto one = start(context.get_executor(), near.write(first));
        auto two = start(context.get_executor(), near.write(second));
        auto three = start(context.get_executor(), near.write_binary("c"));
        std::string all;
        while (!one.done() || !two.done() || !three.done()) {
            co_await settle();
            all += bytes_at(far);
        }
        all += bytes_at(far);
        CHECK(one.get());
        CHECK(two.get());
        CHECK(three.get());
        CHECK(all == from_server(fin | text, first) + from_server(fin | text, second) +
                         from_server(fin | binary, "c"));
    });
}

TEST_CASE("a cancelled write tears nothing") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {.max_queued = 30}, {.capacity = 5});
        const std::string first(25, 'a');
        auto one = start(context.get_executor(), near.write(first));
        auto two = start(context.get_executor(), near.write("there is no room for it"));
        co_await settle();
        one.cancel();
        two.cancel();
        const auto first_result = co_await one.join();
        const auto second_result = co_await two.join();
        CHECK(first_result.error() == errc::canceled);
        CHECK(second_result.error() == errc::canceled);
        std::string all;
        while (near.queued() != 0) {
            all += bytes_at(far);
            co_await settle();
        }
        all += bytes_at(far);
        CHECK(all == from_server(fin | text, first));
        auto three = start(context.get_executor(), near.write("more"));
        co_await settle();
        all = bytes_at(far);
        const auto sent = co_await three.join();
        CHECK(sent);
        CHECK(all + bytes_at(far) == from_server(fin | text, "more"));
    });
}

TEST_CASE("what is queued leaves in one piece, and what does not fit is refused") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {.max_queued = 100});
        CHECK(near.queue("one"));
        CHECK(near.queue_binary("two"));
        CHECK(near.queued() == 10);
        CHECK(bytes_at(far).empty());
        const auto refused = near.queue(std::string(90, 'x'));
        REQUIRE(!refused);
        CHECK(refused.error() == errc::queue_full);
        CHECK_THAT(std::string(refused.error().detail()), Contains("90 bytes beside 10 that wait"));
        co_await settle();
        CHECK(near.queued() == 0);
        CHECK(bytes_at(far) == from_server(fin | text, "one") + from_server(fin | binary, "two"));
        CHECK(near.queue(std::string(86, 'x')));
        CHECK(near.queue(std::string(87, 'x')).error() == errc::queue_full);
        co_await settle();
    });
}

TEST_CASE("text that is not UTF-8 is not sent") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        auto sent = co_await near.write("caf\xe9");
        CHECK(sent.error() == errc::unencodable_payload);
        CHECK(near.queue("\xff").error() == errc::unencodable_payload);
        sent = co_await near.write_binary("caf\xe9");
        CHECK(sent);
        CHECK(bytes_at(far) == from_server(fin | binary, "caf\xe9"));
    });
}

TEST_CASE("a client masks each frame anew") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {}, {}, {}, websocket_role::client);
        std::string all, last;
        for (int i = 0; i != 200; ++i) {
            auto sent = co_await near.write("abcd");
            CHECK(sent);
            const std::string frame = bytes_at(far);
            CHECK(frame.size() == 10);
            CHECK(frame.substr(2) != last);
            last = frame.substr(2);
            all += frame;
        }
        std::string expected;
        for (int i = 0; i != 200; ++i) expected += "text[abcd] ";
        CHECK(decode(all) == expected);
    });
}

TEST_CASE("our close says why, waits for the peer's, and drops what comes meanwhile") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        auto sent = near.queue("last words");
        CHECK(sent);
        auto done = start(context.get_executor(), near.close(websocket_code(4000), "enough"));
        co_await settle();
        CHECK(bytes_at(far) == from_server(fin | text, "last words") +
                                   from_server(fin | closing, close_payload(4000, "enough")));
        CHECK_FALSE(done.done());
        CHECK_FALSE(near.is_open());
        const auto second = co_await near.close();
        CHECK(second.error() == errc::operation_in_progress);
        const auto late = co_await near.write("too late");
        CHECK(late.error() == errc::closed_locally);
        put(far, from_client(fin | text, "dropped") + from_client(fin | ping, "ignored") +
                     from_client(fin | closing, close_payload(4000)));
        co_await settle();
        char byte = 0;
        CHECK(far.try_read_some(asio::buffer(&byte, 1)).error() == errc::end_of_stream);
        auto gone = co_await far.close();
        CHECK(gone);
        auto closed = co_await done.join();
        CHECK(closed);
        CHECK(near.close_code() == websocket_code(4000));
        const auto read = co_await near.read();
        CHECK(read.error() == errc::closed_locally);
    });
}

TEST_CASE("the peer's close is answered with its code, and tells why") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        put(far, from_client(fin | text, "bye") + from_client(fin | closing, close_payload(1001, "leaving")));
        auto message = co_await near.read();
        CHECK(told(message) == "text bye");
        CHECK(near.close_code() == websocket_code::none);
        message = co_await near.read();
        CHECK(message.error() == errc::end_of_stream);
        CHECK(near.close_code() == websocket_code::going_away);
        CHECK(near.close_text() == "leaving");
        CHECK_FALSE(near.is_open());
        CHECK(bytes_at(far) == from_server(fin | closing, close_payload(1001)));
        const auto late = co_await near.write("late");
        CHECK(late.error() == errc::end_of_stream);
        auto gone = start(context.get_executor(), near.close());
        co_await settle();
        auto peer_gone = co_await far.close();
        CHECK(peer_gone);
        auto closed = co_await gone.join();
        CHECK(closed);
    });
}

TEST_CASE("a close without a code is answered without one") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        put(far, from_client(fin | closing, ""));
        const auto message = co_await near.read();
        CHECK(message.error() == errc::end_of_stream);
        CHECK(near.close_code() == websocket_code::no_code);
        CHECK(bytes_at(far) == from_server(fin | closing, ""));
    });
}

TEST_CASE("a peer that does not answer our close is waited for no longer than the limit") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {.close_limit = 3s});
        auto done = start(context.get_executor(), near.close());
        co_await settle();
        co_await advance(2900ms);
        CHECK_FALSE(done.done());
        co_await advance(100ms);
        co_await advance(100ms); // for the connection itself
        auto closed = co_await done.join();
        CHECK(closed.error() == errc::drain_timeout);
        CHECK(bytes_at(far) == from_server(fin | closing, close_payload(1000)));
    });
}

TEST_CASE("a code that must not be sent is refused, and nothing happens") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        for (const unsigned code : {0u, 999u, 1005u, 1006u, 5000u}) {
            const auto closed = co_await near.close(websocket_code(code));
            CHECK(closed.error() == errc::invalid_option);
        }
        CHECK(near.is_open());
        CHECK(bytes_at(far).empty());
    });
}

TEST_CASE("a peer that breaks the rules is told its code, and we are told what it did") {
    struct row {
        std::string bytes;
        unsigned code;
        errc expected;
    };
    const std::vector<row> rows{
        {from_client(fin | 3, ""), 1002, errc::malformed_frame},
        {from_server(fin | text, "not masked"), 1002, errc::malformed_frame},
        {from_client(fin | text, "\xff"), 1007, errc::malformed_frame},
        {from_client(fin | text, std::string(101, 'x')), 1009, errc::frame_too_large},
        {from_client(fin | closing, close_payload(1005)), 1002, errc::malformed_frame},
    };
    for (const row& r : rows) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = open(context, {.max_message = 100});
            put(far, from_client(fin | text, "fine") + r.bytes);
            auto message = co_await near.read();
            CHECK(told(message) == "text fine");
            message = co_await near.read();
            CHECK(message.error() == r.expected);
            CHECK_FALSE(message.error().detail().empty());
            CHECK(bytes_at(far) == from_server(fin | closing, close_payload(r.code)));
            CHECK_FALSE(near.is_open());
        });
    }
}

TEST_CASE("a connection that ends without a close has ended abnormally") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        put(far, from_client(text, "half"));
        auto ended = co_await far.shutdown_send();
        CHECK(ended);
        const auto message = co_await near.read();
        CHECK(message.error() == boost::system::errc::connection_reset);
        CHECK(message.error() == condition::closed);
        CHECK(near.close_code() == websocket_code::abnormal);
    });
}

TEST_CASE(
    "a quiet peer is asked for a sign of life, and given up when it gives none, while nobody reads too") {
    for (const bool somebody_reads : {true, false}) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = open(context, {.ping_interval = 20s, .pong_limit = 10s});
            std::optional<started<result<websocket_message>>> reading;
            if (somebody_reads) reading.emplace(start(context.get_executor(), near.read()));
            co_await settle();
            co_await advance(19s);
            CHECK(bytes_at(far).empty());
            co_await advance(1s);
            CHECK(bytes_at(far) == from_server(fin | ping, ""));
            put(far, from_client(fin | pong, ""));
            co_await settle();
            co_await advance(19s);
            CHECK(bytes_at(far).empty());
            put(far, from_client(text, "anything")); // is a sign of life
            co_await settle();
            co_await advance(19s);
            CHECK(bytes_at(far).empty());
            co_await advance(1s);
            CHECK(bytes_at(far) == from_server(fin | ping, ""));
            co_await advance(9s);
            CHECK(near.is_open());
            co_await advance(1s);
            CHECK_FALSE(near.is_open());
            CHECK(near.close_code() == websocket_code::abnormal);
            if (reading) {
                const auto message = co_await reading->join();
                CHECK(message.error() == errc::idle_timeout);
            }
            const auto again = co_await near.read();
            CHECK(again.error() == errc::idle_timeout);
            char byte = 0;
            CHECK(far.try_read_some(asio::buffer(&byte, 1)).error() == boost::system::errc::connection_reset);
        });
    }
}

TEST_CASE("a peer is not given up for a message that we have not read") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {.ping_interval = 20s, .pong_limit = 10s});
        co_await advance(20s); // it is asked, and listened to
        put(far, from_client(fin | text, "unread"));
        co_await settle();
        for (int i = 0; i != 10; ++i) co_await advance(20s);
        CHECK(near.is_open());
        const auto message = co_await near.read();
        CHECK(told(message) == "text unread");
    });
}

TEST_CASE("ping tells how long its answer took, and gives up at its limit") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        auto first = start(context.get_executor(), near.ping());
        co_await settle();
        const std::string asked = bytes_at(far);
        const std::string number("\0\0\0\0\0\0\0\1", 8);
        CHECK(asked == from_server(fin | ping, number));
        put(far, from_client(fin | pong, "not ours") + from_client(fin | pong, std::string(8, '\xff')));
        co_await advance(3s);
        CHECK_FALSE(first.done());
        put(far, from_client(fin | pong, number));
        const auto took = co_await first.join();
        REQUIRE(took.has_value());
        CHECK(*took == 3s);
        auto second = start(context.get_executor(), near.ping(2s));
        co_await settle();
        co_await advance(2s);
        const auto late = co_await second.join();
        CHECK(late.error() == errc::read_timeout);
        CHECK(near.is_open());
    });
}

TEST_CASE("a peer that takes nothing is given up at the write limit") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {.ping_interval = 0s, .write_limit = 30s}, {.capacity = 10});
        const std::string payload(100, 'x');
        auto writing = start(context.get_executor(), near.write(payload));
        co_await settle();
        co_await advance(29s);
        CHECK(bytes_at(far).size() == 10); // it has taken something: the time begins anew
        co_await settle();
        co_await advance(29s);
        CHECK_FALSE(writing.done());
        co_await advance(1s);
        const auto sent = co_await writing.join();
        CHECK(sent.error() == errc::write_timeout);
        CHECK_THAT(std::string(sent.error().detail()), Contains("82 bytes"));
        const auto message = co_await near.read();
        CHECK(message.error() == errc::write_timeout);
    });
}

TEST_CASE("a peer that pings and reads nothing is not listened to for ever") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context, {.ping_interval = 0s, .write_limit = 0s}, {.capacity = 10});
        auto reading = start(context.get_executor(), near.read());
        const std::string question = from_client(fin | ping, std::string(100, '?'));
        std::size_t questions = 0;
        for (; questions != 10'000; ++questions) {
            const auto n = far.try_write_some(question);
            if (!n) break;
            if (*n != question.size()) break;
            co_await settle();
        }
        CHECK(questions < 2000);
        CHECK(near.queued() < 80'000);
        near.abort();
        const auto message = co_await reading.join();
        CHECK(message.error() == errc::aborted_locally);
    });
}

TEST_CASE("when the program stops the peer is told that we go away") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto [lower, far] = make_memory_stream_pair(context.get_executor());
        any_stream stream(std::move(lower));
        put(far, from_client(fin | text, "arrived before"));
        stream.request_stop();
        websocket near(std::move(stream), websocket_role::server);
        auto message = co_await near.read();
        CHECK(told(message) == "text arrived before");
        message = co_await near.read();
        CHECK(message.error() == errc::shutting_down);
        CHECK(bytes_at(far) == from_server(fin | closing, close_payload(1001)));
    });
}

TEST_CASE("a destroyed handle says that it goes away, and what is pending is cancelled") {
    manually([](asio::io_context& context) -> awaitable<void> {
        auto opened = open(context, {}, {.capacity = 12});
        std::optional<websocket> near(std::move(opened.near));
        auto reading = start(context.get_executor(), near->read());
        auto pinging = start(context.get_executor(), near->ping());
        co_await settle();
        CHECK(bytes_at(opened.far).size() == 10);
        near.reset();
        const auto message = co_await reading.join();
        CHECK(message.error() == errc::canceled);
        const auto pinged = co_await pinging.join();
        CHECK(pinged.error() == errc::canceled);
        CHECK(bytes_at(opened.far) == from_server(fin | closing, close_payload(1001)));
    });
}

TEST_CASE("a handle without a connection says so") {
    run([]() -> awaitable<void> {
        websocket none;
        const auto read = co_await none.read();
        CHECK(read.error() == errc::not_connected);
        const auto sent = co_await none.write("x");
        CHECK(sent.error() == errc::not_connected);
        const auto pinged = co_await none.ping();
        CHECK(pinged.error() == errc::not_connected);
        const auto closed = co_await none.close();
        CHECK(closed.error() == errc::not_connected);
        CHECK(none.queue("x").error() == errc::not_connected);
        CHECK(none.try_read().error() == errc::not_connected);
        CHECK_FALSE(none.is_open());
        none.abort();
    });
}

namespace {

/// Both ends talk, ping and close.
struct conversation {
    std::optional<websocket> near;
    std::optional<websocket> far;

    awaitable<void> operator()() {
        if (!near) co_return;
        asio::any_io_executor executor = near->get_executor();
        auto peer = start(executor, answer(this));
        const std::string payload(200, 'x');
        for (int i = 0; near && i != 2; ++i) {
            auto sent = co_await near->write(payload);
            if (!sent || !near) break;
            auto back = co_await near->read();
            if (!back || !near) break;
            auto took = co_await near->ping();
            if (!took) break;
        }
        if (near) {
            if (auto queued = near->queue("not answered any more"); !queued) near->abort();
            auto closed = co_await near->close();
            (void)closed;
        }
        co_await peer.join();
    }
    static awaitable<void> answer(conversation* c) {
        while (c->far) {
            auto message = co_await c->far->read();
            if (!message || !c->far) break;
            auto sent = co_await c->far->write(message->data);
            if (!sent) break;
        }
        if (!c->far) co_return;
        auto closed = co_await c->far->close();
        (void)closed;
    }
    void drop() {
        near.reset();
        far.reset();
    }
};

} // namespace

TEST_CASE("a WebSocket may be destroyed at every point of a conversation") {
    const std::size_t points = destroy_at_every_point(
        [](asio::io_context& context) {
            auto both = open_both(context, {.max_queued = 1000}, {.capacity = 50});
            return conversation{std::move(both.server), std::move(both.client)};
        },
        {.manual_time = true});
    CHECK(points > 30);
}

TEST_CASE("whatever operation of the stream fails, every call of the WebSocket comes to an end") {
    const std::size_t operations = for_each_failure([](fuse& f) {
        manually([&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = make_memory_stream_pair(context.get_executor(), {.capacity = 50});
            near.attach(f);
            conversation talk{websocket(any_stream(std::move(near)), websocket_role::server),
                              websocket(any_stream(std::move(far)), websocket_role::client)};
            auto talking = start(context.get_executor(), talk());
            co_await settle();
            for (int i = 0; i != 10 && !talking.done(); ++i) co_await advance(10s);
            CHECK(talking.done());
            co_await talking.join();
        });
    });
    CHECK(operations > 10);
}
