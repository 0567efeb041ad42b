// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/relay.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/fuse.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/resource.h>

using namespace portunus_tests;
using portunus::close_reason;
using portunus::errc;
using portunus::error;
using portunus::relay;
using portunus::relay_break;
using portunus::relay_options;
using portunus::relay_totals;
using portunus::relay_way;
using portunus::result;
using portunus::tcp_stream;
using portunus::testing::destroy_at_every_point;
using portunus::testing::for_each_failure;
using portunus::testing::fuse;
using portunus::testing::make_memory_stream_pair;
using portunus::testing::memory_stream;
namespace sys = boost::system::errc;

namespace {

/// Two strangers, and the two streams of ours between which a relay is to run.
struct tcp_scene {
    connection first;
    connection second;
    explicit tcp_scene(world& w, bool small = false, const portunus::tcp_stream_options& options = {})
        : first(connect_pair(w.context, options, small)), second(connect_pair(w.context, options, small)) {}
};

/// The running relay of a scene.
portunus::testing::started<result<relay_totals>> start_relay(world& w, tcp_scene& s,
                                                             const relay_options& options = {}) {
    return w.start(relay(std::move(s.first.stream), std::move(s.second.stream), options));
}

/// Sends `data` from one plain socket and reads it at another, while the relay runs.
std::string carry(world& w, plain_socket& from, plain_socket& to, std::string_view data) {
    const std::size_t size = data.size();
    std::string got;
    w.until([&] {
        if (!data.empty()) {
            const auto n = ::send(from.fd(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) data.remove_prefix(static_cast<std::size_t>(n));
        }
        got += to.read_available();
        return got.size() >= size;
    });
    return got;
}

/// How a peer's connection ends, whatever it is sent before.
ending ends_with(world& w, plain_socket& peer) {
    ending how = ending::open;
    w.until([&] {
        char buffer[16384];
        const auto n = ::recv(peer.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n == 0) how = ending::eof;
        if (n < 0 && errno != EAGAIN) how = errno == ECONNRESET ? ending::reset : ending::failed;
        return how != ending::open;
    });
    return how;
}

relay_options by(relay_way way) {
    relay_options options;
    options.way = way;
    return options;
}

} // namespace

TEST_CASE("an urgent byte does not keep what follows it from passing, nor the processor busy") {
    world w;
    tcp_scene s(w);
    auto carried = start_relay(w, s, by(relay_way::fastest));
    s.first.peer.send("before ");
    w.settle();
    REQUIRE(::send(s.first.peer.fd(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
    s.first.peer.send("and after");
    std::string got;
    w.until([&] {
        got += s.second.peer.read_available();
        return got.size() >= 16;
    });
    CHECK(got == "before and after"); // the urgent byte itself is out of line, and no part of the stream
    w.settle();
    CHECK(w.context.poll() == 0); // it rests
    s.first.peer.shutdown_send();
    s.second.peer.shutdown_send();
    w.until([&] { return carried.done(); });
    must(carried.get());
    w.run();
}

TEST_CASE("a relay carries both directions at once, byte for byte, and counts them") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    world w;
    tcp_scene s(w);
    const auto a_state = portunus::detail::tcp_stream_state::pointer_of(s.first.stream);
    const auto b_state = portunus::detail::tcp_stream_state::pointer_of(s.second.stream);
    auto carried = start_relay(w, s, by(way));
    const std::string there = pattern(9'000'000), here = pattern(5'000'000, 77);
    std::string_view to_send = there, to_answer = here;
    std::string got_there, got_here;
    w.until([&] {
        for (auto [data, from] :
             {std::pair(&to_send, &s.first.peer), std::pair(&to_answer, &s.second.peer)}) {
            const auto n = ::send(from->fd(), data->data(), data->size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) data->remove_prefix(static_cast<std::size_t>(n));
        }
        got_there += s.second.peer.read_available();
        got_here += s.first.peer.read_available();
        return got_there.size() >= there.size() && got_here.size() >= here.size();
    });
    CHECK((got_there == there));
    CHECK((got_here == here));
    s.first.peer.shutdown_send();
    s.second.peer.shutdown_send();
    w.until([&] { return carried.done(); });
    const relay_totals totals = must(carried.get());
    CHECK(totals.forth == there.size());
    CHECK(totals.back == here.size());
    CHECK_FALSE(totals.stopped);
    // The streams' own counters see what was spliced.
    CHECK(a_state->bytes_in == there.size());
    CHECK(a_state->bytes_out == here.size());
    CHECK(b_state->bytes_out == there.size());
    CHECK(a_state->reason == close_reason::eof);
    CHECK(s.first.peer.peek() == ending::eof);
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("any two streams can be relayed: in memory, and a connection with memory") {
    world w;
    auto [a, far_a] = make_memory_stream_pair(w.context.get_executor(), {.capacity = 1000, .read_size = 7});
    auto [b, other_end] =
        make_memory_stream_pair(w.context.get_executor(), {.capacity = 50, .write_size = 13});
    memory_stream& far_b = other_end; // a binding cannot be captured
    auto memory = w.start(relay(std::move(a), std::move(b), {.buffer_size = 100}));
    connection c = connect_pair(w.context);
    auto [d, third_end] = make_memory_stream_pair(w.context.get_executor());
    memory_stream& far_d = third_end;
    auto mixed = w.start(relay(std::move(c.stream), std::move(d)));

    const std::string text = pattern(900);
    CHECK(far_a.try_write_some(text).value() == text.size());
    std::string got;
    char buffer[4096];
    w.until([&] {
        if (const auto n = far_b.try_read_some(asio::buffer(buffer))) got.append(buffer, *n);
        return got.size() == text.size();
    });
    CHECK((got == text));
    CHECK(far_b.try_write_some("answer").value() == 6);
    w.settle();
    CHECK(far_a.try_read_some(asio::buffer(buffer)).value() == 6);
    c.peer.send("mixed");
    w.until([&] { return far_d.unread() == 5; });
    CHECK(far_d.try_write_some("back").value() == 4);
    w.settle();
    CHECK(c.peer.read(4) == "back");

    w.spawn([](memory_stream& one, memory_stream& other, memory_stream& third) -> awaitable<void> {
        (void)co_await one.shutdown_send();
        (void)co_await other.shutdown_send();
        (void)co_await third.shutdown_send();
    }(far_a, far_b, far_d));
    w.until([&] { return memory.done(); });
    CHECK_FALSE(mixed.done());
    c.peer.shutdown_send();
    w.until([&] { return mixed.done(); });
    const relay_totals totals = must(memory.get());
    CHECK(totals.forth == 900);
    CHECK(totals.back == 6);
    CHECK(must(mixed.get()).forth == 5);
}

TEST_CASE("a half close is passed on behind the last byte, and the other direction goes on") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    world w;
    tcp_scene s(w);
    auto carried = start_relay(w, s, by(way));
    const std::string question = pattern(3'000'000);
    std::string_view rest = question;
    std::string got;
    w.until([&] {
        if (!rest.empty()) {
            const auto n = ::send(s.first.peer.fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
            if (rest.empty()) s.first.peer.shutdown_send();
        }
        got += s.second.peer.read_available();
        return s.second.peer.peek() == ending::eof;
    });
    CHECK((got == question));
    CHECK_FALSE(carried.done());
    const std::string answer = pattern(2'000'000, 5);
    CHECK((carry(w, s.second.peer, s.first.peer, answer) == answer));
    s.second.peer.shutdown_send();
    w.until([&] { return carried.done(); });
    CHECK(must(carried.get()).back == answer.size());
    CHECK(ends_with(w, s.first.peer) == ending::eof);
}

TEST_CASE("when a connection breaks, the other is broken off too, or closed in order, as the options say") {
    const bool abort = GENERATE(true, false);
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    const bool first_breaks = GENERATE(true, false);
    CAPTURE(abort, first_breaks);
    world w;
    tcp_scene s(w);
    relay_options options = by(way);
    options.when_broken = abort ? relay_break::abort : relay_break::close;
    options.close_limit = 5s;
    relay_totals seen;
    options.progress = &seen;
    auto carried = start_relay(w, s, options);
    CHECK(carry(w, s.first.peer, s.second.peer, "question") == "question");
    CHECK(seen.forth == 8);
    plain_socket& broken = first_breaks ? s.first.peer : s.second.peer;
    plain_socket& other = first_breaks ? s.second.peer : s.first.peer;
    broken.reset();
    CHECK(ends_with(w, other) == (abort ? ending::reset : ending::eof));
    if (!abort) other.close();
    w.until([&] { return carried.done(); });
    const error why = error_of(carried.get());
    CHECK(why == sys::connection_reset);
    CHECK(why.detail() == std::string("reading from the ") + (first_breaks ? "first" : "second") +
                              " stream after 8 bytes forth and 0 back");
    CHECK(seen.forth == 8);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("writing to a peer that takes no more ends the relay, not the program: SIGPIPE is held back") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    struct sigaction before = {}, plain = {};
    plain.sa_handler = SIG_DFL; // a SIGPIPE would end this test program
    ::sigaction(SIGPIPE, &plain, &before);
    world w;
    tcp_scene s(w);
    ::shutdown(s.second.stream.native_handle(), SHUT_WR); // from now on a send gives EPIPE
    auto carried = start_relay(w, s, by(way));
    s.first.peer.send("lost");
    w.until([&] { return carried.done(); });
    const error why = error_of(carried.get());
    CHECK(why == sys::broken_pipe);
    CHECK(why.detail() == "writing to the second stream after 0 bytes forth and 0 back");
    sigset_t pending, mask;
    ::sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE) == 0);
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGPIPE) == 0);
    ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("splice to a socket does raise SIGPIPE, and a signal that was pending before is left alone") {
    world w;
    connection c = connect_pair(w.context);
    ::shutdown(c.stream.native_handle(), SHUT_WR);
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const auto is_pending = [&] {
        ::sigpending(&pending);
        return sigismember(&pending, SIGPIPE) == 1;
    };
    const auto splice_one = [&] {
        portunus::detail::splice_pipe bytes;
        REQUIRE(bytes.open(4096));
        REQUIRE(::write(bytes.in(), "x", 1) == 1);
        const auto n =
            ::splice(bytes.out(), nullptr, c.stream.native_handle(), nullptr, 1, SPLICE_F_NONBLOCK);
        CHECK(n == -1);
        CHECK(errno == EPIPE);
    };
    {
        portunus::detail::sigpipe_block quiet;
        splice_one();
        quiet.raised();
    }
    CHECK_FALSE(is_pending());
    splice_one();
    CHECK(is_pending()); // so the block is needed
    {
        portunus::detail::sigpipe_block quiet;
        splice_one();
        quiet.raised();
    }
    CHECK(is_pending());
    const timespec at_once = {};
    ::sigtimedwait(&pipe, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("silence in both directions for the idle limit ends the relay, a byte in either starts it anew") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    world w;
    tcp_scene s(w); // the streams' own limit is 60 s
    relay_options options = by(way);
    options.idle_limit = 100s;
    auto carried = start_relay(w, s, options);
    w.pass(99s);
    CHECK(carry(w, s.first.peer, s.second.peer, "x") == "x");
    w.pass(99s);
    CHECK(carry(w, s.second.peer, s.first.peer, "y") == "y");
    w.pass(99s);
    CHECK_FALSE(carried.done());
    w.pass(1s);
    w.until([&] { return carried.done(); });
    const error why = error_of(carried.get());
    CHECK(why == errc::idle_timeout);
    CHECK(why.detail() == "after 1 bytes forth and 1 back");
    CHECK(ends_with(w, s.first.peer) == ending::reset);
    CHECK(ends_with(w, s.second.peer) == ending::reset);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("without an idle limit a relay may be silent for days") {
    world w;
    tcp_scene s(w);
    auto carried = start_relay(w, s, {.idle_limit = 0s});
    w.pass(72h);
    CHECK(carry(w, s.first.peer, s.second.peer, "still here") == "still here");
    CHECK_FALSE(carried.done());
}

TEST_CASE(
    "a peer that reads nothing holds up its own direction only, and for no longer than the write limit") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    world w;
    tcp_scene s(w, true, {.write_limit = 20s});
    relay_options options = by(way);
    relay_totals seen;
    options.progress = &seen;
    options.pipe_size = 4096;
    options.buffer_size = 4096;
    auto carried = start_relay(w, s, options);
    std::size_t taken = 0; // what the relay and the kernel hold is bounded
    const std::string block(16384, 'x');
    for (int still = 0; still < 50;) {
        const auto n = ::send(s.first.peer.fd(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        still = n > 0 ? 0 : still + 1;
        if (n > 0) taken += static_cast<std::size_t>(n);
        w.settle();
    }
    CHECK(taken > 4096);
    CHECK(taken < 16u << 20);
    CHECK(carry(w, s.second.peer, s.first.peer, "the other way") == "the other way");
    CHECK_FALSE(carried.done());
    for (int i = 0; i < 100 && !carried.done(); ++i) w.pass(10s);
    w.until([&] { return carried.done(); });
    const error why = error_of(carried.get());
    CHECK(why == errc::write_timeout);
    CHECK(why.detail().starts_with("writing to the second stream after"));
    CHECK(seen.forth < taken);
}

TEST_CASE("asking either stream to stop passes on what has arrived, then closes both in good order") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    const bool ask_first = GENERATE(true, false);
    world w;
    tcp_scene s(w);
    const auto asked =
        portunus::detail::tcp_stream_state::pointer_of(ask_first ? s.first.stream : s.second.stream);
    auto carried = start_relay(w, s, by(way));
    CHECK(carry(w, s.first.peer, s.second.peer, "before") == "before");
    s.first.peer.send("arrived");
    s.second.peer.send("arrived too");
    asked->request_stop();
    CHECK(ends_with(w, s.second.peer) == ending::eof); // the half close of the relay
    CHECK_FALSE(carried.done());
    s.first.peer.close();
    s.second.peer.close();
    w.until([&] { return carried.done(); });
    const relay_totals totals = must(carried.get());
    CHECK(totals.stopped);
    CHECK(totals.forth == 13);
    CHECK(totals.back == 11);
    w.run();
}

TEST_CASE("a cancelled relay says so and breaks both off, or closes both at once") {
    const bool abort = GENERATE(true, false);
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    world w;
    tcp_scene s(w);
    relay_options options = by(way);
    options.when_broken = abort ? relay_break::abort : relay_break::close;
    auto carried = start_relay(w, s, options);
    CHECK(carry(w, s.first.peer, s.second.peer, "some") == "some");
    carried.cancel();
    w.run();
    const error why = error_of(carried.get());
    CHECK(why == errc::canceled);
    CHECK(ends_with(w, s.first.peer) == (abort ? ending::reset : ending::eof));
    CHECK(ends_with(w, s.second.peer) == (abort ? ending::reset : ending::eof));
}

TEST_CASE("idle relays hold no pipes, however many they are, and a pipe is used again") {
    world w;
    std::vector<tcp_scene> scenes;
    for (int i = 0; i < 10; ++i) scenes.emplace_back(w);
    const std::size_t before = open_descriptors();
    std::vector<portunus::testing::started<result<relay_totals>>> carried;
    for (tcp_scene& s : scenes) carried.push_back(start_relay(w, s));
    w.settle();
    CHECK(open_descriptors() <= before + 3); // the set of parked streams, and a pipe that the context keeps
    for (tcp_scene& s : scenes) {
        CHECK(carry(w, s.first.peer, s.second.peer, "x") == "x");
        CHECK(carry(w, s.second.peer, s.first.peer, "y") == "y");
    }
    w.settle();
    CHECK(open_descriptors() <= before + 5);
    for (auto& c : carried) c.cancel();
    w.run();
    for (auto& c : carried) CHECK(error_of(c.get()) == errc::canceled);
}

TEST_CASE("a relay copies when there are no descriptors left for a pipe") {
    world w;
    tcp_scene s(w);
    auto carried = start_relay(w, s);
    w.settle(); // what it needs besides is open
    rlimit before = {};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const int free_one = ::dup(0); // the lowest that is free
    ::close(free_one);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(free_one);
    ::setrlimit(RLIMIT_NOFILE, &none);
    std::string got;
    const std::string text = pattern(100'000);
    s.first.peer.send(text);
    w.until([&] {
        got += s.second.peer.read_available();
        return got.size() >= text.size();
    });
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK((got == text));
    CHECK_FALSE(carried.done());
}

TEST_CASE("whatever operation fails, the relay ends with that error and both peers see an end") {
    const std::size_t operations = for_each_failure([](fuse& f) {
        world w;
        auto [a, far_a] = make_memory_stream_pair(w.context.get_executor(), {.capacity = 20});
        auto [b, far_b] = make_memory_stream_pair(w.context.get_executor(), {.capacity = 20});
        a.attach(f);
        b.attach(f);
        auto carried = w.start(relay(std::move(a), std::move(b), {.buffer_size = 16}));
        w.spawn([](memory_stream& near, memory_stream& far) -> awaitable<void> {
            (void)near.try_write_some("some bytes to carry");
            (void)co_await near.shutdown_send();
            char buffer[64];
            for (bool open = true; open;) {
                const auto n = co_await far.read_some(asio::buffer(buffer));
                open = n.has_value();
            }
            (void)far.try_write_some("answer");
            (void)co_await far.shutdown_send();
            for (bool open = true; open;) {
                const auto n = co_await near.read_some(asio::buffer(buffer));
                open = n.has_value();
            }
        }(far_a, far_b));
        w.run(); // both peers have seen an end, or this would not end
        const auto outcome = carried.get();
        CAPTURE(f);
        if (!f.blown()) {
            CHECK(must(outcome).forth == 19);
        } else if (f.failed_operation() != "close" && f.failed_operation() != "shutdown_send") {
            CHECK(error_of(outcome) == f.failure_given().code());
        }
    });
    CHECK(operations > 10);
}

TEST_CASE("a relay refuses what cannot work before anything moves") {
    world w, elsewhere;
    connection here = connect_pair(w.context), there = connect_pair(elsewhere.context);
    auto none = w.start(relay(tcp_stream(), std::move(connect_pair(w.context).stream)));
    auto apart = w.start(relay(std::move(here.stream), std::move(there.stream)));
    auto empty = w.start(relay(std::move(connect_pair(w.context).stream),
                               std::move(connect_pair(w.context).stream), {.buffer_size = 0}));
    w.settle();
    CHECK(error_of(none.get()) == errc::not_connected);
    CHECK(error_of(apart.get()) == errc::invalid_option);
    CHECK(error_of(empty.get()).detail() == "buffer_size 0 and pipe_size 1048576 have to be at least 1");
}

TEST_CASE("a relay can be destroyed at every point") {
    const relay_way way = GENERATE(relay_way::fastest, relay_way::copy);
    struct scene {
        connection first, second;
        relay_way way;
        awaitable<void> operator()() {
            first.peer.send("forth");
            second.peer.send("back");
            first.peer.shutdown_send();
            second.peer.shutdown_send();
            auto carried = co_await relay(std::move(first.stream), std::move(second.stream), by(way));
            if (carried && carried->forth != 5) throw std::runtime_error("bytes were lost");
        }
        void drop() {
            first.stream = tcp_stream();
            second.stream = tcp_stream();
        }
    };
    const std::size_t handlers = destroy_at_every_point([way](asio::io_context& context) {
        return scene{connect_pair(context), connect_pair(context), way};
    });
    CHECK(handlers > 2);
}
