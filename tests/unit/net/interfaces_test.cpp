// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/interfaces.hpp>

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/netlink_support.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

using namespace portunus_tests;
using portunus::address_scope;
using portunus::errc;
using portunus::find_interface;
using portunus::interface_address;
using portunus::interface_towards;
using portunus::interfaces;
using portunus::network_interface;

namespace {

interface_address subnet(const char* text, unsigned prefix) {
    interface_address a;
    a.address = address(text);
    a.prefix_length = static_cast<std::uint8_t>(prefix);
    return a;
}

/// The address that the system itself would use: that of a connected UDP socket.
asio::ip::address address_of_connected(const char* to) {
    const auto peer = tcp::endpoint(address(to), 9);
    const plain_socket s(::socket(peer.data()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::connect(s.fd(), peer.data(), static_cast<socklen_t>(peer.size())) != 0) return {};
    return s.local().address();
}

} // namespace

TEST_CASE("the loopback is among the interfaces, with its addresses, flags and MTU") {
    const auto all = must(interfaces());
    const auto lo = std::find_if(all.begin(), all.end(), [](const auto& i) { return i.loopback; });
    REQUIRE(lo != all.end());
    CHECK(lo->name == "lo");
    CHECK(lo->index == ::if_nametoindex("lo"));
    CHECK(lo->usable());
    CHECK(lo->mac.is_zero());
    CHECK_FALSE(lo->point_to_point);
    CHECK(lo->mtu >= 16384);
    const interface_address* own = lo->find(address("127.0.0.1"));
    REQUIRE(own);
    CHECK(own->prefix_length == 8);
    CHECK(own->scope == address_scope::host);
    CHECK(own->mask() == address("255.0.0.0"));
    CHECK(to_string(*own) == "127.0.0.1/8");
    CHECK(lo->find(address("::ffff:127.0.0.1")) == own);
    CHECK_FALSE(lo->find(address("127.0.0.2")));
}

TEST_CASE("names, numbers, addresses, masks and MTUs are those that the system's other calls tell") {
    const auto all = must(interfaces());
    std::set<std::string> ours, theirs; // "name address mask"
    for (const network_interface& i : all) {
        CHECK(::if_nametoindex(i.name.c_str()) == i.index);
        ifreq request{};
        std::copy_n(i.name.begin(), std::min<std::size_t>(i.name.size(), IFNAMSIZ - 1), request.ifr_name);
        const plain_socket s(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(::ioctl(s.fd(), SIOCGIFMTU, &request) == 0);
        CHECK(static_cast<std::uint32_t>(request.ifr_mtu) == i.mtu);
        REQUIRE(::ioctl(s.fd(), SIOCGIFFLAGS, &request) == 0);
        CHECK(((request.ifr_flags & IFF_UP) != 0) == i.up);
        CHECK(((request.ifr_flags & IFF_RUNNING) != 0) == i.running);
        CHECK(((request.ifr_flags & IFF_MULTICAST) != 0) == i.multicast);
        for (const interface_address& a : i.addresses)
            ours.insert(i.name + " " + a.address.to_string() + " " + a.mask().to_string());
    }
    ifaddrs* list = nullptr;
    REQUIRE(::getifaddrs(&list) == 0);
    for (const ifaddrs* i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        const auto read = [](const sockaddr* from) {
            tcp::endpoint e;
            const std::size_t size = from->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
            std::copy_n(reinterpret_cast<const char*>(from), size, reinterpret_cast<char*>(e.data()));
            e.resize(size);
            return e.address();
        };
        auto mask = read(i->ifa_netmask);
        if (mask.is_v6()) mask = asio::ip::address_v6(mask.to_v6().to_bytes());
        theirs.insert(i->ifa_name + (" " + read(i->ifa_addr).to_string()) + " " + mask.to_string());
    }
    ::freeifaddrs(list);
    CHECK(ours == theirs);
    CHECK(std::is_sorted(all.begin(), all.end(), [](auto& a, auto& b) { return a.index < b.index; }));
}

TEST_CASE(
    "an interface is found by name, number and address, and what is not there is an error that names it") {
    const auto lo = must(find_interface("lo"));
    CHECK(must(find_interface(lo.index)) == lo);
    for (const char* text : {"127.0.0.1", "::ffff:127.0.0.1", "127.9.9.9"})
        CHECK(must(find_interface(address(text))).name == "lo");
    const auto by_name = find_interface("nosuch\n0");
    REQUIRE_FALSE(by_name.has_value());
    CHECK(by_name.error() == errc::no_such_interface);
    CHECK(by_name.error().detail() == "no interface is named \"nosuch\\x0a0\"");
    const auto by_number = find_interface(4'000'000'000U);
    REQUIRE_FALSE(by_number.has_value());
    CHECK(by_number.error() == errc::no_such_interface);
    CHECK(by_number.error().detail().find("4000000000") != std::string_view::npos);
    const auto by_address = find_interface(address("203.0.113.7")); // RFC 5737
    REQUIRE_FALSE(by_address.has_value());
    CHECK(by_address.error() == errc::address_not_available);
    CHECK(by_address.error().detail().starts_with("203.0.113.7"));
    CHECK(error_of(find_interface("")) == errc::no_such_interface);
    CHECK(error_of(find_interface(0)) == errc::no_such_interface);
}

TEST_CASE("the way to an address is the one that the system takes") {
    for (const char* to : {"127.0.0.1", "127.0.0.9", "::1", "192.0.2.77", "198.51.100.7", "2001:db8::7"}) {
        CAPTURE(to);
        const auto expected = address_of_connected(to);
        const auto path = interface_towards(address(to));
        if (expected == asio::ip::address()) {
            CHECK_FALSE(path.has_value());
            continue;
        }
        REQUIRE(path.has_value());
        CHECK(path->local == expected);
        CHECK(path->index == ::if_nametoindex(path->interface.c_str()));
        CHECK(path->mtu == must(find_interface(path->index)).mtu);
    }
    const auto home = must(interface_towards(address("::ffff:127.0.0.1")));
    CHECK(home.interface == "lo");
    CHECK(home.to_ourselves);
    CHECK_FALSE(home.gateway);
}

TEST_CASE("there is no way to nowhere, to an address that no route has, or by a link that is not there") {
    CHECK(error_of(interface_towards(address("0.0.0.0"))) == errc::invalid_address);
    CHECK(error_of(interface_towards(address("::"))) == errc::invalid_address);
    CHECK(error_of(interface_towards({})) == errc::invalid_address);
    const auto gone =
        interface_towards(asio::ip::address_v6(address("fe80::1").to_v6().to_bytes(), 0x7fff'fff0));
    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error().detail().find("fe80::1") != std::string_view::npos);
}

TEST_CASE("a prefix is a mask, and holds exactly the addresses that begin like it") {
    struct row {
        const char* address;
        unsigned prefix;
        const char* mask;
        const char* inside;
        const char* outside;
    };
    for (const row r :
         {row{"192.168.1.7", 24, "255.255.255.0", "192.168.1.255", "192.168.2.7"},
          row{"192.168.1.7", 32, "255.255.255.255", "192.168.1.7", "192.168.1.6"},
          row{"192.168.1.7", 0, "0.0.0.0", "1.2.3.4", "::1"},
          row{"172.20.1.7", 12, "255.240.0.0", "172.31.255.255", "172.32.0.0"},
          row{"10.1.2.129", 25, "255.255.255.128", "::ffff:10.1.2.128", "10.1.2.127"},
          row{"2001:db8::1", 64, "ffff:ffff:ffff:ffff::", "2001:db8::ffff:1", "2001:db8:0:1::1"},
          row{"2001:db8::1", 33, "ffff:ffff:8000::", "2001:db8:7fff::", "2001:db8:8000::"},
          row{"fe80::1%2", 64, "ffff:ffff:ffff:ffff::", "fe80::9%2", "fe80::9%3"}}) {
        CAPTURE(r.address, r.prefix);
        const interface_address a = subnet(r.address, r.prefix);
        CHECK(a.mask() == address(r.mask));
        CHECK(a.on_subnet(address(r.inside)));
        CHECK_FALSE(a.on_subnet(address(r.outside)));
    }
    CHECK(subnet("192.168.1.7", 24).mask().to_v4().to_uint() == 0xffff'ff00U); // row M-1
    interface_address tunnel = subnet("10.9.0.2", 32);
    tunnel.peer = address("10.9.0.1");
    CHECK(tunnel.on_subnet(address("10.9.0.1")));
    CHECK_FALSE(tunnel.on_subnet(address("10.9.0.2")));
    std::ostringstream out;
    out << subnet("192.168.1.7", 24);
    CHECK(out.str() == "192.168.1.7/24");
}

TEST_CASE("the scopes are those of the system, and every one has a name") {
    using portunus::detail::scope_of;
    CHECK(scope_of(RT_SCOPE_UNIVERSE) == address_scope::global);
    CHECK(scope_of(RT_SCOPE_SITE) == address_scope::site);
    CHECK(scope_of(RT_SCOPE_LINK) == address_scope::link);
    CHECK(scope_of(RT_SCOPE_HOST) == address_scope::host);
    CHECK(scope_of(RT_SCOPE_NOWHERE) == address_scope::nowhere);
    std::set<std::string_view> names;
    for (int i = 0; i < 5; ++i) names.insert(to_string(static_cast<address_scope>(i)));
    CHECK(names.size() == 5);
    CHECK(names.count("unknown") == 0);
}

TEST_CASE(
    "a duplicate, and an address that is still being checked, are tentative; one that is used early is not") {
    const auto tentative = [](std::uint32_t flags) {
        return portunus::detail::to_interface_address(
                   *nl::read_address(address_body(1, "fe80::1", 64, flags).raw()))
            .tentative;
    };
    CHECK(tentative(IFA_F_TENTATIVE));
    CHECK(tentative(IFA_F_DADFAILED));
    CHECK_FALSE(tentative(IFA_F_PERMANENT));
    CHECK_FALSE(tentative(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC));
}

TEST_CASE("without a descriptor left the interfaces cannot be asked for, and that is an error and not an "
          "empty list") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto all = interfaces();
    const auto path = interface_towards(loopback);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(error_of(all) == portunus::condition::exhausted);
    CHECK(error_of(path) == portunus::condition::exhausted);
}
