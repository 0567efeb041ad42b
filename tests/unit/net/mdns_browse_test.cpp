// SPDX-License-Identifier: BSL-1.0
// What an announcer of ours says is browsed in mdns_announcer_test.cpp; here others speak.
#include <portunus/net/mdns_browse.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"
#include "unit/net/mdns_support.hpp"

#include <portunus/net/detail/dns_message.hpp>
#include <portunus/testing/run.hpp>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::errc;
using portunus::mdns_browse;
using portunus::mdns_find;
using portunus::udp_socket;
using portunus::testing::destroy_at_every_point;
namespace dns = portunus::detail::dns;

namespace {

dns::name named(std::string_view text) {
    return must(dns::name::parse(text));
}
const dns::name type = named("_portunus._tcp.local");
dns::record pointer(const std::string& instance, std::uint32_t ttl = 4500) {
    return dns::pointer_record(type, named(instance + "._portunus._tcp.local"), ttl);
}

/// A response with these records.
std::string response(const std::vector<dns::record>& records) {
    std::array<char, 1400> room;
    dns::message_writer w(room, 0, dns::flag_response | dns::flag_authoritative);
    for (const dns::record& r : records) REQUIRE(w.add_record(dns::section::answer, r));
    return std::string(w.bytes());
}

/// What was asked, message by message: "PTR _portunus._tcp.local", and what was said to be known: "knows
/// ...".
class questions {
  public:
    questions(world& w, const mdns_world& net) : socket_(w.context.get_executor(), door(net)) {
        must(socket_.join(portunus::detail::mdns_group_address(false), "lo"));
        w.spawn(run(*this));
        w.settle();
    }
    ~questions() { socket_.close(); }
    std::vector<std::string> all;

  private:
    static portunus::udp_options door(const mdns_world& net) {
        portunus::udp_options o;
        o.ports = net.port;
        o.reuse = true;
        o.policy = portunus::accept_policy::anyone();
        return o;
    }
    static std::string text_of(const dns::message& m) {
        std::string text;
        m.each_question([&text](const dns::question_view& q) {
            text += std::to_string(q.type) + ' ' + q.owner.text() + (q.unicast ? " QU; " : "; ");
        });
        m.each_record([&text](const dns::record_view& r) { text += "knows " + r.target().text() + "; "; });
        return text;
    }
    static awaitable<void> run(questions& self) {
        for (;;) {
            auto got = co_await self.socket_.receive();
            if (!got) co_return;
            const auto m = dns::message::read(got->bytes);
            if (m && !m->is_response() && got->sender.address().is_v4()) self.all.push_back(text_of(*m));
        }
    }
    udp_socket socket_;
};

} // namespace

TEST_CASE(
    "what is missing of a service is asked for, and what is known is named, so that nobody repeats it") {
    world w;
    mdns_world net;
    questions asked_for(w, net);
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    pass_some(w);
    CHECK(asked_for.all == std::vector<std::string>{"12 _portunus._tcp.local; "}); // no wish for unicast
    net.multicast(w, response({pointer("Study")}));
    for (int i = 0; i < 4; ++i) pass_some(w);
    REQUIRE(asked_for.all.size() == 2);
    const std::string knows = "knows Study._portunus._tcp.local; ", self = "12 _portunus._tcp.local; ";
    CHECK(asked_for.all[1] ==
          self + "33 Study._portunus._tcp.local; 16 Study._portunus._tcp.local; " + knows);
    const dns::name owner = named("Study._portunus._tcp.local"), host = named("hub.local");
    net.multicast(w,
                  response({dns::text_record(owner, {}, 4500), dns::service_record(owner, 7001, host, 120)}));
    for (int i = 0; i < 20; ++i) pass_some(w);
    REQUIRE(asked_for.all.size() == 3); // after a second, as always
    CHECK(asked_for.all[2] == self + "1 hub.local; 28 hub.local; " + knows);
    net.multicast(w, response({dns::address_record(host, asio::ip::make_address("10.0.0.7"), 120)}));
    const auto found = must(answer_of(w, asked));
    REQUIRE(found.size() == 1);
    CHECK(found[0].complete());
    CHECK(found[0].port == 7001);
    CHECK(found[0].text.empty());
    CHECK(found[0].addresses == std::vector{asio::ip::make_address("10.0.0.7")});
}

