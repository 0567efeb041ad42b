// SPDX-License-Identifier: BSL-1.0
#include <portunus/adapters/plugin_control.hpp>

#include "support/catch.hpp"
#include "unit/adapters/plugin_support.hpp"

#include <portunus/adapters/plugin_functions.hpp>
#include <portunus/net/udp_socket.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <sys/socket.h>

using namespace portunus_tests;
using portunus::datagram;

namespace {

portunus::udp_options any_socket() {
    portunus::udp_options o;
    o.ports = 0;
    o.addresses = {loopback};
    o.policy = portunus::accept_policy::anyone();
    o.log = portunus::logger::silent();
    return o;
}

/// A UDP socket of the system's own that has one peer.
class plain_udp {
  public:
    explicit plain_udp(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{20, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    }
    plain_udp(const plain_udp&) = delete;
    plain_udp& operator=(const plain_udp&) = delete;
    ~plain_udp() { ::close(fd_); }
    void send(std::string_view bytes) { ::send(fd_, bytes.data(), bytes.size(), 0); }
    std::string receive() {
        char buffer[65536];
        const auto n = ::recv(fd_, buffer, sizeof buffer, 0);
        return n < 0 ? "nothing came" : std::string(buffer, static_cast<std::size_t>(n));
    }

  private:
    int fd_;
};

/// A plugin that answers every datagram with itself and keeps what it saw.
struct answering {
    explicit answering(plugin_place place, std::size_t max_datagrams = 256) {
        portunus::plugin_functions f;
        f.started = [this](const plugin_control& c) {
            control = c;
            socket = c.listen_udp(any_socket()).value();
            port = c.listening(socket).value().port;
        };
        f.received = [this](listener_id from, const datagram& d) {
            const std::lock_guard lock(mutex);
            seen.emplace_back(d.bytes);
            lost += d.lost_before;
            (void)control.reply(from, d, d.bytes);
        };
        f.stopping = [this] {
            if (last_words) (void)control.send(socket, *last_words, "good bye");
        };
        auto options = quiet_options(place);
        options.max_datagrams = max_datagrams;
        host.start(std::move(f), options);
        thread.emplace(rt);
        eventually([&] { return port != 0; });
    }
    std::size_t count() {
        const std::lock_guard lock(mutex);
        return seen.size();
    }

    runtime rt{1, portunus::logger::silent()};
    std::mutex mutex;
    std::vector<std::string> seen;
    std::uint32_t lost = 0;
    plugin_control control;
    listener_id socket;
    std::atomic<std::uint16_t> port{0};
    std::optional<boost::asio::ip::udp::endpoint> last_words;
    plugin_host host{rt};
    std::optional<running> thread;
};

plugin_place any_place() {
    return GENERATE(plugin_place::own_thread, plugin_place::io_context);
}

} // namespace

TEST_CASE("a plugin gets datagrams, empty ones too, and answers from where they came to") {
    answering a(any_place());
    plain_udp peer(a.port);
    peer.send("hello");
    CHECK(peer.receive() == "hello");
    peer.send("");
    CHECK(peer.receive().empty());
    CHECK(a.count() == 2);
}

TEST_CASE("of datagrams that nobody takes the oldest are dropped, and both counts say how many") {
    answering a(any_place(), 4);
    a.control.pause();
    plain_udp peer(a.port);
    for (int i = 0; i < 10; ++i) peer.send(std::to_string(i));
    eventually([&] { return a.control.counters().dropped_datagrams == 6; });
    a.control.resume();
    eventually([&] { return a.count() == 4; });
    const std::lock_guard lock(a.mutex);
    CHECK(a.seen == std::vector<std::string>{"6", "7", "8", "9"});
    CHECK(a.lost == 6);
}

TEST_CASE("commands for a socket that has gone are errors without asking anybody") {
    answering a(any_place());
    must(a.control.stop_listening(a.socket));
    const boost::asio::ip::udp::endpoint to(loopback, 9);
    CHECK(error_of(a.control.send(a.socket, to, "x")) == errc::listener_closed);
    CHECK(error_of(a.control.join(a.socket, loopback)) == errc::listener_closed);
    CHECK(error_of(a.control.broadcast(a.socket, 9, "x")) == errc::listener_closed);
}

TEST_CASE("joining what is no group is told at once") {
    answering a(any_place());
    CHECK(error_of(a.control.join(a.socket, loopback)) == errc::invalid_address);
    const auto group = boost::asio::ip::make_address("239.255.1.7");
    auto everywhere = any_socket();
    everywhere.addresses = {};
    const auto wide = must(a.control.listen_udp(everywhere));
    must(a.control.join(wide, group, "lo"));
    CHECK(error_of(a.control.join(wide, group, "lo")) == errc::address_in_use);
    must(a.control.leave(wide, group, "lo"));
    const auto tcp_door = must(a.control.listen_tcp(any_door(), line_codec()));
    CHECK(error_of(a.control.join(tcp_door, group)) == errc::invalid_option);
}

TEST_CASE("what a plugin sends while it stops still leaves") {
    answering a(any_place());
    plain_udp peer(a.port);
    peer.send("where am I");
    CHECK(peer.receive() == "where am I");
    portunus::runtime other(1, portunus::logger::silent());
    portunus::udp_socket ear(other.get_executor(), any_socket());
    a.last_words = boost::asio::ip::udp::endpoint(loopback, ear.port());
    must(a.control.stop());
    std::optional<std::string> heard;
    eventually([&] {
        auto got = ear.try_receive();
        if (got) heard = std::string(got->bytes);
        return heard.has_value();
    });
    CHECK(heard == "good bye");
}
