// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/admission.hpp>

#include "support/catch.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ip = boost::asio::ip;
using namespace std::chrono_literals;
using portunus::admission;
using portunus::admission_options;
using portunus::admission_snapshot;
using portunus::admission_ticket;
using portunus::decided_by;
using portunus::errc;
using portunus::failure;
using portunus::refusal;
using portunus::verdict;
using portunus::when_full;

namespace {

const admission::time_point start{1000h};

ip::address at(const char* text) {
    return ip::make_address(text);
}

ip::address v4(std::uint32_t number) {
    return ip::address_v4(number);
}

std::string refusal_of(const admission_options& options) {
    try {
        const admission house(options);
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_option);
        return std::string(f.reason().detail());
    }
    return "nothing thrown";
}

} // namespace

TEST_CASE("admission lets in as many as it has places, and again when one becomes free") {
    admission house({.max_connections = 2});
    auto first = house.enter(at("10.0.0.1"), start);
    auto second = house.enter(at("10.0.0.1"), start);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(second.answer.reason() == "accepted: 2 of 2 connections are open");
    CHECK(house.full());

    const auto third = house.enter(at("10.0.0.2"), start);
    CHECK(!third);
    CHECK(!third.ticket);
    CHECK(third.answer.why == decided_by::total_cap);
    CHECK(third.answer.reason() == "refused: 2 of 2 connections are open");
    CHECK(third.answer.to_error() == errc::too_many_connections);

    first.ticket.release();
    CHECK(!house.full());
    CHECK(house.enter(at("10.0.0.2"), start));
}

TEST_CASE("a full house refuses as its options say, and resets where it should have waited") {
    for (const auto& [mode, expected] :
         {std::pair(when_full::wait, refusal::reset), std::pair(when_full::reset, refusal::reset),
          std::pair(when_full::close, refusal::close)}) {
        admission house({.max_connections = 1, .full = mode, .refuse_with = refusal::close});
        const auto only = house.enter(at("10.0.0.1"), start);
        CHECK(house.admit(at("10.0.0.2"), start).refuse_with == expected);
        CHECK(house.options().full == mode);
    }
}

TEST_CASE("one address holds at most its share, whatever the others hold") {
    admission house({.max_connections = 10, .max_per_address = 2, .refuse_with = refusal::close});
    CHECK(house.admit(at("10.0.0.1"), start));
    CHECK(house.admit(at("10.0.0.1"), start));
    const verdict third = house.admit(at("10.0.0.1"), start);
    CHECK(!third);
    CHECK(third.why == decided_by::address_cap);
    CHECK(third.refuse_with == refusal::close);
    CHECK(third.reason() == "refused: 2 of 2 connections of 10.0.0.1 are open");
    CHECK(third.to_error() == errc::too_many_connections);
    CHECK(house.admit(at("10.0.0.2"), start));

    CHECK(house.release(at("10.0.0.1")));
    CHECK(house.admit(at("10.0.0.1"), start));
}

TEST_CASE("a connection that nobody admitted cannot be released") {
    for (const std::size_t per_address : {std::size_t{0}, std::size_t{3}}) {
        admission house({.max_connections = 5, .max_per_address = per_address});
        CHECK(!house.release(at("10.0.0.1")));
        CHECK(house.admit(at("10.0.0.1"), start));
        if (per_address != 0) CHECK(!house.release(at("10.0.0.2")));
        CHECK(house.release(at("10.0.0.1")));
        CHECK(!house.release(at("10.0.0.1")));
        CHECK(house.snapshot().open == 0);
    }
}

TEST_CASE("an IPv4 peer counts as one, on whichever kind of socket it arrives") {
    admission house({.max_per_address = 1});
    CHECK(house.admit(at("10.0.0.1"), start));
    CHECK(!house.admit(at("::ffff:10.0.0.1"), start));
    CHECK(house.release(at("::ffff:10.0.0.1")));
    CHECK(house.snapshot().open == 0);
}

