// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_DEFLATE_HPP
#define PORTUNUS_HTTP_WEBSOCKET_DEFLATE_HPP

#include <portunus/core/result.hpp>
#include <portunus/http/gzip.hpp>
#include <portunus/http/websocket_extension.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// Compressed WebSocket messages: permessage-deflate (RFC 7692). Needs zlib: link `portunus::gzip`.

namespace portunus::http {

/// What compression may cost. Memory is taken for each WebSocket when its first compressed message comes or
/// goes: for sending about 2^(window_bits+2) + 2^(memory+9) bytes (32 KiB by default), for receiving up to
/// 2^peer_window_bits and 10 KiB.
struct websocket_deflate_options {
    int level{6};        ///< 1 (fast) to 9 (small)
    int window_bits{12}; ///< of what we send, 9 to 15
    int memory{5};       ///< 1 to 9
    /// The peer's window, 9 to 15, where it can be limited: a server's always, a client's if it allows that.
    int peer_window_bits{15};
    /// Whether our messages refer to the ones before, which makes small ones much smaller. A secret of ours
    /// and what a stranger chose should not stand in messages that do: their lengths tell of both.
    bool keep_context{true};
    /// The same for the peer's; false asks it not to.
    bool peer_keeps_context{true};
    /// Shorter messages go as they are, in bytes.
    std::size_t min_size{64};
    /// The most bytes out for each byte in, from `ratio_from` bytes of a message on; 0: any. The message's
    /// own limit is `websocket_options::max_message`.
    std::uint32_t max_ratio{200};
    std::size_t ratio_from{1024 * 1024};
};

/// What both have agreed on (RFC 7692 7.1).
struct websocket_deflate_terms {
    bool server_no_context_takeover = false;
    bool client_no_context_takeover = false;
    int server_max_window_bits = 0; ///< 8 to 15; 0: not mentioned
    int client_max_window_bits = 0; ///< the same, and -1: mentioned without a value

    /// Reads one offer or answer. `errc::malformed_frame` for another extension, unknown or repeated
    /// parameters, and values that are out of range.
    static result<websocket_deflate_terms> parse(std::string_view text);
    std::string to_string() const;
};

/// Offers and accepts permessage-deflate. Off unless it is put into the options:
///
///     http::websocket_handler_options options;                  // or websocket_client_options
///     options.extension = std::make_shared<const http::websocket_deflate>();
///
/// Throws `failure` (`errc::invalid_option`) for options out of their range.
class websocket_deflate final : public websocket_extension {
  public:
    explicit websocket_deflate(const websocket_deflate_options& options = {});

    std::string offer() const override;
    agreement accept(std::string_view offered) const override;
    result<std::shared_ptr<websocket_compression>> confirm(std::string_view answer) const override;

  private:
    websocket_deflate_options options_;
};

/// The messages themselves. Made by `websocket_deflate`; public for who speaks WebSocket in another way.
class websocket_deflater final : public websocket_compression {
  public:
    /// \param own_bits our window; below 9, which zlib cannot do, nothing is compressed
    /// \param own_context and peer_context whether messages refer to the ones before
    websocket_deflater(const websocket_deflate_options& options, int own_bits, bool own_context,
                       int peer_bits, bool peer_context) noexcept;

    bool compress(std::string_view message, std::string& out) override;
    result<void> decompress(std::string_view bytes, std::size_t most, std::vector<char>& out) override;

  private:
    result<void> inflate(std::string_view bytes, std::size_t most, std::vector<char>& out, std::size_t& used);

    websocket_deflate_options options_;
    std::unique_ptr<z_stream_s, detail::deflate_end> out_{};
    std::unique_ptr<z_stream_s, detail::inflate_end> in_{};
    int own_bits_, peer_bits_;
    bool own_context_, peer_context_;
};

} // namespace portunus::http

#include <portunus/http/impl/websocket_deflate.hpp>

#endif