TEST_CASE("the records of a message may come in any order") {
    world w;
    mdns_world net;
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    w.settle();
    const dns::name owner = named("Study._portunus._tcp.local"), host = named("hub.local");
    net.multicast(
        w, response({dns::address_record(host, asio::ip::make_address("10.0.0.7"), 120),
                     dns::service_record(owner, 7001, host, 120),
                     dns::text_record(owner, std::string("\4a=bc\1d\2=x", 10), 4500), pointer("Study")}));
    const auto found = must(answer_of(w, asked));
    REQUIRE(found.size() == 1);
    CHECK(found[0].complete());
    using pairs = std::vector<std::pair<std::string, std::string>>;
    CHECK(found[0].text == pairs{{"a", "bc"}, {"d", ""}}); // "=x" has no key
}

TEST_CASE("a service that has not said where it is, is found without") {
    world w;
    mdns_world net;
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    w.settle();
    net.multicast(w, response({pointer("Study"), pointer("Den"), pointer("Gone")}));
    net.multicast(w, response({pointer("gone", 0)}));
    const auto found = must(answer_of(w, asked));
    REQUIRE(found.size() == 2);
    CHECK(found[0].name == "Den");
    CHECK(found[1].name == "Study");
    CHECK_FALSE(found[0].complete());
    CHECK(found[0].host.empty());
}

TEST_CASE("no more services are kept than are wanted") {
    world w;
    mdns_world net;
    auto options = net.browsing();
    options.most = 3;
    auto asked = w.start(mdns_browse("_portunus._tcp", options));
    w.settle();
    std::vector<dns::record> many;
    for (int i = 0; i < 40; ++i) many.push_back(pointer("number " + std::to_string(i)));
    net.multicast(w, response(many));
    CHECK(must(answer_of(w, asked)).size() == 3);
}

TEST_CASE("what is of another type, or only looks like a service, is not found") {
    world w;
    mdns_world net;
    portunus::mdns_counters counters;
    auto options = net.browsing();
    options.counters = &counters;
    auto asked = w.start(mdns_browse("_portunus._tcp", options));
    w.settle();
    net.multicast(
        w, response({dns::pointer_record(named("_http._tcp.local"), named("Web._http._tcp.local"), 4500)}));
    net.multicast(w, response({dns::pointer_record(type, named("Web._http._tcp.local"), 4500)}));
    net.multicast(w, response({dns::pointer_record(type, type, 4500)}));
    net.multicast(w, response({dns::pointer_record(type, dns::name(), 4500)}));
    CHECK(must(answer_of(w, asked)).empty());
    CHECK(counters.foreign == 4);
    CHECK(counters.malformed == 0);
}

TEST_CASE("browsing for what is no type, or for nothing, is refused at once") {
    world w;
    mdns_world net;
    auto options = net.browsing();
    auto bad_type = w.start(mdns_browse("portunus", options));
    auto bad_name = w.start(mdns_find("", "_portunus._tcp", options));
    auto long_name = w.start(mdns_find(std::string(64, 'x'), "_portunus._tcp", options));
    options.most = 0;
    auto none = w.start(mdns_browse("_portunus._tcp", options));
    options = net.browsing();
    options.on = "nosuch0";
    auto nowhere = w.start(mdns_browse("_portunus._tcp", options));
    w.settle();
    REQUIRE((bad_type.done() && bad_name.done() && long_name.done() && none.done() && nowhere.done()));
    CHECK(error_of(bad_type.get()) == errc::invalid_name);
    CHECK(error_of(bad_name.get()) == errc::invalid_name);
    CHECK(error_of(long_name.get()) == errc::invalid_name);
    CHECK(error_of(none.get()) == errc::invalid_option);
    CHECK(error_of(nowhere.get()) == errc::no_such_interface);
}

TEST_CASE("a search that is cancelled ends at once, and nothing of it stays") {
    world w;
    mdns_world net;
    auto asked = w.start(mdns_browse("_portunus._tcp", net.browsing()));
    w.settle();
    asked.cancel();
    w.settle();
    REQUIRE(asked.done());
    CHECK(error_of(asked.get()) == errc::canceled);
    CHECK(w.time.armed() == 0);
    w.run();
}

TEST_CASE("a search can be destroyed at every point") {
    struct scene {
        mdns_world net;
        awaitable<void> operator()() {
            auto options = net.browsing();
            options.limit = 1ms;
            auto all = co_await mdns_browse("_portunus._tcp", options);
            auto one = co_await mdns_find("Study", "_portunus._tcp", options);
            (void)all;
            (void)one;
        }
    };
    CHECK(destroy_at_every_point([](asio::io_context&) { return scene(); }) > 1);
}
