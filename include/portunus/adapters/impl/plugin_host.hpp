// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_IMPL_PLUGIN_HOST_HPP
#define PORTUNUS_ADAPTERS_IMPL_PLUGIN_HOST_HPP

#include <portunus/adapters/plugin_host.hpp>

#include <portunus/adapters/detail/plugin_core.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace portunus::detail {

/// The plugins of a host, as the runtime knows them: it tells them when it stops, and when it goes.
class plugin_registry final : public runtime_service, private context_bound {
  public:
    explicit plugin_registry(runtime& rt) : context_bound(rt.context()), runtime_(rt) {}

    plugin_core::pointer start(std::shared_ptr<plugin> what, plugin_options options);
    std::vector<plugin_core::pointer> running();
    awaitable<bool> stop(steady_clock::duration grace) override;

  private:
    void release_context() noexcept override;
    static awaitable<void> stop_one(plugin_core::pointer core, steady_clock::duration grace, bool* clean);

    runtime& runtime_;
    std::mutex mutex_; // guards the next two
    std::vector<std::weak_ptr<plugin_core>> plugins_;
    bool gone_ = false;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/impl/plugin_host.ipp>
#endif

#endif
