// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/udp_hub.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/udp_support.hpp"

#include <portunus/testing/run.hpp>

#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::close_reason;
using portunus::condition;
using portunus::datagram;
using portunus::errc;
using portunus::error;
using portunus::shared_datagram;
using portunus::udp_hub;
using portunus::udp_hub_options;
using portunus::udp_interest;
using portunus::udp_queue_limits;
using portunus::udp_subscription;
using portunus::testing::destroy_at_every_point;
namespace sys = boost::system::errc;

namespace {

const asio::ip::address other_address = asio::ip::make_address("127.0.0.9");
const asio::ip::address test_group = asio::ip::make_address("239.231.7.2");

udp_hub_options hub_options(const asio::ip::address& on = loopback) {
    udp_hub_options o;
    o.socket = open_to_all(on);
    return o;
}
udp::endpoint at(const udp_hub& h, const asio::ip::address& on = loopback) {
    return {on, h.port()};
}
std::string next(world& w, udp_subscription& s) {
    auto got = w.start(s.receive());
    w.until([&] { return got.done(); });
    return std::string(must(got.get()).bytes());
}
/// Everything that waits in a queue, with the numbers of what was lost before.
std::vector<std::string> all_of(udp_subscription& s) {
    std::vector<std::string> texts;
    while (auto got = s.try_receive()) {
        std::string text(got->bytes());
        if (got->lost_before() != 0) text += " lost " + std::to_string(got->lost_before());
        texts.push_back(std::move(text));
    }
    return texts;
}
using texts = std::vector<std::string>;

/// A hub on the loopback.
struct scene {
    explicit scene(udp_hub_options o = hub_options()) : hub(w.context.get_executor(), std::move(o)) {
        w.settle(); // it receives
    }
    ~scene() {
        hub.close();
        w.settle();
    }
    udp_subscription subscribe(udp_interest what = {}, udp_queue_limits queue = {}) {
        return must(hub.subscribe(std::move(what), queue));
    }
    /// On the loopback a datagram is there when it was sent.
    void send(const stranger& from, std::string_view text) {
        from.send(at(hub), text);
        w.settle();
    }
    world w;
    udp_hub hub;
};

} // namespace

// who gets what

TEST_CASE("udp_hub: every subscription gets every datagram that it asked for, whoever else does") {
    scene s;
    const stranger one, two(other_address);
    udp_subscription all = s.subscribe(), all_too = s.subscribe();
    udp_subscription rule = s.subscribe(udp_interest().from("127.0.0.8/30"));
    udp_subscription address = s.subscribe(udp_interest().from(other_address));
    udp_subscription endpoint = s.subscribe(udp_interest().from(one.where()));
    udp_subscription any_port = s.subscribe(udp_interest().from(udp::endpoint(loopback, 0)));
    udp_subscription odd =
        s.subscribe(udp_interest().where([](const datagram& d) { return d.bytes.size() % 2 == 1; }));
    udp_subscription both = s.subscribe(
        udp_interest().from(one.where()).where([](const datagram& d) { return !d.bytes.empty(); }));
    udp_subscription none = s.subscribe(udp_interest().from("10.0.0.0/8"));
    udp_subscription port = s.subscribe(udp_interest().to_port(s.hub.port()));
    udp_subscription other_port = s.subscribe(udp_interest().to_port(1));
    CHECK(s.hub.counters().subscriptions == 11);
    s.send(one, "1");
    s.send(two, "22");
    s.send(one, "");
    const texts everything{"1", "22", ""};
    CHECK(all_of(all) == everything);
    CHECK(all_of(all_too) == everything);
    CHECK(all_of(rule) == texts{"22"});
    CHECK(all_of(address) == texts{"22"});
    CHECK(all_of(endpoint) == texts{"1", ""});
    CHECK(all_of(any_port) == texts{"1", ""});
    CHECK(all_of(odd) == texts{"1"});
    CHECK(all_of(both) == texts{"1"});
    CHECK(all_of(none).empty());
    CHECK(all_of(port) == everything);
    CHECK(all_of(other_port).empty());
    const auto counted = s.hub.counters();
    CHECK(counted.socket.received == 3);
    CHECK(counted.queued == 3 + 3 + 1 + 1 + 2 + 2 + 1 + 1 + 3);
    CHECK(counted.unclaimed == 0);
    CHECK(counted.lost == 0);
}

