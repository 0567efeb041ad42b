// SPDX-License-Identifier: BSL-1.0
// A forwarder as the documentation says to write it: a door, `connect`, `relay`. Every limit has its default.
//
//     portunus_relay --target PORT --way splice|copy

#include "peer_support.hpp"

#include <portunus/net/connect.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/relay.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>

using namespace portunus;

namespace {

awaitable<void> forward(tcp_stream client, std::uint16_t port, relay_way way) {
    const boost::asio::ip::tcp::endpoint where(boost::asio::ip::address_v4::loopback(), port);
    auto target = co_await connect(where);
    if (!target) co_return;
    auto carried = co_await relay(std::move(client), std::move(*target), {.way = way});
    if (!carried) std::fprintf(stderr, "%s\n", carried.error().message().c_str());
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5 || std::string_view(argv[1]) != "--target" || std::string_view(argv[3]) != "--way") {
        std::fprintf(stderr, "usage: %s --target PORT --way splice|copy\n", argv[0]);
        return 2;
    }
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[2]));
    const relay_way way = std::string_view(argv[4]) == "copy" ? relay_way::copy : relay_way::fastest;
    runtime rt;
    listener_options door;
    door.ports = port_list(0);
    door.addresses = {boost::asio::ip::address_v4::loopback()};
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    const auto session = [port, way](tcp_stream client) { return forward(std::move(client), port, way); };
    peer::announce_port(rt.listen(door, session).port());
    return rt.run_until_signal(std::chrono::seconds(1));
}
