// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/ordered_handlers.hpp>

#include "support/catch.hpp"

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <utility>

using namespace portunus;

namespace {
using item = std::unique_ptr<int>;
handler_turn begin(ordered_handlers<item>& order, std::uint32_t service, std::uint32_t id, int number) {
    item kept = std::make_unique<int>(number);
    const handler_turn turn = order.begin(service_id(service), data_id(id), kept);
    CHECK((kept == nullptr) == (turn == handler_turn::queued));
    return turn;
}
int finished(ordered_handlers<item>& order, std::uint32_t service, std::uint32_t id) {
    const auto next = order.finished(service_id(service), data_id(id));
    return next ? **next : -1;
}
} // namespace

TEST_CASE("handlers of one service and data run one after the other, others beside them") {
    ordered_handlers<item> order;
    CHECK(begin(order, 10, 7, 1) == handler_turn::now);
    CHECK(begin(order, 10, 7, 2) == handler_turn::queued);
    CHECK(begin(order, 10, 8, 3) == handler_turn::now);
    CHECK(begin(order, 20, 7, 4) == handler_turn::now);
    CHECK(begin(order, 10, 7, 5) == handler_turn::queued);
    CHECK(order.running() == 3);
    CHECK(order.waiting() == 2);
    CHECK(finished(order, 10, 7) == 2);
    CHECK(finished(order, 10, 8) == -1);
    CHECK(finished(order, 10, 7) == 5);
    CHECK(finished(order, 10, 7) == -1);
    CHECK(finished(order, 10, 7) == -1); // nothing ran
    CHECK(begin(order, 10, 7, 6) == handler_turn::now);
    CHECK(order.running() == 2);
    CHECK(order.waiting() == 0);
}

TEST_CASE("when as many run and wait as may, the next is refused and stays with its caller") {
    ordered_handlers<item> order(3);
    CHECK(begin(order, 1, 1, 1) == handler_turn::now);
    CHECK(begin(order, 1, 1, 2) == handler_turn::queued);
    CHECK(begin(order, 2, 1, 3) == handler_turn::now);
    CHECK(order.full());
    CHECK(begin(order, 1, 1, 4) == handler_turn::refused);
    CHECK(begin(order, 3, 1, 5) == handler_turn::refused);
    CHECK(finished(order, 2, 1) == -1);
    CHECK(begin(order, 3, 1, 5) == handler_turn::now);
}

TEST_CASE("any order of beginnings and ends gives what a queue for each key gives") {
    std::mt19937 random(11);
    ordered_handlers<item> order(40);
    std::map<unsigned, std::deque<int>> model; // the one that runs stands in front
    for (int step = 0; step < 20'000; ++step) {
        const auto key = static_cast<unsigned>(random() % 30);
        auto& queue = model[key];
        std::size_t all = 0;
        for (const auto& [k, q] : model) all += q.size();
        if (random() % 2 == 0) {
            const auto turn = begin(order, key, key * 3, step);
            if (all == 40)
                REQUIRE(turn == handler_turn::refused);
            else
                REQUIRE(turn == (queue.empty() ? handler_turn::now : handler_turn::queued));
            if (all < 40) queue.push_back(step);
        } else {
            const int next = finished(order, key, key * 3);
            if (!queue.empty()) queue.pop_front();
            REQUIRE(next == (queue.empty() ? -1 : queue.front()));
        }
    }
}
