// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/accept_one.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace portunus_tests;
using portunus::accept_one;
using portunus::accept_one_options;
using portunus::accepted;
using portunus::errc;
using portunus::failure;
using portunus::result;
using portunus::single_door;
using portunus::testing::destroy_at_every_point;

namespace {

const asio::ip::address other_loopback = asio::ip::make_address("127.0.0.2");

accept_one_options only(const asio::ip::address& peer) {
    accept_one_options options;
    options.allowed_peer = peer;
    return options;
}

single_door door_for(world& w, const accept_one_options& options = only(loopback)) {
    return single_door(w.context.get_executor(), {loopback, 0}, options);
}

/// Whether nobody listens there any more.
bool nobody_at(const tcp::endpoint& where) {
    try {
        plain_socket::connected_to(where);
    } catch (const std::system_error& e) {
        return e.code() == std::errc::connection_refused;
    }
    return false;
}

} // namespace

TEST_CASE("a door on port 0 tells its port at once, lets the one peer in and closes") {
    world w;
    single_door door = door_for(w);
    CHECK(door.port() != 0);
    CHECK(door.is_open());
    auto coming = w.start(door.accept());
    w.settle();
    CHECK_FALSE(coming.done());
    plain_socket peer = plain_socket::connected_to(door.local_endpoint());
    w.until([&] { return coming.done(); });
    accepted in = must(coming.get());
    CHECK(in.peer.remote == peer.local());
    CHECK(in.stream.local_endpoint() == door.local_endpoint());
    CHECK(in.stream.try_write_some(asio::const_buffer("data", 4)).value() == 4);
    CHECK(peer.read(4) == "data");
    CHECK_FALSE(door.is_open());
    CHECK(nobody_at(door.local_endpoint()));
    auto again = w.start(door.accept());
    w.run();
    CHECK(error_of(again.get()) == errc::listener_closed);
    CHECK(w.time.armed() == 1); // the idle limit of the stream: nothing of the door is left
}

TEST_CASE("the peer may connect before accept is called") {
    world w;
    single_door door = door_for(w);
    const plain_socket peer = plain_socket::connected_to(door.local_endpoint());
    auto coming = w.start(door.accept());
    w.settle();
    CHECK(must(coming.get()).peer.remote == peer.local());
}

TEST_CASE("others are reset and counted, and the door stays open for the one that is meant") {
    world w;
    single_door door = door_for(w, only(other_loopback));
    auto coming = w.start(door.accept());
    for (std::uint64_t n = 1; n <= 3; ++n) {
        plain_socket stranger = plain_socket::connected_to(door.local_endpoint());
        w.until([&] { return door.refused() == n; });
        CHECK(stranger.read_to_end().second == ending::reset);
    }
    CHECK_FALSE(coming.done());
    const plain_socket meant = plain_socket::connected_to(door.local_endpoint(), {other_loopback, 0});
    w.until([&] { return coming.done(); });
    CHECK(must(coming.get()).peer.remote.address() == other_loopback);
    CHECK(door.refused() == 3); // also when the door is closed
}

TEST_CASE("a peer is known by its IPv4 address on a door of both families, however either is written") {
    const bool mapped_rule = GENERATE(false, true);
    world w;
    const auto address = mapped_rule ? asio::ip::make_address("::ffff:127.0.0.2") : other_loopback;
    auto opened =
        single_door::open(w.context.get_executor(), {asio::ip::address_v6::any(), 0}, only(address));
    single_door door = std::move(opened).value();
    auto coming = w.start(door.accept());
    const tcp::endpoint to(loopback, door.port());
    plain_socket stranger = plain_socket::connected_to(to);
    const plain_socket meant = plain_socket::connected_to(to, {other_loopback, 0});
    w.until([&] { return coming.done(); });
    CHECK(must(coming.get()).peer.remote.port() == meant.local().port());
    CHECK(stranger.read_to_end().second == ending::reset);
    CHECK(door.refused() == 1);
}

TEST_CASE("only the port that was agreed on may be the other end") {
    world w;
    const std::uint16_t agreed = plain_listener(other_loopback).endpoint().port();
    accept_one_options options = only(other_loopback);
    options.allowed_port = agreed;
    single_door door = door_for(w, options);
    auto coming = w.start(door.accept());
    plain_socket wrong = plain_socket::connected_to(door.local_endpoint(), {other_loopback, 0});
    w.until([&] { return door.refused() == 1; });
    CHECK(wrong.read_to_end().second == ending::reset);
    const plain_socket right = plain_socket::connected_to(door.local_endpoint(), {other_loopback, agreed});
    w.until([&] { return coming.done(); });
    CHECK(must(coming.get()).peer.remote.port() == agreed);
}

TEST_CASE("a door for anyone lets the first one in and resets who is behind it") {
    world w;
    accept_one_options options;
    options.anyone = true;
    single_door door = door_for(w, options);
    const plain_socket first = plain_socket::connected_to(door.local_endpoint(), {other_loopback, 0});
    plain_socket second = plain_socket::connected_to(door.local_endpoint());
    auto coming = w.start(door.accept());
    w.settle();
    CHECK(must(coming.get()).peer.remote == first.local());
    CHECK(second.read_to_end().second == ending::reset);
    CHECK(door.refused() == 0);
}

