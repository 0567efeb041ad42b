// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_RAW_CODEC_HPP
#define PORTUNUS_FRAMING_RAW_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace portunus {

struct raw_options {
    /// The most bytes that one frame has; what is beyond is the next frame.
    std::size_t max_frame = default_max_frame;
};

/// No framing: a frame is whatever is there, up to `max_frame` bytes, never empty. Row X-12 of the semantics,
/// without a boundary.
///
/// Where a stream is cut depends on the network: two writes may arrive as one frame, one write as several. So
/// a payload of any size can be "encoded": it is sent as it is, an empty one as nothing. The end of the
/// stream is always clean.
class raw_codec {
  public:
    /// \throws failure invalid_option: a `max_frame` of 0.
    explicit raw_codec(const raw_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)) {}

    decode_step decode(char* data, std::size_t size) noexcept {
        if (size == 0) return detail::step_more(0, 1);
        const std::size_t taken = std::min(size, max_frame_);
        return detail::step_frame(taken, data, taken);
    }
    decode_step finish(char* data, std::size_t size) noexcept { return decode(data, size); }
    error failure() const { return {}; }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_encoded() const noexcept { return max_frame_; }

    std::size_t encode_bound(std::string_view payload) const noexcept { return payload.size(); }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        detail::copy_bytes(out, payload);
        return payload.size();
    }
    error encode_failure(std::string_view) const { return {}; }

    void reset() noexcept {}

  private:
    std::size_t max_frame_;
};

static_assert(frame_codec<raw_codec>);

} // namespace portunus

#endif
