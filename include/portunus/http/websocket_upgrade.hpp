// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_UPGRADE_HPP
#define PORTUNUS_HTTP_WEBSOCKET_UPGRADE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/head.hpp>
#include <portunus/http/vocabulary.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// How HTTP turns into WebSocket (RFC 6455 4): judged from heads that a parser has accepted, without I/O.

namespace portunus::http {

/// Whose pages may open a WebSocket. A browser sends a user's cookies with it to any site and tells in Origin
/// whose page it was, so without this check every page of the world speaks with the user's rights.
enum class websocket_origin : std::uint8_t {
    same, ///< pages of the host that they talk to, by Host; and `allowed_origins`
    any_origin_is_trusted,
};

/// What a server accepts. It owns things: give it a name first.
struct websocket_upgrade_rules {
    /// What we speak, the preferred one first. The first that the client offers too is chosen. When it offers
    /// others alone, the connection is opened without one, and the client decides what it makes of that.
    std::vector<std::string> subprotocols{};
    websocket_origin origin{websocket_origin::same};
    /// Besides: "https://app.example", "http://localhost:8080". A request without Origin comes from no
    /// browser and is accepted.
    std::vector<std::string> allowed_origins{};
};

/// What becomes of a request.
struct websocket_verdict {
    /// 101; or 426 (no WebSocket asked for, or another version of it), 400 (a broken handshake), 403
    /// (Origin).
    http::status code = status::switching_protocols;
    std::string_view why{};         ///< for the body of a refusal; a text that stands in the program
    std::string_view subprotocol{}; ///< empty: none. A view into the rules
    std::array<char, 28> accept{};  ///< the value of Sec-WebSocket-Accept

    bool accepted() const noexcept { return code == status::switching_protocols; }
    std::string_view accept_text() const noexcept { return {accept.data(), accept.size()}; }
};

/// Judges a request (RFC 6455 4.2.1): GET in HTTP/1.1 without a body, Upgrade with "websocket", Connection
/// with "upgrade", one Sec-WebSocket-Version of 13, one Sec-WebSocket-Key of 16 bytes in base64, an Origin
/// that the rules allow. Extensions are for the caller to judge.
PORTUNUS_DECL websocket_verdict judge_upgrade(const request_head& head, const websocket_upgrade_rules& rules);

/// What Sec-WebSocket-Accept has to be for a key (RFC 6455 4.2.2, 5.4).
PORTUNUS_DECL std::array<char, 28> websocket_accept(std::string_view key);

/// Base64 of 16 bytes: a Sec-WebSocket-Key.
PORTUNUS_DECL std::array<char, 24> websocket_key(std::span<const std::uint8_t, 16> random);

/// Judges a server's answer to `key` (RFC 6455 4.1): the subprotocol that it chose, empty for none.
/// `errc::remote_error` for another status than 101, with it; `errc::malformed_frame` for a 101 that is no
/// answer to what was asked: Upgrade, Connection or the key's checksum wrong, a subprotocol or an extension
/// that was not offered. Of an extension that was, the caller judges the answer.
PORTUNUS_DECL result<std::string_view> judge_upgrade_answer(const response_head& head, std::string_view key,
                                                            std::span<const std::string> offered,
                                                            bool extension_offered = false);

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/websocket_upgrade.ipp>
#endif

#endif
