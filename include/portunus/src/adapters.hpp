// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_ADAPTERS_HPP
#define PORTUNUS_SRC_ADAPTERS_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/adapters/detail/impl/plugin_conversation.ipp>
#include <portunus/adapters/detail/impl/plugin_core.ipp>
#include <portunus/adapters/detail/impl/plugin_io.ipp>
#include <portunus/adapters/impl/plugin_control.ipp>
#include <portunus/adapters/impl/plugin_host.ipp>
#include <portunus/adapters/impl/plugin_pages.ipp>
#include <portunus/adapters/impl/shared_plugin.ipp>

#endif
