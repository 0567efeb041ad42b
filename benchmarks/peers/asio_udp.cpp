// An echo of datagrams with plain Asio, as its own examples have it: one receive and one send at a time, each
// an asynchronous operation. With callbacks, and with coroutines.

#include "peer_support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/udp.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

class echo {
  public:
    explicit echo(udp::socket& socket) : socket_(socket), bytes_(65535) {}

    void receive() {
        socket_.async_receive_from(asio::buffer(bytes_), sender_, [this](error_code failed, std::size_t n) {
            if (failed == asio::error::operation_aborted) return;
            if (failed)
                receive();
            else
                answer(n);
        });
    }

  private:
    void answer(std::size_t n) {
        socket_.async_send_to(asio::buffer(bytes_, n), sender_, [this](error_code failed, std::size_t) {
            if (failed != asio::error::operation_aborted) receive();
        });
    }

    udp::socket& socket_;
    udp::endpoint sender_;
    std::vector<char> bytes_;
};

asio::awaitable<void> echo_forever(udp::socket& socket) {
    std::vector<char> bytes(65535);
    udp::endpoint sender;
    constexpr auto token = asio::as_tuple(asio::deferred);
    for (;;) {
        const auto [failed, n] = co_await socket.async_receive_from(asio::buffer(bytes), sender, token);
        if (failed) co_return;
        const auto [refused, sent] = co_await socket.async_send_to(asio::buffer(bytes, n), sender, token);
        if (refused) co_return;
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"callbacks", "coroutines"});
    asio::io_context context(1);
    asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&](error_code, int) { context.stop(); });
    udp::socket socket(context, udp::endpoint(asio::ip::address_v4::loopback(), 0));
    peer::announce_port(socket.local_endpoint().port());
    echo with_callbacks(socket);
    if (mode == "callbacks")
        with_callbacks.receive();
    else
        asio::co_spawn(context, echo_forever(socket), asio::detached);
    context.run();
}
