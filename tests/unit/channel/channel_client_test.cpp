// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/channel_client.hpp>

#include "unit/channel/channel_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/channel/channel_server.hpp>
#include <portunus/net/connect.hpp>

#include <functional>
#include <memory>
#include <vector>

using namespace portunus_tests;

namespace {

channel_client_options to(std::uint16_t port) {
    channel_client_options o;
    o.link.host = "127.0.0.1";
    o.link.port = port;
    o.link.retry = {.first = 1ms, .cap = 2ms, .stable = 0ms};
    o.link.log = logger::silent();
    o.channel = quiet();
    return o;
}

/// A port of loopback that nobody listens on.
std::uint16_t nobody() {
    asio::io_context context;
    return tcp::acceptor(context, {loopback, 0}).local_endpoint().port();
}

/// Passes bytes on, and breaks both connections after so many.
struct breaker {
    tcp_stream near, far;
    std::size_t left;

    static awaitable<void> pass(std::shared_ptr<breaker> b, bool forth) {
        char buffer[512];
        tcp_stream& from = forth ? b->near : b->far;
        tcp_stream& into = forth ? b->far : b->near;
        for (;;) {
            auto got = co_await from.read_some(asio::buffer(buffer));
            if (!got) break;
            const std::size_t n = std::min(*got, b->left);
            b->left -= n;
            auto sent = co_await into.write(asio::buffer(buffer, n));
            if (!sent || b->left == 0) break;
        }
        b->near.abort();
        b->far.abort();
    }
};

} // namespace

TEST_CASE("10000 requests through a link that breaks are each answered or failed, and once") {
    constexpr int most = 10'000;
    runtime rt(1, logger::silent());
    std::vector<int> ran(most, 0), answered(most, 0), failed(most, 0);
    channel_server_options o;
    o.door = any_door();
    o.channel = quiet();
    o.channel.auth = seed_key_server("open sesame");
    const auto server = rt.listen(o, [&ran](channel& c, const peer_info&) {
        c.handle(twice, [&ran](int n) {
            ++ran[static_cast<std::size_t>(n)];
            return 2 * n;
        });
    });
    std::size_t connections = 0;
    const auto relay = rt.listen(any_door(), [&](tcp_stream peer) -> awaitable<void> {
        auto far = co_await connect(server.endpoints().front());
        if (!far) co_return;
        const std::size_t left = 1500 + (++connections * 977) % 9000;
        auto both = std::make_shared<breaker>(breaker{std::move(peer), std::move(*far), left});
        task_group halves(co_await asio::this_coro::executor, logger::silent());
        halves.spawn(breaker::pass(both, true));
        halves.spawn(breaker::pass(both, false));
        auto ended = co_await halves.join();
        (void)ended;
    });
    channel_client_options c = to(relay.port());
    c.channel.auth = seed_key_client("open sesame");
    channel_client link(rt.get_executor(), c);
    int next = 0, working = 8, wrong = 0;
    const auto work = [&]() -> awaitable<void> {
        while (next < most) {
            const int n = next++;
            request_options how;
            how.limit = 30s;
            how.idempotent = n % 3 == 0;
            const auto answer = co_await link.request(twice, n, how);
            const auto at = static_cast<std::size_t>(n);
            ++(answer ? answered : failed)[at];
            if (answer ? *answer != 2 * n : !(answer.error() == errc::not_connected)) ++wrong;
        }
        if (--working == 0) rt.request_stop(1s);
    };
    for (int i = 0; i < 8; ++i) rt.spawn(work());
    rt.run();
    CHECK(wrong == 0);
    CHECK(connections > 100);
    int lost = 0, twice_ran = 0, unanswered = 0, without_running = 0, failed_but_idempotent = 0;
    for (std::size_t n = 0; n < most; ++n) {
        lost += answered[n] + failed[n] != 1;
        if (n % 3 != 0) twice_ran += ran[n] > 1;
        unanswered += failed[n];
        without_running += answered[n] == 1 && ran[n] == 0;
        failed_but_idempotent += n % 3 == 0 && failed[n] != 0;
    }
    CHECK(lost == 0);
    CHECK(twice_ran == 0);
    CHECK(without_running == 0);
    CHECK(failed_but_idempotent == 0);
    CHECK(unanswered > 0);
    CHECK(unanswered < most / 2);
}

TEST_CASE("without a connection a request waits within its limit, or fails at once") {
    run([]() -> awaitable<void> {
        channel_client link(co_await asio::this_coro::executor, to(nobody()));
        const auto at_once = co_await link.request(twice, 1, request_options{2s, false, false});
        CHECK(at_once.error() == errc::not_connected);
        const auto late = co_await link.request(twice, 1, request_options{50ms, false, true});
        CHECK(late.error() == errc::connect_timeout);
        CHECK(link.phase() == channel_phase::down);
    });
}

TEST_CASE("a client that is refused tries again, with pauses, and tells nobody that it is established") {
    run([]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        tcp_listener door(executor, any_door());
        channel_client_options o = to(door.port());
        o.channel.auth = seed_key_client("open barley");
        channel_client link(executor, o);
        for (int i = 0; i < 3; ++i) {
            auto got = co_await door.accept();
            channel_options s = quiet();
            s.auth = seed_key_server("open sesame");
            channel server(channel_role::server, any_stream(std::move(got.value().stream)), s);
            const error why = co_await server.wait_closed();
            CHECK(why == condition::closed);
            CHECK(!link.connection_established());
        }
        const auto told = co_await link.request(twice, 1, request_options{20ms, false, true});
        CHECK(told.error() == condition::timeout);
    });
}

TEST_CASE("a client closes in order, connected or not") {
    const bool connected = GENERATE(true, false);
    run([connected]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        tcp_listener door(executor, any_door());
        channel_client link(executor, to(connected ? door.port() : nobody()));
        std::optional<channel> server;
        if (connected) {
            auto got = co_await door.accept();
            server.emplace(channel_role::server, any_stream(std::move(got.value().stream)), quiet());
            const auto ready = co_await link.wait_established();
            CHECK(ready);
        }
        const auto closed = co_await link.close(5s);
        CHECK(closed);
        CHECK(link.phase() == channel_phase::closed);
        const auto after = co_await link.request(twice, 1);
        CHECK(after.error() == condition::closed);
    });
}

TEST_CASE("a client can be destroyed at any time") {
    for (int steps = 0; steps < 60; ++steps) {
        asio::io_context context;
        deadline_service::of(context).use_manual_time(); // nothing waits for the clock, not even at the end
        auto door = std::make_optional<tcp_listener>(context.get_executor(), any_door());
        std::optional<channel> server;
        std::optional<channel_client> link;
        link.emplace(context.get_executor(), to(door->port()));
        bool done = false;
        const auto accept = [&]() -> awaitable<void> {
            if (!door) co_return;
            auto got = co_await door->accept();
            if (!got) co_return;
            server.emplace(channel_role::server, any_stream(std::move(got->stream)), quiet());
            server->handle(twice, [](int n) { return 2 * n; });
        };
        const auto ask = [&]() -> awaitable<void> {
            if (!link) {
                done = true;
                co_return;
            }
            const auto answer = co_await link->request(twice, 1);
            CHECK((answer || answer.error() == errc::canceled));
            done = true;
        };
        task_group tasks(context.get_executor());
        tasks.spawn(accept());
        tasks.spawn(ask());
        for (int i = 0; i < steps; ++i) context.run_one_for(1ms);
        link.reset();
        door.reset();
        server.reset();
        context.restart();
        context.run_for(500ms);
        CHECK(done);
    }
}
