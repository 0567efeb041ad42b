// SPDX-License-Identifier: BSL-1.0
// The hub's page, and what stands behind it: its state as JSON and as live events, what a visitor may do,
// counters for Prometheus.
#pragma once

#include "commands.hpp"
#include "journal.hpp"
#include "options.hpp"
#include "points.hpp"
#include "roster.hpp"
#include "scoreboard.hpp"

#include <portunus/core/runtime.hpp>
#include <portunus/http/event_broadcaster.hpp>
#include <portunus/http/router.hpp>
#include <portunus/http/server.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>

namespace hub {

class web {
  public:
    /// Opens the ports; throws `portunus::failure`. Serves until the runtime stops, and has to live until it
    /// has ended, as everything has that it is given.
    web(portunus::runtime& rt, const options& chosen, const devices& house, const scoreboard& board,
        const points& data, const commands& handle, roster& everybody, journal& passing);
    web(const web&) = delete;
    web& operator=(const web&) = delete;

    /// "web port on 127.0.0.1:7180: ...", a line each.
    void print_where(std::ostream& out) const;
    void print_summary(std::ostream& out) const;

  private:
    portunus::http::server_options site() const;
    portunus::http::router<portunus::http::handler> routes();
    /// Everything that the page shows, as JSON.
    portunus::awaitable<std::string> state();
    /// Tells the pages how things stand, once a second while one is open.
    portunus::awaitable<void> keep_telling();

    portunus::awaitable<portunus::http::response> show_state(portunus::http::request&);
    portunus::awaitable<portunus::http::response> stream_events(portunus::http::request& asked);
    portunus::awaitable<portunus::http::response> set_device(portunus::http::request& asked);
    portunus::awaitable<portunus::http::response> close_connection(portunus::http::request& asked);
    portunus::awaitable<portunus::http::response> send_line(portunus::http::request& asked);
    portunus::awaitable<portunus::http::response> upload(portunus::http::request& asked);

    portunus::runtime& rt_;
    const options& chosen_;
    const devices& house_;
    const scoreboard& board_;
    const points& points_;
    const commands& handle_;
    roster& everybody_;
    journal& passing_;
    std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    portunus::http::event_broadcaster events_;
    std::optional<portunus::http::server> plain_, secure_;
    std::stop_callback<std::function<void()>> goodbye_;
};

} // namespace hub
