// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/channel.hpp>

#include "unit/channel/channel_support.hpp"

#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/testing/fuse.hpp>

#include <stdexcept>
#include <vector>

using namespace portunus_tests;

namespace {

const request_options in_50_ms{50ms, false, true};

std::string line(service_id service, data_id id, std::string data,
                 message_status status = message_status::okay) {
    std::string out;
    json_lines().encode(out, message(status, service, id, std::move(data)));
    return out + "\n";
}

channel_options lines() {
    channel_options o = quiet();
    o.framing = channel_framing::line;
    o.encoding = channel_encoding::json_lines;
    o.limits.keep_alive = 0s;
    return o;
}

template <class C>
concept takes_a_temporary = requires(C& c) {
    c.request(calibration, reading{});
};
static_assert(!takes_a_temporary<channel>, "g++ 12 would destroy it twice in a co_await expression");

} // namespace

TEST_CASE("a value that owns something is given by name, and not needed after the call") {
    run([]() -> awaitable<void> {
        channel_pair both(co_await asio::this_coro::executor);
        std::string room;
        both.server->handle(calibration, [&](const reading& r) { room = r.room; });
        auto value = std::make_optional(reading{"the kitchen behind the stairs", 1, true});
        auto asked = both.client->request(calibration, *value);
        value.reset();
        const auto done = co_await std::move(asked);
        CHECK(done);
        CHECK(room == "the kitchen behind the stairs");
    });
}

TEST_CASE("a typed point is asked and answered in every framing and encoding") {
    const auto framing =
        GENERATE(channel_framing::escaped, channel_framing::line, channel_framing::length_prefix);
    const auto encoding =
        GENERATE(channel_encoding::pure_json, channel_encoding::struct_json, channel_encoding::json_lines);
    if (framing == channel_framing::line && encoding != channel_encoding::json_lines) return;
    run([=]() -> awaitable<void> {
        channel_options o = quiet();
        o.framing = framing;
        o.encoding = encoding;
        channel_pair both(co_await asio::this_coro::executor, o, o);
        double wanted = 0;
        both.server->handle(temperature, [] { return reading{"kitchen", 21.5, true}; });
        both.server->handle(set_point, [&](double d) { wanted = d; });
        both.server->handle(twice, [](int n) -> result<int> { return 2 * n; });
        const auto now = co_await both.client->request(temperature);
        CHECK(now.value() == reading{"kitchen", 21.5, true});
        const auto set = co_await both.client->request(set_point, 19.5);
        CHECK(set);
        CHECK(wanted == 19.5);
        const auto four = co_await both.client->request(twice, 2);
        CHECK(four.value() == 4);
    });
}

TEST_CASE("coroutine handlers answer, those of one kind in the order of their requests") {
    run([]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        channel_pair both(executor);
        event_queue<int> gate(executor, 16);
        std::vector<int> order;
        both.server->handle(twice, [&order, gate](int n) mutable -> awaitable<result<int>> {
            order.push_back(n);
            auto go = co_await gate.pop();
            if (!go) co_return go.error();
            co_return 2 * n;
        });
        both.server->handle(temperature, []() -> awaitable<reading> { co_return reading{"hall", 1, true}; });
        auto one = start(executor, both.client->request(twice, 1));
        auto two = start(executor, both.client->request(twice, 2));
        co_await settle();
        CHECK(order == std::vector<int>{1});
        const auto beside = co_await both.client->request(temperature);
        CHECK(beside.value().room == "hall");
        CHECK(gate.push(0));
        CHECK(gate.push(0));
        const auto first = co_await one.join();
        const auto second = co_await two.join();
        CHECK(first.value() == 2);
        CHECK(second.value() == 4);
        CHECK(order == std::vector<int>{1, 2});
    });
}

