// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_ESCAPED_CODEC_HPP
#define PORTUNUS_FRAMING_ESCAPED_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus {

struct escaped_options {
    /// The longest payload in bytes, markers and escapes not counted.
    std::size_t max_frame = default_max_frame;

    /// So many bytes may be skipped in a row, without a good frame in between, before the stream is given up
    /// as `malformed_frame`. 0: 64 KiB, or what the largest frame takes if that is more, so that one spoilt
    /// frame is always survived.
    std::size_t max_noise = 0;
};

/// stp framing (row S-22): every payload can be carried, and a receiver that joins in the middle finds the
/// next frame.
///
///     3A 3C   payload, each 3A in it as 3A 3D   3A 3E
///
/// `:message:` is 3A 3C, 3A 3D 6D 65 73 73 61 67 65 3A 3D, 3A 3E.
///
/// Recovery: bytes outside of frames are skipped; 3A 3C inside of a frame drops what there is of it and
/// begins a new one; 3A with any other byte behind it drops the frame. All that is counted: nothing is lost
/// silently.
///
/// The bytes stay as they came until their frame is complete, then the escapes are removed in place; a frame
/// without escapes is a view of what arrived. Each byte is searched once, those of a frame with escapes
/// twice.
class escaped_codec {
  public:
    /// \throws failure invalid_option: a `max_frame` of 0.
    explicit escaped_codec(const escaped_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)),
          max_noise_(options.max_noise != 0 ? options.max_noise
                                            : std::max<std::size_t>(max_encoded(), 65536)) {}

    decode_step decode(char* data, std::size_t size) noexcept;
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more) return step;
        const std::size_t rest = size - step.consumed;
        if (inside_) return fail(failed::partial, rest, step.consumed);
        skip(rest); // at most a single 3A that begins nothing any more
        return detail::step_more(size);
    }
    error failure() const {
        switch (failed_) {
        case failed::no:
            break;
        case failed::partial:
            return detail::partial_frame(scanned_);
        case failed::too_large:
            return detail::frame_too_large(scanned_, false, max_frame_);
        case failed::noise:
            return error(errc::malformed_frame,
                         detail::text("no complete frame in ", noise_, " bytes, max_noise is ", max_noise_));
        }
        return {};
    }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_encoded() const noexcept { return 2 * max_frame_ + 4; }
    std::size_t max_noise() const noexcept { return max_noise_; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() > max_frame_ ? 0 : 2 * payload.size() + 4;
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept;
    error encode_failure(std::string_view payload) const {
        return payload.size() > max_frame_ ? detail::payload_too_large(payload.size(), max_frame_) : error();
    }

    void reset() noexcept {
        scanned_ = escapes_ = noise_ = 0;
        inside_ = false;
        failed_ = failed::no;
    }

    /// Frames that were begun and not delivered, because they were restarted or had a wrong escape. Since
    /// construction.
    std::uint64_t dropped() const noexcept { return dropped_; }

    /// Bytes that belonged to no delivered frame, those of dropped frames included. Since construction.
    std::uint64_t skipped() const noexcept { return skipped_; }

    /// Bytes of the front that have been searched and will not be searched again.
    std::size_t scanned() const noexcept { return scanned_; }

  private:
    static constexpr char escape = 0x3A, begin_mark = 0x3C, literal_mark = 0x3D, end_mark = 0x3E;
    enum class failed : std::uint8_t { no, partial, too_large, noise };

    static char* unescape(char* from, char* end) noexcept;

    void skip(std::size_t count) noexcept {
        noise_ += count;
        skipped_ += count;
    }
    [[gnu::cold, gnu::noinline]] decode_step fail(failed how, std::size_t size,
                                                  std::size_t consumed) noexcept {
        failed_ = how;
        scanned_ = size; // nothing is searched after a failure
        return detail::step_failed(consumed);
    }

    std::size_t max_frame_;
    std::size_t max_noise_;
    std::size_t scanned_ = 0; // from the front, which is the frame's begin mark if `inside_`
    std::size_t escapes_ = 0; // among those
    std::size_t noise_ = 0;   // bytes skipped since the last good frame
    std::uint64_t skipped_ = 0;
    std::uint64_t dropped_ = 0;
    bool inside_ = false;
    failed failed_ = failed::no;
};

static_assert(frame_codec<escaped_codec> && sizeof(escaped_codec) <= 64);

/// Row S-22 by its name.
inline escaped_codec stp(std::size_t max_frame = default_max_frame) {
    return escaped_codec({.max_frame = max_frame});
}

} // namespace portunus

#include <portunus/framing/impl/escaped_codec.hpp>

#endif
