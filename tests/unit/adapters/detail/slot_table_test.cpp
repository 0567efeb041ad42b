// SPDX-License-Identifier: BSL-1.0
#include <portunus/adapters/detail/slot_table.hpp>

#include "support/catch.hpp"

#include <portunus/adapters/plugin_handle.hpp>

#include <limits>
#include <set>
#include <vector>

using portunus::connection_id;
using portunus::detail::slot_base;

namespace {
struct thing : slot_base {
    int value = 0;
};
using table = portunus::detail::slot_table<thing, connection_id>;

void give_back(table& t, connection_id id) {
    const auto slot = t.lock(id);
    REQUIRE(slot);
    t.release(*slot);
}
} // namespace

TEST_CASE("a handle leads to its slot until that is given back, and never to its successor") {
    table t(4);
    thing* first = t.acquire();
    const connection_id id = table::handle_of(*first);
    first->value = 7;
    CHECK(t.lock(id)->value == 7);
    give_back(t, id);
    CHECK_FALSE(t.lock(id));
    thing* second = t.acquire();
    CHECK(second == first);
    CHECK_FALSE(t.lock(id));
    CHECK(t.lock(table::handle_of(*second)));
}

TEST_CASE("slots stay where they are while the table grows, up to its capacity") {
    table t(1000);
    std::vector<thing*> all;
    std::set<thing*> different;
    for (int i = 0; i < 1000; ++i) {
        all.push_back(t.acquire());
        REQUIRE(all.back());
        different.insert(all.back());
        all.back()->value = i;
    }
    CHECK(different.size() == 1000);
    CHECK(t.acquire() == nullptr);
    CHECK(t.used() == 1000);
    for (int i = 0; i < 1000; ++i)
        CHECK(t.lock(table::handle_of(*all[static_cast<std::size_t>(i)]))->value == i);
}

TEST_CASE("handles of nothing, of other tables and from the future lead nowhere") {
    table t(4);
    CHECK_FALSE(t.lock({}));
    thing* slot = t.acquire();
    CHECK_FALSE(t.lock({slot->index, slot->generation + 1}));
    CHECK_FALSE(t.lock({slot->index + 1, 1}));
    CHECK_FALSE(t.lock({std::numeric_limits<std::uint32_t>::max(), 1}));
}

TEST_CASE("a slot whose generations are used up is not used again") {
    table t(1);
    thing* slot = t.acquire();
    slot->generation = std::numeric_limits<std::uint32_t>::max();
    const auto id = table::handle_of(*slot);
    give_back(t, id);
    CHECK_FALSE(t.lock(id));
    CHECK(t.acquire() == nullptr);
}

TEST_CASE("a handle is a number and comes back from it") {
    const connection_id id{5, 9};
    CHECK(connection_id::from_value(id.value()) == id);
    CHECK(connection_id{0, 1}.value() != 0);
    CHECK_FALSE(connection_id{});
    CHECK(connection_id::from_value(0) == connection_id{});
}
