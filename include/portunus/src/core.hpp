// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_CORE_HPP
#define PORTUNUS_SRC_CORE_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/core/detail/impl/prometheus.ipp>
#include <portunus/core/impl/backoff.ipp>
#include <portunus/core/impl/deadline.ipp>
#include <portunus/core/impl/error.ipp>
#include <portunus/core/impl/logger.ipp>
#include <portunus/core/impl/metrics.ipp>
#include <portunus/core/impl/runtime.ipp>
#include <portunus/core/impl/task_group.ipp>

#endif
