// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/netlink.hpp>

#include "support/catch.hpp"
#include "unit/net/netlink_support.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::mac_address;

namespace {

/// The first n bytes in a block of exactly that size: whatever is read behind them is seen by
/// AddressSanitizer.
class exactly {
  public:
    // Not inlined: at -O2 g++ 12 would believe that n can be negative.
    [[gnu::noinline]] exactly(const raw_bytes& from, std::size_t n)
        : size_(n), block_(std::make_unique<unsigned char[]>(n)) {
        std::copy_n(from.begin(), n, block_.get());
    }
    nl::bytes view() const { return {block_.get(), size_}; }

  private:
    std::size_t size_;
    std::unique_ptr<unsigned char[]> block_;
};

std::vector<std::uint16_t> types_in(nl::bytes datagram, nl::step& end) {
    std::vector<std::uint16_t> types;
    nl::message m;
    while ((end = nl::next_message(datagram, m)) == nl::step::item) types.push_back(m.type);
    return types;
}

void set_length(raw_bytes& message, std::uint32_t length) {
    std::memcpy(message.data(), &length, sizeof length);
}

rtmsg route_header(int family) {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(family);
    header.rtm_type = RTN_UNICAST;
    return header;
}

} // namespace

// messages and attributes
// ----------------------------------------------------------------------------------------------

TEST_CASE("messages come out of a datagram one after the other, also where padding stands between them") {
    const raw_bytes datagram =
        joined({message(20, raw_bytes(5, 'a'), 7, 11, 13), message(21, {}), message(22, raw_bytes(8, 'b'))});
    nl::bytes rest = datagram;
    nl::message m;
    REQUIRE(nl::next_message(rest, m) == nl::step::item);
    CHECK(m.type == 20);
    CHECK(m.flags == 7);
    CHECK(m.sequence == 11);
    CHECK(m.port == 13);
    CHECK(m.body.size() == 5);
    REQUIRE(nl::next_message(rest, m) == nl::step::item);
    CHECK(m.type == 21);
    CHECK(m.body.empty());
    REQUIRE(nl::next_message(rest, m) == nl::step::item);
    CHECK(m.type == 22);
    CHECK(nl::next_message(rest, m) == nl::step::end);
}

TEST_CASE("a datagram that is cut anywhere gives its whole messages, and is malformed where it was cut "
          "inside one") {
    const raw_bytes first = message(20, raw_bytes(6, 'a')), second = message(21, raw_bytes(4, 'b'));
    const raw_bytes datagram = joined({first, second});
    const std::size_t end_of_first = sizeof(nlmsghdr) + 6; // what pads it may be missing
    for (std::size_t n = 0; n <= datagram.size(); ++n) {
        CAPTURE(n);
        const exactly cut(datagram, n);
        nl::step end{};
        const auto types = types_in(cut.view(), end);
        CHECK(types.size() == (n == datagram.size() ? 2U : n >= end_of_first ? 1U : 0U));
        const bool whole = n == 0 || n == datagram.size() || (n >= end_of_first && n <= first.size());
        CHECK(end == (whole ? nl::step::end : nl::step::malformed));
    }
}

TEST_CASE(
    "a message whose length is too small, too large or enormous is malformed, and nothing loops for ever") {
    for (const std::uint32_t length :
         {0U, 1U, 15U, 25U, 1000U, 0x7fff'ffffU, 0x8000'0000U, 0xffff'fffcU, 0xffff'ffffU}) {
        CAPTURE(length);
        raw_bytes datagram = message(20, raw_bytes(8, 'a'));
        set_length(datagram, length);
        const exactly whole(datagram, datagram.size());
        nl::step end{};
        CHECK(types_in(whole.view(), end).empty());
        CHECK(end == nl::step::malformed);
    }
}

