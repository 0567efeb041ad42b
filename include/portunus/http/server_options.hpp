// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_SERVER_OPTIONS_HPP
#define PORTUNUS_HTTP_SERVER_OPTIONS_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/http/middleware.hpp>
#include <portunus/net/tcp_listener.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace portunus::http {

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

} // namespace portunus::http

#endif
