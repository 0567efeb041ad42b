// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/channel_server.hpp>

#include "unit/channel/channel_support.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/crypto/self_signed.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/tls_stream.hpp>

#include <functional>
#include <vector>

using namespace portunus_tests;

namespace {

channel_server_options open_door() {
    channel_server_options o;
    o.door = any_door();
    o.channel = quiet();
    return o;
}

/// Runs `body` beside what the runtime serves, and stops it.
void beside(runtime& rt, std::function<awaitable<void>()> body) {
    std::exception_ptr thrown;
    struct guarded {
        static awaitable<void> run(runtime& rt, std::function<awaitable<void>()>& body,
                                   std::exception_ptr& thrown) {
            try {
                auto work = body();
                co_await std::move(work);
            } catch (...) {
                thrown = std::current_exception();
            }
            rt.request_stop(5s);
        }
    };
    rt.spawn(guarded::run(rt, body, thrown));
    rt.run();
    if (thrown) std::rethrow_exception(thrown);
}

awaitable<channel> dial(const tcp_server& to, channel_options options) {
    auto peer = co_await connect(to.endpoints().front());
    co_return channel(channel_role::client, any_stream(std::move(peer.value())), std::move(options));
}

} // namespace

TEST_CASE("a server of channels answers everybody who authenticates") {
    runtime rt;
    channel_server_options o = open_door();
    o.channel.auth = seed_key_server("open sesame");
    const auto server =
        rt.listen(o, [](channel& c, const peer_info&) { c.handle(twice, [](int n) { return 2 * n; }); });
    beside(rt, [&]() -> awaitable<void> {
        channel_options c = quiet();
        c.auth = seed_key_client("open sesame");
        channel right = co_await dial(server, c);
        c.auth = seed_key_client("open barley");
        channel wrong = co_await dial(server, c);
        const auto yes = co_await right.request(twice, 21);
        CHECK(yes.value() == 42);
        const auto no = co_await wrong.request(twice, 21);
        CHECK(no.error() == errc::unauthenticated);
        CHECK(server.counters().present == 2);
    });
}

TEST_CASE("an address that guesses is slowed down over all of its connections") {
    runtime rt;
    channel_server_options o = open_door();
    o.channel.auth = seed_key_server("open sesame");
    const auto server = rt.listen(o, [](channel&, const peer_info&) {});
    beside(rt, [&]() -> awaitable<void> {
        channel_options c = quiet();
        c.auth = seed_key_client("open barley");
        for (int i = 0; i < 12; ++i) {
            channel guess = co_await dial(server, c);
            const auto told = co_await guess.wait_established();
            CHECK(told.error() == condition::unauthenticated);
        }
        c.auth = seed_key_client("open sesame");
        channel right = co_await dial(server, c);
        const auto told = co_await right.wait_established();
        CHECK(!told);
    });
}

TEST_CASE("a broadcast reaches those it is for, and a slow peer holds nobody") {
    const auto slow_is = GENERATE(slow_peer::skip, slow_peer::close);
    runtime rt;
    channel_server_options o = open_door();
    o.channel.limits.max_queued = 32 * 1024;
    o.when_slow = slow_is;
    const auto server = rt.listen(o, [](channel&, const peer_info&) {});
    beside(rt, [&]() -> awaitable<void> {
        const auto event = service_id(50);
        channel_options c = quiet();
        c.name = "one";
        channel one = co_await dial(server, c);
        c.name = "two";
        channel two = co_await dial(server, c);
        auto slow = co_await connect(server.endpoints().front()); // never reads
        REQUIRE(slow.has_value());
        std::size_t heard = 0, chosen = 0;
        one.handle(event, any_data, [&](const message_view&) { ++heard; });
        two.handle(event, any_data, [&](const message_view&) { ++chosen; });
        const auto r1 = co_await one.request(service_id::read_request, data_id(1));
        const auto r2 = co_await two.request(service_id::read_request, data_id(1));
        CHECK((r1.has_value() && r2.has_value()));
        server.broadcast(message(message_status::okay, event, data_id(1), "1"),
                         [](const channel_session& s) { return s.name == "two"; });
        std::size_t told = 0;
        const std::string large = '"' + std::string(16 * 1024, 'x') + '"';
        while (server.counters().skipped == 0 && told < 5000) {
            server.broadcast(message(message_status::okay, event, data_id(2), large));
            ++told;
            while (heard < told || chosen < told + 1) { // both have it before the next one
                const auto turn = co_await one.request(service_id::read_request, data_id(1));
                if (!turn) break;
                const auto turn2 = co_await two.request(service_id::read_request, data_id(1));
                if (!turn2) break;
            }
        }
        CHECK(heard == told);
        CHECK(chosen == told + 1);
        CHECK(server.counters().skipped >= 1);
        CHECK(server.counters().cut_off == (slow_is == slow_peer::close ? 1 : 0));
    });
}

