// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/connect.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "support/world.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/peer_info.hpp>
#include <portunus/testing/run.hpp>

#include <boost/asio/ip/udp.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>

using namespace portunus_tests;
using portunus::connect;
using portunus::connect_options;
using portunus::errc;
using portunus::error;
using portunus::result;
using portunus::steady_clock;
using portunus::tcp_stream;
using portunus::testing::destroy_at_every_point;

namespace {

/// An address on loopback that answers nobody any more: a listening socket whose queue is full, so that the
/// kernel drops who comes.
class silent_address {
  public:
    silent_address() : listener_(loopback, 0) {
        // A queue of 0 holds one; what comes after it stays unanswered. Not blocking, since it would wait.
        for (int i = 0; i < 8; ++i) {
            const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            const auto to = listener_.endpoint();
            ::connect(fd, to.data(), static_cast<socklen_t>(to.size()));
            fill_.emplace_back(fd);
        }
    }
    const tcp::endpoint& endpoint() const { return listener_.endpoint(); }

  private:
    plain_listener listener_;
    std::vector<plain_socket> fill_;
};

/// A port of loopback on which nobody listens.
tcp::endpoint closed_port(const asio::ip::address& on = loopback) {
    return plain_listener(on).endpoint();
}

} // namespace

TEST_CASE("connect gives a stream to whoever listens there, by address and by name") {
    world w;
    const auto host = GENERATE(as<std::string>(), "127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost");
    const bool six = host == "::1";
    const plain_listener listener(six ? asio::ip::make_address("::1") : loopback);
    auto made = w.start(connect(host, listener.endpoint().port()));
    w.until([&] { return made.done(); });
    auto stream = must(made.get());
    CHECK(stream.is_open());
}

TEST_CASE("bytes go through a stream that connect has made") {
    world w;
    plain_listener listener(GENERATE(asio::ip::make_address("127.0.0.1"), asio::ip::make_address("::1")));
    auto made = w.start(connect(listener.endpoint()));
    w.settle();
    tcp_stream stream = must(made.get());
    auto peer = listener.accept();
    CHECK(stream.remote_endpoint() == listener.endpoint());
    CHECK(stream.local_endpoint() == peer.remote());
    CHECK(must(stream.try_write_some(asio::buffer("hello", 5))) == 5);
    CHECK(peer.read(5) == "hello");
    peer.send("you too");
    std::array<char, 16> buffer;
    auto n = w.start(stream.read_some(asio::buffer(buffer)));
    w.settle();
    CHECK(must(n.get()) == 7);
}

TEST_CASE("a refused connection says who refused it") {
    world w;
    const auto nobody =
        closed_port(GENERATE(asio::ip::make_address("127.0.0.1"), asio::ip::make_address("::1")));
    auto made = w.start(connect(nobody));
    w.run();
    const auto failed = made.get();
    CHECK(error_of(failed) == boost::system::errc::connection_refused);
    CHECK(error_of(failed) == portunus::condition::denied);
    CHECK(failed.error().detail().find(portunus::to_string(nobody)) != std::string_view::npos);
}

TEST_CASE(
    "an address that does not answer is given up at the limit, with the numbers, and can be tried again") {
    world w;
    const silent_address silent;
    connect_options options;
    options.connect_limit = 3s;
    for (int i = 0; i < 2; ++i) {
        auto made = w.start(connect(silent.endpoint(), options));
        w.pass(3s - 1ns);
        CHECK_FALSE(made.done());
        w.pass(1ns);
        const auto failed = made.get();
        CHECK(error_of(failed) == errc::connect_timeout);
        CHECK(failed.error().detail().find("3000 ms") != std::string_view::npos);
        CHECK(failed.error().detail().find(portunus::to_string(silent.endpoint())) != std::string_view::npos);
        CHECK(w.time.armed() == 0);
        w.run();
    }
}

