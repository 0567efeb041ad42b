// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/ping.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <portunus/testing/run.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::ping;
using portunus::ping_options;
using portunus::detail::echo_message;

namespace {
const auto v4 = asio::ip::make_address("127.0.0.1"), v6 = asio::ip::make_address("::1");
}

TEST_CASE("a machine that is there answers, by IPv4 and IPv6, whatever the size") {
    world w(world::clock::real);
    const bool six = GENERATE(false, true);
    const auto size = GENERATE(as<std::size_t>(), 8, 32, 1400);
    auto asked = w.start(ping(six ? v6 : v4, {.size = size}));
    w.until([&] { return asked.done(); });
    const auto answer = asked.get();
    if (error_of(answer) == errc::port_requires_privilege)
        PORTUNUS_SKIP("ICMP echo needs a group in net.ipv4.ping_group_range, or root");
    CHECK(must(answer) > 0ns);
    w.run();
}

TEST_CASE("several questions at the same time get an answer each") {
    world w(world::clock::real);
    std::vector<portunus::testing::started<portunus::result<portunus::steady_clock::duration>>> asked;
    for (int i = 0; i < 20; ++i) asked.push_back(w.start(ping(v4)));
    w.until([&] {
        return std::all_of(asked.begin(), asked.end(), [](const auto& each) { return each.done(); });
    });
    for (auto& each : asked) {
        const auto answer = each.get();
        if (error_of(answer) == errc::port_requires_privilege)
            PORTUNUS_SKIP("ICMP echo needs a group in net.ipv4.ping_group_range, or root");
        CHECK(answer.has_value());
    }
}

TEST_CASE("a size that is out of its range is refused with the numbers") {
    world w;
    const auto size = GENERATE(as<std::size_t>(), 0, 7, 1401);
    auto asked = w.start(ping(v4, {.size = size}));
    w.run();
    const auto failed = asked.get();
    CHECK(error_of(failed) == errc::invalid_option);
    CHECK(failed.error().detail().find(std::to_string(size)) != std::string_view::npos);
}

TEST_CASE("only the answer to this very question counts") {
    const echo_message question(false, 0x0123456789abcdef, 32);
    std::vector<std::uint8_t> answer = question.bytes();
    CHECK_FALSE(question.answered_by(answer.data(), answer.size(), false)); // the question itself
    answer[0] = 0;
    CHECK(question.answered_by(answer.data(), answer.size(), false));
    std::vector<std::uint8_t> whole(20, 0);
    whole[0] = 0x45;
    whole.insert(whole.end(), answer.begin(), answer.end());
    CHECK(question.answered_by(whole.data(), whole.size(), true));
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        const std::vector<std::uint8_t> shorter(whole.begin(),
                                                whole.begin() + static_cast<std::ptrdiff_t>(cut));
        CHECK_FALSE(question.answered_by(shorter.data(), shorter.size(), true));
    }
    whole[0] = 0x4f; // an IP header that claims more than there is
    CHECK_FALSE(question.answered_by(whole.data(), 30, true));
    answer[8] ^= 1;
    CHECK_FALSE(question.answered_by(answer.data(), answer.size(), false));
}

TEST_CASE("the checksum of a message is that of RFC 1071") {
    const std::array<std::uint8_t, 8> example = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    const std::uint16_t sum = echo_message::checksum(example.data(), example.size());
    std::array<std::uint8_t, 2> bytes{};
    std::memcpy(bytes.data(), &sum, 2);
    CHECK(bytes == std::array<std::uint8_t, 2>{0x22, 0x0d}); // the complement of ddf2
    const echo_message question(false, 42, 33);
    CHECK(echo_message::checksum(question.bytes().data(), question.bytes().size()) == 0);
}

TEST_CASE("a ping can be destroyed at every point") {
    struct scene {
        awaitable<void> operator()() {
            auto answer = co_await ping(v4);
            (void)answer;
        }
    };
    CHECK(portunus::testing::destroy_at_every_point([](asio::io_context&) { return scene{}; }) >= 1);
}
