// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_LOGGER_HPP
#define PORTUNUS_CORE_LOGGER_HPP

#include <charconv>
#include <concepts>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

/// error: something was lost. warning: something needs a look. info: a connection came or went. debug: bytes.
enum class log_level { debug, info, warning, error, off };

constexpr std::string_view to_string(log_level level) noexcept {
    switch (level) {
    case log_level::debug:
        return "debug";
    case log_level::info:
        return "info";
    case log_level::warning:
        return "warning";
    case log_level::error:
        return "error";
    case log_level::off:
        return "off";
    }
    return "unknown";
}

/// A named value beside the text of a log line. The name and a text value are views, valid during the call
/// only.
class log_field {
  public:
    log_field(std::string_view name, std::string_view value) noexcept : name_(name), value_(value) {}
    log_field(std::string_view name, const char* value) noexcept : name_(name), value_(value) {}
    log_field(std::string_view name, const std::string& value) noexcept : name_(name), value_(value) {}

    template <std::integral Number>
    log_field(std::string_view name, Number value) noexcept : name_(name) {
        if constexpr (std::same_as<Number, bool>) {
            value_ = value ? "true" : "false";
        } else {
            const auto end = std::to_chars(digits_, digits_ + sizeof digits_, value).ptr;
            size_ = static_cast<unsigned char>(end - digits_);
        }
    }

    std::string_view name() const noexcept { return name_; }
    std::string_view value() const noexcept { return size_ ? std::string_view(digits_, size_) : value_; }

  private:
    std::string_view name_;
    std::string_view value_;
    char digits_[20] = {};
    unsigned char size_ = 0;
};

/// The hook through which the library speaks. A value: copies share one sink, and nothing is global.
///
/// A default-made logger writes warnings and errors to stderr. The sink may be called from every thread that
/// runs a context, so with a `runtime` of several contexts it has to be thread-safe (the default one is). It
/// must not throw. Secrets are never passed to it.
class logger {
  public:
    using sink = std::function<void(log_level, std::string_view text, std::span<const log_field> fields)>;

    logger() = default;
    explicit logger(sink to, log_level threshold = log_level::info)
        : to_(std::make_shared<const sink>(std::move(to))), threshold_(threshold) {}

    /// A logger that drops everything.
    static logger silent();

    /// Ask before building an expensive text.
    bool enabled(log_level level) const noexcept { return level >= threshold_; }

    void operator()(log_level level, std::string_view text,
                    std::initializer_list<log_field> fields = {}) const;

    /// The default sink: one line, `portunus warning: text name=value name=value`.
    static void write_to_stderr(log_level level, std::string_view text, std::span<const log_field> fields);

  private:
    std::shared_ptr<const sink> to_;
    log_level threshold_ = log_level::warning;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/logger.ipp>
#endif

#endif
