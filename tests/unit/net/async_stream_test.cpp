// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/async_stream.hpp>

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/any_stream.hpp>
#include <portunus/testing/fuse.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/start.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/stream_traits.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using namespace portunus::testing;
using boost::system::error_code;
using portunus::any_stream;
using portunus::async_stream;
using portunus::condition;
using portunus::errc;
using stream = async_stream<memory_stream>;
using portunus::detail::use_result;

namespace beast = boost::beast;
static_assert(beast::is_async_stream<stream>::value);
static_assert(beast::is_async_stream<async_stream<any_stream>>::value);
static_assert(beast::has_get_executor<stream>::value);
static_assert(!std::is_copy_constructible_v<stream>);

namespace {

struct ends {
    stream near;
    memory_stream far;
};
ends open(asio::io_context& context, const memory_stream_options& options = {}) {
    auto [near, far] = make_memory_stream_pair(context.get_executor(), options);
    return {stream(std::move(near)), std::move(far)};
}

/// What a handler was told, once.
struct outcome {
    auto handler() {
        return [this](error_code c, std::size_t s) {
            ++calls;
            code = c;
            size = s;
        };
    }
    int calls = 0;
    error_code code{};
    std::size_t size = 0;
};

std::string take(memory_stream& s) {
    std::string text(100'000, '\0');
    std::size_t size = 0;
    while (const auto n = s.try_read_some(asio::buffer(text.data() + size, text.size() - size))) size += *n;
    text.resize(size);
    return text;
}

} // namespace

TEST_CASE("Asio's composed operations read and write everything, however little the stream takes or gives") {
    const std::string long_text(10'000, 'x');
    for (const memory_stream_options& options :
         {memory_stream_options{}, memory_stream_options{.capacity = 7, .read_size = 3, .write_size = 2}}) {
        run([&](asio::io_context& context) -> awaitable<void> {
            auto [a, b] = make_memory_stream_pair(context.get_executor(), options);
            std::optional<stream> near(std::move(a));
            stream far(std::move(b));
            std::string got(long_text.size(), '\0');
            outcome sent;
            const std::array<asio::const_buffer, 4> pieces{asio::buffer("a line\r\n", 8),
                                                           asio::const_buffer(), asio::buffer(long_text),
                                                           asio::buffer("end", 3)};
            asio::async_write(*near, pieces, sent.handler());
            std::string line;
            auto [code, n] =
                co_await asio::async_read_until(far, asio::dynamic_buffer(line, 8), "\r\n", use_result);
            CHECK(!code);
            CHECK(line.substr(0, n) == "a line\r\n");
            line.erase(0, n);
            std::copy(line.begin(), line.end(), got.begin());
            auto [code2, rest] = co_await asio::async_read(
                far, asio::buffer(got.data() + line.size(), got.size() - line.size()), use_result);
            CHECK(!code2);
            CHECK(rest + line.size() == long_text.size());
            CHECK((got == long_text));
            std::string tail(3, '\0');
            auto [code3, last] = co_await asio::async_read(far, asio::buffer(tail), use_result);
            CHECK(!code3);
            CHECK(tail == "end");
            near.reset();
            auto [code4, none] = co_await asio::async_read(far, asio::buffer(tail), use_result);
            CHECK(code4 == asio::error::eof);
            CHECK(sent.calls == 1);
        });
    }
}

TEST_CASE("any completion token will do") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        const std::size_t n = co_await near.async_write_some(asio::buffer("hello", 5), asio::use_awaitable);
        CHECK(n == 5);
        CHECK(take(far) == "hello");
        (void)must(far.try_write_some("back"));
        std::array<char, 10> into{};
        auto reading = near.async_read_some(asio::buffer(into), asio::deferred); // has not begun
        auto [code, got] = co_await std::move(reading)(asio::as_tuple(asio::use_awaitable));
        CHECK(!code);
        CHECK(got == 4);
    });
}

TEST_CASE("a handler is called from the queue and on its own executor, whether or not it had to wait") {
    asio::io_context context;
    auto [near, far] = open(context, {.capacity = 4});
    auto strand = asio::make_strand(context);
    std::array<char, 10> into{};
    std::vector<std::string> story;
    const auto note = [&](std::string what) {
        return asio::bind_executor(strand, [&story, strand, what](error_code code, std::size_t n) {
            CHECK(strand.running_in_this_thread());
            story.push_back(what + ' ' + std::to_string(n) + (code ? " failed" : ""));
        });
    };
    near.async_write_some(asio::buffer("123456", 6), note("wrote"));
    near.async_read_some(asio::buffer(into), note("read"));
    CHECK(story.empty());
    context.poll();
    CHECK(story == std::vector<std::string>{"wrote 4"});
    near.async_write_some(asio::buffer("56", 2), note("wrote"));
    context.poll();
    CHECK(story.size() == 1);
    CHECK(take(far) == "1234");
    (void)must(far.try_write_some("abc"));
    CHECK(story.size() == 1);
    context.restart();
    context.run();
    CHECK(story.size() == 3);
    CHECK(std::count(story.begin(), story.end(), "wrote 2") == 1);
    CHECK(std::count(story.begin(), story.end(), "read 3") == 1);
}

