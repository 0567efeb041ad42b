// SPDX-License-Identifier: BSL-1.0
// A conversation with one peer: commands in, answers out, whatever the framing.
#pragma once

#include "commands.hpp"
#include "roster.hpp"
#include "scoreboard.hpp"

#include <portunus/net/framed_stream.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace hub {

/// Ends when the peer does, when it says "quit", when it breaks the framing, or when the hub stops; then all
/// that has arrived has been answered.
template <portunus::frame_codec Codec>
portunus::awaitable<void> converse(portunus::tcp_stream peer, Codec codec, const commands& handle,
                                   roster& everybody, message_count& count) {
    constexpr std::size_t send_above = 64 * 1024; // a short command may have a long answer
    portunus::framed_stream frames(std::move(peer), std::move(codec));
    const roster::place place(everybody, frames.stream());
    while (auto batch = co_await frames.read_batch()) {
        std::uint64_t waiting = 0; // answers that are queued
        bool hang_up = false;
        for (std::string_view command : *batch) {
            answer reply;
            if (command == "peers") {
                const std::string who = co_await everybody.describe();
                reply.text = "ok " + who;
            } else {
                reply = handle(command);
            }
            ++count.handled;
            auto queued = frames.queue(reply.text);
            if (!queued) co_return;
            ++waiting;
            hang_up = reply.hang_up;
            if (hang_up) break;
            if (frames.queued() < send_above) continue;
            auto sent = co_await frames.flush(); // the commands of the batch stay valid
            if (!sent) co_return;
            count.answered += std::exchange(waiting, 0);
        }
        auto sent = co_await frames.flush();
        if (!sent) co_return;
        count.answered += waiting;
        if (hang_up) co_return; // the connection is closed gracefully after it
    }
}

} // namespace hub
