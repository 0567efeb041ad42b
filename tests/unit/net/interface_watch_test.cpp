// SPDX-License-Identifier: BSL-1.0
// What a real kernel says of real interfaces is tried in tests/integration/network_test.cpp.
#include <portunus/net/interface_watch.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/netlink_support.hpp"

#include <portunus/testing/run.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <net/if.h>

using namespace portunus_tests;
using portunus::errc;
using portunus::error;
using portunus::interface_event;
using portunus::interface_watch;
using portunus::network_interface;
using portunus::detail::interface_watch_state;
using portunus::testing::destroy_at_every_point;

namespace {

/// A watch whose kernel is the test.
struct scene {
    explicit scene(asio::io_context& context, const std::vector<network_interface>& present = {})
        : watch(interface_watch_state::make(context.get_executor(), kernel.take_end(), present)) {}
    scripted_kernel kernel;
    interface_watch watch;
};

awaitable<void> follow(interface_watch& watch, std::vector<std::string>& lines, error& end) {
    for (;;) {
        auto change = co_await watch.next();
        if (!change) {
            end = change.error();
            co_return;
        }
        lines.push_back(to_string(*change));
    }
}

} // namespace

TEST_CASE("next waits for a change and completes with it") {
    world w;
    scene s(w.context, {known(4, "eth0", false)});
    auto next = w.start(s.watch.next());
    w.settle();
    CHECK_FALSE(next.done());
    s.kernel.say(new_link(4, "eth0", IFF_UP)); // no change
    w.settle();
    CHECK_FALSE(next.done());
    s.kernel.say(new_link(4, "eth0", working));
    w.until([&] { return next.done(); });
    const auto change = must(next.get());
    CHECK(change.kind == interface_event::up);
    CHECK(change.index == 4);
    CHECK(change.name == "eth0");
    w.run(); // nothing is left that keeps the context alive
}

TEST_CASE("changes that nobody waited for are there later, in order, several of one datagram one by one") {
    world w;
    scene s(w.context);
    s.kernel.say(joined({new_link(4, "eth0", working), new_address(4, "10.0.0.7")}));
    s.kernel.say(no_link(4, "eth0"));
    std::vector<std::string> lines;
    error end;
    w.spawn(follow(s.watch, lines, end));
    w.until([&] { return lines.size() == 4; });
    CHECK(lines == std::vector<std::string>{"eth0 added", "eth0 up", "eth0 address added 10.0.0.7/24",
                                            "eth0 removed"});
    s.watch.close();
    w.run();
    CHECK(end == errc::closed_locally);
}

TEST_CASE("one may wait at a time, and the second one is told") {
    world w;
    scene s(w.context);
    auto first = w.start(s.watch.next());
    w.settle();
    auto second = w.start(s.watch.next());
    w.settle();
    REQUIRE(second.done());
    CHECK(error_of(second.get()) == errc::operation_in_progress);
    s.kernel.say(new_link(4, "eth0", 0));
    w.until([&] { return first.done(); });
    CHECK(must(first.get()).kind == interface_event::added);
    auto third = w.start(s.watch.next());
    w.settle();
    CHECK_FALSE(third.done());
    third.cancel();
    w.run();
    CHECK(error_of(third.get()) == errc::canceled);
}

TEST_CASE("a call that is cancelled loses no change, neither one that is there nor one that comes") {
    world w;
    scene s(w.context);
    auto waiting = w.start(s.watch.next());
    w.settle();
    waiting.cancel();
    s.kernel.say(joined({new_link(4, "eth0", 0), new_link(5, "eth1", 0)}));
    w.run();
    CHECK(error_of(waiting.get()) == errc::canceled);
    auto early = w.start(s.watch.next()); // cancelled before it has begun
    early.cancel();
    w.run();
    CHECK(error_of(early.get()) == errc::canceled);
    std::vector<std::string> lines;
    error end;
    w.spawn(follow(s.watch, lines, end));
    w.until([&] { return lines.size() == 2; });
    CHECK(lines == std::vector<std::string>{"eth0 added", "eth1 added"});
    s.watch.close();
    w.run();
}

TEST_CASE("close ends a call that waits, and every later one; a watch that was moved from is closed") {
    world w;
    scene s(w.context);
    CHECK(s.watch.is_open());
    auto next = w.start(s.watch.next());
    w.settle();
    s.watch.close();
    s.watch.close();
    CHECK_FALSE(s.watch.is_open());
    w.run();
    CHECK(error_of(next.get()) == errc::closed_locally);
    auto later = w.start(s.watch.next());
    w.run();
    CHECK(error_of(later.get()) == errc::closed_locally);
    interface_watch other = std::move(s.watch);
    CHECK_FALSE(s.watch.is_open()); // NOLINT: moved-from is what is tested
    auto none = w.start(s.watch.next());
    w.run();
    CHECK(error_of(none.get()) == errc::closed_locally);
    s.watch.close();
}