TEST_CASE("udp_hub: a datagram tells its sender, where it came to, and whatever else is known of it") {
    udp_hub_options o = hub_options(asio::ip::address());
    o.socket.max_datagram = 4;
    scene s(o);
    udp_subscription all = s.subscribe();
    const stranger device;
    auto got = s.w.start(all.receive());
    s.w.settle();
    CHECK_FALSE(got.done());
    device.send(at(s.hub, other_address), "12345");
    s.w.until([&] { return got.done(); });
    const shared_datagram d = must(got.get());
    CHECK(d.bytes() == "1234");
    CHECK(d.sender() == device.where());
    const datagram v = d.view();
    CHECK(v.bytes == "1234");
    CHECK(v.truncated);
    CHECK(v.size == 5);
    CHECK(v.local == other_address);
    CHECK(v.local_port == s.hub.port());
    CHECK(v.interface == ::if_nametoindex("lo"));
    CHECK(v.lost_before == 0);
    CHECK(shared_datagram().bytes().empty());
    CHECK(shared_datagram().sender() == udp::endpoint());
}

TEST_CASE("udp_hub: whom the policy refuses nobody hears, and what nobody asked for is counted") {
    udp_hub_options o = hub_options();
    o.socket.policy = accept_policy::allow_all().deny("127.0.0.9");
    scene s(o);
    const stranger good, bad(other_address);
    s.send(good, "nobody is there");
    CHECK(s.hub.counters().unclaimed == 1);
    udp_subscription all = s.subscribe(), picky = s.subscribe(udp_interest().from("10.0.0.1"));
    s.send(bad, "no");
    s.send(good, "yes");
    CHECK(all_of(all) == texts{"yes"});
    all.close();
    s.send(good, "and again nobody");
    CHECK(s.hub.counters().unclaimed == 2);
    CHECK(s.hub.counters().socket.filtered == 1);
    s.hub.set_policy(accept_policy::deny_all());
    s.send(good, "not any more");
    CHECK(s.hub.counters().socket.filtered == 2);
}

TEST_CASE("udp_hub: what is subscribed at once misses nothing, also inside of the context") {
    world w;
    const stranger device;
    std::string heard;
    w.spawn([](const stranger& from, std::string& text) -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        udp_hub hub(executor, hub_options());
        from.send(at(hub), "early");
        auto all = must(hub.subscribe());
        const auto got = co_await all.receive();
        text = must(got).bytes();
    }(device, heard));
    w.run();
    CHECK(heard == "early");
}

// groups

TEST_CASE("udp_hub: a group is joined with its first subscription, and left with its last one") {
    scene s(hub_options(asio::ip::address()));
    const auto& group = test_group; // the loopback carries no multicasts of IPv6
    const stranger sender;
    sender.multicast_by(::if_nametoindex("lo"));
    const udp::endpoint to(group, s.hub.port());
    const auto send = [&](std::string_view text) {
        sender.send(to, text);
        s.w.settle();
    };
    udp_subscription all = s.subscribe();
    send("nobody has joined");
    CHECK(all_of(all).empty());
    std::optional<udp_subscription> first = s.subscribe(udp_interest().to_group(group, "lo"));
    std::optional<udp_subscription> second =
        s.subscribe(udp_interest().to_group(group, ::if_nametoindex("lo")));
    udp_subscription other =
        s.subscribe(udp_interest().to_group(asio::ip::make_address("239.231.7.3"), "lo"));
    send("to both");
    s.send(stranger(), "to no group");
    CHECK(all_of(*first) == texts{"to both"});
    CHECK(all_of(*second) == texts{"to both"});
    CHECK(all_of(other).empty());
    CHECK(all_of(all) == texts{"to both", "to no group"});
    first.reset();
    send("to the second");
    CHECK(all_of(*second) == texts{"to the second"});
    second->close();
    send("to nobody");
    CHECK(all_of(all) == texts{"to the second"});
    CHECK(all_of(*second).empty());
    first.emplace(s.subscribe(udp_interest().to_group(group, "lo")));
    send("joined again");
    CHECK(all_of(*first) == texts{"joined again"});
}