TEST_CASE("an IPv6 network counts as one address, link-local hosts one by one") {
    admission house({.max_per_address = 1});
    CHECK(house.admit(at("2001:db8:0:1::1"), start));
    CHECK(house.admit(at("2001:db8:0:1:ffff::9"), start).reason() ==
          "refused: 1 of 1 connections of 2001:db8:0:1::/64 are open");
    CHECK(house.admit(at("2001:db8:0:2::1"), start));
    CHECK(house.release(at("2001:db8:0:1:abcd::")));
    CHECK(house.admit(at("2001:db8:0:1::2"), start));

    const auto link = [](const char* text, std::uint32_t scope) {
        ip::address_v6 address = ip::make_address_v6(text);
        address.scope_id(scope);
        return ip::address(address);
    };
    CHECK(house.admit(link("fe80::1", 2), start));
    CHECK(house.admit(link("fe80::2", 2), start));
    CHECK(house.admit(link("fe80::1", 3), start));
    CHECK(house.admit(link("fe80::1", 2), start).reason() ==
          "refused: 1 of 1 connections of fe80::1%2 are open");
}

TEST_CASE("the width of an IPv6 network can be chosen") {
    admission hosts({.max_per_address = 1, .v6_prefix = 128});
    CHECK(hosts.admit(at("2001:db8::1"), start));
    CHECK(hosts.admit(at("2001:db8::2"), start));
    CHECK(hosts.admit(at("2001:db8::2"), start).reason() ==
          "refused: 1 of 1 connections of 2001:db8::2 are open");

    admission sites({.max_per_address = 1, .v6_prefix = 48});
    CHECK(sites.admit(at("2001:db8:7:1::1"), start));
    CHECK(!sites.admit(at("2001:db8:7:ffff::1"), start));
    CHECK(sites.admit(at("2001:db8:8::1"), start));
}

TEST_CASE("an address connects as often as its rate allows: a burst, then one at a time") {
    admission house({.rate = 4, .rate_interval = 1000ms});
    auto now = start;
    for (int i = 0; i < 4; ++i) CHECK(house.admit(at("10.0.0.1"), now));
    const verdict fifth = house.admit(at("10.0.0.1"), now);
    CHECK(!fifth);
    CHECK(fifth.why == decided_by::address_rate);
    CHECK(fifth.reason() == "refused: 10.0.0.1 connects more often than 4 times in 1000 ms");
    CHECK(fifth.to_error() == errc::rate_exceeded);
    CHECK(house.admit(at("10.0.0.2"), now));

    CHECK(!house.admit(at("10.0.0.1"), now + 249ms));
    CHECK(house.admit(at("10.0.0.1"), now + 250ms));
    CHECK(!house.admit(at("10.0.0.1"), now + 251ms));
    CHECK(house.admit(at("10.0.0.1"), now + 500ms));
    // after a rest the burst is back, and no more than the burst
    now += 1h;
    for (int i = 0; i < 4; ++i) CHECK(house.admit(at("10.0.0.1"), now));
    CHECK(!house.admit(at("10.0.0.1"), now));
}

TEST_CASE("the burst can be smaller or larger than the rate") {
    admission strict({.rate = 10, .rate_interval = 1000ms, .burst = 1});
    CHECK(strict.admit(at("10.0.0.1"), start));
    CHECK(!strict.admit(at("10.0.0.1"), start + 99ms));
    CHECK(strict.admit(at("10.0.0.1"), start + 100ms));

    admission generous({.rate = 1, .rate_interval = 1000ms, .burst = 3});
    for (int i = 0; i < 3; ++i) CHECK(generous.admit(at("10.0.0.1"), start));
    CHECK(!generous.admit(at("10.0.0.1"), start + 999ms));
    CHECK(generous.admit(at("10.0.0.1"), start + 1s));
}

TEST_CASE("a peer that hammers still gets its rate, because refusals take no token") {
    admission house({.rate = 10, .rate_interval = 1000ms, .burst = 1});
    int admitted = 0;
    for (auto at_time = 0ms; at_time < 2s; at_time += 1ms)
        if (house.admit(at("10.0.0.1"), start + at_time)) ++admitted;
    CHECK(admitted == 20);
}

TEST_CASE("closing a connection does not give its token back") {
    admission house({.rate = 2, .rate_interval = 1000ms});
    for (int i = 0; i < 2; ++i) CHECK(house.enter(at("10.0.0.1"), start));
    CHECK(house.snapshot().open == 0);
    CHECK(!house.enter(at("10.0.0.1"), start));
    CHECK(house.enter(at("10.0.0.1"), start + 500ms));
}

