// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/netlink_socket.hpp>

#include "support/catch.hpp"
#include "unit/net/net_support.hpp"
#include "unit/net/netlink_support.hpp"

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::result;
using portunus::detail::netlink::netlink_socket;

namespace {

/// The types of the messages that the answer carries; type 99 is malformed.
result<std::vector<std::uint16_t>> ask(netlink_socket& s) {
    return s.collect<std::uint16_t>({RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}}, "a test",
                                    [](const nl::message& m, std::vector<std::uint16_t>& into) {
                                        into.push_back(m.type);
                                        return m.type != 99;
                                    });
}

raw_bytes end_of(std::uint32_t sequence, std::uint16_t flags = 0, int number = 0) {
    return message(NLMSG_DONE, number_body(number), static_cast<std::uint16_t>(NLM_F_MULTI | flags),
                   sequence);
}

} // namespace

TEST_CASE("the kernel answers with a list, and refuses what it does not know with its own error") {
    auto opened = netlink_socket::open();
    REQUIRE(opened.has_value());
    const auto links = ask(*opened);
    REQUIRE(links.has_value());
    CHECK_FALSE(links->empty()); // every machine has a loopback
    ifinfomsg none{};
    none.ifi_index = 0x7fff'fff0;
    const auto refused = opened->collect<int>({RTM_GETLINK, 0, none}, "no such link",
                                              [](const nl::message&, std::vector<int>&) { return true; });
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == boost::system::errc::no_such_device);
    CHECK(refused.error().detail() == "asking for no such link");
}

TEST_CASE("a list in many datagrams, one of them larger than any expected, is collected whole") {
    scripted_kernel kernel;
    netlink_socket s(kernel.take_end(), 0);
    kernel.say(message(16, raw_bytes(40), NLM_F_MULTI, 1));
    kernel.say(message(17, raw_bytes(100'000), NLM_F_MULTI, 1));
    kernel.say(joined({message(18, {}, NLM_F_MULTI, 1), end_of(1)}));
    CHECK(must(ask(s)) == std::vector<std::uint16_t>{16, 17, 18});
}

TEST_CASE("a list that changed while it was read is asked for again, and only the new one counts") {
    scripted_kernel kernel;
    netlink_socket s(kernel.take_end(), 0);
    kernel.say(message(16, {}, NLM_F_MULTI | NLM_F_DUMP_INTR, 1));
    kernel.say(end_of(1));
    kernel.say(joined({message(17, {}, NLM_F_MULTI, 2), end_of(2)}));
    CHECK(must(ask(s)) == std::vector<std::uint16_t>{17});
    CHECK(kernel.asked() == 2);
}

TEST_CASE("a list that never holds still is given up after eight times, with an error that says so") {
    scripted_kernel kernel;
    netlink_socket s(kernel.take_end(), 0);
    for (std::uint32_t n = 1; n <= 8; ++n) kernel.say(end_of(n, NLM_F_DUMP_INTR));
    const auto got = ask(s);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error() == boost::system::errc::resource_unavailable_try_again);
    CHECK(got.error().detail().find("8 times") != std::string_view::npos);
    CHECK(kernel.asked() == 8);
}

TEST_CASE("what is malformed, refused, or ends without an answer is an error and no shorter list") {
    scripted_kernel kernel;
    netlink_socket s(kernel.take_end(), 0);
    SECTION("cut") {
        raw_bytes cut = joined({message(16, {}, NLM_F_MULTI, 1), end_of(1)});
        cut.erase(cut.end() - 4, cut.end());
        kernel.say(cut);
        CHECK(error_of(ask(s)) == errc::malformed_frame);
    }
    SECTION("nonsense inside") {
        kernel.say(joined({message(99, {}, NLM_F_MULTI, 1), end_of(1)}));
        CHECK(error_of(ask(s)) == errc::malformed_frame);
    }
    SECTION("refused at the end of the list") {
        kernel.say(joined({message(16, {}, NLM_F_MULTI, 1), end_of(1, 0, -ENOMEM)}));
        CHECK(error_of(ask(s)) == boost::system::errc::not_enough_memory);
    }
    SECTION("an empty datagram, which the kernel never sends") {
        kernel.say({});
        CHECK(error_of(ask(s)) == boost::system::errc::connection_reset);
    }
}

TEST_CASE("what another process sends to the socket is not believed") {
    auto victim = netlink_socket::open();
    auto stranger = netlink_socket::open();
    REQUIRE(victim.has_value());
    REQUIRE(stranger.has_value());
    const int fd = victim->release(), other = stranger->release();
    const plain_socket closes_one(fd), closes_other(other);
    sockaddr_nl to{};
    socklen_t size = sizeof to;
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&to), &size) == 0);
    const raw_bytes lie = end_of(1);
    if (::sendto(other, lie.data(), lie.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
        PORTUNUS_SKIP("only root may send to another process's netlink socket");
    raw_bytes buffer(4096);
    CHECK(nl::receive_from_kernel(fd, buffer, MSG_PEEK | MSG_DONTWAIT) == -1);
    CHECK(errno == EAGAIN);
    REQUIRE(::sendto(other, lie.data(), lie.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) >
            0);
    CHECK(nl::receive_from_kernel(fd, buffer, MSG_DONTWAIT) == -1);
    CHECK(errno == EAGAIN);
}
