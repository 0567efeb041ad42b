// What the servers on Asio have in common and what is not measured: their command line, their listening
// socket.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

namespace peer {

namespace asio = boost::asio;
using asio::ip::tcp;

// `--mode M` and nothing else; M must be one of `modes`.
inline std::string_view parse_mode(int argc, char** argv, std::initializer_list<std::string_view> modes) {
    if (argc == 3 && std::string_view(argv[1]) == "--mode")
        for (auto mode : modes)
            if (mode == argv[2]) return mode;
    std::fprintf(stderr, "usage: %s --mode", argv[0]);
    char separator = ' ';
    for (auto mode : modes) {
        std::fprintf(stderr, "%c%.*s", separator, static_cast<int>(mode.size()), mode.data());
        separator = '|';
    }
    std::fputc('\n', stderr);
    std::exit(2);
}

// The line that the harness waits for.
inline void announce_port(unsigned port) {
    std::printf("port %u\n", port);
    std::fflush(stdout);
}

inline tcp::acceptor listen_on_loopback(asio::io_context& context) {
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0), false);
    announce_port(acceptor.local_endpoint().port());
    return acceptor;
}

} // namespace peer
