// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_AUTH_CHALLENGE_HPP
#define PORTUNUS_HTTP_IMPL_AUTH_CHALLENGE_HPP

#include <portunus/http/auth_challenge.hpp>

namespace portunus::http {
namespace detail {

/// Walks through the text of challenges.
class challenge_text {
  public:
    explicit challenge_text(std::string_view text) noexcept : rest_(text) {}

    bool over() const noexcept { return rest_.empty(); }
    void skip_blanks() noexcept {
        while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
    }
    void skip_separators() noexcept {
        while (!rest_.empty() && (is_blank(rest_.front()) || rest_.front() == ',')) rest_.remove_prefix(1);
    }
    bool take(char c) noexcept {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool blank_follows() const noexcept { return !rest_.empty() && is_blank(rest_.front()); }
    bool element_ends() const noexcept { return rest_.empty() || rest_.front() == ','; }

    std::string_view token() noexcept {
        std::size_t n = 0;
        while (n != rest_.size() && is_of(class_token, rest_[n])) ++n;
        return cut(n);
    }
    /// Empty where none stands here as a whole element.
    std::string_view token68() noexcept {
        std::size_t n = 0;
        const auto fits = [](char c) {
            return is_digit(c) || is_alpha(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
        };
        while (n != rest_.size() && fits(rest_[n])) ++n;
        if (n == 0) return {};
        while (n != rest_.size() && rest_[n] == '=') ++n;
        std::size_t end = n;
        while (end != rest_.size() && is_blank(rest_[end])) ++end;
        return end == rest_.size() || rest_[end] == ',' ? cut(n) : std::string_view();
    }
    bool value(std::string& out) {
        if (!take('"')) {
            out = token();
            return !out.empty();
        }
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\') rest_.remove_prefix(1);
            if (rest_.empty()) return false;
            out += rest_.front();
            rest_.remove_prefix(1);
        }
        return take('"');
    }

    /// Whether "name=" with a value stands here: another parameter, and not the next scheme.
    bool parameter_follows() const noexcept {
        challenge_text ahead(rest_);
        if (ahead.token().empty()) return false;
        ahead.skip_blanks();
        return ahead.take('=');
    }

  private:
    std::string_view cut(std::size_t n) noexcept {
        const std::string_view text = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return text;
    }
    std::string_view rest_;
};

/// False: what stands there is no parameter.
inline bool read_parameter(challenge_text& text, auth_challenge& of) {
    std::string name(text.token());
    text.skip_blanks();
    if (name.empty() || !text.take('=')) return false;
    text.skip_blanks();
    std::string value;
    if (!text.value(value)) return false;
    of.parameters.emplace_back(std::move(name), std::move(value));
    text.skip_blanks();
    return text.element_ends();
}

} // namespace detail

inline std::vector<auth_challenge> parse_challenges(std::string_view value) {
    constexpr std::size_t most_challenges = 16, most_parameters = 32;
    std::vector<auth_challenge> all;
    detail::challenge_text text(value);
    text.skip_separators();
    while (!text.over() && all.size() != most_challenges) {
        auth_challenge one;
        one.scheme = text.token();
        if (one.scheme.empty() || !(text.element_ends() || text.blank_follows())) break;
        text.skip_blanks();
        bool fine = true;
        if (!text.element_ends()) {
            if (const auto token = text.token68(); !token.empty()) {
                one.token68 = token;
                text.skip_blanks();
            } else {
                fine = detail::read_parameter(text, one);
            }
        }
        for (text.skip_separators(); fine && text.parameter_follows(); text.skip_separators())
            fine = one.parameters.size() != most_parameters && detail::read_parameter(text, one);
        if (!fine) break;
        all.push_back(std::move(one));
    }
    return all;
}

inline std::string quoted_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out += '"';
}

} // namespace portunus::http

#endif
