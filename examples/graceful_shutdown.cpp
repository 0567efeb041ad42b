// SPDX-License-Identifier: BSL-1.0
// Ending without losing anything. Every line takes a second to answer; SIGTERM (or Ctrl-C) comes in the
// middle.
//
//     example_graceful_shutdown [port] [grace in seconds]      7006 and 10
//
//     printf 'a\nb\nc\n' | nc -N 127.0.0.1 7006 & sleep 1.5; kill -TERM $(pidof example_graceful_shutdown)
//
// At the signal nobody new is let in, and the session goes on with the lines that have arrived: "b" and "c"
// are answered, too. Then it says goodbye to its peer, and the program ends with 0.
//
// With a grace of 1 second that is not possible: the session is cut off, a warning says so, and the program
// ends with 1. A second signal ends it at once, whatever it is doing.

#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <boost/asio/steady_timer.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> slow_answers(tcp_stream peer) {
    boost::asio::steady_timer work(peer.get_executor());
    framed_stream frames(std::move(peer), line_codec{});
    // When the program stops, reads deliver what has arrived and then fail with errc::shutting_down: a
    // session that loops until an error needs nothing else.
    while (auto line = co_await frames.read()) {
        work.expires_after(1s); // stands for something that takes its time
        co_await work.async_wait(boost::asio::deferred);
        const std::string answer = "done: " + std::string(*line);
        auto sent = co_await frames.write(answer);
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    const std::chrono::seconds grace(argc > 2 ? std::stoi(argv[2]) : 10);
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7006");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    const auto server = rt.listen(door, &slow_answers);
    std::cout << "listening on port " << server.port() << std::endl;

    const int status = rt.run_until_signal(grace);
    const metrics_snapshot counted = server.snapshot();
    std::cout << "lines: " << counted.messages_in << ", answers: " << counted.messages_out << ", "
              << (status == 0 ? "nothing was cut off" : "something was cut off") << '\n';
    return status;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
} catch (const std::logic_error&) {
    std::cerr << "the grace is a number of seconds\n";
    return 2;
}
