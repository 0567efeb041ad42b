// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DETAIL_CONFIG_HPP
#define PORTUNUS_CORE_DETAIL_CONFIG_HPP

/// How the library is compiled. By default everything is inline, and a program includes headers and nothing
/// else. With PORTUNUS_SEPARATE_COMPILATION, defined for the whole program, the headers hold declarations,
/// templates and what is hot; the other functions are compiled once, by <portunus/src.hpp> or the CMake
/// target portunus::compiled.
///
/// PORTUNUS_DECL stands at every function whose body is in an .ipp file, at a free function's declaration as
/// well.
#ifdef PORTUNUS_SEPARATE_COMPILATION
#define PORTUNUS_DECL
#else
#define PORTUNUS_DECL inline
#endif

#endif
