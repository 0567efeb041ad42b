// SPDX-License-Identifier: BSL-1.0
// A conversation with one peer: commands in, answers out, whatever the framing.
#pragma once

#include "commands.hpp"
#include "journal.hpp"
#include "roster.hpp"
#include "scoreboard.hpp"

#include <portunus/net/framed_stream.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace hub {

/// What all conversations share. It lives longer than they do.
struct surroundings {
    const commands& handle;
    roster& everybody;
    journal& news;
};

/// Ends when the peer does, when it says "quit", when it breaks the framing, or when the hub stops; then all
/// that has arrived has been answered.
template <portunus::frame_codec Codec>
portunus::awaitable<void> converse(portunus::tcp_stream peer, Codec codec, const surroundings& with,
                                   port& at) {
    constexpr std::size_t send_above = 64 * 1024; // a short command may have a long answer
    portunus::framed_stream frames(std::move(peer), std::move(codec));
    bool reading = false, spoken_to = false;
    // Whoever runs the hub says something to this peer: it goes out with our next answer, and at once where
    // we are waiting for a command.
    std::function<portunus::result<void>(std::string_view)> say = [&](std::string_view text) {
        auto queued = frames.queue(text);
        if (queued && reading) {
            spoken_to = true;
            frames.cancel();
        }
        return queued;
    };
    roster::place place(with.everybody, at.name, frames.stream(), std::move(say));
    for (;;) {
        reading = true;
        auto batch = co_await frames.read_batch();
        reading = false;
        if (!batch && !std::exchange(spoken_to, false)) co_return;
        std::uint64_t waiting = 0; // answers that are queued
        bool hang_up = false;
        if (batch) {
            for (std::string_view command : *batch) {
                place.count_message();
                with.news.note(at.name, place.remote(), false, command);
                answer reply;
                if (command == "peers") {
                    const std::string who = co_await with.everybody.describe();
                    reply.text = "ok " + who;
                } else {
                    reply = with.handle(command);
                }
                ++at.messages.handled;
                auto queued = frames.queue(reply.text);
                if (!queued) co_return;
                with.news.note(at.name, place.remote(), true, reply.text);
                ++waiting;
                hang_up = reply.hang_up;
                if (hang_up) break;
                if (frames.queued() < send_above) continue;
                auto sent = co_await frames.flush(); // the commands of the batch stay valid
                if (!sent) co_return;
                at.messages.answered += std::exchange(waiting, 0);
            }
        }
        auto sent = co_await frames.flush();
        if (!sent) co_return;
        at.messages.answered += waiting;
        if (hang_up) co_return; // the connection is closed gracefully after it
    }
}

} // namespace hub
