// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_CONNECT_HPP
#define PORTUNUS_NET_CONNECT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace portunus {

/// How to connect. Trivially destructible, so it may be written in place in a `co_await` expression.
struct connect_options {
    /// Finding the addresses of a name (`errc::resolve_timeout`). An address as text needs no resolving.
    steady_clock::duration resolve_limit{std::chrono::seconds(5)};
    /// Establishing the connection, over all addresses of the name (`errc::connect_timeout`).
    steady_clock::duration connect_limit{std::chrono::seconds(10)};
    /// Our end; unspecified and 0: the system chooses. With an address of one family only peers of that
    /// family are tried.
    boost::asio::ip::address local_address{};
    std::uint16_t local_port{0};
    /// How the stream behaves.
    tcp_stream_options stream{};
};
static_assert(std::is_trivially_destructible_v<connect_options>);

/// Connects to `host`, a name or an address as text, on the calling coroutine's context. The addresses of a
/// name are tried one after the other until one answers.
///
/// Errors: `errc::host_not_found`, `errc::no_answer` and `errc::resolve_timeout` before a connection was
/// tried; then that of the last address: `errc::connect_timeout`, or the system's code (ECONNREFUSED,
/// ENETUNREACH, ...), with the endpoint in the detail; `errc::address_not_available` for a `local_address`
/// that is not ours. `errc::canceled` when the caller is cancelled, at once also while a name is being
/// resolved.
awaitable<result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                      const connect_options& options = {});

/// The same for an endpoint.
awaitable<result<tcp_stream>> connect(const boost::asio::ip::tcp::endpoint& peer,
                                      const connect_options& options = {});

} // namespace portunus

#include <portunus/net/impl/connect.hpp>

#endif
