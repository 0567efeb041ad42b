// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DETAIL_IMPL_PROMETHEUS_IPP
#define PORTUNUS_CORE_DETAIL_IMPL_PROMETHEUS_IPP

#include <portunus/core/detail/prometheus.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace portunus::detail {

PORTUNUS_DECL void append_label(std::string& labels, std::string_view name, std::string_view value) {
    if (name == "reason") refuse_label(name, "set by the library");
    if (!is_prometheus_name(name, false) || name.substr(0, 2) == "__")
        refuse_label(name, "not a label's name");
    if (!labels.empty()) labels += ',';
    labels.append(name).append("=\"");
    for (const char c : value) {
        if (c == '\n')
            labels += "\\n";
        else if (c == '\\' || c == '"')
            (labels += '\\') += c;
        else
            labels += c;
    }
    labels += '"';
}

PORTUNUS_DECL prometheus_text::prometheus_text(std::string_view prefix) : prefix_(prefix) {
    if (!is_prometheus_name(prefix, true))
        throw failure(error(errc::invalid_option,
                            "prefix \"" + prefix_ +
                                "\"; allowed: letters, digits, underscores and colons, not beginning with a "
                                "digit"));
    prefix_ += '_';
}

PORTUNUS_DECL void prometheus_text::sample(std::string_view name, std::string_view labels,
                                           std::string_view label, std::uint64_t value) {
    text_.append(prefix_).append(name);
    if (!labels.empty() || !label.empty()) {
        text_.append("{").append(labels);
        text_.append(!labels.empty() && !label.empty() ? "," : "").append(label).append("}");
    }
    text_.append(" ").append(std::to_string(value)).append("\n");
}

} // namespace portunus::detail

#endif
