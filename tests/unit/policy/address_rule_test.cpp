// SPDX-License-Identifier: BSL-1.0
#include <portunus/policy/address_rule.hpp>

#include "support/catch.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <sstream>
#include <string>
#include <string_view>

namespace ip = boost::asio::ip;
using portunus::address_rule;
using portunus::errc;
using portunus::failure;
using portunus::normalised;
using portunus::port_range;

namespace {

ip::address at(const char* text) {
    return ip::make_address(text);
}

ip::address on_link(const char* text, std::uint32_t scope) {
    ip::address_v6 address = ip::make_address_v6(text);
    address.scope_id(scope);
    return address;
}

std::string refusal_of(std::string_view text, errc expected = errc::invalid_address) {
    const auto rule = address_rule::parse(text);
    if (rule) return "accepted as " + to_string(*rule);
    CHECK(rule.error() == expected);
    return std::string(rule.error().detail());
}

template <class Make>
std::string thrown_by(Make make, errc expected) {
    try {
        make();
    } catch (const failure& f) {
        CHECK(f.reason() == expected);
        return std::string(f.reason().detail());
    }
    return "nothing thrown";
}

const std::string allowed =
    "; allowed: an IPv4 or IPv6 address, a prefix (\"192.168.1.0/24\", \"fe80::/10\"), a range "
    "(\"10.0.0.5-10.0.0.9\") or \"any\", each with \" port N\" or \" port N-M\" behind it where the port "
    "matters";

} // namespace

TEST_CASE("an address rule matches exactly the peers that its text names") {
    struct row {
        std::string_view rule;
        std::initializer_list<const char*> in;
        std::initializer_list<const char*> out;
    };
    for (const auto& [text, in, out] : {
             row{"10.0.0.7", {"10.0.0.7"}, {"10.0.0.6", "10.0.0.8", "::a00:7", "0.0.0.0"}},
             row{"192.168.1.0/24",
                 {"192.168.1.0", "192.168.1.9", "192.168.1.255"},
                 {"192.168.0.255", "192.168.2.0"}},
             row{"10.0.0.0/8", {"10.0.0.0", "10.255.255.255"}, {"9.255.255.255", "11.0.0.0"}},
             row{"10.0.0.7/32", {"10.0.0.7"}, {"10.0.0.6"}},
             row{"128.0.0.0/1", {"128.0.0.0", "255.255.255.255"}, {"127.255.255.255", "8000::"}},
             row{"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::", "::1", "2001:db8::1"}},
             row{"10.0.0.5-10.0.0.9", {"10.0.0.5", "10.0.0.7", "10.0.0.9"}, {"10.0.0.4", "10.0.0.10"}},
             row{"10.0.0.250-10.0.1.5", {"10.0.0.250", "10.0.1.0", "10.0.1.5"}, {"10.0.0.249", "10.0.1.6"}},
             row{"2001:db8::7", {"2001:db8::7", "2001:0DB8:0:0:0:0:0:7"}, {"2001:db8::8", "2001:db8:1::7"}},
             row{"fe80::/10", {"fe80::", "febf:ffff::1"}, {"fec0::", "fe7f:ffff::"}},
             row{"2001:db8::/64",
                 {"2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"},
                 {"2001:db8:0:1::", "2001:db7:ffff:ffff::"}},
             row{"2001:db8::8000:0:0:0/65", {"2001:db8::8000:0:0:0"}, {"2001:db8::7fff:ffff:ffff:ffff"}},
             row{"2001:db8::/63", {"2001:db8:0:1::1"}, {"2001:db8:0:2::"}},
             row{"::/0", {"::", "::1", "ffff::", "64:ff9b::a00:7"}, {"10.0.0.7", "0.0.0.0"}},
             row{"::-::ff", {"::", "::1", "::ff"}, {"::100", "0.0.0.1"}},
             row{"::1:0:0:0-0:1:0:0:1:0:0:0",
                 {"::1:0:0:0", "::ffff:ffff:0:0", "0:1:0:0:1:0:0:0"},
                 {"::ffff:0:1", "0:1:0:0:1:0:0:1"}},
             row{"any", {"0.0.0.0", "10.0.0.7", "::", "fe80::1", "::ffff:1.2.3.4"}, {}},
             row{" 10.0.0.5 - 10.0.0.9\t", {"10.0.0.7"}, {"10.0.0.4"}},
             row{"10.0.0.0 / 8", {"10.0.0.7"}, {"11.0.0.0"}},
         }) {
        CAPTURE(text);
        const address_rule rule(text);
        for (const char* peer : in) {
            CAPTURE(peer);
            CHECK(rule.matches(at(peer), 5000));
        }
        for (const char* peer : out) {
            CAPTURE(peer);
            CHECK(!rule.matches(at(peer), 5000));
        }
    }
}

