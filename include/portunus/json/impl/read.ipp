// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_IMPL_READ_IPP
#define PORTUNUS_JSON_IMPL_READ_IPP

#include <portunus/json/impl/read.hpp>

namespace portunus::json {
namespace detail {

PORTUNUS_DECL bool out_of_range(cursor& in, const number& n, std::string range) {
    return in.trouble().is(std::string(n.text().substr(0, 40)) + " is not in " + range);
}

/// Whether a number whose conversion said "out of range" is merely too small.
PORTUNUS_DECL bool is_tiny(const number& n) {
    // The decimal place of the first digit that is not 0.
    std::ptrdiff_t place = 0;
    bool begun = false, behind_point = false;
    for (const char c : n.text()) {
        if (c == 'e' || c == 'E') break;
        if (c == '.') {
            behind_point = true;
        } else if (c != '-') {
            begun = begun || c != '0';
            if (begun && !behind_point) ++place;
            if (!begun && behind_point) --place;
        }
    }
    // n.exponent counts the digits of the fraction as well; what was written behind the e is wanted here.
    const std::size_t e = n.text().find_first_of("eE");
    if (e == std::string_view::npos) return place < 0;
    const bool negative = n.text()[e + 1] == '-';
    std::ptrdiff_t written = 0;
    for (const char c : n.text().substr(e + 1))
        if (c >= '0' && c <= '9' && written < 1'000'000'000) written = written * 10 + (c - '0');
    return place + (negative ? -written : written) < 0;
}

template <class T>
bool convert(cursor& in, const number& n, T& value) {
    const auto [end, failed] = std::from_chars(n.begin, n.end, value);
    if (failed == std::errc() && std::isfinite(value)) return true;
    if (!is_tiny(n))
        return out_of_range(in, n, sizeof(T) == sizeof(float) ? "the range of float" : "the range of double");
    value = n.negative ? -T(0) : T(0);
    return true;
}

PORTUNUS_DECL bool read_double(cursor& in, const number& n, double& value) {
    return convert(in, n, value);
}
PORTUNUS_DECL bool read_float(cursor& in, const number& n, float& value) {
    return convert(in, n, value);
}

PORTUNUS_DECL bool read_integer(cursor& in, const number& n, std::uint64_t& magnitude) {
    const char* const digits = n.begin + (n.negative ? 1 : 0);
    if (n.integral) {
        if (std::from_chars(digits, n.end, magnitude).ec == std::errc()) return true;
        return out_of_range(in, n, "the range of any integer");
    }
    // "21.0" and "1e3", as some languages write whole numbers; exactly, as far as a double is exact.
    double value = 0;
    if (!convert(in, n, value)) return false;
    value = std::fabs(value);
    if (value != std::floor(value) || value > 9007199254740992.0)
        return in.trouble().is("expected an integer, found " + std::string(n.text().substr(0, 40)));
    magnitude = static_cast<std::uint64_t>(value);
    return true;
}

} // namespace detail

PORTUNUS_DECL result<void> validate(std::string_view text) {
    detail::cursor in(text);
    if (in.skip() && in.finished()) return {};
    return in.trouble().as(errc::malformed_data);
}

} // namespace portunus::json

#endif
