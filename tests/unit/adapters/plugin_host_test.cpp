// SPDX-License-Identifier: BSL-1.0
#include <portunus/adapters/plugin_host.hpp>

#include "support/catch.hpp"
#include "unit/adapters/plugin_support.hpp"

#include <portunus/framing/fixed_codec.hpp>
#include <portunus/framing/quiet_time_codec.hpp>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace portunus_tests;
using portunus::error;

namespace {

plugin_place any_place() {
    return GENERATE(plugin_place::own_thread, plugin_place::io_context);
}

std::vector<std::string> texts(std::initializer_list<std::string> all) {
    return all;
}

} // namespace

TEST_CASE("a plugin gets the lines of a peer, its answers arrive, and the end is told once") {
    stage s(any_place());
    {
        auto peer = s.actor->peer();
        peer.send("one\ntwo\nthr");
        CHECK(peer.read(8) == "one\ntwo\n");
        peer.send("ee\n");
        CHECK(peer.read(6) == "three\n");
    }
    eventually([&] { return s.actor->saw("closed eof"); });
    CHECK(s.control.stop().has_value());
    CHECK(s.actor->events() == texts({"started", "listening", "connection", "data one", "data two",
                                      "data three", "closed eof", "stopping"}));
}

TEST_CASE("answers to what came before the peer's end are sent before the connection is closed") {
    stage s(any_place());
    auto peer = s.actor->peer();
    peer.send("one\ntwo\n");
    peer.shutdown_send();
    const auto [text, how] = peer.read_to_end();
    CHECK(text == "one\ntwo\n");
    CHECK(how == ending::eof);
}

TEST_CASE("who is refused is reset and nothing more is told of him") {
    stage s(any_place(), [](recorder& r) { r.accepts = false; });
    auto peer = s.actor->peer();
    const auto got = peer.read_to_end();
    CHECK(got.second == ending::reset);
    eventually([&] { return s.control.counters().connections == 0; });
    CHECK(s.control.counters().refused == 1);
    CHECK(s.control.stop().has_value());
    CHECK(s.actor->events() == texts({"started", "listening", "connection", "stopping"}));
}

TEST_CASE("every way to end a connection is told as what it was, once") {
    stage s(any_place());
    auto peer = s.actor->peer();
    peer.send("x\n");
    CHECK(peer.read(2) == "x\n");
    const connection_id id = s.actor->last();
    std::string expected;
    SECTION("the peer resets") {
        peer.reset();
        expected = "closed reset";
    }
    SECTION("disconnected in good order") {
        CHECK(s.control.disconnect(id).has_value());
        CHECK(peer.read_to_end().second == ending::eof);
        peer.close();
        expected = "closed closed_locally";
    }
    SECTION("broken off") {
        CHECK(s.control.disconnect(id, disconnect_mode::abort).has_value());
        CHECK(peer.read_to_end().second == ending::reset);
        expected = "closed aborted_locally";
    }
    SECTION("the plugin is stopped") {
        CHECK(s.control.stop().has_value());
        expected = "closed shutdown";
    }
    eventually([&] { return s.actor->saw(expected); });
    eventually([&] { return s.control.counters().connections == 0 || s.control.stopped(); });
    CHECK(s.control.write(id, "late").has_error());
    CHECK(s.control.disconnect(id).has_error());
    CHECK(s.actor->count(expected) == 1);
}

TEST_CASE("a message that breaks the framing ends its connection with the reason") {
    stage s(
        any_place(), [](recorder&) {}, [](plugin_options&) {},
        line_codec(line_mode::lf, portunus::line_options{.max_frame = 16}));
    auto peer = s.actor->peer();
    peer.send("good\n" + std::string(40, 'x') + "\n");
    eventually([&] { return s.actor->saw("closed protocol_error"); });
    CHECK(s.actor->saw("data good"));
}

TEST_CASE("a stale handle is an error, also when its place was given to somebody else") {
    stage s(any_place());
    connection_id old;
    {
        auto first = s.actor->peer();
        first.send("1\n");
        CHECK(first.read(2) == "1\n");
        old = s.actor->last();
    }
    eventually([&] { return s.control.counters().connections == 0; });
    auto second = s.actor->peer();
    second.send("2\n");
    CHECK(second.read(2) == "2\n");
    CHECK(s.actor->last().index == old.index);
    CHECK(s.actor->last() != old);
    for (const auto& outcome :
         {s.control.write(old, "x"), s.control.disconnect(old), s.control.pause(old), s.control.resume(old),
          s.control.set_framing(old, line_codec()), s.control.write(connection_id{}, "x"),
          s.control.write(connection_id{4000000000u, 7}, "x")})
        CHECK(error_of(outcome) == errc::not_connected);
    second.send("3\n");
    CHECK(second.read(2) == "3\n");
}

