// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_LOGGER_IPP
#define PORTUNUS_CORE_IMPL_LOGGER_IPP

#include <portunus/core/logger.hpp>

#include <portunus/core/detail/config.hpp>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace portunus {

PORTUNUS_DECL logger logger::silent() {
    logger none;
    none.threshold_ = log_level::off;
    return none;
}

PORTUNUS_DECL void logger::operator()(log_level level, std::string_view text,
                                      std::initializer_list<log_field> fields) const {
    if (!enabled(level)) return;
    const std::span<const log_field> view(fields.begin(), fields.size());
    if (to_)
        (*to_)(level, text, view);
    else
        write_to_stderr(level, text, view);
}

PORTUNUS_DECL void logger::write_to_stderr(log_level level, std::string_view text,
                                           std::span<const log_field> fields) {
    std::string line = "portunus ";
    line.append(to_string(level)).append(": ").append(text);
    for (const log_field& field : fields)
        line.append(" ").append(field.name()).append("=").append(field.value());
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stderr); // one call, so that lines of threads do not mix
}

} // namespace portunus

#endif
