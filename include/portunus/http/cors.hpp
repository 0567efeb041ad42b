// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CORS_HPP
#define PORTUNUS_HTTP_CORS_HPP

#include <portunus/core/error.hpp>
#include <portunus/http/middleware.hpp>
#include <portunus/http/vary.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http {

/// Which pages of other servers may use this one from a browser. As it is: none.
struct cors_options {
    /// "https://panel.example", compared as they are, or "*" for everybody. "*" does not go together with
    /// `credentials`: `failure`, `errc::invalid_option`.
    std::vector<std::string> origins;
    std::string methods = "GET, HEAD, POST, PUT, DELETE, PATCH";
    std::string request_headers = "Content-Type";
    std::string exposed_headers;       ///< that a script may read besides the usual ones
    bool credentials = false;          ///< cookies and passwords are sent, too
    std::chrono::seconds max_age{600}; ///< for which a browser need not ask again
};

/// Tells browsers which other sites may ask, and answers their preflights (the Fetch standard, "CORS
/// protocol"). It keeps nobody out who is no browser. Around the whole server, since a preflight is an
/// OPTIONS request that routes do not see.
inline middleware cors(cors_options options) {
    const auto contains = [](const std::vector<std::string>& list, std::string_view what) {
        return std::find(list.begin(), list.end(), what) != list.end();
    };
    const bool everybody = contains(options.origins, "*");
    if (everybody && options.credentials)
        throw failure(error(errc::invalid_option, "cors: origin \"*\" together with credentials would give "
                                                  "every site what the user may do here"));
    const auto shared = std::make_shared<const cors_options>(std::move(options));
    middleware m;
    m.before = [](request& r) -> std::optional<response> {
        if (r.method() != verb::options || !r.find("Origin") || !r.find("Access-Control-Request-Method"))
            return std::nullopt;
        return response(status::no_content); // what it allows is added below
    };
    m.after = [shared, everybody, contains](const request& r, response& answer) {
        if (shared->origins.empty()) return;
        if (!everybody) add_vary(answer, "Origin");
        const auto origin = r.find("Origin");
        if (!origin || !(everybody || contains(shared->origins, *origin))) return;
        answer.add("Access-Control-Allow-Origin", everybody ? "*" : *origin);
        if (shared->credentials) answer.add("Access-Control-Allow-Credentials", "true");
        if (r.method() == verb::options && r.find("Access-Control-Request-Method")) {
            answer.add("Access-Control-Allow-Methods", shared->methods);
            if (!shared->request_headers.empty())
                answer.add("Access-Control-Allow-Headers", shared->request_headers);
            answer.add("Access-Control-Max-Age", std::to_string(shared->max_age.count()));
        } else if (!shared->exposed_headers.empty()) {
            answer.add("Access-Control-Expose-Headers", shared->exposed_headers);
        }
    };
    return m;
}

} // namespace portunus::http

#endif
