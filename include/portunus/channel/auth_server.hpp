// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_SERVER_HPP
#define PORTUNUS_CHANNEL_AUTH_SERVER_HPP

#include <portunus/channel/auth_scheme.hpp>
#include <portunus/channel/auth_state.hpp>
#include <portunus/channel/auth_step.hpp>
#include <portunus/channel/auth_throttle.hpp>
#include <portunus/channel/detail/auth_tables.hpp>
#include <portunus/channel/message.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus {

struct auth_server_options {
    /// From the request for a seed to the key. Row S-6.
    std::chrono::milliseconds handshake{2000};
    /// From connecting to being trusted, attempts that fail included. 0: whoever is not trusted may stay, for
    /// what is on the white list.
    std::chrono::milliseconds before_trust{10'000};
    /// The largest data of any message before trust, as JSON, in bytes.
    std::size_t most_data = 4096;
    /// After so many attempts that fail a connection is closed. At least 1.
    std::uint32_t most_failures = 3;
};
static_assert(std::is_trivially_destructible_v<auth_server_options>);

/// The server's side of a handshake, without a transport and without a clock: events in, steps out.
///
///     auth_throttle house;                                        // one for the server
///     auth_server<seed_key> machine{seed_key::server(settings), {}, house, peer_address};
///     perform(machine.connected(now));
///     auth_step step = machine.received(m, now);    // every message, before anything else looks at it
///     if (!step.taken && !pass_gate(...)) ...       // auth_gate.hpp: who may ask for what
///     perform(machine.timed_out(now));              // at machine.deadline()
///
/// Everything that may happen stands in one table, `detail::auth_server_table`. What that means for the cases
/// that are none of the usual ones:
///
/// - A replay, or any key without a seed of its own: a seed is good for one key, so it is a failed attempt.
///   It ends trust where there was some, since whoever is trusted has no reason to send one.
/// - Two requests for a seed: the newer seed counts and the older one is dead. The limit in time is not
///   prolonged.
/// - A request for a seed by one who is trusted: trust ends at once, and comes back with the verdict; what
///   runs for the peer goes on, what it asks for in between is refused.
/// - A key that never comes: after `handshake` the attempt ends with `errc::handshake_timeout` and the
///   connection is to be closed, as it is after `before_trust` without trust.
/// - More than `most_data` bytes in any message before trust: `errc::frame_too_large`, and closed. The
///   decoder should have about that limit before trust as well.
/// - A failed attempt falls back to `untrusted`; the peer is told OPERATION_NOT_PERMITTED, the same for a
///   wrong name and a wrong secret, and is closed at the third.
/// - An address that fails too often is slowed down by `auth_throttle`: it is refused a seed until its time
///   has come. Only keys that are wrong count there.
///
/// A peer that guesses learns nothing from the time either: see the schemes. Move-only; for one thread, while
/// the throttle is everybody's.
template <auth_server_scheme Scheme>
class auth_server_of {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit auth_server_of(Scheme scheme, const auth_server_options& options = {})
        : scheme_(std::move(scheme)), options_(options) {}
    auth_server_of(Scheme scheme, const auth_server_options& options, auth_throttle throttle,
                   const boost::asio::ip::address& peer)
        : scheme_(std::move(scheme)), options_(options), throttle_(std::move(throttle)), peer_(peer) {}

    auth_step connected(time_point now);
    auth_step received(const message_view& m, time_point now);
    /// To be called at `deadline()`; sooner it does nothing.
    auth_step timed_out(time_point now);
    auth_step disconnected();

    auth_state state() const noexcept { return state_; }
    bool is_trusted() const noexcept { return state_ == auth_state::trusted; }
    /// Whose secret was proved; empty while nobody is trusted.
    std::string_view peer_name() const noexcept {
        return is_trusted() ? std::string_view(scheme_.peer_name()) : std::string_view();
    }
    std::optional<time_point> deadline() const noexcept;
    /// Attempts of this connection that failed.
    std::uint32_t failures() const noexcept { return failures_; }
    /// Messages of the handshake that a server does not serve.
    std::uint64_t ignored() const noexcept { return ignored_; }
    const auth_server_options& options() const noexcept { return options_; }

  private:
    void handle(detail::auth_event event, const auth_value& value, const error& why, time_point now,
                auth_step& step);
    result<auth_value> make_seed(const auth_value& request, const error& why, time_point now);
    void count_failure(auth_step& step) noexcept;

    Scheme scheme_;
    auth_server_options options_;
    std::optional<auth_throttle> throttle_;
    boost::asio::ip::address peer_;
    auth_attempt attempt_;
    std::optional<time_point> handshake_ends_;
    std::optional<time_point> trust_until_; ///< when trust has to be there
    std::uint64_t ignored_ = 0;
    std::uint32_t failures_ = 0;
    auth_state state_ = auth_state::untrusted;
};

/// By the scheme: `auth_server<scram_sha_256>`.
template <auth_scheme Scheme>
using auth_server = auth_server_of<typename Scheme::server>;

} // namespace portunus

#include <portunus/channel/impl/auth_server.hpp>

#endif
