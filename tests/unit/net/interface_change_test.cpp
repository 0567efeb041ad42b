// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/interface_change.hpp>

#include "support/catch.hpp"

#include <set>
#include <sstream>
#include <string>
#include <string_view>

using portunus::interface_change;
using portunus::interface_event;

TEST_CASE("every kind of change has a name of its own") {
    std::set<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(interface_event::overrun); ++i)
        names.insert(to_string(static_cast<interface_event>(i)));
    CHECK(names.size() == 8);
    CHECK(names.count("unknown") == 0);
}

TEST_CASE("a change is written with its interface, and with the address where it is about one") {
    interface_change change;
    CHECK(to_string(change) == "overrun"); // a default-made one tells that nothing is known
    change.index = 4;
    change.name = "eth0";
    change.address = boost::asio::ip::make_address("192.168.1.7");
    change.prefix_length = 24;
    const auto text = [&change](interface_event kind) {
        change.kind = kind;
        std::ostringstream out;
        out << change;
        return out.str();
    };
    CHECK(text(interface_event::down) == "eth0 down");
    CHECK(text(interface_event::address_added) == "eth0 address added 192.168.1.7/24");
    CHECK(text(interface_event::address_removed) == "eth0 address removed 192.168.1.7/24");
    CHECK(text(interface_event::overrun) == "overrun");
    CHECK(change == interface_change(change));
}
