// SPDX-License-Identifier: BSL-1.0
#include <portunus/core/deadline.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using portunus::deadline;
using portunus::deadline_service;
using portunus::steady_clock;
using portunus_tests::world;

namespace {

/// A deadline that counts how often it expired, and remembers when.
struct counted {
    explicit counted(deadline_service& s)
        : service(s), limit(s, this, [](void* self) {
              auto& c = *static_cast<counted*>(self);
              ++c.expired;
              c.at = c.service.now();
          }) {}
    deadline_service& service;
    int expired = 0;
    steady_clock::time_point at{};
    deadline limit;
};

/// A context whose time the test moves, with limits watched in ticks as under the real clock.
struct ticking {
    ticking() : time(deadline_service::of(context)) { time.use_manual_time(true); }
    asio::io_context context{1};
    deadline_service& time;
};

} // namespace

TEST_CASE("a limit expires when its time has passed, once, and not before") {
    const auto after = GENERATE(as<steady_clock::duration>(), 1ns, 5ms, 999ms, 1s, 60s, 24h);
    world w;
    counted c(w.time);
    c.limit.arm(after);
    CHECK(c.limit.armed());
    w.time.advance(after - 1ns);
    CHECK(c.expired == 0);
    w.time.advance(1ns);
    CHECK(c.expired == 1);
    CHECK_FALSE(c.limit.armed());
    w.time.advance(48h);
    CHECK(c.expired == 1);
}

TEST_CASE("arming never expires inside the call, however little time is given") {
    const auto after = GENERATE(as<steady_clock::duration>(), 0s, -1s, steady_clock::duration::min());
    world w;
    counted c(w.time);
    c.limit.arm(after);
    CHECK(c.expired == 0);
    w.time.advance(0s);
    CHECK(c.expired == 1);
}

TEST_CASE("the longest duration there is can be given as a limit") {
    SECTION("to the moment") {
        world w;
        counted c(w.time);
        c.limit.arm(steady_clock::duration::max());
        w.time.advance(24h);
        CHECK(c.expired == 0);
        CHECK(c.limit.armed());
    }
    SECTION("in ticks") {
        ticking t;
        counted c(t.time);
        c.limit.arm(steady_clock::duration::max());
        t.time.advance(24h);
        CHECK(c.expired == 0);
        CHECK(c.limit.armed());
    }
}

TEST_CASE("a limit that is armed again counts from then: later, earlier, and by moment") {
    world w;
    counted c(w.time);
    SECTION("later") {
        c.limit.arm(10s);
        w.time.advance(9s);
        c.limit.arm(10s);
        w.time.advance(9s);
        CHECK(c.expired == 0);
        w.time.advance(1s);
        CHECK(c.expired == 1);
    }
    SECTION("earlier") {
        c.limit.arm(10s);
        c.limit.arm(2s);
        w.time.advance(2s);
        CHECK(c.expired == 1);
        w.time.advance(10s);
        CHECK(c.expired == 1);
    }
    SECTION("at a moment") {
        c.limit.arm(10s);
        c.limit.arm_at(w.time.now() + 50ms);
        w.time.advance(50ms);
        CHECK(c.expired == 1);
    }
}

TEST_CASE("a disarmed limit does not expire, and disarming twice is fine") {
    const auto after = GENERATE(as<steady_clock::duration>(), 5ms, 10s);
    const bool ticks = GENERATE(false, true);
    asio::io_context context{1};
    auto& time = deadline_service::of(context);
    time.use_manual_time(ticks);
    counted c(time);
    c.limit.arm(after);
    CHECK(time.armed() == 1);
    c.limit.disarm();
    c.limit.disarm();
    CHECK_FALSE(c.limit.armed());
    CHECK(time.armed() == 0);
    time.advance(1min);
    CHECK(c.expired == 0);
}

