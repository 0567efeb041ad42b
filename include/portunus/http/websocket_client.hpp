// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_CLIENT_HPP
#define PORTUNUS_HTTP_WEBSOCKET_CLIENT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/vocabulary.hpp>
#include <portunus/http/websocket.hpp>
#include <portunus/http/websocket_extension.hpp>
#include <portunus/net/any_stream.hpp>
#include <portunus/net/connect.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http {

/// How to open a WebSocket. It owns things: give it a name first.
///
///     http::websocket_client_options options;
///     options.offer("v2.lamps").add("Authorization", token);
///     auto live = co_await http::connect_websocket("ws://hub.local:8080/live", options);
class websocket_client_options {
  public:
    websocket_client_options() = default;

    /// A subprotocol that we speak; the preferred one first. Throws `failure` (`errc::invalid_option`) for
    /// what is no token.
    websocket_client_options& offer(std::string_view subprotocol);
    /// A field of the request, as Authorization, Cookie or Origin. Throws `failure` (`errc::invalid_option`)
    /// for a name that is no token, a control character in the value, and the fields of the handshake itself.
    websocket_client_options& add(std::string_view name, std::string_view value);
    websocket_client_options& add(field name, std::string_view value) { return add(text_of(name), value); }

    /// Limits of the connection, and how its stream behaves.
    connect_options connect{};
    /// From the established connection (with TLS: from its end of the handshake) to the server's answer
    /// (`errc::handshake_timeout`).
    steady_clock::duration handshake_limit{std::chrono::seconds(10)};
    websocket_options socket{};
    /// Compression, offered to the server: <portunus/http/websocket_deflate.hpp>. Null: none.
    std::shared_ptr<const websocket_extension> extension{};

    const std::vector<std::string>& offered() const noexcept { return offered_; }
    /// "Name: value\r\n" for each that was added.
    std::string_view fields() const noexcept { return fields_; }

  private:
    std::vector<std::string> offered_{};
    std::string fields_{};
};

/// Connects to "ws://host:port/path?query" and opens a WebSocket there. For "wss://" there is
/// <portunus/http/tls_websocket.hpp>.
///
/// Completes after the server's answer. Errors: those of `parse_url` and `connect`; `errc::remote_error` for
/// an answer other than 101, with its status and how its body begins; `errc::malformed_frame` for an answer
/// that does not belong to the request, or is no HTTP; `errc::handshake_timeout`; `errc::canceled`; those of
/// the stream. `url` and `options` are copied before it returns.
PORTUNUS_DECL awaitable<result<websocket>> connect_websocket(std::string_view url);
PORTUNUS_DECL awaitable<result<websocket>> connect_websocket(std::string_view url,
                                                             const websocket_client_options& options);

/// Opens a WebSocket over a stream that is connected already: through a proxy, over TLS, on a local socket.
/// The `url` tells Host, path and query.
PORTUNUS_DECL awaitable<result<websocket>> open_websocket(any_stream stream, std::string_view url,
                                                          const websocket_client_options& options);

namespace detail {

/// What opening needs while it goes on.
struct websocket_opening;
PORTUNUS_DECL std::shared_ptr<websocket_opening> prepare_websocket(std::string_view url,
                                                                   const websocket_client_options& options);
/// Where to: nothing when the URL is of another kind.
struct websocket_target {
    std::string host;
    std::uint16_t port = 0;
    bool secure = false;
    connect_options connect{};
};
PORTUNUS_DECL result<websocket_target> target_of(const websocket_opening& o);
PORTUNUS_DECL awaitable<result<websocket>> open_prepared(std::shared_ptr<websocket_opening> o,
                                                         any_stream stream);

} // namespace detail
} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/websocket_client.ipp>
#endif

#endif
