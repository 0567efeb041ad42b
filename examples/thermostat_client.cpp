// SPDX-License-Identifier: BSL-1.0
// Sets the thermostat and says what it is then. It waits for a server that is not there yet, up to 10 s.
//
//     example_thermostat_client localhost 7100 "a long random secret" 21.5

#include "thermostat.hpp"

#include <portunus/channel/channel_client.hpp>
#include <portunus/channel/channel_secrets.hpp>
#include <portunus/core/runtime.hpp>
#include <portunus/policy/port_range.hpp>

#include <iostream>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<result<reading>> adjust(channel_client& link, double celsius) {
    auto set = co_await link.request(set_point, celsius, {.limit = 10s, .idempotent = true});
    if (!set) co_return set.error();
    co_return co_await link.request(temperature);
}

awaitable<void> report(runtime& rt, channel_client& link, double celsius, int& status) {
    auto now = co_await adjust(link, celsius);
    if (now)
        std::cout << now->room << ": " << now->celsius << ", wanted " << now->wanted << std::endl;
    else
        std::cerr << now.error() << '\n';
    status = now ? 0 : 1;
    rt.request_stop(0s);
}

int main(int argc, char** argv) try {
    if (argc != 5) {
        std::cerr << "usage: " << argv[0] << " <host> <port> <secret> <degrees>\n";
        return 2;
    }
    channel_client_options options;
    options.link.host = argv[1];
    options.link.port = port_range(argv[2]).first();
    options.channel.auth = seed_key_client(argv[3]);
    int status = 1;
    runtime rt;
    channel_client link(rt.get_executor(), options);
    rt.spawn(report(rt, link, std::stod(argv[4]), status));
    rt.run();
    return status;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