TEST_CASE("an address rule reads back what it prints") {
    struct row {
        std::string_view text;
        std::string canonical;
    };
    for (const auto& [text, canonical] : {
             row{"10.0.0.7", "10.0.0.7"},
             row{" 10.0.0.7 ", "10.0.0.7"},
             row{"10.0.0.0/8", "10.0.0.0/8"},
             row{"2001:0DB8:0::/32", "2001:db8::/32"},
             row{"10.0.0.5 - 10.0.0.9", "10.0.0.5-10.0.0.9"},
             row{"any", "any"},
             row{"any port 53", "any port 53"},
             row{"10.0.0.7  port   1000 - 2000", "10.0.0.7 port 1000-2000"},
             row{"fe80::1%2", "fe80::1%2"},
             row{"fe80::%2/64 port 9", "fe80::%2/64 port 9"},
             row{"::ffff:10.0.0.7", "10.0.0.7"},
             row{"::ffff:192.168.1.0/120", "192.168.1.0/24"},
             row{"::ffff:0:0/96", "0.0.0.0/0"},
             row{"::ffff:10.0.0.5-10.0.0.9", "10.0.0.5-10.0.0.9"},
         }) {
        CAPTURE(text);
        const address_rule rule(text);
        CHECK(to_string(rule) == canonical);
        CHECK(address_rule(canonical) == rule);
        std::ostringstream out;
        out << rule;
        CHECK(out.str() == canonical);
    }
}

TEST_CASE("an address rule is for source ports where it names some") {
    const address_rule one("10.0.0.7", 1000);
    CHECK(one.matches(at("10.0.0.7"), 1000));
    CHECK(!one.matches(at("10.0.0.7"), 1001));
    CHECK(!one.matches(at("10.0.0.8"), 1000));
    CHECK(one == address_rule("10.0.0.7 port 1000"));
    CHECK(one.ports() == port_range(1000));

    const address_rule several("10.0.0.0/8", {1000, 2000});
    CHECK(several.matches(at("10.9.9.9"), 2000));
    CHECK(!several.matches(at("10.9.9.9"), 2001));
    CHECK(several == address_rule("10.0.0.0/8 port 1000-2000"));

    CHECK(address_rule::any(1000).matches(at("fe80::1"), 1000));
    CHECK(!address_rule::any(1000).matches(at("fe80::1"), 1001));
    CHECK(address_rule("10.0.0.7").matches(at("10.0.0.7"), 0));
    CHECK(address_rule(at("10.0.0.7"), 1000) == one);
}

TEST_CASE("an IPv4 peer of a dual-stack socket matches the rules for IPv4") {
    CHECK(normalised(at("::ffff:10.0.0.7")) == at("10.0.0.7"));
    CHECK(normalised(at("10.0.0.7")) == at("10.0.0.7"));
    CHECK(normalised(at("2001:db8::7")) == at("2001:db8::7"));
    CHECK(normalised(on_link("fe80::1", 3)) == on_link("fe80::1", 3));

    for (const char* text :
         {"192.168.1.0/24", "192.168.1.9", "192.168.1.1-192.168.1.10", "0.0.0.0/0", "any"}) {
        CAPTURE(text);
        CHECK(address_rule(text).matches(at("::ffff:192.168.1.9"), 1));
    }
    CHECK(!address_rule("192.168.1.0/24").matches(at("::ffff:192.168.2.9"), 1));
    CHECK(!address_rule("::/0").matches(at("::ffff:192.168.1.9"), 1));
    CHECK(address_rule(at("::ffff:10.0.0.7")) == address_rule("10.0.0.7"));
}

TEST_CASE("other ways to wrap an IPv4 address are not taken for it") {
    for (const char* wrapped : {"64:ff9b::10.0.0.7", "::10.0.0.7", "2002:a00:7::1", "::ffff:0:10.0.0.7"}) {
        CAPTURE(wrapped);
        CHECK(!address_rule("10.0.0.7").matches(at(wrapped), 1));
        CHECK(!address_rule("0.0.0.0/0").matches(at(wrapped), 1));
    }
}

