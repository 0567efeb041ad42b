// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_HANDLER_HPP
#define PORTUNUS_HTTP_WEBSOCKET_HANDLER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/response.hpp>
#include <portunus/http/websocket.hpp>
#include <portunus/http/websocket_extension.hpp>
#include <portunus/http/websocket_upgrade.hpp>

#include <functional>
#include <memory>

namespace portunus::http {

/// What a server offers at an address that speaks WebSocket. It owns things: give it a name first.
struct websocket_handler_options {
    /// Subprotocols, and whose pages may connect: those of the same host alone, unless told otherwise.
    websocket_upgrade_rules rules{};
    websocket_options socket{};
    /// Compression, where the client wants it: <portunus/http/websocket_deflate.hpp>. Null: none.
    std::shared_ptr<const websocket_extension> extension{};
};

/// What speaks on a WebSocket of a server. When it returns, the WebSocket is closed in good order (1000), so
/// it waits for whatever else uses it. An exception that leaves it closes with 1011 and is logged.
using websocket_function = std::function<awaitable<void>(websocket)>;

/// Answers a request with a WebSocket, from inside of a handler that has looked at it before:
///
///     http::response live(http::request& request) {
///         if (!knows(request.find("Cookie"))) return http::response(http::status::unauthorized);
///         return http::upgrade(request, options, &speak);
///     }
///
/// A request that does not ask for a WebSocket, or not rightly, is answered with what `judge_upgrade` says:
/// 426, 400 or 403. The limits of the server's phases end here; the stream's `idle_limit` goes on, and is
/// kept away by the pings. When the server stops, `read` gives `errc::shutting_down`, and the peer is told
/// (1001).
PORTUNUS_DECL response upgrade(const request& asked, const websocket_handler_options& options,
                               websocket_function with);

/// A handler that does nothing else:
///
///     routes.add(http::verb::get, "/live", http::websocket_handler(options, &speak));
PORTUNUS_DECL handler websocket_handler(websocket_handler_options options, websocket_function with);
PORTUNUS_DECL handler websocket_handler(websocket_function with);

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/websocket_handler.ipp>
#endif

#endif
