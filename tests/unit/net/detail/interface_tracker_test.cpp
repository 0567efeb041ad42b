// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/interface_tracker.hpp>

#include "support/catch.hpp"
#include "unit/net/netlink_support.hpp"

#include <deque>
#include <string>

using namespace portunus_tests;
using portunus::interface_change;
using portunus::network_interface;
using portunus::detail::interface_tracker;

namespace {

/// What the tracker makes of a datagram, a line a change.
std::string changes_of(interface_tracker& tracker, const raw_bytes& datagram, bool well_formed = true) {
    std::deque<interface_change> changes;
    CHECK(tracker.take(datagram, changes) == well_formed);
    std::string text;
    for (const auto& c : changes) text += to_string(c) + "\n";
    return text;
}

} // namespace

TEST_CASE("a new interface is added, and up once it works; repeated news are none") {
    interface_tracker tracker;
    CHECK(changes_of(tracker, new_link(4, "eth0", 0)) == "eth0 added\n");
    CHECK(changes_of(tracker, new_link(4, "eth0", IFF_UP)).empty()); // switched on, no cable
    CHECK(changes_of(tracker, new_link(4, "eth0", working)) == "eth0 up\n");
    CHECK(changes_of(tracker, new_link(4, "eth0", working | IFF_PROMISC)).empty());
    CHECK(changes_of(tracker, new_link(5, "eth1", working)) == "eth1 added\neth1 up\n");
}

TEST_CASE("a cable that is pulled, and an interface that is switched off, are both down") {
    const unsigned now = GENERATE(0U, unsigned(IFF_UP), unsigned(IFF_RUNNING));
    interface_tracker tracker;
    tracker.learn({known(4, "eth0", true)});
    CHECK(changes_of(tracker, new_link(4, "eth0", now)) == "eth0 down\n");
    CHECK(changes_of(tracker, new_link(4, "eth0", working)) == "eth0 up\n");
}

TEST_CASE(
    "an interface that goes is removed once, with its addresses, and one that nobody knew is not news") {
    interface_tracker tracker;
    tracker.learn({known(4, "eth0", true)});
    CHECK(changes_of(tracker, no_link(9, "eth9")).empty());
    CHECK(changes_of(tracker, new_address(4, "10.0.0.7")) == "eth0 address added 10.0.0.7/24\n");
    CHECK(changes_of(tracker, no_link(4, "eth0")) == "eth0 removed\n");
    CHECK(changes_of(tracker, no_link(4, "eth0")).empty());
    CHECK(changes_of(tracker, no_address(4, "10.0.0.7")).empty());
}

TEST_CASE("a bridge that loses a port does not remove the interface") {
    interface_tracker tracker;
    tracker.learn({known(4, "eth0", true)});
    CHECK(changes_of(tracker, no_link(4, "eth0", AF_BRIDGE)).empty());
    CHECK(changes_of(tracker, message(RTM_NEWLINK, link_body(4, "eth0", 0, AF_BRIDGE).raw())).empty());
    CHECK(changes_of(tracker, new_link(4, "eth0", 0)) == "eth0 down\n");
}

TEST_CASE("an interface that gets another name is renamed, and has it from then on") {
    interface_tracker tracker;
    tracker.learn({known(4, "eth0", true)});
    CHECK(changes_of(tracker, new_link(4, "lan", working)) == "lan renamed\n");
    CHECK(changes_of(tracker, new_link(4, "lan", 0)) == "lan down\n");
}

TEST_CASE("an address is added once, when it can be used, and removed once") {
    interface_tracker tracker;
    network_interface eth0 = known(4, "eth0", true);
    tracker.learn({eth0});
    CHECK(changes_of(tracker, new_address(4, "10.0.0.7")) == "eth0 address added 10.0.0.7/24\n");
    CHECK(changes_of(tracker, new_address(4, "10.0.0.7")).empty()); // its lifetime was renewed
    CHECK(changes_of(tracker, new_address(4, "2001:db8::1", IFA_F_TENTATIVE)).empty());
    CHECK(changes_of(tracker, new_address(4, "2001:db8::1")) == "eth0 address added 2001:db8::1/24\n");
    CHECK(changes_of(tracker, new_address(4, "2001:db8::2", IFA_F_TENTATIVE)).empty());
    CHECK(changes_of(tracker, new_address(4, "2001:db8::2", IFA_F_TENTATIVE | IFA_F_DADFAILED)).empty());
    CHECK(changes_of(tracker, no_address(4, "2001:db8::2")).empty()); // nobody could ever use it
    CHECK(changes_of(tracker, no_address(4, "10.0.0.7")) == "eth0 address removed 10.0.0.7/24\n");
    CHECK(changes_of(tracker, no_address(4, "10.0.0.7")).empty());
    portunus::interface_address a;
    a.address = address("10.0.0.9");
    a.prefix_length = 24;
    eth0.addresses = {a};
    tracker.learn({eth0});
    CHECK(changes_of(tracker, new_address(4, "10.0.0.9")).empty());                               // learnt
    CHECK(changes_of(tracker, new_address(4, "10.0.0.7")) == "eth0 address added 10.0.0.7/24\n"); // forgotten
}

TEST_CASE("several messages in one datagram are several changes, in their order, and unknown ones are passed "
          "over") {
    interface_tracker tracker;
    CHECK(changes_of(tracker, joined({new_link(4, "eth0", working), message(RTM_NEWROUTE, raw_bytes(12)),
                                      new_address(4, "10.0.0.7"), no_link(4, "eth0")})) ==
          "eth0 added\neth0 up\neth0 address added 10.0.0.7/24\neth0 removed\n");
}

TEST_CASE("what stands before a malformed part counts, and the rest is reported as malformed") {
    interface_tracker tracker;
    raw_bytes cut = joined({new_link(4, "eth0", 0), new_link(5, "eth1", 0)});
    cut.erase(cut.end() - 4, cut.end());
    CHECK(changes_of(tracker, cut, false) == "eth0 added\n");
    CHECK(changes_of(tracker, message(RTM_NEWLINK, raw_bytes(3)), false).empty());
    CHECK(changes_of(tracker, message(RTM_DELADDR, raw_bytes(3)), false).empty());
}