TEST_CASE("buffers without room complete with nothing, and without an error") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        auto [read_code, got] = co_await near.async_read_some(asio::mutable_buffer(), use_result);
        auto [write_code, put] = co_await near.async_write_some(asio::const_buffer(), use_result);
        CHECK((!read_code && got == 0 && !write_code && put == 0));
    });
}

TEST_CASE("small buffers in a row are taken in one piece") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        fuse counts;
        near.stream().attach(counts);
        const std::string payload(4000, 'p');
        const std::array<asio::const_buffer, 3> frame{asio::buffer("he", 2), asio::buffer("ad", 2),
                                                      asio::buffer(payload)};
        auto [code, n] = co_await near.async_write_some(frame, use_result);
        CHECK(!code);
        CHECK(n == 4004);
        CHECK(counts.operations() == 1);
        CHECK((take(far) == "head" + payload));
        const std::string large(20'000, 'l');
        const std::array<asio::const_buffer, 2> two{asio::buffer("head", 4), asio::buffer(large)};
        auto [code2, m] = co_await asio::async_write(near, two, use_result);
        CHECK(!code2);
        CHECK((take(far) == "head" + large));
    });
}

TEST_CASE("a cancelled read or write leaves the stream as it was") {
    const auto type = GENERATE(asio::cancellation_type::total, asio::cancellation_type::partial,
                               asio::cancellation_type::terminal);
    asio::io_context context;
    auto [near, far] = open(context, {.capacity = 4});
    asio::cancellation_signal stop_reading, stop_writing;
    std::array<char, 10> into{};
    outcome read, wrote, filled;
    near.async_read_some(asio::buffer(into),
                         asio::bind_cancellation_slot(stop_reading.slot(), read.handler()));
    near.async_write_some(asio::buffer("full", 4), filled.handler());
    near.async_write_some(asio::buffer("more", 4),
                          asio::bind_cancellation_slot(stop_writing.slot(), wrote.handler()));
    SECTION("while it waits") {
        context.poll();
    }
    SECTION("before it has begun") {}
    stop_reading.emit(type);
    stop_reading.emit(type); // once more is nothing
    stop_writing.emit(type);
    context.restart();
    context.run();
    CHECK(read.calls == 1);
    CHECK(read.code == asio::error::operation_aborted);
    CHECK(wrote.calls == 1);
    CHECK(wrote.code == asio::error::operation_aborted);
    stop_reading.emit(type); // nobody is there any more
    CHECK(take(far) == "full");
    (void)must(far.try_write_some("back"));
    near.async_read_some(asio::buffer(into), read.handler());
    near.async_write_some(asio::buffer("more", 4), wrote.handler());
    context.restart();
    context.run();
    CHECK((!read.code && read.size == 4));
    CHECK((!wrote.code && wrote.size == 4));
    CHECK(take(far) == "more");
}

TEST_CASE("a slot's owner may be kept alive by the handler of the operation itself") {
    asio::io_context context;
    auto [a, far] = make_memory_stream_pair(context.get_executor());
    std::optional<stream> near(std::move(a));
    auto signal = std::make_shared<asio::cancellation_signal>();
    const std::weak_ptr<asio::cancellation_signal> watched = signal;
    std::array<char, 10> into{};
    near->async_read_some(
        asio::buffer(into),
        asio::bind_cancellation_slot(signal->slot(), [kept = signal](error_code, std::size_t) {}));
    context.poll();
    signal.reset();
    CHECK_FALSE(watched.expired());
    near.reset();
    context.restart();
    context.run();
    CHECK(watched.expired());
}

TEST_CASE("the handle may be destroyed while a read and a write are pending, and both are told") {
    asio::io_context context;
    auto both = open(context, {.capacity = 4});
    std::optional<stream> near(std::move(both.near));
    std::array<char, 10> into{};
    outcome read, wrote, filled;
    near->async_write_some(asio::buffer("full", 4), filled.handler());
    near->async_read_some(asio::buffer(into), read.handler());
    near->async_write_some(asio::buffer("more", 4), wrote.handler());
    SECTION("while they wait") {
        context.poll();
    }
    SECTION("before they have begun") {}
    near.reset();
    CHECK(read.calls + wrote.calls == 0);
    context.restart();
    context.run();
    CHECK(read.code == asio::error::operation_aborted);
    CHECK(wrote.code == asio::error::operation_aborted);
    CHECK(read.calls + wrote.calls == 2);
}