TEST_CASE("a handler that fails is answered by the kind of its failure, and what it says stays here") {
    run([]() -> awaitable<void> {
        channel_pair both(co_await asio::this_coro::executor);
        auto& server = *both.server;
        const auto r = service_id::read_request;
        server.handle(r, data_id(1),
                      [](const message_view&) -> reply { throw std::runtime_error("secret"); });
        server.handle(r, data_id(2),
                      [](const message_view&) -> result<reply> { return error(errc::denied, "secret"); });
        server.handle(r, data_id(3), [](const message_view&) {});
        server.handle(r, data_id(4), [](message) -> awaitable<reply> {
            throw std::runtime_error("secret");
            co_return reply();
        });
        server.handle(r, data_id(5),
                      [](const message_view&) { return reply(message_status(77), "{\"why\":1}"); });
        const std::pair<int, message_status> expected[] = {{1, message_status::callback_error},
                                                           {2, message_status::operation_not_permitted},
                                                           {3, message_status::callback_error},
                                                           {4, message_status::callback_error},
                                                           {5, message_status(77)}};
        for (const auto& [id, status] : expected) {
            const auto answer = co_await both.client->request(r, data_id(static_cast<unsigned>(id)));
            CHECK(answer.value().status == status);
            CHECK(answer.value().data == (id == 5 ? "{\"why\":1}" : "null"));
        }
        CHECK(server.counters().handler_failures == 3);
    });
}

TEST_CASE("the most precise handler answers") {
    run([]() -> awaitable<void> {
        channel_pair both(co_await asio::this_coro::executor);
        const auto says = [](const char* what) {
            return [what](const message_view&) { return reply(message_status::okay, what); };
        };
        auto& s = *both.server;
        s.handle(any_service, any_data, says("1"));
        s.handle(any_service, data_id(7), says("2"));
        s.handle(service_id::read_request, any_data, says("3"));
        s.handle(service_id::read_request, data_id(7), says("4"));
        for (const char* expected : {"4", "3", "2", "1"}) {
            const auto service = *expected > '2' ? service_id::read_request : service_id::write_request;
            const auto id = *expected == '4' || *expected == '2' ? data_id(7) : data_id(9);
            const auto answer = co_await both.client->request(service, id);
            CHECK(answer.value().data == expected);
        }
    });
}

TEST_CASE("an unhandled request is kept for receive, or refused where nothing is kept") {
    run([]() -> awaitable<void> {
        channel_options none = quiet();
        none.limits.unhandled.most_messages = 0;
        const auto executor = co_await asio::this_coro::executor;
        channel_pair both(executor);
        const auto answer = co_await both.client->request(service_id::write_request, data_id(3), "[1,2]");
        CHECK(answer.value().status == message_status::buffering_unhandled_request);
        const auto kept = co_await both.server->receive(service_id::write_request, data_id(3));
        CHECK(kept.value().data == "[1,2]");
        channel_pair strict(executor, quiet(), none);
        const auto refused = co_await strict.client->request(service_id::write_request, data_id(3));
        CHECK(refused.value().status == message_status::service_or_data_unknown);
    });
}

TEST_CASE("receive ends with its limit, and gives what send sent") {
    run(
        []() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            channel_pair both(executor);
            auto waits = start(executor, both.server->receive(service_id::write_request, data_id(3)));
            co_await advance(999ms);
            CHECK(!waits.done());
            co_await advance(1ms);
            CHECK(waits.get().error() == errc::read_timeout);
            auto waits2 = start(executor, both.server->receive(service_id::write_request, data_id(3)));
            const auto sent = co_await both.client->send(service_id::write_request, data_id(3), "\"x\"");
            CHECK(sent);
            const auto got = co_await waits2.join();
            CHECK(got.value().data == "\"x\"");
            // the answer that nobody asked for is kept at the other end
            const auto told = co_await both.client->receive(service_id::write_response, data_id(3));
            CHECK(told.value().status == message_status::buffering_unhandled_request);
        },
        {.manual_time = true});
}

