// Portunus as its documentation says to write it: a runtime, a door, a session a connection. Nothing here is
// tuned for the benchmark; every limit has its default.

#include "peer_support.hpp"

#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <array>
#include <string_view>

using namespace portunus;

namespace {

// Bytes as they come.
awaitable<void> echo(tcp_stream peer) {
    std::array<char, 4096> buffer;
    while (auto n = co_await peer.read_some(boost::asio::buffer(buffer))) {
        auto sent = co_await peer.write(boost::asio::buffer(buffer, *n));
        if (!sent) break;
    }
}

// Every frame that is there, one send.
awaitable<void> echo_lines(tcp_stream peer) {
    framed_stream frames(std::move(peer), line_codec{line_mode::crlf_strict});
    while (auto batch = co_await frames.read_batch()) {
        for (std::string_view line : *batch)
            if (!frames.queue(line)) co_return;
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
}

awaitable<void> echo_length4(tcp_stream peer) {
    framed_stream frames(std::move(peer), packet_4());
    while (auto batch = co_await frames.read_batch()) {
        for (std::string_view body : *batch)
            if (!frames.queue(body)) co_return;
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
}

// A plain call a frame.
awaitable<void> echo_tried(tcp_stream peer) {
    framed_stream frames(std::move(peer), line_codec{line_mode::crlf_strict});
    while (auto filled = co_await frames.fill()) {
        while (auto line = frames.try_read())
            if (!frames.queue(*line)) co_return;
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
}

// An awaitable a frame; what is queued is sent when no further frame is there.
awaitable<void> echo_one_by_one(tcp_stream peer) {
    framed_stream frames(std::move(peer), line_codec{line_mode::crlf_strict});
    while (auto line = co_await frames.read()) {
        if (!frames.queue(*line)) co_return;
        if (!frames.unread().empty()) continue;
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"echo", "lines", "lines_try", "lines_read", "length4"});
    runtime rt;
    listener_options door;
    door.ports = port_list(0);
    door.addresses = {boost::asio::ip::address_v4::loopback()};
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8");
    door.limits.max_connections = 20'000;
    const auto serve_with = [&](auto session) { peer::announce_port(rt.listen(door, session).port()); };
    if (mode == "echo") serve_with(&echo);
    if (mode == "lines") serve_with(&echo_lines);
    if (mode == "lines_try") serve_with(&echo_tried);
    if (mode == "lines_read") serve_with(&echo_one_by_one);
    if (mode == "length4") serve_with(&echo_length4);
    return rt.run_until_signal(std::chrono::seconds(1));
}
