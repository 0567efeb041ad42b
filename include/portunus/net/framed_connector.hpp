// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_FRAMED_CONNECTOR_HPP
#define PORTUNUS_NET_FRAMED_CONNECTOR_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/framing/codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/net/connector.hpp>
#include <portunus/net/framed_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace portunus {

namespace detail {
template <class Codec>
class framed_connector_state;
}

/// What becomes of queued frames when the connection is lost.
enum class unsent_frames : unsigned char {
    keep, ///< they go first on the next connection
    drop, ///< they are thrown away and counted: for commands that are worth nothing when they come late
};

template <frame_codec Codec>
struct framed_connector_options {
    connector_options link; ///< whom to connect to, and how often
    framed_options frames{};
    /// How many encoded bytes may wait to be sent, connected or not.
    std::size_t max_queued = std::size_t{1} << 20;
    unsent_frames on_loss = unsent_frames::keep;
    /// What is said at the beginning of each connection, before anything that is queued: a greeting, a login,
    /// a subscription. An error ends that connection and counts as a failed attempt with that reason.
    std::function<awaitable<result<void>>(framed_stream<tcp_stream, Codec>&)> greet;
};

/// A framed stream that heals itself: it connects, and connects again, in the background, for as long as the
/// object lives; frames go in and come out as if there was one connection.
///
///     framed_connector link(executor, options, line_codec{});
///     link.queue("status?");                    // connected or not
///     for (;;) {
///         auto line = co_await link.read();     // the next one, on whichever connection it comes
///         if (!line) break;                     // closed
///     }
///
/// The rule for what was queued: a frame whose last byte the kernel has taken counts as sent, and is never
/// sent again, though the peer may not have got it; every other one, also one that was half sent, goes whole
/// and in order to the next connection (`unsent_frames::keep`). So a frame arrives at most once, and what
/// must arrive needs an answer. What the peer had begun to send and not finished is dropped with the
/// connection.
///
/// That a connection was lost is noticed by reading, by writing, and by the limits of `tcp_stream_options`:
/// have one coroutine wait in `read`. A handle on shared state, move-only; it belongs to one context.
/// Destroying it closes it at once.
///
/// Rows, T-27 (frames may be queued before there is a connection) and Q-17 of the semantics.
template <frame_codec Codec = line_codec>
class framed_connector {
  public:
    using stream_type = framed_stream<tcp_stream, Codec>;
    using options_type = framed_connector_options<Codec>;

    /// Begins to connect. Throws as `connector` does.
    framed_connector(const boost::asio::any_io_executor& executor, options_type options,
                     Codec codec = Codec());
    framed_connector(framed_connector&&) noexcept = default;
    framed_connector& operator=(framed_connector&&) noexcept;
    ~framed_connector();

    /// Completes with the next frame, a view that is valid until the next read. It waits through any number
    /// of lost connections. One reader at a time (`errc::operation_in_progress`). `errc::closed_locally`
    /// after `close` or `abort`; the last attempt's error when `link.max_attempts` were in vain, and then it
    /// is over; `errc::canceled` when the caller is cancelled, and no byte is lost.
    awaitable<result<std::string_view>> read();

    /// Encodes and copies `payload`; it is sent in order as soon as there is a connection.
    /// `errc::queue_full` with the numbers, `errc::unencodable_payload`, `errc::closed_locally`: nothing was
    /// queued then.
    result<void> queue(std::string_view payload);

    /// Completes when everything that was queued before the call has been taken by the kernel, or dropped by
    /// the rule. Any number may wait. Errors as `read`; after those it is not known what was sent.
    awaitable<result<void>> flush();

    /// Completes when there is a connection, and it was greeted. Errors as `read`.
    awaitable<result<void>> wait_connected();

    /// Sends what is queued if there is a connection, ends it gracefully, and stops connecting. `limit` is
    /// for all of it; `errc::drain_timeout` when that passed, with the number of bytes that were not sent and
    /// are gone. It is over for good however this ends, also when the caller is cancelled (`errc::canceled`);
    /// a second call then succeeds at once.
    awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit);
    /// At once; what is queued is gone.
    void abort();

    bool connected() const noexcept;
    std::size_t queued() const noexcept;        ///< encoded bytes that wait
    std::uint64_t dropped() const noexcept;     ///< frames that `unsent_frames::drop` threw away
    std::uint64_t connections() const noexcept; ///< that were greeted, the present one included
    connector& link() noexcept;                 ///< for its events, state and `retry_now`

  private:
    std::shared_ptr<detail::framed_connector_state<Codec>> state_;
};

template <frame_codec Codec>
framed_connector(const boost::asio::any_io_executor&, framed_connector_options<Codec>, Codec)
    -> framed_connector<Codec>;

} // namespace portunus

#include <portunus/net/impl/framed_connector.hpp>

#endif
