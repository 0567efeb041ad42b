// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/accept_policy.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace ip = boost::asio::ip;
using portunus::accept_policy;
using portunus::address_rule;
using portunus::connection_attempt;
using portunus::decided_by;
using portunus::errc;
using portunus::failure;
using portunus::master_switch;
using portunus::refusal;
using portunus::verdict;

namespace {

connection_attempt from(const char* address, std::uint16_t port = 5000, std::string_view interface = "eth0") {
    return {ip::make_address(address), port, ip::make_address("192.168.1.1"), 7001, interface};
}

} // namespace

TEST_CASE("a default policy lets nobody in") {
    const accept_policy policy;
    CHECK(!policy.decide(from("127.0.0.1")));
    CHECK(!policy.decide(from("::1")));
    CHECK(!policy.decide(connection_attempt{}));
    CHECK(policy.decide(from("10.0.0.7")).why == decided_by::fallback);
    CHECK(policy.decide(from("10.0.0.7")).refuse_with == refusal::reset);
    CHECK(policy.size() == 0);
}

TEST_CASE("the first rule that matches decides, and none after it") {
    struct row {
        accept_policy policy;
        const char* peer;
        std::uint16_t port;
        bool accepted;
        std::string reason;
    };
    const auto home = accept_policy::deny_all().allow("192.168.1.0/24").allow("10.0.0.7", 1000);
    const auto world = accept_policy::allow_all().deny("10.0.0.0/8");
    const auto holed =
        accept_policy::deny_all().allow("10.0.0.7").deny("10.0.0.0/24").allow("10.0.0.0/8").deny("any");
    const std::string denied_by_default = "refused: no rule matched, and the policy denies by default";
    for (const auto& [policy, peer, port, accepted, reason] : {
             row{home, "192.168.1.9", 1, true, "accepted by rule 1 (allow 192.168.1.0/24)"},
             row{home, "10.0.0.7", 1000, true, "accepted by rule 2 (allow 10.0.0.7 port 1000)"},
             row{home, "10.0.0.7", 1001, false, denied_by_default},
             row{home, "10.0.0.8", 1000, false, denied_by_default},
             row{home, "::ffff:192.168.1.9", 1, true, "accepted by rule 1 (allow 192.168.1.0/24)"},
             row{home, "::1", 1, false, denied_by_default},
             row{world, "10.1.2.3", 1, false, "refused by rule 1 (deny 10.0.0.0/8)"},
             row{world, "::ffff:10.1.2.3", 1, false, "refused by rule 1 (deny 10.0.0.0/8)"},
             row{world, "11.1.2.3", 1, true, "accepted: no rule matched, and the policy allows by default"},
             row{holed, "10.0.0.7", 1, true, "accepted by rule 1 (allow 10.0.0.7)"},
             row{holed, "10.0.0.8", 1, false, "refused by rule 2 (deny 10.0.0.0/24)"},
             row{holed, "10.0.1.8", 1, true, "accepted by rule 3 (allow 10.0.0.0/8)"},
             row{holed, "fe80::1", 1, false, "refused by rule 4 (deny any)"},
         }) {
        CAPTURE(policy, peer, port);
        const verdict answer = policy.decide(from(peer, port));
        CHECK(answer.accepted == accepted);
        CHECK(answer.reason() == reason);
        CHECK(policy.allows(from(peer, port)) == accepted);
    }
}

TEST_CASE("the four modes of an incoming socket are one line each") {
    const connection_attempt right = from("192.168.1.40", 1000);
    const connection_attempt other_port = from("192.168.1.40", 1001);
    const connection_attempt other_host = from("192.168.1.41", 1000);

    const auto none = accept_policy::nobody();
    CHECK(!none.allows(right));

    const auto address_and_port = accept_policy::only("192.168.1.40", 1000);
    CHECK(address_and_port.allows(right));
    CHECK(!address_and_port.allows(other_port));
    CHECK(!address_and_port.allows(other_host));

    const auto address = accept_policy::only("192.168.1.40");
    CHECK(address.allows(right));
    CHECK(address.allows(other_port));
    CHECK(!address.allows(other_host));

    const auto anyone = accept_policy::anyone();
    CHECK(anyone.allows(right));
    CHECK(anyone.allows(other_host));
    CHECK(anyone.allows(from("fe80::1")));

    CHECK(accept_policy::only(ip::make_address("192.168.1.40")).allows(other_port));
}

