// SPDX-License-Identifier: BSL-1.0
// A connection of its own for the data, as FTP does it. "get" on the control connection opens a door for one
// connection, and for nobody but the peer that asked; the answer says its port. Whoever else comes is reset.
//
//     example_accept_one [port] [seconds that the door stays open]      7007 and 10
//
//     nc 127.0.0.1 7007                    type "get": "data on port N"; then, in another terminal,
//     nc -s 127.0.0.2 127.0.0.1 N          somebody else: refused
//     nc 127.0.0.1 N                       the data, and the end; the control connection says "sent"
//
// Type "get" and do nothing: after ten seconds the door closes and the control connection says why.

#include <portunus/net/accept_one.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<result<void>> send_data(single_door& door) {
    auto data = co_await door.accept();
    if (!data) co_return data.error();
    auto sent = co_await data->stream.write("the data, as much as there is of it\n");
    if (!sent) co_return sent;
    co_return co_await data->stream.close(5s); // what was written arrives
}

awaitable<void> control(tcp_stream peer, accept_one_options options) {
    options.allowed_peer = peer.remote_endpoint().address();
    const tcp_stream::endpoint_type where(peer.local_endpoint().address(), 0);
    framed_stream lines(std::move(peer), line_codec{});
    while (auto line = co_await lines.read()) {
        std::string answer = "only \"get\" is known";
        if (*line == "get") {
            auto door = single_door::open(lines.get_executor(), where, options);
            if (!door) co_return;
            const std::string place = "data on port " + std::to_string(door->port());
            auto told = co_await lines.write(place); // known before anybody waits there
            if (!told) co_return;
            auto sent = co_await send_data(*door);
            answer = sent ? "sent" : sent.error().message();
        }
        auto told = co_await lines.write(answer);
        if (!told) co_return;
    }
}

int main(int argc, char** argv) try {
    accept_one_options options;
    options.limit = std::chrono::seconds(argc > 2 ? std::stoi(argv[2]) : 10);
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7007");
    door.addresses = {boost::asio::ip::address_v4::loopback()};
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    const auto server =
        rt.listen(door, [options](tcp_stream peer) { return control(std::move(peer), options); });
    std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
