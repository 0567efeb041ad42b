// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_WEBSOCKET_FRAME_HPP
#define PORTUNUS_HTTP_WEBSOCKET_FRAME_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/http/detail/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// The frames of WebSocket (RFC 6455 5), without I/O: bytes in, messages out, and back.

namespace portunus::http {

/// Which end we are. Clients mask what they send, servers do not.
enum class websocket_role : std::uint8_t { client, server };

/// What a frame is (RFC 6455 5.2).
enum class websocket_opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
};

/// Why a WebSocket was closed (RFC 6455 7.4.1, and IANA's registry). 3000 to 4999 belong to applications.
enum class websocket_code : std::uint16_t {
    none = 0, ///< it is open
    normal = 1000,
    going_away = 1001, ///< a server stops, a page was left
    protocol_error = 1002,
    unacceptable = 1003, ///< a kind of data that the receiver does not take
    no_code = 1005,      ///< the peer gave none; never sent
    abnormal = 1006,     ///< the connection ended without a word; never sent
    bad_data = 1007,     ///< text that is not UTF-8, for instance
    policy = 1008,
    too_large = 1009,
    extension_missing = 1010,
    internal_error = 1011,
    service_restart = 1012,
    try_again_later = 1013,
    bad_gateway = 1014,
};

/// Whether a close frame may have this code.
constexpr bool may_be_sent(websocket_code code) noexcept {
    const auto n = static_cast<unsigned>(code);
    return (n >= 1000 && n <= 1003) || (n >= 1007 && n <= 1014) || (n >= 3000 && n <= 4999);
}

/// The most bytes that a ping, a pong or a close frame may have, a close's code included.
inline constexpr std::size_t max_control_payload = 125;

using websocket_mask = std::array<std::uint8_t, 4>;

namespace detail {
inline constexpr std::size_t first_websocket_room = 4096;
inline constexpr std::size_t most_idle_websocket_room =
    65536; // what is larger is given back when it is empty
inline constexpr std::size_t longest_websocket_header = 14;
} // namespace detail

/// Appends one frame. \param mask null for a server's
/// \param compressed whether to mark the message so (RSV1), in its first frame
PORTUNUS_DECL void append_frame(std::string& out, websocket_opcode what, std::string_view payload,
                                const websocket_mask* mask, bool final = true, bool compressed = false);
/// The same with a close's payload: the code, then the reason. `websocket_code::no_code` gives an empty one;
/// a reason of more than 123 bytes is cut at a character.
PORTUNUS_DECL void append_close(std::string& out, websocket_code code, std::string_view reason,
                                const websocket_mask* mask);

/// What a decoder has found.
struct websocket_event {
    enum class kind : std::uint8_t {
        more, ///< nothing whole: read on
        text,
        binary,
        ping,
        pong,
        close,  ///< `code` and, as payload, the reason; nothing follows it
        failed, ///< the bytes break the rules: `code` is for our close frame, `why` tells what and where
    };
    kind what = kind::more;
    websocket_code code = websocket_code::none;
    bool compressed = false; ///< the payload as it came; text was not looked at
    std::string_view payload{};
    std::string_view why{}; ///< valid as long as the decoder
};

/// Cuts a peer's bytes into messages. It owns the buffer that they are read into; messages are views into it,
/// unmasked where they lie. Only a message that came in several frames is copied together.
///
///     for (;;) {
///         const websocket_event e = decoder.next();
///         if (e.what != websocket_event::kind::more) ...                 // a view, until prepare() or
///         next() else decoder.commit(read_some_into(decoder.prepare()));
///     }
///
/// Strict: reserved bits and opcodes, lengths that are not in their shortest form, control frames that are
/// long or in pieces, masks where none belongs and none where one does, fragments out of turn, codes that
/// must not be sent and text that is not UTF-8 are refused; each verdict is given at the same byte however
/// they were split. A message over `max_message` is refused by its header, before its bytes are there, and
/// memory grows only as bytes come: to `max_message`, twice that with messages in fragments.
class websocket_decoder {
  public:
    websocket_decoder(websocket_role we_are, std::size_t max_message) noexcept
        : max_message_(max_message), masked_(we_are == websocket_role::server) {}

    /// Messages may be compressed from now on (RSV1, RFC 7692 6): it was agreed on.
    void allow_compressed() noexcept { may_compress_ = true; }

    /// Room for at least a byte. Ends the views.
    PORTUNUS_DECL std::span<char> prepare();
    void commit(std::size_t n) noexcept { end_ += n; }

    PORTUNUS_DECL websocket_event next();

    /// From now on the last message's view survives `prepare` and `next`, until `release`: for who has to go
    /// on reading while somebody still looks at it.
    PORTUNUS_DECL void keep();
    PORTUNUS_DECL void release() noexcept;

    /// Bytes of memory that it holds.
    std::size_t capacity() const noexcept {
        return in_.size() + whole_.capacity() + kept_in_.size() + kept_whole_.capacity();
    }

  private:
    using kind = websocket_event::kind;
    struct header {
        std::size_t size = 0; // of itself
        std::size_t payload = 0;
        websocket_opcode opcode{};
        bool final = false;
        bool compressed = false;
        websocket_mask mask{};
    };
    /// False: not all there, or failed.
    bool read_header(header& h);
    bool check_opcode(unsigned first, unsigned length);
    websocket_event take_data(const header& h, std::span<char> payload);
    websocket_event take_close(std::string_view payload);
    websocket_event fail(websocket_code code, std::string why);
    bool fails(websocket_code code, std::string_view why);

    std::vector<char> in_{}; // its size is the room
    std::size_t begin_ = 0, end_ = 0;
    std::vector<char> whole_{}; // a message in fragments
    std::vector<char> kept_in_{}, kept_whole_{};
    std::size_t max_message_;
    std::uint64_t at_ = 0; // of begin_ in the stream
    std::string why_{};
    detail::utf8_check utf8_{};
    websocket_code failed_ = websocket_code::none;
    bool masked_; // the peer has to
    bool in_message_ = false;
    bool whole_done_ = false; // the next fragment begins a new one
    bool text_ = false;
    bool closed_ = false;
    bool may_compress_ = false;
    bool compressed_ = false; // the message
};

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/websocket_frame.ipp>
#endif

#endif
