// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_DELIMITER_CODEC_HPP
#define PORTUNUS_FRAMING_DELIMITER_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace portunus {

struct delimiter_options {
    /// The longest payload in bytes, the delimiter not counted.
    std::size_t max_frame = default_max_frame;

    /// The frames contain their delimiter; `encode` takes payloads with or without it at the end.
    bool keep_delimiter = false;
};

/// Frames that end with a text of 1 to 32 bytes, any bytes: `delimiter_codec("\x03")`,
/// `delimiter_codec("<EOF>")`.
///
/// A frame ends where the delimiter first occurs: two in a row have an empty frame between them. The
/// delimiter may be split over reads. Each byte is searched once, in registers; after an incomplete search
/// the next one begins where a delimiter could have begun at the earliest. A frame is a view.
///
/// A payload in which the peer would find the delimiter too early cannot be encoded. That includes payloads
/// whose end makes one together with the delimiter's beginning: `xab` cannot be ended with `aba`. Row X-13 of
/// the semantics.
class delimiter_codec {
  public:
    /// Bytes that a delimiter may have. They live inside of the codec: a connection allocates nothing for it.
    static constexpr std::size_t max_delimiter = 32;

    /// \throws failure invalid_option: an empty or too long delimiter, a `max_frame` of 0.
    explicit delimiter_codec(std::string_view delimiter, const delimiter_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)), keep_(options.keep_delimiter) {
        if (delimiter.empty() || delimiter.size() > max_delimiter)
            detail::refuse_option(detail::text("delimiter ", detail::quoted(delimiter), " of ",
                                               delimiter.size(), " bytes: 1 to ", max_delimiter,
                                               " are allowed"));
        std::memcpy(bytes_, delimiter.data(), delimiter.size());
        size_ = static_cast<std::uint8_t>(delimiter.size());
    }

    std::string_view delimiter() const noexcept { return {bytes_, size_}; }

    decode_step decode(char* data, std::size_t size) noexcept {
        const char* const end = data + size;
        const char* const hit = size_ == 1 ? detail::find_byte(data + scanned_, end, bytes_[0])
                                           : detail::find_pattern(data, data + scanned_, end, delimiter());
        auto length = static_cast<std::size_t>(hit - data);
        if (hit == end) {
            // The last bytes may be the beginning of a delimiter: they are searched again when more have
            // come.
            scanned_ = length = size < size_ ? 0u : size - size_ + 1u;
            if (length > max_frame_) [[unlikely]]
                return fail(detail::codec_failure::too_large_incomplete, length);
            return detail::step_more(0);
        }
        if (length > max_frame_) [[unlikely]]
            return fail(detail::codec_failure::too_large, length);
        scanned_ = 0;
        return detail::step_frame(length + size_, data, keep_ ? length + size_ : length);
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more || size == 0) return step;
        return fail(detail::codec_failure::partial, size);
    }
    error failure() const {
        if (failed_ == detail::codec_failure::none) return {};
        if (failed_ == detail::codec_failure::partial) return detail::partial_frame(failed_size_);
        return detail::frame_too_large(failed_size_, failed_ == detail::codec_failure::too_large, max_frame_);
    }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_encoded() const noexcept { return max_frame_ + size_; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() > max_encoded() ? 0 : payload.size() + size_;
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        payload = without_delimiter(payload);
        if (payload.size() > max_frame_) return unencodable;
        const std::size_t whole = payload.size() + size_;
        if (size_ == 1) {
            if (!detail::copy_without(payload.data(), payload.size(), out, bytes_[0])) return unencodable;
            out[payload.size()] = bytes_[0];
            return whole;
        }
        detail::copy_bytes(out, payload);
        std::memcpy(out + payload.size(), bytes_, size_);
        // Looking for the delimiter in the result finds the ones that straddle the end of the payload, too.
        return detail::find_pattern(out, out, out + whole, delimiter()) == out + payload.size() ? whole
                                                                                                : unencodable;
    }
    error encode_failure(std::string_view payload) const {
        payload = without_delimiter(payload);
        if (payload.size() > max_frame_) return detail::payload_too_large(payload.size(), max_frame_);
        const std::size_t at = std::string(payload).append(delimiter()).find(delimiter());
        if (at == payload.size()) return {};
        return detail::payload_contains(payload.size(),
                                        detail::text("the delimiter ", detail::quoted(delimiter())), at);
    }

    void reset() noexcept {
        scanned_ = 0;
        failed_ = detail::codec_failure::none;
    }

    /// Bytes of the front in which no delimiter can begin any more: the next search starts behind them.
    std::size_t scanned() const noexcept { return scanned_; }

  private:
    std::string_view without_delimiter(std::string_view payload) const noexcept {
        if (keep_ && payload.ends_with(delimiter())) payload.remove_suffix(size_);
        return payload;
    }
    [[gnu::cold, gnu::noinline]] decode_step fail(detail::codec_failure how, std::size_t size) noexcept {
        failed_ = how;
        failed_size_ = size;
        return detail::step_failed(0);
    }

    std::size_t max_frame_;
    std::size_t scanned_ = 0;
    std::size_t failed_size_ = 0;
    char bytes_[max_delimiter];
    std::uint8_t size_ = 0;
    bool keep_;
    detail::codec_failure failed_ = detail::codec_failure::none;
};

static_assert(frame_codec<delimiter_codec> && sizeof(delimiter_codec) <= 64);

} // namespace portunus

#endif