TEST_CASE("an exception closes the connection whose event it left, and no other") {
    stage s(any_place(), [](recorder& r) {
        r.act = [](recorder& me, std::string_view event, connection_id) {
            if (event == "data" && me.events().back() == "data boom") throw std::runtime_error("no");
        };
    });
    auto good = s.actor->peer();
    auto bad = s.actor->peer();
    bad.send("boom\n");
    eventually([&] { return s.actor->saw("closed aborted_locally"); });
    good.send("fine\n");
    CHECK(good.read(5) == "fine\n");
    CHECK(s.control.counters().exceptions == 1);
    CHECK(s.log.has("an exception left on_messages: no"));
}

TEST_CASE(
    "while a plugin is paused its peers are accepted and what they send is delivered in order afterwards") {
    stage s(any_place());
    s.control.pause();
    auto peer = s.actor->peer();
    auto other = s.actor->peer();
    peer.send("one\ntwo\n");
    other.send("other\n");
    other.shutdown_send();
    eventually([&] { return s.control.counters().connections == 2; });
    CHECK_FALSE(s.actor->saw("connection"));
    s.control.resume();
    CHECK(peer.read(8) == "one\ntwo\n");
    CHECK(other.read_to_end().first == "other\n");
}

TEST_CASE("a full mailbox holds the peer up and loses nothing") {
    stage s(
        any_place(), [](recorder& r) { r.echoes = false; }, [](plugin_options& o) { o.max_inbox = 4096; });
    s.control.pause();
    auto peer = s.actor->peer();
    std::string line(9999, 'x');
    line += '\n';
    const std::size_t lines = 1500; // more than the system keeps
    std::atomic<bool> all_sent{false};
    std::thread sender([&] {
        for (std::size_t i = 0; i < lines; ++i) peer.send(line);
        all_sent = true;
    });
    eventually([&] { return s.control.counters().connections == 1; });
    CHECK_FALSE(all_sent);
    s.control.resume();
    sender.join();
    eventually([&] {
        return s.control.counters().events >= 3 && s.actor->count("data " + line.substr(0, 9999)) == lines;
    });
}

TEST_CASE("one connection can be paused, also between two of its messages") {
    stage s(any_place(), [](recorder& r) {
        r.act = [](recorder& me, std::string_view event, connection_id id) {
            if (event == "data" && me.count("data stop") == 1 && me.events().back() == "data stop")
                must(me.control.pause(id));
        };
    });
    auto peer = s.actor->peer();
    peer.send("a\nstop\nb\nc\n");
    CHECK(peer.read(7) == "a\nstop\n");
    const connection_id id = s.actor->last();
    auto other = s.actor->peer();
    other.send("x\n");
    CHECK(other.read(2) == "x\n");
    CHECK_FALSE(s.actor->saw("data b"));
    must(s.control.resume(id));
    CHECK(peer.read(4) == "b\nc\n");
}

TEST_CASE("a change of the framing holds from the next message on") {
    stage s(any_place(), [](recorder& r) {
        r.act = [](recorder& me, std::string_view event, connection_id id) {
            if (event == "data" && me.events().back() == "data fixed")
                must(me.control.set_framing(id, portunus::fixed_codec(3)));
        };
    });
    auto peer = s.actor->peer();
    peer.send("line\nfixed\nabc\nefgh\n");
    eventually([&] { return s.actor->count("data gh\n") == 1; });
    CHECK(s.actor->saw("data abc"));
    CHECK(s.actor->saw("data \nef"));
}

TEST_CASE("silence cuts messages where the framing says so") {
    stage s(
        any_place(), [](recorder&) {}, [](plugin_options&) {}, portunus::quiet_time_codec(30ms));
    auto peer = s.actor->peer();
    peer.send("hello");
    CHECK(peer.read(5) == "hello");
    peer.send("again");
    CHECK(peer.read(5) == "again");
    CHECK(s.actor->count("data hello") == 1);
    CHECK(s.actor->count("data again") == 1);
}

TEST_CASE("a message that is never complete ends the connection") {
    stage s(
        any_place(), [](recorder&) {}, [](plugin_options& o) { o.message_limit = 40ms; });
    auto peer = s.actor->peer();
    peer.send("half");
    eventually([&] { return s.actor->saw("closed timed_out"); });
}

