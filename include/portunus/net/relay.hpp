// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_RELAY_HPP
#define PORTUNUS_NET_RELAY_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace portunus {

/// What a relay has carried.
struct relay_totals {
    std::uint64_t forth{0}; ///< bytes that came from the first stream and were handed to the second
    std::uint64_t back{0};  ///< and the other way
    /// One of the streams was asked to stop (`request_stop`): what had arrived was passed on, what came later
    /// was not.
    bool stopped{false};
};

/// How the bytes between two TCP connections travel.
enum class relay_way : std::uint8_t {
    fastest, ///< by splice(2) where both streams are TCP, copied otherwise
    copy,    ///< always through a buffer of the program
};

/// What happens to the other connection when one is broken, or when the relay gives up.
enum class relay_break : std::uint8_t {
    abort, ///< broken off as well: the peer is not led to take half of the data for all of it
    close, ///< closed in good order
};

/// Limits of a relay. Trivially destructible, so it may be written in place in a `co_await` expression.
struct relay_options {
    /// No byte in either direction for so long ends the relay (`errc::idle_timeout`). Zero: no limit. It
    /// takes the place of the streams' own idle limits; their limits for writing stay.
    steady_clock::duration idle_limit{std::chrono::seconds(60)};
    /// How long the graceful close at the end may take.
    steady_clock::duration close_limit{default_drain_limit};
    relay_break when_broken{relay_break::abort};
    relay_way way{relay_way::fastest};
    /// The most bytes that a direction holds while it copies, 1 or more; taken with its first byte.
    std::size_t buffer_size{std::size_t{64} << 10};
    /// The most bytes that a direction holds in its pipe while it splices (F_SETPIPE_SZ). The system rounds
    /// it up to a power of two of pages, and gives a program without privileges no more than
    /// /proc/sys/fs/pipe-max-size, 1 MiB mostly; where it refuses, the pipe has 64 KiB.
    std::size_t pipe_size{std::size_t{1} << 20};
    /// Where the totals are kept while they grow, for whoever wants to look meanwhile, and where they stay
    /// when the relay ends with an error. Has to live until it has completed.
    relay_totals* progress{nullptr};
};
static_assert(std::is_trivially_destructible_v<relay_options>);

/// Carries bytes between two streams, in both directions, until both have ended: the heart of a proxy or a
/// port forwarder (row T-32).
///
///     auto carried = co_await relay(std::move(client), std::move(server), {.idle_limit = 5min});
///
/// Completes with the totals when both directions have ended. The end of a direction is passed on as a half
/// close, behind the last byte; the other one goes on. Both streams are then closed gracefully. Streams have
/// to be of the same context.
///
/// Asking either stream to stop (`request_stop`, what a server does to its connections when it stops) ends
/// the relay in good order, too: what has arrived at both is passed on, then both are closed.
///
/// When a stream breaks, the relay ends with its error, the detail of which says where, and how many bytes
/// had been carried; the other connection is treated as `when_broken` says. So also for `errc::idle_timeout`,
/// and when the peer of either takes nothing for that stream's write limit (`errc::write_timeout`).
/// `errc::not_connected` and `errc::invalid_option` before anything moved.
///
/// Cancellation ends it with `errc::canceled`; then both streams are aborted, or with `relay_break::close`
/// closed at once: there is no time for a graceful end.
///
/// Between two TCP connections the bytes never enter the program: splice(2) moves them through a pipe, one
/// for each direction that has bytes under way. An idle relay holds neither pipe nor buffer, unless it has
/// copied. Nothing is allocated a chunk. When descriptors run out it copies. SIGPIPE is held back while bytes
/// are spliced.
template <byte_stream First, byte_stream Second>
awaitable<result<relay_totals>> relay(First first, Second second, const relay_options& options = {});

} // namespace portunus

#include <portunus/net/impl/relay.hpp>

#endif