TEST_CASE("a handle may be destroyed by the handler of its own operation") {
    asio::io_context context;
    auto [near, far] = open(context);
    auto owned = std::make_shared<stream>(std::move(near));
    std::array<char, 10> into{};
    auto& s = *owned;
    s.async_read_some(asio::buffer(into), [owned = std::move(owned)](error_code, std::size_t) {});
    context.poll();
    (void)must(far.try_write_some("x"));
    context.restart();
    context.run();
    char one;
    CHECK(error_of(far.try_read_some(asio::buffer(&one, 1))) == errc::end_of_stream);
}

TEST_CASE("an adapted stream is destroyed at any point of its operations without harm") {
    struct scene {
        std::optional<stream> near;
        memory_stream far;
        awaitable<void> operator()() {
            // Composed operations need the handle to their end, so these are single ones.
            std::array<char, 10> into{};
            outcome wrote;
            while (near && wrote.calls < 2) {
                const int before = wrote.calls;
                near->async_write_some(asio::buffer("longer than fits", 16), wrote.handler());
                auto [code, n] = co_await near->async_read_some(asio::buffer(into), use_result);
                (void)take(far);
                while (wrote.calls == before) co_await asio::post(asio::deferred);
                if (code) break;
            }
        }
        void drop() { near.reset(); }
    };
    destroy_at_every_point([](asio::io_context& context) {
        auto both = open(context, {.capacity = 5, .read_size = 1});
        (void)both.far.try_write_some("ab");
        return scene{std::move(both.near), std::move(both.far)};
    });
}

TEST_CASE("whichever operation of the stream below fails, the composed one reports it, once") {
    for_each_failure([](fuse& f) {
        run([&](asio::io_context& context) -> awaitable<void> {
            auto [near, far] = open(context, {.capacity = 4, .read_size = 2});
            near.stream().attach(f);
            outcome sent;
            asio::async_write(near, asio::buffer("0123456789", 10), sent.handler());
            (void)far.try_write_some("ab\n");
            std::string line;
            auto [code, n] =
                co_await asio::async_read_until(near, asio::dynamic_buffer(line), '\n', use_result);
            std::string all;
            for (int i = 0; i != 10 && sent.calls == 0; ++i) {
                all += take(far);
                co_await settle();
            }
            all += take(far);
            CHECK(sent.calls == 1);
            if (f.blown())
                CHECK((code == f.failure_given().code() || sent.code == f.failure_given().code()));
            else
                CHECK((!code && !sent.code && all == "0123456789" && n == 3));
        });
    });
}

TEST_CASE("the codes that composed operations know are Asio's, all others the stream's own") {
    run([](asio::io_context& context) -> awaitable<void> {
        std::array<char, 10> into{};
        {
            auto [near, far] = open(context);
            near.stream().request_stop();
            auto [code, n] = co_await near.async_read_some(asio::buffer(into), use_result);
            CHECK(code == errc::shutting_down);
        }
        {
            auto [near, far] = open(context);
            beast_close_socket(near);
            auto [code, n] = co_await near.async_read_some(asio::buffer(into), use_result);
            CHECK(code == asio::error::operation_aborted);
        }
        {
            auto [near, far] = open(context);
            far.abort();
            auto [code, n] = co_await near.async_read_some(asio::buffer(into), use_result);
            CHECK(code == asio::error::connection_reset);
        }
    });
}

TEST_CASE("a stream can be taken back, and is closed in good order until then") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto [near, far] = open(context);
        memory_stream plain = near.release();
        (void)must(plain.try_write_some("mine again"));
        CHECK(take(far) == "mine again");
        std::array<char, 10> into{};
        auto [code, n] = co_await near.async_read_some(asio::buffer(into), use_result);
        CHECK(code == errc::not_connected);
        stream again(std::move(plain));
        auto closing = start(context.get_executor(), far.close());
        auto [closed] = co_await again.async_close(use_result);
        CHECK(!closed);
        auto over = co_await closing.join();
        CHECK(over);
    });
}

TEST_CASE("the adaptor works over TCP as well") {
    run([](asio::io_context& context) -> awaitable<void> {
        tcp::acceptor listener(context, tcp::endpoint(loopback, 0));
        tcp::socket a(context), b(context);
        a.connect(listener.local_endpoint());
        listener.accept(b);
        async_stream near(portunus::tcp_stream(std::move(a))), far(portunus::tcp_stream(std::move(b)));
        const std::string large(300'000, 'l');
        std::string got(large.size(), '\0');
        outcome sent;
        asio::async_write(near, asio::buffer(large), sent.handler());
        auto [code, n] = co_await asio::async_read(far, asio::buffer(got), use_result);
        CHECK(!code);
        CHECK((got == large));
    });
}
