// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_SERVER_HPP
#define PORTUNUS_HTTP_SERVER_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/http/middleware.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/router.hpp>
#include <portunus/net/listen.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace portunus::http {

namespace detail {
struct server_state;
}

/// What happens to clients beyond the limit of the door (`door.limits.max_connections`).
enum class when_full : std::uint8_t {
    /// They wait in the kernel's queue until a connection ends; beyond the queue their SYN is dropped, and
    /// they try again. Nobody is told anything (`door.limits.full` can have them reset instead).
    pause,
    /// They are told: 503 with Retry-After. At most `refusals` at the same time, each for two seconds at
    /// most; who comes beyond that waits as with `pause`.
    refuse_503,
};

/// Where to serve, whom, and how much a client may ask for. It owns things: give it a name first.
struct server_options {
    /// Ports, addresses, policy, caps. Its `stream.idle_limit` is how long a connection may rest between
    /// requests, and `stream.write_limit` how long a client may take nothing.
    listener_options door{};
    head_limits head{};
    /// The largest body of a request that `body` collects, and that the server throws away for a handler that
    /// does not want it. Larger ones are answered with 413.
    std::size_t max_body{1024 * 1024};
    /// The same for `read_body`.
    std::uint64_t max_streamed_body{std::uint64_t(1) << 30};
    /// From the first byte of a request to the end of its head, whatever the speed of the bytes in between:
    /// then 408.
    steady_clock::duration head_limit{std::chrono::seconds(10)};
    /// From the first time that somebody waits for the body to its end: then 408. With `read_body` for each
    /// 64 KiB.
    steady_clock::duration body_limit{std::chrono::seconds(60)};
    /// What a coroutine may take for its answer: then 503, and its operations are cancelled. Zero: no limit.
    steady_clock::duration handler_limit{std::chrono::seconds(30)};
    /// While a coroutine works on an answer, or on a streamed body, the server looks once a second whether
    /// the client is still there; if not, its operations are cancelled, and what it returns is dropped. A
    /// connection that was reset is gone. One whose client has ended its own direction is not, unless this
    /// says so: some clients send their request, then their end, and read the answer. But a client that
    /// closes its side altogether looks the same until something is sent to it, or until the kernel probes
    /// it (`stream.keep_alive`).
    bool half_close_is_gone{false};
    http::when_full full{http::when_full::pause};
    /// With `refuse_503`: how many may be turned away at the same time, in places of their own.
    std::size_t refusals{16};
    /// What Retry-After says then.
    std::chrono::seconds retry_after{5};
    /// What is done before and after every request, 404, 405, OPTIONS and the answers to failures included.
    middleware around{};
};

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
