// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_ACCEPT_ONE_HPP
#define PORTUNUS_NET_ACCEPT_ONE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace portunus {

namespace detail {
class single_door_state;
}

/// Who may come through a `single_door`, and until when. Trivially destructible, so it may be written in
/// place in a `co_await` expression.
struct accept_one_options {
    /// How long `accept` waits for the peer (`errc::connect_timeout`). Zero or less: only whom the kernel has
    /// connected already.
    steady_clock::duration limit{std::chrono::seconds(30)};
    /// The only address that may come in. IPv4-mapped addresses are the IPv4 addresses that they are. Without
    /// a scope it matches on every link.
    boost::asio::ip::address allowed_peer{};
    /// The only port that the peer may come from. 0: any.
    std::uint16_t allowed_port{0};
    /// Lets the first one in, whoever it is. It has to be said: a door that is meant for one known peer and
    /// serves whoever is quicker is how FTP data connections were stolen.
    bool anyone{false};
    /// How the accepted stream behaves.
    tcp_stream_options stream{};
};
static_assert(std::is_trivially_destructible_v<accept_one_options>);

/// A door for one connection: it opens, tells where it is, lets in the one peer that is meant, and closes.
/// What the data connection of FTP, the direct connection of a chat or a test needs (row M-7). A thin handle,
/// move-only.
///
///     single_door door(executor, {our_address, 0}, {.allowed_peer = control.remote_endpoint().address()});
///     tell_peer(door.local_endpoint());
///     auto data = co_await door.accept();
///
/// From its opening on the kernel completes connections; so the peer may connect before `accept` is called.
/// Whoever is not allowed sees a reset and is counted (its `connect` has succeeded by then); the door stays
/// open for the one that is meant.
class single_door {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    /// Opens the door. Throws `failure` with one of the errors of `open`.
    single_door(const boost::asio::any_io_executor& executor, const endpoint_type& where,
                const accept_one_options& options);

    /// The same with a result. An unspecified address is all of ours, of both families; port 0 is a free one.
    /// `errc::invalid_option` when neither `allowed_peer` nor `anyone` is given, or both; otherwise the
    /// errors of `tcp_listener::open`.
    static result<single_door> open(const boost::asio::any_io_executor& executor, const endpoint_type& where,
                                    const accept_one_options& options);

    single_door(single_door&&) noexcept;
    single_door& operator=(single_door&&) noexcept;
    /// Closes the door; a pending `accept` completes with `errc::canceled`.
    ~single_door();

    /// Where it listens, with the real port where 0 was asked for. It stays readable when the door is closed.
    endpoint_type local_endpoint() const noexcept;
    std::uint16_t port() const noexcept { return local_endpoint().port(); }

    /// Completes with the peer; the door is closed then, and whoever else had connected is reset. To be
    /// waited for once: a second call meanwhile gets `errc::operation_in_progress`, one after that
    /// `errc::listener_closed`.
    ///
    /// `errc::connect_timeout` when the limit, which begins with this call, has passed: the door is closed,
    /// and the detail tells how many others were refused. A peer that connected in time is let in though
    /// nobody had looked yet. After `errc::canceled`, by a cancellation of the caller, the door is still open
    /// and `accept` may be called again, with a new limit. Other errors are those of the system that
    /// `tcp_listener::accept` ends with.
    awaitable<result<accepted>> accept();

    /// Closes the door; a pending `accept` completes with `errc::listener_closed`.
    void close();
    bool is_open() const noexcept;

    /// How many peers were turned away because they were not the one that is meant.
    std::uint64_t refused() const;

  private:
    friend class detail::single_door_state;
    explicit single_door(std::shared_ptr<detail::single_door_state> state) noexcept;
    std::shared_ptr<detail::single_door_state> state_;
};

/// Opens `where` on the calling coroutine's context, waits there for one peer, and closes the door: for an
/// endpoint that the peer knows already. The errors of `single_door::open` and `single_door::accept`;
/// `errc::invalid_port` for port 0, which nobody could be told: use `single_door`.
awaitable<result<accepted>> accept_one(const boost::asio::ip::tcp::endpoint& where,
                                       const accept_one_options& options);

/// The same for one address, in short.
awaitable<result<accepted>> accept_one(const boost::asio::ip::tcp::endpoint& where,
                                       steady_clock::duration limit,
                                       const boost::asio::ip::address& allowed_peer);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/accept_one.ipp>
#endif

#endif