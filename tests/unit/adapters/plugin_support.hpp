// SPDX-License-Identifier: BSL-1.0
// What the tests of plugins share: a plugin that writes down what it is told and does what the test says, and
// a runtime that runs it beside the test.
#ifndef PORTUNUS_TESTS_UNIT_ADAPTERS_PLUGIN_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_ADAPTERS_PLUGIN_SUPPORT_HPP

#include "unit/net/server_support.hpp"

#include <portunus/adapters/plugin_host.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace portunus_tests {

using portunus::any_codec;
using portunus::connection_end;
using portunus::connection_id;
using portunus::connection_info;
using portunus::disconnect_mode;
using portunus::errc;
using portunus::line_codec;
using portunus::line_mode;
using portunus::listener_id;
using portunus::listening_info;
using portunus::plugin;
using portunus::plugin_control;
using portunus::plugin_host;
using portunus::plugin_options;
using portunus::plugin_place;
using portunus::runtime;

/// Log lines, from any thread.
class log_lines {
  public:
    portunus::logger logger() {
        return portunus::logger(
            [this](portunus::log_level, std::string_view text, auto) {
                const std::lock_guard lock(mutex_);
                lines_.emplace_back(text);
            },
            portunus::log_level::debug);
    }
    bool has(std::string_view part) const {
        const std::lock_guard lock(mutex_);
        for (const auto& line : lines_)
            if (line.find(part) != std::string::npos) return true;
        return false;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

/// Listens for lines, echoes them, and notes every event in order. `act` is called in each, by its name.
class recorder : public plugin {
  public:
    explicit recorder(any_codec framing = line_codec(line_mode::lf)) : framing_(std::move(framing)) {}

    std::function<void(recorder&, std::string_view event, connection_id)> act;
    std::atomic<bool> accepts{true};
    std::atomic<bool> echoes{true};
    std::atomic<bool> listens{true};

    std::vector<std::string> events() const {
        const std::lock_guard lock(mutex_);
        return events_;
    }
    std::size_t count(std::string_view event) const {
        const std::lock_guard lock(mutex_);
        std::size_t n = 0;
        for (const auto& e : events_) n += e == event;
        return n;
    }
    bool saw(std::string_view event) const { return count(event) != 0; }
    connection_id last() const {
        const std::lock_guard lock(mutex_);
        return last_;
    }
    std::uint16_t port() const {
        eventually([&] { return port_.load() != 0; });
        return port_;
    }
    plain_socket peer() const { return plain_socket::connected_to({loopback, port()}); }

    void on_started(const plugin_control& c) override {
        control = c;
        if (listens) {
            auto listener = control.listen_tcp(any_door(), framing_);
            if (listener) {
                listener_ = *listener;
                port_ = control.listening(listener_).value().port;
            }
        }
        note("started");
    }
    void on_listening(listener_id, const listening_info&) override { note("listening"); }
    bool on_connection(connection_id id, const connection_info&) override {
        note("connection", id);
        return accepts;
    }
    void on_connected(connection_id id, const connection_info&) override { note("connected", id); }
    void on_data(connection_id id, std::string_view message) override {
        if (echoes) (void)control.write(id, message);
        note("data " + std::string(message), id);
    }
    void on_closed(connection_id id, const connection_end& end) override {
        note("closed " + std::string(to_string(end.reason)), id);
    }
    void on_tick() override { note("tick"); }
    void on_stopping() override { note("stopping"); }

    plugin_control control;
    listener_id listener_{};

  private:
    void note(const std::string& what, connection_id id = {}) {
        {
            const std::lock_guard lock(mutex_);
            events_.push_back(what);
            if (id) last_ = id;
        }
        if (act) act(*this, std::string_view(what).substr(0, what.find(' ')), id);
    }

    any_codec framing_;
    std::atomic<std::uint16_t> port_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> events_;
    connection_id last_{};
};

inline plugin_options quiet_options(plugin_place place) {
    plugin_options o;
    o.name = "test";
    o.runs_on = place;
    o.log = portunus::logger::silent();
    return o;
}

/// A runtime, a host with one recorder in it, and a thread that runs them.
struct stage {
    explicit stage(
        plugin_place place = plugin_place::own_thread,
        std::function<void(recorder&)> prepare = [](recorder&) {},
        std::function<void(plugin_options&)> change = [](plugin_options&) {},
        any_codec framing = line_codec(line_mode::lf))
        : actor(std::make_shared<recorder>(std::move(framing))) {
        prepare(*actor);
        auto options = quiet_options(place);
        options.log = log.logger();
        change(options);
        control = host->start(actor, options);
        running_.emplace(rt);
        eventually([&] { return actor->saw("started") || control.stopped(); });
    }

    log_lines log;
    runtime rt{1, portunus::logger::silent()};
    std::shared_ptr<recorder> actor;
    std::unique_ptr<plugin_host> host = std::make_unique<plugin_host>(rt);
    plugin_control control;
    std::optional<running> running_;
};

} // namespace portunus_tests

#endif
