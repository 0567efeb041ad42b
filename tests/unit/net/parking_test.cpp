// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/parking.hpp>

#include <portunus/framing/any_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/testing/run.hpp>

#include "net_support.hpp"
#include "support/catch.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <sys/resource.h>

using namespace portunus;
using namespace portunus::testing;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace sys = boost::system::errc;
using portunus::detail::parked;
using portunus::detail::parking;
using portunus_tests::connect_pair;
using portunus_tests::connection;

namespace {

constexpr run_options manual{.manual_time = true};

/// Two connected descriptors.
class two_ends {
  public:
    two_ends() {
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_) != 0)
            throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    two_ends(two_ends&& other) noexcept
        : fds_{std::exchange(other.fds_[0], -1), std::exchange(other.fds_[1], -1)} {}
    two_ends& operator=(two_ends&&) = delete;
    ~two_ends() {
        for (const int fd : fds_)
            if (fd >= 0) ::close(fd);
    }
    int near() const { return fds_[0]; }
    void write() const { REQUIRE(::send(fds_[1], "x", 1, MSG_NOSIGNAL) == 1); }
    void finish() const { ::shutdown(fds_[1], SHUT_WR); }

  private:
    int fds_[2];
};

/// A place to wait in, and what it waits for.
struct spot {
    two_ends ends;
    parked where;

    awaitable<boost::system::error_code> park() {
        auto& place = parking::of(co_await asio::this_coro::executor);
        const auto [ec] = co_await place.wait_op(where, ends.near());
        co_return ec;
    }
    awaitable<boost::system::error_code> yield() {
        auto& place = parking::of(co_await asio::this_coro::executor);
        const auto [ec] = co_await place.yield_op(where);
        co_return ec;
    }
};

constexpr auto aborted = asio::error::operation_aborted;

} // namespace

TEST_CASE("a parked coroutine is woken by bytes and by the end, also by those that were there before") {
    run([](asio::io_context& context) -> awaitable<void> {
        for (const bool before : {false, true}) {
            for (const bool bytes : {false, true}) {
                spot s;
                if (before && bytes) s.ends.write();
                if (before && !bytes) s.ends.finish();
                auto waiting = start(context.get_executor(), s.park());
                if (!before) {
                    co_await settle();
                    CHECK(!waiting.done());
                    CHECK(s.where.waiting());
                    if (bytes) s.ends.write();
                    if (!bytes) s.ends.finish();
                }
                const auto ec = co_await waiting.join();
                CHECK(!ec);
                CHECK(!s.where.waiting());
            }
        }
    });
}

TEST_CASE("the same descriptor can be parked again and again") {
    run([](asio::io_context& context) -> awaitable<void> {
        spot s;
        for (int i = 0; i < 5; ++i) {
            auto waiting = start(context.get_executor(), s.park());
            co_await settle();
            CHECK(!waiting.done());
            s.ends.write();
            const auto ec = co_await waiting.join();
            CHECK(!ec);
            char byte;
            CHECK(::recv(s.ends.near(), &byte, 1, 0) == 1);
        }
    });
}

TEST_CASE("a cancelled wait ends with operation_aborted, from the queue, and leaves the descriptor free") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto& place = parking::of(context.get_executor());
        spot s;
        for (int i = 0; i < 2; ++i) {
            auto waiting = start(context.get_executor(), s.park());
            co_await settle();
            s.where.cancel(place);
            s.where.cancel(place); // twice is once
            CHECK(!waiting.done());
            const auto ec = co_await waiting.join();
            CHECK(ec == aborted);
        }
        s.where.cancel(place); // nothing waits
    });
}

TEST_CASE("a coroutine that is cancelled while it is parked goes on") {
    run([](asio::io_context& context) -> awaitable<void> {
        spot s;
        auto waiting = start(context.get_executor(), [](spot* at) -> awaitable<boost::system::error_code> {
            co_await asio::this_coro::throw_if_cancelled(false);
            co_return co_await at->park();
        }(&s));
        co_await settle();
        waiting.cancel();
        const auto ec = co_await waiting.join();
        CHECK(ec == aborted);
        waiting.cancel(); // nothing of the wait is left in the slot
    });
}

