// SPDX-License-Identifier: BSL-1.0
// The one file of the support library that is compiled with the precompiled header: a target that nobody
// compiles with it would not build it for the others either.