TEST_CASE("a plugin connects, and what it wrote before is sent then") {
    plain_listener there;
    stage s(any_place(), [](recorder& r) { r.echoes = false; });
    const auto id = must(s.control.connect("127.0.0.1", there.endpoint().port(), line_codec(line_mode::lf)));
    must(s.control.write(id, "early"));
    auto peer = there.accept();
    CHECK(peer.read(6) == "early\n");
    peer.send("answer\n");
    eventually([&] { return s.actor->saw("data answer"); });
    CHECK(s.actor->count("connected") == 1);
    peer.close();
    eventually([&] { return s.actor->saw("closed eof"); });
}

TEST_CASE("a connection that cannot be made is told as closed with the system's number") {
    plain_listener gone;
    const auto port = gone.endpoint().port();
    gone.close();
    std::atomic<int> number{0};
    std::atomic<bool> connected{false};
    runtime rt(1, portunus::logger::silent());
    plugin_host host(rt);
    portunus::plugin_functions f;
    f.started = [port](const plugin_control& c) { (void)c.connect("127.0.0.1", port, line_codec()); };
    f.connected = [&](connection_id, const connection_info&) { connected = true; };
    f.closed = [&](connection_id, const connection_end& end) { number = end.number(); };
    host.start(std::move(f), quiet_options(any_place()));
    running r(rt);
    eventually([&] { return number != 0; });
    CHECK(number == ECONNREFUSED);
    CHECK_FALSE(connected);
}

TEST_CASE("a port that is taken, and a listener that is gone, are errors at once") {
    stage s(any_place());
    auto door = any_door();
    door.ports = s.actor->port();
    CHECK(error_of(s.control.listen_tcp(door, line_codec())) == errc::address_in_use);
    const auto another = must(s.control.listen_tcp(any_door(), line_codec()));
    must(s.control.stop_listening(another));
    CHECK(error_of(s.control.stop_listening(another)) == errc::listener_closed);
    CHECK(error_of(s.control.listening(another)) == errc::listener_closed);
    door.ports = 0;
    door.replace = portunus::replaces::same_address;
    CHECK(error_of(s.control.listen_tcp(door, line_codec())) == errc::invalid_option);
}

TEST_CASE("connections live on when their listener has stopped") {
    stage s(any_place());
    auto peer = s.actor->peer();
    peer.send("1\n");
    CHECK(peer.read(2) == "1\n");
    must(s.control.stop_listening(s.actor->listener_));
    peer.send("2\n");
    CHECK(peer.read(2) == "2\n");
}

TEST_CASE("ticks come, one at a time") {
    stage s(any_place());
    s.control.set_tick(1ms);
    eventually([&] { return s.actor->count("tick") > 3; });
    s.control.set_tick(0ms);
}

TEST_CASE("a delivered function is an event of the plugin") {
    stage s(any_place());
    std::atomic<bool> inside{false};
    must(s.control.deliver([&] { inside = true; }));
    eventually([&] { return inside.load(); });
    must(s.control.stop());
    CHECK(error_of(s.control.deliver([] {})) == errc::shutting_down);
}

TEST_CASE("a plugin may be stopped inside of every event, and nothing is told afterwards") {
    const auto place = any_place();
    const std::string where = GENERATE(as<std::string>(), "started", "listening", "connection", "data",
                                       "tick", "closed", "stopping");
    INFO(where);
    stage s(place, [&](recorder& r) {
        r.act = [where](recorder& me, std::string_view event, connection_id) {
            if (event == where) must(me.control.stop());
        };
    });
    if (where == "tick") s.control.set_tick(1ms);
    if (where == "connection" || where == "data" || where == "closed") {
        auto peer = s.actor->peer();
        (void)peer.try_send("x\n");
    }
    if (where == "stopping") (void)s.control.stop();
    eventually([&] { return s.control.stopped(); });
    must(s.control.stop());
    CHECK(s.actor->events().size() == s.actor->events().size());
    const auto all = s.actor->events();
    CHECK(s.actor->count("stopping") == 1);
    std::size_t closed = 0;
    for (const auto& e : all) closed += e.starts_with("closed");
    CHECK(closed == s.actor->count("connection"));
    CHECK(error_of(s.control.listen_tcp(any_door(), line_codec())) == errc::shutting_down);
}

