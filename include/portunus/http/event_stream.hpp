// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_EVENT_STREAM_HPP
#define PORTUNUS_HTTP_EVENT_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/event_broadcaster.hpp>
#include <portunus/http/events.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/response.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

namespace detail {
struct event_writer_state;
}

struct event_stream_options {
    /// After so long without an event a comment is sent, so that neither the connection's `idle_limit` nor a
    /// proxy ends it, and a client that has gone is noticed.
    steady_clock::duration keep_alive{std::chrono::seconds(15)};
};

/// A response that sends what is pushed to a queue, each event at once, until the queue is closed or the
/// client is gone: text/event-stream, never cached.
///
/// The stream holds the queue's handle until its end. A client that goes away is noticed at the next write.
response event_stream(const request& asked, event_subscription from, event_stream_options options = {});

/// Where a function's events go. Valid while it runs.
class event_writer {
  public:
    event_writer(const event_writer&) = delete;
    event_writer& operator=(const event_writer&) = delete;

    /// Completes when the event was handed to the system. The event is read before `send` returns, and need
    /// not be kept. One at a time (`errc::operation_in_progress`). Errors: `errc::end_of_stream` when the
    /// client is gone; `errc::canceled`, where the event may still be sent.
    awaitable<result<void>> send(const event& e);

    /// What the page has got last, before it lost the connection: the id of one of our events; empty for
    /// none. It came from a client.
    std::string_view last_event_id() const noexcept;
    bool client_is_there() const;

  private:
    friend struct detail::event_writer_state;
    explicit event_writer(detail::event_writer_state& s) noexcept : state_(s) {}
    detail::event_writer_state& state_;
};

/// Sends events. Returning ends the stream; an exception breaks the connection and is logged.
using event_function = std::function<awaitable<void>(event_writer&)>;

/// The same for a function that sends events as it sees fit. It runs beside what sends the comments, on the
/// connection's context, once the head is on its way; the request is no longer there by then. When the
/// client has gone it is cancelled and awaited.
///
///     return event_stream(r, [](event_writer& to) -> awaitable<void> {
///         for (int i = 0; to.client_is_there(); ++i) {
///             const event now("count", std::to_string(i));
///             auto sent = co_await to.send(now);
///             ...
response event_stream(const request& asked, event_function write, event_stream_options options = {});

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/event_stream.ipp>
#endif

#endif
