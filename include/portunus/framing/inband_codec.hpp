// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_INBAND_CODEC_HPP
#define PORTUNUS_FRAMING_INBAND_CODEC_HPP

#include <portunus/core/result.hpp>
#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace portunus {

struct inband_options {
    /// What begins a command, and stands twice where the data has it (EC; 255 unless told otherwise).
    char escape = '\xFF';
    /// What ends a command (13 unless told otherwise). In data it means nothing.
    char end = '\r';
    /// The most bytes that one piece of data has, escapes removed; what is beyond is the next piece.
    std::size_t max_frame = default_max_frame;
    /// The longest command in bytes, as it is delivered: its body and the end character.
    std::size_t max_command = 1024;
};

/// What one frame of an `inband_codec` is.
struct inband_piece {
    enum class kind : std::uint8_t { data, command };

    kind what = kind::data;
    /// Of a command: the byte between the escape and the body. Any but the escape itself.
    char tag = 0;
    /// Data: the bytes, each doubled escape as one. A command: its body with the end character.
    std::string_view bytes{};

    bool is_command() const noexcept { return what == kind::command; }
    /// A command without its end character; data as it is.
    std::string_view body() const noexcept {
        return is_command() ? bytes.substr(0, bytes.size() - 1) : bytes;
    }
};
static_assert(std::is_trivially_copyable_v<inband_piece>);

/// Commands between the data of one stream (row T-33): a serial port server that is told its baud rate
/// through the connection that carries the bytes of the port, for instance.
///
///     data, each FF in it as FF FF            FF tag body... 0D            data ...
///
/// Every byte can be carried as data. In a command the tag is any byte but the escape, and the body any bytes
/// but the end character; a single escape in a body is a byte like others.
///
/// A frame is a command, complete, or a piece of data, never empty; which of them it is, `piece` tells of the
/// frame that was decoded last. In a loop over a batch, which decodes while it is walked, that is the frame
/// at hand:
///
///     while (auto batch = co_await frames.read_batch())
///         for (std::string_view frame : *batch) {
///             const inband_piece piece = frames.codec().piece(frame);
///             if (piece.is_command()) obey(piece.tag, piece.body());
///             else consume(piece.bytes);
///         }
///
/// Data is delivered as it comes, so where it is cut depends on the network. What does not: the commands,
/// their order, and all the data before, between and behind them. That is this codec's form of the law of all
/// codecs.
///
/// Payloads are encoded as data; what makes a command is `encode_command`, or `command`. A framed stream
/// queues data only: to send a command, `flush`, then write it to its `stream()`. Each is whole then, and in
/// order.
///
/// Errors: `frame_too_large` for a command longer than `max_command`, `partial_frame` for a stream that ends
/// within one, or after a single escape. Each byte is searched once; data without escapes is a view of what
/// arrived.
class inband_codec {
  public:
    /// \throws failure invalid_option: a limit of 0, or the same character as escape and end.
    explicit inband_codec(const inband_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)),
          max_command_(checked_max_command(options.max_command)), escape_(options.escape), end_(options.end) {
        if (escape_ == end_)
            detail::refuse_option(detail::text("escape and end are both ",
                                               detail::name_of_byte(static_cast<unsigned char>(end_)),
                                               "; they have to differ"));
    }

    decode_step decode(char* data, std::size_t size) noexcept;
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more || size == 0) return step;
        return fail(failed::partial, size); // `more` consumes nothing here
    }
    error failure() const {
        switch (failed_) {
        case failed::no:
            break;
        case failed::partial:
            return detail::partial_frame(scanned_);
        case failed::too_large:
            return error(errc::frame_too_large, detail::text("command of at least ", scanned_,
                                                             " bytes exceeds max_command ", max_command_));
        }
        return {};
    }

    /// What the frame that was decoded last is; `frame` is that frame. Not to be asked of older ones.
    inband_piece piece(std::string_view frame) const noexcept { return {last_, tag_, frame}; }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_command() const noexcept { return max_command_; }
    std::size_t max_encoded() const noexcept { return std::max(2 * max_frame_, max_command_ + 2); }
    char escape() const noexcept { return escape_; }
    char end() const noexcept { return end_; }

    // data

    /// Data has no frames of its own, so a payload of any size is taken, an empty one as nothing.
    std::size_t encode_bound(std::string_view payload) const noexcept { return 2 * payload.size(); }
    std::size_t encode(std::string_view payload, char* out) const noexcept;
    error encode_failure(std::string_view) const { return {}; }

    // commands

    /// No less than `encode_command` writes; 0 when the body is refused for its size alone.
    std::size_t command_bound(std::string_view body) const noexcept {
        return body.size() >= max_command_ ? 0 : body.size() + 3;
    }
    /// Writes escape, `tag`, `body` (without the end character) and the end character, `command_bound` bytes,
    /// and returns how many; or `unencodable`. `body` and `out` do not overlap.
    std::size_t encode_command(char tag, std::string_view body, char* out) const noexcept;
    /// Why a command was refused: `unencodable_payload`, with the reason.
    error command_failure(char tag, std::string_view body) const;
    /// The command as a string, ready to be sent.
    result<std::string> command(char tag, std::string_view body) const;

    void reset() noexcept {
        scanned_ = 0;
        last_ = inband_piece::kind::data;
        tag_ = 0;
        failed_ = failed::no;
    }

    /// Bytes of the front that have been searched and will not be searched again.
    std::size_t scanned() const noexcept { return scanned_; }

  private:
    enum class failed : std::uint8_t { no, partial, too_large };

    static std::size_t checked_max_command(std::size_t limit) {
        if (limit == 0 || limit > detail::largest_max_frame)
            detail::refuse_option(
                detail::text("max_command ", limit, " is not in 1 to ", detail::largest_max_frame));
        return limit;
    }
    decode_step decode_command(const char* data, std::size_t size) noexcept;
    bool encodable(char tag, std::string_view body) const noexcept;
    [[gnu::cold, gnu::noinline]] decode_step fail(failed how, std::size_t size) noexcept {
        failed_ = how;
        scanned_ = size; // nothing is searched after a failure
        return detail::step_failed(0);
    }

    std::size_t max_frame_;
    std::size_t max_command_;
    std::size_t scanned_ = 0; // from the front, which is then the escape of a command
    char escape_;
    char end_;
    inband_piece::kind last_ = inband_piece::kind::data;
    char tag_ = 0;
    failed failed_ = failed::no;
};

static_assert(frame_codec<inband_codec>);

} // namespace portunus

#include <portunus/framing/impl/inband_codec.hpp>

#endif