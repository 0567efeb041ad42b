// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_UPGRADE_IPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_UPGRADE_IPP

#include <portunus/http/websocket_upgrade.hpp>

#include <portunus/http/detail/characters.hpp>
#include <portunus/http/detail/host.hpp>
#include <portunus/http/detail/sha1.hpp>
#include <portunus/http/list_elements.hpp>

#include <cstddef>
#include <optional>

namespace portunus::http {
namespace detail {

inline constexpr std::string_view websocket_base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

PORTUNUS_DECL void websocket_base64(std::span<const std::uint8_t> bytes, std::span<char> text) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t n = bytes.size() - i;
        const unsigned three = static_cast<unsigned>(bytes[i]) << 16 |
                               (n > 1 ? static_cast<unsigned>(bytes[i + 1]) << 8 : 0u) |
                               (n > 2 ? static_cast<unsigned>(bytes[i + 2]) : 0u);
        for (std::size_t digit = 0; digit != 4; ++digit)
            text[at++] = digit <= n ? websocket_base64_digits[three >> (18 - 6 * digit) & 63] : '=';
    }
}

/// Whether a text is 16 bytes in base64.
PORTUNUS_DECL bool is_websocket_key(std::string_view text) noexcept {
    return text.size() == 24 && text.ends_with("==") &&
           text.substr(0, 22).find_first_not_of(websocket_base64_digits) == std::string_view::npos;
}

/// The only field of that name; nothing where there is none, or several.
PORTUNUS_DECL std::optional<std::string_view> only_field(const field_list& head,
                                                         std::string_view name) noexcept {
    std::optional<std::string_view> found;
    for (const field_view f : head) {
        if (!same_word(f.name, name)) continue;
        if (found) return std::nullopt;
        found = f.value;
    }
    return found;
}

/// Whether "https://name:port" is a page of `host`. The scheme by which we are reached is not known here (a
/// proxy may speak TLS for us), so a missing port is the default of the page's scheme.
PORTUNUS_DECL bool is_same_origin(std::string_view origin, const request_head& head) noexcept {
    const std::size_t colon = origin.find("://");
    if (colon == std::string_view::npos) return false;
    const std::string_view scheme = origin.substr(0, colon);
    const bool secure = same_word(scheme, "https");
    if (!secure && !same_word(scheme, "http")) return false;
    const std::string_view authority = origin.substr(colon + 3);
    const host_reading page = read_host(authority);
    const std::uint16_t usual = secure ? 443 : 80;
    return page.fine && same_word(authority.substr(0, page.name_size), head.host_name()) &&
           (page.has_port ? page.port : usual) == (head.port() != 0 ? head.port() : usual);
}

PORTUNUS_DECL bool origin_allowed(std::string_view origin, const request_head& head,
                                  const websocket_upgrade_rules& rules) noexcept {
    if (rules.origin == websocket_origin::any_origin_is_trusted) return true;
    for (const std::string& allowed : rules.allowed_origins)
        if (same_word(allowed, origin)) return true;
    return is_same_origin(origin, head);
}

PORTUNUS_DECL websocket_verdict refuse_upgrade(http::status code, std::string_view why) noexcept {
    websocket_verdict v;
    v.code = code;
    v.why = why;
    return v;
}

} // namespace detail

PORTUNUS_DECL std::array<char, 28> websocket_accept(std::string_view key) {
    std::string text(key);
    text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const auto digest = detail::sha1(text);
    std::array<char, 28> accept{};
    detail::websocket_base64(digest, accept);
    return accept;
}

PORTUNUS_DECL std::array<char, 24> websocket_key(std::span<const std::uint8_t, 16> random) {
    std::array<char, 24> key{};
    detail::websocket_base64(random, key);
    return key;
}

PORTUNUS_DECL websocket_verdict judge_upgrade(const request_head& head,
                                              const websocket_upgrade_rules& rules) {
    using detail::refuse_upgrade;
    if (!head.has_element("Upgrade", "websocket"))
        return refuse_upgrade(status::upgrade_required, "this address speaks WebSocket (RFC 6455)");
    if (head.version() != http_version::v1_1)
        return refuse_upgrade(status::bad_request, "a WebSocket begins with HTTP/1.1");
    if (head.method() != verb::get) return refuse_upgrade(status::bad_request, "a WebSocket begins with GET");
    if (!head.has_element("Connection", "upgrade"))
        return refuse_upgrade(status::bad_request, "Connection does not announce the upgrade");
    if (head.has_body()) return refuse_upgrade(status::bad_request, "an upgrade has no body");
    const auto version = detail::only_field(head, "Sec-WebSocket-Version");
    if (!version || *version != "13")
        return refuse_upgrade(status::upgrade_required, "Sec-WebSocket-Version has to be 13");
    const auto key = detail::only_field(head, "Sec-WebSocket-Key");
    if (!key || !detail::is_websocket_key(*key))
        return refuse_upgrade(status::bad_request, "Sec-WebSocket-Key has to be 16 bytes in base64, once");
    if (head.contains("Origin")) {
        const auto origin = detail::only_field(head, "Origin");
        if (!origin || !detail::origin_allowed(*origin, head, rules))
            return refuse_upgrade(status::forbidden, "pages of this origin may not connect");
    }
    websocket_verdict v;
    v.accept = websocket_accept(*key);
    for (const std::string& ours : rules.subprotocols) {
        for (const std::string_view value : head.all("Sec-WebSocket-Protocol"))
            for (const std::string_view theirs : list_elements(value))
                if (theirs == ours) v.subprotocol = ours;
        if (!v.subprotocol.empty()) break;
    }
    return v;
}

PORTUNUS_DECL result<std::string_view> judge_upgrade_answer(const response_head& head, std::string_view key,
                                                            std::span<const std::string> offered,
                                                            bool extension_offered) {
    const auto wrong = [](std::string_view what) {
        return error(errc::malformed_frame, "the answer to a WebSocket's handshake: " + std::string(what));
    };
    if (head.status_code() != 101) {
        std::string text = "the server answered " + std::to_string(head.status_code());
        if (!head.reason().empty()) text.append(" ").append(head.reason());
        return error(errc::remote_error, std::move(text));
    }
    if (!head.has_element("Upgrade", "websocket")) return wrong("Upgrade is not websocket");
    if (!head.has_element("Connection", "upgrade")) return wrong("Connection has no upgrade");
    const auto accept = detail::only_field(head, "Sec-WebSocket-Accept");
    const auto expected = websocket_accept(key);
    if (!accept || *accept != std::string_view(expected.data(), expected.size()))
        return wrong("Sec-WebSocket-Accept does not belong to our key");
    if (!extension_offered && head.contains("Sec-WebSocket-Extensions"))
        return wrong("an extension that was not offered");
    if (!head.contains("Sec-WebSocket-Protocol")) return std::string_view();
    const auto chosen = detail::only_field(head, "Sec-WebSocket-Protocol");
    if (chosen)
        for (const std::string& ours : offered)
            if (*chosen == ours) return *chosen;
    return wrong("a subprotocol that was not offered");
}

} // namespace portunus::http

#endif
