// SPDX-License-Identifier: BSL-1.0
// A server whose port is opened by somebody else: by systemd, which starts the program at the first
// connection, may give it a port below 1024 without privileges, and keeps the port while the program is
// restarted, so that nobody is ever refused.
//
//     systemd-socket-activate --listen=127.0.0.1:7020 --fdname=echo ./example_socket_activation
//     echo hello | nc -N 127.0.0.1 7020
//
// For good that is a unit `echo.socket` with ListenStream=7020 and FileDescriptorName=echo, beside
// `echo.service` with ExecStart=, Type=notify and, where it is to be started anew when it hangs,
// WatchdogSec=30: the program then says when it serves, that it lives, and when it stops. Started by hand,
// without a service manager, it opens the port itself and tells nobody:
//
//     ./example_socket_activation [port]      7020

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/inherited_sockets.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/service_notify.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> echo_lines(tcp_stream peer) {
    framed_stream frames(std::move(peer), line_codec{});
    while (auto line = co_await frames.read()) {
        const std::string text(*line);
        auto sent = co_await frames.write(text);
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    listener_options door;
    // Before anything else runs: the variables are taken out of the environment, so that programs which this
    // one starts do not take them for their own.
    door.inherited = inherited_sockets(listen_environment::unset).value();
    const auto manager = service_notifier::from_environment(notify_environment::unset).value();
    for (const inherited_socket& socket : door.inherited) std::cout << "given " << socket << '\n';
    if (door.inherited.empty()) door.ports = port_list(argc > 1 ? argv[1] : "7020");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");

    runtime rt;
    const auto server = rt.listen(door, &echo_lines);
    for (const auto& endpoint : server.endpoints())
        std::cout << "listening on " << to_string(endpoint) << std::endl;
    manager.follow(rt);
    if (auto told = manager.ready("echoes lines"); !told) std::cerr << told.error() << '\n';
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
