// SPDX-License-Identifier: BSL-1.0
// A client: connects, sends lines, prints the answers. No wait is without a limit, and each failure can be
// told apart.
//
//     example_client <host> <port> <line>...
//
//     socat TCP-LISTEN:7005,fork,reuseaddr EXEC:cat &         something that answers; or example_echo_lines
//     example_client localhost 7005 one two three
//
//     example_client localhost 1 hello                        nobody listens there
//     example_client no-such-host.invalid 7005 hello          the name does not exist
//     example_client 192.0.2.1 7005 hello                     no answer: the limit for connecting
//     nc -l 127.0.0.1 7006 & example_client 127.0.0.1 7006 hello      never an answer: the limit for silence

#include <portunus/net/connect.hpp>
#include <portunus/net/framed_stream.hpp>

#include <portunus/core/runtime.hpp>
#include <portunus/policy/port_range.hpp>

#include <iostream>
#include <string>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

/// What a program does about a failure depends on its kind, seldom on the exact code.
const char* advice(const error& e) {
    if (e == errc::host_not_found) return "check the name";
    if (e == condition::timeout) return "it is too slow, or away";
    if (e == condition::denied) return "it does not want us";
    if (e == condition::closed) return "it hung up";
    if (e == condition::too_large || e == condition::malformed) return "it does not speak lines";
    return "something else";
}

awaitable<result<void>> talk(std::string host, std::uint16_t port, std::vector<std::string> lines) {
    auto peer = co_await connect(host, port, {.connect_limit = 3s, .stream = {.idle_limit = 5s}});
    if (!peer) co_return peer.error();
    framed_stream frames(std::move(*peer), line_codec{});
    for (const std::string& line : lines) {
        auto sent = co_await frames.write(line);
        if (!sent) co_return sent;
        auto answer = co_await frames.read();
        if (!answer) co_return answer.error();
        std::cout << *answer << '\n';
    }
    co_return co_await frames.close(2s); // what is on its way arrives; the peer hangs up as well
}

awaitable<void> report(awaitable<result<void>> conversation, int& status) {
    auto done = co_await std::move(conversation);
    if (done) co_return;
    std::cerr << done.error() << " (" << advice(done.error()) << ")\n";
    status = 1;
}

int main(int argc, char** argv) try {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " <host> <port> <line>...\n";
        return 2;
    }
    int status = 0;
    runtime rt;
    rt.spawn(report(talk(argv[1], port_range(argv[2]).first(), {argv + 3, argv + argc}), status));
    rt.run(); // until there is nothing left to do
    return status;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
