// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_LINE_CODEC_HPP
#define PORTUNUS_FRAMING_LINE_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus {

/// What ends a line, and what is sent behind one.
///
/// | mode          | ends a line                      | is sent | a payload cannot contain |
/// |---------------|----------------------------------|---------|--------------------------|
/// | `any`         | a run of CR and LF in any order  | CR LF   | CR, LF                   |
/// | `crlf`        | LF; a CR right before it belongs | CR LF   | LF                       |
/// | `crlf_strict` | CR LF; either alone is payload   | CR LF   | CR LF                    |
/// | `lf`          | LF; a CR before it is payload    | LF      | LF                       |
/// | `nul`         | a zero byte                      | NUL     | NUL                      |
///
/// `any` is for peers of which nothing is known. A run of CR and LF is one end, however long and however
/// split over reads, so empty lines vanish, except one: a run at the very start of the stream yields one
/// empty line. The line is delivered at once at the first byte of the run; what follows of the run is skipped
/// when the next line is asked for. An empty payload is sent as CR LF, which another `any` therefore does not
/// see, and a peer that counts lines does.
enum class line_mode : std::uint8_t { any, crlf, crlf_strict, lf, nul };

constexpr std::string_view to_string(line_mode mode) noexcept {
    switch (mode) {
    case line_mode::any:
        return "any";
    case line_mode::crlf:
        return "crlf";
    case line_mode::crlf_strict:
        return "crlf_strict";
    case line_mode::lf:
        return "lf";
    case line_mode::nul:
        return "nul";
    }
    return "unknown";
}

struct line_options {
    /// The longest line in bytes, its terminator not counted.
    std::size_t max_frame = default_max_frame;

    /// The frames contain their terminator as it came; `encode` takes payloads with or without it, and ends
    /// both as the mode does. Not with `any`, where how much of the run is there depends on how the bytes
    /// arrive.
    bool keep_delimiter = false;
};

/// Lines of text: `line_codec{}`, `line_codec(line_mode::lf)`, or with a limit
/// `line_codec(line_mode::crlf, {.max_frame = 512})`.
///
/// Each byte is searched once, in registers; a frame is a view. Rows Q-10 and S-23 of the semantics; a line
/// that is too long is `frame_too_large`, never cut.
///
/// A connection that starts with lines and goes on with another codec (`exchange`) should use a mode with one
/// terminator. With `any`, an LF that follows the line's CR is taken with it even when it comes later, but
/// the rest of a longer run is given to the next codec.
class line_codec {
  public:
    /// \throws failure invalid_option: a `max_frame` of 0, `keep_delimiter` with `any`.
    explicit line_codec(line_mode mode = line_mode::any, const line_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)), mode_(mode),
          keep_(options.keep_delimiter) {
        if (mode > line_mode::nul)
            detail::refuse_option(detail::text("line mode ", static_cast<int>(mode), " is not in 0 to 4"));
        if (keep_ && mode == line_mode::any)
            detail::refuse_option(
                "keep_delimiter is not possible with line_mode::any, only with crlf, crlf_strict, lf "
                "and nul");
    }

    line_mode mode() const noexcept { return mode_; }

    decode_step decode(char* data, std::size_t size) noexcept {
        if (mode_ == line_mode::any) return decode_any(data, size);
        return decode_to_byte(data, size);
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more || step.consumed == size) return step;
        return fail(detail::codec_failure::partial, size - step.consumed, step.consumed);
    }
    error failure() const {
        if (failed_ == detail::codec_failure::none) return {};
        if (failed_ == detail::codec_failure::partial) return detail::partial_frame(failed_size_);
        return detail::frame_too_large(failed_size_, failed_ == detail::codec_failure::too_large, max_frame_);
    }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_encoded() const noexcept { return max_frame_ + 2; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() > max_encoded() ? 0 : payload.size() + 2;
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept;
    error encode_failure(std::string_view payload) const;

    void reset() noexcept {
        scanned_ = 0;
        run_ = run_state::none;
        failed_ = detail::codec_failure::none;
    }

    /// Bytes of the front that have been searched and will not be searched again.
    std::size_t scanned() const noexcept { return scanned_; }

    /// Whether the last line ended with a CR that was the last byte there was: an LF that comes next belongs
    /// to it.
    bool awaits_lf() const noexcept { return run_ == run_state::after_cr; }

  private:
    enum class run_state : std::uint8_t {
        none,
        inside,   // the last line has ended; more CR and LF may follow and belong to its end
        after_cr, // the same, and nothing has come since a CR
    };

    static constexpr bool ends_line(char c) noexcept { return c == '\r' || c == '\n'; }

    [[gnu::always_inline]] decode_step decode_any(const char* data, std::size_t size) noexcept;
    decode_step decode_to_byte(const char* data, std::size_t size) noexcept;
    std::string_view without_terminator(std::string_view payload) const noexcept;

    [[gnu::cold, gnu::noinline]] decode_step fail(detail::codec_failure how, std::size_t size,
                                                  std::size_t consumed = 0) noexcept {
        failed_ = how;
        failed_size_ = size;
        return detail::step_failed(consumed);
    }

    std::size_t max_frame_;
    std::size_t scanned_ = 0;
    std::size_t failed_size_ = 0;
    line_mode mode_;
    bool keep_;
    run_state run_ = run_state::none;
    detail::codec_failure failed_ = detail::codec_failure::none;
};

static_assert(frame_codec<line_codec> && sizeof(line_codec) <= 32);

/// Row S-23: a message, then LF, no escaping.
inline line_codec csp(std::size_t max_frame = default_max_frame) {
    return line_codec(line_mode::lf, {.max_frame = max_frame});
}

} // namespace portunus

#include <portunus/framing/impl/line_codec.hpp>

#endif