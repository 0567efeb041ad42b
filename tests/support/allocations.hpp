// SPDX-License-Identifier: BSL-1.0
// Counts what this thread allocates: Asio takes its memory from aligned_alloc, so that operator new alone
// would not tell. The sanitizers bring a malloc of their own; where they do, nothing is counted.
#ifndef PORTUNUS_TESTS_SUPPORT_ALLOCATIONS_HPP
#define PORTUNUS_TESTS_SUPPORT_ALLOCATIONS_HPP

#include <cstddef>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PORTUNUS_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define PORTUNUS_COUNTS_ALLOCATIONS 0
#endif
#endif
#if !defined(PORTUNUS_COUNTS_ALLOCATIONS) && defined(__GLIBC__)
#define PORTUNUS_COUNTS_ALLOCATIONS 1
#endif

#if PORTUNUS_COUNTS_ALLOCATIONS
namespace portunus_tests {
inline thread_local std::size_t allocations = 0;
}
using portunus_tests::allocations;
// Weak, as several files of one program may include this.
extern "C" {
void* __libc_malloc(std::size_t);                // NOLINT: glibc's own second names
void* __libc_calloc(std::size_t, std::size_t);   // NOLINT
void* __libc_realloc(void*, std::size_t);        // NOLINT
void* __libc_memalign(std::size_t, std::size_t); // NOLINT
[[gnu::weak]] void* malloc(std::size_t size) noexcept {
    ++portunus_tests::allocations;
    return __libc_malloc(size);
}
[[gnu::weak]] void* calloc(std::size_t n, std::size_t size) noexcept {
    ++portunus_tests::allocations;
    return __libc_calloc(n, size);
}
[[gnu::weak]] void* realloc(void* old, std::size_t size) noexcept {
    ++portunus_tests::allocations;
    return __libc_realloc(old, size);
}
[[gnu::weak]] void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    ++portunus_tests::allocations;
    return __libc_memalign(alignment, size);
}
}
#endif

#endif
