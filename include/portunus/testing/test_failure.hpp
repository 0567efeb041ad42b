// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_TEST_FAILURE_HPP
#define PORTUNUS_TESTING_TEST_FAILURE_HPP

#include <portunus/core/detail/config.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace portunus::testing {

/// What the kit throws when it has found something wrong: the watchdog, a context that did not drain, pieces
/// that gave another result than the whole. Any test framework reports it, as it would any exception.
class test_failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Bytes as a C++ literal, quotes included, so that an error text shows each of them. After `most` bytes it
/// is cut and says how many there were.
PORTUNUS_DECL std::string printable(std::string_view bytes, std::size_t most = 80);

} // namespace portunus::testing

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/testing/impl/test_failure.ipp>
#endif

#endif