TEST_CASE("a reply of the wrong shape is malformed, with the path of the field") {
    run([]() -> awaitable<void> {
        channel_pair both(co_await asio::this_coro::executor);
        both.server->handle(temperature.service, temperature.id, [](const message_view&) {
            return reply(message_status::okay, R"({"room":"x","celsius":"warm","ok":true})");
        });
        both.server->handle(calibration, [](const reading&) {});
        const auto wrong = co_await both.client->request(temperature);
        CHECK(wrong.error() == errc::malformed_data);
        CHECK(std::string(wrong.error().detail()).find("celsius") != std::string::npos);
        const auto bad = co_await both.client->request(calibration.service, calibration.id, "{\"room\":5}");
        CHECK(bad.value().status == message_status::callback_error);
        const auto no_json = co_await both.client->request(calibration.service, calibration.id, "{room");
        CHECK(no_json.error() == errc::unencodable_payload);
        const auto no_answer = co_await both.client->request(service_id(99), data_id(1));
        CHECK(no_answer.error() == errc::invalid_option);
    });
}

TEST_CASE("the late answer of a request that timed out or was cancelled is nobody else's") {
    run(
        []() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            auto [near, far] = make_memory_stream_pair(executor);
            channel link(channel_role::client, any_stream(std::move(near)), lines());
            auto late = start(executor, link.request(twice, 1, in_50_ms));
            auto cancelled = start(executor, link.request(twice, 2));
            auto right = start(executor, link.request(twice, 3));
            co_await settle();
            cancelled.cancel();
            co_await advance(50ms);
            CHECK(late.get().error() == errc::read_timeout);
            CHECK(cancelled.get().error() == errc::canceled);
            CHECK(!right.done());
            std::string answers;
            for (const char* n : {"2", "4", "6"}) answers += line(service_id::execute_response, twice.id, n);
            CHECK(far.try_write_some(answers).value() == answers.size());
            const auto got = co_await right.join();
            CHECK(got.value() == 6);
            CHECK(link.counters().late == 2);
            CHECK(link.counters().timeouts == 1);
        },
        {.manual_time = true});
}

TEST_CASE("a peer that answers nothing loses the connection after three requests of a kind") {
    run(
        []() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            auto [near, far] = make_memory_stream_pair(executor);
            channel link(channel_role::client, any_stream(std::move(near)), lines());
            for (int i = 0; i < 3; ++i) {
                auto asked = start(executor, link.request(twice, 1, in_50_ms));
                co_await advance(50ms);
                CHECK(asked.get().error() == errc::read_timeout);
            }
            co_await settle();
            CHECK(link.phase() == channel_phase::closed);
            const auto after = co_await link.request(twice, 1);
            CHECK(after.error() == condition::closed);
        },
        {.manual_time = true});
}

TEST_CASE("the client's name is taken, and both ends know it") {
    run([]() -> awaitable<void> {
        channel_options c = quiet(), s = quiet();
        c.name = "kitchen";
        s.name = "room 7";
        std::vector<std::string> said;
        s.log = logger([&](log_level, std::string_view text, auto) { said.emplace_back(text); });
        channel_pair both(co_await asio::this_coro::executor, c, s);
        co_await settle();
        CHECK(both.client->name() == "kitchen");
        CHECK(both.server->name() == "kitchen");
        CHECK(said.size() == 1);
    });
}

TEST_CASE("who has the secret is trusted, who has not runs nothing") {
    const bool right = GENERATE(true, false);
    run([right]() -> awaitable<void> {
        channel_options c = quiet(), s = quiet();
        c.auth = seed_key_client(right ? "open sesame" : "open barley");
        s.auth = seed_key_server("open sesame");
        channel_pair both(co_await asio::this_coro::executor, c, s);
        int ran = 0;
        both.server->handle(twice, [&](int n) {
            ++ran;
            return 2 * n;
        });
        const auto answer = co_await both.client->request(twice, 4);
        if (right) {
            CHECK(answer.value() == 8);
            CHECK(both.client->connection_established());
            CHECK(both.server->connection_established());
            CHECK(both.server->authentication() == auth_state::trusted);
        } else {
            CHECK(answer.error() == errc::unauthenticated);
            CHECK(ran == 0);
            CHECK(both.client->phase() == channel_phase::connected);
            const auto again = co_await both.client->authenticate();
            CHECK(again.error() == errc::unauthenticated);
        }
    });
}

