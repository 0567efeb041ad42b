// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_IMPL_PLUGIN_HOST_IPP
#define PORTUNUS_ADAPTERS_IMPL_PLUGIN_HOST_IPP

#include <portunus/adapters/impl/plugin_host.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/task_group.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

inline void check(const plugin_options& o) {
    const auto refuse = [&](const std::string& what) {
        throw failure(error(errc::invalid_option, "plugin \"" + o.name + "\": " + what));
    };
    if (o.max_connections < 1 || o.max_connections > 1048576)
        refuse("max_connections " + std::to_string(o.max_connections) + " is not in 1 to 1048576");
    if (o.max_inbox < 4096) refuse("max_inbox " + std::to_string(o.max_inbox) + " is less than 4096");
    if (o.max_datagrams < 1) refuse("max_datagrams 0");
    if (o.max_events < 1) refuse("max_events 0");
    if (o.block_limit <= steady_clock::duration::zero()) refuse("a block_limit of nothing");
}

PORTUNUS_DECL plugin_core::pointer plugin_registry::start(std::shared_ptr<plugin> what,
                                                          plugin_options options) {
    if (!what) throw failure(error(errc::invalid_option, "no plugin"));
    check(options);
    const std::lock_guard lock(mutex_);
    if (gone_) throw failure(error(errc::shutting_down, "the runtime is gone"));
    auto core = std::make_shared<plugin_core>(
        runtime_, std::move(what), std::move(options),
        [](plugin& p, const plugin_core::pointer& c) { p.on_started(control_of(c)); });
    std::erase_if(plugins_, [](const std::weak_ptr<plugin_core>& p) { return p.expired(); });
    plugins_.push_back(core);
    core->start();
    return core;
}

PORTUNUS_DECL std::vector<plugin_core::pointer> plugin_registry::running() {
    std::vector<plugin_core::pointer> found;
    const std::lock_guard lock(mutex_);
    for (const auto& p : plugins_)
        if (auto core = p.lock(); core) found.push_back(std::move(core));
    return found;
}

PORTUNUS_DECL awaitable<void> plugin_registry::stop_one(plugin_core::pointer core,
                                                        steady_clock::duration grace, bool* clean) {
    const bool ended = co_await plugin_core::wind_down(std::move(core), grace);
    if (!ended) *clean = false;
}

PORTUNUS_DECL awaitable<bool> plugin_registry::stop(steady_clock::duration grace) {
    auto plugins = running();
    for (const auto& core : plugins) core->begin_shutdown();
    bool clean = true; // outlives the tasks: they are joined below
    task_group all(runtime_.get_executor(), runtime_.log());
    for (auto& core : plugins) all.spawn(stop_one(std::move(core), grace, &clean));
    (void)co_await all.join();
    co_return clean;
}

PORTUNUS_DECL void plugin_registry::release_context() noexcept {
    std::vector<plugin_core::pointer> plugins;
    {
        const std::lock_guard lock(mutex_);
        gone_ = true;
    }
    for (const auto& core : running()) core->context_gone();
}

} // namespace detail

PORTUNUS_DECL plugin_host::plugin_host(runtime& rt)
    : registry_(std::make_shared<detail::plugin_registry>(rt)) {
    rt.attach(registry_);
}

PORTUNUS_DECL plugin_host::~plugin_host() {
    const auto plugins = registry_->running();
    for (const auto& core : plugins) core->ask_to_stop(); // all of them, before waiting for one
    for (const auto& core : plugins) (void)core->stop(core->options.stop_limit);
}

PORTUNUS_DECL plugin_control plugin_host::start(std::shared_ptr<plugin> what, plugin_options options) {
    return detail::control_of(registry_->start(std::move(what), std::move(options)));
}

PORTUNUS_DECL std::size_t plugin_host::size() const {
    const auto plugins = registry_->running();
    return static_cast<std::size_t>(
        std::count_if(plugins.begin(), plugins.end(), [](const auto& core) { return !core->stopped(); }));
}

} // namespace portunus

#endif
