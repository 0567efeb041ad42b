// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_TEST_FAILURE_IPP
#define PORTUNUS_TESTING_IMPL_TEST_FAILURE_IPP

#include <portunus/testing/test_failure.hpp>

#include <portunus/core/detail/config.hpp>

#include <string>
#include <string_view>

namespace portunus::testing {

PORTUNUS_DECL std::string printable(std::string_view bytes, std::size_t most) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text = "\"";
    for (const char c : bytes.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\r')
            text += "\\r";
        else if (c == '\n')
            text += "\\n";
        else if (c == '"' || c == '\\')
            (text += '\\') += c;
        else if (byte >= 0x20 && byte < 0x7f)
            text += c;
        else
            ((text += "\\x") += digits[byte >> 4]) += digits[byte & 15];
    }
    text += '"';
    if (bytes.size() > most) text += "... (" + std::to_string(bytes.size()) + " bytes)";
    return text;
}

} // namespace portunus::testing

#endif
