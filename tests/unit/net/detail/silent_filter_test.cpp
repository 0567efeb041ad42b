// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/silent_filter.hpp>

#include "support/catch.hpp"
#include "unit/net/server_support.hpp"

#include <portunus/policy/master_switch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::connection_attempt;
using portunus::refusal;
using portunus::runtime;
using portunus::detail::silent_filter;

namespace {

/// A segment as the filter sees it.
struct segment {
    std::vector<std::uint8_t> ip;
    std::array<std::uint8_t, 20> tcp{};

    segment(const asio::ip::address& from, std::uint16_t port, std::uint8_t flags) {
        tcp[0] = static_cast<std::uint8_t>(port >> 8);
        tcp[1] = static_cast<std::uint8_t>(port);
        tcp[13] = flags;
        if (from.is_v4()) {
            ip.assign(20, 0);
            ip[0] = 0x45;
            const auto bytes = from.to_v4().to_bytes();
            std::copy(bytes.begin(), bytes.end(), ip.begin() + 12);
        } else {
            ip.assign(40, 0);
            ip[0] = 0x60;
            const auto bytes = from.to_v6().to_bytes();
            std::copy(bytes.begin(), bytes.end(), ip.begin() + 8);
        }
    }
    std::uint32_t load(std::uint32_t offset, std::size_t size) const {
        const bool network = offset >= static_cast<std::uint32_t>(SKF_NET_OFF);
        const std::size_t at = network ? offset - static_cast<std::uint32_t>(SKF_NET_OFF) : offset;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value =
                value << 8 | (network ? ip.at(at + i) : tcp.at(at + i)); // throws where the kernel would drop
        return value;
    }
};

/// What the kernel does with a segment: the instructions that the filter uses, as the kernel's documentation
/// of socket filters defines them.
bool passes(const std::vector<sock_filter>& program, const segment& s) {
    std::uint32_t a = 0;
    for (std::size_t pc = 0;; ++pc) {
        const sock_filter& i = program.at(pc);
        const bool greater = a > i.k, equal = a == i.k;
        switch (i.code) {
        case BPF_LD | BPF_B | BPF_ABS:
            a = s.load(i.k, 1);
            break;
        case BPF_LD | BPF_H | BPF_ABS:
            a = s.load(i.k, 2);
            break;
        case BPF_LD | BPF_W | BPF_ABS:
            a = s.load(i.k, 4);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i.k;
            break;
        case BPF_JMP | BPF_JA:
            pc += i.k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += equal ? i.jt : i.jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += greater ? i.jt : i.jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += greater || equal ? i.jt : i.jf;
            break;
        case BPF_RET | BPF_K:
            return i.k != 0;
        default:
            throw std::runtime_error("an instruction that is not expected");
        }
    }
}

constexpr std::uint8_t syn = 0x02, ack = 0x10, syn_ack = 0x12, rst = 0x04;

bool connects(const portunus::tcp_server& server, const char* host) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    plain_socket s(fd);
    const tcp::endpoint from(asio::ip::make_address(host), 0), to = server.endpoints().front();
    const timeval brief{0, 50'000};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
    if (::bind(fd, from.data(), static_cast<socklen_t>(from.size())) != 0) throw std::runtime_error("bind");
    return ::connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0;
}

} // namespace