TEST_CASE("attributes are walked like messages: every cut and every false length is malformed or an end") {
    const raw_bytes two = body(std::uint32_t(0)).add(1, raw_bytes(5, 'a')).add(2, raw_bytes(2, 'b')).raw();
    const raw_bytes attributes(two.begin() + 4, two.end());
    for (std::size_t n = 0; n <= attributes.size(); ++n) {
        CAPTURE(n);
        const exactly cut(attributes, n);
        std::size_t seen = 0;
        const bool good = nl::for_each_attribute(cut.view(), [&seen](const nl::attribute& a) {
            ++seen;
            return a.value.size() == (a.type == 1 ? 5U : 2U);
        });
        CHECK(seen == (n >= 18 ? 2U : n >= 9 ? 1U : 0U));
        CHECK(good == (n == 0 || (n >= 9 && n <= 12) || n >= 18));
    }
    for (const int wanted : {0, 1, 3, 21, 1000, 0xffff}) {
        CAPTURE(wanted);
        const auto length = static_cast<std::uint16_t>(wanted);
        raw_bytes wrong = attributes;
        std::memcpy(wrong.data(), &length, sizeof length);
        const exactly whole(wrong, wrong.size());
        std::size_t seen = 0;
        CHECK_FALSE(nl::for_each_attribute(whole.view(), [&seen](const nl::attribute&) {
            ++seen;
            return true;
        }));
        CHECK(seen == 0);
    }
}

TEST_CASE("the flags in the type of an attribute are not part of its type") {
    const raw_bytes one =
        body(std::uint32_t(0)).add(static_cast<std::uint16_t>(NLA_F_NESTED | 5), raw_bytes(4, 'a')).raw();
    nl::bytes rest = nl::bytes(one).subspan(4);
    nl::attribute a;
    REQUIRE(nl::next_attribute(rest, a) == nl::step::item);
    CHECK(a.type == 5);
}

TEST_CASE("values are taken only at the size of their type, and text only as far as its bytes go") {
    const raw_bytes six{1, 2, 3, 4, 5, 6}, text{'e', 't', 'h', '0'}, ended{'l', 'o', 0, 'x'};
    for (std::size_t n = 0; n <= six.size(); ++n) {
        const exactly cut(six, n);
        CHECK(nl::number_in<std::uint32_t>(cut.view()).has_value() == (n == 4));
        CHECK(nl::address_in(cut.view(), AF_INET, 0).has_value() == (n == 4));
        CHECK_FALSE(nl::address_in(cut.view(), AF_INET6, 0).has_value());
        CHECK_FALSE(nl::address_in(cut.view(), AF_UNIX, 0).has_value());
        CHECK(nl::mac_in(cut.view()).has_value() == (n == 6));
    }
    CHECK_FALSE(nl::mac_in(raw_bytes(20, 1)).has_value()); // InfiniBand's
    CHECK(nl::text_in(exactly(text, 4).view()) == "eth0");
    CHECK(nl::text_in(exactly(ended, 4).view()) == "lo");
    CHECK(nl::text_in({}).empty());
}

TEST_CASE("only link-local addresses of IPv6 get the number of their link") {
    const auto read = [](const char* text) {
        const auto raw = address(text).to_v6().to_bytes();
        return nl::address_in(nl::bytes(raw), AF_INET6, 7)->to_v6().scope_id();
    };
    CHECK(read("fe80::1") == 7);
    CHECK(read("ff02::1") == 7);
    CHECK(read("2001:db8::1") == 0);
    CHECK(read("::1") == 0);
}

// what the messages say
// ------------------------------------------------------------------------------------------------

TEST_CASE("a link message tells name, number, flags, MTU and hardware address") {
    const raw_bytes raw = link_body(4, "eth0", IFF_UP | IFF_RUNNING).raw();
    const auto link = nl::read_link(raw);
    REQUIRE(link);
    CHECK(link->index == 4);
    CHECK(link->name == "eth0");
    CHECK(link->flags == (IFF_UP | IFF_RUNNING));
    CHECK(link->mtu == 1400);
    CHECK(link->mac == mac_address("02:fc:00:00:00:04"));
    CHECK(link->family == AF_UNSPEC);
}

