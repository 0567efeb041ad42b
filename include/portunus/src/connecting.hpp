// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_CONNECTING_HPP
#define PORTUNUS_SRC_CONNECTING_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/net/impl/connect.ipp>
#include <portunus/net/impl/connector.ipp>
#include <portunus/net/impl/resolver.ipp>

#endif
