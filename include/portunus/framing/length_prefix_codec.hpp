// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_LENGTH_PREFIX_CODEC_HPP
#define PORTUNUS_FRAMING_LENGTH_PREFIX_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/length_field.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus {

/// A `strip` that removes the header up to and with the length field, whatever its size.
inline constexpr std::size_t strip_header = static_cast<std::size_t>(-1);

/// Where the length stands and what it counts. All in bytes.
///
/// In the pictures, `|` separates fields, the number is a field's size; above is the stream, below the frame.
///
/// The default: a length of 4 bytes, big endian, that counts what follows it.
///
///     | length 4 = 12 | "HELLO, WORLD" 12 |                 {}
///                     | "HELLO, WORLD" 12 |
///
/// The header stays in the frame:
///
///     | length 2 = 12 | "HELLO, WORLD" 12 |                 {.width = 2, .strip = 0}
///     | length 2 = 12 | "HELLO, WORLD" 12 |
///
/// The length counts itself, too:
///
///     | length 2 = 14 | "HELLO, WORLD" 12 |                 {.width = 2, .header_counted = true}
///                     | "HELLO, WORLD" 12 |
///
/// A type before the length, which is to stay (a frame cannot lose its middle, so the length stays with it):
///
///     | type 2 | length 3 = 12 | "HELLO, WORLD" 12 |        {.width = 3, .length_offset = 2, .strip = 0}
///     | type 2 | length 3 = 12 | "HELLO, WORLD" 12 |
///
/// A flag behind the length that the length does not count:
///
///     | length 2 = 12 | flag 1 | "HELLO, WORLD" 12 |        {.width = 2, .adjustment = 1}
///                     | flag 1 | "HELLO, WORLD" 12 |
///
/// The length counts the whole of it, the type before it and the flag behind it; only the flag is to be seen,
/// `{.width = 2, .length_offset = 1, .header_counted = true}`:
///
///     | type 1 | length 2 = 16 | flag 1 | "HELLO, WORLD" 12 |
///                              | flag 1 | "HELLO, WORLD" 12 |
///
/// A trailer, a checksum of 2 bytes say, that the length does not count: `{.adjustment = 2}`; it is the end
/// of the frame.
struct length_prefix_options {
    /// Bytes of the length field, 1 to 8.
    unsigned width = 4;

    /// The byte order of the length field.
    std::endian order = std::endian::big;

    /// Bytes before the length field, 0 to 65535.
    std::size_t length_offset = 0;

    /// Added to the value of the field, the sum is the number of bytes behind the field. -2^62 to 2^62.
    std::int64_t adjustment = 0;

    /// The field counts from the frame's first byte on, rather than from behind itself: the same as
    /// subtracting `length_offset + width` from `adjustment`.
    bool header_counted = false;

    /// Bytes removed from the front of what is delivered, 0 to 65535 or `strip_header`.
    std::size_t strip = strip_header;

    /// The longest frame, as it is delivered: what `strip` leaves of the header counts.
    std::size_t max_frame = default_max_frame;
};

/// Frames that begin with their length: `packet_4()`, or
/// `length_prefix_codec({.width = 2, .order = std::endian::little})`.
///
/// The arithmetic is checked in 64 bits: a length that announces more than `max_frame`, whatever it
/// overflows, is `frame_too_large` at once, before a byte of the frame is waited for; one that is smaller
/// than what it must count is `malformed_frame`. The frame is a view; no byte of it is looked at.
///
/// Encoding is the reverse of decoding. It is possible
/// - when exactly the length field is removed (`length_offset` 0, `strip` = `width`): it is written before
/// the
///   payload;
/// - when nothing is removed (`strip` 0): the payload brings the header, and the length field in it is filled
///   in, whatever stands there.
///
/// With any other `strip` the codec does not know the bytes that it removed, and refuses each payload:
/// `can_encode()` tells. It also refuses a payload whose length the field cannot express.
class length_prefix_codec {
  public:
    /// \throws failure invalid_option: an option that is out of the range above.
    explicit length_prefix_codec(const length_prefix_options& options = {});

    /// Whether `encode` can carry anything: see above.
    bool can_encode() const noexcept { return encoding_ != encoding::impossible; }

