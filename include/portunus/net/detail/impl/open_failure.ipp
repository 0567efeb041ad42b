// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_OPEN_FAILURE_IPP
#define PORTUNUS_NET_DETAIL_IMPL_OPEN_FAILURE_IPP

#include <portunus/net/detail/open_failure.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <cerrno>
#include <string>
#include <utility>

namespace portunus::detail {

PORTUNUS_DECL error open_failure(int number, std::string where, const std::string& interface) {
    if (!interface.empty()) where += " on " + interface;
    switch (number) {
    case EADDRINUSE:
        return error(errc::address_in_use, std::move(where));
    case EADDRNOTAVAIL:
        return error(errc::address_not_available, std::move(where));
    case ENODEV:
        return error(errc::no_such_interface, std::move(where));
    case EACCES:
    case EPERM:
        return error(errc::port_requires_privilege, std::move(where));
    default:
        return error(boost::system::error_code(number, boost::system::system_category()), std::move(where));
    }
}

} // namespace portunus::detail

#endif