TEST_CASE("the host may be destroyed inside of every event") {
    const auto place = any_place();
    const std::string where = GENERATE(as<std::string>(), "started", "listening", "connection", "data",
                                       "tick", "closed", "stopping");
    INFO(where);
    std::function<void()> destroy;
    std::atomic<bool> armed{false};
    stage s(place, [&](recorder& r) {
        r.act = [&destroy, &armed, where](recorder&, std::string_view event, connection_id) {
            if (event == where && armed.exchange(false)) destroy();
        };
    });
    destroy = [&] { s.host.reset(); };
    armed = true;
    if (where == "started" || where == "listening") {
        auto again = std::make_shared<recorder>();
        again->act = s.actor->act;
        auto control = s.host->start(again, quiet_options(place));
        eventually([&] { return control.stopped(); });
    } else {
        if (where == "tick") s.control.set_tick(1ms);
        if (where == "connection" || where == "data" || where == "closed") {
            auto peer = s.actor->peer();
            (void)peer.try_send("x\n");
        }
        if (where == "stopping") (void)s.control.stop();
    }
    eventually([&] { return s.control.stopped() && !s.host; });
}

TEST_CASE("a plugin that disconnects in the accept event hears of the end, once") {
    const auto how = GENERATE(disconnect_mode::graceful, disconnect_mode::abort);
    stage s(any_place(), [how](recorder& r) {
        r.act = [how](recorder& me, std::string_view event, connection_id id) {
            if (event == "connection") must(me.control.disconnect(id, how));
        };
    });
    auto peer = s.actor->peer();
    (void)peer.try_send("not wanted\n");
    (void)peer.read_to_end();
    peer.close();
    eventually([&] { return s.control.counters().connections == 0; });
    must(s.control.stop());
    std::size_t closed = 0;
    for (const auto& e : s.actor->events()) closed += e.starts_with("closed");
    CHECK(closed == 1);
    CHECK_FALSE(s.actor->saw("data not wanted"));
}

TEST_CASE("an event that blocks is reported, harms nobody else, and a stop says that it still runs") {
    std::atomic<bool> release{false};
    stage s(
        plugin_place::own_thread,
        [&](recorder& r) {
            r.act = [&](recorder&, std::string_view event, connection_id) {
                if (event == "data") eventually([&] { return release.load(); });
            };
        },
        [](plugin_options& o) { o.block_limit = 20ms; });
    auto other = std::make_shared<recorder>();
    s.host->start(other, quiet_options(plugin_place::own_thread));
    auto stuck = s.actor->peer();
    stuck.send("stuck\n");
    eventually([&] { return s.control.counters().slow_events == 1; });
    auto peer = other->peer();
    peer.send("fine\n");
    CHECK(peer.read(5) == "fine\n");
    CHECK(error_of(s.control.stop(10ms)) == errc::drain_timeout);
    CHECK_FALSE(s.control.stopped());
    release = true;
    must(s.control.stop());
    CHECK(s.control.counters().slow_events == 1);
}

TEST_CASE("commands come from many threads at the same time") {
    stage s(any_place());
    std::vector<plain_socket> peers;
    std::vector<connection_id> ids;
    for (int i = 0; i < 4; ++i) {
        peers.push_back(s.actor->peer());
        peers.back().send("hello\n");
        CHECK(peers.back().read(6) == "hello\n");
        ids.push_back(s.actor->last());
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                (void)s.control.write(ids[static_cast<std::size_t>((i + t) % 4)], "0123456");
                (void)s.control.pause(ids[0]);
                (void)s.control.resume(ids[0]);
                if (i % 50 == 0) {
                    auto l = s.control.listen_tcp(any_door(), line_codec());
                    if (l) (void)s.control.stop_listening(*l);
                }
                (void)s.control.counters();
            }
        });
    for (auto& t : threads) t.join();
    for (auto& p : peers) CHECK(p.read(1600).size() == 1600);
}

TEST_CASE("a handle on the commands outlives its plugin, its host and its runtime") {
    plugin_control kept;
    connection_id id;
    {
        stage s(any_place());
        auto peer = s.actor->peer();
        peer.send("x\n");
        CHECK(peer.read(2) == "x\n");
        id = s.actor->last();
        kept = s.control;
    }
    CHECK(kept.stopped());
    CHECK(kept.write(id, "x").has_error());
    CHECK(error_of(kept.listen_tcp(any_door(), line_codec())) == errc::shutting_down);
    CHECK(error_of(kept.connect("127.0.0.1", 1, line_codec())) == errc::shutting_down);
    kept.set_tick(1s);
    must(kept.stop());
}

