// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_FIXED_CODEC_HPP
#define PORTUNUS_FRAMING_FIXED_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <cstddef>
#include <string_view>

namespace portunus {

/// Frames that all have the same size: `fixed_codec(16)`. No byte is looked at.
///
/// A payload of another size cannot be encoded: it is neither cut nor padded. The frame size is the
/// `max_frame`, too; a device whose frames are longer than the usual 1 MiB is the program's own choice. Row
/// X-13 of the semantics.
class fixed_codec {
  public:
    /// \param frame_size bytes of every frame.
    /// \throws failure invalid_option: a size of 0, or one that no buffer can hold.
    explicit fixed_codec(std::size_t frame_size) : frame_size_(frame_size) {
        if (frame_size == 0 || frame_size > detail::largest_max_frame)
            detail::refuse_option(
                detail::text("frame size ", frame_size, " is not in 1 to ", detail::largest_max_frame));
    }

    std::size_t frame_size() const noexcept { return frame_size_; }

    decode_step decode(char* data, std::size_t size) noexcept {
        if (size < frame_size_) return detail::step_more(0, frame_size_ - size);
        return detail::step_frame(frame_size_, data, frame_size_);
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        if (size >= frame_size_ || size == 0) return decode(data, size);
        left_over_ = size;
        return detail::step_failed(0);
    }
    error failure() const {
        if (left_over_ == 0) return {};
        return error(errc::partial_frame, detail::text("stream ended after ", left_over_, " of the ",
                                                       frame_size_, " bytes of a frame"));
    }

    std::size_t max_frame() const noexcept { return frame_size_; }
    std::size_t max_encoded() const noexcept { return frame_size_; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() == frame_size_ ? frame_size_ : 0;
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        if (payload.size() != frame_size_) return unencodable;
        detail::copy_bytes(out, payload);
        return frame_size_;
    }
    error encode_failure(std::string_view payload) const {
        if (payload.size() == frame_size_) return {};
        return error(errc::unencodable_payload, detail::text("payload of ", payload.size(),
                                                             " bytes, frames have exactly ", frame_size_));
    }

    void reset() noexcept { left_over_ = 0; }

  private:
    std::size_t frame_size_;
    std::size_t left_over_ = 0;
};

static_assert(frame_codec<fixed_codec>);

} // namespace portunus

#endif