TEST_CASE("without trust a request is answered AUTH_REQUIRED, unless it is on the white list") {
    run([]() -> awaitable<void> {
        channel_options s = quiet();
        s.auth = seed_key_server("open sesame");
        s.open_to_all.add(service_id::read_request, temperature.id);
        channel_pair both(co_await asio::this_coro::executor, quiet(), s);
        both.server->handle(temperature, [] { return reading{"hall", 1, true}; });
        both.server->handle(twice, [](int n) { return 2 * n; });
        const auto open = co_await both.client->request(temperature);
        CHECK(open);
        const auto shut = co_await both.client->request(twice, 1);
        CHECK(shut.error() == errc::unauthenticated);
        CHECK(both.server->counters().refused == 1);
    });
}

TEST_CASE("a client that does not authenticate in 10 s, or says too much before, is closed") {
    const bool talks = GENERATE(true, false);
    run(
        [talks]() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            auto [near, far] = make_memory_stream_pair(executor);
            channel_options s = lines();
            s.auth = seed_key_server("open sesame");
            channel door(channel_role::server, any_stream(std::move(near)), s);
            co_await settle();
            CHECK(door.phase() == channel_phase::connected);
            if (talks)
                CHECK(far.try_write_some(std::string(9000, 'x')));
            else
                co_await advance(10s);
            co_await settle();
            if (!talks) {
                auto closed = co_await far.close(1s);
                (void)closed;
            }
            const error why = co_await door.wait_closed();
            CHECK(why == condition::closed);
        },
        {.manual_time = true});
}

TEST_CASE("a damaged message is answered CHECKSUM_ERROR and runs nothing") {
    run([]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto [near, far] = make_memory_stream_pair(executor);
        channel_options o = quiet();
        o.framing = channel_framing::length_prefix;
        channel link(channel_role::server, any_stream(std::move(near)), o);
        int ran = 0;
        link.handle(twice, [&](int n) { return ++ran, n; });
        std::string wire("\0\0\0\0", 4);
        pure_json().encode(wire, message(message_status::okay, twice.service, twice.id, "5"));
        wire[3] = static_cast<char>(wire.size() - 4);
        wire[wire.find(":5") + 1] = '6';
        CHECK(far.try_write_some(wire));
        co_await settle();
        char buffer[256];
        const auto got = far.try_read_some(asio::buffer(buffer));
        const auto told = pure_json().decode(std::string_view(buffer, got.value()).substr(4));
        CHECK(told.value().status == message_status::checksum_error);
        CHECK(told.value().service == service_id::execute_response);
        CHECK(ran == 0);
        CHECK(link.counters().damaged == 1);
    });
}

TEST_CASE("a silent peer is asked for a sign of life, and is lost without one") {
    const bool answers = GENERATE(true, false);
    run(
        [answers]() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            auto [near, far] = make_memory_stream_pair(executor);
            channel_options o = lines();
            o.limits.keep_alive = 5s;
            channel link(channel_role::client, any_stream(std::move(near)), o);
            co_await settle();
            CHECK(link.connection_established());
            for (int i = 0; i < 10 && link.connection_established(); ++i) {
                co_await advance(5s);
                if (answers)
                    CHECK(far.try_write_some(
                        line(service_id::channel_name_response, data_id::channel_name, "null")));
            }
            co_await settle();
            CHECK((link.phase() == channel_phase::established) == answers);
        },
        {.manual_time = true});
}

TEST_CASE("an orderly close answers what has arrived") {
    run([]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        channel_pair both(executor);
        event_queue<int> gate(executor, 1);
        both.server->handle(twice, [gate](int n) mutable -> awaitable<result<int>> {
            auto go = co_await gate.pop();
            if (!go) co_return go.error();
            co_return 2 * n;
        });
        auto asked = start(executor, both.client->request(twice, 5));
        co_await settle();
        auto closing = start(executor, both.server->close(5s));
        co_await settle();
        CHECK(!closing.done());
        CHECK(gate.push(1));
        const auto answer = co_await asked.join();
        CHECK(answer.value() == 10);
        const auto closed = co_await closing.join();
        CHECK(closed);
        const error why = co_await both.client->wait_closed();
        CHECK(why == condition::closed);
    });
}