TEST_CASE("all of many are woken, more than one look at the set can tell of") {
    run([](asio::io_context& context) -> awaitable<void> {
        std::vector<std::unique_ptr<spot>> spots;
        std::vector<started<boost::system::error_code>> waits;
        for (int i = 0; i < 200; ++i) {
            spots.push_back(std::make_unique<spot>());
            waits.push_back(start(context.get_executor(), spots.back()->park()));
        }
        co_await settle();
        for (const auto& s : spots) s->ends.write();
        for (auto& wait : waits) {
            const auto ec = co_await wait.join();
            CHECK(!ec);
        }
    });
}

TEST_CASE("a coroutine that is woken may cancel others that are about to be woken") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto& place = parking::of(context.get_executor());
        spot spots[3];
        std::vector<started<boost::system::error_code>> waits;
        for (spot& each : spots)
            waits.push_back(
                start(context.get_executor(),
                      [](spot* self, spot* all, parking* at) -> awaitable<boost::system::error_code> {
                          const auto ec = co_await self->park();
                          for (int i = 0; i < 3; ++i) all[i].where.cancel(*at);
                          co_return ec;
                      }(&each, spots, &place)));
        co_await settle();
        for (const spot& each : spots) each.ends.write();
        int woken = 0, ended = 0;
        for (auto& wait : waits) {
            const auto ec = co_await wait.join();
            ++(ec == aborted ? ended : woken);
        }
        CHECK(woken == 1);
        CHECK(ended == 2);
    });
}

TEST_CASE("an exception that leaves a handler does not keep others from being woken") {
    asio::io_context context;
    auto& place = parking::of(context.get_executor());
    for (const bool yields : {false, true}) {
        spot spots[3];
        int woken = 0, thrown = 0;
        const auto rethrow = [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        };
        for (spot& each : spots)
            asio::co_spawn(
                context,
                [](spot* self, bool yield, int* count) -> awaitable<void> {
                    if (yield)
                        (void)co_await self->yield();
                    else
                        (void)co_await self->park();
                    ++*count;
                    throw std::runtime_error("each of them throws");
                }(&each, yields, &woken),
                rethrow);
        if (!yields) {
            context.poll();
            for (const spot& each : spots) each.ends.write();
        }
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (woken < 3 && std::chrono::steady_clock::now() < end) {
            context.restart();
            try {
                context.run_one_until(end);
            } catch (const std::exception&) { // Asio makes one of several
                ++thrown;
            }
        }
        CHECK(woken == 3);
        CHECK(thrown > 0);
        for (spot& each : spots)
            each.where.cancel(place); // or a failure would leave them waiting in freed memory
        context.restart();
        context.poll();
    }
}

TEST_CASE("a context drains when the last of its parked coroutines has been woken or cancelled") {
    run([](asio::io_context& context) -> awaitable<void> { // run() checks it
        auto& place = parking::of(context.get_executor());
        spot first, second;
        auto one = start(context.get_executor(), first.park());
        auto other = start(context.get_executor(), second.park());
        co_await settle();
        first.ends.write();
        (void)co_await one.join();
        second.where.cancel(place);
        (void)co_await other.join();
    });
}

TEST_CASE("a coroutine that parks while the set is being left is watched") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto& place = parking::of(context.get_executor());
        spot first, second;
        auto one = start(context.get_executor(), first.park());
        co_await settle();
        auto other = start(context.get_executor(), second.park());
        first.where.cancel(place); // the last one leaves, and the next one comes before the handlers run
        co_await settle();
        second.ends.write();
        const auto ec = co_await other.join();
        CHECK(!ec);
        (void)co_await one.join();
    });
}

