// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_QUIET_TIME_CODEC_HPP
#define PORTUNUS_FRAMING_QUIET_TIME_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace portunus {

struct quiet_time_options {
    /// The most bytes of a frame. A peer that sends more without a pause has `frame_too_large`.
    std::size_t max_frame = default_max_frame;

    /// A frame is delivered when it is so old, counted from its first bytes, though more bytes come without a
    /// pause: a steady trickle cannot hold it back for ever. 0: no such limit. Otherwise from `silence` to 24
    /// hours; equal to `silence` it means "collect for that long, then deliver" (row X-13).
    std::chrono::milliseconds longest{0};
};

/// Frames that end with silence: what serial devices and old gateways do. `quiet_time_codec(50ms)`.
///
/// A frame is all the bytes since the last one; it is complete when no byte came for `silence`. The codec
/// tells by `deadline()` when that is, and is served by `expired`; `framed_stream` does both with a precise
/// timer.
///
/// The frames depend on the times that `received` was told, and on nothing else: bytes that come after the
/// deadline are a new frame even when `expired` was late or was not called. Those are the times at which this
/// program read the bytes; the network between may have joined or torn apart what the peer sent. It is the
/// weakest framing there is.
///
/// The end of the stream completes the frame, it is no partial one. An empty payload cannot be encoded: it
/// would not be seen. Two frames are sent apart only if the sender pauses in between; the codec cannot do
/// that.
class quiet_time_codec {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    /// \param silence 1 ms to 24 hours.
    /// \throws failure invalid_option: a time out of its range, a `max_frame` of 0.
    explicit quiet_time_codec(std::chrono::milliseconds silence, const quiet_time_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)),
          silence_(static_cast<std::uint32_t>(silence.count())),
          longest_(static_cast<std::uint32_t>(options.longest.count())) {
        static constexpr std::chrono::milliseconds day = std::chrono::hours(24);
        if (silence.count() < 1 || silence > day)
            detail::refuse_option(
                detail::text("silence of ", silence.count(), " ms is not in 1 to ", day.count()));
        if (options.longest.count() != 0 && (options.longest < silence || options.longest > day))
            detail::refuse_option(detail::text("longest of ", options.longest.count(),
                                               " ms is neither 0 nor in ", silence.count(),
                                               " (the silence) to ", day.count()));
    }

    void received(time_point now, std::size_t size) noexcept {
        if (collecting_ && now < frame_end()) {
            last_ = now;
        } else {
            if (collecting_ && complete_ == 0) complete_ = seen_;
            collecting_ = true;
            first_ = last_ = now;
        }
        seen_ = size;
    }
    std::optional<time_point> deadline() const noexcept {
        if (!collecting_) return std::nullopt;
        return frame_end();
    }
    void expired(time_point now) noexcept {
        // While a complete frame waits to be fetched, the one behind it has to wait for its turn.
        if (!collecting_ || complete_ != 0 || now < frame_end()) return;
        complete_ = seen_;
        collecting_ = false;
    }

    decode_step decode(char* data, std::size_t size) noexcept {
        if (complete_ != 0) {
            const std::size_t taken = std::min(complete_, size);
            complete_ = 0;
            seen_ -= taken;
            return detail::step_frame(taken, data, taken);
        }
        if (size > max_frame_) {
            failed_size_ = size;
            return detail::step_failed(0);
        }
        return detail::step_more(0);
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more || size == 0) return step;
        seen_ = 0;
        collecting_ = false;
        return detail::step_frame(size, data, size);
    }
    error failure() const {
        return failed_size_ == 0 ? error() : detail::frame_too_large(failed_size_, false, max_frame_);
    }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_encoded() const noexcept { return max_frame_ + 1; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() > max_frame_ ? 0 : payload.size();
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        if (payload.empty() || payload.size() > max_frame_) return unencodable;
        detail::copy_bytes(out, payload);
        return payload.size();
    }
    error encode_failure(std::string_view payload) const {
        if (payload.empty()) return error(errc::unencodable_payload, "an empty payload would not be seen");
        return payload.size() > max_frame_ ? detail::payload_too_large(payload.size(), max_frame_) : error();
    }

    /// Bytes that are there already count from the next `received` on.
    void reset() noexcept {
        seen_ = complete_ = failed_size_ = 0;
        collecting_ = false;
    }

  private:
    time_point frame_end() const noexcept {
        const time_point quiet = last_ + std::chrono::milliseconds(silence_);
        return longest_ == 0 ? quiet : std::min(quiet, first_ + std::chrono::milliseconds(longest_));
    }

    std::size_t max_frame_;
    std::uint32_t silence_;    // milliseconds
    std::uint32_t longest_;    // milliseconds, 0: no limit
    time_point first_{};       // when the frame began
    time_point last_{};        // when its last bytes came
    std::size_t seen_ = 0;     // all bytes at the last `received`, less those that were taken since
    std::size_t complete_ = 0; // bytes of the front that are a complete frame
    std::size_t failed_size_ = 0;
    bool collecting_ = false; // there are bytes whose silence has not come
};

static_assert(timed_codec<quiet_time_codec> && sizeof(quiet_time_codec) <= 64);

} // namespace portunus

#endif
