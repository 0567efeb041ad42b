// SPDX-License-Identifier: BSL-1.0
// The one source file that compiles the library.
#include <portunus/src.hpp>