TEST_CASE("a watch that is destroyed, or replaced, while somebody waits, tells them so") {
    const bool replaced = GENERATE(false, true);
    world w;
    std::optional<scene> s(std::in_place, w.context);
    scene another(w.context);
    auto next = w.start(s->watch.next());
    w.settle();
    if (replaced)
        s->watch = std::move(another.watch);
    else
        s.reset();
    w.run();
    CHECK(error_of(next.get()) == errc::canceled);
    if (replaced) CHECK(s->watch.is_open());
}

TEST_CASE("a watch may outlive its context") {
    std::optional<interface_watch> watch;
    scripted_kernel kernel;
    {
        world w;
        watch.emplace(interface_watch_state::make(w.context.get_executor(), kernel.take_end(), {}));
        auto next = w.start(watch->next());
        w.settle();
    }
    CHECK_FALSE(watch->is_open());
    watch->close();
    watch.reset();
}

TEST_CASE("a watch can be destroyed at every point") {
    struct body {
        scripted_kernel kernel;
        std::optional<interface_watch> watch;
        explicit body(asio::io_context& context)
            : watch(interface_watch_state::make(context.get_executor(), kernel.take_end(), {})) {
            kernel.say(joined({new_link(4, "eth0", working), new_address(4, "10.0.0.7")}));
            kernel.say(new_link(4, "eth0", working)); // nothing new
            kernel.say(no_link(4, "eth0"));
        }
        awaitable<void> operator()() {
            for (int i = 0; i < 4 && watch; ++i) {
                auto change = co_await watch->next();
                if (!change) co_return;
                co_await asio::post(asio::deferred);
            }
            // And one that waits in vain, until it is cancelled by a close from beside it.
            if (!watch) co_return;
            asio::post(watch->get_executor(), [this] {
                if (watch) watch->close();
            });
            auto last = co_await watch->next();
            CHECK_FALSE(last.has_value());
        }
        void drop() { watch.reset(); }
    };
    CHECK(destroy_at_every_point([](asio::io_context& context) { return body(context); }) > 4);
}

TEST_CASE("news that cannot be read are lost news: overrun, once, and the present is learnt anew") {
    world w;
    scene s(w.context, {known(4, "eth0", true)});
    raw_bytes cut = new_link(4, "eth0", 0);
    cut.erase(cut.end() - 2, cut.end());
    SECTION("malformed") {
        s.kernel.say(cut);
    }
    SECTION("larger than the buffer") {
        s.kernel.say(raw_bytes(40'000));
    }
    s.kernel.say(new_link(77, "old", 0)); // what still waits is older than the look that follows
    std::vector<std::string> lines;
    error end;
    w.spawn(follow(s.watch, lines, end));
    w.until([&] { return !lines.empty(); });
    w.settle();
    CHECK(lines == std::vector<std::string>{"overrun"});
    // The real interfaces are known now, and those of before are not.
    s.kernel.say(new_link(static_cast<int>(::if_nametoindex("lo")), "lo", working));
    s.kernel.say(new_link(1'000'000, "other", 0));
    w.until([&] { return lines.size() > 1; });
    CHECK(lines.at(1) == "other added");
    s.watch.close();
    w.run();
}

TEST_CASE("a kernel that speaks no more is an error and no endless wait") {
    world w;
    scene s(w.context);
    s.kernel.say({});
    auto next = w.start(s.watch.next());
    w.run();
    CHECK(error_of(next.get()) == boost::system::errc::connection_reset);
}

TEST_CASE("a flood of news that say nothing new does not keep the context's other work waiting") {
    world w;
    scene s(w.context, {known(4, "eth0", true)});
    std::size_t queued = 0;
    auto next = w.start(s.watch.next());
    // Every turn of the context adds to what the watch would have to read before it finds nothing.
    struct feeder {
        static awaitable<void> run(scene& on, std::size_t& n) {
            for (; n < 500; ++n) {
                on.kernel.say(new_link(4, "eth0", working));
                co_await asio::post(asio::deferred);
            }
            on.watch.close();
        }
    };
    w.spawn(feeder::run(s, queued));
    w.run();
    CHECK(queued == 500);
    CHECK(error_of(next.get()) == errc::closed_locally);
}

TEST_CASE("a real watch opens, waits and closes") {
    world w;
    auto opened = interface_watch::open(w.context.get_executor());
    REQUIRE(opened.has_value());
    auto next = w.start(opened->next());
    w.settle();
    opened->close();
    w.run();
    CHECK(error_of(next.get()) == errc::closed_locally);
    interface_watch thrown(w.context.get_executor(), 4096);
    CHECK(thrown.is_open());
}
