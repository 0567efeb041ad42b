// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_DATE_HPP
#define PORTUNUS_HTTP_IMPL_DATE_HPP

#include <portunus/http/date.hpp>

#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace portunus::http {

namespace detail {

inline constexpr std::string_view day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                 "Thursday", "Friday", "Saturday"};
inline constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";

/// What stands where a pattern has letters: d, h, m, s, y are digits, b is a month. Every other character
/// stands for itself.
struct date_fields {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

inline bool read_date(std::string_view text, std::string_view pattern, date_fields& f) noexcept {
    if (text.size() != pattern.size()) return false;
    for (std::size_t i = 0; i != text.size(); ++i) {
        int* number = nullptr;
        switch (pattern[i]) {
        case 'd':
            number = &f.day;
            break;
        case 'h':
            number = &f.hour;
            break;
        case 'm':
            number = &f.minute;
            break;
        case 's':
            number = &f.second;
            break;
        case 'y':
            number = &f.year;
            break;
        case 'b': {
            const std::size_t at = month_names.find(text.substr(i, 3));
            if (at == std::string_view::npos || at % 3 != 0) return false;
            f.month = static_cast<int>(at / 3) + 1;
            i += 2;
            continue;
        }
        default:
            if (text[i] != pattern[i]) return false;
            continue;
        }
        if (!is_digit(text[i])) return false;
        *number = *number * 10 + (text[i] - '0');
    }
    return true;
}

inline std::optional<http_time> time_of(const date_fields& f, std::string_view day_name) noexcept {
    namespace chrono = std::chrono;
    const chrono::year_month_day date{chrono::year(f.year), chrono::month(static_cast<unsigned>(f.month)),
                                      chrono::day(static_cast<unsigned>(f.day))};
    if (!date.ok() || f.hour > 23 || f.minute > 59 || f.second > 60) return std::nullopt;
    const chrono::sys_days days(date);
    if (!day_names[chrono::weekday(days).c_encoding()].starts_with(day_name)) return std::nullopt;
    return http_time(days.time_since_epoch()) + chrono::hours(f.hour) + chrono::minutes(f.minute) +
           chrono::seconds(f.second);
}

} // namespace detail

inline http_date::http_date(http_time t) noexcept {
    namespace chrono = std::chrono;
    constexpr http_time first(chrono::sys_days(chrono::year(0) / 1 / 1).time_since_epoch());
    constexpr http_time last(chrono::sys_days(chrono::year(9999) / 12 / 31).time_since_epoch() +
                             chrono::hours(24) - chrono::seconds(1));
    t = std::clamp(t, first, last);
    const auto days = chrono::floor<chrono::days>(t);
    const chrono::year_month_day date(days);
    const auto seconds = static_cast<unsigned>((t - days).count());
    char* to = text_.data();
    const auto put = [&to](std::string_view s) { to = std::copy(s.begin(), s.end(), to); };
    const auto digits = [&to](unsigned value, unsigned unit) {
        for (; unit != 0; unit /= 10) *to++ = static_cast<char>('0' + value / unit % 10);
    };
    put(detail::day_names[chrono::weekday(days).c_encoding()].substr(0, 3));
    put(", ");
    digits(static_cast<unsigned>(date.day()), 10);
    put(" ");
    put(detail::month_names.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3));
    put(" ");
    digits(static_cast<unsigned>(static_cast<int>(date.year())), 1000);
    put(" ");
    digits(seconds / 3600, 10);
    put(":");
    digits(seconds / 60 % 60, 10);
    put(":");
    digits(seconds % 60, 10);
    put(" GMT");
}

inline std::optional<http_time> parse_http_date(std::string_view text, http_time now) noexcept {
    namespace chrono = std::chrono;
    detail::date_fields f;
    const std::size_t comma = text.find(',');
    if (comma == 3) {
        if (!detail::read_date(text.substr(3), ", dd bbb yyyy hh:mm:ss GMT", f)) return std::nullopt;
        return detail::time_of(f, text.substr(0, 3));
    }
    if (comma != std::string_view::npos) {
        if (!detail::read_date(text.substr(comma), ", dd-bbb-yy hh:mm:ss GMT", f)) return std::nullopt;
        const std::string_view name = text.substr(0, comma);
        if (std::find(std::begin(detail::day_names), std::end(detail::day_names), name) ==
            std::end(detail::day_names))
            return std::nullopt;
        const int this_year =
            static_cast<int>(chrono::year_month_day(chrono::floor<chrono::days>(now)).year());
        f.year += this_year / 100 * 100 + 100;
        while (f.year > this_year + 50) f.year -= 100;
        return detail::time_of(f, name);
    }
    if (text.size() < 4) return std::nullopt;
    if (text.size() == 24 && text[8] == ' ' && text[9] != '0') {
        if (!detail::read_date(text.substr(3), " bbb  d hh:mm:ss yyyy", f)) return std::nullopt;
    } else if (!detail::read_date(text.substr(3), " bbb dd hh:mm:ss yyyy", f)) {
        return std::nullopt;
    }
    return detail::time_of(f, text.substr(0, 3));
}

} // namespace portunus::http

#endif
