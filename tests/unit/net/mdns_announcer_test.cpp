// SPDX-License-Identifier: BSL-1.0
// On the loopback of this machine, on a port of the test's own. What real links add is in
// tests/integration/mdns_test.cpp, what a responder decides in detail/mdns_responder_test.cpp.
#include <portunus/net/mdns_announcer.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/mdns_support.hpp"

#include <portunus/net/mdns_browse.hpp>
#include <portunus/testing/run.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::mdns_announcer;
using portunus::mdns_announcer_options;
using portunus::mdns_browse;
using portunus::mdns_find;
using portunus::testing::destroy_at_every_point;

TEST_CASE("what is announced is found by its type, with where it listens and what it says of itself") {
    world w;
    mdns_world net;
    mdns_announcer announcer(
        w.context.get_executor(),
        net.announcing("hub", {{"Study No. 1", "_portunus._tcp", 7001, {{"rooms", "4"}, {"Empty", ""}}}}));
    announce(w, announcer);
    CHECK(announcer.host() == "hub.local");
    CHECK(announcer.links() >= 1);
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    const auto found = must(answer_of(w, asked));
    REQUIRE(found.size() == 1);
    CHECK(found[0].name == "Study No. 1");
    CHECK(found[0].type == "_portunus._tcp");
    CHECK(found[0].host == "hub.local");
    CHECK(found[0].port == 7001);
    CHECK(found[0].complete());
    CHECK(std::count(found[0].addresses.begin(), found[0].addresses.end(),
                     asio::ip::make_address("127.0.0.1")) == 1);
    REQUIRE(found[0].find("ROOMS"));
    CHECK(*found[0].find("ROOMS") == "4");
    CHECK(found[0].find("empty")->empty());
    CHECK(found[0].find("other") == nullptr);
    CHECK(announcer.counters().malformed == 0);
}

TEST_CASE("a service is found by its name as soon as it has said where it is") {
    world w;
    mdns_world net;
    mdns_announcer announcer(
        w.context.get_executor(),
        net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}, {"Den", "_portunus._tcp", 7002, {}}}));
    announce(w, announcer);
    auto asked = w.start(mdns_find("den", "_portunus._tcp", net.browsing()));
    w.until([&] { return asked.done(); }); // no time passes
    const auto found = must(asked.get());
    CHECK(found.name == "Den"); // as its owner writes it
    CHECK(found.port == 7002);
    auto nobody = w.start(mdns_find("Attic", "_portunus._tcp", net.browsing()));
    const auto failed = answer_of(w, nobody);
    CHECK(error_of(failed) == errc::no_answer);
    CHECK(error_of(failed).detail().find("\"Attic\"") != std::string_view::npos);
}

TEST_CASE("two announcers of one machine share the port, and both are heard") {
    world w;
    mdns_world net;
    mdns_announcer one(w.context.get_executor(),
                       net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}}));
    mdns_announcer two(w.context.get_executor(),
                       net.announcing("hub", {{"Den", "_portunus._tcp", 7002, {}}}));
    announce(w, one);
    announce(w, two);
    CHECK(one.host() == "hub.local"); // the same addresses: no conflict
    CHECK(two.host() == "hub.local");
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    const auto found = must(answer_of(w, asked));
    REQUIRE(found.size() == 2);
    CHECK(found[0].name == "Den");
    CHECK(found[1].name == "Study");
}

TEST_CASE("a name that another one has gets a number, and it is told") {
    world w;
    mdns_world net;
    mdns_announcer one(w.context.get_executor(),
                       net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}}));
    announce(w, one);
    log_book book;
    std::vector<std::string> told;
    auto options = net.announcing("hub", {{"Study", "_portunus._tcp", 7002, {}}});
    options.on_renamed = [&told](const std::string& before, const std::string& now) {
        told.push_back(before + " -> " + now);
    };
    options.log = book.logger();
    mdns_announcer two(w.context.get_executor(), options);
    announce(w, two);
    CHECK(told == std::vector<std::string>{"Study -> Study (2)"});
    CHECK(two.services().front().name == "Study (2)");
    CHECK(one.services().front().name == "Study");
    CHECK(two.conflicts() == 1);
    CHECK(book.count("the service's name is taken before=Study now=Study (2)") == 1);
    auto asked = w.start(mdns_find("Study (2)", "_portunus._tcp", net.browsing()));
    CHECK(must(answer_of(w, asked)).port == 7002);
}

TEST_CASE("what says goodbye while somebody browses is not found") {
    world w;
    mdns_world net;
    std::optional<mdns_announcer> one(std::in_place, w.context.get_executor(),
                                      net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}}));
    mdns_announcer two(w.context.get_executor(),
                       net.announcing("hub", {{"Den", "_portunus._tcp", 7002, {}}}));
    announce(w, *one);
    announce(w, two);
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    for (int i = 0; i < 10; ++i) pass_some(w);
    const bool close = GENERATE(true, false);
    if (close)
        one->close();
    else
        one.reset();
    const auto found = must(answer_of(w, asked));
    REQUIRE(found.size() == 1);
    CHECK(found[0].name == "Den");
    if (close) {
        CHECK_FALSE(one->is_open());
        auto closed = w.start(one->ready());
        w.settle();
        CHECK(error_of(closed.get()) == errc::closed_locally);
    }
}

