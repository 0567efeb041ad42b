// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_AWAITABLE_HPP
#define PORTUNUS_CORE_AWAITABLE_HPP

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>

namespace portunus {

/// What everything that can wait returns. It is Asio's own type: any Asio operation can be awaited beside
/// ours, and `asio::co_spawn` starts it (though `task_group` is the better way).
template <class T>
using awaitable = boost::asio::awaitable<T>;

namespace detail {

/// The completion token inside the library: errors arrive as values, and no coroutine frame is added per
/// operation.
inline constexpr auto use_result = boost::asio::as_tuple(boost::asio::deferred);

} // namespace detail
} // namespace portunus

#endif
