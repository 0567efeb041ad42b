// SPDX-License-Identifier: BSL-1.0
// Sends back every datagram to where it came from, whatever address, port or group it was sent to.
//
//     example_udp_echo [ports] [group]      7010, and no group
//
//     example_udp_echo 7010-7012 239.1.2.3
//     socat - UDP:127.0.0.1:7011            type a line: it comes back from port 7011
//     socat - UDP6:[::1]:7010               by IPv6, the same socket
//     echo hi | socat - UDP-DATAGRAM:239.1.2.3:7010,ip-multicast-if=127.0.0.1
//
// Only this machine and private networks are let in; whoever else sends is counted and hears nothing.

#include <portunus/core/runtime.hpp>
#include <portunus/net/udp_socket.hpp>

#include <iostream>
#include <stop_token>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> echo(udp_socket& socket) {
    for (;;) {
        auto got = co_await socket.receive();
        if (!got) break; // closed by the stop
        if (got->truncated) continue;
        auto sent = co_await socket.reply(*got, got->bytes);
        if (!sent) std::cerr << sent.error().message() << '\n';
    }
}

int main(int argc, char** argv) try {
    runtime rt;
    udp_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7010");
    door.policy = accept_policy::deny_all()
                      .allow("127.0.0.0/8")
                      .allow("10.0.0.0/8")
                      .allow("172.16.0.0/12")
                      .allow("192.168.0.0/16")
                      .allow("::1")
                      .allow("fe80::/10");
    door.on_filtered = [](const datagram& d) {
        std::cerr << "refused " << d.size << " bytes from " << to_string(d.sender) << '\n';
    };
    door.on_icmp_error = [](const icmp_error& e) {
        std::cerr << to_string(e.destination) << ": " << e.meaning.message() << '\n';
    };
    udp_socket socket(rt.get_executor(), door);
    if (argc > 2) {
        const auto group = boost::asio::ip::make_address(argv[2]);
        std::cout << "joined on " << socket.join_all(group).value() << " interfaces" << std::endl;
        auto own = socket.join(group, "lo"); // the loopback does not call itself able to do multicast
        if (!own) std::cerr << own.error().message() << '\n';
    }
    for (const auto& where : socket.endpoints())
        std::cout << "listening on " << to_string(where) << std::endl;
    rt.spawn(echo(socket));
    // Nothing of ours waits in a datagram socket: the stop closes it, and the echo ends by that.
    const std::stop_callback closes(rt.stop_token(), [&socket] { socket.close(); });
    const int status = rt.run_until_signal(1s);
    const auto counted = socket.counters();
    std::cout << counted.received << " received, " << counted.sent << " sent, " << counted.filtered
              << " refused, " << counted.overruns << " lost" << std::endl;
    return status;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
