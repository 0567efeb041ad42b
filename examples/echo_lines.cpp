// SPDX-License-Identifier: BSL-1.0
// A server that sends every line back. One coroutine a connection, written as if it were the only one.
//
//     example_echo_lines            listens on port 7001
//     example_echo_lines 7001,7010-7019
//     example_echo_lines 0          on a free port; it says which
//
//     printf 'one\ntwo\n' | nc -N 127.0.0.1 7001
//     socat READLINE TCP:127.0.0.1:7001
//
// Ctrl-C ends it in good order.

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <iostream>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> echo_lines(tcp_stream peer) {
    framed_stream frames(std::move(peer), line_codec{});
    while (auto batch = co_await frames.read_batch()) { // every complete line that is there
        for (std::string_view line : *batch)
            if (!frames.queue(line)) co_return;
        auto sent = co_await frames.flush(); // all answers in one send
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7001");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    const auto server = rt.listen(door, &echo_lines);
    for (const auto& where : server.endpoints())
        std::cout << "listening on " << to_string(where) << std::endl;
    return rt.run_until_signal(10s); // then finish what has arrived, for ten seconds at most
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
