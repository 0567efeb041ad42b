// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_TEST_FAILURE_HPP
#define PORTUNUS_TESTING_TEST_FAILURE_HPP

#include <stdexcept>
#include <string>
#include <string_view>

namespace portunus::testing {

/// What the kit throws when it has found something wrong: the watchdog, a context that did not drain, pieces
/// that gave another result than the whole. Any test framework reports it, as it would any exception.
class test_failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Bytes as a C++ literal, quotes included, so that an error text shows each of them. After `most` bytes it
/// is cut and says how many there were.
inline std::string printable(std::string_view bytes, std::size_t most = 80) {
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
