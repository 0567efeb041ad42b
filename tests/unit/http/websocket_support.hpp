// SPDX-License-Identifier: BSL-1.0
// What the tests and the fuzz target of WebSocket share: frames by hand, and one text for all that a decoder
// says.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_WEBSOCKET_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_WEBSOCKET_SUPPORT_HPP

#include <portunus/http/websocket_frame.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace websocket_test {

namespace http = portunus::http;
using http::websocket_code;
using http::websocket_decoder;
using http::websocket_event;
using http::websocket_opcode;
using http::websocket_role;

inline void demand(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

/// A frame, written independently of the library: the first byte as it is, the length in its shortest form.
inline std::string raw(unsigned first, std::string_view payload, bool masked,
                       std::string_view mask = "\x37\xfa\x21\x3d") {
    const auto byte = [](std::size_t n) { return static_cast<char>(static_cast<unsigned char>(n & 0xff)); };
    std::string f{byte(first)};
    const std::size_t n = payload.size(), m = masked ? 0x80 : 0;
    if (n < 126) {
        f += byte(m | n);
    } else if (n < 65536) {
        f += byte(m | 126);
        f += byte(n >> 8);
        f += byte(n);
    } else {
        f += byte(m | 127);
        for (int i = 7; i >= 0; --i) f += byte(n >> (8 * i));
    }
    if (!masked) return f.append(payload);
    f += mask;
    for (std::size_t i = 0; i != n; ++i) f += static_cast<char>(payload[i] ^ mask[i % 4]);
    return f;
}

/// What a client sends.
inline std::string from_client(unsigned first, std::string_view payload) {
    return raw(first, payload, true);
}
inline std::string from_server(unsigned first, std::string_view payload) {
    return raw(first, payload, false);
}

/// A close's payload.
inline std::string close_payload(unsigned code, std::string_view reason = "") {
    std::string p{static_cast<char>(static_cast<unsigned char>(code >> 8)),
                  static_cast<char>(static_cast<unsigned char>(code & 0xff))};
    return p.append(reason);
}

inline std::string tell(const websocket_event& e) {
    using kind = websocket_event::kind;
    const std::string payload(e.payload);
    switch (e.what) {
    case kind::more:
        return "more";
    case kind::text:
        return "text[" + payload + "] ";
    case kind::binary:
        return "binary[" + payload + "] ";
    case kind::ping:
        return "ping[" + payload + "] ";
    case kind::pong:
        return "pong[" + payload + "] ";
    case kind::close:
        return "close " + std::to_string(static_cast<unsigned>(e.code)) + "[" + payload + "] ";
    case kind::failed:
        return "failed " + std::to_string(static_cast<unsigned>(e.code)) + ": " + std::string(e.why) + " ";
    }
    return "?";
}

/// Everything that these pieces come to. \param keep whether each message's bytes are put aside, as for
/// somebody who looks at them for long.
inline std::string decode(std::span<const std::string_view> pieces,
                          websocket_role role = websocket_role::server, std::size_t max_message = 1 << 20,
                          bool keep = false) {
    websocket_decoder decoder(role, max_message);
    std::string all;
    std::string_view held;
    std::string copy;
    for (std::string_view piece : pieces) {
        while (!piece.empty()) {
            const auto room = decoder.prepare();
            demand(!room.empty(), "there is no room");
            const std::size_t n = std::min(room.size(), piece.size());
            std::copy_n(piece.data(), n, room.data());
            decoder.commit(n);
            piece.remove_prefix(n);
            for (;;) {
                const websocket_event e = decoder.next();
                demand(held == copy, "a message that was kept has changed");
                if (e.what == websocket_event::kind::more) break;
                all += tell(e);
                if (e.what == websocket_event::kind::failed) return all;
                if (keep &&
                    (e.what == websocket_event::kind::text || e.what == websocket_event::kind::binary)) {
                    decoder.release();
                    held = e.payload;
                    copy = held;
                    decoder.keep();
                }
            }
            demand(held == copy, "a message that was kept has changed");
        }
    }
    return all;
}
inline std::string decode(std::string_view bytes, websocket_role role = websocket_role::server,
                          std::size_t max_message = 1 << 20) {
    return decode(std::span(&bytes, 1), role, max_message);
}

} // namespace websocket_test

#endif