TEST_CASE("phases are events, in order") {
    run([]() -> awaitable<void> {
        channel_options c = quiet(), s = quiet();
        c.auth = seed_key_client("open sesame");
        s.auth = seed_key_server("open sesame");
        channel_pair both(co_await asio::this_coro::executor, c, s);
        const auto ready = co_await both.client->wait_established();
        CHECK(ready);
        both.server.reset();
        for (const auto expected :
             {channel_phase::connected, channel_phase::established, channel_phase::closed}) {
            const auto what = co_await both.client->next_event();
            CHECK(what.value().phase == expected);
        }
        const auto end = co_await both.client->next_event();
        CHECK(end.error() == errc::end_of_stream);
    });
}

TEST_CASE("options that contradict are refused") {
    run([]() -> awaitable<void> {
        auto ends = make_memory_stream_pair(co_await asio::this_coro::executor);
        channel_options o = quiet();
        o.framing = channel_framing::line;
        CHECK_THROWS_AS(channel(channel_role::client, any_stream(std::move(ends.first)), o), failure);
    });
}

TEST_CASE("a channel may be destroyed from inside its handler") {
    run([]() -> awaitable<void> {
        channel_pair both(co_await asio::this_coro::executor);
        both.server->handle(twice, [&both](int n) {
            both.server.reset();
            return n;
        });
        const auto answer = co_await both.client->request(twice, 1);
        CHECK(answer.error() == condition::closed);
    });
}

TEST_CASE("a peer that takes no answers is not read any further") {
    run([]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto [near, far] = make_memory_stream_pair(executor, {.capacity = 4096});
        channel_options o = lines();
        o.limits.max_queued = 4096;
        channel link(channel_role::server, any_stream(std::move(near)), o);
        std::size_t ran = 0;
        link.handle(twice, [&](int n) { return ++ran, n; });
        const std::string request = line(twice.service, twice.id, "5");
        std::string stream;
        std::size_t asked = 0;
        for (int i = 0; i < 1000; ++i) {
            if (!far.try_write_some(request)) break;
            ++asked;
            co_await settle();
        }
        CHECK(ran < asked);
        CHECK(ran * request.size() < 16384);
        // and goes on when there is room
        std::size_t answers = 0;
        char buffer[4096];
        for (int i = 0; i < 100 && answers < ran; ++i) {
            while (auto got = far.try_read_some(asio::buffer(buffer)))
                for (std::size_t at = 0; at < *got; ++at) answers += buffer[at] == '\n';
            co_await settle();
        }
        CHECK(answers == ran);
    });
}

TEST_CASE("a channel can be destroyed at every point") {
    struct scene {
        std::optional<channel_pair> both;
        awaitable<void> operator()() {
            if (!both) co_return;
            both->server->handle(twice, [](int n) { return 2 * n; });
            both->server->handle(temperature, []() -> awaitable<reading> {
                co_return reading{"hall", 1, true};
            });
            for (int i = 0; i < 3 && both; ++i) {
                auto one = co_await both->client->request(twice, i);
                if (!one || !both) co_return;
                auto two = co_await both->client->request(temperature);
                if (!two) co_return;
            }
        }
        void drop() { both.reset(); }
    };
    portunus::testing::destroy_at_every_point([](asio::io_context& context) {
        channel_options c = quiet(), s = quiet();
        c.auth = seed_key_client("open sesame");
        s.auth = seed_key_server("open sesame");
        scene made;
        made.both.emplace(context.get_executor(), c, s);
        return made;
    });
}

TEST_CASE("whichever operation of the stream fails, every request ends") {
    portunus::testing::for_each_failure([](portunus::testing::fuse& f) {
        run([&f]() -> awaitable<void> {
            auto ends = make_memory_stream_pair(co_await asio::this_coro::executor);
            ends.first.attach(f);
            channel client(channel_role::client, any_stream(std::move(ends.first)), quiet());
            channel server(channel_role::server, any_stream(std::move(ends.second)), quiet());
            server.handle(twice, [](int n) { return 2 * n; });
            for (int i = 0; i < 3; ++i) {
                const auto answer = co_await client.request(twice, i);
                CHECK((answer ? *answer == 2 * i : answer.error() == condition::closed));
            }
        });
    });
}
