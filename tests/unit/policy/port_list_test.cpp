// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/port_list.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using portunus::errc;
using portunus::failure;
using portunus::port_list;
using portunus::port_range;

namespace {

std::vector<int> ports_of(const port_list& list) {
    return {list.begin(), list.end()};
}

std::string refusal_of(std::string_view text) {
    const auto list = port_list::parse(text);
    if (list) return "accepted as " + to_string(*list);
    CHECK(list.error() == errc::invalid_port);
    CHECK(list.error() == portunus::condition::malformed);
    return std::string(list.error().detail());
}

template <class Make>
std::string thrown_by(Make make) {
    try {
        make();
    } catch (const failure& f) {
        CHECK(f.reason() == errc::invalid_port);
        return std::string(f.reason().detail());
    }
    return "nothing thrown";
}

const std::string allowed =
    "; allowed: 1 to 65535, as N or N-M, separated by commas; or 0 alone for a free port "
    "chosen by the system";

} // namespace

TEST_CASE("a port list is read from text, whatever blanks stand in it") {
    struct row {
        std::string_view text;
        std::vector<int> ports;
        std::string canonical;
    };
    for (const auto& [text, ports, canonical] : {
             row{"1001,2000-2005", {1001, 2000, 2001, 2002, 2003, 2004, 2005}, "1001,2000-2005"},
             row{"2000-2002,1001", {1001, 2000, 2001, 2002}, "1001,2000-2002"},
             row{" 1001 ,\t2000 - 2001 ", {1001, 2000, 2001}, "1001,2000-2001"},
             row{"7", {7}, "7"},
             row{"7-7", {7}, "7"},
             row{"3,1,2", {1, 2, 3}, "1-3"},
             row{"65535", {65535}, "65535"},
             row{"65534-65535,1", {1, 65534, 65535}, "1,65534-65535"},
             row{"0", {0}, "0"},
         }) {
        CAPTURE(text);
        const auto list = port_list::parse(text);
        REQUIRE(list.has_value());
        CHECK(ports_of(*list) == ports);
        CHECK(list->size() == ports.size());
        CHECK(to_string(*list) == canonical);
        CHECK(port_list::parse(canonical).value() == *list);
    }
}

TEST_CASE("what is wrong with the text of a port list is quoted, with the part and what is allowed") {
    struct row {
        std::string_view text;
        std::string problem;
    };
    for (const auto& [text, problem] : {
             row{"", "\"\" names no port"},
             row{"  ", "\"\" names no port"},
             row{",", "\",\" has nothing as its part 1"},
             row{"1001,,2000", "\"1001,,2000\" has nothing as its part 2"},
             row{"1001,", "\"1001,\" has nothing as its part 2"},
             row{"abc", "\"abc\" is not a port"},
             row{"1001,http", "\"1001,http\": \"http\" is not a port"},
             row{"1001 2000", "\"1001 2000\" is not a port"},
             row{"1001;2000", "\"1001;2000\" is not a port"},
             row{"1001,-5", "\"1001,-5\": \"-5\" is not a port and not a range"},
             row{"1001,2000-", "\"1001,2000-\": \"2000-\" is not a port and not a range"},
             row{"1001,70000", "\"1001,70000\": \"70000\" is above 65535"},
             row{"65530-65540", "\"65530-65540\": \"65540\" is above 65535"},
             row{"080", "\"080\" is not a port: it begins with a zero"},
             row{"2005-2000", "\"2005-2000\" is a reversed range: 2000-2005 was probably meant"},
             row{"80,2005-2000",
                 "\"80,2005-2000\": \"2005-2000\" is a reversed range: 2000-2005 was probably meant"},
             row{"80,81,80", "\"80,81,80\": 80 is named twice"},
             row{"1-3,1-3", "\"1-3,1-3\": 1-3 is named twice"},
             row{"2005,2000-2010", "\"2005,2000-2010\": 2000-2010 and 2005 overlap"},
             row{"5-10,1-5", "\"5-10,1-5\": 1-5 and 5-10 overlap"},
             row{"1-100,50-60,70", "\"1-100,50-60,70\": 1-100 and 50-60 overlap"},
             row{"0,80", "\"0,80\": 0 stands beside other ports"},
             row{"0,0", "\"0,0\": 0 stands beside other ports"},
             row{"0-5", "\"0-5\": 0-5 begins with 0"},
             row{"80\n", "\"80\\x0a\" is not a port"},
         })
        CHECK(refusal_of(text) == problem + allowed);
}

TEST_CASE("an overlap with an earlier, longer range is found, not only with the neighbour") {
    CHECK(refusal_of("1-100,200,50") == "\"1-100,200,50\": 1-100 and 50 overlap" + allowed);
    CHECK(refusal_of("1-100,2-3,50") == "\"1-100,2-3,50\": 1-100 and 2-3 overlap" + allowed);
}

