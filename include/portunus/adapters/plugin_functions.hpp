// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_FUNCTIONS_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_FUNCTIONS_HPP

#include <portunus/adapters/plugin.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace portunus {

/// A plugin as a table of functions, for whoever would rather write lambdas than a class. Those that are
/// empty do what `plugin` does. They are called one at a time, so what they share needs no lock.
///
///     plugin_functions echo;
///     echo.started = [&](const plugin_control& c) { control = c; };
///     echo.data    = [&](connection_id from, std::string_view line) { (void)control.write(from, line); };
///     host.start(std::move(echo));
struct plugin_functions {
    std::function<void(const plugin_control&)> started{};
    std::function<void(listener_id, const listening_info&)> listening{};
    std::function<bool(connection_id, const connection_info&)> connection{};
    std::function<void(connection_id, const connection_info&)> connected{};
    std::function<void(connection_id, std::string_view)> data{};
    std::function<void(connection_id, message_batch&)> messages{};
    std::function<void(listener_id, const datagram&)> received{};
    std::function<std::optional<page_reply>(page_id, const page_request&)> page{};
    std::function<void(connection_id, const connection_end&)> closed{};
    std::function<void()> tick{};
    std::function<void()> stopping{};
};

namespace detail {

class functions_plugin final : public plugin {
  public:
    explicit functions_plugin(plugin_functions f) : f_(std::move(f)) {}

    void on_started(const plugin_control& control) override {
        if (f_.started) f_.started(control);
    }
    void on_listening(listener_id listener, const listening_info& info) override {
        if (f_.listening) f_.listening(listener, info);
    }
    bool on_connection(connection_id connection, const connection_info& info) override {
        return !f_.connection || f_.connection(connection, info);
    }
    void on_connected(connection_id connection, const connection_info& info) override {
        if (f_.connected) f_.connected(connection, info);
    }
    void on_data(connection_id connection, std::string_view message) override {
        if (f_.data) f_.data(connection, message);
    }
    void on_messages(connection_id connection, message_batch& batch) override {
        if (f_.messages) return f_.messages(connection, batch);
        for (const std::string_view message : batch) on_data(connection, message);
    }
    void on_datagram(listener_id listener, const datagram& received) override {
        if (f_.received) f_.received(listener, received);
    }
    std::optional<page_reply> on_page(page_id page, const page_request& request) override {
        return f_.page ? f_.page(page, request) : plugin::on_page(page, request);
    }
    void on_closed(connection_id connection, const connection_end& end) override {
        if (f_.closed) f_.closed(connection, end);
    }
    void on_tick() override {
        if (f_.tick) f_.tick();
    }
    void on_stopping() override {
        if (f_.stopping) f_.stopping();
    }

  private:
    plugin_functions f_;
};

} // namespace detail
} // namespace portunus

#endif
