// SPDX-License-Identifier: BSL-1.0
// The network around: the interfaces of this machine, who is on their links, the way to an address, and then
// every change as it happens.
//
//     example_interfaces [address]         until Ctrl-C
//
// Pull a cable, join another wireless network, or try, as root, in a second terminal:
//
//     ip address add 127.9.9.9/32 dev lo; ip address del 127.9.9.9/32 dev lo

#include <portunus/core/runtime.hpp>
#include <portunus/net/interface_watch.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/neighbours.hpp>

#include <iostream>
#include <stop_token>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

void print_interfaces() {
    for (const network_interface& i : interfaces().value()) {
        std::cout << i.name << (i.usable() ? "" : i.up ? " (no cable)" : " (off)") << ", MTU " << i.mtu;
        if (!i.mac.is_zero()) std::cout << ", " << i.mac;
        std::cout << '\n';
        for (const interface_address& a : i.addresses) {
            std::cout << "    " << a << ' ' << to_string(a.scope);
            if (a.broadcast) std::cout << ", broadcast " << *a.broadcast;
            if (a.peer) std::cout << ", to " << *a.peer;
            std::cout << '\n';
        }
    }
    for (const neighbour& n : neighbours().value())
        if (n.mac) std::cout << n.address << " is " << *n.mac << " on " << n.interface << '\n';
}

void print_way(const char* text) {
    boost::system::error_code ec;
    const auto address = boost::asio::ip::make_address(text, ec);
    if (ec) throw failure(error(errc::invalid_address, text));
    const outgoing_path path = interface_towards(address).value();
    std::cout << "to " << address << ": by " << path.interface << ", as " << path.local;
    if (path.gateway) std::cout << ", through " << *path.gateway;
    const auto mac = mac_of(address).value();
    std::cout << ", hardware address " << (mac ? to_string(*mac) : "unknown") << '\n';
}

awaitable<void> print_changes(interface_watch& watch) {
    std::cout << "waiting for changes" << std::endl;
    for (;;) {
        auto change = co_await watch.next();
        if (!change) break; // closed, because the program stops
        std::cout << *change << std::endl;
        if (change->kind == interface_event::overrun) print_interfaces();
    }
}

int main(int argc, char** argv) try {
    runtime rt;
    interface_watch watch(rt.get_executor()); // first watch, then look: so nothing is missed between the two
    print_interfaces();
    if (argc > 1) print_way(argv[1]);
    const std::stop_callback at_stop(rt.stop_token(), [&watch] { watch.close(); });
    rt.spawn(print_changes(watch));
    return rt.run_until_signal(1s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
