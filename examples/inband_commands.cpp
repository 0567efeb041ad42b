// SPDX-License-Identifier: BSL-1.0
// Commands between the data of one connection. The data comes back as it was, or in capital letters; which,
// a command says: the byte 255, 'M', the mode, a carriage return. The answer is a command, too, and stands
// between what came before and what comes after. A 255 in the data is sent twice.
//
//     example_inband_commands [port]      7006
//
//     printf 'one \377Mupper\rtwo \377\377 \377Mplain\rthree\n' | nc -N 127.0.0.1 7006 | od -c
//     printf '\377Mloud\r' | nc -N 127.0.0.1 7006 | od -c         a mode that there is not
//     head -c 2000 /dev/zero | (printf '\377M'; cat) | nc 127.0.0.1 7006        longer than a command may be:
//                                                                               the connection ends

#include <portunus/framing/inband_codec.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

char upper(char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
}

awaitable<void> echo_data(tcp_stream peer) {
    framed_stream frames(std::move(peer), inband_codec{});
    bool capitals = false;
    while (auto batch = co_await frames.read_batch()) {
        for (std::string_view frame : *batch) {
            const inband_piece piece = frames.codec().piece(frame); // what the frame at hand is
            if (!piece.is_command()) {
                std::string answer(piece.bytes);
                if (capitals) std::transform(answer.begin(), answer.end(), answer.begin(), upper);
                if (!frames.queue(answer)) co_return; // its escapes are doubled
                continue;
            }
            const bool known = piece.tag == 'M' && (piece.body() == "upper" || piece.body() == "plain");
            if (known) capitals = piece.body() == "upper";
            const std::string answer = frames.codec().command('M', known ? "ok" : "unknown").value();
            auto before = co_await frames.flush(); // what was queued goes first
            if (!before) co_return;
            auto told = co_await frames.stream().write(answer); // as it is, and whole
            if (!told) co_return;
        }
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
}

int main(int argc, char** argv) try {
    runtime rt;
    listener_options door;
    door.ports = port_list(argc > 1 ? argv[1] : "7006");
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    std::cout << "listening on port " << rt.listen(door, &echo_data).port() << std::endl;
    return rt.run_until_signal(10s);
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