TEST_CASE("a server may ask its clients, beside answering them") {
    runtime rt;
    int told = 0;
    const auto server = rt.listen(open_door(), [&told](channel& c, peer_info) -> awaitable<void> {
        auto answer = co_await c.request(twice, 4);
        if (answer) told = *answer;
        auto again = co_await c.request(temperature); // never answered: ends with the connection
        (void)again;
    });
    beside(rt, [&]() -> awaitable<void> {
        channel client = co_await dial(server, quiet());
        event_queue<int> asked(client.get_executor(), 1);
        client.handle(twice, [](int n) { return 2 * n; });
        client.handle(temperature, [asked]() mutable -> awaitable<result<reading>> {
            (void)asked.push(1);
            auto never = co_await asked.pop();
            auto more = co_await asked.pop();
            (void)never;
            co_return more.error();
        });
        while (told == 0) {
            const auto turn = co_await client.request(service_id::read_request, data_id(1));
            if (!turn) break;
        }
        CHECK(told == 8);
    });
}

TEST_CASE("a graceful stop of the server answers what has arrived") {
    runtime rt;
    const auto server = rt.listen(open_door(), [](channel& c, const peer_info&) {
        c.handle(twice, [](int n) -> awaitable<int> {
            asio::steady_timer pause(co_await asio::this_coro::executor, 20ms);
            const auto [e] = co_await pause.async_wait(asio::as_tuple(asio::deferred));
            (void)e;
            co_return 2 * n;
        });
    });
    beside(rt, [&]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        channel client = co_await dial(server, quiet());
        const auto there = co_await client.request(service_id::read_request, data_id(1));
        CHECK(there.has_value());
        std::vector<portunus::testing::started<result<int>>> asked;
        for (int i = 0; i < 5; ++i) asked.push_back(start(executor, client.request(twice, i)));
        while (server.snapshot().accepted == 0) co_await asio::post(asio::deferred);
        for (int i = 0; i < 20; ++i) co_await asio::post(asio::deferred); // they are on their way
        server.stop(stop_mode::graceful, 5s);
        for (int i = 0; i < 5; ++i) {
            const auto answer = co_await asked[static_cast<std::size_t>(i)].join();
            CHECK(answer.value() == 2 * i);
        }
        const error why = co_await client.wait_closed();
        CHECK(why == condition::closed);
    });
}

TEST_CASE("over TLS the proof of SCRAM is bound to the connection") {
    const bool binds = GENERATE(true, false);
    const pem_pair pair = make_self_signed().value();
    tls_server_options st;
    st.certificates.push_back(pair.as_certificate());
    const tls_server_context far(st);
    tls_client_options ct;
    ct.trust.push_back(pem_source::text(pair.certificate));
    const tls_client_context near(ct);
    const auto stored = std::make_shared<const scram_credentials>(
        scram_credentials::make("open sesame", scram_credentials::least_iterations).value());
    auto settings = std::make_shared<scram_server_settings>();
    settings->find = [stored](std::string_view name) -> std::optional<scram_credentials> {
        if (name != "kitchen") return std::nullopt;
        return stored->copy();
    };
    runtime rt(1, logger::silent());
    channel_server_options o = open_door();
    o.channel.auth = scram_server(settings);
    o.secure = [far](tcp_stream peer) -> awaitable<result<any_stream>> {
        auto secure = co_await tls_accept(std::move(peer), far);
        if (!secure) co_return secure.error();
        co_return any_stream(std::move(*secure));
    };
    std::string who;
    const auto server = rt.listen(o, [&who](channel& c, const peer_info&) {
        c.handle(twice, [&c, &who](int n) {
            who = c.peer_name();
            return 2 * n;
        });
    });
    beside(rt, [&]() -> awaitable<void> {
        auto peer = co_await connect(server.endpoints().front());
        auto secure = co_await tls_connect(std::move(peer.value()), near, "localhost");
        REQUIRE(secure.has_value());
        channel_options c = quiet();
        c.auth = scram_client("kitchen", "open sesame");
        if (!binds) { // as somebody in between would have to
            scram_client_settings unbound;
            unbound.name = "kitchen";
            unbound.secret = std::make_shared<const secret_text>("open sesame");
            c.auth = channel_auth::client([unbound](any_stream&) { return scram_sha_256::client(unbound); });
        }
        channel link(channel_role::client, any_stream(std::move(*secure)), c);
        const auto answer = co_await link.request(twice, 21);
        if (binds) {
            CHECK(answer.value() == 42);
            CHECK(who == "kitchen");
        } else {
            CHECK(answer.error() == errc::unauthenticated);
        }
    });
}
