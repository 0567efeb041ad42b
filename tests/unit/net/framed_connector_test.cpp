// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/framed_connector.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/testing/run.hpp>

#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::framed_connector;
using portunus::framed_connector_options;
using portunus::line_codec;
using portunus::line_mode;
using portunus::result;
using portunus::unsent_frames;
using portunus::testing::destroy_at_every_point;

namespace {

using line_link = framed_connector<line_codec>;
using line_options = framed_connector_options<line_codec>;

line_options to(const tcp::endpoint& where) {
    line_options o;
    o.link.host = where.address().to_string();
    o.link.port = where.port();
    o.link.retry = {.first = 1s, .cap = 8s, .spread = portunus::jitter::none, .stable = 30s};
    o.link.connect.stream.idle_limit = {};
    o.link.log = portunus::logger::silent();
    return o;
}
line_link make(world& w, const line_options& options) {
    return line_link(w.context.get_executor(), options, line_codec(line_mode::lf));
}

/// Until the kernel has somebody for the listener; moves time, as the connector rests in between.
plain_socket next_peer(world& w, plain_listener& listener) {
    for (int i = 0; i < 100; ++i) {
        w.settle();
        pollfd ready{listener.fd(), POLLIN, 0};
        if (::poll(&ready, 1, 0) == 1) {
            auto peer = listener.accept();
            w.settle();
            return peer;
        }
        w.pass(1s);
    }
    throw std::runtime_error("nobody came");
}

std::string numbered(std::size_t n, std::size_t size) {
    char text[16];
    std::snprintf(text, sizeof text, "%08zu", n % 100'000'000);
    return text + std::string(size - 8, 'x');
}

} // namespace

TEST_CASE("frames go in and come out across connections as if there was one") {
    world w;
    plain_listener listener;
    auto link = make(w, to(listener.endpoint()));
    for (int n = 1; n <= 3; ++n) {
        auto peer = next_peer(w, listener);
        w.until([&] { return link.connected(); });
        const std::string text = "line " + std::to_string(n);
        must(link.queue(text));
        auto sent = w.start(link.flush());
        w.until([&] { return sent.done(); });
        must(sent.get());
        CHECK(peer.read(text.size() + 1) == text + "\n");
        auto read = w.start(link.read());
        peer.send("answer " + std::to_string(n) + "\nnot comple");
        w.until([&] { return read.done(); });
        CHECK(must(read.get()) == "answer " + std::to_string(n));
        auto waiting = w.start(link.read());
        peer.close();
        w.settle();
        CHECK_FALSE(waiting.done()); // it waits for the next connection, and the half line is forgotten
        CHECK_FALSE(link.connected());
        waiting.cancel();
        w.settle();
        CHECK(error_of(waiting.get()) == errc::canceled);
    }
    CHECK(link.connections() == 3);
}

TEST_CASE("frames that are queued before there is a connection are sent first on it, in order") {
    world w;
    plain_listener listener;
    auto link = make(w, to(listener.endpoint()));
    must(link.queue("one"));
    must(link.queue("two"));
    CHECK(link.queued() == 8);
    auto flushed = w.start(link.flush());
    CHECK_FALSE(flushed.done());
    auto peer = next_peer(w, listener);
    CHECK(peer.read(8) == "one\ntwo\n");
    w.until([&] { return flushed.done(); });
    must(flushed.get());
    CHECK(link.queued() == 0);
}

