// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_SHARED_PLUGIN_HPP
#define PORTUNUS_ADAPTERS_SHARED_PLUGIN_HPP

#include <portunus/adapters/plugin_control.hpp>
#include <portunus/adapters/plugin_host.hpp>
#include <portunus/adapters/plugin_options.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>

#include <chrono>
#include <string>

namespace portunus {

/// A plugin out of a shared object, which speaks the C interface of <portunus/adapters/plugin_abi.h>.
///
///     auto shout = shared_plugin::load(host, "./libshout.so", "7001");
///     ...
///     (void)shout->reload();     // the file was replaced
///
/// Its code runs in this process: it can do whatever the program can. The object is unloaded when its plugin
/// has stopped and its thread was joined, never before. One that is stuck in an event is reported and stays
/// loaded for good.
///
/// A handle, move-only, for one thread; the host has to live longer. Destroying it unloads.
class shared_plugin {
  public:
    /// Loads the object and starts its plugin; `arguments` are passed to it. `errc::invalid_option` with what
    /// the system said: no such file, no such symbol, another version, or the plugin refused.
    static result<shared_plugin> load(plugin_host& host, std::string path, std::string arguments = {},
                                      plugin_options options = {});

    shared_plugin(shared_plugin&& other) noexcept;
    shared_plugin& operator=(shared_plugin&& other) noexcept;
    ~shared_plugin();

    const plugin_control& control() const noexcept { return control_; }
    const std::string& path() const noexcept { return path_; }
    bool loaded() const noexcept { return object_ != nullptr; }

    /// Stops the plugin and unloads the object. `errc::drain_timeout` when one of its events still runs after
    /// `limit`: then nothing is unloaded, and the call may be repeated. `errc::operation_in_progress` inside
    /// of an event of this plugin.
    result<void> unload(steady_clock::duration limit = std::chrono::seconds(10));
    /// Unloads, and loads what the file is now.
    result<void> reload(steady_clock::duration limit = std::chrono::seconds(10));

  private:
    shared_plugin(plugin_host& host, std::string path, std::string arguments, plugin_options options);
    result<void> open();

    plugin_host* host_;
    std::string path_;
    std::string arguments_;
    plugin_options options_;
    plugin_control control_;
    void* object_ = nullptr;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/impl/shared_plugin.ipp>
#endif

#endif
