// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/pending_requests.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

namespace {
using pending = pending_requests<std::unique_ptr<int>>;
using time_point = pending::time_point;
constexpr time_point t0{1h};
constexpr service_id reading = service_id::read_response;

result<pending_handle> add(pending& all, std::uint32_t id, std::chrono::milliseconds in, int number,
                           time_point now = t0) {
    return all.add(reading, data_id(id), now + in, std::make_unique<int>(number));
}
/// The number of the request that is answered; -1 late, -2 unexpected.
int answered(pending& all, std::uint32_t id) {
    auto a = all.take(reading, data_id(id));
    CHECK(a.payload.has_value() == (a.kind == answer_kind::expected));
    return a.payload ? **a.payload : a.kind == answer_kind::late ? -1 : -2;
}
int expired(pending& all, time_point now) {
    const auto e = all.expire(now);
    return e ? *e->payload : -1;
}
} // namespace

TEST_CASE("an answer goes to the oldest request of its service and data") {
    pending all;
    REQUIRE(add(all, 7, 1s, 1).has_value());
    REQUIRE(add(all, 8, 1s, 2).has_value());
    REQUIRE(add(all, 7, 1s, 3).has_value());
    CHECK(answered(all, 8) == 2);
    CHECK(answered(all, 7) == 1);
    CHECK(answered(all, 7) == 3);
    CHECK(answered(all, 7) == -2);
    CHECK(all.take(service_id::write_response, data_id(7)).kind == answer_kind::unexpected);
    CHECK(all.unexpected() == 2);
    CHECK(all.waiting() == 0);
}

TEST_CASE("the late answer of a request that timed out is not taken for the next one's") {
    pending all;
    REQUIRE(add(all, 7, 1s, 1).has_value());
    REQUIRE(add(all, 7, 5s, 2).has_value());
    CHECK(all.next_deadline() == t0 + 1s);
    CHECK_FALSE(all.expire(t0 + 999ms));
    auto gone = all.expire(t0 + 1s);
    REQUIRE(gone);
    CHECK(*gone->payload == 1);
    CHECK(gone->response == reading);
    CHECK(gone->id == data_id(7));
    CHECK(gone->misses == 1);
    CHECK_FALSE(all.expire(t0 + 1s));
    CHECK(all.waiting() == 1);
    CHECK(all.tombstones() == 1);
    CHECK(answered(all, 7) == -1);
    CHECK(answered(all, 7) == 2);
    CHECK(all.late() == 1);
}

TEST_CASE("a request that was cancelled leaves a tombstone, one that was never sent does not") {
    pending all;
    const auto first = add(all, 7, 1s, 1).value(), second = add(all, 7, 1s, 2).value();
    REQUIRE(add(all, 7, 1s, 3).has_value());
    CHECK(**all.withdraw(second) == 2);
    CHECK(**all.cancel(first, t0) == 1);
    CHECK_FALSE(all.cancel(first, t0));
    CHECK_FALSE(all.withdraw(first));
    CHECK_FALSE(all.withdraw(second));
    CHECK(answered(all, 7) == -1);
    CHECK(answered(all, 7) == 3);
}

TEST_CASE("a handle of a request that has ended means no other one, though its slot is used again") {
    pending all;
    const auto old = add(all, 7, 1s, 1).value();
    CHECK(answered(all, 7) == 1);
    const auto fresh = add(all, 9, 1s, 2).value();
    CHECK(old.slot == fresh.slot);
    CHECK_FALSE(all.cancel(old, t0));
    CHECK_FALSE(all.cancel(pending_handle{}, t0));
    CHECK(answered(all, 9) == 2);
}

TEST_CASE("requests expire in the order of their deadlines, whatever the order in which they were sent") {
    pending all;
    const std::vector<int> deadlines = {50, 10, 40, 30, 20, 60, 15, 45};
    for (const int d : deadlines)
        REQUIRE(add(all, static_cast<std::uint32_t>(d % 3), d * 1ms, d).has_value());
    std::vector<int> order;
    while (auto e = all.expire(t0 + 1s)) order.push_back(*e->payload);
    std::vector<int> sorted = deadlines;
    std::sort(sorted.begin(), sorted.end());
    CHECK(order == sorted);
    CHECK(all.tombstones() == deadlines.size());
}