TEST_CASE("who is refused for one reason is not charged for another") {
    admission house({.max_connections = 3, .max_per_address = 2, .rate = 4, .rate_interval = 1000ms});
    CHECK(house.admit(at("10.0.0.1"), start));
    CHECK(house.admit(at("10.0.0.1"), start));
    for (int i = 0; i < 5; ++i) CHECK(house.admit(at("10.0.0.1"), start).why == decided_by::address_cap);
    CHECK(house.admit(at("10.0.0.2"), start));
    for (int i = 0; i < 5; ++i) CHECK(house.admit(at("10.0.0.1"), start).why == decided_by::total_cap);
    // two tokens are left
    for (int i = 0; i < 2; ++i) {
        CHECK(house.release(at("10.0.0.1")));
        CHECK(house.admit(at("10.0.0.1"), start));
    }
    CHECK(house.release(at("10.0.0.1")));
    CHECK(house.admit(at("10.0.0.1"), start).why == decided_by::address_rate);
}

TEST_CASE("a clock that runs backwards neither locks a peer out nor breaks the counts") {
    admission house({.rate = 2, .rate_interval = 1000ms});
    CHECK(house.enter(at("10.0.0.1"), start + 10s));
    CHECK(!house.enter(at("10.0.0.1"), start)); // its bucket is full ten seconds from there
    CHECK(house.enter(at("10.0.0.1"), start + 10s));
    CHECK(house.snapshot().open == 0);
}

