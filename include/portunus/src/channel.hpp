// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_CHANNEL_HPP
#define PORTUNUS_SRC_CHANNEL_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/channel/impl/services.ipp>

#endif
