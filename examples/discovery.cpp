// SPDX-License-Identifier: BSL-1.0
// Who is there? Asks everybody on every link by a broadcast and prints who answers; or is one of those who
// answer.
//
//     example_discovery answer [name] [port]          answers until Ctrl-C; 7030
//     example_discovery ask [port] [at-most] [interface]
//                                                     listens for two seconds, or until so many have answered
//
//     example_discovery answer kitchen &
//     example_discovery ask 7030 1 lo                 on this machine alone
//
// An answer is "here " and a name. Only this machine and private networks are answered.

#include <portunus/core/runtime.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/udp_peer.hpp>
#include <portunus/net/udp_socket.hpp>

#include <iostream>
#include <stop_token>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

const std::string question = "who is there?";

awaitable<void> answer(udp_socket& socket, std::string name) {
    const std::string text = "here " + name;
    for (;;) {
        auto got = co_await socket.receive();
        if (!got) break; // closed by the stop
        if (got->bytes != question) continue;
        auto sent = co_await socket.reply(*got, text);
        if (!sent) std::cerr << sent.error().message() << '\n';
    }
}

awaitable<void> ask(runtime& rt, udp_peer& everybody, std::size_t at_most) {
    auto sent = co_await everybody.send(question);
    if (!sent) std::cerr << sent.error().message() << '\n';
    for (std::size_t n = 0; sent && n < at_most;) {
        auto got = co_await everybody.receive();
        if (!got) break; // the idle limit: two seconds without an answer
        if (!got->bytes.starts_with("here ")) continue;
        const auto by = find_interface(got->interface);
        std::cout << got->bytes.substr(5) << " is at " << to_string(got->sender) << " on "
                  << (by ? by->name : "an interface that has gone") << std::endl;
        ++n;
    }
    rt.request_stop(1s);
}

int main(int argc, char** argv) try {
    const std::string mode = argc > 1 ? argv[1] : "";
    runtime rt;
    if (mode == "answer") {
        udp_options o;
        o.policy = accept_policy::deny_all()
                       .allow_on("lo") // from whichever of our addresses
                       .allow("10.0.0.0/8")
                       .allow("172.16.0.0/12")
                       .allow("192.168.0.0/16");
        o.receive_broadcasts = true;
        o.ports = port_list(argc > 3 ? argv[3] : "7030");
        udp_socket socket(rt.get_executor(), o);
        std::cout << "answering on port " << socket.port() << std::endl;
        rt.spawn(answer(socket, argc > 2 ? argv[2] : "nameless"));
        const std::stop_callback closes(rt.stop_token(), [&socket] { socket.close(); });
        return rt.run_until_signal(1s);
    }
    if (mode == "ask") {
        udp_peer_options o;
        o.socket.policy = accept_policy::allow_all(); // whoever heard us may answer
        o.peer.port(*port_list(argc > 2 ? argv[2] : "7030").begin());
        o.accept_from = udp_accept_from::any_address;
        o.broadcast = true; // everything goes to everybody, whoever has answered
        if (argc > 4) o.broadcast_on = argv[4];
        o.idle_limit = 2s;
        udp_peer everybody(rt.get_executor(), o);
        rt.spawn(ask(rt, everybody, argc > 3 ? std::stoul(argv[3]) : 1000));
        const std::stop_callback closes(rt.stop_token(), [&everybody] { everybody.close(); });
        return rt.run_until_signal(1s);
    }
    std::cerr << "ask or answer?\n";
    return 2;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