TEST_CASE("a link without number, or with a negative one, or an MTU of a wrong size, is malformed") {
    CHECK_FALSE(nl::read_link(link_body(0, "eth0", 0).raw()));
    CHECK_FALSE(nl::read_link(link_body(-1, "eth0", 0).raw()));
    CHECK_FALSE(nl::read_link(link_body(1, "eth0", 0).add(IFLA_MTU, raw_bytes(3, 1)).raw()));
    const auto odd = nl::read_link(link_body(1, "ib0", 0).add(IFLA_ADDRESS, raw_bytes(20, 1)).raw());
    REQUIRE(odd);
    CHECK(odd->mac.is_zero());
}

TEST_CASE(
    "an address message tells the own address, the broadcast address, and the far end where there is one") {
    const auto plain =
        nl::read_address(address_body(4, "10.0.0.7", 24).add(IFA_BROADCAST, address("10.0.0.255")).raw());
    REQUIRE(plain);
    CHECK(plain->index == 4);
    CHECK(plain->address == address("10.0.0.7"));
    CHECK(plain->prefix == 24);
    CHECK(plain->broadcast == address("10.0.0.255"));
    CHECK_FALSE(plain->peer);
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = 32;
    header.ifa_index = 5;
    const auto tunnel = nl::read_address(
        body(header).add(IFA_ADDRESS, address("10.9.0.1")).add(IFA_LOCAL, address("10.9.0.2")).raw());
    REQUIRE(tunnel);
    CHECK(tunnel->address == address("10.9.0.2"));
    CHECK(tunnel->peer == address("10.9.0.1"));
    const auto six = nl::read_address(address_body(6, "fe80::1", 64, IFA_F_TENTATIVE | 0x400).raw());
    REQUIRE(six);
    CHECK(six->address.to_v6().scope_id() == 6);
    CHECK(six->flags == (IFA_F_TENTATIVE | 0x400)); // the attribute has room for more than the header
}

TEST_CASE("an address message without an address, of an unknown family, or with a wrong size or prefix is "
          "malformed") {
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_index = 1;
    CHECK_FALSE(nl::read_address(body(header).raw()));
    CHECK_FALSE(nl::read_address(body(header).add(IFA_LOCAL, raw_bytes(16, 1)).raw()));
    CHECK_FALSE(nl::read_address(body(header).add(IFA_LOCAL, raw_bytes(3, 1)).raw()));
    header.ifa_family = AF_UNIX;
    CHECK_FALSE(nl::read_address(body(header).add(IFA_LOCAL, raw_bytes(4, 1)).raw()));
    CHECK_FALSE(nl::read_address(address_body(1, "10.0.0.7", 33).raw()));
    CHECK_FALSE(nl::read_address(address_body(1, "2001:db8::1", 129).raw()));
    CHECK(nl::read_address(address_body(1, "10.0.0.7", 32).raw()));
    CHECK_FALSE(nl::read_address(address_body(1, "10.0.0.7", 32).add(IFA_FLAGS, raw_bytes(1, 1)).raw()));
}

TEST_CASE("a route tells interface, source and gateway, also a gateway of the other family") {
    const auto route = nl::read_route(body(route_header(AF_INET))
                                          .add(RTA_PREFSRC, address("10.0.0.7"))
                                          .add(RTA_GATEWAY, address("10.0.0.1"))
                                          .add(RTA_OIF, std::uint32_t(4))
                                          .raw());
    REQUIRE(route);
    CHECK(route->index == 4);
    CHECK(route->source == address("10.0.0.7"));
    CHECK(route->gateway == address("10.0.0.1"));
    raw_bytes via;
    put(via, static_cast<std::uint16_t>(AF_INET6));
    put(via, address("fe80::1").to_v6().to_bytes());
    const auto through_six =
        nl::read_route(body(route_header(AF_INET)).add(RTA_VIA, via).add(RTA_OIF, std::uint32_t(4)).raw());
    REQUIRE(through_six);
    REQUIRE(through_six->gateway);
    CHECK(through_six->gateway->to_v6().scope_id() == 4); // though the link stands behind it
    CHECK_FALSE(nl::read_route(body(route_header(AF_INET)).add(RTA_VIA, raw_bytes(1, 1)).raw()));
    CHECK_FALSE(nl::read_route(body(route_header(AF_INET)).add(RTA_GATEWAY, raw_bytes(5, 1)).raw()));
    CHECK_FALSE(nl::read_route(body(route_header(AF_INET)).add(RTA_PREFSRC, raw_bytes(16, 1)).raw()));
    CHECK_FALSE(nl::read_route(body(route_header(AF_INET)).add(RTA_OIF, raw_bytes(2, 1)).raw()));
}

