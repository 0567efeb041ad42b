// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_AUTH_CLIENT_HPP
#define PORTUNUS_CHANNEL_AUTH_CLIENT_HPP

#include <portunus/channel/auth_scheme.hpp>
#include <portunus/channel/auth_state.hpp>
#include <portunus/channel/auth_step.hpp>
#include <portunus/channel/detail/auth_tables.hpp>
#include <portunus/channel/message.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace portunus {

struct auth_client_options {
    /// One limit for the whole handshake: seed request, seed, key and verdict. Row S-6.
    std::chrono::milliseconds handshake{2000};
    /// Begin as soon as there is a connection, where there is a secret. Row S-7.
    bool auto_auth = true;
    /// The largest data of a message of the handshake, as JSON, in bytes.
    std::size_t most_data = 4096;
};
static_assert(std::is_trivially_destructible_v<auth_client_options>);

/// The client's side of a handshake, without a transport and without a clock: events in, steps out.
///
///     auth_client<seed_key> machine{seed_key::client(settings)};
///     perform(machine.connected(now));             // with auto_auth this asks for the seed
///     perform(machine.received(m, now));           // every message; step.taken: it was for the machine
///     perform(machine.timed_out(now));             // at machine.deadline()
///     perform(machine.disconnected(reason));
///
/// Everything that may happen stands in one table, `detail::auth_client_table`. What that means for the cases
/// that are none of the usual ones:
///
/// - An answer that never comes: after `handshake` the attempt fails with `errc::handshake_timeout` and the
///   connection is to be closed. Messages have no numbers, so a late seed could not be told from that of the
///   next attempt.
/// - A server that breaks the order (a verdict before the key, two seeds), gives a seed that cannot be
///   answered, or grants without the proof that a mutual scheme asks for: fails, and the connection is to be
///   closed.
/// - A refusal: fails with `errc::unauthenticated`; the connection stays, and `start` may be called again.
/// - A seed or a verdict that nobody waits for is ignored and counted, as are the requests of a handshake,
///   which a client does not serve.
/// - `start` while trusted authenticates again: trust ends with it, and comes back with the verdict. `start`
///   during a handshake gives `errc::operation_in_progress` and disturbs nothing.
///
/// A key is computed inside of `received`: with `scram_sha_256` that takes the time of its iterations.
/// Move-only where the scheme is; for one thread.
template <auth_client_scheme Scheme>
class auth_client_of {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit auth_client_of(Scheme scheme, const auth_client_options& options = {})
        : scheme_(std::move(scheme)), options_(options) {}

    auth_step connected(time_point now);
    /// Authenticates. `errc::invalid_option` without a secret.
    auth_step start(time_point now);
    auth_step received(const message_view& m, time_point now);
    /// To be called at `deadline()`; sooner it does nothing.
    auth_step timed_out(time_point now);
    /// `why` becomes the reason of an attempt that was under way.
    auth_step disconnected(const error& why = errc::not_connected);

    auth_state state() const noexcept { return state_; }
    bool is_trusted() const noexcept { return state_ == auth_state::trusted; }
    bool has_secret() const noexcept { return scheme_.has_secret(); }
    /// When the handshake has to be over; nothing while there is none.
    std::optional<time_point> deadline() const noexcept { return deadline_; }
    /// Messages of the handshake that came when nobody waited for them.
    std::uint64_t ignored() const noexcept { return ignored_; }
    const auth_client_options& options() const noexcept { return options_; }

  private:
    void handle(detail::auth_event event, const auth_value& value, const error& why, time_point now,
                auth_step& step);

    Scheme scheme_;
    auth_client_options options_;
    std::optional<time_point> deadline_;
    std::uint64_t ignored_ = 0;
    auth_state state_ = auth_state::untrusted;
};

/// By the scheme: `auth_client<scram_sha_256>`.
template <auth_scheme Scheme>
using auth_client = auth_client_of<typename Scheme::client>;

} // namespace portunus

#include <portunus/channel/impl/auth_client.hpp>

#endif
