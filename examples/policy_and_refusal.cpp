// SPDX-License-Identifier: BSL-1.0
// Who may come in, and what the others see. Two doors; every refusal is logged with its reason.
//
//     example_policy_and_refusal [ports of the first door] [ports of the second]      7003 and 7004
//
// The first door has rules, asked in their order; whoever is refused sees a reset. (nc -s chooses the address
// to come from, -p the port.)
//
//     nc -s 127.0.0.1 127.0.0.1 7003                 allowed by its address: type "who"
//     nc -s 127.0.0.2 127.0.0.1 7003                 refused, though 127.0.0.0/29 is allowed: the first rule
//     decides nc -s 127.0.0.3 127.0.0.1 7003                 allowed nc -s 127.0.0.9 -p 40001 127.0.0.1 7003
//     allowed from this port only nc -s 127.0.0.80 127.0.0.1 7003                allowed by the program's own
//     question, in even minutes
//
// Type "off" and the master switch is off: nobody new comes in, who is in stays. "on" turns it on again.
//
// The second door lets anybody in who comes by the interface lo, but only two at a time. A third sees an
// orderly end of stream. (when_full::wait, the default, would let it wait in the kernel's queue.)

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <iostream>
#include <set>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

using guest_list = std::set<boost::asio::ip::address>;

awaitable<void> doorman(tcp_stream stream, peer_info peer, master_switch visitors, guest_list& guests) {
    framed_stream frames(std::move(stream), line_codec{});
    while (auto line = co_await frames.read()) {
        if (*line == "on") visitors.on();
        if (*line == "off") visitors.off();
        if (line->starts_with("invite ")) {
            boost::system::error_code wrong;
            const auto guest = boost::asio::ip::make_address(line->substr(7), wrong);
            if (!wrong) guests.insert(guest);
        }
        const std::string answer = "you are " + to_string(peer.remote) + " on " + peer.interface() +
                                   ", number " + std::to_string(peer.id) + "; the switch is " +
                                   (visitors.is_on() ? "on" : "off");
        auto sent = co_await frames.write(answer);
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    const master_switch visitors;
    guest_list guests;
    const logger log(&logger::write_to_stderr, log_level::info); // refusals by policy are of level info
    runtime rt(1, log);
    const auto invited = [&guests](const connection_attempt& who) { return guests.contains(who.remote); };
    const auto session = [visitors, &guests](tcp_stream stream, peer_info peer) {
        return doorman(std::move(stream), peer, visitors, guests);
    };

    listener_options guarded;
    guarded.ports = port_list(argc > 1 ? argv[1] : "7003");
    guarded.policy = accept_policy::deny_all()
                         .deny("127.0.0.2")
                         .allow("127.0.0.0/29")
                         .allow("127.0.0.9", {40000, 40099})
                         .allow_if("invited", invited)
                         .refuse_with(refusal::reset)
                         .controlled_by(visitors);
    guarded.log = log;

    listener_options small;
    small.ports = port_list(argc > 2 ? argv[2] : "7004");
    small.policy = accept_policy::deny_all().allow_on("lo").refuse_with(refusal::close);
    small.limits.max_connections = 2;
    small.limits.full = when_full::close;
    small.log = log;

    for (const auto& door : {guarded, small})
        std::cout << "port " << rt.listen(door, session).port() << ": " << door.policy << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