TEST_CASE("a tombstone is forgotten after its time") {
    pending all({.most = 4, .forget_after = 10s});
    REQUIRE(add(all, 7, 1s, 1).has_value());
    CHECK(expired(all, t0 + 1s) == 1);
    CHECK(all.next_deadline() == t0 + 11s);
    CHECK(expired(all, t0 + 11s) == -1);
    CHECK(all.forgotten() == 1);
    CHECK(all.tombstones() == 0);
    CHECK_FALSE(all.next_deadline());
    REQUIRE(add(all, 7, 1s, 2).has_value());
    CHECK(answered(all, 7) == 2);
}

TEST_CASE("a peer that has lost one answer is known by its misses in a row") {
    pending all;
    time_point now = t0;
    REQUIRE(add(all, 7, 1s, 0, now).has_value());
    now += 1s;
    auto gone = all.expire(now);
    REQUIRE(gone);
    CHECK(gone->misses == 1);
    // each later request is answered at once, and its answer is taken for that of the one before
    for (std::uint32_t i = 1; i <= 4; ++i) {
        REQUIRE(add(all, 7, 1s, static_cast<int>(i), now).has_value());
        CHECK(answered(all, 7) == -1);
        now += 1s;
        gone = all.expire(now);
        REQUIRE(gone);
        CHECK(gone->misses == i + 1);
    }
    // one that gets its own answer ends that
    CHECK(answered(all, 7) == -1);
    REQUIRE(add(all, 7, 1s, 9, now).has_value());
    CHECK(answered(all, 7) == 9);
    REQUIRE(add(all, 7, 1s, 10, now).has_value());
    CHECK(all.expire(now + 1s)->misses == 1);
}

TEST_CASE("misses of several requests that wait at the same time add up in their order") {
    pending all;
    for (int i = 1; i <= 3; ++i) REQUIRE(add(all, 7, i * 1s, i).has_value());
    REQUIRE(add(all, 8, 3s, 8).has_value());
    CHECK(all.expire(t0 + 9s)->misses == 1);
    CHECK(all.expire(t0 + 9s)->misses == 2);
    for (int i = 0; i < 2; ++i) {
        const auto e = all.expire(t0 + 9s);
        CHECK(e->misses == (e->id == data_id(7) ? 3U : 1U));
    }
}

TEST_CASE("no more requests are taken than the limit, tombstones included, and the refused one is unharmed") {
    pending all({.most = 2, .forget_after = 10s});
    REQUIRE(add(all, 1, 1s, 1).has_value());
    REQUIRE(add(all, 1, 2s, 2).has_value());
    auto third = std::make_unique<int>(3);
    const auto refused = all.add(reading, data_id(1), t0, std::move(third));
    REQUIRE(refused.has_error());
    CHECK(refused.error() == errc::queue_full);
    CHECK(third); // NOLINT: that is what is tested
    CHECK(expired(all, t0 + 1s) == 1);
    CHECK_THAT(add(all, 1, 1s, 3).error().message(),
               Catch::Matchers::Contains("1 requests in flight and 1 answers that are late; the limit is 2"));
    CHECK(answered(all, 1) == -1);
    CHECK(add(all, 1, 1s, 3).has_value());
    CHECK_THROWS_AS(pending({.most = 0}), failure);
    CHECK_THROWS_AS(pending({.most = 1, .forget_after = 0ms}), failure);
}