TEST_CASE("a long text is quoted by its beginning") {
    const std::string text(100'000, 'x');
    CHECK(refusal_of(text).size() < 300);
}

TEST_CASE("a port list from wrong text throws what parse returns") {
    CHECK(thrown_by([] { port_list list("80,80"); }) == refusal_of("80,80"));
    CHECK(thrown_by([] { port_list list({"80", "80"}); }) == refusal_of("80,80"));
    CHECK(thrown_by([] { port_list list{"", "80"}; }) == refusal_of(",80"));
}

TEST_CASE("a port list is made of numbers and ranges, under the same rules") {
    CHECK(port_list{7001, {7010, 7012}} == port_list("7001,7010-7012"));
    CHECK(port_list(7001) == port_list("7001"));
    CHECK(port_list(0) == port_list("0"));
    CHECK(port_list{0} == port_list("0"));
    CHECK(port_list{"7001", "7010-7012"} == port_list("7001,7010-7012"));
    CHECK(port_list({"7001", "7002"}) == port_list("7001-7002"));
    const std::vector<port_range> ranges{9, {1, 3}};
    CHECK(port_list(ranges) == port_list("1-3,9"));

    CHECK(thrown_by([] { port_list list(70000); }) == "70000 is not a port; allowed: 0 to 65535");
    CHECK(thrown_by([] { port_list list{80, 80}; }) == "80 is named twice" + allowed);
    CHECK(thrown_by([] { port_list list{0, 80}; }) == "0 stands beside other ports" + allowed);

    port_list assigned;
    assigned = 7001;
    CHECK(to_string(assigned) == "7001");
    assigned = {7001, 7005};
    CHECK(to_string(assigned) == "7001,7005");
}

TEST_CASE("a default port list is empty and is not any port") {
    const port_list none;
    CHECK(none.empty());
    CHECK(none.size() == 0);
    CHECK(none.begin() == none.end());
    CHECK(!none.contains(0));
    CHECK(!none.contains(80));
    CHECK(to_string(none).empty());
}

TEST_CASE("two port lists are equal when they name the same ports") {
    CHECK(port_list("1,2,3") == port_list("1-3"));
    CHECK(port_list("5,1-3") == port_list("1-2,3,5"));
    CHECK(port_list("1-3") != port_list("1-4"));
    CHECK(port_list{} != port_list(0));
}

TEST_CASE("the iterators of a port list serve the algorithms of the standard library") {
    const port_list list("65533-65535,1,10-12");
    CHECK(std::distance(list.begin(), list.end()) == 7);
    CHECK(std::find(list.begin(), list.end(), 11) != list.end());
    CHECK(std::ranges::count_if(list, [](std::uint16_t port) { return port > 60000; }) == 3);
    auto walk = list.begin();
    CHECK(*walk++ == 1);
    CHECK(*walk == 10);
    CHECK(static_cast<std::size_t>(std::distance(list.begin(), list.end())) == list.size());
    static_assert(std::forward_iterator<port_list::iterator>);
}

TEST_CASE("every port from 1 to 65535 fits into one list") {
    const port_list list("1-65535");
    CHECK(list.size() == 65535);
    CHECK(!list.contains(0));
    CHECK(list.contains(1));
    CHECK(list.contains(65535));
    CHECK(std::distance(list.begin(), list.end()) == 65535);
}

TEST_CASE("a port list agrees with a set of ports, over random lists") {
    std::mt19937 random(4711);
    for (int round = 0; round < 300; ++round) {
        std::set<int> model;
        bool twice = false;
        std::string text;
        const auto parts = random() % 6 + 1;
        for (unsigned i = 0; i < parts; ++i) {
            const int first = static_cast<int>(random() % 60 + 1);
            const int last = first + static_cast<int>(random() % 3 == 0 ? random() % 8 : 0);
            for (int port = first; port <= last; ++port) twice |= !model.insert(port).second;
            text += (i == 0 ? "" : ",") + std::to_string(first);
            if (first != last) text += "-" + std::to_string(last);
        }
        CAPTURE(text);
        const auto list = port_list::parse(text);
        REQUIRE(list.has_value() == !twice);
        if (!list) continue;
        CHECK(ports_of(*list) == std::vector<int>(model.begin(), model.end()));
        for (std::uint16_t port = 0; port < 80; ++port) CHECK(list->contains(port) == model.contains(port));
        CHECK(port_list::parse(to_string(*list)).value() == *list);
    }
}

TEST_CASE("a port list without another one agrees with the difference of sets, over random lists") {
    CHECK(port_list("80,1000-1005").without(port_list("80,1002,1005-2000")) ==
          port_list("1000-1001,1003-1004"));
    CHECK(port_list("80").without(port_list("80")).empty());
    CHECK(port_list("80").without(port_list()) == port_list("80"));
    CHECK(port_list().without(port_list("80")).empty());
    CHECK(port_list("1-65535").without(port_list("1,65535")) == port_list("2-65534"));
    CHECK(port_list(0).without(port_list(0)) == port_list(0));
    std::mt19937 random(815);
    const auto any_list = [&random] {
        std::vector<port_range> ranges;
        int next = 1;
        for (auto parts = random() % 6; parts > 0; --parts) {
            const int first = next + static_cast<int>(random() % 6);
            const int last = first + static_cast<int>(random() % 5);
            ranges.emplace_back(first, last);
            next = last + 1;
        }
        return port_list(ranges);
    };
    for (int round = 0; round < 1000; ++round) {
        const port_list a = any_list(), b = any_list();
        CAPTURE(a, b);
        std::vector<int> expected;
        for (const int port : a)
            if (!b.contains(static_cast<std::uint16_t>(port))) expected.push_back(port);
        const port_list rest = a.without(b);
        CHECK(ports_of(rest) == expected);
        if (!rest.empty()) CHECK(port_list::parse(to_string(rest)).value() == rest);
    }
}

TEST_CASE("a port list is printed in its canonical form") {
    std::ostringstream out;
    out << port_list("2000-2005,1001");
    CHECK(out.str() == "1001,2000-2005");
}