TEST_CASE("a switched-off master switch refuses at every policy that it controls, and changes none of them") {
    const master_switch visitors;
    const auto everybody = accept_policy::anyone().controlled_by(visitors);
    auto some = accept_policy::deny_all().allow("10.0.0.0/8");
    some.controlled_by(visitors).refuse_with(refusal::close);
    const auto independent = accept_policy::anyone();
    const auto copy = some;

    CHECK(everybody.allows(from("10.0.0.7")));
    visitors.off();
    CHECK(!everybody.allows(from("10.0.0.7")));
    CHECK(!some.allows(from("10.0.0.7")));
    CHECK(!copy.allows(from("10.0.0.7")));
    CHECK(independent.allows(from("10.0.0.7")));
    CHECK(some.decide(from("10.0.0.7")).why == decided_by::master_switch);
    CHECK(some.decide(from("10.0.0.7")).reason() == "refused: the master switch is off");
    CHECK(some.decide(from("10.0.0.7")).refuse_with == refusal::close);
    visitors.on();
    CHECK(everybody.allows(from("10.0.0.7")));
    CHECK(some.allows(from("10.0.0.7")));
    CHECK(!some.allows(from("11.0.0.7")));
}

TEST_CASE("a rule for an interface holds only for peers that arrive there") {
    const auto policy =
        accept_policy::deny_all().allow_on("eth0,eth1", "10.0.0.0/8").allow_on("wlan0", "any", 1000);
    CHECK(policy.allows(from("10.0.0.7", 1, "eth0")));
    CHECK(policy.allows(from("10.0.0.7", 1, "eth1")));
    CHECK(!policy.allows(from("10.0.0.7", 1, "eth2")));
    CHECK(!policy.allows(from("11.0.0.7", 1, "eth0")));
    CHECK(policy.allows(from("11.0.0.7", 1000, "wlan0")));
    CHECK(!policy.allows(from("11.0.0.7", 1001, "wlan0")));
    CHECK(policy.decide(from("10.0.0.7", 1, "eth1")).reason() ==
          "accepted by rule 1 (allow 10.0.0.0/8 on eth0,eth1)");

    const auto outside = accept_policy::allow_all().deny_on("wan0");
    CHECK(!outside.allows(from("10.0.0.7", 1, "wan0")));
    CHECK(outside.allows(from("10.0.0.7", 1, "eth0")));
}

TEST_CASE("an unknown interface does not open the door: it denies what it could deny, and allows nothing") {
    const auto inside = accept_policy::deny_all().allow_on("eth0");
    CHECK(!inside.allows(from("10.0.0.7", 1, "")));

    const auto outside = accept_policy::allow_all().deny_on("wan0", "10.0.0.0/8");
    CHECK(!outside.allows(from("10.0.0.7", 1, "")));
    CHECK(outside.allows(from("11.0.0.7", 1, "")));
}

TEST_CASE("a policy says whether it asks for the interface") {
    CHECK(!accept_policy::deny_all().allow("10.0.0.0/8").asks_interface());
    CHECK(accept_policy::deny_all().allow("10.0.0.0/8").deny_on("eth0").asks_interface());
    CHECK(accept_policy::deny_all().allow_if("sees it", [](const auto&) { return true; }).asks_interface());
}

TEST_CASE("a predicate decides on what it sees, under its name") {
    int asked = 0;
    const auto policy =
        accept_policy::deny_all().deny("10.0.0.9").allow_if("even ports", [&](const auto& attempt) {
            ++asked;
            return attempt.port % 2 == 0 && attempt.local_port == 7001 && attempt.interface == "eth0";
        });
    CHECK(policy.decide(from("10.0.0.7", 2)).reason() == "accepted by rule 2 (allow if \"even ports\")");
    CHECK(!policy.allows(from("10.0.0.7", 3)));
    CHECK(!policy.allows(from("10.0.0.7", 2, "eth1")));
    CHECK(asked == 3);
    CHECK(!policy.allows(from("10.0.0.9", 2)));
    CHECK(asked == 3);

    const auto denying =
        accept_policy::allow_all().deny_if("low ports", [](const auto& a) { return a.port < 1024; });
    CHECK(denying.decide(from("10.0.0.7", 80)).reason() == "refused by rule 1 (deny if \"low ports\")");
    CHECK(denying.allows(from("10.0.0.7", 8080)));
}