TEST_CASE("udp_hub: a subscription that cannot be had says why, and joins nothing") {
    udp_hub_options o = hub_options(asio::ip::address());
    o.max_subscriptions = 2;
    scene s(o);
    const auto why = [&](udp_interest what, udp_queue_limits queue = {}) {
        return error_of(s.hub.subscribe(std::move(what), queue));
    };
    CHECK(why(udp_interest().to_group(loopback)) == errc::invalid_address);
    CHECK(why(udp_interest().to_group(test_group, "eth-none")) == errc::no_such_interface);
    CHECK(why({}, {.datagrams = 0}) == errc::invalid_option);
    CHECK(why({}, {.bytes = 0}) == errc::invalid_option);
    CHECK_THROWS_AS(udp_interest().from("10.0.0.300"), portunus::failure);
    CHECK(s.hub.counters().subscriptions == 0);
    udp_subscription a = s.subscribe(), b = s.subscribe();
    const error full = why(udp_interest().to_group(test_group, "lo"));
    CHECK(full == errc::queue_full);
    CHECK(full == condition::exhausted);
    CHECK(contains(full, "all 2 subscriptions"));
    b.close();
    CHECK(s.hub.subscribe().has_value());
    s.hub.close();
    CHECK(why({}) == errc::closed_locally);
}

// the queues

TEST_CASE("udp_hub: a slow subscriber loses its own oldest datagrams, is told, and nobody else loses any") {
    scene s;
    const stranger device;
    udp_subscription slow = s.subscribe({}, {.datagrams = 3}), quick = s.subscribe();
    for (int i = 0; i < 8; ++i) s.send(device, std::to_string(i));
    CHECK(slow.counters().queued == 3);
    CHECK(slow.counters().lost == 5);
    CHECK(all_of(slow) == texts{"5 lost 5", "6", "7"});
    CHECK(all_of(quick) == texts{"0", "1", "2", "3", "4", "5", "6", "7"});
    CHECK(quick.counters().lost == 0);
    CHECK(s.hub.counters().lost == 5);
    for (int i = 0; i < 3; ++i) s.send(device, std::to_string(i));
    CHECK(all_of(slow) == texts{"0", "1", "2"}); // told once
    CHECK(slow.counters().received == 6);
}

TEST_CASE("udp_hub: a queue is limited by bytes as well, and what is too large for it is lost alone") {
    scene s;
    const stranger device;
    udp_subscription small = s.subscribe({}, {.datagrams = 100, .bytes = 10});
    s.send(device, "aaaa");
    s.send(device, "bbbb");
    s.send(device, "cccc");
    CHECK(small.counters().queued_bytes == 8);
    CHECK(all_of(small) == texts{"bbbb lost 1", "cccc"});
    s.send(device, "dddd");
    s.send(device, "eleven byte");
    s.send(device, "ten bytes!");
    CHECK(all_of(small) == texts{"ten bytes! lost 2"});
    for (int i = 0; i < 200; ++i) s.send(device, ""); // costs no bytes, but a place
    CHECK(small.counters().queued == 100);
    CHECK(small.counters().queued_bytes == 0);
    CHECK(must(small.try_receive()).lost_before() == 100);
    CHECK(small.counters().lost == 1 + 2 + 100);
}

TEST_CASE(
    "udp_hub: what the kernel had to drop is told to every subscription, apart from what it lost itself") {
    udp_hub_options o = hub_options();
    o.socket.receive_buffer = 4096;
    o.socket.log = portunus::logger::silent();
    scene s(o);
    const stranger device, other(other_address);
    udp_subscription all = s.subscribe({}, {.datagrams = 1}),
                     rare = s.subscribe(udp_interest().from(other_address));
    const std::string block(512, 'x');
    for (int i = 0; i < 100; ++i) device.send(at(s.hub), block);
    s.w.settle();
    const auto lost = s.hub.counters().socket.overruns;
    REQUIRE(lost > 0);
    s.send(other, "after the gap");
    const auto first = must(all.try_receive()), its = must(rare.try_receive());
    CHECK(first.bytes() == "after the gap");
    CHECK(first.overruns_before() == lost);
    CHECK(first.lost_before() == 100 - lost);
    CHECK(first.view().lost_before == 100);
    CHECK(its.overruns_before() == lost);
    CHECK(its.lost_before() == 0);
    s.send(other, "next");
    CHECK(must(rare.try_receive()).overruns_before() == 0);
}