TEST_CASE("a link-local rule without scope matches on every link, one with a scope on its own") {
    CHECK(address_rule("fe80::/10").matches(on_link("fe80::1", 0), 1));
    CHECK(address_rule("fe80::/10").matches(on_link("fe80::1", 7), 1));
    CHECK(address_rule("fe80::1").matches(on_link("fe80::1", 7), 1));

    CHECK(address_rule("fe80::1%2").matches(on_link("fe80::1", 2), 1));
    CHECK(!address_rule("fe80::1%2").matches(on_link("fe80::1", 3), 1));
    CHECK(!address_rule("fe80::1%2").matches(on_link("fe80::1", 0), 1));
    CHECK(address_rule("fe80::%2/64").matches(on_link("fe80::9", 2), 1));
    CHECK(!address_rule("fe80::%2/64").matches(on_link("fe80::9", 3), 1));
    CHECK(address_rule(on_link("fe80::1", 2)) == address_rule("fe80::1%2"));
    CHECK(address_rule("fe80::1%2") != address_rule("fe80::1"));
}

TEST_CASE("address rules are equal when they match the same peers") {
    CHECK(address_rule("10.0.0.7") == address_rule("10.0.0.7/32"));
    CHECK(address_rule("10.0.0.0/24") == address_rule("10.0.0.0-10.0.0.255"));
    CHECK(address_rule("10.0.0.0/24") != address_rule("10.0.0.0/25"));
    CHECK(address_rule("0.0.0.0/0") != address_rule("::/0"));
    CHECK(address_rule("any") == address_rule::any());
    CHECK(address_rule("0.0.0.0") != address_rule("any"));
    CHECK(address_rule("0.0.0.0") != address_rule("::"));
    CHECK(address_rule("10.0.0.7 port 5") != address_rule("10.0.0.7"));
}

TEST_CASE("host bits behind a prefix are an error that proposes the prefix") {
    struct row {
        std::string_view text;
        std::string proposal;
    };
    for (const auto& [text, proposal] : {
             row{"192.168.1.7/24", "has bits set after the first 24: 192.168.1.0/24 was probably meant, or "
                                   "192.168.1.7 alone"},
             row{"10.0.0.1/31",
                 "has bits set after the first 31: 10.0.0.0/31 was probably meant, or 10.0.0.1 alone"},
             row{"1.0.0.0/0",
                 "has bits set after the first 0: 0.0.0.0/0 was probably meant, or 1.0.0.0 alone"},
             row{"fe80::1/10",
                 "has bits set after the first 10: fe80::/10 was probably meant, or fe80::1 alone"},
             row{"2001:db8::1/127", "has bits set after the first 127: 2001:db8::/127 was probably meant, or "
                                    "2001:db8::1 alone"},
             row{"::ffff:192.168.1.7/120",
                 "has bits set after the first 120: 192.168.1.0/24 was probably meant, or "
                 "192.168.1.7 alone"},
         })
        CHECK(refusal_of(text) == "\"" + std::string(text) + "\" " + proposal + allowed);
}

