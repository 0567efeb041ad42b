// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/mdns_resolve.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/mdns_support.hpp"

#include <portunus/net/detail/dns_message.hpp>
#include <portunus/testing/run.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::address_family;
using portunus::errc;
using portunus::mdns_announcer;
using portunus::mdns_resolve;
using portunus::mdns_resolve_name;
using portunus::udp_socket;
using portunus::detail::is_link_local;
using portunus::detail::is_local_name;
using portunus::testing::destroy_at_every_point;
namespace dns = portunus::detail::dns;

namespace {

const asio::ip::address v4 = asio::ip::make_address("127.0.0.1"), v6 = asio::ip::make_address("::1");

using answer_writer = std::function<std::string(const dns::message& question, const portunus::datagram& d)>;

/// A responder that answers what the test says, to the asker alone; an empty answer is none.
class forged_responder {
  public:
    forged_responder(world& w, const mdns_world& net, answer_writer answer)
        : socket_(w.context.get_executor(), door(net)) {
        must(socket_.join(portunus::detail::mdns_group_address(false), "lo"));
        w.spawn(run(*this, std::move(answer)));
        w.settle();
    }
    ~forged_responder() { socket_.close(); }
    std::vector<std::string> asked; // the bytes of each question

  private:
    static portunus::udp_options door(const mdns_world& net) {
        portunus::udp_options o;
        o.ports = net.port;
        o.reuse = true;
        o.policy = portunus::accept_policy::anyone();
        return o;
    }
    static awaitable<void> run(forged_responder& self, answer_writer answer) {
        for (;;) {
            auto got = co_await self.socket_.receive();
            if (!got) co_return;
            const auto m = dns::message::read(got->bytes);
            if (!m || m->is_response()) continue;
            self.asked.emplace_back(got->bytes);
            const std::string bytes = answer(*m, *got);
            if (bytes.empty()) continue;
            auto sent = self.socket_.try_send(got->sender, bytes);
            must(sent);
        }
    }
    udp_socket socket_;
};

std::string reply_to(const dns::message& question, const dns::record& r, std::uint16_t id) {
    std::array<char, 500> room;
    dns::message_writer w(room, id, dns::flag_response);
    question.each_question(
        [&w](const dns::question_view& q) { (void)w.add_question(q.owner.to_name(), q.type, false); });
    (void)w.add_record(dns::section::answer, r, r.ttl, false, false);
    return std::string(w.bytes());
}
dns::record hub_at(const char* address) {
    return dns::address_record(must(dns::name::parse("hub.local")), asio::ip::make_address(address), 10);
}

} // namespace