TEST_CASE("a limit of nothing gives up at once, and the longest one waits as long as it takes") {
    world w;
    const silent_address silent;
    const bool endless = GENERATE(false, true);
    connect_options options;
    options.connect_limit = endless ? steady_clock::duration::max() : 0s;
    auto made = w.start(connect(silent.endpoint(), options));
    w.pass(24h);
    CHECK(made.done() == !endless);
    made.cancel();
    w.run();
    CHECK(error_of(made.get()) == (endless ? errc::canceled : errc::connect_timeout));
}

TEST_CASE("a cancelled connect completes with canceled and leaves nothing behind") {
    const std::size_t before = open_descriptors();
    {
        world w;
        const silent_address silent;
        auto made = w.start(connect(silent.endpoint()));
        SECTION("while it waits") {
            w.settle();
            CHECK_FALSE(made.done());
            made.cancel();
        }
        SECTION("before it began") {
            made.cancel();
        }
        w.run();
        CHECK(error_of(made.get()) == errc::canceled);
        CHECK(w.time.armed() == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("our end can be chosen, address and port") {
    world w;
    plain_listener listener;
    connect_options options;
    SECTION("the address") {
        options.local_address = asio::ip::make_address("127.0.0.9");
        auto made = w.start(connect(listener.endpoint(), options));
        w.run();
        auto stream = must(made.get());
        CHECK(stream.local_endpoint().address() == options.local_address);
        CHECK(listener.accept().remote() == stream.local_endpoint());
    }
    SECTION("the port") {
        const auto free = closed_port();
        options.local_port = free.port();
        auto made = w.start(connect(listener.endpoint(), options));
        w.run();
        CHECK(must(made.get()).local_endpoint() == free);
    }
    SECTION("an address that is not ours") { // kept for documentation, RFC 5737
        options.local_address = asio::ip::make_address("203.0.113.7");
        auto made = w.start(connect(listener.endpoint(), options));
        w.run();
        const auto failed = made.get();
        CHECK(error_of(failed) == errc::address_not_available);
        CHECK(failed.error().detail().find("203.0.113.7") != std::string_view::npos);
    }
    SECTION("a port that is taken") {
        const plain_listener taken;
        options.local_port = taken.endpoint().port();
        options.local_address = loopback;
        auto made = w.start(connect(listener.endpoint(), options));
        w.run();
        CHECK(error_of(made.get()) == errc::address_in_use);
    }
    SECTION("an address of the other family than the peer's") {
        options.local_address = asio::ip::make_address("::1");
        auto made = w.start(connect(listener.endpoint(), options));
        w.run();
        CHECK(error_of(made.get()) == errc::host_not_found);
    }
}

TEST_CASE("the options of the stream reach it") {
    world w;
    plain_listener listener;
    connect_options options;
    options.stream.idle_limit = 5s;
    auto made = w.start(connect(listener.endpoint(), options));
    w.settle();
    auto stream = must(made.get());
    std::array<char, 4> buffer;
    auto reading = w.start(stream.read_some(asio::buffer(buffer)));
    w.pass(5s);
    CHECK(error_of(reading.get()) == errc::idle_timeout);
}

TEST_CASE("no name at all is refused, and not taken for this machine") {
    world w;
    for (const auto& host : {std::string(), std::string("local\0host", 10)}) {
        auto made = w.start(connect(host, closed_port().port()));
        w.run();
        CHECK(error_of(made.get()) == errc::invalid_name);
    }
}

TEST_CASE("an interface can be chosen, and one that is not there is named") {
    world w;
    plain_listener listener;
    connect_options options;
    options.interface = "lo";
    auto made = w.start(connect(listener.endpoint(), options));
    w.run();
    auto outcome = made.get();
    if (error_of(outcome) == boost::system::errc::operation_not_permitted)
        PORTUNUS_SKIP("binding to an interface needs privilege here");
    CHECK(must(std::move(outcome)).is_open());
    options.interface = "portunus-none";
    auto failing = w.start(connect(listener.endpoint(), options));
    w.run();
    const auto failed = failing.get();
    CHECK(error_of(failed) == errc::no_such_interface);
    CHECK(failed.error().detail().find("portunus-none") != std::string_view::npos);
    CHECK_THROWS_AS(portunus::interface_name("a-name-of-16-bytes"), portunus::failure);
    CHECK_THROWS_AS(portunus::interface_name("../eth0"), portunus::failure);
}

TEST_CASE("a socket that TCP has connected with itself is no connection") {
    world w;
    const auto nobody = closed_port();
    connect_options options;
    options.local_address = nobody.address();
    options.local_port = nobody.port(); // what chance would give us one day
    auto made = w.start(connect(nobody, options));
    w.run();
    const auto failed = made.get();
    CHECK(error_of(failed) == boost::system::errc::connection_refused);
}

// several addresses: RFC 8305

TEST_CASE("the families come by turns, beginning with the one that the system prefers") {
    const auto endpoints = [](std::initializer_list<const char*> texts) {
        portunus::detail::endpoints list;
        for (const char* text : texts) list.emplace_back(asio::ip::make_address(text), std::uint16_t(80));
        return list;
    };
    using portunus::detail::by_turns;
    CHECK(by_turns(endpoints({"::1", "::2", "::3", "10.0.0.1", "10.0.0.2"})) ==
          endpoints({"::1", "10.0.0.1", "::2", "10.0.0.2", "::3"}));
    CHECK(by_turns(endpoints({"10.0.0.1", "::1", "10.0.0.2"})) == endpoints({"10.0.0.1", "::1", "10.0.0.2"}));
    CHECK(by_turns(endpoints({"10.0.0.1"})) == endpoints({"10.0.0.1"}));
    CHECK(by_turns({}).empty());
}

TEST_CASE("an address that is silent costs the attempt delay, and not the limit") {
    const std::size_t before = open_descriptors();
    {
        world w;
        const silent_address silent;
        const plain_listener listener;
        auto made = w.start(portunus::detail::connect_any({silent.endpoint(), listener.endpoint()}, {}));
        w.pass(250ms - 1ns);
        CHECK_FALSE(made.done());
        w.pass(1ns);
        auto stream = must(made.get());
        CHECK(stream.remote_endpoint() == listener.endpoint());
        stream.abort();
        w.run(); // the silent one is dropped, and keeps nothing alive
        CHECK(w.time.armed() == 0);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("an address that fails lets the next one begin at once") {
    world w;
    const plain_listener listener;
    auto made = w.start(portunus::detail::connect_any({closed_port(), listener.endpoint()}, {}));
    w.settle();
    REQUIRE(made.done());
    CHECK(must(made.get()).remote_endpoint() == listener.endpoint());
}

TEST_CASE("addresses that are all silent are given up together, with their number") {
    world w;
    const silent_address first, second;
    connect_options options;
    options.connect_limit = 2s;
    auto made = w.start(portunus::detail::connect_any({first.endpoint(), second.endpoint()}, options));
    w.pass(2s);
    const auto failed = made.get();
    CHECK(error_of(failed) == errc::connect_timeout);
    CHECK(failed.error().detail().find("none of 2 addresses answered within 2000 ms") !=
          std::string_view::npos);
    w.run();
}

TEST_CASE("when all addresses fail the error names each of them with its reason") {
    world w;
    const auto one = closed_port(), two = closed_port(asio::ip::make_address("::1"));
    auto made = w.start(portunus::detail::connect_any({one, two}, {}));
    w.run();
    const auto failed = made.get();
    CHECK(error_of(failed) == boost::system::errc::connection_refused);
    for (const auto& each : {one, two})
        CHECK(failed.error().detail().find(portunus::to_string(each) + ": Connection refused") !=
              std::string_view::npos);
}

TEST_CASE("connecting can be destroyed at every point, by address and by name") {
    const bool by_name = GENERATE(false, true);
    const plain_listener listener;
    struct scene {
        tcp::endpoint to;
        bool by_name;
        std::optional<tcp_stream> stream;
        awaitable<void> operator()() {
            result<tcp_stream> made = errc::not_connected; // no `?:` around an await: g++ 12 destroys twice
            if (by_name)
                made = co_await connect("localhost", to.port());
            else
                made = co_await connect(to);
            if (!made) co_return;
            stream.emplace(std::move(*made));
            auto sent = co_await stream->write("x");
            (void)sent;
        }
    };
    CHECK(destroy_at_every_point([&](asio::io_context&) {
              return scene{listener.endpoint(), by_name, {}};
          }) > 1);
}

// names: with a name server of the test's own, on loopback in a network of the test's own
// ----------------------------

namespace {

/// Takes the process out of the machine's network and gives it its own names. Empty, or why it could not.
std::string enter_own_network() {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return std::string("unshare: ") + std::strerror(errno);
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return "the mounts cannot be made private";
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    ::ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
    const bool up = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    if (!up) return "lo cannot be brought up";
    const std::pair<const char*, const char*> files[] = {
        {"/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"},
        {"/etc/nsswitch.conf", "hosts: files dns\n"},
        {"/etc/hosts", "127.0.0.1 localhost\n127.0.0.2 two.test\n127.0.0.3 two.test\n127.0.0.4 both.test\n"
                       "::1 both.test\n"},
    };
    for (const auto& [path, text] : files) {
        char name[] = "/tmp/portunus-test-XXXXXX";
        const int out = ::mkstemp(name);
        if (out < 0) return "no temporary file";
        [[maybe_unused]] const auto n = ::write(out, text, std::strlen(text));
        ::fchmod(out, 0644);
        ::close(out);
        const bool bound = ::mount(name, path, nullptr, MS_BIND, nullptr) == 0;
        ::unlink(name);
        if (!bound) return std::string(path) + " cannot be replaced: " + std::strerror(errno);
    }
    return {};
}

/// A name server that knows nothing, or says nothing.
awaitable<void> name_server(asio::ip::udp::socket& socket, bool answers, int& questions) {
    std::array<unsigned char, 512> packet;
    for (;;) {
        asio::ip::udp::endpoint from;
        const auto [failed, n] =
            co_await socket.async_receive_from(asio::buffer(packet), from, portunus::detail::use_result);
        if (failed) co_return;
        ++questions;
        if (!answers) continue;
        packet[2] = static_cast<unsigned char>(packet[2] | 0x80); // an answer
        packet[3] = 0x83;                                         // there is no such name
        const auto [lost, sent] =
            co_await socket.async_send_to(asio::buffer(packet, n), from, portunus::detail::use_result);
        if (lost) co_return;
    }
}

constexpr int skipped = 77;

[[noreturn]] void leave(bool good) {
    std::fflush(nullptr);
    std::_Exit(good ? 0 : 1); // the resolver's thread may still wait
}

/// The outcome of connecting to `host`, with a name server that answers or does not; `during` acts meanwhile.
template <class During>
result<tcp_stream> outcome_with(bool answers, const std::string& host, std::uint16_t port, During during,
                                connect_options options = {}) {
    world w;
    asio::ip::udp::socket server(w.context, {loopback, 53});
    int questions = 0;
    w.spawn(name_server(server, answers, questions));
    auto made = w.start(connect(host, port, options));
    during(w, made, questions);
    w.until([&] { return made.done(); });
    result<tcp_stream> outcome = made.get();
    server.close();
    w.run(); // also when the resolver has not given up yet: it must end by itself
    return outcome;
}

void nothing(world&, portunus::testing::started<result<tcp_stream>>&, int&) {}

/// Runs a hidden test case that needs a network of its own; false where this machine does not let us have
/// one.
bool run_with_names(const char* test_case, std::string& why_not, exit_status& status) {
    auto child = child_process::of_test(test_case);
    const std::string said = child.rest();
    status = child.wait();
    if (status.code == skipped) {
        why_not = said;
        const auto begin = why_not.find("cannot: ");
        why_not = begin == std::string::npos ? "no network of our own" : why_not.substr(begin);
        while (!why_not.empty() && why_not.back() == '\n') why_not.pop_back();
        return false;
    }
    UNSCOPED_INFO(said);
    return true;
}

void need_own_network() {
    if (const std::string why = enter_own_network(); !why.empty()) {
        tell_parent("cannot: " + why);
        std::_Exit(skipped);
    }
}

} // namespace

TEST_CASE("child: a name that does not exist", "[.][child]") {
    need_own_network();
    const auto failed = outcome_with(true, "nowhere.test", 80, nothing);
    CHECK(error_of(failed) == errc::host_not_found);
    CHECK(failed.error().detail() == "\"nowhere.test\"");
    leave(error_of(failed) == errc::host_not_found && failed.error().detail() == "\"nowhere.test\"");
}

TEST_CASE("child: no name server answers", "[.][child]") {
    need_own_network();
    const auto failed =
        outcome_with(false, "nowhere.test", 80, nothing); // the system gives up after a second
    CHECK(error_of(failed) == errc::no_answer);
    leave(error_of(failed) == errc::no_answer);
}

TEST_CASE("child: resolving takes too long", "[.][child]") {
    need_own_network();
    connect_options options;
    options.resolve_limit = 7s;
    bool early = true;
    const auto failed = outcome_with(
        false, "slow.test", 80,
        [&](world& w, auto& made, int& questions) {
            w.until([&] { return questions > 0; });
            w.pass(7s - 1ns);
            early = made.done();
            w.pass(1ns);
            CHECK(made.done()); // it does not wait for the system, which still asks
        },
        options);
    CHECK(error_of(failed) == errc::resolve_timeout);
    CHECK(failed.error().detail().find("7000 ms") != std::string_view::npos);
    leave(error_of(failed) == errc::resolve_timeout && !early);
}

TEST_CASE("child: resolving is cancelled", "[.][child]") {
    need_own_network();
    bool at_once = false;
    const auto failed = outcome_with(false, "slow.test", 80, [&](world& w, auto& made, int& questions) {
        w.until([&] { return questions > 0; });
        made.cancel();
        w.settle();
        at_once = made.done();
    });
    CHECK(error_of(failed) == errc::canceled);
    CHECK(at_once);
    leave(error_of(failed) == errc::canceled && at_once);
}

TEST_CASE("child: a context goes while a name is being resolved", "[.][child]") {
    need_own_network();
    {
        world w;
        asio::ip::udp::socket server(w.context, {loopback, 53});
        int questions = 0;
        w.spawn(name_server(server, false, questions));
        auto made = w.start(connect("slow.test", 80));
        w.until([&] { return questions > 0; });
    }
    leave(true);
}

TEST_CASE("child: a name with two addresses, of which one answers", "[.][child]") {
    need_own_network();
    const plain_listener listener(asio::ip::make_address("127.0.0.3"));
    auto made = outcome_with(true, "two.test", listener.endpoint().port(), nothing);
    const bool reached = made && made->remote_endpoint() == listener.endpoint();
    CHECK(reached);
    const auto nobody = outcome_with(true, "two.test", closed_port().port(), nothing);
    CHECK(error_of(nobody) == boost::system::errc::connection_refused);
    leave(reached && error_of(nobody) == boost::system::errc::connection_refused);
}

TEST_CASE("child: a name with addresses of both families, and an end of ours in one", "[.][child]") {
    need_own_network();
    const plain_listener four(asio::ip::make_address("127.0.0.4"));
    connect_options options;
    options.local_address = asio::ip::make_address("127.0.0.9");
    auto made = outcome_with(true, "both.test", four.endpoint().port(), nothing, options);
    CHECK(made.has_value());
    leave(made && made->remote_endpoint() == four.endpoint());
}

TEST_CASE("names: what the name server says, does not say, or says too late arrives as an error of its own") {
    const auto test_case =
        GENERATE("child: a name that does not exist", "child: no name server answers",
                 "child: resolving takes too long", "child: resolving is cancelled",
                 "child: a context goes while a name is being resolved",
                 "child: a name with two addresses, of which one answers",
                 "child: a name with addresses of both families, and an end of ours in one");
    std::string why_not;
    exit_status status;
    if (!run_with_names(test_case, why_not, status))
        PORTUNUS_SKIP("needs a network and mounts of its own (root): " << why_not);
    INFO(test_case);
    CHECK(status.code == 0);
    CHECK(status.signal == 0);
}
