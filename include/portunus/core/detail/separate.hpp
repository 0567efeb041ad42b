// SPDX-License-Identifier: BSL-1.0
// Included first by what compiles the library separately: <portunus/src.hpp> and its parts.
#ifndef PORTUNUS_CORE_DETAIL_SEPARATE_HPP
#define PORTUNUS_CORE_DETAIL_SEPARATE_HPP

#ifndef PORTUNUS_SEPARATE_COMPILATION
#ifdef PORTUNUS_CORE_DETAIL_CONFIG_HPP
#error "define PORTUNUS_SEPARATE_COMPILATION for the whole program, or include <portunus/src.hpp> first"
#endif
#define PORTUNUS_SEPARATE_COMPILATION
#endif

// g++ warns about the frame of a coroutine with a local type in it when the coroutine stands in a header and
// is not inline: another source file could make another one of it. No other source file includes these.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif

#endif
