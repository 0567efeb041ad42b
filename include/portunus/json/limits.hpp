// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_LIMITS_HPP
#define PORTUNUS_JSON_LIMITS_HPP

namespace portunus::json {

/// How many objects and arrays may be open at a time, in what is read and in what is written. Enough for what
/// devices say to each other, and little enough that nobody can exhaust the stack. All other sizes are
/// bounded by that of the text, which whoever cuts the stream into frames has limited.
inline constexpr unsigned max_depth = 32;

} // namespace portunus::json

#endif
