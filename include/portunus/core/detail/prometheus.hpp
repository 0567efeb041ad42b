// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DETAIL_PROMETHEUS_HPP
#define PORTUNUS_CORE_DETAIL_PROMETHEUS_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::detail {

/// Letters, digits and underscores, not beginning with a digit; a metric's name may have colons too.
constexpr bool is_prometheus_name(std::string_view name, bool colons) noexcept {
    if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
    for (const char c : name) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && !(colons && c == ':')) return false;
    }
    return true;
}

[[noreturn]] inline void refuse_label(std::string_view name, std::string_view problem) {
    throw failure(error(errc::invalid_option,
                        "label \"" + std::string(name) + "\" is " + std::string(problem) +
                            "; allowed: letters, digits and underscores, not beginning with a digit or two "
                            "underscores, each once, and not \"reason\""));
}

/// Appends `name="value"`, with a comma where something stands before it.
PORTUNUS_DECL void append_label(std::string& labels, std::string_view name, std::string_view value);

/// Puts the lines of the text format together.
class prometheus_text {
  public:
    explicit prometheus_text(std::string_view prefix);

    void describe(std::string_view name, std::string_view type, std::string_view help) {
        text_.append("# HELP ").append(prefix_).append(name).append(" ").append(help).append("\n# TYPE ");
        text_.append(prefix_).append(name).append(" ").append(type).append("\n");
    }

    void sample(std::string_view name, std::string_view labels, std::string_view label, std::uint64_t value);

    std::string take() && { return std::move(text_); }

  private:
    std::string prefix_;
    std::string text_;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/detail/impl/prometheus.ipp>
#endif

#endif
