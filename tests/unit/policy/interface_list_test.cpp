// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/interface_list.hpp>

#include "support/catch.hpp"

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using portunus::errc;
using portunus::failure;
using portunus::interface_list;

namespace {

const std::string allowed =
    "; allowed: names of interfaces separated by commas (\"eth0,wlan0\"), or nothing for all";

std::string refusal_of(std::string_view text) {
    const auto list = interface_list::parse(text);
    if (list) return "accepted as " + to_string(*list);
    CHECK(list.error() == errc::invalid_option);
    return std::string(list.error().detail());
}

} // namespace

TEST_CASE("an interface list is read from text, in its order") {
    const interface_list list(" wlan0,eth0 , br-lan");
    CHECK(std::vector<std::string>(list.begin(), list.end()) ==
          std::vector<std::string>{"wlan0", "eth0", "br-lan"});
    CHECK(list.size() == 3);
    CHECK(!list.all());
    CHECK(to_string(list) == "wlan0,eth0,br-lan");
    CHECK(interface_list(to_string(list)) == list);
    CHECK(interface_list{"wlan0", "eth0", "br-lan"} == list);
    CHECK(interface_list{"wlan0,eth0,br-lan"} == list);
}

TEST_CASE("an interface list without names means all interfaces") {
    for (const auto& list : {interface_list(), interface_list(""), interface_list(" \t"), interface_list{}}) {
        CHECK(list.all());
        CHECK(list.matches("eth0"));
        CHECK(list.matches(""));
        CHECK(list.begin() == list.end());
        CHECK(to_string(list).empty());
    }
}

TEST_CASE("an interface list matches its names exactly") {
    const interface_list list("eth0,wlan0");
    CHECK(list.matches("eth0"));
    CHECK(list.matches("wlan0"));
    CHECK(!list.matches("eth1"));
    CHECK(!list.matches("eth"));
    CHECK(!list.matches("eth00"));
    CHECK(!list.matches("ETH0"));
    CHECK(!list.matches("eth0,wlan0"));
}

TEST_CASE("an interface that is not known is not among named ones") {
    CHECK(!interface_list("eth0").matches(""));
}

TEST_CASE("what is wrong with the text of an interface list is quoted, with what is allowed") {
    struct row {
        std::string_view text;
        std::string problem;
    };
    for (const auto& [text, problem] : {
             row{",", "\",\" has nothing as its part 1"},
             row{"eth0,", "\"eth0,\" has nothing as its part 2"},
             row{"eth0,,wlan0", "\"eth0,,wlan0\" has nothing as its part 2"},
             row{"eth0,eth0", "\"eth0,eth0\": \"eth0\" is named twice"},
             row{"a-name-much-too-long", "\"a-name-much-too-long\" is longer than 15 bytes"},
             row{"eth0,eth 1", "\"eth0,eth 1\": \"eth 1\" has a character that no interface's name can have"},
             row{"eth0/1", "\"eth0/1\" has a character that no interface's name can have"},
             row{"eth0:1", "\"eth0:1\" has a colon: an alias (\"eth0:1\") is an address, not an interface"},
             row{"..", "\"..\" cannot be the name of an interface"},
             row{".", "\".\" cannot be the name of an interface"},
             row{"eth0\n", "\"eth0\\x0a\" has a character that no interface's name can have"},
         })
        CHECK(refusal_of(text) == problem + allowed);
    CHECK(refusal_of("fifteen-letters") == "accepted as fifteen-letters");
    CHECK(refusal_of("sixteen--letters") == "\"sixteen--letters\" is longer than 15 bytes" + allowed);
}

TEST_CASE("an interface list from wrong text throws what parse returns") {
    try {
        const interface_list list("eth0,eth0");
        FAIL("nothing thrown");
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_option);
        CHECK(std::string(f.reason().detail()) == refusal_of("eth0,eth0"));
    }
    std::ostringstream out;
    out << interface_list("eth0, wlan0");
    CHECK(out.str() == "eth0,wlan0");
}
