// SPDX-License-Identifier: BSL-1.0
// A port forwarder: every connection to our port becomes one to the target, and the bytes go from one to the
// other without entering the program. A half close is passed on, and so is a broken connection.
//
//     example_forwarder <target host> <target port> [our port]      ours: 7008
//
//     python3 -m http.server 8000 --bind 127.0.0.1 &      a target
//     example_forwarder 127.0.0.1 8000
//     curl http://127.0.0.1:7008/
//
//     example_forwarder 127.0.0.1 1                       nobody listens there: the peer is reset, the log
//     says why

#include <portunus/net/connect.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/relay.hpp>
#include <portunus/policy/port_range.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> forward(tcp_stream client, peer_info peer, const std::string& host, std::uint16_t port) {
    auto target = co_await connect(host, port, {.connect_limit = 5s});
    if (!target) {
        std::cerr << to_string(peer.remote) << ": " << target.error() << std::endl;
        client.abort();
        co_return;
    }
    auto carried = co_await relay(std::move(client), std::move(*target), {.idle_limit = 5min});
    if (carried)
        std::cout << to_string(peer.remote) << ": " << carried->forth << " bytes to the target, "
                  << carried->back << " from it" << std::endl;
    else
        std::cout << to_string(peer.remote) << ": " << carried.error() << std::endl;
}

int main(int argc, char** argv) try {
    if (argc < 3) {
        std::cerr << "usage: " << argv[0] << " <target host> <target port> [our port]\n";
        return 2;
    }
    const std::string host = argv[1];
    const std::uint16_t port = port_range(argv[2]).first();
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 3 ? argv[3] : "7008");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    const auto server = rt.listen(door, [&host, port](tcp_stream client, peer_info peer) {
        return forward(std::move(client), peer, host, port);
    });
    std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
