// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_BYTE_STREAM_HPP
#define PORTUNUS_NET_BYTE_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <utility>

namespace portunus {

/// What every stream of bytes models: TCP, TLS, local, serial, in memory. Everything above (framing, HTTP,
/// channels) is written against it.
///
/// - `read_some(buffer)`: completes with the number of bytes read, at least 1; `errc::end_of_stream` at the
/// end
/// - `try_read_some(buffer)`: the same without waiting; `errc::would_block` when nothing is there
/// - `try_write_some(buffer)`: takes what fits now, at least 1 byte; `errc::would_block` when nothing fits
/// - `wait_readable()`: completes when `try_read_some` has something to say, without holding a buffer
/// - `wait_writable()`: completes when `try_write_some` would take at least a byte
/// - `shutdown_send()`: no more data from us; reading goes on
/// - `cancel()`: pending waits complete with `errc::canceled`; the stream stays as it is
/// - `close(limit)`: graceful: ends our direction, reads to the peer's end or `limit`, closes
/// - `abort()`: at once; the peer sees a broken connection where the transport can tell it
/// - `request_stop()`: reads deliver what has arrived and then give `errc::shutting_down`. Most streams also
///   have `stop_requested()`, whether it was called
///
/// One read (or wait for readability) and one write (or wait for writability) may be pending at the same
/// time; a second one gets `errc::operation_in_progress`. `cancel`, `close`, `abort` and `request_stop` may
/// be called during both. A stream is a handle: its awaitables hold the state by themselves, so the handle
/// may be destroyed while they are pending; they then complete with `errc::canceled`.
///
/// Buffers belong to the caller and must live until the operation has completed.
template <class S>
concept byte_stream = std::movable<S> &&
    requires(S& s, const S& cs, boost::asio::mutable_buffer in, boost::asio::const_buffer out,
             steady_clock::duration limit) {
    { cs.get_executor() } -> std::convertible_to<boost::asio::any_io_executor>;
    { s.read_some(in) } -> std::same_as<awaitable<result<std::size_t>>>;
    { s.try_read_some(in) } -> std::same_as<result<std::size_t>>;
    { s.try_write_some(out) } -> std::same_as<result<std::size_t>>;
    { s.wait_readable() } -> std::same_as<awaitable<result<void>>>;
    { s.wait_writable() } -> std::same_as<awaitable<result<void>>>;
    { s.shutdown_send() } -> std::same_as<awaitable<result<void>>>;
    { s.close(limit) } -> std::same_as<awaitable<result<void>>>;
    { s.cancel() } -> std::same_as<void>;
    { s.abort() } -> std::same_as<void>;
    { s.request_stop() } -> std::same_as<void>;
};

/// How long a graceful close waits for the peer's end unless told otherwise.
inline constexpr steady_clock::duration default_drain_limit = std::chrono::seconds(10);

} // namespace portunus

#endif
