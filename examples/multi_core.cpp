// SPDX-License-Identifier: BSL-1.0
// Several cores: a runtime with four contexts, each with a thread of its own. A connection is given to the
// context that has the fewest and stays on its thread for life, so a session needs no locks for what is its
// own. What sessions share does: they run at the same time.
//
//     example_multi_core [contexts] [port of the echo] [port of the counters]      4, 7007 and 7008
//
//     for i in 1 2 3 4 5; do (echo "hello $i"; sleep 1; echo "me again") | nc -N 127.0.0.1 7007 & done; wait
//     echo | nc -N 127.0.0.1 7008
//
// Each server counts for itself; its numbers can be read at any time from any thread.

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <atomic>
#include <iostream>
#include <stdexcept>
#include <string>

#include <unistd.h>

using namespace portunus;
using namespace std::chrono_literals;

std::atomic<std::uint64_t> bytes_of_all{0}; // shared by all sessions, so it bears several threads

awaitable<void> echo_with_thread(tcp_stream peer) {
    unsigned lines_of_mine = 0; // this session's own
    framed_stream frames(std::move(peer), line_codec{});
    while (auto line = co_await frames.read()) {
        bytes_of_all += line->size();
        const std::string answer = "thread " + std::to_string(::gettid()) + ", line " +
                                   std::to_string(++lines_of_mine) + ": " + std::string(*line);
        auto sent = co_await frames.write(answer);
        if (!sent) break;
    }
}

awaitable<void> tell_counters(tcp_stream peer, runtime& rt, tcp_server echo) {
    framed_stream frames(std::move(peer), line_codec{});
    while (auto line = co_await frames.read()) {
        const metrics_snapshot counted = echo.snapshot();
        std::string answer = std::to_string(counted.accepted) + " connections, " +
                             std::to_string(counted.sessions_open()) + " of them open, " +
                             std::to_string(counted.messages_in) + " lines of " +
                             std::to_string(bytes_of_all) + " bytes; sessions on each context:";
        for (unsigned i = 0; i < rt.size(); ++i) answer += ' ' + std::to_string(rt.load(i));
        auto sent = co_await frames.write(answer);
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    runtime rt(argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 4);
    listener_options door;
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");

    door.ports = port_list(argc > 2 ? argv[2] : "7007");
    const tcp_server echo = rt.listen(door, &echo_with_thread);
    door.ports = port_list(argc > 3 ? argv[3] : "7008");
    const tcp_server counters =
        rt.listen(door, [&rt, echo](tcp_stream peer) { return tell_counters(std::move(peer), rt, echo); });

    std::cout << "echo on port " << echo.port() << ", counters on port " << counters.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
} catch (const std::logic_error&) {
    std::cerr << "the number of contexts is 1 to 256\n";
    return 2;
}
