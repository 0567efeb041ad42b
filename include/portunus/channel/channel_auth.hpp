// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_CHANNEL_AUTH_HPP
#define PORTUNUS_CHANNEL_CHANNEL_AUTH_HPP

#include <portunus/channel/auth_client.hpp>
#include <portunus/channel/auth_server.hpp>
#include <portunus/channel/auth_throttle.hpp>
#include <portunus/net/any_stream.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus {
namespace detail {

/// A machine of the handshake, of either side and whatever scheme: one a connection.
class auth_machine {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    virtual ~auth_machine() = default;
    virtual auth_step connected(time_point now) = 0;
    virtual auth_step start(time_point now) = 0;
    virtual auth_step received(const message_view& m, time_point now) = 0;
    virtual auth_step timed_out(time_point now) = 0;
    virtual auth_state state() const noexcept = 0;
    virtual std::optional<time_point> deadline() const noexcept = 0;
    virtual std::string_view peer_name() const noexcept = 0;
    virtual std::size_t most_data() const noexcept = 0;
    /// Whether trust will be sought without anybody asking for it.
    virtual bool automatic() const noexcept = 0;
};

template <class Machine>
class auth_machine_of final : public auth_machine {
    static constexpr bool is_client = requires(Machine & m, time_point now) { m.start(now); };

  public:
    explicit auth_machine_of(Machine machine) : machine_(std::move(machine)) {}

    auth_step connected(time_point now) override { return machine_.connected(now); }
    auth_step start(time_point now) override {
        if constexpr (is_client) {
            return machine_.start(now);
        } else {
            auth_step none;
            none.failed =
                error(errc::invalid_option, "the client of a channel authenticates, not its server");
            return none;
        }
    }
    auth_step received(const message_view& m, time_point now) override { return machine_.received(m, now); }
    auth_step timed_out(time_point now) override { return machine_.timed_out(now); }
    auth_state state() const noexcept override { return machine_.state(); }
    std::optional<time_point> deadline() const noexcept override { return machine_.deadline(); }
    std::string_view peer_name() const noexcept override {
        if constexpr (is_client)
            return {};
        else
            return machine_.peer_name();
    }
    std::size_t most_data() const noexcept override { return machine_.options().most_data; }
    bool automatic() const noexcept override {
        if constexpr (is_client)
            return machine_.options().auto_auth && machine_.has_secret();
        else
            return true;
    }

  private:
    Machine machine_;
};

} // namespace detail

/// How one side of a channel authenticates; an empty one does not. A value that is copied freely: each
/// connection gets a machine of its own.
///
/// `channel_secrets.hpp` makes them for the library's schemes, and needs OpenSSL. For a scheme of one's own:
///
///     options.auth = channel_auth::client([](any_stream&) { return my_scheme::client(...); });
///
/// The function is called once a connection, with the stream, for what the proof can be bound to.
class channel_auth {
  public:
    channel_auth() = default;

    template <class Make>
    static channel_auth client(Make make, const auth_client_options& options = {}) {
        using scheme = std::invoke_result_t<Make&, any_stream&>;
        using machine = detail::auth_machine_of<auth_client_of<scheme>>;
        channel_auth made;
        made.make_ = [make = std::move(make), options](any_stream& stream) mutable {
            return std::make_unique<machine>(auth_client_of<scheme>(make(stream), options));
        };
        return made;
    }

    /// `throttle`: shared by all connections that are made with this value and its copies.
    template <class Make>
    static channel_auth server(Make make, const auth_server_options& options = {},
                               auth_throttle throttle = auth_throttle()) {
        using scheme = std::invoke_result_t<Make&, any_stream&>;
        using machine = detail::auth_machine_of<auth_server_of<scheme>>;
        channel_auth made;
        made.make_ = [make = std::move(make), options, throttle](any_stream& stream) mutable {
            return std::make_unique<machine>(
                auth_server_of<scheme>(make(stream), options, throttle, stream.remote_endpoint().address()));
        };
        return made;
    }

    explicit operator bool() const noexcept { return static_cast<bool>(make_); }
    /// The machine for a connection.
    std::unique_ptr<detail::auth_machine> make(any_stream& stream) const { return make_(stream); }

  private:
    std::function<std::unique_ptr<detail::auth_machine>(any_stream&)> make_;
};

} // namespace portunus

#endif
