// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_TAGGED_LENGTH_CODEC_HPP
#define PORTUNUS_FRAMING_TAGGED_LENGTH_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/length_field.hpp>
#include <portunus/framing/detail/scan.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus {

/// Two headers in one stream; the first byte tells which it is. The defaults are XTension's (row X-29).
///
///     | 'J' | length 2 = 8  | "HELLO" 5 |
///     | 'K' | length 4 = 10 | "HELLO" 5 |
///                           | "HELLO" 5 |       the frame
struct tagged_length_options {
    /// The first byte of a frame with a short length, and the bytes of that length, 1 to 8.
    char short_tag = 'J';
    unsigned short_width = 2;

    /// The same of a frame with a long length. Another tag, and more bytes than `short_width`.
    char long_tag = 'K';
    unsigned long_width = 4;

    /// The byte order of both lengths.
    std::endian order = std::endian::little;

    /// The length counts tag, length and payload; otherwise the payload alone.
    bool header_counted = true;

    /// The longest payload in bytes, the header not counted.
    std::size_t max_frame = default_max_frame;
};

/// Frames with a tag and a length whose width the tag tells: `xtension_packets()`.
///
/// Both kinds are decoded, mixed as they come, and delivered without their header. Encoding takes the shorter
/// header that can express the length. A first byte that is neither tag is `malformed_frame` and is named:
/// the stream has lost its step, and guessing where the next frame begins would deliver rubbish sooner or
/// later.
class tagged_length_codec {
  public:
    /// \throws failure invalid_option: equal tags, widths out of range or order, a `max_frame` of 0.
    explicit tagged_length_codec(const tagged_length_options& options = {})
        : max_frame_(detail::checked_max_frame(options.max_frame)), short_tag_(options.short_tag),
          long_tag_(options.long_tag), short_width_(static_cast<std::uint8_t>(options.short_width)),
          long_width_(static_cast<std::uint8_t>(options.long_width)),
          little_(options.order == std::endian::little), counted_(options.header_counted) {
        if (options.short_width < 1 || options.short_width >= options.long_width || options.long_width > 8)
            detail::refuse_option(detail::text("widths ", options.short_width, " and ", options.long_width,
                                               ": 1 to 8, and the long one longer, are allowed"));
        if (short_tag_ == long_tag_)
            detail::refuse_option(detail::text("both tags are ", tag_name(short_tag_), ", they must differ"));
    }

    decode_step decode(char* data, std::size_t size) noexcept {
        if (size == 0) return detail::step_more(0, 1u + short_width_);
        if (data[0] != short_tag_ && data[0] != long_tag_) [[unlikely]]
            return fail(failed::tag, static_cast<unsigned char>(data[0]));
        const unsigned width = data[0] == short_tag_ ? short_width_ : long_width_;
        const std::size_t header = 1u + width;
        if (size < header) return detail::step_more(0, header - size);
        const std::uint64_t value = detail::load_length(data + 1, size - 1, width, order());
        const std::uint64_t uncounted = counted_ ? header : 0;
        if (value < uncounted) [[unlikely]]
            return fail(failed::too_small, value);
        if (value - uncounted > max_frame_) [[unlikely]]
            return fail(failed::too_large, value - uncounted);
        const std::size_t whole = header + static_cast<std::size_t>(value - uncounted);
        if (size < whole) return detail::step_more(0, whole - size);
        return detail::step_frame(whole, data + header, whole - header);
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        const decode_step step = decode(data, size);
        if (step.what != decode_step::kind::more || size == 0) return step;
        return fail(failed::partial, size);
    }
    error failure() const {
        switch (failed_) {
        case failed::no:
            break;
        case failed::partial:
            return detail::partial_frame(static_cast<std::size_t>(failed_value_));
        case failed::too_large:
            return detail::frame_too_large(failed_value_, true, max_frame_);
        case failed::too_small:
            return error(errc::malformed_frame,
                         detail::text("length field ", failed_value_, " does not even count its own header"));
        case failed::tag:
            return error(errc::malformed_frame,
                         detail::text("a frame begins with ", tag_name(static_cast<char>(failed_value_)),
                                      ", only ", tag_name(short_tag_), " and ", tag_name(long_tag_),
                                      " are known"));
        }
        return {};
    }

    std::size_t max_frame() const noexcept { return max_frame_; }
    std::size_t max_encoded() const noexcept { return max_frame_ + 1 + long_width_; }

    std::size_t encode_bound(std::string_view payload) const noexcept {
        return payload.size() > max_frame_ ? 0 : payload.size() + 1 + long_width_;
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        const unsigned width = width_for(payload.size());
        if (width == 0) return unencodable;
        *out++ = width == short_width_ ? short_tag_ : long_tag_;
        detail::store_length(out, value_for(payload.size(), width), width, order());
        detail::copy_bytes(out + width, payload);
        return 1 + width + payload.size();
    }
    error encode_failure(std::string_view payload) const {
        if (width_for(payload.size()) != 0) return {};
        if (payload.size() > max_frame_) return detail::payload_too_large(payload.size(), max_frame_);
        return error(errc::unencodable_payload,
                     detail::text("payload of ", payload.size(), " bytes does not fit a length field of ",
                                  long_width_, " bytes, the largest value is ",
                                  detail::largest_of_width(long_width_)));
    }

    void reset() noexcept { failed_ = failed::no; }

  private:
    enum class failed : std::uint8_t { no, partial, too_large, too_small, tag };

    std::endian order() const noexcept { return little_ ? std::endian::little : std::endian::big; }
    static std::string tag_name(char tag) { return detail::name_of_byte(static_cast<unsigned char>(tag)); }

    std::uint64_t value_for(std::size_t payload, unsigned width) const noexcept {
        return payload + (counted_ ? 1u + width : 0u);
    }
    /// The shorter field that can express this payload, 0 when none can.
    unsigned width_for(std::size_t payload) const noexcept {
        if (payload > max_frame_) return 0;
        for (const unsigned width : {short_width_, long_width_})
            if (value_for(payload, width) <= detail::largest_of_width(width)) return width;
        return 0;
    }
    [[gnu::cold, gnu::noinline]] decode_step fail(failed how, std::uint64_t value) noexcept {
        failed_ = how;
        failed_value_ = value;
        return detail::step_failed(0);
    }

    std::size_t max_frame_;
    std::uint64_t failed_value_ = 0; // a length, the tag, or the bytes of a partial frame
    char short_tag_, long_tag_;
    std::uint8_t short_width_, long_width_;
    bool little_, counted_;
    failed failed_ = failed::no;
};

static_assert(frame_codec<tagged_length_codec> && sizeof(tagged_length_codec) <= 64);

/// Row X-29: 'J' and 2 bytes, or 'K' and 4 bytes, little endian, counting the header; for the host or a
/// plugin.
inline tagged_length_codec xtension_packets(std::size_t max_frame = default_max_frame) {
    return tagged_length_codec({.max_frame = max_frame});
}

} // namespace portunus

#endif