TEST_CASE("the table of addresses is bounded under attack, and nobody is refused because of it") {
    admission house({.max_connections = 100, .rate = 1, .rate_interval = 3600s, .max_remembered = 50});
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        REQUIRE(house.enter(v4(i), start));
        REQUIRE(house.snapshot().tracked <= 51);
    }
    const admission_snapshot counts = house.snapshot();
    CHECK(counts.tracked == 50);
    CHECK(counts.forgotten == 9'950);
    // the latest are remembered, the earliest are not
    CHECK(!house.enter(v4(9'999), start));
    CHECK(!house.enter(v4(9'950), start));
    CHECK(house.enter(v4(0), start));
}

TEST_CASE("an address with open connections is never forgotten") {
    admission house({.max_connections = 10,
                     .max_per_address = 1,
                     .rate = 1,
                     .rate_interval = 3600s,
                     .max_remembered = 3});
    const auto stays = house.enter(at("192.168.1.1"), start);
    for (std::uint32_t i = 0; i < 100; ++i) CHECK(house.enter(v4(i), start));
    CHECK(house.enter(at("192.168.1.1"), start).answer.why == decided_by::address_cap);
    CHECK(house.snapshot().tracked == 4);
}

TEST_CASE("addresses whose bucket is full again leave the table by and by") {
    admission house({.rate = 10, .rate_interval = 1000ms});
    for (std::uint32_t i = 0; i < 1000; ++i) CHECK(house.enter(v4(i), start));
    CHECK(house.snapshot().tracked == 1000);
    for (int i = 0; i < 1000; ++i) CHECK(house.enter(at("192.168.1.1"), start + 1s + i * 1s));
    CHECK(house.snapshot().tracked == 1);
    CHECK(house.snapshot().forgotten == 0);
}

TEST_CASE("without limits for one address nothing is kept about addresses") {
    admission house;
    std::vector<admission_ticket> tickets;
    for (std::uint32_t i = 0; i < 100; ++i) tickets.push_back(house.enter(v4(i), start).ticket);
    CHECK(house.snapshot().tracked == 0);
    CHECK(house.snapshot().open == 100);
    tickets.clear();
    CHECK(house.snapshot().open == 0);
}

TEST_CASE("with a cap alone an address is kept only while it has connections") {
    admission house({.max_per_address = 3});
    {
        const auto one = house.enter(at("10.0.0.1"), start);
        const auto two = house.enter(at("10.0.0.2"), start);
        CHECK(house.snapshot().tracked == 2);
    }
    CHECK(house.snapshot().tracked == 0);
}

TEST_CASE("the counts of a snapshot tell every outcome apart") {
    admission house({.max_connections = 3, .max_per_address = 2, .rate = 2, .rate_interval = 1000ms});
    CHECK(house.admit(at("10.0.0.1"), start));
    CHECK(house.admit(at("10.0.0.1"), start));
    CHECK(!house.admit(at("10.0.0.1"), start)); // its share
    CHECK(house.release(at("10.0.0.1")));
    CHECK(!house.admit(at("10.0.0.1"), start)); // its rate
    CHECK(house.admit(at("10.0.0.2"), start));
    CHECK(house.admit(at("10.0.0.3"), start));
    CHECK(!house.admit(at("10.0.0.4"), start)); // the total
    CHECK(house.release(at("10.0.0.3")));
    const admission_snapshot counts = house.snapshot();
    CHECK(counts.admitted == 4);
    CHECK(counts.open == 2);
    CHECK(counts.most_open == 3);
    CHECK(counts.refused_total_cap == 1);
    CHECK(counts.refused_address_cap == 1);
    CHECK(counts.refused_address_rate == 1);
    CHECK(counts.forgotten == 0);
}

TEST_CASE("a ticket gives its place back once, whoever holds it at last") {
    admission house({.max_per_address = 5});
    auto entry = house.enter(at("10.0.0.1"), start);
    CHECK(house.snapshot().open == 1);
    {
        admission_ticket moved = std::move(entry.ticket);
        CHECK(!entry.ticket); // NOLINT: a moved-from ticket is empty
        CHECK(moved);
        admission_ticket other = house.enter(at("10.0.0.2"), start).ticket;
        CHECK(house.snapshot().open == 2);
        other = std::move(moved);
        CHECK(house.snapshot().open == 1);
        admission_ticket& self = other;
        other = std::move(self);
        CHECK(other);
    }
    CHECK(house.snapshot().open == 0);
    entry.ticket.release();
    CHECK(house.snapshot().open == 0);
}

TEST_CASE("a ticket may outlive its admission, and copies of an admission share its counts") {
    admission_ticket ticket;
    {
        std::optional<admission> house(admission({.max_connections = 1}));
        const admission copy = *house;
        ticket = house->enter(at("10.0.0.1"), start).ticket;
        CHECK(copy.full());
        const admission moved = std::move(*house);
        CHECK(moved.full());
        CHECK(house->full()); // NOLINT: moving a handle copies it
    }
    CHECK(ticket);
    ticket.release();
}

TEST_CASE("whoever waits for a place is told once, and only when there was none") {
    admission house({.max_connections = 1});
    int told = 0;
    CHECK(house.notify_when_free([&] { ++told; }) == 0);

    auto entry = house.enter(at("10.0.0.1"), start);
    const auto first = house.notify_when_free([&] { ++told; });
    const auto second = house.notify_when_free([&] { told += 10; });
    CHECK(first != 0);
    CHECK(second != 0);
    CHECK(first != second);
    house.forget(second);
    CHECK(told == 0);
    entry.ticket.release();
    CHECK(told == 1);

    entry = house.enter(at("10.0.0.1"), start);
    entry.ticket.release();
    CHECK(told == 1);
    house.forget(first); // long gone
    house.forget(0);
}

TEST_CASE("everybody who waits is told, and whoever could not be told is told at the next place") {
    admission house({.max_connections = 1});
    auto entry = house.enter(at("10.0.0.1"), start);
    std::string told;
    int tries = 0;
    house.notify_when_free([&] { told += 'a'; });
    house.notify_when_free([&] {
        if (++tries == 1) throw std::runtime_error("no memory to post");
        told += 'b';
    });
    house.notify_when_free([&] { told += 'c'; });
    entry.ticket.release();
    CHECK(told == "ac");
    entry = house.enter(at("10.0.0.1"), start);
    entry.ticket.release();
    CHECK(told == "acb");
}

TEST_CASE("what a waiting listener owned may use the admission while it is destroyed") {
    admission house({.max_connections = 2});
    auto first = house.enter(at("10.0.0.1"), start).ticket;
    auto owned = std::make_shared<admission_ticket>(house.enter(at("10.0.0.2"), start).ticket);
    house.notify_when_free([owned] { CHECK(*owned); });
    const auto withdrawn = house.notify_when_free([owned] { FAIL("it was withdrawn"); });
    owned.reset();
    house.forget(withdrawn);
    first.release(); // tells the waiter, whose end releases the other place
    CHECK(house.snapshot().open == 0);
}

TEST_CASE("the counts stay right when many threads enter and leave") {
    admission house({.max_connections = 8, .max_per_address = 3, .rate = 1'000'000, .max_remembered = 4});
    std::atomic<int> told{0};
    std::atomic<bool> too_many{false};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            std::vector<admission_ticket> mine;
            for (int i = 0; i < 3000; ++i) {
                auto entry = house.enter(v4(static_cast<std::uint32_t>(random() % 6)),
                                         start + std::chrono::milliseconds(i));
                if (entry) mine.push_back(std::move(entry.ticket));
                if (house.snapshot().open > 8) too_many = true;
                if (house.full()) {
                    const auto number = house.notify_when_free([&] { ++told; });
                    if (random() % 2 == 0) house.forget(number);
                }
                if (mine.size() > random() % 4) mine.pop_back();
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(!too_many);
    CHECK(house.snapshot().open == 0);
    CHECK(house.snapshot().tracked <= 4);
}

TEST_CASE("admission decides as a naive model does, over random comings and goings") {
    std::mt19937 random(31337);
    for (int round = 0; round < 60; ++round) {
        admission_options options;
        options.max_connections = random() % 6 + 2;
        options.max_per_address = random() % 4;
        options.rate = static_cast<std::uint32_t>(random() % 3 * 2);
        options.rate_interval = 1000ms;
        admission house(options);

        std::map<std::uint32_t, std::size_t> open;
        std::map<std::uint32_t, double>
            tokens; // a bucket that is filled little by little, as textbooks have it
        std::size_t total = 0;
        auto now = start;
        for (int step = 0; step < 400; ++step) {
            const auto passed = std::chrono::milliseconds(random() % 4 * 125);
            now += passed;
            const double burst = options.rate;
            for (auto& [host, count] : tokens)
                count = std::min(burst, count + burst * std::chrono::duration<double>(passed).count());
            const auto host = static_cast<std::uint32_t>(random() % 4);
            if (random() % 3 == 0) {
                const bool could = open[host] > 0;
                if (options.max_per_address == 0 && options.rate == 0 && !could)
                    continue; // not told apart then
                CHECK(house.release(v4(host)) == could);
                if (could) --open[host], --total;
                continue;
            }
            const double available = tokens.try_emplace(host, burst).first->second;
            const auto expected = total >= options.max_connections ? decided_by::total_cap
                                  : options.max_per_address != 0 && open[host] >= options.max_per_address
                                      ? decided_by::address_cap
                                  : options.rate != 0 && available < 1 ? decided_by::address_rate
                                                                       : decided_by::room;
            const verdict answer = house.admit(v4(host), now);
            REQUIRE(answer.why == expected);
            REQUIRE(answer.accepted == (expected == decided_by::room));
            if (!answer) continue;
            ++open[host];
            ++total;
            tokens[host] -= 1;
        }
        CHECK(house.snapshot().open == total);
    }
}

TEST_CASE("an admission option out of its range is refused by name, with what is allowed") {
    struct row {
        admission_options options;
        std::string detail;
    };
    for (const auto& [options, detail] : {
             row{{.max_connections = 0}, "max_connections = 0; allowed: 1 to 10000000"},
             row{{.max_connections = 10'000'001}, "max_connections = 10000001; allowed: 1 to 10000000"},
             row{{.max_per_address = 10'000'001}, "max_per_address = 10000001; allowed: 0 to 10000000"},
             row{{.rate = 1'000'001}, "rate = 1000001; allowed: 0 to 1000000"},
             row{{.rate = 1, .rate_interval = 0ms}, "rate_interval = 0 ms; allowed: 1 ms to 86400000 ms"},
             row{{.rate = 1, .rate_interval = 25h},
                 "rate_interval = 90000000 ms; allowed: 1 ms to 86400000 ms"},
             row{{.rate = 1, .burst = 1'000'001}, "burst = 1000001; allowed: 0 to 1000000"},
             row{{.burst = 5}, "burst = 5 without a rate; allowed: a rate above 0, or no burst"},
             row{{.rate = 1, .rate_interval = 24h, .burst = 31},
                 "burst = 31 takes more than 30 days to come back at this rate"},
             row{{.v6_prefix = 0}, "v6_prefix = 0; allowed: 1 to 128"},
             row{{.v6_prefix = 129}, "v6_prefix = 129; allowed: 1 to 128"},
             row{{.max_remembered = 10'000'001}, "max_remembered = 10000001; allowed: 0 to 10000000"},
             row{{.max_connections = 1, .rate = 1'000'000, .rate_interval = 1ms, .burst = 1'000'000},
                 "nothing thrown"},
             row{{.rate = 1, .rate_interval = 24h, .burst = 30}, "nothing thrown"},
         })
        CHECK(refusal_of(options) == detail);
}