TEST_CASE("every body that is cut short is read as less or as malformed, and nothing behind it is touched") {
    ndmsg neighbour{};
    neighbour.ndm_family = AF_INET;
    neighbour.ndm_ifindex = 4;
    neighbour.ndm_state = NUD_REACHABLE;
    const raw_bytes bodies[] = {
        link_body(4, "eth0", IFF_UP).raw(), address_body(4, "10.0.0.7", 24).raw(),
        body(neighbour).add(NDA_DST, address("10.0.0.9")).add(NDA_LLADDR, raw_bytes(6, 2)).raw(),
        body(route_header(AF_INET))
            .add(RTA_OIF, std::uint32_t(4))
            .add(RTA_GATEWAY, address("10.0.0.1"))
            .raw()};
    for (const raw_bytes& whole : bodies) {
        for (std::size_t n = 0; n < whole.size(); ++n) {
            const exactly cut(whole, n);
            if (const auto link = nl::read_link(cut.view())) CHECK(n >= sizeof(ifinfomsg));
            if (const auto a = nl::read_address(cut.view())) CHECK(n >= sizeof(ifaddrmsg) + 8);
            if (const auto entry = nl::read_neighbour(cut.view())) CHECK(n >= sizeof(ndmsg));
            if (const auto route = nl::read_route(cut.view())) CHECK(n >= sizeof(rtmsg));
        }
    }
    CHECK(nl::read_neighbour(bodies[2])->mac == mac_address("02:02:02:02:02:02"));
}

TEST_CASE("bytes at random never make the readers touch what is not theirs") {
    std::mt19937 random(4711); // the same bytes each time
    std::size_t items = 0;
    for (int round = 0; round < 20'000; ++round) {
        raw_bytes noise(random() % 96);
        for (auto& byte : noise) byte = static_cast<unsigned char>(random() % (round % 3 == 0 ? 8 : 256));
        const exactly block(noise, noise.size());
        nl::bytes rest = block.view();
        nl::message m;
        while (nl::next_message(rest, m) == nl::step::item) ++items;
        items += nl::read_link(block.view()).has_value();
        items += nl::read_address(block.view()).has_value();
        items += nl::read_neighbour(block.view()).has_value();
        items += nl::read_route(block.view()).has_value();
        nl::answer a;
        nl::read_answer(block.view(), a, [&items](const nl::message&) { return ++items != 0; });
    }
    CHECK(items > 0);
}

// questions and answers
// ------------------------------------------------------------------------------------------------

TEST_CASE("a question is a message whose length counts its attributes") {
    nl::request question(RTM_GETROUTE, NLM_F_DUMP, route_header(AF_INET));
    question.add(RTA_DST, address("10.0.0.9")).add(RTA_OIF, std::uint32_t(4)).add(RTA_MARK, raw_bytes(1, 9));
    nl::bytes rest = question.as_sent(77);
    nl::message m;
    REQUIRE(nl::next_message(rest, m) == nl::step::item);
    CHECK(m.type == RTM_GETROUTE);
    CHECK((m.flags & NLM_F_REQUEST) != 0);
    CHECK(m.sequence == 77);
    rtmsg header;
    REQUIRE(nl::take_header(m.body, header));
    CHECK(header.rtm_family == AF_INET);
    std::vector<std::pair<std::uint16_t, std::size_t>> seen;
    CHECK(nl::for_each_attribute(m.body, [&seen](const nl::attribute& a) {
        seen.emplace_back(a.type, a.value.size());
        return true;
    }));
    CHECK(seen ==
          std::vector<std::pair<std::uint16_t, std::size_t>>{{RTA_DST, 4}, {RTA_OIF, 4}, {RTA_MARK, 1}});
    CHECK(nl::next_message(rest, m) == nl::step::end);
    CHECK(nl::request(RTM_GETLINK, 0, ifinfomsg{}).add(1, address("::1")).as_sent(1).size() ==
          sizeof(nlmsghdr) + sizeof(ifinfomsg) + 4 + 16);
}