TEST_CASE("without descriptors for the set the wait ends at once and says so") {
    run([](asio::io_context& context) -> awaitable<void> {
        spot s;
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        const int lowest_free = ::dup(0);
        ::close(lowest_free);
        const rlimit none{static_cast<rlim_t>(lowest_free), before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        auto waiting = start(context.get_executor(), s.park());
        co_await settle();
        ::setrlimit(RLIMIT_NOFILE, &before);
        REQUIRE(waiting.done());
        CHECK(waiting.get() == asio::error::no_buffer_space);
        auto again = start(context.get_executor(), s.park());
        co_await settle();
        CHECK(!again.done());
        s.ends.write();
        const auto ec = co_await again.join();
        CHECK(!ec);
    });
}

TEST_CASE("who yields goes on when everything that was ready before has run") {
    run([](asio::io_context& context) -> awaitable<void> {
        spot s;
        int others = 0;
        for (int i = 0; i < 10; ++i) asio::post(context, [&] { ++others; });
        const auto ec = co_await s.yield();
        CHECK(!ec);
        CHECK(others == 10);
    });
}

TEST_CASE("who yields can be cancelled") {
    run([](asio::io_context& context) -> awaitable<void> {
        auto& place = parking::of(context.get_executor());
        spot s;
        auto yielding =
            start(context.get_executor(), [](spot* at, parking* in) -> awaitable<boost::system::error_code> {
                asio::post(co_await asio::this_coro::executor, [=] { at->where.cancel(*in); });
                co_return co_await at->yield();
            }(&s, &place));
        const auto ec = co_await yielding.join();
        CHECK(ec == aborted);
    });
}

TEST_CASE("a context can be destroyed while coroutines are parked, about to be woken, and yield") {
    const std::size_t points = destroy_at_every_point([](asio::io_context& context) {
        struct scene {
            asio::io_context* context;
            std::unique_ptr<spot> spots[3];
            static awaitable<void> use(spot* s) {
                (void)co_await s->yield();
                (void)co_await s->park();
                (void)co_await s->yield();
            }
            awaitable<void> operator()() {
                std::vector<started<void>> all;
                for (auto& s : spots) all.push_back(start(context->get_executor(), use(s.get())));
                co_await settle();
                for (auto& s : spots) s->ends.write();
                for (auto& each : all) co_await each.join();
            }
        };
        // The spots live in what a coroutine holds, so only the context may go first.
        return [](scene s) -> awaitable<void> {
            co_await s();
        }(scene{&context, {std::make_unique<spot>(), std::make_unique<spot>(), std::make_unique<spot>()}});
    });
    CHECK(points > 10);
}

// streams
// ----------------------------------------------------------------------------------------------------------

namespace {

using tcp_frames = framed_stream<tcp_stream, any_codec>;

constexpr framed_options park_soon{.park_after = 2s};

awaitable<result<std::string>> read_copy(tcp_frames& frames) {
    const auto frame = co_await frames.read();
    if (!frame) co_return frame.error();
    co_return std::string(*frame);
}

bool is_parked(tcp_frames& frames) {
    return portunus::detail::tcp_stream_state::of(frames.stream()).idle_wait.waiting() &&
           frames.unread().data() == nullptr;
}

} // namespace

TEST_CASE("an idle TCP stream parks, and is woken by bytes, again and again") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            connection c = connect_pair(context, {.idle_limit = 0s});
            tcp_frames frames(std::move(c.stream), line_codec(), park_soon);
            for (int i = 0; i < 3; ++i) {
                auto reading = start(context.get_executor(), read_copy(frames));
                co_await advance(1999ms);
                CHECK(!is_parked(frames));
                co_await advance(1ms);
                CHECK(is_parked(frames));
                co_await advance(24h);
                c.peer.send("a li");
                while (is_parked(frames)) co_await settle();
                CHECK(!reading.done());
                c.peer.send("ne\n");
                const auto line = co_await reading.join();
                CHECK(line.value() == "a line");
            }
        },
        manual);
}