    decode_step decode(char* data, std::size_t size) noexcept {
        if (size < header_) return detail::step_more(0, header_ - size);
        const std::size_t offset = header_ - width_;
        const std::uint64_t value = detail::load_length(data + offset, size - offset, width_, order());
        // The bytes behind the field. Unsigned arithmetic wraps: a sum on the wrong side of its first term
        // did.
        const std::uint64_t body = value + static_cast<std::uint64_t>(adjustment_);
        if (adjustment_ < 0 ? body > value : body < value) [[unlikely]]
            return fail(adjustment_ < 0 ? failed::too_small : failed::too_large, value);
        if (body > max_body_) [[unlikely]]
            return fail(failed::too_large, value);
        const std::size_t whole = header_ + static_cast<std::size_t>(body);
        if (whole < strip_) [[unlikely]]
            return fail(failed::too_small, value);
        if (size < whole) return detail::step_more(0, whole - size);
        return detail::step_frame(whole, data + strip_, whole - strip_);
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more || size == 0) return step;
        return fail(failed::partial, size);
    }
    error failure() const;

    std::size_t max_frame() const noexcept { return max_body_ + header_ - strip_; }
    std::size_t max_encoded() const noexcept { return max_body_ + header_; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() > max_frame() ? 0 : payload.size() + width_;
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        std::uint64_t value = 0;
        if (!length_of(payload.size(), value)) return unencodable;
        if (encoding_ == encoding::fills_in) {
            detail::copy_bytes(out, payload);
            detail::store_length(out + (header_ - width_), value, width_, order());
            return payload.size();
        }
        detail::store_length(out, value, width_, order());
        detail::copy_bytes(out + width_, payload);
        return width_ + payload.size();
    }
    error encode_failure(std::string_view payload) const;

    void reset() noexcept { failed_ = failed::no; }

  private:
    enum class encoding : std::uint8_t { impossible, prepends, fills_in };
    enum class failed : std::uint8_t { no, partial, too_large, too_small };

    std::endian order() const noexcept { return little_ ? std::endian::little : std::endian::big; }

    /// What the field says for a payload of this size; false when it cannot be said.
    bool length_of(std::size_t payload, std::uint64_t& value) const noexcept {
        if (encoding_ == encoding::impossible || payload > max_frame()) return false;
        if (encoding_ == encoding::fills_in && payload < header_) return false;
        const std::uint64_t body = encoding_ == encoding::fills_in ? payload - header_ : payload;
        value = body - static_cast<std::uint64_t>(adjustment_);
        if (adjustment_ > 0 && body < static_cast<std::uint64_t>(adjustment_)) return false;
        return value <= detail::largest_of_width(width_);
    }
    [[gnu::cold, gnu::noinline]] decode_step fail(failed how, std::uint64_t value) noexcept {
        failed_ = how;
        failed_value_ = value;
        return detail::step_failed(0);
    }

    std::size_t max_body_ = 0;
    std::int64_t adjustment_ = 0;
    std::uint64_t failed_value_ = 0; // of the field, or of a partial frame the bytes that were there
    std::uint32_t header_ = 0;       // from the frame's first byte to behind the field
    std::uint32_t strip_ = 0;
    std::uint8_t width_;
    bool little_;
    encoding encoding_ = encoding::impossible;
    failed failed_ = failed::no;
};

static_assert(frame_codec<length_prefix_codec> && sizeof(length_prefix_codec) <= 64);

/// A length of 1, 2 or 4 bytes, big endian, that counts what follows it: `{packet, N}` of Erlang.
inline length_prefix_codec packet_1(std::size_t max_frame = default_max_frame) {
    return length_prefix_codec({.width = 1, .max_frame = max_frame});
}
inline length_prefix_codec packet_2(std::size_t max_frame = default_max_frame) {
    return length_prefix_codec({.width = 2, .max_frame = max_frame});
}
inline length_prefix_codec packet_4(std::size_t max_frame = default_max_frame) {
    return length_prefix_codec({.width = 4, .max_frame = max_frame});
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/framing/impl/length_prefix_codec.ipp>
#endif

#endif