// SPDX-License-Identifier: BSL-1.0
// Says something to a group, or listens to it, by an interface that is named: on a machine with several, the
// one that the system would choose is often the wrong one.
//
//     example_multicast listen <group> <interface> [port]            7020
//     example_multicast say <group> <interface> [port] <words...>
//
//     example_multicast listen 239.1.2.3 lo &
//     example_multicast say 239.1.2.3 lo 7020 hello everybody
//     example_multicast listen ff02::1234 eth0        IPv6, on this link
//     echo hi | socat - UDP-DATAGRAM:239.1.2.3:7020,ip-multicast-if=127.0.0.1

#include <portunus/core/runtime.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/udp_socket.hpp>

#include <iostream>
#include <stop_token>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> listen_to(udp_socket& socket) {
    for (;;) {
        auto got = co_await socket.receive();
        if (!got) break; // closed by the stop
        if (!got->to_multicast) continue;
        std::cout << to_string(got->sender) << " says: " << got->bytes << std::endl;
    }
}

int main(int argc, char** argv) try {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (argc < 4 || (mode != "listen" && mode != "say")) {
        std::cerr << "listen or say, to which group, on which interface?\n";
        return 2;
    }
    const auto group = boost::asio::ip::make_address(argv[2]);
    const std::string interface = argv[3];
    const port_list port(argc > 4 ? argv[4] : "7020");
    runtime rt;
    udp_options o;
    if (mode == "say") {
        o.multicast_hops = 1;        // not beyond this link, which is the default
        o.multicast_loopback = true; // listeners on this machine hear it, too
        udp_socket socket(rt.get_executor(), o);
        std::string words;
        for (int i = 5; i < argc; ++i) words.append(words.empty() ? "" : " ").append(argv[i]);
        datagram_source from;
        from.interface = find_interface(interface).value().index;
        socket.try_send_from(from, {group, *port.begin()}, words).value();
        return 0;
    }
    o.ports = port;
    o.reuse = true; // each listener on this machine gets a copy
    o.policy = accept_policy::allow_all();
    udp_socket socket(rt.get_executor(), o);
    socket.join(group, interface).value();
    std::cout << "listening to " << group << " on " << interface << ", port " << socket.port() << std::endl;
    rt.spawn(listen_to(socket));
    const std::stop_callback closes(rt.stop_token(), [&socket] { socket.close(); });
    return rt.run_until_signal(1s);
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
