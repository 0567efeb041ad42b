// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/interface_name.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using portunus::errc;
using portunus::interface_name;

TEST_CASE("a name that an interface can have is kept, and none means any") {
    CHECK(interface_name().empty());
    CHECK(interface_name("").empty());
    CHECK(interface_name("eth0").view() == "eth0");
    CHECK(interface_name(std::string(15, 'x')).view() == std::string(15, 'x'));
    CHECK(interface_name("eth0") == interface_name(std::string("eth0")));
    CHECK_FALSE(interface_name("eth0") == interface_name("eth1"));
}

TEST_CASE("a name that no interface can have is refused, and quoted") {
    for (const std::string& name : {std::string(16, 'x'), std::string("../eth0"), std::string("eth 0"),
                                    std::string("eth\n"), std::string("eth\t0"), std::string("e\0h", 3)}) {
        CAPTURE(name);
        try {
            const interface_name refused(name);
            FAIL("it was taken");
        } catch (const portunus::failure& e) {
            CHECK(e.reason() == errc::no_such_interface);
            CHECK(e.reason().detail().find(name) != std::string_view::npos);
        }
    }
}