TEST_CASE(
    "a list in several datagrams is over with its end, and what belongs to other questions is passed over") {
    using state = nl::answer::state;
    nl::answer a;
    a.sequence = 5;
    a.port = 9;
    std::vector<std::uint16_t> seen;
    const auto use = [&seen](const nl::message& m) {
        seen.push_back(m.type);
        return true;
    };
    CHECK(nl::read_answer(joined({message(16, {}, NLM_F_MULTI, 5, 9), message(17, {}, NLM_F_MULTI, 4, 9),
                                  message(18, {}, NLM_F_MULTI, 5, 8), message(NLMSG_DONE, {}, 0, 4, 9),
                                  message(NLMSG_NOOP, {}, 0, 5, 9)}),
                          a, use) == state::more);
    CHECK(nl::read_answer(joined({message(19, {}, NLM_F_MULTI, 5, 9),
                                  message(NLMSG_DONE, number_body(0), NLM_F_MULTI, 5, 9),
                                  message(20, {}, NLM_F_MULTI, 5, 9)}),
                          a, use) == state::done);
    CHECK(seen == std::vector<std::uint16_t>{16, 19});
    CHECK_FALSE(a.interrupted);
    seen.clear();
    CHECK(nl::read_answer(message(21, {}, 0, 5, 9), a, use) == state::done); // a single answer has no end
    CHECK(seen == std::vector<std::uint16_t>{21});
    CHECK(nl::read_answer({}, a, use) == state::more);
}

TEST_CASE(
    "an error, in an answer or at the end of a list, is told by its number, and one without is malformed") {
    using state = nl::answer::state;
    const auto outcome = [](std::uint16_t type, const raw_bytes& content) {
        nl::answer a;
        const state s = nl::read_answer(message(type, content), a, [](const nl::message&) { return true; });
        return std::pair(s, a.number);
    };
    const auto refusal = joined({number_body(-ENODEV), raw_bytes(sizeof(nlmsghdr), 0)});
    CHECK(outcome(NLMSG_ERROR, refusal) == std::pair(state::failed, ENODEV));
    CHECK(outcome(NLMSG_ERROR, number_body(0)) == std::pair(state::done, 0)); // an acknowledgement
    CHECK(outcome(NLMSG_DONE, number_body(-EBUSY)) == std::pair(state::failed, EBUSY));
    CHECK(outcome(NLMSG_DONE, {}).first == state::done);
    CHECK(outcome(NLMSG_DONE, raw_bytes(2, 0)).first == state::malformed);
    CHECK(outcome(NLMSG_ERROR, {}).first == state::malformed);
    CHECK(outcome(NLMSG_ERROR, raw_bytes(3, 0)).first == state::malformed);
    CHECK(outcome(NLMSG_ERROR, number_body(1)).first == state::malformed);
    CHECK(outcome(NLMSG_ERROR, number_body(std::numeric_limits<int>::min())).first == state::malformed);
}

TEST_CASE("a list that changed while it was written, or overran, says so") {
    for (const raw_bytes& said : {message(16, {}, NLM_F_MULTI | NLM_F_DUMP_INTR), message(NLMSG_OVERRUN, {}),
                                  message(NLMSG_DONE, number_body(0), NLM_F_MULTI | NLM_F_DUMP_INTR)}) {
        nl::answer a;
        nl::read_answer(said, a, [](const nl::message&) { return true; });
        CHECK(a.interrupted);
    }
}

TEST_CASE("an answer that is cut at any byte is never taken for a complete one") {
    const raw_bytes whole = joined(
        {message(16, raw_bytes(10, 1), NLM_F_MULTI), message(NLMSG_DONE, number_body(0), NLM_F_MULTI)});
    for (std::size_t n = 0; n < whole.size(); ++n) {
        CAPTURE(n);
        const exactly cut(whole, n);
        nl::answer a;
        CHECK(nl::read_answer(cut.view(), a, [](const nl::message&) { return true; }) !=
              nl::answer::state::done);
    }
}
