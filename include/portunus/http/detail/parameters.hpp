// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_PARAMETERS_HPP
#define PORTUNUS_HTTP_DETAIL_PARAMETERS_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace portunus::http::detail {

/// Reads "; name=value; name="quoted"" one after the other (RFC 9110 5.6.6).
class parameter_reader {
  public:
    explicit parameter_reader(std::string_view text) noexcept : rest_(text) {}

    /// The next one, or false at the end and when the text is malformed.
    bool next() noexcept {
        for (;;) {
            rest_ = trimmed(rest_);
            if (rest_.empty()) return false;
            if (rest_.front() != ';') return fail();
            rest_ = trimmed(rest_.substr(1));
            if (!rest_.empty() && rest_.front() != ';') break; // empty parameters are skipped
        }
        std::size_t size = 0;
        while (size != rest_.size() && is_of(class_token, rest_[size])) ++size;
        if (size == 0 || size == rest_.size() || rest_[size] != '=') return fail();
        name = rest_.substr(0, size);
        rest_.remove_prefix(size + 1);
        quoted = rest_.starts_with('"');
        if (quoted) {
            std::size_t close = 1;
            while (close < rest_.size() && rest_[close] != '"') {
                const bool escape = rest_[close] == '\\' && close + 1 < rest_.size() &&
                                    (rest_[close + 1] == '"' || rest_[close + 1] == '\\');
                close += escape ? 2 : 1;
            }
            if (close >= rest_.size()) return fail();
            raw = rest_.substr(1, close - 1);
            rest_.remove_prefix(close + 1);
            return true;
        }
        size = 0;
        while (size != rest_.size() && is_of(class_token, rest_[size])) ++size;
        if (size == 0) return fail();
        raw = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
    }
    bool malformed() const noexcept { return malformed_; }

    std::string_view name{};
    std::string_view raw{}; ///< without the quotes, its escapes as they are
    bool quoted = false;

  private:
    bool fail() noexcept {
        malformed_ = true;
        rest_ = {};
        return false;
    }

    std::string_view rest_;
    bool malformed_ = false;
};

/// The text that the inside of a quoted string means. A backslash that is not in front of a quote or another
/// backslash stands for itself, because there are those who quote paths of Windows so.
inline std::string unquoted(std::string_view raw) {
    std::string text;
    for (std::size_t i = 0; i != raw.size(); ++i) {
        if (raw[i] == '\\' && i + 1 != raw.size() && (raw[i + 1] == '"' || raw[i + 1] == '\\')) ++i;
        text += raw[i];
    }
    return text;
}

} // namespace portunus::http::detail

#endif
