// SPDX-License-Identifier: BSL-1.0
// The precompiled header of all test programs: what nearly every test includes anyway and what changes never.
// No header of the library stands here, or each change to one would compile everything again.
#ifndef PORTUNUS_TESTS_SUPPORT_PRECOMPILED_HPP
#define PORTUNUS_TESTS_SUPPORT_PRECOMPILED_HPP

#include "support/catch.hpp"
#include "support/precompiled_asio.hpp"

#endif
