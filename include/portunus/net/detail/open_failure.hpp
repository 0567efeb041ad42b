// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_OPEN_FAILURE_HPP
#define PORTUNUS_NET_DETAIL_OPEN_FAILURE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <string>

namespace portunus::detail {

/// The system's refusal to open an endpoint, in our terms. `where`: the endpoint as text; `interface`: the
/// one that it was to be bound to, or empty.
PORTUNUS_DECL error open_failure(int number, std::string where, const std::string& interface);

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/open_failure.ipp>
#endif

#endif