TEST_CASE(
    "what was not taken in full before a loss goes whole to the next connection, and nothing goes twice") {
    const auto read_first = GENERATE(as<std::size_t>(), 0, 1, 70'000, 1'000'000);
    constexpr std::size_t many = 400, size = 50'000; // more than the kernel's buffers hold
    world w;
    plain_listener listener;
    auto options = to(listener.endpoint());
    options.max_queued = many * (size + 2);
    options.link.connect.stream.send_buffer = 200'000;
    auto link = make(w, options);
    for (std::size_t i = 0; i < many; ++i) must(link.queue(numbered(i, size)));
    auto first = next_peer(w, listener);
    std::string got;
    w.until([&] { // and the kernel takes more
        if (read_first != 0) got += first.read_available();
        return got.size() >= read_first;
    });
    w.settle();
    const std::size_t left = link.queued();
    CHECK(left > 0);
    auto reading = w.start(link.read()); // somebody has to notice
    first.reset();
    auto second = next_peer(w, listener);
    std::string rest;
    w.until([&] {
        rest += second.read_available();
        return link.queued() == 0;
    });
    link.abort();
    rest += second.read_to_end().first;
    REQUIRE(rest.size() >= size + 1);
    const std::size_t from = std::stoul(rest.substr(0, 8)); // where the second connection begins
    CHECK(from >= got.size() / (size + 1));                 // never again what the first peer has got
    REQUIRE(rest.size() % (size + 1) == 0);
    REQUIRE(rest.size() / (size + 1) == many - from); // everything after that, whole
    for (std::size_t i = from; i < many; ++i)
        REQUIRE(rest.compare((i - from) * (size + 1), size, numbered(i, size)) == 0);
    w.settle();
    CHECK(error_of(reading.get()) == errc::closed_locally);
}

TEST_CASE("with the rule to drop, a loss throws away what is queued, and counts it") {
    world w;
    plain_listener listener;
    auto options = to(listener.endpoint());
    options.on_loss = unsent_frames::drop;
    options.max_queued = 40'000'000;
    options.link.connect.stream.send_buffer = 100'000;
    auto link = make(w, options);
    auto first = next_peer(w, listener);
    w.until([&] { return link.connected(); });
    for (std::size_t i = 0; i < 300; ++i) must(link.queue(numbered(i, 100'000)));
    w.settle();
    auto reading = w.start(link.read());
    w.settle();
    first.reset();
    w.until([&] { return !link.connected(); });
    w.settle();
    CHECK(link.queued() == 0);
    CHECK(link.dropped() > 0);
    CHECK(link.dropped() < 300);
    must(link.queue("fresh"));
    auto second = next_peer(w, listener);
    CHECK(second.read(6) == "fresh\n");
}

TEST_CASE("each connection is greeted before anything that is queued") {
    world w;
    plain_listener listener;
    auto options = to(listener.endpoint());
    options.greet = [](line_link::stream_type& frames) -> awaitable<result<void>> {
        auto sent = co_await frames.write("hello");
        if (!sent) co_return sent;
        auto answer = co_await frames.read();
        if (!answer) co_return answer.error();
        if (*answer != "welcome") co_return errc::unauthenticated;
        co_return result<void>();
    };
    auto link = make(w, options);
    must(link.queue("work"));
    for (const bool welcome : {false, true}) {
        auto peer = next_peer(w, listener);
        CHECK(peer.read(6) == "hello\n");
        w.settle();
        CHECK_FALSE(link.connected());
        peer.send(welcome ? "welcome\n" : "go away\n");
        if (!welcome) {
            CHECK(peer.read_to_end().first.empty());
            CHECK(link.connections() == 0);
            continue;
        }
        w.until([&] { return link.connected(); });
        w.settle();
        CHECK(peer.read(5) == "work\n");
        CHECK(link.connections() == 1);
    }
}

TEST_CASE("greetings that fail count as failed attempts, and their reason is the last error") {
    world w;
    plain_listener listener;
    auto options = to(listener.endpoint());
    options.link.max_attempts = 2;
    options.greet = [](line_link::stream_type& frames) -> awaitable<result<void>> {
        auto answer = co_await frames.read();
        if (!answer) co_return answer.error();
        co_return portunus::error(errc::unauthenticated, "wrong password");
    };
    auto link = make(w, options);
    auto read = w.start(link.read());
    for (int i = 0; i < 2; ++i) next_peer(w, listener).send("no\n");
    w.until([&] { return read.done(); });
    const auto failed = read.get();
    CHECK(error_of(failed) == errc::unauthenticated);
    CHECK(failed.error().detail().find("wrong password") != std::string_view::npos);
    CHECK(link.connections() == 0);
    w.run();
}

TEST_CASE("a greeting that throws costs its connection, and the next one is greeted") {
    world w;
    plain_listener listener;
    auto options = to(listener.endpoint());
    int greetings = 0;
    options.greet = [&greetings](line_link::stream_type&) -> awaitable<result<void>> {
        if (++greetings == 1) throw std::runtime_error("not ready");
        co_return result<void>();
    };
    auto link = make(w, options);
    auto first = next_peer(w, listener);
    CHECK(first.read_to_end().second != ending::open);
    CHECK(link.link().last_error().detail().find("not ready") != std::string_view::npos);
    auto second = next_peer(w, listener);
    w.until([&] { return link.connected(); });
    CHECK(greetings == 2);
}

TEST_CASE("a peer that has finished in good order still gets what was sent to it") {
    world w;
    plain_listener listener;
    auto link = make(w, to(listener.endpoint()));
    auto peer = next_peer(w, listener);
    w.until([&] { return link.connected(); });
    auto reading = w.start(link.read());
    const std::string answer(100'000, 'x');
    must(link.queue(answer));
    w.until([&] { return link.queued() == 0; }); // the kernel has it
    peer.shutdown_send();
    w.until([&] { return !link.connected(); });
    w.settle();
    const auto got = peer.read_to_end();
    CHECK(got.first == answer + "\n");
    CHECK(got.second == ending::eof);
    link.abort();
    w.settle();
    CHECK(error_of(reading.get()) == errc::closed_locally);
}

TEST_CASE("flush waits for what was queued before it, and not for what comes after") {
    world w;
    plain_listener listener;
    auto link = make(w, to(listener.endpoint()));
    auto peer = next_peer(w, listener);
    w.until([&] { return link.connected(); });
    must(link.queue("before"));
    auto flushed = w.start(link.flush());
    w.until([&] {
        must(link.queue("and on")); // a producer that never rests
        return flushed.done();
    });
    must(flushed.get());
    CHECK(peer.read(7) == "before\n");
    link.abort();
    w.run();
}

TEST_CASE("a flush that abort overtakes does not pretend that anything was sent") {
    world w;
    auto link = make(w, to(plain_listener().endpoint()));
    must(link.queue("never sent"));
    auto flushed = w.start(link.flush());
    w.settle();
    link.abort();
    w.run();
    CHECK(error_of(flushed.get()) == errc::closed_locally);
    CHECK(link.queued() == 0);
}

TEST_CASE("close sends what is queued, and then ends the connection in good order") {
    world w;
    plain_listener listener;
    auto link = make(w, to(listener.endpoint()));
    auto peer = next_peer(w, listener);
    w.until([&] { return link.connected(); });
    must(link.queue("last"));
    auto closing = w.start(link.close());
    w.settle();
    CHECK(error_of(link.queue("too late")) == errc::closed_locally);
    CHECK(peer.read_to_end() == std::pair<std::string, ending>("last\n", ending::eof));
    peer.close();
    w.run();
    must(closing.get());
    auto read = w.start(link.read());
    w.run();
    CHECK(error_of(read.get()) == errc::closed_locally);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("close without a connection says how much was not sent") {
    world w;
    auto link = make(w, to(plain_listener().endpoint()));
    must(link.queue("12345"));
    w.settle();
    auto closing = w.start(link.close(1s));
    w.settle();
    const auto closed = closing.get();
    CHECK(error_of(closed) == errc::drain_timeout);
    CHECK(closed.error().detail().find("6 bytes") != std::string_view::npos);
    w.run();
}

TEST_CASE("a full queue refuses with the numbers, and a payload that cannot be carried is refused alone") {
    world w;
    auto options = to(plain_listener().endpoint());
    options.max_queued = 10;
    auto link = make(w, options);
    must(link.queue(std::string(100, 'x'))); // one always fits
    const auto full = link.queue("y");
    CHECK(error_of(full) == errc::queue_full);
    CHECK(full.error().detail().find("101 bytes wait") != std::string_view::npos);
    auto fresh = make(w, options);
    CHECK(error_of(fresh.queue("with\na line end")) == errc::unencodable_payload);
    CHECK(fresh.queued() == 0);
}

TEST_CASE("when the attempts are used up everybody is told why") {
    world w;
    auto options = to(plain_listener().endpoint());
    options.link.max_attempts = 2;
    auto link = make(w, options);
    auto read = w.start(link.read());
    auto connected = w.start(link.wait_connected());
    w.pass(1s);
    w.run();
    CHECK(error_of(read.get()) == boost::system::errc::connection_refused);
    CHECK(error_of(connected.get()) == boost::system::errc::connection_refused);
}

TEST_CASE("what a peer sends against the rules costs it the connection, and is told") {
    world w;
    const log_book book;
    plain_listener listener;
    auto options = to(listener.endpoint());
    options.link.log = book.logger();
    auto link = line_link(w.context.get_executor(), options, line_codec(line_mode::lf, {.max_frame = 10}));
    auto read = w.start(link.read());
    auto peer = next_peer(w, listener);
    peer.send("this line is longer than ten\n");
    w.until([&] { return book.count("a connection was lost") == 1; });
    CHECK(book.count(portunus::log_level::warning) == 1);
    auto second = next_peer(w, listener);
    second.send("short\n");
    w.until([&] { return read.done(); });
    CHECK(must(read.get()) == "short");
}

TEST_CASE("a framed connector can be destroyed at every point") {
    const plain_listener listener;
    struct scene {
        std::optional<line_link> link;
        awaitable<void> operator()() {
            if (!link) co_return;
            auto ready = co_await link->wait_connected();
            if (!ready || !link) co_return;
            auto queued = link->queue("hello");
            if (!queued) co_return;
            auto flushed = co_await link->flush();
            if (!flushed || !link) co_return;
            auto closed = co_await link->close(0s);
            (void)closed;
        }
        void drop() { link.reset(); }
    };
    CHECK(destroy_at_every_point([&](asio::io_context& context) {
              return scene{std::optional<line_link>(std::in_place, context.get_executor(),
                                                    to(listener.endpoint()), line_codec(line_mode::lf))};
          }) > 3);
}
