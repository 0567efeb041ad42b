// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_SECURITY_HEADERS_HPP
#define PORTUNUS_HTTP_SECURITY_HEADERS_HPP

#include <portunus/http/middleware.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

/// Empty: that field is not sent.
struct security_header_options {
    /// Scripts, styles and everything else from this server alone, no inline scripts, and no page may frame
    /// ours.
    std::string content_policy =
        "default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'";
    std::string referrer_policy = "same-origin";
    /// HTTPS for that long: `max-age=31536000`. Not for devices that are reached by plain HTTP as well.
    std::string strict_transport;
};

/// Adds what tells a browser to be careful: `X-Content-Type-Options: nosniff`, Content-Security-Policy,
/// Referrer-Policy. What a handler has set itself stays.
inline middleware security_headers(security_header_options options = {}) {
    middleware m;
    m.after = [options = std::move(options)](const request&, response& answer) {
        const auto set = [&](std::string_view name, std::string_view value) {
            if (!value.empty() && !answer.find(name)) answer.add(name, value);
        };
        set("X-Content-Type-Options", "nosniff");
        set("Content-Security-Policy", options.content_policy);
        set("Referrer-Policy", options.referrer_policy);
        set("Strict-Transport-Security", options.strict_transport);
    };
    return m;
}

} // namespace portunus::http

#endif
