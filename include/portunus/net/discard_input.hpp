// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DISCARD_INPUT_HPP
#define PORTUNUS_NET_DISCARD_INPUT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace portunus {

namespace detail {
/// What is there now; the bytes go nowhere. At most 64 reads, so that others have their turn.
template <byte_stream Stream>
result<void> discard_what_is_there(Stream& stream, std::uint64_t& count) {
    std::array<char, 16384> nowhere;
    for (int i = 0; i < 64; ++i) {
        const auto n = stream.try_read_some(boost::asio::buffer(nowhere));
        if (!n) return n.error();
        count += *n;
    }
    return {};
}
} // namespace detail

/// Reads and throws away whatever the peer sends, until its end: for a connection of which only the sending
/// direction, or the end, is of interest. Limits and counters of the stream go on as for any reading.
///
/// Completes with the number of bytes. Counts as the stream's read; may overlap with writes. `stream` must
/// stay where it is until it has completed. Errors of `read_some`, other than the end; `errc::canceled` when
/// the caller is cancelled. Commands between the data are found by reading frames of an `inband_codec`
/// instead.
///
/// Row T-31 of the semantics (sinkdata).
template <byte_stream Stream>
awaitable<result<std::uint64_t>> discard_input(Stream& stream) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    std::uint64_t count = 0;
    for (;;) {
        if (asked.cancelled() != boost::asio::cancellation_type::none) co_return errc::canceled;
        auto read = detail::discard_what_is_there(stream, count);
        if (read) {
            co_await boost::asio::post(boost::asio::deferred);
            continue;
        }
        if (read.error() == errc::end_of_stream) co_return count;
        if (read.error() != errc::would_block) co_return std::move(read).error();
        auto ready = co_await stream.wait_readable();
        if (!ready) co_return std::move(ready).error();
    }
}

} // namespace portunus

#endif
