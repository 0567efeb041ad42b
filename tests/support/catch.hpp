// SPDX-License-Identifier: BSL-1.0
// Catch2 under one name. Version 2 is a single header, version 3 a set of them; what the tests use has the
// same names in both once the matchers and `Approx` are brought to where version 2 has them.
#ifndef PORTUNUS_TESTS_SUPPORT_CATCH_HPP
#define PORTUNUS_TESTS_SUPPORT_CATCH_HPP

#if __has_include(<catch2/catch_test_macros.hpp>)

#define PORTUNUS_TESTS_CATCH 3
#include <catch2/catch_approx.hpp>
#include <catch2/catch_message.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
#ifdef PORTUNUS_TESTS_MAIN
#include <catch2/catch_session.hpp>
#endif

using Catch::Approx;

#else

#define PORTUNUS_TESTS_CATCH 2
#ifdef PORTUNUS_TESTS_MAIN
#define CATCH_CONFIG_RUNNER
#endif
#include <catch2/catch.hpp>

#endif

// Ends a test that cannot run on this machine and says why. Version 2 knows no skipping: there it is a
// warning, and
// `./dev` collects these lines from the log, so that a test which did not run never looks like one that
// passed. Only in the body of a test case itself, because it returns.
#if PORTUNUS_TESTS_CATCH == 3
#define PORTUNUS_SKIP(reason) SKIP("skipped: " << reason)
#else
#define PORTUNUS_SKIP(reason)                                                                                \
    do {                                                                                                     \
        WARN("skipped: " << reason);                                                                         \
        return;                                                                                              \
    } while (false)
#endif

#endif