TEST_CASE("when the runtime stops, what has arrived is answered and the plugin is told") {
    stage s(any_place());
    auto peer = s.actor->peer();
    peer.send("1\n");
    CHECK(peer.read(2) == "1\n");
    s.control.pause();
    std::string lines;
    for (int i = 0; i < 100; ++i) lines += "line\n";
    peer.send(lines);
    s.rt.request_stop(20s);
    s.control.resume();
    const auto [text, how] = peer.read_to_end();
    CHECK(text == lines);
    CHECK(how == ending::eof);
    peer.close();
    CHECK(s.running_->wait() == 0);
    CHECK(s.actor->count("stopping") == 1);
    CHECK(s.actor->count("closed shutdown") == 1);
}

TEST_CASE("a host whose runtime never ran can be destroyed") {
    runtime rt(1, portunus::logger::silent());
    auto actor = std::make_shared<recorder>();
    plugin_host host(rt);
    auto control = host.start(actor, quiet_options(plugin_place::io_context));
    auto listener = control.listen_tcp(any_door(), line_codec());
    CHECK(listener.has_value());
    CHECK(host.size() == 1);
}

TEST_CASE("options out of their range are refused with the number") {
    runtime rt(1, portunus::logger::silent());
    plugin_host host(rt);
    plugin_options o;
    o.max_inbox = 12;
    CHECK_THROWS_WITH(host.start(std::make_shared<recorder>(), o), Catch::Contains("max_inbox 12"));
    CHECK_THROWS_AS(host.start(std::shared_ptr<plugin>()), portunus::failure);
}

TEST_CASE("the place of a connection is free only when the plugin has handled its end") {
    std::atomic<bool> release{false};
    stage s(plugin_place::own_thread, [&](recorder& r) {
        r.listens = false;
        r.act = [&](recorder&, std::string_view event, connection_id) {
            if (event == "closed") eventually([&] { return release.load(); });
        };
    });
    auto door = any_door();
    door.limits.max_connections = 1;
    door.limits.full = portunus::when_full::wait;
    const auto id = must(s.control.listen_tcp(door, line_codec(line_mode::lf)));
    const portunus_tests::tcp::endpoint where(loopback, s.control.listening(id).value().port);
    const bool by_us = GENERATE(false, true);
    auto first = plain_socket::connected_to(where);
    first.send("1\n");
    CHECK(first.read(2) == "1\n");
    auto second = plain_socket::connected_to(where); // waits in the kernel's queue
    second.send("2\n");
    if (by_us) must(s.control.disconnect(s.actor->last()));
    first.close();
    eventually([&] { return s.actor->saw("closed eof") || s.actor->saw("closed closed_locally"); });
    CHECK(s.control.counters().connections == 1);
    CHECK_FALSE(s.actor->saw("data 2"));
    release = true;
    CHECK(second.read(2) == "2\n");
}

TEST_CASE("connections that are being made when the plugin stops are told as closed") {
    stage s(any_place());
    plain_listener there;
    for (int i = 0; i < 4; ++i)
        (void)must(s.control.connect("127.0.0.1", there.endpoint().port(), line_codec()));
    must(s.control.stop());
    std::size_t closed = 0;
    for (const auto& e : s.actor->events()) closed += e.starts_with("closed");
    CHECK(closed == 4);
}

TEST_CASE("a default-made handle on the commands commands nobody, and says so") {
    const plugin_control nobody;
    CHECK_FALSE(nobody);
    CHECK(nobody.stopped());
    CHECK_THROWS_AS(nobody.counters(), portunus::failure);
}

TEST_CASE("a runtime may be destroyed under its plugins, which hear of the end of their connections") {
    auto rt = std::make_unique<runtime>(1, portunus::logger::silent());
    auto actor = std::make_shared<recorder>();
    plugin_host host(*rt);
    const auto place = any_place();
    auto control = host.start(actor, quiet_options(place));
    const auto run_until = [&](auto reached) {
        eventually([&] {
            rt->context().restart();
            rt->context().poll();
            return reached();
        });
    };
    run_until([&] { return actor->saw("started"); });
    auto peer = actor->peer();
    peer.send("x\nunfinished");
    run_until([&] { return actor->saw("data x"); });
    rt.reset();
    CHECK(error_of(control.listen_tcp(any_door(), line_codec())) == errc::shutting_down);
    (void)control.write(actor->last(), "nobody hears it");
    must(control.stop());
    CHECK(actor->count("closed shutdown") == 1);
    CHECK(actor->count("stopping") == 1);
}
