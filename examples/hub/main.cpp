// SPDX-License-Identifier: BSL-1.0
// The hub of a small house: a server with several doors, each with a policy and a framing of its own.
//
//     portunus_hub --help
//     portunus_hub                        then: nc 127.0.0.1 7101, and type "help"
//
// demo.py, beside this file, starts it, talks to it in many ways and shows what happens.

#include "commands.hpp"
#include "datagram_port.hpp"
#include "devices.hpp"
#include "options.hpp"
#include "points.hpp"
#include "scoreboard.hpp"
#include "session.hpp"
#include "web.hpp"

#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/net/mdns_announcer.hpp>

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <iostream>
#include <optional>
#include <sstream>
#include <stop_token>
#include <string>

using namespace portunus;

namespace {

/// What the doors have in common.
listener_options door(const hub::options& chosen, const port_list& ports, const accept_policy& policy) {
    listener_options options;
    options.addresses = chosen.hosts;
    options.ports = ports;
    options.policy = policy;
    options.limits.max_connections = chosen.max_connections;
    options.log = logger(&logger::write_to_stderr, chosen.log);
    return options;
}

void print_where(hub::port& at, const accept_policy& policy) {
    std::ostringstream text;
    text << policy;
    at.policy = text.str();
    for (const auto& where : at.server->endpoints())
        std::cout << at.name << " port on " << to_string(where) << ": " << policy << '\n';
}

/// Opens a door at which every peer has a conversation in `codec`.
template <frame_codec Codec>
void open(runtime& rt, const listener_options& options, const Codec& codec, const hub::surroundings& with,
          hub::port& at) {
    at.server = rt.listen(options, [codec, &with, &at](tcp_stream peer) {
        return hub::converse(std::move(peer), codec, with, at);
    });
    print_where(at, options.policy);
}

/// Tells the link that there is a hub of this name, and at which ports.
mdns_announcer announce(runtime& rt, const hub::options& chosen, const hub::scoreboard& board) {
    mdns_service service;
    service.name = chosen.name;
    service.type = "_portunus._tcp";
    service.port = board.port_of("line");
    service.text = {{"packet", std::to_string(board.port_of("packet"))}};
    mdns_announcer_options options;
    options.services = {service};
    options.interfaces = interface_list{chosen.udp_interface};
    options.on_renamed = [](const std::string& before, const std::string& now) {
        std::cout << "the name " << before << " is taken, so it is " << now << std::endl;
    };
    options.log = logger(&logger::write_to_stderr, chosen.log);
    return mdns_announcer(rt.get_executor(), options);
}

/// What the hub says about itself to somebody who looks for it: "portunus_hub line 7101 packet 7102".
std::string introduction(const hub::scoreboard& board) {
    return "portunus_hub" + board.ports();
}

/// Prints the counters each time the signal comes.
void print_on(boost::asio::signal_set& signal, const hub::scoreboard& board) {
    signal.async_wait([&signal, &board](const boost::system::error_code& canceled, int) {
        if (canceled) return;
        std::cout << board.prometheus() << std::flush;
        print_on(signal, board);
    });
}

int run(const hub::options& chosen) {
    hub::devices house;
    hub::scoreboard board;
    hub::roster everybody;
    hub::commands handle(house, board);
    hub::journal passing;
    const hub::surroundings with{handle, everybody, passing};
    runtime rt(chosen.contexts, logger(&logger::write_to_stderr, chosen.log));

    const line_codec lines(line_mode::any, {.max_frame = chosen.max_frame});
    const length_prefix_codec packets = packet_4(chosen.max_frame);
    const auto nobody = accept_policy::deny_all().deny("127.0.0.0/8").deny("::1").refuse_with(refusal::reset);

    open(rt, door(chosen, chosen.line_ports, chosen.policy), lines, with, board.add("line"));
    open(rt, door(chosen, chosen.packet_ports, chosen.policy), packets, with, board.add("packet"));
    open(rt, door(chosen, chosen.refused_ports, nobody), lines, with, board.add("refused"));
    hub::datagram_port datagrams(rt, chosen, handle, introduction(board));
    handle.on_change([&datagrams](std::string_view news) { datagrams.tell_group(news); });
    for (const auto& where : datagrams.socket().endpoints())
        std::cout << "udp port on " << to_string(where) << " by " << chosen.udp_interface << ": "
                  << chosen.policy << '\n';
    std::optional<mdns_announcer> announced;
    if (!chosen.name.empty()) announced = announce(rt, chosen, board);
    const std::stop_callback goodbye(rt.stop_token(), [&announced] {
        if (announced) announced->close();
    });
    hub::port& messages = board.add("message");
    const hub::points data(rt, chosen, house, handle, passing, messages, introduction(board));
    if (data.are_open()) print_where(messages, chosen.policy);
    hub::web page(rt, chosen, house, board, data, handle, everybody, passing);
    page.print_where(std::cout);
    std::cout << "ready, on " << chosen.contexts << (chosen.contexts == 1 ? " thread" : " threads")
              << std::endl;

    boost::asio::signal_set counters_wanted(rt.context(), SIGUSR1);
    print_on(counters_wanted, board);

    const int status = rt.run_until_signal(chosen.grace);
    board.print_summary(std::cout);
    datagrams.print_summary(std::cout);
    page.print_summary(std::cout);
    std::cout << (status == 0 ? "ended in good order\n" : "ended; something had to be cut off\n");
    return status;
}

} // namespace

int main(int argc, char** argv) try {
    const auto chosen = hub::parse_options({argv + 1, argv + argc});
    if (chosen.help) {
        std::cout << hub::usage;
        return 0;
    }
    return run(chosen);
} catch (const failure& e) {
    std::cerr << "portunus_hub: " << e.what() << '\n';
    return 2;
}
