// SPDX-License-Identifier: BSL-1.0
// What needs a name server of its own is tested with `connect`.
#include <portunus/net/resolver.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <portunus/testing/run.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::address_family;
using portunus::errc;
using portunus::resolve;
using portunus::resolve_name;
using portunus::testing::destroy_at_every_point;

namespace {
using addresses = std::vector<asio::ip::address>;
const asio::ip::address v4 = asio::ip::make_address("127.0.0.1"), v6 = asio::ip::make_address("::1");
} // namespace

TEST_CASE("an address as text is its own answer, and nobody is asked") {
    world w;
    for (const char* text : {"10.0.0.7", "::1", "fe80::1%1", "::ffff:10.0.0.7"}) {
        CAPTURE(text);
        auto asked = w.start(resolve(text));
        w.settle(); // at once
        REQUIRE(asked.done());
        CHECK(must(asked.get()) == addresses{asio::ip::make_address(text)});
    }
    auto other = w.start(resolve("10.0.0.7", {.family = address_family::v6}));
    w.run();
    const auto failed = other.get();
    CHECK(error_of(failed) == errc::host_not_found);
    CHECK(failed.error().detail().find("10.0.0.7") != std::string_view::npos);
}

TEST_CASE("this machine's own name has its addresses, of the family that is wanted") {
    world w;
    const auto family = GENERATE(address_family::any, address_family::v4);
    auto asked = w.start(resolve("localhost", {.family = family}));
    w.until([&] { return asked.done(); });
    const auto found = must(asked.get());
    CHECK(std::find(found.begin(), found.end(), v4) != found.end());
    if (family == address_family::v4) CHECK(found == addresses{v4});
    w.run();
}

TEST_CASE("an address has the name that the system knows for it") {
    world w;
    auto asked = w.start(resolve_name(v4));
    w.until([&] { return asked.done(); });
    CHECK_FALSE(must(asked.get()).empty());
    w.run();
}

TEST_CASE("a text that cannot be a name is refused with its flaw, and nobody is asked") {
    struct row {
        std::string name;
        const char* flaw;
    };
    const auto label = [](std::size_t n) { return std::string(n, 'a'); };
    const row r = GENERATE_COPY(
        row{"", "is empty"}, row{".", "empty label"}, row{"a..b", "empty label"}, row{".a", "empty label"},
        row{"with blank", "a byte 32"}, row{"tab\there", "a byte 9"}, row{"http://host", "a byte 58"},
        row{"host:80", "a byte 58"}, row{"10.0.0.0/8", "a byte 47"}, row{"user@host", "a byte 64"},
        row{"a..local", "empty label"}, row{"my hub.local", "a byte 32"},
        row{label(64), "more than 63 bytes"}, row{label(64) + ".test", "more than 63 bytes"},
        row{label(63) + "." + label(63) + "." + label(63) + "." + label(62), "254 bytes"});
    CAPTURE(r.name);
    world w;
    auto asked = w.start(resolve(r.name));
    w.settle();
    REQUIRE(asked.done());
    const auto failed = asked.get();
    CHECK(error_of(failed) == errc::invalid_name);
    CHECK(failed.error() == portunus::condition::malformed);
    CHECK(failed.error().detail().find(r.flaw) != std::string_view::npos);
}

TEST_CASE("a text that may be a name passes the check") {
    using portunus::detail::flaw_of_name;
    const auto label = [](std::size_t n) { return std::string(n, 'a'); };
    for (const std::string& name :
         {std::string("a"), std::string("host.example."), std::string("_sip._tcp.example"),
          std::string("123.example"), std::string("xn--bcher-kva.example"),
          std::string("b\xc3\xbc"
                      "cher.example"),
          label(63), label(63) + "." + label(63) + "." + label(63) + "." + label(61)})
        CHECK(flaw_of_name(name).empty());
}

TEST_CASE("many questions at the same time are all answered") {
    world w;
    std::vector<portunus::testing::started<portunus::result<addresses>>> asked;
    for (int i = 0; i < 100; ++i) asked.push_back(w.start(resolve("localhost")));
    w.until([&] {
        return std::all_of(asked.begin(), asked.end(), [](const auto& each) { return each.done(); });
    });
    for (auto& each : asked) CHECK_FALSE(must(each.get()).empty());
    w.run();
}

TEST_CASE("more questions than may wait are refused, and the others are answered") {
    world w;
    std::vector<portunus::testing::started<portunus::result<addresses>>> asked;
    constexpr std::size_t many = portunus::detail::name_service::most_waiting * 2;
    for (std::size_t i = 0; i < many; ++i) asked.push_back(w.start(resolve("localhost")));
    w.until([&] {
        return std::all_of(asked.begin(), asked.end(), [](const auto& each) { return each.done(); });
    });
    std::size_t answered = 0;
    for (auto& each : asked) {
        const auto outcome = each.get();
        if (outcome)
            ++answered;
        else
            REQUIRE(error_of(outcome) == errc::queue_full);
    }
    CHECK(answered >= portunus::detail::name_service::most_waiting);
    w.run();
}

TEST_CASE("a cancelled question is left alone at once, and nothing of it stays armed") {
    world w;
    auto asked = w.start(resolve("localhost"));
    w.settle();
    asked.cancel();
    w.settle();
    CHECK(asked.done()); // answered or cancelled, but not waiting
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("resolving can be destroyed at every point") {
    struct scene {
        awaitable<void> operator()() {
            auto found = co_await resolve("localhost");
            auto name = co_await resolve_name(v4);
            (void)found;
            (void)name;
        }
    };
    CHECK(destroy_at_every_point([](asio::io_context&) { return scene{}; }) > 1);
}
