// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_SERVER_HPP
#define PORTUNUS_HTTP_SERVER_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/http/refusal.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/router.hpp>
#include <portunus/http/server_options.hpp>
#include <portunus/net/listen.hpp>

#include <array>
#include <cstdint>
#include <memory>

namespace portunus::http {

namespace detail {
struct server_state;
}

/// What a server has counted since it began. A snapshot.
struct server_counters {
    std::uint64_t requests{0};                          ///< heads that were accepted
    std::array<std::uint64_t, 6> answers{};             ///< by the first digit of the status
    std::array<std::uint64_t, refusal_kinds> refused{}; ///< heads and bodies, by `refusal`
    std::uint64_t head_timeouts{0};
    std::uint64_t body_timeouts{0};
    std::uint64_t handler_timeouts{0};
    std::uint64_t handler_failures{0};   ///< exceptions that left a handler
    std::uint64_t too_large{0};          ///< bodies over the limit
    std::uint64_t client_gone{0};        ///< who left while a coroutine worked for them
    std::uint64_t turned_away{0};        ///< with 503, as the house was full
    std::uint64_t handshake_failures{0}; ///< of TLS
};

/// A handle on a server; copies are the same server. What `tcp_server` can do, it can.
class server : public tcp_server {
  public:
    server(tcp_server door, std::shared_ptr<detail::server_state> state) noexcept
        : tcp_server(std::move(door)), state_(std::move(state)) {}
    /// From any thread.
    server_counters counters() const;

  private:
    std::shared_ptr<detail::server_state> state_;
};

/// Serves HTTP/1.1 and 1.0: `rt.listen(options, [](http::request& r) { return http::response("hello"); })`.
/// Throws as `listen` does for a plain door. The handler is called with several contexts at the same time.
///
/// Requests that are there together are answered in order and with one write. A handler that throws is
/// answered with 500 and logged. When the runtime stops, requests that have arrived are answered, handlers
/// that run finish, and the last answer says `Connection: close`.
PORTUNUS_DECL server serve(runtime& rt, server_options options, handler answer);

/// The same by routes. What none of them takes is answered with 404, 405, 501 or 400; OPTIONS by the list of
/// methods, HEAD by GET's handler.
PORTUNUS_DECL server serve(runtime& rt, server_options options, router<handler> routes);

} // namespace portunus::http

#include <portunus/http/impl/server.hpp>

#endif