TEST_CASE("a name that is announced is resolved to its addresses, of the family that is wanted") {
    world w;
    mdns_world net;
    mdns_announcer announcer(w.context.get_executor(), net.announcing("hub", {}));
    announce(w, announcer);
    auto options = net.asking();
    const auto family = GENERATE(address_family::v4, address_family::any);
    options.family = family;
    auto asked = w.start(mdns_resolve("HUB.local.", options));
    const auto found = must(answer_of(w, asked));
    REQUIRE_FALSE(found.empty());
    CHECK(std::count(found.begin(), found.end(), v4) == 1);
    if (family == address_family::v4) CHECK(found.size() == 1);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("an address is resolved to the name that is announced") {
    world w;
    mdns_world net;
    mdns_announcer announcer(w.context.get_executor(), net.announcing("hub", {}));
    announce(w, announcer);
    auto asked = w.start(mdns_resolve_name(asio::ip::make_address("::ffff:127.0.0.1"), net.asking()));
    w.until([&] { return asked.done(); }); // at once
    CHECK(must(asked.get()) == "hub.local");
}

TEST_CASE("where nobody answers that is said after the limit, and the question was sent again meanwhile") {
    world w;
    mdns_world net;
    forged_responder deaf(w, net, [](const auto&, const auto&) { return std::string(); });
    auto options = net.asking();
    options.family = address_family::v4;
    options.limit = 8s;
    auto asked = w.start(mdns_resolve("nobody.local", options));
    const auto failed = answer_of(w, asked);
    REQUIRE(error_of(failed) == errc::no_answer);
    CHECK(error_of(failed).detail() == "nobody on the link answered for \"nobody.local\" within 8000 ms");
    CHECK(deaf.asked.size() == 4); // after 0, 1, 3 and 7 s
    CHECK(w.time.armed() == 0);
}

TEST_CASE("an owner without an address of that family says so, and nobody waits for the limit") {
    world w;
    mdns_world net;
    forged_responder owner(w, net, [](const dns::message& q, const auto&) {
        const std::array<std::uint16_t, 1> types{dns::type_a};
        return reply_to(q, dns::denial_record(must(dns::name::parse("hub.local")), types, 10), q.id());
    });
    auto options = net.asking();
    options.family = address_family::v6;
    options.limit = 60s;
    auto asked = w.start(mdns_resolve("hub.local", options));
    for (int i = 0; i < 6 && !asked.done(); ++i) pass_some(w);
    REQUIRE(asked.done());
    CHECK(error_of(asked.get()) == errc::host_not_found);
}

TEST_CASE("an answer that is forged or broken is counted and ignored, and a true one behind it is taken") {
    struct row {
        const char* what;
        std::function<std::string(const dns::message&)> answer;
        std::uint64_t malformed, foreign;
    };
    const row r =
        GENERATE(row{"another number",
                     [](const dns::message& q) {
                         return reply_to(q, hub_at("10.6.6.6"), static_cast<std::uint16_t>(q.id() + 1));
                     },
                     0, 1},
                 row{"another name",
                     [](const dns::message& q) {
                         auto other = hub_at("10.6.6.6");
                         other.owner = must(dns::name::parse("bub.local"));
                         return reply_to(q, other, q.id());
                     },
                     0, 1},
                 row{"goodbye",
                     [](const dns::message& q) {
                         auto gone = hub_at("10.6.6.6");
                         gone.ttl = 0;
                         return reply_to(q, gone, q.id());
                     },
                     0, 1},
                 row{"a failure",
                     [](const dns::message& q) {
                         auto bytes = reply_to(q, hub_at("10.6.6.6"), q.id());
                         bytes[3] = 3;
                         return bytes;
                     },
                     0, 1},
                 row{"cut off",
                     [](const dns::message& q) {
                         auto bytes = reply_to(q, hub_at("10.6.6.6"), q.id());
                         bytes.pop_back();
                         return bytes;
                     },
                     1, 0},
                 row{"no message", [](const dns::message&) { return std::string("hello"); }, 1, 0});
    CAPTURE(r.what);
    world w;
    mdns_world net;
    int answers = 0;
    forged_responder responder(w, net, [&](const dns::message& q, const auto&) {
        return ++answers == 1 ? r.answer(q) : reply_to(q, hub_at("10.0.0.7"), q.id());
    });
    auto options = net.asking();
    portunus::mdns_counters counters;
    options.counters = &counters;
    options.family = address_family::v4;
    auto asked = w.start(mdns_resolve("hub.local", options));
    for (int i = 0; i < 15; ++i) pass_some(w);
    CHECK_FALSE(asked.done());
    const auto found = must(answer_of(w, asked)); // after the second question
    CHECK(found == std::vector{asio::ip::make_address("10.0.0.7")});
    CHECK(counters.malformed == r.malformed);
    CHECK(counters.foreign == r.foreign);
    CHECK(counters.received == 1);
    CHECK(counters.sent >= 2);
}

TEST_CASE("an answer that comes from another port than a responder's is ignored") {
    world w;
    mdns_world net;
    portunus::udp_options free_port;
    udp_socket other(w.context.get_executor(), free_port);
    forged_responder responder(w, net, [&](const dns::message& q, const portunus::datagram& d) {
        must(other.try_send(d.sender, reply_to(q, hub_at("10.6.6.6"), q.id())));
        return std::string();
    });
    auto options = net.asking();
    options.family = address_family::v4;
    auto asked = w.start(mdns_resolve("hub.local", options));
    const auto failed = answer_of(w, asked);
    CHECK(error_of(failed) == errc::no_answer);
    CHECK(error_of(failed).detail().find("(0 malformed and 2 foreign messages were ignored)") !=
          std::string_view::npos);
}

TEST_CASE("what cannot be asked fails at once: no name, no such interface, one that is down") {
    world w;
    mdns_world net;
    auto bad = w.start(mdns_resolve("a..local", net.asking()));
    auto options = net.asking();
    options.on = "nosuch0";
    auto nowhere = w.start(mdns_resolve("hub.local", options));
    w.settle();
    REQUIRE(bad.done());
    REQUIRE(nowhere.done());
    CHECK(error_of(bad.get()) == errc::invalid_name);
    CHECK(error_of(nowhere.get()) == errc::no_such_interface);
    CHECK(w.time.armed() == 0);
}

TEST_CASE("a question that is cancelled ends at once, and nothing of it stays") {
    world w;
    mdns_world net;
    auto asked = w.start(mdns_resolve("nobody.local", net.asking()));
    w.settle();
    CHECK_FALSE(asked.done());
    asked.cancel();
    w.settle();
    REQUIRE(asked.done());
    CHECK(error_of(asked.get()) == errc::canceled);
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("which names and addresses are the link's own") {
    for (const char* name : {"hub.local", "hub.LOCAL", "hub.local.", "a.b.local"}) CHECK(is_local_name(name));
    for (const char* name : {"local", ".local.x", "hub.locals", "hublocal", "hub.example", ""})
        CHECK_FALSE(is_local_name(name));
    for (const char* a : {"169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.1.1"})
        CHECK(is_link_local(asio::ip::make_address(a)));
    for (const char* a : {"169.253.0.1", "10.0.0.1", "fec0::1", "fd00::1", "::1"})
        CHECK_FALSE(is_link_local(asio::ip::make_address(a)));
}

TEST_CASE("addresses come in the order of their reach") {
    std::vector<asio::ip::address> given, wanted;
    for (const char* a : {"fe80::1", "fd00::1", "10.0.0.1", "2001:db8::1", "169.254.0.1", "10.0.0.2"})
        given.push_back(asio::ip::make_address(a));
    for (const char* a : {"2001:db8::1", "10.0.0.1", "10.0.0.2", "fd00::1", "fe80::1", "169.254.0.1"})
        wanted.push_back(asio::ip::make_address(a));
    CHECK(portunus::detail::by_reach(given) == wanted);
}

TEST_CASE("a question can be destroyed at every point") {
    struct scene {
        mdns_world net;
        awaitable<void> operator()() {
            auto options = net.asking();
            options.limit = 1ms;
            auto found = co_await mdns_resolve("hub.local", options);
            auto name = co_await mdns_resolve_name(v4, options);
            (void)found;
            (void)name;
        }
    };
    CHECK(destroy_at_every_point([](asio::io_context&) { return scene(); }) > 1);
}
