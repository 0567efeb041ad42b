// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_CONNECTOR_HPP
#define PORTUNUS_NET_CONNECTOR_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/backoff.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace portunus {

namespace detail {
class connector_state;
}

/// What a connector is doing.
enum class link_state : unsigned char {
    idle,       ///< nobody has asked for a connection yet, the last asker was cancelled, or it has given up
    resolving,  ///< finds the addresses of the name, anew for each attempt
    connecting, ///< tries them
    connected,  ///< has handed a stream out
    waiting,    ///< rests after a failure or a loss
    stopped,    ///< for good
};
std::string_view to_string(link_state s) noexcept;
inline std::ostream& operator<<(std::ostream& out, link_state s) {
    return out << to_string(s);
}

/// A change of a connector's state, as it was at the time.
struct link_event {
    link_state state{link_state::idle};
    error cause{};                         ///< with `waiting`: why the attempt failed; empty after a loss
    steady_clock::duration delay{};        ///< with `waiting`: until the next attempt
    std::uint32_t attempt{0};              ///< failures in a row so far
    std::uint64_t connection{0};           ///< with `connected`: the how manieth of this connector, from 1
    boost::asio::ip::tcp::endpoint peer{}; ///< with `connected`
    std::uint64_t missed{0};               ///< events before this one that nobody took in time
};

/// Whom to keep in touch with, and how. It owns things: give it a name, then pass it to the constructor.
struct connector_options {
    std::string host; ///< a name or an address as text
    std::uint16_t port = 0;
    connect_options connect{};
    /// How long to rest between attempts: 0.5 s to 30 s with full jitter, back to the first when a connection
    /// has stood for 30 s.
    backoff_options retry{};
    /// Gives up after so many failures in a row, with the last one's error. 0: never.
    std::uint32_t max_attempts = 0;
    /// How many events wait for `next_event`; beyond that the oldest go, counted in `link_event::missed`.
    std::size_t max_events = 64;
    /// The first failure of a row is a warning with its reason; the others are only counted, and told with a
    /// summary every `summary_every` and when there is a connection again.
    logger log;
    steady_clock::duration summary_every = std::chrono::minutes(10);
};

/// Keeps a connection up: whoever uses it sees connected streams, one after the other.
///
///     connector link(executor, options);
///     for (;;) {
///         auto stream = co_await link.next();   // waits as long as it takes
///         if (!stream) break;                   // stopped
///         co_await talk(std::move(*stream));    // until it is lost
///     }
///
/// A handle on shared state, move-only; it belongs to one context. Destroying it stops it. It costs no timer
/// while a connection stands or an attempt runs beyond those of its limits, and one while it rests.
///
/// Rows, T-16, T-17 and M-10 of the semantics.
class connector {
  public:
    /// Throws `failure` with `errc::invalid_option` for an empty host, port 0, or a `retry` out of its range.
    connector(const boost::asio::any_io_executor& executor, connector_options options);
    connector(connector&&) noexcept = default;
    connector& operator=(connector&&) noexcept;
    ~connector();

    /// Completes with the next connected stream, however many attempts it takes. Asking for the next one says
    /// that the last one is lost: then some rest comes first, at most `retry.first` if that had stood for
    /// `retry.stable`, and longer each time if not. One at a time may wait (`errc::operation_in_progress`).
    ///
    /// Errors: `errc::closed_locally` after `stop`; `errc::canceled` when the caller is cancelled (the
    /// attempt is dropped; asking again goes on where the backoff is); the last attempt's error after
    /// `max_attempts`, and then asking again begins anew.
    awaitable<result<tcp_stream>> next();

    /// The stream that `next` gave last is worth nothing (a login was refused, another program answers
    /// there): that counts as a failed attempt, with this reason. To be called before `next` is asked again.
    void reject(error why);

    /// Completes with the next change of the state, in order. One at a time may wait
    /// (`errc::operation_in_progress`). `errc::end_of_stream` after the event `stopped` was taken,
    /// `errc::canceled` when the caller is cancelled: no event is lost by it.
    awaitable<result<link_event>> next_event();

    /// Ends it for good, whether it resolves, connects or rests: at once. A stream that it has handed out is
    /// its user's.
    void stop();
    /// Ends a rest, and forgets the failures: the network is back, or the user is impatient.
    void retry_now();

    link_state state() const noexcept;
    /// Failures in a row.
    std::uint32_t failed_attempts() const noexcept;
    /// How many streams it has handed out.
    std::uint64_t connections() const noexcept;
    /// Why the last attempt failed; empty when it did not.
    error last_error() const;
    const connector_options& options() const noexcept;

  private:
    std::shared_ptr<detail::connector_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/connector.hpp>

#endif