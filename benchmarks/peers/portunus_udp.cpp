// An echo of datagrams with Portunus: one at a time, and by batches. Every option has its default but those
// of the door.

#include "peer_support.hpp"

#include <portunus/core/runtime.hpp>
#include <portunus/net/udp_socket.hpp>

#include <array>
#include <span>
#include <stop_token>
#include <string_view>

using namespace portunus;

namespace {

awaitable<void> echo(udp_socket& socket) {
    for (;;) {
        auto got = co_await socket.receive();
        if (!got) co_return;
        auto sent = co_await socket.reply(*got, got->bytes);
        if (!sent) co_return;
    }
}

awaitable<void> echo_tried(udp_socket& socket) {
    for (;;) {
        auto got = co_await socket.receive();
        if (!got) co_return;
        for (; got; got = socket.try_receive()) {
            auto sent = socket.try_send(got->sender, got->bytes);
            if (!sent) co_return;
        }
    }
}

awaitable<void> echo_batches(udp_socket& socket) {
    std::array<outgoing_datagram, 64> answers;
    for (;;) {
        auto batch = co_await socket.receive_batch();
        if (!batch) co_return;
        std::size_t n = 0;
        for (const datagram& d : *batch) answers[n++] = {d.sender, d.bytes};
        auto sent = co_await socket.send_batch(std::span(answers).first(n));
        if (!sent) co_return;
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"reply", "try_receive", "batches"});
    runtime rt;
    udp_options door;
    door.addresses = {boost::asio::ip::address_v4::loopback()};
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    udp_socket socket(rt.get_executor(), door);
    peer::announce_port(socket.port());
    if (mode == "reply") rt.spawn(echo(socket));
    if (mode == "try_receive") rt.spawn(echo_tried(socket));
    if (mode == "batches") rt.spawn(echo_batches(socket));
    const std::stop_callback closes(rt.stop_token(), [&socket] { socket.close(); });
    return rt.run_until_signal(std::chrono::seconds(1));
}