TEST_CASE("what is wrong with the text of an address rule is quoted, with the part and what is allowed") {
    struct row {
        std::string_view text;
        std::string problem;
    };
    using namespace std::string_view_literals;
    for (const auto& [text, problem] : {
             row{"", "\"\" is not an address"},
             row{"localhost", "\"localhost\" is not an address"},
             row{"10.0.0", "\"10.0.0\" is not an address"},
             row{"10.0.0.256", "\"10.0.0.256\" is not an address"},
             row{"10.0.0.07", "\"10.0.0.07\" is not an address"},
             row{"*", "\"*\" is not an address"},
             row{"10.0.0.7\0.evil"sv, "\"10.0.0.7\\x00.evil\" is not an address"},
             row{"10.0.0.7:80",
                 "\"10.0.0.7:80\" is not an address: a port is written behind it as \" port N\""},
             row{"[::1]:80", "\"[::1]:80\" is not an address: it is written without brackets"},
             row{"10.0.0.0/33", "\"10.0.0.0/33\": \"33\" is not a prefix length from 0 to 32"},
             row{"10.0.0.0/", "\"10.0.0.0/\": \"\" is not a prefix length from 0 to 32"},
             row{"10.0.0.0/-1", "\"10.0.0.0/-1\": \"-1\" is not a prefix length from 0 to 32"},
             row{"10.0.0.0/08", "\"10.0.0.0/08\": \"08\" is not a prefix length from 0 to 32"},
             row{"10.0.0.0/255.0.0.0",
                 "\"10.0.0.0/255.0.0.0\": \"255.0.0.0\" is not a prefix length from 0 to 32"},
             row{"fe80::/129", "\"fe80::/129\": \"129\" is not a prefix length from 0 to 128"},
             row{"/24", "\"/24\": \"\" is not an address"},
             row{"::ffff:0:0/90",
                 "\"::ffff:0:0/90\" cuts an IPv4-mapped address: its prefix length is 96 to 128"},
             row{"10.0.0.9-10.0.0.5",
                 "\"10.0.0.9-10.0.0.5\" is a reversed range: 10.0.0.5-10.0.0.9 was probably meant"},
             row{"10.0.0.5-9", "\"10.0.0.5-9\": \"9\" is not an address"},
             row{"10.0.0.5-", "\"10.0.0.5-\": \"\" is not an address"},
             row{"10.0.0.5-fe80::1", "\"10.0.0.5-fe80::1\" goes from one family to the other"},
             row{"10.0.0.0/8-11.0.0.0/8",
                 "\"10.0.0.0/8-11.0.0.0/8\": \"8-11.0.0.0/8\" is not a prefix length from 0 "
                 "to 32"},
             row{"fe80::1%eth0",
                 "\"fe80::1%eth0\" names its scope: allowed is the number of the link, or a rule for "
                 "one interface"},
             row{"fe80::1%", "\"fe80::1%\" has a scope that is not a number from 1 to 4294967295"},
             row{"fe80::1%0", "\"fe80::1%0\" has a scope that is not a number from 1 to 4294967295"},
             row{"fe80::1%4294967296",
                 "\"fe80::1%4294967296\" has a scope that is not a number from 1 to 4294967295"},
             row{"2001:db8::1%2",
                 "\"2001:db8::1%2\" has a scope, which only link-local addresses (fe80::/10) can "
                 "have"},
             row{"10.0.0.7%2",
                 "\"10.0.0.7%2\" has a scope, which only link-local addresses (fe80::/10) can have"},
             row{"fe80::1%2-fe80::9%2",
                 "\"fe80::1%2-fe80::9%2\" has a scope: only one address or a prefix may carry "
                 "one"},
             row{"10.0.0.7 port", "\"10.0.0.7 port\" is not an address with a port"},
             row{"port 80", "\"port 80\" is not an address with a port"},
             row{"10.0.0.7port 80", "\"10.0.0.7port 80\" is not an address with a port"},
             row{"support.example", "\"support.example\" is not an address with a port"},
             row{"10.0.0 port 80", "\"10.0.0 port 80\": \"10.0.0\" is not an address"},
         })
        CHECK(refusal_of(text) == problem + allowed);
}

TEST_CASE("a wrong port behind an address is an error of the port") {
    CHECK(refusal_of("10.0.0.7 port 70000", errc::invalid_port) ==
          "\"10.0.0.7 port 70000\": \"70000\" is above 65535; allowed: 1 to 65535, as N or N-M");
    CHECK(refusal_of("any port 0", errc::invalid_port) ==
          "\"any port 0\": \"0\" is not a port that a peer can have; allowed: 1 to 65535, as N or N-M");
    CHECK(thrown_by([] { address_rule rule("10.0.0.7 port 80", 90); }, errc::invalid_port) ==
          "\"10.0.0.7 port 80\" names ports, and port 90 is given beside it; allowed: one of the two");
    CHECK(thrown_by([] { address_rule rule("10.0.0.7", 0); }, errc::invalid_port) ==
          "port 0 beside \"10.0.0.7\" is not a port that a peer can have; allowed: 1 to 65535");
    CHECK(thrown_by([] { address_rule rule(at("10.0.0.7"), 0); }, errc::invalid_port) ==
          "0 is not a port that a peer can have; allowed: 1 to 65535");
    CHECK(thrown_by([] { address_rule rule("10.0.0.7", 65536); }, errc::invalid_port) ==
          "65536 is not a port; allowed: 0 to 65535");
}

TEST_CASE("an address rule from wrong text throws what parse returns") {
    CHECK(thrown_by([] { address_rule rule("192.168.1.7/24"); }, errc::invalid_address) ==
          refusal_of("192.168.1.7/24"));
}