TEST_CASE("closing fails all that wait, in their order and with the reason, and nobody else") {
    pending all;
    for (int i = 0; i < 20; ++i)
        REQUIRE(add(all, static_cast<std::uint32_t>(i % 3), (20 - i) * 1s, i).has_value());
    CHECK(expired(all, t0 + 1s) == 19);
    CHECK(answered(all, 0) == 0);
    std::vector<int> failed;
    all.close(errc::idle_timeout, [&](std::unique_ptr<int>&& payload, const error& why) {
        CHECK(why == errc::idle_timeout);
        CHECK(add(all, 0, 1s, 0).error() == errc::idle_timeout); // and may call back
        failed.push_back(*payload);
    });
    std::vector<int> expected;
    for (int i = 1; i < 19; ++i) expected.push_back(i);
    CHECK(failed == expected);
    CHECK(all.waiting() == 0);
    CHECK(all.tombstones() == 0);
    CHECK_FALSE(all.next_deadline());
    all.reopen();
    REQUIRE(add(all, 0, 1s, 7).has_value());
    CHECK(answered(all, 0) == 7);
}

TEST_CASE("an owner may be destroyed while it fails its requests") {
    auto all = std::make_unique<pending>();
    for (int i = 0; i < 3; ++i) REQUIRE(add(*all, 1, 1s, i).has_value());
    int calls = 0;
    all->close(errc::aborted_locally, [&](std::unique_ptr<int>&&, const error& why) {
        all.reset();
        CHECK(why == errc::aborted_locally);
        ++calls;
    });
    CHECK(calls == 3);
}

TEST_CASE("any order of requests, answers, ends and cancellations gives what plain lists give") {
    std::mt19937 random(5);
    pending all({.most = 50, .forget_after = 400ms});
    struct entry {
        int number;
        bool waits;
        time_point when;
        pending_handle handle;
    };
    std::vector<std::list<entry>> model(8);
    time_point now = t0;
    int number = 0;
    const auto total = [&] {
        std::size_t n = 0;
        for (const auto& q : model) n += q.size();
        return n;
    };
    for (int step = 0; step < 30'000; ++step) {
        const auto id = static_cast<std::uint32_t>(random() % 8);
        auto& queue = model[id];
        switch (random() % 5) {
        case 0:
        case 1: {
            const auto when = std::chrono::milliseconds(random() % 300);
            const auto added = add(all, id, when, ++number, now);
            REQUIRE(added.has_value() == (total() < 50));
            if (added) queue.push_back({number, true, now + when, *added});
            break;
        }
        case 2: {
            const int got = answered(all, id);
            if (queue.empty()) {
                REQUIRE(got == -2);
            } else {
                REQUIRE(got == (queue.front().waits ? queue.front().number : -1));
                queue.pop_front();
            }
            break;
        }
        case 3: {
            if (queue.empty()) break;
            auto at = queue.begin();
            std::advance(at, static_cast<long>(random() % queue.size()));
            const bool sent = random() % 2 == 0;
            const auto got = sent ? all.cancel(at->handle, now) : all.withdraw(at->handle);
            REQUIRE(got.has_value() == at->waits);
            if (!got) break;
            REQUIRE(**got == at->number);
            at->waits = false;
            at->when = now + 400ms;
            if (!sent) queue.erase(at);
            break;
        }
        default:
            now += std::chrono::milliseconds(random() % 100);
            std::vector<int> gone, expected;
            while (auto e = all.expire(now)) gone.push_back(*e->payload);
            for (auto& q : model)
                for (auto at = q.begin(); at != q.end();) {
                    if (at->when > now) {
                        ++at;
                    } else if (at->waits) {
                        expected.push_back(at->number);
                        at->waits = false;
                        at->when = now + 400ms;
                        ++at;
                    } else {
                        at = q.erase(at);
                    }
                }
            std::sort(gone.begin(), gone.end());
            std::sort(expected.begin(), expected.end());
            REQUIRE(gone == expected);
        }
        std::optional<time_point> next;
        for (const auto& q : model)
            for (const auto& e : q)
                if (!next || e.when < *next) next = e.when;
        REQUIRE(all.next_deadline() == next);
        REQUIRE(all.waiting() + all.tombstones() == total());
    }
}
