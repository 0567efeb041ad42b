// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_PAGES_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_PAGES_HPP

#include <portunus/adapters/plugin_control.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/http/server.hpp>

#include <chrono>

namespace portunus {

/// Serves HTTP with the plugin's `on_page`: each request is an event that the plugin answers there and then,
/// or later with `plugin_control::reply`. A header of its own, so that only those pay for HTTP who want it.
///
/// A client whose answer does not come within `reply_limit` is told 504; 503 when the plugin has stopped, or
/// more requests wait than there are handles; 500 when the event threw. An answer that comes later, or for a
/// client that has gone, is an error of `reply`, and no harm (row X-9). `options.handler_limit` holds as
/// well, so `reply_limit` should be shorter.
///
/// Errors: those of `http::serve`. The policy is that of `options.door`; `set_policy` has no effect. When the
/// listener, or the plugin, is stopped, requests that have arrived are still answered, and the port is free a
/// moment later.
PORTUNUS_DECL result<listener_id> listen_pages(const plugin_control& control, http::server_options options,
                                               steady_clock::duration reply_limit = std::chrono::seconds(25));

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/impl/plugin_pages.ipp>
#endif

#endif
