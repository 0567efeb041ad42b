// SPDX-License-Identifier: BSL-1.0
// A thermostat: who knows the secret may read the temperature and set it. Stops in good order at SIGTERM.
//
//     example_thermostat_server 7100 "a long random secret"

#include "thermostat.hpp"

#include <portunus/channel/channel_secrets.hpp>
#include <portunus/channel/channel_server.hpp>
#include <portunus/core/runtime.hpp>

#include <iostream>

using namespace portunus;
using namespace std::chrono_literals;

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " <port> <secret>\n";
        return 2;
    }
    channel_server_options options;
    options.door.ports = port_list(argv[1]);
    options.door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    options.channel.name = "thermostat";
    options.channel.auth = seed_key_server(argv[2]);

    runtime rt;
    reading now{"kitchen", 19.5, 20.0};
    const auto server = rt.listen(options, [&now](channel& peer, const peer_info&) {
        peer.handle(temperature, [&now] { return now; });
        peer.handle(set_point, [&now](double celsius) -> result<void> {
            if (celsius < 5 || celsius > 30) return error(errc::denied, "out of range");
            now.wanted = celsius;
            return {};
        });
    });
    std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