TEST_CASE("a parked TCP stream sees the peer's end and its reset") {
    for (const bool reset : {false, true}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                connection c = connect_pair(context);
                tcp_frames frames(std::move(c.stream), line_codec(), park_soon);
                auto reading = start(context.get_executor(), read_copy(frames));
                co_await advance(2s);
                REQUIRE(is_parked(frames));
                if (reset)
                    c.peer.reset();
                else
                    c.peer.close();
                const auto got = co_await reading.join();
                if (reset)
                    CHECK(got.error() == sys::connection_reset);
                else
                    CHECK(got.error() == errc::end_of_stream);
                const auto again = co_await read_copy(frames);
                CHECK(again.error() == got.error());
                frames.abort();
                CHECK(frames.stream().reason() ==
                      (reset ? close_reason::reset : close_reason::aborted_locally));
            },
            manual);
    }
}

TEST_CASE("a parked TCP stream sees its idle limit") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            connection c = connect_pair(context, {.idle_limit = 60s});
            tcp_frames frames(std::move(c.stream), line_codec(), park_soon);
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await advance(2s);
            REQUIRE(is_parked(frames));
            co_await advance(57s);
            CHECK(!reading.done());
            co_await advance(1s);
            const auto got = co_await reading.join();
            CHECK(got.error() == errc::idle_timeout);
            CHECK(frames.stream().reason() == close_reason::idle);
        },
        manual);
}

TEST_CASE("a read of a parked TCP stream can be cancelled, and loses nothing") {
    for (const bool by_handle : {true, false}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                connection c = connect_pair(context);
                tcp_frames frames(std::move(c.stream), line_codec(), park_soon);
                auto reading = start(context.get_executor(), read_copy(frames));
                co_await advance(2s);
                REQUIRE(is_parked(frames));
                if (by_handle)
                    frames.cancel();
                else
                    reading.cancel();
                const auto got = co_await reading.join();
                CHECK(got.error() == errc::canceled);
                c.peer.send("line\n");
                const auto line = co_await read_copy(frames);
                CHECK(line.value() == "line");
            },
            manual);
    }
}

TEST_CASE("request_stop reaches a TCP stream that is parked, and one that is about to park") {
    for (const bool is_parked_already : {true, false}) {
        run(
            [&](asio::io_context& context) -> awaitable<void> {
                connection c = connect_pair(context);
                tcp_frames frames(std::move(c.stream), line_codec(), park_soon);
                auto reading = start(context.get_executor(), read_copy(frames));
                co_await settle();
                deadline_service::of(context).advance(2s);
                if (is_parked_already) {
                    co_await settle();
                    REQUIRE(is_parked(frames));
                }
                frames.request_stop();
                const auto got = co_await reading.join();
                CHECK(got.error() == errc::shutting_down);
            },
            manual);
    }
}

TEST_CASE("a parked TCP stream can be written to, given another codec, and closed") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            connection c = connect_pair(context);
            tcp_frames frames(std::move(c.stream), line_codec(), park_soon);
            auto reading = start(context.get_executor(), read_copy(frames));
            co_await advance(2s);
            REQUIRE(is_parked(frames));
            const auto written = co_await frames.write("hello");
            CHECK(written);
            CHECK(c.peer.read(7) == "hello\r\n");
            CHECK(is_parked(frames));
            frames.set_codec(fixed_codec(4));
            co_await settle();
            CHECK(!reading.done());
            co_await advance(2s);
            CHECK(is_parked(frames));
            auto closing = start(context.get_executor(), frames.close(5s));
            const auto got = co_await reading.join();
            CHECK(got.error() == errc::closed_locally);
            c.peer.close();
            const auto closed = co_await closing.join();
            CHECK(closed);
            CHECK(frames.stream().reason() == close_reason::closed_locally);
        },
        manual);
}

TEST_CASE("the handle of a parked TCP stream may be destroyed") {
    run(
        [](asio::io_context& context) -> awaitable<void> {
            connection c = connect_pair(context);
            auto frames = std::make_optional<tcp_frames>(std::move(c.stream), line_codec(), park_soon);
            auto reading = start(context.get_executor(), read_copy(*frames));
            co_await advance(2s);
            REQUIRE(is_parked(*frames));
            frames.reset();
            const auto got = co_await reading.join();
            CHECK(got.error() == errc::canceled);
            CHECK(c.peer.read_to_end().second == portunus_tests::ending::eof);
        },
        manual);
}

