// SPDX-License-Identifier: BSL-1.0
// Who may be here twice? Three doors for devices that lose their power and come back while we still hold the
// connection that they have forgotten.
//
//     example_one_session_each 0 0 0
//
//     first port:  one connection for each address: a newcomer replaces the old one, which sees a reset
//     second port: one for each name that a device gives in its first line, from whatever address
//     third port:  one slot: the next device comes in when the session before it has returned

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/session_keys.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> converse(framed_stream<tcp_stream, line_codec>& frames, std::string name) {
    for (;;) {
        auto line = co_await frames.read();
        if (!line) {
            std::cout << name << ": " << frames.stream().reason() << std::endl;
            co_return;
        }
        auto sent = co_await frames.write(name + ": " + std::string(*line));
        if (!sent) co_return;
    }
}

awaitable<void> by_address(tcp_stream stream, peer_info peer) {
    framed_stream frames(std::move(stream), line_codec{});
    co_await converse(frames, peer.remote.address().to_string());
}

awaitable<void> by_name(tcp_stream stream, session_keys devices) {
    framed_stream frames(std::move(stream), line_codec{});
    auto first = co_await frames.read();
    if (!first) co_return;
    const std::string name(*first);
    auto key = co_await devices.claim(frames.stream(), name); // the old session of that name ends first
    if (!key) co_return;
    co_await converse(frames, name);
}

listener_options door(const char* port) {
    listener_options options;
    options.addresses = {boost::asio::ip::address_v4::loopback()};
    options.ports = port_list(port);
    options.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    return options;
}

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " <port> <port> <port>\n";
        return 2;
    }
    runtime rt;

    listener_options addresses = door(argv[1]);
    addresses.replace = replaces::same_address;
    const auto first = rt.listen(addresses, &by_address);

    const session_keys devices;
    const auto second =
        rt.listen(door(argv[2]), [devices](tcp_stream s) { return by_name(std::move(s), devices); });

    listener_options slots = door(argv[3]);
    slots.limits.max_connections = 1;
    slots.limits.full = when_full::wait;
    const auto third = rt.listen(slots, &by_address);

    for (const auto& server : {first, second, third})
        std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(2s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
