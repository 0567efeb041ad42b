// SPDX-License-Identifier: BSL-1.0
// The machinery that streams over descriptors share, tried on a kind of the test's own: one end of a local
// socket, whose output leaves as slowly as the test says.
#include <portunus/net/detail/descriptor_stream.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/run.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

using namespace portunus_tests;
using portunus::byte_stream;
using portunus::close_reason;
using portunus::errc;
using portunus::result;
using portunus::detail::descriptor_state;
using portunus::detail::descriptor_stream;
using portunus::testing::destroy_at_every_point;
namespace sys = boost::system::errc;

namespace {

/// How the line behaves, and what the machinery did with it.
struct line {
    std::size_t unsent = 0;
    bool waits_for_end = true;
    int closed = 0;
    bool discarded = false;
};

class local_state final : public descriptor_state {
  public:
    local_state(descriptor_type d, portunus::steady_clock::duration idle_for,
                portunus::steady_clock::duration write_for, std::shared_ptr<line> l)
        : descriptor_state(std::move(d), idle_for, write_for), l_(std::move(l)) {}
    ssize_t receive_now(void* to, std::size_t size) noexcept override {
        return ::recv(descriptor->native_handle(), to, size, MSG_DONTWAIT);
    }
    ssize_t send_now(const void* from, std::size_t size) noexcept override {
        return ::send(descriptor->native_handle(), from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    bool is_end(int) const noexcept override { return false; }
    std::size_t unsent() noexcept override { return l_->unsent; }
    void end_sending() noexcept override { ::shutdown(descriptor->native_handle(), SHUT_WR); }
    bool close_waits_for_end() const noexcept override { return l_->waits_for_end; }
    void before_close(bool discard) noexcept override {
        ++l_->closed;
        l_->discarded = discard;
    }

  private:
    std::shared_ptr<line> l_;
};

class local_end : public descriptor_stream {
  public:
    explicit local_end(descriptor_state::pointer s) : descriptor_stream(std::move(s)) {}
};
static_assert(byte_stream<local_end>);

struct local_pair {
    local_end near;
    plain_socket far;
    std::shared_ptr<line> l;
};

local_pair make_local_pair(asio::io_context& context, portunus::steady_clock::duration idle = 60s,
                           portunus::steady_clock::duration write = 30s) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw std::runtime_error("socketpair");
    auto l = std::make_shared<line>();
    asio::posix::stream_descriptor d(context, ends[0]);
    return {local_end(descriptor_state::pointer(new local_state(std::move(d), idle, write, l))),
            plain_socket(ends[1]), l};
}

result<std::size_t> put(descriptor_stream& s, std::string_view text) {
    return s.try_write_some(asio::const_buffer(text.data(), text.size()));
}
void fill(descriptor_stream& s) {
    static const std::string block(65536, 'x');
    while (put(s, block)) {
    }
}
awaitable<result<std::string>> read(descriptor_stream& s) {
    std::string buffer(256, '\0');
    const auto n = co_await s.read_some(asio::buffer(buffer));
    if (!n) co_return n.error();
    buffer.resize(*n);
    co_return buffer;
}

} // namespace

TEST_CASE("a descriptor stream reads what comes and the end behind it") {
    world w;
    local_pair p = make_local_pair(w.context);
    auto reading = w.start(read(p.near));
    w.settle();
    CHECK_FALSE(reading.done());
    p.far.send("hello");
    w.until([&] { return reading.done(); });
    CHECK(reading.get().value() == "hello");
    char byte;
    CHECK(error_of(p.near.try_read_some(asio::buffer(&byte, 1))) == errc::would_block);
    CHECK(p.near.try_read_some(asio::mutable_buffer()).value() == 0);
    p.far.close();
    CHECK(error_of(p.near.try_read_some(asio::buffer(&byte, 1))) == errc::end_of_stream);
    CHECK(error_of(put(p.near, "x")) == sys::broken_pipe);
    CHECK(p.near.reason() == close_reason::reset);
}

TEST_CASE("a descriptor stream has one reader and one writer, and cancel ends both waits and nothing else") {
    world w;
    local_pair p = make_local_pair(w.context);
    fill(p.near);
    auto reading = w.start(read(p.near));
    auto writing = w.start(p.near.wait_writable());
    w.settle();
    char byte;
    CHECK(error_of(p.near.try_read_some(asio::buffer(&byte, 1))) == errc::operation_in_progress);
    CHECK(error_of(put(p.near, "x")) == errc::operation_in_progress);
    auto second = w.start(p.near.wait_readable());
    auto third = w.start(p.near.write("x"));
    w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    CHECK(error_of(third.get()) == errc::operation_in_progress);
    p.near.cancel_read();
    w.settle();
    CHECK(error_of(reading.get()) == errc::canceled);
    CHECK_FALSE(writing.done());
    reading = w.start(read(p.near));
    w.settle();
    p.near.cancel();
    w.settle();
    CHECK(error_of(reading.get()) == errc::canceled);
    CHECK(error_of(writing.get()) == errc::canceled);
    reading = w.start(read(p.near));
    p.far.send("still here");
    w.until([&] { return reading.done(); });
    CHECK(reading.get().value() == "still here");
}

TEST_CASE("a cancelled coroutine gets canceled from every operation of a descriptor stream") {
    world w;
    local_pair p = make_local_pair(w.context);
    fill(p.near);
    auto working = w.start([](descriptor_stream& s) -> awaitable<int> {
        int canceled = 0;
        const auto count = [&canceled](const portunus::error& e) { canceled += e == errc::canceled; };
        const auto got = co_await read(s);
        count(got.error());
        const auto ready = co_await s.wait_readable();
        count(ready.error());
        const auto room = co_await s.wait_writable();
        count(room.error());
        const auto sent = co_await s.write("x");
        count(sent.error());
        co_return canceled;
    }(p.near));
    w.settle();
    working.cancel();
    w.settle();
    CHECK(working.get() == 4);
}

TEST_CASE("a write that is cancelled after a part of it has left tears the descriptor stream") {
    world w;
    local_pair p = make_local_pair(w.context);
    const std::string large(4 << 20, 'x');
    auto torn = w.start(p.near.write(large));
    w.settle();
    CHECK_FALSE(torn.done());
    p.near.cancel();
    w.settle();
    CHECK(error_of(torn.get()) == errc::torn_write);
    CHECK(error_of(put(p.near, "x")) == errc::torn_write);
    local_pair whole = make_local_pair(w.context);
    fill(whole.near);
    auto waiting = w.start(whole.near.write("x"));
    w.settle();
    whole.near.cancel();
    w.settle();
    CHECK(error_of(waiting.get()) == errc::canceled); // nothing of it had left
    whole.far.read_available();
    CHECK(put(whole.near, "x").value() == 1);
}

TEST_CASE("a large write arrives whole at a peer that reads late") {
    world w;
    local_pair p = make_local_pair(w.context);
    const std::string large = pattern(3'000'000);
    auto writing = w.start(p.near.write(large));
    std::string got;
    w.until([&] {
        got += p.far.read_available();
        return writing.done() && got.size() == large.size();
    });
    CHECK(writing.get());
    CHECK((got == large));
    CHECK(p.near.bytes_sent() == large.size());
}

TEST_CASE("idle and write limits of a descriptor stream hold, but not while bytes leave the system") {
    world w;
    local_pair p = make_local_pair(w.context, 60s, 5s);
    fill(p.near);
    p.l->unsent = 1000;
    auto writing = w.start(p.near.write("x"));
    auto reading = w.start(read(p.near));
    w.settle();
    for (int i = 0; i < 5; ++i) { // a slow line
        p.l->unsent -= 10;
        w.pass(5s);
        CHECK_FALSE(writing.done());
    }
    w.pass(4999ms);
    CHECK_FALSE(writing.done());
    w.pass(1ms);
    CHECK(error_of(writing.get()) == errc::write_timeout);
    CHECK(error_of(reading.get()) == errc::write_timeout);

    local_pair q = make_local_pair(w.context, 60s);
    q.l->unsent = 10;
    auto silent = w.start(read(q.near));
    w.pass(60s);
    CHECK_FALSE(silent.done()); // it has only now seen that there are ten
    q.l->unsent = 5;
    w.pass(60s);
    CHECK_FALSE(silent.done());
    w.pass(60s);
    CHECK(error_of(silent.get()) == errc::idle_timeout);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("request_stop delivers what has arrived, then shutting_down; writing goes on") {
    world w;
    local_pair p = make_local_pair(w.context);
    auto waiting = w.start(p.near.wait_readable());
    w.settle();
    p.far.send("arrived");
    p.near.request_stop();
    w.until([&] { return waiting.done(); });
    CHECK(waiting.get());
    p.far.send("too late");
    char buffer[64];
    CHECK(p.near.try_read_some(asio::buffer(buffer)).value() == 7);
    CHECK(error_of(p.near.try_read_some(asio::buffer(buffer))) == errc::shutting_down);
    CHECK(put(p.near, "answer").value() == 6);
    CHECK(p.far.read(6) == "answer");
    local_pair q = make_local_pair(w.context);
    q.near.request_stop();
    q.far.close();
    CHECK(error_of(q.near.try_read_some(asio::buffer(buffer))) == errc::end_of_stream);
}

TEST_CASE("close waits for the output to leave without blocking, and for the peer where the kind says so") {
    world w;
    local_pair p = make_local_pair(w.context);
    p.l->waits_for_end = false;
    p.l->unsent = 500;
    auto reading = w.start(read(p.near));
    w.settle();
    auto closing = w.start(p.near.close(1s));
    w.pass(0s);
    CHECK(error_of(reading.get()) == errc::closed_locally);
    w.pass(10ms);
    w.pass(10ms);
    CHECK_FALSE(closing.done());
    p.l->unsent = 0;
    w.pass(10ms);
    CHECK(closing.get());
    CHECK(p.l->closed == 1);
    CHECK_FALSE(p.l->discarded);
    CHECK(p.near.reason() == close_reason::closed_locally);
    CHECK(p.far.read_to_end().second == ending::eof);

    local_pair q = make_local_pair(w.context);
    auto waits = w.start(q.near.close(1s));
    w.settle();
    CHECK(q.far.read_to_end().second == ending::eof); // our half is closed
    q.far.send("discarded");
    w.settle();
    CHECK_FALSE(waits.done());
    q.far.close();
    w.until([&] { return waits.done(); });
    CHECK(waits.get());
}

TEST_CASE("close gives up at its limit with what is missing, and drops the rest") {
    world w;
    local_pair p = make_local_pair(w.context);
    p.l->waits_for_end = false;
    p.l->unsent = 500;
    auto closing = w.start(p.near.close(1s));
    w.pass(999ms);
    CHECK_FALSE(closing.done());
    w.pass(1ms);
    const auto late = closing.get();
    CHECK(error_of(late) == errc::drain_timeout);
    CHECK(late.error().detail() == "500 bytes were not sent within 1000 ms");
    CHECK(p.l->discarded);
    CHECK_FALSE(p.near.is_open());
    local_pair q = make_local_pair(w.context);
    auto waits = w.start(q.near.close(2s));
    w.pass(2s);
    CHECK(waits.get().error().detail() == "the peer did not finish within 2000 ms");
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("abort and the end of the handle tell whoever waits, each in its own words") {
    world w;
    for (const bool abort : {true, false}) {
        std::optional<local_pair> p = make_local_pair(w.context);
        const auto l = p->l;
        l->unsent = 7;
        auto reading = w.start(read(p->near));
        auto closing = w.start(p->near.wait_readable());
        w.settle();
        CHECK(error_of(closing.get()) == errc::operation_in_progress);
        if (abort)
            p->near.abort();
        else
            p.reset();
        w.settle();
        CHECK(error_of(reading.get()) == (abort ? errc::aborted_locally : errc::canceled));
        CHECK(l->closed == 1);
        CHECK(l->discarded); // or closing the descriptor would wait
    }
    descriptor_stream none;
    CHECK(error_of(put(none, "x")) == errc::not_connected);
    auto reading = w.start(read(none));
    w.settle();
    CHECK(error_of(reading.get()) == errc::not_connected);
    w.run();
}

TEST_CASE("a descriptor stream can be destroyed at every point") {
    struct scene {
        std::optional<local_pair> p;
        awaitable<void> operator()() {
            if (!p) co_return;
            auto got = co_await read(p->near);
            if (!got || !p) co_return;
            auto sent = co_await p->near.write("answer");
            if (!sent || !p) co_return;
            (void)co_await p->near.close(1s);
        }
        void drop() { p.reset(); }
    };
    const std::size_t handlers = destroy_at_every_point([](asio::io_context& context) {
        scene s{make_local_pair(context)};
        s.p->far.send("question");
        s.p->far.shutdown_send();
        return s;
    });
    CHECK(handlers > 1);
}
