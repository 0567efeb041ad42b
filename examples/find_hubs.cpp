// SPDX-License-Identifier: BSL-1.0
// Finds what is offered on the network, and offers something itself: names and services without any
// configuration, as Bonjour and Avahi do it.
//
//     example_find_hubs                        who is there? Looks around for two seconds
//     example_find_hubs "Study" 7001           offers a hub of this name at port 7001, until Ctrl-C
//     example_find_hubs "Study" 7001 lo        on one interface; "-" and an interface: looks around there
//
// Start it once with a name, here or on another machine of the network, and once without.

#include <portunus/core/runtime.hpp>
#include <portunus/net/mdns_announcer.hpp>
#include <portunus/net/mdns_browse.hpp>

#include <iostream>
#include <stop_token>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

constexpr auto hub_type = "_portunus._tcp";

awaitable<void> look_around(interface_choice where) {
    auto hubs = co_await mdns_browse(hub_type, {.limit = 2s, .on = where});
    if (!hubs) {
        std::cerr << hubs.error() << '\n';
        co_return;
    }
    if (hubs->empty()) std::cout << "no hub is there\n";
    for (const mdns_found& hub : *hubs) {
        std::cout << '"' << hub.name << "\" is on " << hub.host << " at port " << hub.port;
        for (const auto& address : hub.addresses) std::cout << ' ' << address;
        for (const auto& [key, value] : hub.text) std::cout << ", " << key << '=' << value;
        std::cout << std::endl;
    }
}

awaitable<void> say_when_ready(mdns_announcer& announcer) {
    auto ready = co_await announcer.ready();
    if (!ready)
        std::cerr << ready.error() << '\n';
    else
        std::cout << "offering \"" << announcer.services().front().name << "\" on " << announcer.host()
                  << std::endl;
}

int main(int argc, char** argv) try {
    runtime rt;
    const std::string name = argc > 1 ? argv[1] : "-";
    if (name == "-") {
        rt.spawn(look_around(argc > 2 ? interface_choice(argv[argc - 1]) : interface_choice()));
        return rt.run(); // until it has looked
    }
    mdns_service hub;
    hub.name = name;
    hub.type = hub_type;
    hub.port = port_list(argc > 2 ? argv[2] : "7001").ranges().front().first();
    hub.text = {{"made", "here"}};
    mdns_announcer_options what;
    what.services = {hub};
    if (argc > 3) what.interfaces = interface_list(argv[3]);
    what.on_renamed = [](const std::string& before, const std::string& now) {
        std::cout << '"' << before << "\" is taken, so \"" << now << '"' << std::endl;
    };
    mdns_announcer announcer(rt.get_executor(), what);
    rt.spawn(say_when_ready(announcer));
    const std::stop_callback bye(rt.stop_token(), [&announcer] { announcer.close(); });
    return rt.run_until_signal(1s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
