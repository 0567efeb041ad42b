// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_REQUEST_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_REQUEST_IPP

#include <portunus/http/client_request.hpp>

#include <portunus/core/error.hpp>
#include <portunus/http/detail/characters.hpp>

namespace portunus::http {
namespace detail {

PORTUNUS_DECL void check_value(std::string_view name, std::string_view value);
PORTUNUS_DECL void check_value(std::string_view name, std::string_view value) {
    if (!all_of(class_value, value))
        throw failure(error(errc::invalid_option,
                            "field \"" + std::string(name) + "\": a control character in the value"));
}

} // namespace detail

PORTUNUS_DECL client_request& client_request::add(std::string_view name, std::string_view value) {
    const auto refuse = [&](const char* why) {
        throw failure(error(errc::invalid_option, "field " + detail::quoted(name) + ": " + why));
    };
    if (!detail::is_token(name)) refuse("the name is no token");
    detail::check_value(name, value);
    for (const std::string_view own : {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect",
                                       "TE", "Trailer", "Upgrade", "Keep-Alive"})
        if (detail::same_word(own, name)) refuse("the client writes it by itself");
    fields_.emplace_back(name, value);
    return *this;
}

PORTUNUS_DECL client_request& client_request::body(std::string bytes, std::string_view type) {
    detail::check_value("Content-Type", type);
    body_ = std::move(bytes);
    type_ = type;
    write_ = nullptr;
    has_body_ = true;
    return *this;
}

PORTUNUS_DECL client_request& client_request::body(upload_function write, std::string_view type,
                                                   std::optional<std::uint64_t> length) {
    detail::check_value("Content-Type", type);
    body_.clear();
    type_ = type;
    write_ = std::move(write);
    length_ = length;
    has_body_ = true;
    return *this;
}

PORTUNUS_DECL client_request& client_request::upgrade(std::string_view protocol) {
    if (protocol.empty()) throw failure(error(errc::invalid_option, "upgrade to a protocol without a name"));
    detail::check_value("Upgrade", protocol);
    upgrade_ = protocol;
    return *this;
}

} // namespace portunus::http

#endif
