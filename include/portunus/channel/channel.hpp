// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_HPP
#define PORTUNUS_CHANNEL_CHANNEL_HPP

#include <portunus/channel/channel_handler.hpp>
#include <portunus/channel/channel_options.hpp>
#include <portunus/channel/channel_phase.hpp>
#include <portunus/channel/message.hpp>
#include <portunus/channel/points.hpp>
#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/any_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus {

namespace detail {
class channel_core;
}

/// Request and response over any stream of bytes, with authentication: messages of four fields, handlers for
/// what the peer asks, requests of our own. Rows S-1 to S-23. A thin handle, move-only; one context.
///
///     channel link(channel_role::client, any_stream(std::move(peer)), options);
///     link.handle(set_point, [](double wanted) { heat_to(wanted); });
///     auto now = co_await link.request(temperature);            // result<reading>
///
/// It reads by itself from the moment that it is made. Its client names the channel and, with `auth`,
/// authenticates; what is requested before that waits, each request within its own limit.
///
/// Messages carry no request numbers: an answer belongs to the oldest request of its kind. So handlers of one
/// service and data id run one after the other, and the late answer of a request that was cancelled or timed
/// out is dropped rather than taken for the next one's.
///
/// Destroying the handle ends the connection at once; calls that are pending complete with `errc::canceled`.
/// It may be destroyed from inside a handler.
class channel {
  public:
    /// Throws `failure` with `errc::invalid_option` for options that contradict.
    channel(channel_role role, any_stream stream, channel_options options = {});
    explicit channel(std::shared_ptr<detail::channel_core> core) noexcept;
    channel(channel&&) noexcept;
    channel& operator=(channel&&) noexcept;
    ~channel();

    // asking

    /// Asks for what `point` is, and completes with the answer's value. Any number may wait.
    ///
    /// Errors: `errc::read_timeout` when no answer came within the limit, `errc::connect_timeout` when the
    /// channel was not established within it; `errc::malformed_data` with the path of the field;
    /// `errc::denied`, `errc::unauthenticated`, `errc::remote_error` as the peer answered (`status_error`);
    /// `condition::closed` when the connection was lost: then it is not known whether the peer did it;
    /// `errc::queue_full`; `errc::canceled`, which leaves the channel as it is. Nothing that was given is
    /// needed any more when the call has returned, before it is awaited.
    template <data_point Point>
    requires std::same_as<typename Point::request_type, std::monostate>
    [[nodiscard]] awaitable<reply_result<Point>> request(const Point& point, const request_options& how = {});
    template <data_point Point>
    [[nodiscard]] awaitable<reply_result<Point>>
    request(const Point& point, const typename Point::request_type& value, const request_options& how = {});
    /// g++ 12 destroys a temporary aggregate that owns something twice when it stands in a `co_await`
    /// expression: give the value a name, and pass that.
    template <data_point Point>
    requires(std::is_aggregate_v<typename Point::request_type> &&
             !std::is_trivially_destructible_v<typename Point::request_type>)
        awaitable<reply_result<Point>> request(const Point&, typename Point::request_type&&,
                                               const request_options& = {})
    = delete;

    /// The same without types: completes with the answer, whatever its status is. `json` is the text of one
    /// JSON value and is copied. `errc::invalid_option` for a service without answers.
    [[nodiscard]] awaitable<result<message>>
    request(service_id service, data_id id, std::string_view json = "null", const request_options& how = {});

    /// Sends a message and waits for no answer; completes when it is on its way, which includes that the
    /// channel is established (row S-16). What comes back is for a handler, or for `receive`.
    [[nodiscard]] awaitable<result<void>> send(service_id service, data_id id, std::string_view json = "null",
                                               message_status status = message_status::okay,
                                               const request_options& how = {});

    /// Completes with the oldest message with these numbers that nobody handled (row S-15).
    /// `errc::read_timeout` when none came within `limit`; `condition::closed`; `errc::canceled`.
    [[nodiscard]] awaitable<result<message>> receive(service_id service, data_id id,
                                                     steady_clock::duration limit = std::chrono::seconds(1));

    // answering

    /// Answers what the peer asks of `point`: a function, or a coroutine, of the request's value that returns
    /// the reply's value or a `result` of it.
    ///
    ///     link.handle(temperature, [] { return reading{"kitchen", 21.5, true}; });
    ///     link.handle(set_point, [](double wanted) -> awaitable<result<void>> { ... });
    ///
    /// An error is answered by its kind: `errc::denied` OPERATION_NOT_PERMITTED, `errc::unauthenticated`
    /// AUTH_REQUIRED, any other and every exception CALLBACK_ERROR (row S-19); what it says is logged here
    /// and not sent. A handler lives longer than its calls, so a coroutine lambda may capture; it is
    /// cancelled when the channel is destroyed.
    template <data_point Point, class F>
    void handle(const Point& point, F handler);
    /// The same without types, `reply(const message_view&)` or `awaitable<reply>(message)`, for a service, a
    /// data id, or all of them (`any_service`, `any_data`; the most precise one is called, row S-11). One
    /// that was registered with the same numbers is replaced.
    template <class F>
    void handle(std::optional<service_id> service, std::optional<data_id> id, F handler);
    void remove_handler(std::optional<service_id> service, std::optional<data_id> id);

    // the connection

    channel_phase phase() const noexcept;
    /// Connected, and authenticated if that is asked for. Row S-17.
    bool connection_established() const noexcept { return phase() == channel_phase::established; }
    auth_state authentication() const noexcept;
    /// The name that counts, empty where there is none (row S-10).
    std::string name() const;
    /// Server: under which name the client proved itself.
    std::string peer_name() const;
    any_stream::endpoint_type remote_endpoint() const noexcept;

    /// Client: authenticates now, where `auto_auth` is off or an attempt was refused. Completes with the
    /// verdict: `errc::unauthenticated`, `errc::handshake_timeout`; `errc::invalid_option` without a secret.
    [[nodiscard]] awaitable<result<void>> authenticate();

    /// Completes when the channel is established. `errc::connect_timeout`, `errc::unauthenticated` when the
    /// attempt was refused, `condition::closed`, `errc::canceled`.
    [[nodiscard]] awaitable<result<void>>
    wait_established(steady_clock::duration limit = std::chrono::seconds(10));
    /// Completes when the channel is over for good, with the reason.
    [[nodiscard]] awaitable<error> wait_closed();
    /// Completes with the next change of the phase, in order. The newest 64 are kept.
    [[nodiscard]] awaitable<result<channel_event>> next_event();

    /// Orderly: answers what has arrived, then closes. Requests in flight fail with `errc::shutting_down`.
    /// Completes when the channel is over; `errc::drain_timeout` when it had to be cut off after `limit`.
    [[nodiscard]] awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit);
    /// At once.
    void abort() noexcept;

    channel_counters counters() const noexcept;
    boost::asio::any_io_executor get_executor() const;

  protected:
    std::shared_ptr<detail::channel_core> core_;
};

} // namespace portunus

#include <portunus/channel/impl/channel.hpp>

#endif
