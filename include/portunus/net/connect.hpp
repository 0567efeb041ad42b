// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_CONNECT_HPP
#define PORTUNUS_NET_CONNECT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/interface_name.hpp>
#include <portunus/net/resolver.hpp>
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
    /// How long an address may be silent before the next one is tried beside it (RFC 8305, "Connection
    /// Attempt Delay", which wants 100 ms to 2 s).
    steady_clock::duration attempt_delay{std::chrono::milliseconds(250)};
    /// Which addresses of the name are tried.
    address_family family{address_family::any};
    /// Our end; unspecified and 0: the system chooses. With an address of one family only peers of that
    /// family are tried.
    boost::asio::ip::address local_address{};
    std::uint16_t local_port{0};
    /// Leave by this interface and no other (SO_BINDTODEVICE); empty: by the system's routes.
    interface_name interface {};
    /// How the stream behaves.
    tcp_stream_options stream{};
};
static_assert(std::is_trivially_destructible_v<connect_options>);

/// Connects to `host`, a name or an address as text, on the calling coroutine's context.
///
/// The addresses of a name are tried as "Happy Eyeballs" does (RFC 8305): in the system's order of
/// preference, the families by turns; the next one begins when one has failed or was silent for
/// `attempt_delay`; the first that is established wins and the others are dropped. So a broken IPv6 costs a
/// quarter of a second and not ten.
///
/// Errors: those of `resolve` before a connection was tried; then `errc::connect_timeout`, or the system's
/// code (ECONNREFUSED, ENETUNREACH, ...) of the address that failed last, with all endpoints and their
/// failures in the detail; `errc::address_not_available` for a `local_address` that is not ours,
/// `errc::no_such_interface`. `errc::canceled` when the caller is cancelled, at once also while a name is
/// being resolved.
awaitable<result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                      const connect_options& options = {});

/// The same for an endpoint.
awaitable<result<tcp_stream>> connect(const boost::asio::ip::tcp::endpoint& peer,
                                      const connect_options& options = {});

} // namespace portunus

#include <portunus/net/impl/connect.hpp>

#endif