// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_VERSION_HPP
#define PORTUNUS_VERSION_HPP

#include <string_view>

// The one place where the version is written: the build reads these three lines. They are macros because a
// program that supports several versions of the library decides with the preprocessor.
#define PORTUNUS_VERSION_MAJOR 0
#define PORTUNUS_VERSION_MINOR 1
#define PORTUNUS_VERSION_PATCH 0

/// The version as one number that can be compared: major * 10000 + minor * 100 + patch, so 0.1.0 is 100.
#define PORTUNUS_VERSION                                                                                     \
    (PORTUNUS_VERSION_MAJOR * 10000 + PORTUNUS_VERSION_MINOR * 100 + PORTUNUS_VERSION_PATCH)

namespace portunus {

/// The version of the headers that this translation unit was compiled with. Semantic versioning; while
/// `major` is 0, a new `minor` may break the interface.
struct version_number {
    int major; ///< breaks the interface
    int minor; ///< 0 to 99, adds to the interface
    int patch; ///< 0 to 99, repairs
};

inline constexpr version_number version{PORTUNUS_VERSION_MAJOR, PORTUNUS_VERSION_MINOR,
                                        PORTUNUS_VERSION_PATCH};

#define PORTUNUS_DETAIL_TEXT_OF(x) #x
#define PORTUNUS_DETAIL_VERSION_TEXT(a, b, c)                                                                \
    PORTUNUS_DETAIL_TEXT_OF(a) "." PORTUNUS_DETAIL_TEXT_OF(b) "." PORTUNUS_DETAIL_TEXT_OF(c)

/// The same as text, "0.1.0".
inline constexpr std::string_view version_text =
    PORTUNUS_DETAIL_VERSION_TEXT(PORTUNUS_VERSION_MAJOR, PORTUNUS_VERSION_MINOR, PORTUNUS_VERSION_PATCH);

#undef PORTUNUS_DETAIL_VERSION_TEXT
#undef PORTUNUS_DETAIL_TEXT_OF

} // namespace portunus

#endif
