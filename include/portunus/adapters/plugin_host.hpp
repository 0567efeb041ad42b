// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_HOST_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_HOST_HPP

#include <portunus/adapters/plugin.hpp>
#include <portunus/adapters/plugin_control.hpp>
#include <portunus/adapters/plugin_functions.hpp>
#include <portunus/adapters/plugin_options.hpp>
#include <portunus/core/runtime.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace portunus {

namespace detail {
class plugin_registry;
}

/// Runs plugins: programs as callbacks, each on a thread of its own, which cannot harm each other or the I/O.
///
///     runtime rt;
///     plugin_host host(rt);
///     plugin_control echo = host.start(std::make_shared<echo_plugin>());
///     return rt.run_until_signal(10s);
///
/// Connections, sockets and timers of plugins live on context 0 of the runtime. Between them and a plugin
/// stand two mailboxes. What comes in is kept for each connection up to `plugin_options::max_inbox`; then
/// that connection is not read any more, and nothing is dropped. (Datagrams are: the oldest, and they are
/// counted.) So a plugin that throws, blocks or is paused harms itself alone. What it writes is kept up to
/// `max_queued`.
///
/// When the runtime stops, the plugins are told (`on_stopping`), listeners close, what has arrived is
/// delivered, answers are sent, connections are closed, and then the plugins end.
///
/// The host belongs to one thread; destroying it stops every plugin and waits for it, at most
/// `plugin_options::stop_limit`. It may be destroyed inside of an event.
class plugin_host {
  public:
    /// Neither it nor its plugins need the runtime any more when that has been destroyed.
    explicit plugin_host(runtime& rt);
    plugin_host(const plugin_host&) = delete;
    plugin_host& operator=(const plugin_host&) = delete;
    ~plugin_host();

    /// Starts a plugin; `on_started` comes on its own thread, or on the I/O context when that runs. To be
    /// called before the runtime runs, on the thread that will run it, or at any time on any thread after.
    /// Throws `failure` (`errc::invalid_option`) for options out of their range.
    plugin_control start(std::shared_ptr<plugin> what, plugin_options options = {});
    plugin_control start(plugin_functions functions, plugin_options options = {}) {
        return start(std::make_shared<detail::functions_plugin>(std::move(functions)), std::move(options));
    }

    /// How many plugins run.
    std::size_t size() const;

  private:
    std::shared_ptr<detail::plugin_registry> registry_;
};

} // namespace portunus

#include <portunus/adapters/impl/plugin_host.hpp>

#endif
