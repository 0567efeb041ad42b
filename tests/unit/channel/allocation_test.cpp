// SPDX-License-Identifier: BSL-1.0
// What a channel does for each message, once it has grown to what is used, allocates nothing.
#include <portunus/channel/dispatch_table.hpp>
#include <portunus/channel/ordered_handlers.hpp>
#include <portunus/channel/pending_requests.hpp>
#include <portunus/channel/services.hpp>
#include <portunus/channel/white_list.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <random>

#if PORTUNUS_COUNTS_ALLOCATIONS
using namespace portunus;
using namespace std::chrono_literals;

namespace {
/// How many allocations `work` makes when it is done again.
template <class Work>
std::size_t again(Work work) {
    work();
    const std::size_t before = allocations;
    work();
    return allocations - before;
}
} // namespace

TEST_CASE("the counter of allocations counts") {
    CHECK(again([] {
              int* volatile kept = new int; // the optimizer may not leave it out
              delete kept;
          }) == 1);
}

TEST_CASE("requests in flight, their answers, ends and tombstones allocate nothing once there were as many") {
    pending_requests<int> all({.most = 300});
    auto now = std::chrono::steady_clock::time_point(1h);
    int refused = 0; // the error of a full queue has a text
    CHECK(again([&] {
              std::mt19937 random(1);
              for (int round = 0; round < 50; ++round) {
                  for (int i = 0; i < 250; ++i)
                      refused +=
                          !all.add(service_id::read_response, data_id(static_cast<unsigned>(random() % 90)),
                                   now + std::chrono::milliseconds(random() % 500), int{i})
                               .has_value();
                  for (unsigned i = 0; i < 200; ++i) all.take(service_id::read_response, data_id(i % 90));
                  // some end, then all do, then their tombstones are forgotten
                  for (const auto later : {100ms, 1'000ms, 120'000ms}) {
                      now += later;
                      while (all.expire(now)) {
                      }
                  }
              }
          }) == 0);
    CHECK(all.forgotten() > 0);
    CHECK(refused == 0);
}

TEST_CASE("handlers that take turns allocate nothing once there were as many") {
    ordered_handlers<int> order;
    CHECK(again([&] {
              for (unsigned i = 0; i < 200; ++i) {
                  int item = 0;
                  order.begin(service_id(i % 7), data_id(i % 31), item);
              }
              for (unsigned i = 0; i < 200; ++i) order.finished(service_id(i % 7), data_id(i % 31));
          }) == 0);
    CHECK(order.running() == 0);
}

TEST_CASE("finding a handler, a service or a place on the white list allocates nothing") {
    dispatch_table<int> table;
    for (unsigned i = 0; i < 100; ++i) table.set(service_id(i), data_id(i), 1);
    table.set(any_service, data_id(7), 2);
    const service_table services;
    const white_list open;
    int found = 0;
    CHECK(again([&] {
              for (unsigned i = 0; i < 200; ++i) {
                  found += table.find(service_id(i), data_id(i)) != nullptr;
                  found += table.find(service_id(1000), data_id(i)) != nullptr;
                  found += services.response_of(service_id(i)).has_value();
                  found += open.contains(service_id(i), data_id(0));
              }
          }) == 0);
    CHECK(found > 0);
}
#endif