TEST_CASE("limits expire in the order of their times") {
    world w;
    std::vector<int> order;
    struct entry {
        entry(deadline_service& service, std::vector<int>& o, int n)
            : order(o), number(n), limit(service, this, [](void* self) {
                  static_cast<entry*>(self)->order.push_back(static_cast<entry*>(self)->number);
              }) {}
        std::vector<int>& order;
        int number;
        deadline limit;
    };
    std::vector<std::unique_ptr<entry>> entries;
    for (const int s : {5, 1, 4, 2, 3}) {
        entries.push_back(std::make_unique<entry>(w.time, order, s));
        entries.back()->limit.arm(std::chrono::seconds(s));
    }
    w.time.advance(10s);
    CHECK(order == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE(
    "in ticks a limit expires at most two ticks late and never early, wherever in the tick it was armed") {
    ticking t;
    std::minstd_rand random(1); // NOLINT: the same numbers each time
    for (int i = 0; i < 300; ++i) {
        t.time.advance(std::chrono::microseconds(random() % 250'000));
        counted c(t.time);
        const auto after = 1s + std::chrono::microseconds(random() % 3'000'000);
        const auto armed_at = t.time.now();
        c.limit.arm(after);
        while (c.expired == 0 && t.time.now() - armed_at < 10s) t.time.advance(10ms);
        REQUIRE(c.expired == 1);
        REQUIRE(c.at - armed_at >= after);
        REQUIRE(c.at - armed_at <= after + 2 * deadline_service::tick + 10ms);
    }
}

TEST_CASE("in ticks a limit beyond a turn of the wheel expires in its own turn") {
    const auto after = GENERATE(as<steady_clock::duration>(), 51s, 51100ms, 51200ms, 52s, 103s, 1h, 25h);
    ticking t;
    t.time.advance(GENERATE(0s, 37s));
    counted c(t.time);
    const auto begin = t.time.now();
    c.limit.arm(after);
    while (t.time.now() - begin < after) {
        t.time.advance(std::min<steady_clock::duration>(after - (t.time.now() - begin), 7s));
        if (t.time.now() - begin < after) REQUIRE(c.expired == 0);
    }
    t.time.advance(2 * deadline_service::tick);
    CHECK(c.expired == 1);
    CHECK(t.time.armed() == 0);
}

TEST_CASE("in ticks a limit that is pushed on again and again expires after the last push") {
    ticking t;
    counted c(t.time);
    for (int i = 0; i < 1000; ++i) { // 300 s: several turns of the wheel
        c.limit.arm(2s);
        t.time.advance(300ms);
    }
    CHECK(c.expired == 0);
    t.time.advance(2s);
    CHECK(c.expired == 1);
}

TEST_CASE("in ticks a limit can be moved to an earlier moment, also across the way of being watched") {
    ticking t;
    counted c(t.time);
    c.limit.arm(200s);
    SECTION("in ticks") {
        c.limit.arm(3s);
    }
    SECTION("precisely") {
        c.limit.arm(3ms);
    }
    t.time.advance(3s + 2 * deadline_service::tick);
    CHECK(c.expired == 1);
    c.limit.arm(3ms);
    c.limit.arm(3s); // and back
    t.time.advance(1s);
    CHECK(c.expired == 1);
    t.time.advance(3s);
    CHECK(c.expired == 2);
    CHECK(t.time.armed() == 0);
}

TEST_CASE("ten thousand limits, moved and dropped at random, expire as a sorted list says") {
    const bool ticks = GENERATE(false, true);
    asio::io_context context{1};
    auto& time = deadline_service::of(context);
    time.use_manual_time(ticks);
    const auto late = ticks ? 2 * deadline_service::tick : steady_clock::duration(0);
    std::minstd_rand random(7); // NOLINT
    constexpr std::size_t many = 10'000;
    std::vector<std::unique_ptr<counted>> all;
    std::vector<std::optional<steady_clock::time_point>> due(many);
    for (std::size_t i = 0; i < many; ++i) all.push_back(std::make_unique<counted>(time));
    const auto arm = [&](std::size_t i) {
        const auto after = std::chrono::milliseconds(random() % 200'000);
        all[i]->limit.arm(after);
        due[i] = time.now() + after;
    };
    for (std::size_t i = 0; i < many; ++i) arm(i);
    CHECK(time.armed() == many);
    for (int step = 0; step < 100; ++step) {
        const auto now = time.now() + 3s;
        time.advance(3s);
        for (std::size_t i = 0; i < many; ++i) {
            if (!due[i]) continue;
            if (all[i]->expired != 0) {
                REQUIRE(all[i]->at >= *due[i]);
                all[i]->expired = 0;
                due[i].reset();
            } else {
                REQUIRE(*due[i] + late > now);
            }
        }
        for (int k = 0; k < 300; ++k) {
            const std::size_t i = random() % many;
            if (random() % 3 == 0) {
                all[i]->limit.disarm();
                due[i].reset();
            } else if (step < 30) {
                arm(i);
            }
        }
    }
    CHECK(time.armed() == 0);
}

TEST_CASE("a limit may be destroyed inside its own function") {
    const auto after = GENERATE(as<steady_clock::duration>(), 5ms, 5s);
    const bool ticks = GENERATE(false, true);
    struct suicidal {
        explicit suicidal(deadline_service& s)
            : limit(s, this, [](void* self) { delete static_cast<suicidal*>(self); }) {}
        deadline limit;
    };
    asio::io_context context{1};
    auto& time = deadline_service::of(context);
    time.use_manual_time(ticks);
    (new suicidal(time))->limit.arm(after);
    time.advance(after + 1s);
    CHECK(time.armed() == 0);
}

TEST_CASE("a limit that expires may destroy the one that would expire next") {
    const auto after = GENERATE(as<steady_clock::duration>(), 5ms, 5s);
    const bool ticks = GENERATE(false, true);
    asio::io_context context{1};
    auto& time = deadline_service::of(context);
    time.use_manual_time(ticks);
    std::unique_ptr<counted> second;
    deadline first(time, &second,
                   [](void* owner) { static_cast<std::unique_ptr<counted>*>(owner)->reset(); });
    first.arm(after);
    second = std::make_unique<counted>(time);
    second->limit.arm(after);
    time.advance(after + 1s);
    CHECK(second == nullptr);
    CHECK(time.armed() == 0);
}

TEST_CASE("a limit may be armed again inside its own function, and then waits for its time again") {
    const auto after = GENERATE(as<steady_clock::duration>(), 0ms, 5ms, 5s);
    const bool ticks = GENERATE(false, true);
    struct periodic {
        periodic(deadline_service& s, steady_clock::duration p)
            : period(p), limit(s, this, [](void* self) {
                  auto& me = *static_cast<periodic*>(self);
                  if (++me.times < 3) me.limit.arm(me.period);
              }) {}
        steady_clock::duration period;
        int times = 0;
        deadline limit;
    };
    asio::io_context context{1};
    auto& time = deadline_service::of(context);
    time.use_manual_time(ticks);
    periodic p(time, after);
    p.limit.arm(after);
    for (int i = 1; i <= 3; ++i) {
        time.advance(after + (ticks && after >= 1s ? 2 * deadline_service::tick : 0ms));
        CHECK(p.times == i);
    }
    CHECK(time.armed() == 0);
}

TEST_CASE("a limit that expires may push on, or drop, one that is due in the same sweep") {
    const auto after = GENERATE(as<steady_clock::duration>(), 5ms, 5s);
    const bool ticks = GENERATE(false, true);
    const bool drop = GENERATE(false, true);
    asio::io_context context{1};
    auto& time = deadline_service::of(context);
    time.use_manual_time(ticks);
    counted second(time);
    struct pusher {
        counted* other;
        bool drop;
    } push{&second, drop};
    deadline first(time, &push, [](void* owner) {
        auto& p = *static_cast<pusher*>(owner);
        if (p.drop)
            p.other->limit.disarm();
        else
            p.other->limit.arm(30s);
    });
    first.arm(after);
    second.limit.arm(after);
    time.advance(after + 1s);
    CHECK(second.expired == 0);
    time.advance(31s);
    CHECK(second.expired == (drop ? 0 : 1));
}

// with the real clock: few, since they wait
// --------------------------------------------------------------------------

TEST_CASE(
    "with the real clock limits of both kinds expire, none early, and then the context runs out of work") {
    world w(world::clock::real);
    counted precise(w.time), coarse(w.time);
    const auto begin = steady_clock::now();
    precise.limit.arm(30ms);
    coarse.limit.arm(1s);
    w.run();
    CHECK(precise.expired == 1);
    CHECK(coarse.expired == 1);
    CHECK(precise.at - begin >= 30ms);
    CHECK(coarse.at - begin >= 1s);
}

TEST_CASE("a context with nothing armed any more runs out of work, however far away the limit was") {
    world w(world::clock::real);
    counted c(w.time);
    SECTION("a coarse one, disarmed") {
        c.limit.arm(1h);
        c.limit.disarm();
    }
    SECTION("a precise one, disarmed") {
        c.limit.arm_at(steady_clock::now() + 1h);
        c.limit.disarm();
    }
    SECTION("a precise one that became a coarse one, disarmed") {
        c.limit.arm_at(steady_clock::now() + 1h);
        c.limit.arm(1h);
        c.limit.disarm();
    }
    SECTION("a precise one, destroyed") {
        counted gone(w.time);
        gone.limit.arm_at(steady_clock::now() + 1h);
    }
    SECTION("disarmed by another one that expires") {
        deadline other(w.time, &c, [](void* owner) { static_cast<counted*>(owner)->limit.disarm(); });
        c.limit.arm_at(steady_clock::now() + 1h);
        other.arm(1ms);
        w.run(); // the watchdog is the check
        return;
    }
    w.run();
    CHECK(c.expired == 0);
}

TEST_CASE("a precise limit that is armed after the timer went to sleep for a later one is not late for it") {
    world w(world::clock::real);
    counted far(w.time), near(w.time);
    far.limit.arm_at(steady_clock::now() + 1h);
    asio::post(w.context, [&] { near.limit.arm(1ms); });
    w.until([&] { return near.expired == 1; });
    CHECK(far.expired == 0);
    far.limit.disarm();
    near.limit.arm(1ms); // and after the timer was stopped
    w.run();
    CHECK(near.expired == 2);
}

// lifetimes
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("a context may be destroyed with limits armed; they never expire and may outlive it") {
    const bool manual = GENERATE(true, false);
    std::vector<std::unique_ptr<counted>> survivors;
    {
        asio::io_context context{1};
        auto& time = deadline_service::of(context);
        if (manual) time.use_manual_time();
        for (const steady_clock::duration after : {steady_clock::duration(1ms), steady_clock::duration(5s)}) {
            survivors.push_back(std::make_unique<counted>(time));
            survivors.back()->limit.arm(after);
        }
        context.poll();
    }
    for (const auto& c : survivors) {
        CHECK_FALSE(c->limit.armed());
        c->limit.disarm();
    }
    survivors.clear();
}

TEST_CASE("each context has a time of its own") {
    world here, there;
    counted c(here.time), d(there.time);
    c.limit.arm(1s);
    d.limit.arm(1s);
    here.time.advance(1s);
    CHECK(c.expired == 1);
    CHECK(d.expired == 0);
    CHECK(&deadline_service::of(here.context.get_executor()) == &here.time);
    CHECK(&here.time != &there.time);
}
