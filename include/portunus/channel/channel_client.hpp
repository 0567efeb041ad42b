// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_CLIENT_HPP
#define PORTUNUS_CHANNEL_CHANNEL_CLIENT_HPP

#include <portunus/channel/channel.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/net/connector.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>

namespace portunus {

namespace detail {
struct channel_client_link;
}

/// Whom to keep a channel to, and how. It owns things: give it a name first.
struct channel_client_options {
    connector_options link{};
    channel_options channel{};
    /// Puts TLS, or whatever else, between the connection and the channel; empty: nothing. What fails here
    /// counts as a failed attempt.
    std::function<awaitable<result<any_stream>>(tcp_stream)> secure{};
};

/// A channel that heals itself: it connects, names itself, authenticates, and does so again after each loss,
/// for as long as the object lives.
///
///     channel_client link(rt.get_executor(), options);
///     auto now = co_await link.request(temperature);      // connected or not, within its limit
///
/// What becomes of a request:
///
/// | when | outcome |
/// |---|---|
/// | there is no connection | it waits within its limit (`errc::connect_timeout`), or fails at once with
/// `errc::not_connected` where `wait_for_link` is off |
/// | the connection is lost before its answer | `errc::not_connected`: it may have been done, or not |
/// | the same, and it is `idempotent` | it is asked again on the next connection, within its limit |
/// | the limit passes | `errc::read_timeout`; a late answer is dropped |
///
/// So each is answered once, or fails once with a reason. A refused authentication counts as a failed attempt
/// and is tried again with the pauses of `link.retry`. Handlers stay from one connection to the next.
///
/// Destroying it closes it at once, wherever it is; `close` is the orderly end. One context.
class channel_client : public channel {
  public:
    /// Begins to connect. Throws `failure` as `connector` and `channel` do.
    channel_client(const boost::asio::any_io_executor& executor, channel_client_options options);

    /// What the connector does: its events, state and `retry_now`.
    connector& link() noexcept;

  private:
    std::shared_ptr<detail::channel_client_link> link_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/channel/impl/channel_client.ipp>
#endif

#endif
