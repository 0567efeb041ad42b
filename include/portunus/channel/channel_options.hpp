// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_OPTIONS_HPP
#define PORTUNUS_CHANNEL_CHANNEL_OPTIONS_HPP

#include <portunus/channel/channel_auth.hpp>
#include <portunus/channel/pending_requests.hpp>
#include <portunus/channel/services.hpp>
#include <portunus/channel/unhandled_buffer.hpp>
#include <portunus/channel/white_list.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/logger.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace portunus {

namespace detail {
class channel_wire;
}

/// Where a message begins and ends on the stream.
enum class channel_framing : std::uint8_t {
    escaped,       ///< stp (row S-22): carries anything
    line,          ///< csp (row S-23): one message a line; for `json_lines`
    length_prefix, ///< four bytes, big-endian: carries anything
};

/// What the bytes of a message are.
enum class channel_encoding : std::uint8_t { pure_json, struct_json, json_lines };

struct channel_limits {
    /// The largest message, encoded, in bytes.
    std::size_t max_frame{std::size_t{256} * 1024};
    /// How many bytes may wait to be sent. Beyond that requests wait in this program, and nothing more is
    /// read from a peer that does not take its answers.
    std::size_t max_queued{std::size_t{1} << 20};
    /// Requests in flight; as many may wait for the connection to be established.
    pending_limits pending{};
    /// Messages that nobody handled, kept for `receive`. With `most_messages` 0 none are kept, and a request
    /// that nobody handles is answered SERVICE_OR_DATA_UNKNOWN.
    unhandled_limits unhandled{};
    /// Handlers that are coroutines and run or wait for their turn. Beyond that nothing more is read.
    std::size_t max_handlers{256};
    /// So many requests of one kind in a row without their answer end the connection, as answers can no
    /// longer be told apart. 0: never.
    std::uint32_t most_misses{3};
    /// After so long without a byte from the peer it is asked for a sign of life, and after the same time
    /// again without any the connection is over (`errc::idle_timeout`). 0: never.
    ///
    /// The client asks by the request for the channel's name with null, which every peer serves and which
    /// changes nothing; a server by reading data 4294967295, and any answer will do.
    steady_clock::duration keep_alive{std::chrono::seconds(15)};
    /// What an orderly end may take: handlers that run, answers that wait to be sent, the peer's own end.
    steady_clock::duration drain{std::chrono::seconds(10)};
};
static_assert(std::is_trivially_destructible_v<channel_limits>);

/// What both ends of a channel agree on, and how this one behaves. It owns things: give it a name first.
struct channel_options {
    channel_framing framing = channel_framing::escaped;
    channel_encoding encoding = channel_encoding::pure_json;
    /// What the channel is called in log lines, 1 to 64 bytes; empty: what the peer calls it (row S-10).
    std::string name{};
    /// How this side authenticates; empty: nobody has to. A server with it runs nothing for who is not
    /// trusted but what is on `open_to_all`.
    channel_auth auth{};
    service_table services{};
    white_list open_to_all{};
    channel_limits limits{};
    logger log{};
    /// Codecs of one's own, in place of `framing` and `encoding`: `channel_wire_of<F, M>(...)`.
    std::function<std::unique_ptr<detail::channel_wire>()> wire{};
};

/// How a request waits.
struct request_options {
    /// For everything: the connection to be established, room, and the answer.
    steady_clock::duration limit{std::chrono::seconds(2)};
    /// Asking twice does no harm: a request whose connection is lost is asked again on the next one, within
    /// its limit. (`channel_client`)
    bool idempotent{false};
    /// Without a connection: wait for one, or fail at once with `errc::not_connected`.
    bool wait_for_link{true};
};
static_assert(std::is_trivially_destructible_v<request_options>);

} // namespace portunus

#endif
