// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/dispatch_table.hpp>

#include "support/catch.hpp"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>

using namespace portunus;

namespace {
using table = dispatch_table<std::string>;
std::string at(const table& t, std::uint32_t service, std::uint32_t id) {
    const std::string* found = t.find(service_id(service), data_id(id));
    return found ? *found : "nobody";
}
} // namespace

TEST_CASE("the handler with more of the numbers wins, and the service before the data") {
    // every set of the four kinds: bit 0 both, 1 service, 2 data, 3 neither
    for (unsigned set = 0; set < 16; ++set) {
        CAPTURE(set);
        table t;
        if (set & 8U) t.set(any_service, any_data, "neither");
        if (set & 4U) t.set(any_service, data_id(7), "data");
        if (set & 2U) t.set(service_id(10), any_data, "service");
        if (set & 1U) t.set(service_id(10), data_id(7), "both");
        const auto first = [&](unsigned allowed) -> std::string {
            const char* const names[] = {"both", "service", "data", "neither"};
            for (unsigned i = 0; i < 4; ++i)
                if (set & allowed & 1U << i) return names[i];
            return "nobody";
        };
        CHECK(at(t, 10, 7) == first(15));
        CHECK(at(t, 10, 8) == first(2 | 8));
        CHECK(at(t, 11, 7) == first(4 | 8));
        CHECK(at(t, 11, 8) == first(8));
        CHECK(at(t, 0, 0) == first(8));
    }
}

TEST_CASE("number 0 is a number and not all of them") {
    table t;
    t.set(service_id(0), data_id(0), "both zero");
    CHECK(at(t, 0, 0) == "both zero");
    CHECK(at(t, 0, 1) == "nobody");
    CHECK(at(t, 1, 0) == "nobody");
    t.set(service_id(0), any_data, "service zero");
    t.set(any_service, data_id(0), "data zero");
    CHECK(at(t, 0, 1) == "service zero");
    CHECK(at(t, 1, 0) == "data zero");
    CHECK(at(t, 1, 1) == "nobody");
}

TEST_CASE("a handler that is set again is replaced in its place, and erased once") {
    table t;
    CHECK_FALSE(t.set(service_id(10), data_id(7), "one"));
    const std::string* const where = t.find(service_id(10), data_id(7));
    CHECK(t.set(service_id(10), data_id(7), "two"));
    for (std::uint32_t i = 0; i < 100; ++i) t.set(service_id(i + 100), any_data, "more");
    CHECK(t.find(service_id(10), data_id(7)) == where);
    CHECK(*where == "two");
    CHECK(t.size() == 101);
    CHECK(t.erase(service_id(10), data_id(7)));
    CHECK_FALSE(t.erase(service_id(10), data_id(7)));
    CHECK(at(t, 10, 7) == "nobody");
    table moved = std::move(t);
    CHECK(at(moved, 150, 1) == "more");
}

TEST_CASE("the table finds what a search through all of its entries finds") {
    std::mt19937 random(7);
    table t;
    std::map<std::pair<int, int>, std::string> model; // -1: any
    for (int step = 0; step < 3000; ++step) {
        const int service = static_cast<int>(random() % 6) - 1, id = static_cast<int>(random() % 6) - 1;
        const auto s = service < 0 ? any_service : std::optional(service_id(static_cast<unsigned>(service)));
        const auto d = id < 0 ? any_data : std::optional(data_id(static_cast<unsigned>(id)));
        if (random() % 2 == 0) {
            const std::string name = std::to_string(step);
            REQUIRE(t.set(s, d, name) == (model.count({service, id}) == 1));
            model[{service, id}] = name;
        } else {
            REQUIRE(t.erase(s, d) == (model.erase({service, id}) == 1));
        }
        const int a = static_cast<int>(random() % 6), b = static_cast<int>(random() % 6);
        std::string expected = "nobody";
        for (const auto& key : {std::pair(a, b), std::pair(a, -1), std::pair(-1, b), std::pair(-1, -1)})
            if (model.count(key) == 1) {
                expected = model[key];
                break;
            }
        REQUIRE(at(t, static_cast<unsigned>(a), static_cast<unsigned>(b)) == expected);
    }
}
