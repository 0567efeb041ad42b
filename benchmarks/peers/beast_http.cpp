// HTTP by Boost.Beast with coroutines, as those write it who know it: a socket without timeouts, one buffer a
// connection, async_read and async_write of whole messages.

#include "peer_support.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <exception>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

http::response<http::string_body> answer(const http::request<http::string_body>& asked) {
    const bool known = asked.method() == http::verb::get && asked.target() == "/hello";
    http::response<http::string_body> said(known ? http::status::ok : http::status::not_found,
                                           asked.version());
    said.set(http::field::server, "Beast");
    said.set(http::field::content_type, "text/plain");
    said.keep_alive(asked.keep_alive());
    if (known) said.body() = "Hello, World!";
    said.prepare_payload();
    return said;
}

awaitable<void> serve(tcp::socket socket) {
    try {
        beast::flat_buffer buffer;
        for (;;) {
            http::request<http::string_body> asked;
            co_await http::async_read(socket, buffer, asked, use_awaitable);
            const http::response<http::string_body> said = answer(asked);
            co_await http::async_write(socket, said, use_awaitable);
            if (!said.keep_alive()) break;
        }
        socket.shutdown(tcp::socket::shutdown_send);
    } catch (const std::exception&) {
    }
}

awaitable<void> accept(tcp::acceptor& acceptor) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        socket.set_option(tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    peer::parse_mode(argc, argv, {"http"});
    asio::io_context context(1);
    asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&](boost::system::error_code, int) { context.stop(); });
    auto acceptor = peer::listen_on_loopback(context);
    asio::co_spawn(context, accept(acceptor), asio::detached);
    context.run();
}
