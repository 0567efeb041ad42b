// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_TESTING_HPP
#define PORTUNUS_SRC_TESTING_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/testing/detail/impl/run_service.ipp>
#include <portunus/testing/impl/memory_stream.ipp>
#include <portunus/testing/impl/run.ipp>
#include <portunus/testing/impl/scripted_peer.ipp>
#include <portunus/testing/impl/start.ipp>
#include <portunus/testing/impl/test_failure.ipp>

#endif
