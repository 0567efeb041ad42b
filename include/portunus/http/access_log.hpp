// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_ACCESS_LOG_HPP
#define PORTUNUS_HTTP_ACCESS_LOG_HPP

#include <portunus/core/logger.hpp>
#include <portunus/http/middleware.hpp>
#include <portunus/http/url.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

struct access_log_options {
    log_level level{log_level::info};
    /// Queries carry passwords and tokens more often than their authors think; without this neither they nor
    /// that of the Referer are written.
    bool queries{false};
};

/// One line for each request that was answered, with what the Combined Log Format has: `from`, `method`,
/// `target`, `version`, `status`, `bytes` ("-" where a stream's length is not known; what was promised, not
/// what arrived), `referer`, `agent`. The time is the logger's affair. What was refused before it was a
/// request is in the server's counters.
///
/// Outermost, so that it sees what the others have answered.
inline middleware access_log(logger to, access_log_options options = {}) {
    middleware m;
    m.after = [to = std::move(to), options](const request& r, response& answer) {
        if (!to.enabled(options.level)) return;
        const auto shown = [&](std::string_view target) {
            return options.queries ? target : target.substr(0, target.find_first_of("?#"));
        };
        const std::string from = r.remote_endpoint().address().to_string();
        const std::string bytes = !answer.source()          ? std::to_string(answer.body().size())
                                  : !answer.source_length() ? "-"
                                                            : std::to_string(*answer.source_length());
        to(options.level, "request",
           {{"from", from},
            {"method", r.head().method_text()},
            {"target", shown(r.head().target())},
            {"version", r.head().version() == http_version::v1_0 ? "1.0" : "1.1"},
            {"status", static_cast<unsigned>(answer.code())},
            {"bytes", bytes},
            {"referer", shown(r.find(field::referer).value_or("-"))},
            {"agent", r.find(field::user_agent).value_or("-")}});
    };
    return m;
}

} // namespace portunus::http

#endif