TEST_CASE("a prefix matches as comparing bit by bit does, over random addresses") {
    std::mt19937_64 random(20240601);
    const auto bit = [](const auto& bytes, std::size_t i) { return bytes[i / 8] >> (7 - i % 8) & 1; };
    const auto check = [&](const auto& network, const auto& peer, std::size_t length,
                           const ip::address& peer_address, const std::string& text) {
        bool same = true;
        for (std::size_t i = 0; i < length; ++i) same = same && bit(network, i) == bit(peer, i);
        CAPTURE(text, peer_address.to_string());
        CHECK(address_rule(text).matches(peer_address, 1) == same);
        return same;
    };
    int matched = 0;
    for (int round = 0; round < 3000; ++round) {
        // the peer differs from the network in a few bits: addresses that are wholly random would hardly ever
        // match
        const auto flips = random() % 3;
        if (round % 2 == 0) {
            const auto length = static_cast<std::size_t>(random() % 33);
            const auto raw = static_cast<std::uint32_t>(random());
            const auto base = length == 0 ? 0U : raw & ~std::uint32_t{0} << (32 - length);
            auto other = base | (length == 32 ? 0U : static_cast<std::uint32_t>(random()) >> length);
            for (unsigned i = 0; i < flips; ++i) other ^= 1U << random() % 32;
            const ip::address_v4 network(base);
            const ip::address_v4 peer(other);
            const std::string text = network.to_string() + "/" + std::to_string(length);
            matched += check(network.to_bytes(), peer.to_bytes(), length, peer, text);
            const auto reference = ip::make_network_v4(text);
            CHECK(address_rule(text).matches(peer, 1) ==
                  (ip::network_v4(peer, reference.prefix_length()).canonical() == reference));
        } else {
            const auto length = static_cast<std::size_t>(random() % 129);
            ip::address_v6::bytes_type base{};
            ip::address_v6::bytes_type other{};
            for (std::size_t i = 0; i < 128; ++i) {
                const auto mask = static_cast<unsigned char>(0x80 >> i % 8);
                if (i < length && random() % 2 == 0) {
                    base[i / 8] = static_cast<unsigned char>(base[i / 8] | mask);
                    other[i / 8] = static_cast<unsigned char>(other[i / 8] | mask);
                } else if (i >= length && random() % 2 == 0) {
                    other[i / 8] = static_cast<unsigned char>(other[i / 8] | mask);
                }
            }
            for (unsigned i = 0; i < flips; ++i) {
                const auto at_bit = random() % 128;
                other[at_bit / 8] = static_cast<unsigned char>(other[at_bit / 8] ^ (0x80 >> at_bit % 8));
            }
            const ip::address_v6 network(base);
            const ip::address_v6 peer(other);
            if (network.is_v4_mapped() || peer.is_v4_mapped()) continue;
            matched += check(base, other, length, peer, network.to_string() + "/" + std::to_string(length));
        }
    }
    CHECK(matched > 500);
    CHECK(matched < 2900);
}

TEST_CASE("a range matches as counting does, over random addresses") {
    std::mt19937 random(99);
    for (int round = 0; round < 2000; ++round) {
        // a narrow field, so that ends and peers meet often, across a byte's border
        const auto pick = [&] { return static_cast<std::uint32_t>(0x0a00'00f0U + random() % 32); };
        std::uint32_t first = pick();
        std::uint32_t last = pick();
        const std::uint32_t peer = pick();
        if (last < first) std::swap(first, last);
        const bool inside = first <= peer && peer <= last;

        const std::string v4 = ip::address_v4(first).to_string() + "-" + ip::address_v4(last).to_string();
        CHECK(address_rule(v4).matches(ip::address_v4(peer), 1) == inside);

        const auto widen =
            [](std::uint32_t v) { // the low bits on both sides of the border between the two halves
                ip::address_v6::bytes_type bytes{};
                bytes[0] = 0x20;
                for (std::size_t i = 0; i < 4; ++i)
                    bytes[6 + i] = static_cast<unsigned char>(v >> (24 - 8 * i));
                return ip::address_v6(bytes);
            };
        const std::string v6 = widen(first).to_string() + "-" + widen(last).to_string();
        CHECK(address_rule(v6).matches(widen(peer), 1) == inside);
    }
}
