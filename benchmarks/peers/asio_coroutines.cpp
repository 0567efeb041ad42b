// Plain Asio coroutines as people write them, after the examples and tutorials: async_read_until on a dynamic
// string buffer, use_awaitable, one async_write a message, exceptions at the end of the stream.

#include "peer_support.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

constexpr std::size_t max_frame = 64 * 1024;

awaitable<void> echo(tcp::socket socket) {
    try {
        char data[1024];
        for (;;) {
            const std::size_t n = co_await socket.async_read_some(asio::buffer(data), use_awaitable);
            co_await asio::async_write(socket, asio::buffer(data, n), use_awaitable);
        }
    } catch (const std::exception&) {
    }
}

awaitable<void> lines(tcp::socket socket) {
    try {
        std::string data;
        for (;;) {
            const std::size_t n = co_await asio::async_read_until(
                socket, asio::dynamic_buffer(data, max_frame), "\r\n", use_awaitable);
            const std::string answer = data.substr(0, n);
            data.erase(0, n);
            co_await asio::async_write(socket, asio::buffer(answer), use_awaitable);
        }
    } catch (const std::exception&) {
    }
}

awaitable<void> length4(tcp::socket socket) {
    try {
        std::vector<char> body;
        for (;;) {
            std::uint32_t prefix = 0;
            co_await asio::async_read(socket, asio::buffer(&prefix, sizeof prefix), use_awaitable);
            const std::size_t length = ntohl(prefix);
            if (length > max_frame) break;
            body.resize(length);
            co_await asio::async_read(socket, asio::buffer(body), use_awaitable);
            const std::array<asio::const_buffer, 2> answer{asio::buffer(&prefix, sizeof prefix),
                                                           asio::buffer(body)};
            co_await asio::async_write(socket, answer, use_awaitable);
        }
    } catch (const std::exception&) {
    }
}

using session = awaitable<void> (*)(tcp::socket);

awaitable<void> accept(tcp::acceptor& acceptor, session run) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), run(std::move(socket)), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"echo", "lines", "length4"});
    asio::io_context context(1);
    asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
    auto acceptor = peer::listen_on_loopback(context);
    asio::co_spawn(context,
                   accept(acceptor, mode == "lines"     ? &lines
                                    : mode == "length4" ? &length4
                                                        : &echo),
                   asio::detached);
    context.run();
}
