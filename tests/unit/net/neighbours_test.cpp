// SPDX-License-Identifier: BSL-1.0
// A neighbour on another machine needs another machine: tests/integration/network_test.cpp has it.
#include <portunus/net/neighbours.hpp>

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/netlink_support.hpp"

#include <portunus/net/interfaces.hpp>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <net/if.h>

using namespace portunus_tests;
using portunus::mac_address;
using portunus::mac_of;
using portunus::neighbour_state;
using portunus::neighbours;
namespace detail = portunus::detail;

namespace {

nl::neighbour_message entry(const char* text, std::uint32_t index, std::uint16_t state,
                            const char* mac = nullptr) {
    nl::neighbour_message n;
    n.address = address(text);
    n.family = n.address->is_v4() ? AF_INET : AF_INET6;
    if (n.address->is_v6() && n.address->to_v6().is_link_local())
        n.address = asio::ip::address_v6(n.address->to_v6().to_bytes(), index);
    n.index = index;
    n.state = state;
    if (mac) n.mac = mac_address(mac);
    return n;
}

const mac_address one("02:00:00:00:00:01"), two("02:00:00:00:00:02");

} // namespace

TEST_CASE("who is no neighbour has no hardware address, and that is no error") {
    for (const char* text : {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0",
                             "::", "224.0.0.251", "ff02::fb", "255.255.255.255"}) {
        CAPTURE(text);
        const auto mac = mac_of(address(text));
        REQUIRE(mac.has_value());
        CHECK(*mac == std::nullopt);
        CHECK(mac->value_or(mac_address()).is_zero()); // what the adapters show
    }
    for (const auto& i : must(portunus::interfaces())) // we ourselves
        for (const auto& a : i.addresses) {
            CAPTURE(a.address.to_string());
            CHECK(must(mac_of(a.address)) == std::nullopt);
        }
    // A link that is not there.
    CHECK(must(mac_of(asio::ip::address_v6(address("fe80::1").to_v6().to_bytes(), 0x7fff'fff0))) ==
          std::nullopt);
}

TEST_CASE("the table names existing interfaces, and has a hardware address only where it is believed in") {
    for (const auto& n : must(neighbours())) {
        CAPTURE(n.address.to_string());
        CHECK(::if_nametoindex(n.interface.c_str()) == n.index);
        if (n.mac) CHECK_FALSE(n.mac->is_zero());
        if (n.state == neighbour_state::incomplete || n.state == neighbour_state::failed) CHECK_FALSE(n.mac);
    }
}

TEST_CASE(
    "an entry tells a hardware address in every state in which the kernel would use it, and in no other") {
    for (const int state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT})
        CHECK(detail::mac_in_entry(
                  entry("10.0.0.1", 4, static_cast<std::uint16_t>(state), "02:00:00:00:00:01")) == one);
    for (const int state : {NUD_NONE, NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP})
        CHECK_FALSE(detail::mac_in_entry(
            entry("10.0.0.1", 4, static_cast<std::uint16_t>(state), "02:00:00:00:00:01")));
    CHECK_FALSE(detail::mac_in_entry(entry("10.0.0.1", 4, NUD_REACHABLE)));
    CHECK_FALSE(detail::mac_in_entry(entry("10.0.0.1", 4, NUD_REACHABLE, "00:00:00:00:00:00")));
}

TEST_CASE("a link-local peer without a scope id is found when it is on one link, and with one on that link") {
    const std::vector<nl::neighbour_message> table{entry("fe80::1", 4, NUD_STALE, "02:00:00:00:00:01"),
                                                   entry("fe80::1", 5, NUD_STALE, "02:00:00:00:00:02"),
                                                   entry("fe80::2", 5, NUD_REACHABLE, "02:00:00:00:00:02"),
                                                   entry("fe80::2", 4, NUD_FAILED),
                                                   entry("10.0.0.1", 4, NUD_STALE, "02:00:00:00:00:01")};
    CHECK(detail::mac_in_table(table, address("fe80::1%4")) == one);
    CHECK(detail::mac_in_table(table, address("fe80::1%5")) == two);
    CHECK(detail::mac_in_table(table, address("fe80::1%6")) == std::nullopt);
    CHECK(detail::mac_in_table(table, address("fe80::1")) == std::nullopt); // which of the two?
    CHECK(detail::mac_in_table(table, address("fe80::2")) == two);
    CHECK(detail::mac_in_table(table, address("10.0.0.1")) == one);
    CHECK(detail::mac_in_table(table, address("10.0.0.2")) == std::nullopt);
    CHECK(detail::mac_in_table({}, address("10.0.0.1")) == std::nullopt);
}

TEST_CASE("a kernel that cannot be asked for one neighbour is asked for all of the link") {
    scripted_kernel kernel;
    nl::netlink_socket s(kernel.take_end(), 0);
    kernel.say(message(NLMSG_ERROR, number_body(-EOPNOTSUPP), 0, 1));
    const auto neighbour_body = [](const char* text, int index, unsigned char last) {
        ndmsg header{};
        header.ndm_family = AF_INET;
        header.ndm_ifindex = index;
        header.ndm_state = NUD_REACHABLE;
        return body(header).add(NDA_DST, address(text)).add(NDA_LLADDR, raw_bytes{2, 0, 0, 0, 0, last}).raw();
    };
    // One that does not filter, either.
    kernel.say(joined({message(RTM_NEWNEIGH, neighbour_body("10.0.0.1", 5, 2), NLM_F_MULTI, 2),
                       message(RTM_NEWNEIGH, neighbour_body("10.0.0.1", 4, 1), NLM_F_MULTI, 2),
                       message(NLMSG_DONE, number_body(0), NLM_F_MULTI, 2)}));
    CHECK(must(detail::ask_neighbour(s, address("10.0.0.1"), 4)) == one);
}

TEST_CASE("no entry is no hardware address, and a kernel that fails is an error") {
    scripted_kernel kernel;
    nl::netlink_socket s(kernel.take_end(), 0);
    kernel.say(message(NLMSG_ERROR, number_body(-ENOENT), 0, 1));
    CHECK(must(detail::ask_neighbour(s, address("10.0.0.1"), 4)) == std::nullopt);
    kernel.say(message(NLMSG_ERROR, number_body(-ENOMEM), 0, 2));
    CHECK(error_of(detail::ask_neighbour(s, address("10.0.0.1"), 4)) == portunus::condition::exhausted);
}

TEST_CASE("every state of the kernel has a state here, and every state a name") {
    std::set<neighbour_state> states;
    for (const int nud : {NUD_NONE, NUD_INCOMPLETE, NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE,
                          NUD_FAILED, NUD_NOARP, NUD_PERMANENT})
        states.insert(detail::neighbour_state_of(static_cast<std::uint16_t>(nud)));
    CHECK(states.size() == 9);
    std::set<std::string_view> names;
    for (const neighbour_state state : states) names.insert(to_string(state));
    CHECK(names.size() == 9);
    CHECK(detail::neighbour_state_of(0xffff) == neighbour_state::unknown);
}