TEST_CASE("many parked TCP streams are closed, and the context drains") {
    const std::size_t descriptors = portunus_tests::open_descriptors();
    run(
        [](asio::io_context& context) -> awaitable<void> {
            std::vector<portunus_tests::plain_socket> peers;
            std::vector<std::unique_ptr<tcp_frames>> streams;
            std::vector<started<result<std::string>>> reads;
            for (int i = 0; i < 100; ++i) {
                connection c = connect_pair(context);
                peers.push_back(std::move(c.peer));
                streams.push_back(std::make_unique<tcp_frames>(std::move(c.stream), line_codec(), park_soon));
                reads.push_back(start(context.get_executor(), read_copy(*streams.back())));
            }
            co_await advance(2s);
            for (const auto& s : streams) CHECK(is_parked(*s));
            for (std::size_t i = 0; i < streams.size(); ++i) {
                if (i % 4 == 0) streams[i].reset();
                if (i % 4 == 1) streams[i]->abort();
                if (i % 4 == 2) peers[i].close();
                if (i % 4 == 3) peers[i].reset();
            }
            for (auto& read : reads) {
                const auto got = co_await read.join();
                CHECK(!got);
            }
        },
        manual);
    CHECK(portunus_tests::open_descriptors() == descriptors);
}

TEST_CASE("with the real clock a stream parks, too") {
    run([](asio::io_context& context) -> awaitable<void> {
        connection c = connect_pair(context);
        tcp_frames frames(std::move(c.stream), line_codec(), {.park_after = 1ms});
        auto reading = start(context.get_executor(), read_copy(frames));
        while (!is_parked(frames)) co_await settle();
        c.peer.send("line\n");
        const auto line = co_await reading.join();
        CHECK(line.value() == "line");
    });
}

TEST_CASE("a context can be destroyed with parked TCP streams, whose handles live on") {
    connection kept;
    std::optional<tcp_frames> frames;
    {
        asio::io_context context;
        deadline_service::of(context).use_manual_time();
        kept = connect_pair(context);
        frames.emplace(std::move(kept.stream), line_codec(), park_soon);
        asio::co_spawn(context, frames->fill(), asio::detached);
        context.poll();
        deadline_service::of(context).advance(2s);
        context.poll();
        REQUIRE(is_parked(*frames));
    }
    CHECK(kept.peer.read_to_end().second == portunus_tests::ending::eof);
    CHECK(!frames->stream().is_open());
    frames.reset();
}

namespace {

struct parked_scene {
    std::optional<tcp_frames> frames;
    portunus_tests::plain_socket peer;

    static awaitable<void> read_all(std::optional<tcp_frames>* frames) {
        while (*frames) {
            auto batch = co_await (*frames)->read_batch();
            if (!batch || !*frames) break;
            for (const std::string_view line : *batch)
                if (*frames && !(*frames)->queue(line)) co_return;
            if (!*frames) break;
            const auto sent = co_await (*frames)->flush();
            if (!sent) break;
        }
        if (*frames) (void)co_await (*frames)->close(1s);
    }
    awaitable<void> operator()() {
        auto reading = start(co_await asio::this_coro::executor, read_all(&frames));
        co_await advance(2s);
        if (peer.is_open()) peer.try_send("one\ntw");
        co_await advance(1s);
        if (peer.is_open()) peer.try_send("o\n");
        co_await advance(2s);
        peer.close();
        co_await reading.join();
    }
    void drop() { frames.reset(); }
};

} // namespace

TEST_CASE("a TCP session that parks can be destroyed at every point") {
    const std::size_t descriptors = portunus_tests::open_descriptors();
    const std::size_t points = destroy_at_every_point(
        [](asio::io_context& context) {
            connection c = connect_pair(context);
            return parked_scene{tcp_frames(std::move(c.stream), line_codec(), park_soon), std::move(c.peer)};
        },
        {.manual_time = true});
    CHECK(points > 15);
    CHECK(portunus_tests::open_descriptors() == descriptors);
}
