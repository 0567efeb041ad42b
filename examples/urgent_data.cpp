// SPDX-License-Identifier: BSL-1.0
// TCP's urgent data, for old peers that use it: a byte that says "stop, and read up to here". New protocols
// should not use it (RFC 6093; urgent.hpp tells what it cannot do).
//
//     example_urgent_data [port]                              7009
//
//     python3 -c "import socket, time; s = socket.create_connection(('127.0.0.1', 7009))
//     s.sendall(b'print this, and this'); s.send(b'!', socket.MSG_OOB); s.sendall(b'then this')
//     time.sleep(1); s.shutdown(1); print(s.recv(1000).decode())"
//
// What has not been read when the notice comes, and the marked byte, is an urgent run: it is discarded, as a
// Telnet server discards what was typed before a break. The answer names the pieces:
//
//     discarded: print this, and this!
//     normal: then this
//
// How much of the text came before the notice, and so was normal, depends on the moment. At the end the
// server sends an urgent byte itself.

#include <portunus/net/listen.hpp>
#include <portunus/net/urgent.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> read_with_breaks(tcp_stream peer) {
    std::string buffer(4096, '\0'); // the pieces are views into it
    std::string answer;
    bool was_urgent = false;
    {
        urgent_reader reader(
            peer); // borrows it; from here on urgent bytes stay in the stream, and are marked
        while (auto piece = co_await reader.read(boost::asio::buffer(buffer))) {
            if (answer.empty() || piece->first || piece->urgent != was_urgent)
                answer.append(answer.empty() ? "" : "\n").append(piece->urgent ? "discarded: " : "normal: ");
            answer += piece->data;
            was_urgent = piece->urgent;
            if (answer.size() > 65536) break;
        }
    }
    auto sent = co_await peer.write(answer + "\n");
    if (!sent) co_return;
    auto marked = co_await send_urgent(peer, "!"); // a plain reader does not see it in the stream
    if (!marked) co_return;
    auto arrived = co_await peer.drain();
    if (!arrived) std::cerr << arrived.error() << '\n';
}

int main(int argc, char** argv) try {
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7009");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    const auto server = rt.listen(door, &read_with_breaks);
    std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
