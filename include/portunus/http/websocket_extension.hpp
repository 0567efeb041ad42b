// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_EXTENSION_HPP
#define PORTUNUS_HTTP_WEBSOCKET_EXTENSION_HPP

#include <portunus/core/result.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// The seam for compressed messages, so that who does not want them needs no zlib. What goes in here is made
/// by `websocket_deflate` (<portunus/http/websocket_deflate.hpp>).

namespace portunus::http {

/// Compresses and decompresses the messages of one WebSocket. It may remember the ones before.
class websocket_compression {
  public:
    websocket_compression() = default;
    websocket_compression(const websocket_compression&) = delete;
    websocket_compression& operator=(const websocket_compression&) = delete;
    virtual ~websocket_compression() = default;

    /// Replaces `out` by the compressed message, which then has to be sent; false: send it as it is.
    virtual bool compress(std::string_view message, std::string& out) = 0;
    /// Replaces `out` by the message. `errc::malformed_frame` (1007), `errc::frame_too_large` (1009) beyond
    /// `most` bytes or for too many bytes out of too few; it is of no use after either.
    virtual result<void> decompress(std::string_view bytes, std::size_t most, std::vector<char>& out) = 0;
};

/// What agrees with a peer on compression in the handshake (Sec-WebSocket-Extensions, RFC 6455 9).
class websocket_extension {
  public:
    struct agreement {
        std::string answer{}; ///< empty: the offer is declined
        std::shared_ptr<websocket_compression> compression{};
    };

    websocket_extension() = default;
    websocket_extension(const websocket_extension&) = delete;
    websocket_extension& operator=(const websocket_extension&) = delete;
    virtual ~websocket_extension() = default;

    /// What a client offers.
    virtual std::string offer() const = 0;
    /// A server's judgement of one of the offers.
    virtual agreement accept(std::string_view offered) const = 0;
    /// A client's judgement of what the server made of its offer; `errc::malformed_frame`.
    virtual result<std::shared_ptr<websocket_compression>> confirm(std::string_view answer) const = 0;
};

} // namespace portunus::http

#endif
