// SPDX-License-Identifier: BSL-1.0
// Binary messages: a length of 4 bytes, big endian, then so many bytes. Here the bytes are numbers of 4 bytes
// each, and the answer is their sum in 8 bytes.
//
//     example_length_prefixed_server [port] [longest message in bytes]      7002 and 1024
//
//     python3 -c "
//     import socket, struct
//     peer = socket.create_connection(('127.0.0.1', 7002))
//     body = struct.pack('>3I', 1, 2, 39)
//     peer.sendall(struct.pack('>I', len(body)) + body)
//     print(struct.unpack('>IQ', peer.recv(12)))"
//
// Announce more than the limit and the connection ends before a byte of that message is waited for; the
// reason is logged with its numbers:
//
//     printf '\377\377\377\377' | nc -N 127.0.0.1 7002

#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <boost/endian/conversion.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;
namespace endian = boost::endian;

std::string sum_of(std::string_view message) {
    std::uint64_t sum = 0;
    for (; message.size() >= 4; message.remove_prefix(4))
        sum += endian::load_big_u32(reinterpret_cast<const unsigned char*>(message.data()));
    std::string answer(8, '\0');
    endian::store_big_u64(reinterpret_cast<unsigned char*>(answer.data()), sum);
    return answer;
}

awaitable<void> add_numbers(tcp_stream peer, length_prefix_codec codec) {
    framed_stream frames(std::move(peer), codec);
    while (auto message = co_await frames.read()) {
        const std::string answer = sum_of(*message); // the view is valid until the next read
        auto sent = co_await frames.write(answer);
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    const length_prefix_codec codec = packet_4(argc > 2 ? std::stoul(argv[2]) : 1024);
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7002");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    const auto server =
        rt.listen(door, [codec](tcp_stream peer) { return add_numbers(std::move(peer), codec); });
    std::cout << "listening on port " << server.port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
} catch (const std::logic_error&) {
    std::cerr << "the longest message is a number of bytes, 1 or more\n";
    return 2;
}
