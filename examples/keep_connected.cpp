// SPDX-License-Identifier: BSL-1.0
// Keeps a connection up: whatever happens to the other side, it is called again, with growing pauses. Prints
// what it does and what it hears, until Ctrl-C.
//
//     example_keep_connected localhost 7005
//     nc -lk 127.0.0.1 7005              in another terminal: start it, type lines, stop it, start it again

#include <portunus/net/connector.hpp>
#include <portunus/net/framed_stream.hpp>

#include <portunus/core/runtime.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/policy/port_range.hpp>

#include <iostream>

using namespace portunus;
using namespace std::chrono_literals;

/// What becomes of one connection: here it is only listened to.
awaitable<void> listen_to(tcp_stream stream) {
    framed_stream frames(std::move(stream), line_codec{});
    for (;;) {
        auto line = co_await frames.read();
        if (!line) {
            std::cout << "lost: " << line.error() << std::endl;
            co_return;
        }
        std::cout << "heard: " << *line << std::endl;
    }
}

awaitable<void> stay_connected(connector& link) {
    for (;;) {
        auto stream = co_await link.next();
        if (!stream) co_return; // the program stops
        co_await listen_to(std::move(*stream));
    }
}

awaitable<void> tell_changes(connector& link) {
    for (;;) {
        auto change = co_await link.next_event();
        if (!change) co_return;
        std::cout << change->state;
        if (change->state == link_state::connected) std::cout << " to " << to_string(change->peer);
        if (change->cause.code().failed()) std::cout << " because " << change->cause;
        std::cout << std::endl;
    }
}

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " <host> <port>\n";
        return 2;
    }
    connector_options options;
    options.host = argv[1];
    options.port = port_range(argv[2]).first();
    options.retry = {.first = 200ms, .cap = 5s};
    options.log = logger::silent(); // the events say it all

    runtime rt;
    connector link(rt.get_executor(), options);
    rt.spawn(stay_connected(link));
    rt.spawn(tell_changes(link));
    rt.run_until_signal(0s); // both tasks wait for ever: they are cancelled, which is no failure here
    return 0;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
