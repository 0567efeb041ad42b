// SPDX-License-Identifier: BSL-1.0
#define PORTUNUS_TESTS_MAIN
#include "support/catch.hpp"

#include <csignal>

// What the sanitizers watch, written into the programs, so that a test that is started by hand behaves as
// under ctest.
#if defined(__SANITIZE_ADDRESS__)
#define PORTUNUS_TESTS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PORTUNUS_TESTS_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define PORTUNUS_TESTS_TSAN 1
#endif
#endif

#ifdef PORTUNUS_TESTS_ASAN
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
    return "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1";
}
extern "C" const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() {
    return "print_stacktrace=1";
}
#endif

#ifdef PORTUNUS_TESTS_TSAN
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
    return "halt_on_error=1:second_deadlock_stack=1";
}
#endif

int main(int argc, char** argv) {
    // The library promises that writing to a closed peer raises no SIGPIPE. Many a parent process (a Python
    // script, a CI runner) leaves the signal ignored in its children, which would make that promise easy to
    // keep.
    std::signal(SIGPIPE, SIG_DFL);

    // Catch2 returns the number of failures, or a code of its own: nobody should take a meaning from it.
    return Catch::Session().run(argc, argv) == 0 ? 0 : 1;
}