TEST_CASE("what is malformed or no answer is counted, and neither ends anything") {
    world w;
    mdns_world net;
    mdns_announcer announcer(w.context.get_executor(),
                             net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}}));
    announce(w, announcer);
    portunus::mdns_counters counters;
    auto options = net.browsing();
    options.counters = &counters;
    auto asked = w.start(mdns_browse("_portunus._tcp", options));
    w.settle();
    net.multicast(w, "no message at all");
    net.multicast(w, std::string("\0\0\x84\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 18)); // a loop
    const auto found = must(answer_of(w, asked));
    CHECK(found.size() == 1);
    CHECK(counters.malformed == 2);
    CHECK(counters.received >= 1);
    CHECK(counters.sent >= 1);
    CHECK(announcer.counters().malformed == 2);
    CHECK(announcer.is_open());
}

TEST_CASE("options that cannot be announced are refused, and it is said which") {
    struct row {
        const char* what;
        std::function<void(mdns_announcer_options&)> spoil;
        errc code;
        const char* detail;
    };
    const row r = GENERATE(
        row{"host", [](auto& o) { o.host = "hub.local"; }, errc::invalid_name, "host \"hub.local\""},
        row{"long host", [](auto& o) { o.host = std::string(64, 'x'); }, errc::invalid_name, "1 to 63 bytes"},
        row{"name", [](auto& o) { o.services[0].name = std::string(64, 'x'); }, errc::invalid_name,
            "service"},
        row{"type", [](auto& o) { o.services[0].type = "portunus"; }, errc::invalid_name, "\"portunus\""},
        row{"protocol", [](auto& o) { o.services[0].type = "_portunus._sctp"; }, errc::invalid_name, "._tcp"},
        row{"long type", [](auto& o) { o.services[0].type = "_sixteen-letters-x._tcp"; }, errc::invalid_name,
            "15"},
        row{"byte", [](auto& o) { o.services[0].type = "_a_b._tcp"; }, errc::invalid_name, "hyphens"},
        row{"port", [](auto& o) { o.services[0].port = 0; }, errc::invalid_port, "port 0"},
        row{"key",
            [](auto& o) {
                o.services[0].text = {{"a=b", "c"}};
            },
            errc::invalid_option, "a=b"},
        row{"no key",
            [](auto& o) {
                o.services[0].text = {{"", "c"}};
            },
            errc::invalid_option, "key"},
        row{"value",
            [](auto& o) {
                o.services[0].text = {{"k", std::string(254, 'x')}};
            },
            errc::invalid_option, "254"},
        row{"text",
            [](auto& o) {
                o.services[0].text.assign(14, {"k", std::string(100, 'x')});
            },
            errc::invalid_option, "1300"},
        row{"twice", [](auto& o) { o.services.push_back(o.services[0]); }, errc::invalid_option, "twice"},
        row{"many", [](auto& o) { o.services.resize(65, o.services[0]); }, errc::invalid_option, "64"},
        row{"interface", [](auto& o) { o.interfaces = portunus::interface_list("nosuch0"); },
            errc::no_such_interface, "nosuch0"},
        row{"mdns port", [](auto& o) { o.port = 0; }, errc::invalid_port, "port"});
    CAPTURE(r.what);
    world w;
    mdns_world net;
    auto options = net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}});
    r.spoil(options);
    const auto failed = mdns_announcer::open(w.context.get_executor(), options);
    CHECK(error_of(failed) == r.code);
    CHECK(error_of(failed).detail().find(r.detail) != std::string_view::npos);
}

TEST_CASE("the host has this machine's name, and a service the host's, where none is given") {
    world w;
    mdns_world net;
    mdns_announcer announcer(w.context.get_executor(),
                             net.announcing("", {{"", "_portunus._tcp", 7001, {}}}));
    const std::string own = portunus::detail::machine_name();
    CHECK(announcer.host() == own + ".local");
    CHECK(announcer.services().front().name == own);
}

TEST_CASE("waiting until it is announced has a limit, and can be cancelled") {
    world w;
    mdns_world net;
    mdns_announcer announcer(w.context.get_executor(), net.announcing("hub", {}));
    auto late = w.start(announcer.ready(200ms)), ended = w.start(announcer.ready());
    w.pass(200ms);
    w.settle();
    REQUIRE(late.done());
    const auto failed = late.get();
    CHECK(error_of(failed) == errc::connect_timeout);
    CHECK(error_of(failed).detail().find("hub.local was not announced within 200 ms") !=
          std::string_view::npos);
    ended.cancel();
    w.settle();
    REQUIRE(ended.done());
    CHECK(error_of(ended.get()) == errc::canceled);
}

TEST_CASE("an announcer can be moved, and may outlive its context") {
    mdns_world net;
    std::optional<mdns_announcer> survivor;
    {
        world w;
        mdns_announcer announcer(w.context.get_executor(), net.announcing("hub", {}));
        w.settle();
        survivor.emplace(std::move(announcer));
        *survivor = mdns_announcer(w.context.get_executor(), net.announcing("other", {}));
        w.settle();
        CHECK(survivor->is_open());
    }
    CHECK_FALSE(survivor->is_open());
    survivor.reset();
}

TEST_CASE("an announcer can be destroyed at every point") {
    struct scene {
        explicit scene(asio::io_context& c)
            : announcer(std::in_place, c.get_executor(),
                        net.announcing("hub", {{"Study", "_portunus._tcp", 7001, {}}})) {}
        mdns_world net;
        std::optional<mdns_announcer> announcer;
        awaitable<void> operator()() {
            if (!announcer) co_return;
            auto ready = co_await announcer->ready(0ms);
            (void)ready;
            if (announcer) announcer->close();
        }
        void drop() { announcer.reset(); }
    };
    CHECK(destroy_at_every_point([](asio::io_context& c) { return scene(c); }) > 1);
}
