// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_CONNECTOR_HPP
#define PORTUNUS_NET_IMPL_CONNECTOR_HPP

#include <portunus/net/connector.hpp>

#include <portunus/core/event_queue.hpp>

namespace portunus {
namespace detail {

/// A handle that was moved from.
template <class T>
awaitable<result<T>> no_connector() {
    co_return errc::closed_locally;
}

} // namespace detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/connector.ipp>
#endif

#endif