TEST_CASE("a predicate sees normalised addresses") {
    const auto policy = accept_policy::deny_all().allow_if(
        "v4", [](const auto& a) { return a.remote.is_v4() && a.local == ip::make_address("10.0.0.1"); });
    CHECK(policy.allows(
        {ip::make_address("::ffff:10.0.0.7"), 1, ip::make_address("::ffff:10.0.0.1"), 7001, ""}));
    CHECK(
        !policy.allows({ip::make_address("2001:db8::7"), 1, ip::make_address("::ffff:10.0.0.1"), 7001, ""}));
}

TEST_CASE("a predicate that throws refuses, whatever its rule would have done") {
    const auto throwing = [](const connection_attempt&) -> bool {
        throw std::runtime_error("no data\nbase");
    };
    for (const auto& policy : {accept_policy::allow_all().allow_if("known", throwing),
                               accept_policy::allow_all().deny_if("known", throwing)}) {
        const verdict answer = policy.decide(from("10.0.0.7"));
        CHECK(!answer);
        CHECK(answer.why == decided_by::predicate);
        CHECK(!policy.allows(from("10.0.0.7")));
        CHECK(answer.to_error() == errc::denied);
    }
    CHECK(accept_policy::allow_all()
              .deny("any", 9)
              .allow_if("known", throwing)
              .decide(from("10.0.0.7"))
              .reason() == "refused: rule 2 could not decide: allow if \"known\" threw \"no data\\x0abase\"");
    const auto odd = accept_policy::allow_all().allow_if("odd", [](const auto&) -> bool { throw 7; });
    CHECK(odd.decide(from("10.0.0.7")).reason() ==
          "refused: rule 1 could not decide: allow if \"odd\" threw \"something that is no std::exception\"");
}

TEST_CASE("a refusal is made as the policy says") {
    CHECK(accept_policy::nobody().refuse_with(refusal::close).decide(from("10.0.0.7")).refuse_with ==
          refusal::close);
    auto policy = accept_policy::allow_all().deny("10.0.0.7");
    CHECK(policy.decide(from("10.0.0.7")).refuse_with == refusal::reset);
    policy.refuse_with(refusal::close);
    CHECK(policy.decide(from("10.0.0.7")).refuse_with == refusal::close);
}

TEST_CASE("a chain on a temporary gives a value that nothing can leave dangling") {
    auto&& chained = accept_policy::deny_all().allow("10.0.0.7").deny("10.0.0.8").refuse_with(refusal::close);
    CHECK(chained.allows(from("10.0.0.7")));
    const auto& bound = accept_policy::deny_all()
                            .allow_on("eth0", "10.0.0.9")
                            .allow_if("never", [](const auto&) { return false; })
                            .controlled_by(master_switch());
    CHECK(bound.allows(from("10.0.0.9")));

    static_assert(std::is_same_v<decltype(accept_policy().allow("any")), accept_policy>);
    static_assert(std::is_same_v<decltype(std::declval<accept_policy&>().allow("any")), accept_policy&>);
}

TEST_CASE("a named policy grows in place, and its copies do not grow with it") {
    accept_policy policy;
    policy.allow("10.0.0.7");
    const accept_policy before = policy;
    accept_policy& same = policy.allow("10.0.0.8").deny("any");
    CHECK(&same == &policy);
    CHECK(policy.size() == 3);
    CHECK(policy.allows(from("10.0.0.8")));
    CHECK(before.size() == 1);
    CHECK(!before.allows(from("10.0.0.8")));
}