TEST_CASE("the filter decides about each SYN as the policy does, for random policies and peers") {
    std::mt19937 random(4711);
    const auto pick = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    const std::vector<std::string> rules = {"10.0.0.7",
                                            "10.0.0.0/8",
                                            "10.0.0.5-10.0.0.9",
                                            "any",
                                            "::/0",
                                            "0.0.0.0/0",
                                            "2001:db8::7",
                                            "2001:db8::/32",
                                            "fe80::/10",
                                            "::ffff:10.0.0.8",
                                            "10.0.0.6/31",
                                            "any port 1-1023",
                                            "2001:db8::5-2001:db8:1::1",
                                            "10.0.0.7 port 1000",
                                            "2001:db8::ffff:0:0-2001:db8::ffff:ffff:0 port 4000-5000"};
    const std::vector<std::string> peers = {"10.0.0.4",
                                            "10.0.0.5",
                                            "10.0.0.7",
                                            "10.0.0.9",
                                            "10.0.0.10",
                                            "10.255.255.255",
                                            "11.0.0.0",
                                            "192.168.1.1",
                                            "2001:db8::",
                                            "2001:db8::7",
                                            "2001:db8::ffff:ffff:0",
                                            "2001:db8::ffff:ffff:1",
                                            "2001:db8:1::1",
                                            "2001:db8:1::2",
                                            "2001:db9::",
                                            "fe80::1",
                                            "::1"};
    const std::vector<std::uint16_t> ports = {0, 1, 999, 1000, 1001, 1023, 1024, 4000, 5000, 5001, 65535};
    for (int round = 0; round < 3000; ++round) {
        auto policy = pick(2) == 0 ? accept_policy::deny_all() : accept_policy::allow_all();
        for (std::uint32_t n = pick(7); n > 0; --n) {
            const portunus::address_rule rule(rules[pick(static_cast<std::uint32_t>(rules.size()))]);
            pick(2) == 0 ? policy.allow(rule) : policy.deny(rule);
        }
        const auto program = silent_filter(policy.addresses_alone());
        for (int i = 0; i < 30; ++i) {
            const auto peer = asio::ip::make_address(peers[pick(static_cast<std::uint32_t>(peers.size()))]);
            const auto port = ports[pick(static_cast<std::uint32_t>(ports.size()))];
            CAPTURE(to_string(policy), peer.to_string(), port);
            REQUIRE(passes(program, segment(peer, port, syn)) ==
                    policy.allows({peer, port, asio::ip::address(), 7001}));
            for (const std::uint8_t flags : {ack, syn_ack, rst}) // nothing but what begins a connection
                REQUIRE(passes(program, segment(peer, port, flags)));
        }
    }
}

TEST_CASE("from the first rule on that asks for more than addresses, the filter leaves it to the policy") {
    const auto policy = accept_policy::deny_all()
                            .deny("10.0.0.7")
                            .allow_if("a question", [](const connection_attempt&) { return false; })
                            .deny("10.0.0.8");
    const auto part = policy.addresses_alone();
    CHECK_FALSE(part.complete);
    const auto program = silent_filter(part);
    CHECK_FALSE(passes(program, segment(asio::ip::make_address("10.0.0.7"), 1, syn)));
    CHECK(passes(program, segment(asio::ip::make_address("10.0.0.8"), 1, syn)));
    CHECK_FALSE(accept_policy::allow_all().deny_on("eth0").addresses_alone().complete);
    CHECK_FALSE(accept_policy::allow_all().deny("fe80::1%2").addresses_alone().complete);
}

TEST_CASE(
    "a policy of thousands of rules gives a program that the kernel takes, and refuses nobody wrongly") {
    auto policy = accept_policy::deny_all();
    for (int i = 0; i < 5000; ++i) {
        policy.allow("10." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".1");
        policy.allow("2001:db8:" + std::to_string(i) + "::/48");
    }
    const auto program = silent_filter(policy.addresses_alone());
    CHECK(program.size() <= BPF_MAXINSNS);
    for (const char* allowed : {"10.0.0.1", "10.19.135.1", "2001:db8:4999::1"})
        CHECK(passes(program, segment(asio::ip::make_address(allowed), 1, syn)));
}

TEST_CASE("whoever is dropped silently gets no answer, and everybody else is served") {
    runtime rt(1, portunus::logger::silent());
    auto door = any_door();
    door.policy = accept_policy::deny_all().allow("127.0.0.5").refuse_with(refusal::drop);
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    CHECK(connects(server, "127.0.0.5"));
    CHECK_FALSE(connects(server, "127.0.0.6"));
    eventually([&] { return server.snapshot().accepted == 1; });
    CHECK(server.snapshot().refused_by_policy == 0); // nobody hears of those whom the kernel drops
    server.set_policy(accept_policy::deny_all().allow("127.0.0.6").refuse_with(refusal::drop));
    eventually([&] { return connects(server, "127.0.0.6"); });
    CHECK_FALSE(connects(server, "127.0.0.5")); // the new filter replaces the old one at once
    server.set_policy(accept_policy::anyone());
    eventually([&] { return connects(server, "127.0.0.5"); });
    CHECK(r.stop() == 0);
}

TEST_CASE("whom the kernel cannot judge is reset instead of dropped") {
    runtime rt(1, portunus::logger::silent());
    auto door = any_door();
    door.policy = accept_policy::allow_all()
                      .deny_if("nobody today", [](const connection_attempt&) { return true; })
                      .refuse_with(refusal::drop);
    const auto server = rt.listen(door, &echo_lines);
    running r(rt);
    CHECK(connect_to(server).read_to_end().second == ending::reset);
    eventually([&] { return server.snapshot().refused_by_policy == 1; });
    CHECK(r.stop() == 0);
}