TEST_CASE("udp_hub: a burst does not cost a subscriber anything that takes what it gets") {
    udp_hub_options o = hub_options();
    o.socket.receive_buffer = 1 << 20;
    o.socket.log = portunus::logger::silent();
    scene s(o);
    const stranger device;
    udp_subscription all = s.subscribe({}, {.datagrams = 64});
    std::size_t got = 0;
    s.w.spawn([](udp_subscription& from, std::size_t& count) -> awaitable<void> {
        for (;;) {
            const auto d = co_await from.receive();
            if (!d) co_return;
            CHECK(d->bytes() == std::to_string(count));
            CHECK(d->lost_before() == 0);
            ++count;
        }
    }(all, got));
    for (int i = 0; i < 300; ++i) device.send(at(s.hub), std::to_string(i));
    s.w.until([&] { return got == 300; });
    CHECK(all.counters().lost == 0);
}

// one copy

TEST_CASE("udp_hub: subscribers share one copy of a datagram, which lives as long as one of them holds it") {
    std::optional<scene> s(std::in_place);
    const stranger device;
    std::optional<udp_subscription> a = s->subscribe(), b = s->subscribe();
    s->send(device, "shared");
    std::optional<shared_datagram> one = must(a->try_receive()), two = must(b->try_receive());
    CHECK(static_cast<const void*>(one->bytes().data()) == static_cast<const void*>(two->bytes().data()));
    one.reset();
    s->send(device, "another one");
    CHECK(two->bytes() == "shared"); // its memory is not used again
    const shared_datagram third = *two;
    two.reset();
    a.reset();
    s.reset(); // hub and context
    CHECK(third.bytes() == "shared");
    CHECK(must(b->try_receive()).bytes() == "another one");
    b.reset();
    CHECK(third.sender() == device.where());
}