TEST_CASE("a policy that is given a wrong rule throws and stays as it was") {
    auto policy = accept_policy::deny_all().allow("10.0.0.7");
    const std::string before = to_string(policy);
    struct row {
        errc code;
        void (*act)(accept_policy&);
        std::string quoted;
    };
    for (const auto& [code, act, quoted] : {
             row{errc::invalid_address, [](accept_policy& p) { p.allow("10.0.0.7/24"); }, "10.0.0.0/24"},
             row{errc::invalid_address, [](accept_policy& p) { p.deny("nobody"); }, "\"nobody\""},
             row{errc::invalid_port, [](accept_policy& p) { p.allow("10.0.0.7", 70000); }, "70000"},
             row{errc::invalid_option, [](accept_policy& p) { p.allow_on("eth 0"); }, "\"eth 0\""},
             row{errc::invalid_option, [](accept_policy& p) { p.deny_on(""); }, "names none"},
             row{errc::invalid_option, [](accept_policy& p) { p.allow_if("empty", nullptr); }, "\"empty\""},
         }) {
        CAPTURE(quoted);
        try {
            act(policy);
            FAIL("nothing thrown");
        } catch (const failure& f) {
            CHECK(f.reason() == code);
            CHECK(std::string(f.what()).find(quoted) != std::string::npos);
        }
        CHECK(to_string(policy) == before);
    }
}

TEST_CASE("a policy prints its rules in order and its default") {
    std::ostringstream out;
    out << accept_policy::allow_all()
               .deny("10.0.0.0/8", {1, 1023})
               .allow_on("eth0,eth1")
               .deny_if("night", [](const auto&) { return true; });
    CHECK(out.str() ==
          "deny 10.0.0.0/8 port 1-1023; allow any on eth0,eth1; deny if \"night\"; otherwise allow");
    CHECK(to_string(accept_policy()) == "otherwise deny");
}

TEST_CASE("a verdict shares the text of its rule, and keeps it when the policy has gone") {
    std::optional<accept_policy> policy = accept_policy::deny_all().allow("10.0.0.7");
    const verdict first = policy->decide(from("10.0.0.7"));
    const verdict second = policy->decide(from("10.0.0.7"));
    CHECK(first.text.get() == second.text.get()); // nothing was made for either of them
    policy.reset();
    CHECK(first.reason() == "accepted by rule 1 (allow 10.0.0.7)");
}

TEST_CASE("several threads may ask one policy while its switch is turned") {
    const master_switch sw;
    const auto policy = accept_policy::deny_all().allow("10.0.0.0/8").controlled_by(sw);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                const verdict answer = policy.decide(from("10.0.0.7"));
                if (answer.accepted != (answer.why == decided_by::rule)) ++wrong;
                if (policy.decide(from("11.0.0.7")).accepted) ++wrong;
            }
        });
    for (int i = 0; i < 500; ++i) i % 2 == 0 ? sw.off() : sw.on();
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("a policy decides as reading its rules one after the other does, over random policies") {
    struct model_rule {
        bool allows;
        std::uint32_t first, last;
        std::uint16_t port; // 0: any
    };
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        const bool by_default = random() % 2 == 0;
        accept_policy policy = by_default ? accept_policy::allow_all() : accept_policy::deny_all();
        std::vector<model_rule> model;
        for (auto rules = random() % 6; rules > 0; --rules) {
            const std::uint32_t first = 0x0a000000U + random() % 16;
            const std::uint32_t last = first + random() % 8;
            const auto port = static_cast<std::uint16_t>(random() % 3);
            const bool allows = random() % 2 == 0;
            const std::string text =
                ip::address_v4(first).to_string() + "-" + ip::address_v4(last).to_string();
            const portunus::port_range ports =
                port == 0 ? portunus::port_range::any() : portunus::port_range(port);
            allows ? policy.allow(text, ports) : policy.deny(text, ports);
            model.push_back({allows, first, last, port});
        }
        for (std::uint32_t host = 0; host < 24; ++host) {
            for (std::uint16_t port = 1; port < 4; ++port) {
                bool expected = by_default;
                for (const auto& rule : model) {
                    const std::uint32_t peer = 0x0a000000U + host;
                    if (peer < rule.first || peer > rule.last || (rule.port != 0 && rule.port != port))
                        continue;
                    expected = rule.allows;
                    break;
                }
                const connection_attempt attempt{ip::address_v4(0x0a000000U + host), port, {}, 0, {}};
                if (policy.allows(attempt) != expected) FAIL(to_string(policy) << " about host " << host);
            }
        }
    }
}
