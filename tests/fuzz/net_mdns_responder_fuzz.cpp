// SPDX-License-Identifier: BSL-1.0
// Any messages, one after the other, at any time: a responder for multicast DNS goes on, what it sends is
// well-formed and fits into a packet, it never sends much for little, and it comes to rest when nobody
// speaks.
#include <portunus/net/detail/mdns_responder.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace dns = portunus::detail::dns;
using portunus::detail::mdns_link;
using portunus::detail::mdns_responder;
using portunus::detail::steady_point;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct sink final : mdns_responder::output {
    void send(const mdns_link& by, const std::optional<mdns_responder::endpoint>&,
              std::string_view bytes) override {
        require(by.index == 2 && !bytes.empty() && bytes.size() <= mdns_responder::most_bytes);
        require(dns::message::read(bytes).has_value());
        ++sent;
    }
    void renamed(std::size_t claim, const std::string& before, const std::string& now) override {
        require(claim <= 2 && before != now && now.size() <= dns::name::most_label);
    }
    std::size_t sent = 0;
};

} // namespace

/// Two bytes of each message say how large it is; the next one when it comes, and from where.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto type = dns::name::parse("_portunus._tcp.local").value();
    mdns_responder responder("hub", {{"Study", type, 7001, std::string("\3a=b")}, {"Den", type, 7002, {}}},
                             5353, 1);
    mdns_link link;
    link.index = 2;
    link.addresses.resize(2);
    link.addresses[0].address = boost::asio::ip::address_v4(0x0a000007);
    link.addresses[1].address = boost::asio::ip::make_address("fd00::7");
    auto now = steady_point(std::chrono::hours(1));
    responder.set_links({link}, {link.addresses[0].address, link.addresses[1].address}, now);
    sink out;
    const auto until = [&](steady_point end) {
        for (std::size_t steps = 0;; ++steps) {
            const auto next = responder.next();
            if (!next || *next > end) break;
            require(steps < 1000);
            if (*next > now) now = *next;
            responder.run(now, out);
        }
        if (end > now) now = end;
    };
    if (size != 0 && data[0] % 2 != 0) until(now + std::chrono::seconds(10)); // it stands already
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    for (int messages = 0; rest.size() > 3 && messages < 50; ++messages) {
        const std::size_t length = dns::read16(rest, 0) % 2048;
        const auto how = static_cast<unsigned char>(rest[2]);
        const std::string_view bytes = rest.substr(3, length);
        rest.remove_prefix(3 + bytes.size());
        until(now + std::chrono::milliseconds((how >> 2) * 20));
        const auto message = dns::message::read(bytes);
        if (!message) continue;
        const std::size_t before = out.sent;
        const auto port = static_cast<std::uint16_t>((how & 1) != 0 ? 5353 : 40000);
        responder.take(*message,
                       {(how & 2) != 0 ? 2u : 3u, false, {boost::asio::ip::address_v4(0x0a000063), port}},
                       now, out);
        require(out.sent - before <= 4);
    }
    until(now + std::chrono::hours(1));
    require(responder.settled() && !responder.next());
    for (std::size_t claim = 0; claim < 3; ++claim) require(!responder.label(claim).empty());
    responder.goodbye(out);
    return 0;
}