TEST_CASE("a door that says neither who nor anyone, or both, is a broken configuration") {
    world w;
    auto open = [&](const accept_one_options& options) {
        return error_of(single_door::open(w.context.get_executor(), {loopback, 0}, options));
    };
    CHECK(open({}) == portunus::error(errc::invalid_option,
                                      "neither allowed_peer nor anyone is given: nobody could come in"));
    accept_one_options both = only(loopback);
    both.anyone = true;
    CHECK(open(both) ==
          portunus::error(errc::invalid_option, "both allowed_peer 127.0.0.1 and anyone are given"));
    CHECK_THROWS_AS(single_door(w.context.get_executor(), {loopback, 0}, {}), failure);
    const plain_listener taken;
    CHECK(error_of(single_door::open(w.context.get_executor(), taken.endpoint(), only(loopback))) ==
          errc::address_in_use);
}

TEST_CASE("at the limit the door closes, with the numbers in the error") {
    world w;
    accept_one_options options = only(other_loopback);
    options.limit = 5s;
    single_door door = door_for(w, options);
    w.pass(1h); // the limit begins with accept
    CHECK(door.is_open());
    auto coming = w.start(door.accept());
    const plain_socket stranger = plain_socket::connected_to(door.local_endpoint());
    w.until([&] { return door.refused() == 1; });
    w.pass(4999ms);
    CHECK_FALSE(coming.done());
    w.pass(1ms);
    w.pass(20ms); // handshakes that were under way complete
    w.until([&] { return coming.done(); });
    const auto why = error_of(coming.get());
    CHECK(why == errc::connect_timeout);
    CHECK(why.detail() == "nobody who may come in connected to " +
                              portunus::to_string(door.local_endpoint()) +
                              " within 5000 ms; 1 others were refused");
    CHECK_FALSE(door.is_open());
    CHECK(nobody_at(door.local_endpoint()));
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("a peer that connected in time is let in though the limit passed before anybody looked") {
    world w;
    accept_one_options options = only(loopback);
    options.limit = 0s;
    single_door door = door_for(w, options);
    const plain_socket peer = plain_socket::connected_to(door.local_endpoint());
    auto coming = w.start(door.accept());
    w.time.advance(1s);
    w.settle();
    CHECK(must(coming.get()).peer.remote == peer.local());
}

TEST_CASE("a cancelled accept leaves the door open, and the next one has a limit of its own") {
    world w;
    accept_one_options options = only(loopback);
    options.limit = 5s;
    single_door door = door_for(w, options);
    auto coming = w.start(door.accept());
    w.pass(4s);
    coming.cancel();
    w.settle();
    CHECK(error_of(coming.get()) == errc::canceled);
    CHECK(door.is_open());
    CHECK(w.time.armed() == 0);
    auto again = w.start(door.accept());
    w.pass(4s);
    CHECK_FALSE(again.done());
    const plain_socket peer = plain_socket::connected_to(door.local_endpoint());
    w.until([&] { return again.done(); });
    CHECK(must(again.get()).peer.remote == peer.local());
}

TEST_CASE("one accept may wait; close and the end of the handle wake it with their own error") {
    world w;
    std::optional<single_door> door = door_for(w);
    auto coming = w.start(door->accept());
    w.settle();
    auto second = w.start(door->accept());
    w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    CHECK_FALSE(coming.done());
    const bool by_close = GENERATE(false, true);
    if (by_close)
        door->close();
    else
        door.reset();
    w.run();
    CHECK(error_of(coming.get()) == (by_close ? errc::listener_closed : errc::canceled));
}

TEST_CASE("accept_one in short opens, lets in, and closes") {
    world w;
    const tcp::endpoint where = plain_listener().endpoint();
    auto coming = w.start(accept_one(where, 5s, other_loopback));
    w.settle();
    plain_socket stranger = plain_socket::connected_to(where);
    const plain_socket meant = plain_socket::connected_to(where, {other_loopback, 0});
    w.until([&] { return coming.done(); });
    CHECK(must(coming.get()).peer.remote == meant.local());
    CHECK(stranger.read_to_end().second == ending::reset);
    CHECK(nobody_at(where));
}

TEST_CASE("accept_one reports what is wrong as a result") {
    world w;
    const plain_listener taken;
    auto in_use = w.start(accept_one(taken.endpoint(), 5s, loopback));
    auto no_port = w.start(accept_one({loopback, 0}, 5s, loopback));
    auto nobody = w.start(accept_one(taken.endpoint(), accept_one_options{}));
    w.settle();
    CHECK(error_of(in_use.get()) == errc::address_in_use);
    CHECK(error_of(no_port.get()) == errc::invalid_port);
    CHECK(error_of(nobody.get()) == errc::invalid_option);
    const tcp::endpoint where = plain_listener().endpoint();
    auto waiting = w.start(accept_one(where, 5s, loopback));
    w.settle();
    waiting.cancel();
    w.run();
    CHECK(error_of(waiting.get()) == errc::canceled);
    CHECK(nobody_at(where));
}

TEST_CASE("a single door can be destroyed at every point") {
    struct scene {
        std::optional<single_door> door;
        plain_socket stranger;
        plain_socket peer;
        awaitable<void> operator()() {
            if (!door) co_return;
            auto in = co_await door->accept();
            if (in) (void)co_await in->stream.close(1s);
        }
        void drop() { door.reset(); }
    };
    const std::size_t handlers = destroy_at_every_point([](asio::io_context& context) {
        scene s;
        s.door.emplace(context.get_executor(), tcp::endpoint(loopback, 0), only(other_loopback));
        s.stranger = plain_socket::connected_to(s.door->local_endpoint());
        s.peer = plain_socket::connected_to(s.door->local_endpoint(), {other_loopback, 0});
        s.peer.shutdown_send();
        return s;
    });
    CHECK(handlers > 0);
}

TEST_CASE("the handle of a door may outlive its context") {
    std::optional<single_door> door;
    {
        world w;
        door = door_for(w);
        auto coming = w.start(door->accept());
        w.settle();
    }
    CHECK(door->port() != 0);
    door.reset();
}