TEST_CASE("udp_hub: memory for datagrams is used again, whatever their sizes, and kept up to a limit") {
    using portunus::detail::datagram_pool;
    const std::unique_ptr<datagram_pool, datagram_pool::leave> pool(new datagram_pool(70'000));
    datagram d;
    const std::string most(65'535, 'x');
    const auto copy = [&](std::size_t size) {
        d.bytes = std::string_view(most).substr(0, size);
        return pool->copy(d);
    };
    const void* first = nullptr;
    for (const std::size_t size : {0u, 1u, 255u, 256u}) {
        const auto block = copy(size);
        CHECK(block->about.bytes.size() == size);
        if (!first) first = block.get();
        CHECK(first == block.get());
    }
    CHECK(pool->kept() == 256);
    CHECK(copy(257).get() != first);
    CHECK(pool->kept() == 256 + 512);
    (void)copy(65'535);
    CHECK(pool->kept() == 256 + 512 + 65'536);
    {
        const auto a = copy(2000), b = copy(2000), c = copy(2000);
        CHECK(a->about.bytes == std::string(2000, 'x'));
    }
    CHECK(pool->kept() == 256 + 512 + 65'536 + 2048); // one of three: with two it would be too much
}

TEST_CASE("udp_hub: in the steady state a datagram allocates nothing, however many subscribers there are") {
#if PORTUNUS_COUNTS_ALLOCATIONS
    scene s;
    const stranger device;
    const udp::endpoint to = at(s.hub);
    constexpr std::size_t subscribers = 4;
    std::vector<udp_subscription> subscriptions;
    std::size_t got = 0, bytes = 0;
    for (std::size_t i = 0; i < subscribers; ++i) subscriptions.push_back(s.subscribe());
    for (udp_subscription& each : subscriptions)
        s.w.spawn([](udp_subscription& from, std::size_t& n, std::size_t& sum) -> awaitable<void> {
            for (;;) {
                const auto d = co_await from.receive();
                if (!d) co_return;
                ++n;
                sum += d->bytes().size();
            }
        }(each, got, bytes));
    const std::string payload(700, 'x');
    std::size_t sent = 0;
    const auto exchange = [&](std::size_t rounds) {
        for (std::size_t i = 0; i < rounds; ++i) {
            for (std::size_t burst = 0; burst <= i % 5; ++burst) { // one by one, and several at once
                device.send(to, std::string_view(payload).substr(0, 100 * (i % 8)));
                ++sent;
            }
            while (got != sent * subscribers) {
                s.w.context.restart();
                s.w.context.poll();
            }
        }
    };
    exchange(100);
    const std::size_t before = allocations;
    exchange(1000);
    const std::size_t during = allocations - before;
    CHECK(during == 0);
    CHECK(got == sent * subscribers);
    CHECK(bytes > 0);
    const std::size_t now = allocations;
    const auto something = std::make_unique<int>(1); // the counter works
    CHECK(something);
    CHECK(allocations > now);
#else
    PORTUNUS_SKIP("allocations cannot be counted under a sanitizer");
#endif
}

// sending

TEST_CASE("udp_hub: a subscription answers from where the question came to") {
    scene s(hub_options(asio::ip::address()));
    const stranger device, device6(loopback6);
    udp_subscription all = s.subscribe();
    device.send(at(s.hub, other_address), "question");
    auto got = s.w.start(all.receive());
    s.w.until([&] { return got.done(); });
    const shared_datagram question = must(got.get());
    auto sent = s.w.start(all.reply(question, "answer"));
    s.w.until([&] { return sent.done(); });
    must(sent.get());
    auto answer = device.receive();
    CHECK(answer.text == "answer");
    CHECK(answer.sender == at(s.hub, other_address));
    must(all.try_reply(question, "at once"));
    CHECK(device.receive().sender == at(s.hub, other_address));
    must(all.try_send(device6.where(), "six"));
    CHECK(device6.receive().text == "six");
    auto by_hub = s.w.start(s.hub.send(device.where(), "hub"));
    auto by_it = s.w.start(all.send(device.where(), "it"));
    s.w.until([&] { return by_hub.done() && by_it.done(); });
    CHECK(device.receive().text == "hub");
    CHECK(device.receive().text == "it");
    must(s.hub.try_send(device.where(), "hub at once"));
    CHECK(device.receive().text == "hub at once");
    CHECK(error_of(all.try_send(device.where(), pattern(70'000))) == condition::too_large);
    CHECK(s.hub.counters().socket.sent == 6);

    all.close(); // who has left does not send; the hub does
    CHECK(error_of(all.try_send(device.where(), "x")) == errc::closed_locally);
    CHECK(error_of(all.try_reply(question, "x")) == errc::closed_locally);
    sent = s.w.start(all.reply(question, "x"));
    s.w.settle();
    CHECK(error_of(sent.get()) == errc::closed_locally);
    must(s.hub.try_send(device.where(), "still here"));
    udp_subscription late = s.subscribe();
    s.hub.stop();
    s.w.settle();
    CHECK(error_of(late.try_send(device.where(), "x")) == errc::shutting_down);
    CHECK(error_of(s.hub.try_send(device.where(), "x")) == errc::shutting_down);
    CHECK(error_of(s.hub.broadcast(9, "x")) == errc::shutting_down);
}

// ends

TEST_CASE("udp_hub: each subscription learns how the hub has ended, after what was queued for it") {
    world w;
    const stranger device;
    std::optional<udp_hub> hub(std::in_place, w.context.get_executor(), hub_options());
    udp_subscription busy = must(hub->subscribe());
    udp_subscription waits = must(hub->subscribe(udp_interest().from("10.0.0.1")));
    auto pending = w.start(waits.receive());
    w.settle();
    device.send(at(*hub), "1");
    w.settle();
    device.send(at(*hub), "2"); // waits in the kernel
    errc expected{};
    close_reason reason{};
    texts left{"1"};
    SECTION("closed") {
        hub->close();
        expected = errc::closed_locally;
        reason = close_reason::closed_locally;
        CHECK(hub->reason() == reason);
    }
    SECTION("stopped: what had arrived is still given out") {
        hub->stop();
        CHECK(hub->is_open());
        w.settle();
        expected = errc::shutting_down;
        reason = close_reason::shutdown;
        left.emplace_back("2");
        CHECK(hub->reason() == reason);
        CHECK_FALSE(hub->is_open());
    }
    SECTION("destroyed") {
        hub.reset();
        expected = errc::aborted_locally;
        reason = close_reason::aborted_locally;
    }
    SECTION("another one takes its place") {
        *hub = udp_hub(w.context.get_executor(), hub_options());
        expected = errc::aborted_locally;
        reason = close_reason::aborted_locally;
        CHECK(hub->is_open());
    }
    w.until([&] { return pending.done(); });
    CHECK(error_of(pending.get()) == expected);
    CHECK_FALSE(busy.is_open());
    CHECK(all_of(busy) == left);
    CHECK(error_of(busy.try_receive()) == expected);
    auto again = w.start(busy.receive());
    w.settle();
    CHECK(error_of(again.get()) == expected);
    CHECK(busy.reason() == reason);
    CHECK(waits.reason() == reason);
    hub.reset();
    w.run();
}

TEST_CASE("udp_hub: a stop under a flood ends") {
    udp_hub_options o = hub_options();
    o.socket.receive_buffer = 1 << 22;
    o.socket.log = portunus::logger::silent();
    scene s(o);
    const stranger device;
    udp_subscription all = s.subscribe({}, {.datagrams = 10'000});
    // Somebody sends as fast as the hub receives.
    udp_subscription endless = s.subscribe(udp_interest().where([&](const datagram&) {
        device.send(at(s.hub), "more");
        return false;
    }));
    device.send(at(s.hub), "first");
    s.hub.stop();
    s.w.until([&] { return !s.hub.is_open(); });
    CHECK(all.reason() == close_reason::shutdown);
    CHECK(all.counters().queued >= 1000);
    CHECK(all.counters().queued <= 1025);
}

TEST_CASE("udp_hub: a subscription has one receiver, and ends by itself or with its handle") {
    scene s;
    const stranger device;
    std::optional<udp_subscription> all = s.subscribe();
    auto got = s.w.start(all->receive());
    s.w.settle();
    auto second = s.w.start(all->receive());
    s.w.settle();
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    CHECK(error_of(all->try_receive()) == errc::operation_in_progress);
    SECTION("a cancelled call loses nothing") {
        got.cancel();
        s.w.settle();
        CHECK(error_of(got.get()) == errc::canceled);
        s.send(device, "kept");
        CHECK(next(s.w, *all) == "kept");
    }
    SECTION("a call that is cancelled when its datagram has come") {
        device.send(at(s.hub), "kept");
        got.cancel();
        s.w.settle();
        const auto outcome = got.get();
        if (outcome)
            CHECK(outcome->bytes() == "kept");
        else
            CHECK(next(s.w, *all) == "kept");
    }
    SECTION("close") {
        all->close();
        s.w.settle();
        CHECK(error_of(got.get()) == errc::closed_locally);
        CHECK(all->reason() == close_reason::closed_locally);
        CHECK(error_of(all->try_receive()) == errc::closed_locally);
        CHECK(s.hub.counters().subscriptions == 0);
    }
    SECTION("close discards what waits") {
        s.send(device, "1");
        s.w.settle();
        must(got.get());
        s.send(device, "2");
        all->close();
        CHECK(error_of(all->try_receive()) == errc::closed_locally);
        CHECK(all->counters().queued == 0);
    }
    SECTION("destruction") {
        all.reset();
        s.w.settle();
        CHECK(error_of(got.get()) == errc::aborted_locally);
    }
    SECTION("another one takes its place") {
        *all = s.subscribe();
        s.w.settle();
        CHECK(error_of(got.get()) == errc::aborted_locally);
        CHECK(s.hub.counters().subscriptions == 1);
    }
}

TEST_CASE("udp_hub: moved-from handles are closed ones") {
    scene s;
    udp_subscription a = s.subscribe();
    const udp_subscription b = std::move(a);
    CHECK(b.is_open());
    CHECK_FALSE(a.is_open()); // NOLINT
    CHECK(a.reason() == close_reason::closed_locally);
    CHECK(error_of(a.try_receive()) == errc::closed_locally);
    CHECK(error_of(a.try_send({loopback, 9}, "x")) == errc::closed_locally);
    CHECK(error_of(a.try_reply({}, "x")) == errc::closed_locally);
    a.close();
    CHECK(a.counters().received == 0);
    udp_hub other = std::move(s.hub);
    CHECK_FALSE(s.hub.is_open()); // NOLINT
    CHECK(s.hub.reason() == close_reason::closed_locally);
    CHECK(error_of(s.hub.subscribe()) == errc::closed_locally);
    CHECK(error_of(s.hub.try_send({loopback, 9}, "x")) == errc::closed_locally);
    CHECK(error_of(s.hub.broadcast(9, "x")) == errc::closed_locally);
    s.hub.stop();
    CHECK(s.hub.counters().queued == 0);
    CHECK(other.is_open());
    CHECK(b.is_open());
}

TEST_CASE("udp_hub: a predicate may destroy subscriptions, make others, end the hub, or throw") {
    log_book book;
    udp_hub_options o = hub_options();
    o.socket.log = book.logger();
    world w;
    const stranger device;
    std::optional<udp_hub> hub(std::in_place, w.context.get_executor(), o);
    const udp::endpoint to = at(*hub);
    std::optional<udp_subscription> before, mine, after, fresh;
    std::function<bool()> act;
    before = must(hub->subscribe());
    mine = must(hub->subscribe(udp_interest().where([&](const datagram&) { return act(); })));
    after = must(hub->subscribe());
    const auto send = [&](std::string_view text) {
        device.send(to, text);
        w.settle();
    };
    SECTION("its own, of which it is a part") {
        act = [&] {
            mine.reset();
            return true;
        };
        send("x");
        CHECK_FALSE(mine);
        CHECK(hub->counters().subscriptions == 2);
        CHECK(all_of(*before) == texts{"x"});
        CHECK(all_of(*after) == texts{"x"});
    }
    SECTION("all of them") {
        act = [&] {
            before.reset();
            mine.reset();
            after.reset();
            return true;
        };
        send("x");
        CHECK(hub->counters().subscriptions == 0);
    }
    SECTION("a new one gets the next datagram") {
        act = [&] {
            if (!fresh) fresh = must(hub->subscribe());
            return true;
        };
        send("x");
        CHECK(all_of(*fresh).empty());
        send("y");
        CHECK(all_of(*fresh) == texts{"y"});
        CHECK(all_of(*after) == texts{"x", "y"});
    }
    SECTION("many new ones") {
        std::vector<udp_subscription> many;
        act = [&] {
            for (int i = 0; i < 100; ++i) many.push_back(must(hub->subscribe()));
            return false;
        };
        send("x");
        CHECK(many.size() == 100);
        CHECK(all_of(*after) == texts{"x"});
    }
    SECTION("close the hub") {
        act = [&] {
            hub->close();
            return true;
        };
        send("x");
        CHECK(all_of(*before) == texts{"x"});
        CHECK(error_of(after->try_receive()) == errc::closed_locally);
    }
    SECTION("destroy the hub") {
        auto waiting = w.start(before->receive());
        w.settle();
        act = [&] {
            hub.reset();
            return true;
        };
        send("x");
        CHECK(must(waiting.get()).bytes() == "x");
        CHECK(error_of(after->try_receive()) == errc::aborted_locally);
    }
    SECTION("everything, hub first") {
        act = [&] {
            hub.reset();
            before.reset();
            mine.reset();
            after.reset();
            return true;
        };
        send("x");
        CHECK_FALSE(after);
    }
    SECTION("throw") {
        act = []() -> bool { throw std::runtime_error("no"); };
        send("x");
        CHECK(all_of(*after) == texts{"x"});
        CHECK(all_of(*mine).empty());
        CHECK(book.count("an exception left the predicate") == 1);
        act = [] { return true; };
        send("y");
        CHECK(all_of(*mine) == texts{"y"});
    }
    SECTION("own other subscriptions, which go with it") {
        auto owned = std::make_shared<std::optional<udp_subscription>>(must(hub->subscribe()));
        std::optional<udp_subscription> owner =
            must(hub->subscribe(udp_interest().where([owned](const datagram&) { return false; })));
        owned.reset();
        CHECK(hub->counters().subscriptions == 5);
        act = [&] {
            owner.reset();
            return false;
        };
        send("x");
        CHECK(hub->counters().subscriptions == 3);
        CHECK(all_of(*after) == texts{"x"});
        act = [] { return false; };
        send("y");
        CHECK(all_of(*after) == texts{"y"});
    }
    hub.reset();
    w.run();
}

TEST_CASE("udp_hub: a callback of the socket may destroy the hub") {
    world w;
    const stranger device;
    std::optional<udp_hub> hub;
    udp_hub_options o = hub_options();
    o.socket.policy = accept_policy::deny_all();
    o.socket.on_filtered = [&](const datagram&) { hub.reset(); };
    hub.emplace(w.context.get_executor(), o);
    udp_subscription all = must(hub->subscribe());
    auto got = w.start(all.receive());
    w.settle();
    device.send(at(*hub), "x");
    w.until([&] { return got.done(); });
    CHECK(error_of(got.get()) == errc::aborted_locally);
    w.run();
}

TEST_CASE("udp_hub: a subscription outlives the hub and the context") {
    const stranger device;
    std::optional<world> w(std::in_place);
    std::optional<udp_hub> hub(std::in_place, w->context.get_executor(), hub_options(asio::ip::address()));
    std::optional<udp_subscription> all = must(hub->subscribe(
        udp_interest().to_group(test_group, "lo").where([](const datagram&) { return true; })));
    udp_subscription everything = must(hub->subscribe());
    auto pending = w->start(all->receive());
    w->settle();
    device.send(at(*hub), "queued");
    w->settle();
    const bool hub_first = GENERATE(true, false);
    if (hub_first) hub.reset();
    w.reset();
    CHECK_FALSE(all->is_open());
    CHECK(all->reason() == close_reason::aborted_locally);
    CHECK(all_of(everything) == texts{"queued"});
    CHECK(error_of(everything.try_receive()) == errc::aborted_locally);
    CHECK(error_of(everything.try_send(device.where(), "x")) == errc::aborted_locally);
    if (!hub_first) {
        CHECK_FALSE(hub->is_open());
        CHECK(error_of(hub->subscribe()) == errc::aborted_locally);
        hub->stop();
    }
    all.reset();
    hub.reset();
}

TEST_CASE("udp_hub: no descriptor is left behind") {
    world w;
    {
        udp_hub first(w.context.get_executor(), hub_options()); // what the context opens once
        w.settle();
    }
    w.run();
    const auto before = open_descriptors();
    for (int i = 0; i < 3; ++i) {
        udp_hub_options o = hub_options();
        o.socket.addresses = {loopback, loopback6};
        udp_hub hub(w.context.get_executor(), o);
        udp_subscription all = must(hub.subscribe());
        w.settle();
        hub.close();
        w.run();
    }
    CHECK(open_descriptors() == before);
    udp_hub_options wrong = hub_options();
    wrong.socket.max_datagram = 0;
    CHECK(error_of(udp_hub::open(w.context.get_executor(), wrong)) == errc::invalid_option);
    CHECK_THROWS_AS(udp_hub(w.context.get_executor(), wrong), portunus::failure);
    CHECK(open_descriptors() == before);
    w.run();
}

TEST_CASE("udp_hub: hub and subscriptions can be destroyed at every point, before the context and after it") {
    const bool several = GENERATE(false, true);
    struct body {
        std::optional<udp_hub> hub;
        std::optional<udp_subscription> one, two;
        stranger device;
        body(asio::io_context& context, bool many) {
            udp_hub_options o = hub_options();
            if (many) o.socket.addresses = {loopback, loopback6};
            hub.emplace(context.get_executor(), o);
            one = must(hub->subscribe());
            two = must(hub->subscribe(udp_interest().from(loopback)));
        }
        body(body&&) = default;
        awaitable<void> operator()() {
            for (int i = 0; i < 3; ++i) {
                if (!one || !two || !hub) co_return;
                auto waiting = portunus::testing::start(hub->get_executor(), two->receive());
                co_await portunus::testing::settle();
                if (!hub || !one) co_return;
                device.send(at(*hub), "x");
                auto got = co_await one->receive();
                if (!got || !one) co_return;
                auto answered = co_await one->reply(*got, "y");
                if (!answered) co_return;
                auto other = co_await waiting.join();
                if (!other) co_return;
                CHECK(other->bytes() == "x");
            }
            if (hub) hub->stop();
            if (!one) co_return;
            auto end = co_await one->receive();
            CHECK_FALSE(end.has_value());
        }
        void drop() {
            two.reset();
            hub.reset();
            one.reset();
        }
    };
    CHECK(destroy_at_every_point([several](asio::io_context& context) { return body(context, several); }) >
          6);
}
