// SPDX-License-Identifier: BSL-1.0
// A client that heals itself: every second it queues a reading, connected or not, and prints the answers.
// Readings that were not sent when the connection was lost go first on the next one.
//
//     example_reconnecting_client localhost 7005 [milliseconds between readings]
//     example_echo_lines 7005            start it, stop it, start it again

#include <portunus/net/framed_connector.hpp>

#include <portunus/core/runtime.hpp>
#include <portunus/policy/port_range.hpp>

#include <boost/asio/steady_timer.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

using lines = framed_connector<line_codec>;

/// Said first on every connection.
awaitable<result<void>> greet(lines::stream_type& frames) {
    co_return co_await frames.write("hello, this is sensor 7");
}

awaitable<void> print_answers(lines& link) {
    for (;;) {
        auto answer = co_await link.read(); // through any number of connections
        if (!answer) co_return;
        std::cout << *answer << std::endl;
    }
}

awaitable<void> send_readings(lines& link, std::chrono::milliseconds every) {
    boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor);
    for (int number = 1;; ++number) {
        auto queued = link.queue("reading " + std::to_string(number));
        if (!queued) std::cerr << queued.error() << '\n'; // a full queue says so; nothing is lost silently
        pause.expires_after(every);
        const auto [stopped] = co_await pause.async_wait(boost::asio::as_tuple(boost::asio::deferred));
        if (stopped) co_return;
    }
}

int main(int argc, char** argv) try {
    if (argc < 3) {
        std::cerr << "usage: " << argv[0] << " <host> <port> [milliseconds]\n";
        return 2;
    }
    lines::options_type options;
    options.link.host = argv[1];
    options.link.port = port_range(argv[2]).first();
    options.link.retry = {.first = 200ms, .cap = 5s};
    options.max_queued = 64 * 1024;
    options.greet = &greet;

    runtime rt;
    lines link(rt.get_executor(), options);
    rt.spawn(print_answers(link));
    rt.spawn(send_readings(link, std::chrono::milliseconds(argc > 3 ? std::stoi(argv[3]) : 1000)));
    rt.run_until_signal(0s);
    return 0;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
