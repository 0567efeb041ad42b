// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_RAW_HPP
#define PORTUNUS_JSON_RAW_HPP

#include <string>

namespace portunus::json {

/// A member of any shape, kept as the text of its JSON: for what a program passes on without looking into it,
/// or looks into later by `json::read`. What is read is a valid value, byte for byte as it came; what is
/// written is validated.
struct raw {
    std::string text = "null";

    friend bool operator==(const raw&, const raw&) = default;
};

} // namespace portunus::json

#endif
