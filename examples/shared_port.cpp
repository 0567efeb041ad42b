// SPDX-License-Identifier: BSL-1.0
// Several parts of a program share one UDP port, and each hears what it has asked for:
//
// - the meters hear everybody who sends "temp <number>", and answer;
// - the news hear what is said to a group;
// - the log hears everything, and is slow: it takes a line a second and keeps three. What it loses, it alone
//   loses, and it is told.
//
//     example_shared_port [port] [group] [interface]          7040 239.1.2.4 lo
//
//     echo temp 21.5 | socat - UDP:127.0.0.1:7040
//     echo hi | socat - UDP-DATAGRAM:239.1.2.4:7040,ip-multicast-if=127.0.0.1

#include <portunus/core/runtime.hpp>
#include <portunus/net/udp_hub.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

#include <iostream>
#include <stop_token>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> meters(udp_subscription mine) {
    for (;;) {
        auto got = co_await mine.receive();
        if (!got) break; // the hub has ended
        std::cout << "a meter at " << to_string(got->sender()) << std::endl;
        auto sent = co_await mine.reply(*got, "noted\n");
        if (!sent) std::cerr << sent.error().message() << '\n';
    }
}

awaitable<void> news(udp_subscription mine) {
    for (;;) {
        auto got = co_await mine.receive();
        if (!got) break;
        std::cout << "news of " << got->bytes().size() << " bytes" << std::endl;
    }
}

awaitable<void> log_all(udp_subscription mine) {
    boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor);
    for (;;) {
        auto got = co_await mine.receive();
        if (!got) break;
        if (got->lost_before() != 0) std::cout << "log: " << got->lost_before() << " are missing\n";
        std::cout << "log: " << got->bytes().size() << " bytes from " << to_string(got->sender())
                  << std::endl;
        if (!mine.is_open()) continue; // the last ones quickly
        pause.expires_after(1s);
        co_await pause.async_wait(boost::asio::as_tuple(boost::asio::deferred));
    }
}

int main(int argc, char** argv) try {
    runtime rt;
    udp_hub_options door;
    door.socket.ports = port_list(argc > 1 ? argv[1] : "7040");
    door.socket.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("192.168.0.0/16");
    udp_hub hub(rt.get_executor(), door);
    const auto group = boost::asio::ip::make_address(argc > 2 ? argv[2] : "239.1.2.4");
    const std::string interface = argc > 3 ? argv[3] : "lo";

    auto temperatures = udp_interest().where([](const datagram& d) { return d.bytes.starts_with("temp "); });
    rt.spawn(meters(hub.subscribe(std::move(temperatures)).value()));
    rt.spawn(news(hub.subscribe(udp_interest().to_group(group, interface)).value()));
    rt.spawn(log_all(hub.subscribe(udp_interest(), {.datagrams = 3}).value()));
    std::cout << "sharing port " << hub.port() << std::endl;

    const std::stop_callback stops(rt.stop_token(), [&hub] { hub.stop(); });
    const int status = rt.run_until_signal(5s);
    const auto counted = hub.counters();
    std::cout << counted.socket.received << " received, " << counted.queued << " passed on, " << counted.lost
              << " lost by the slow" << std::endl;
    return status;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
