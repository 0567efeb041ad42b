// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_IMPL_LENGTH_PREFIX_CODEC_IPP
#define PORTUNUS_FRAMING_IMPL_LENGTH_PREFIX_CODEC_IPP

#include <portunus/framing/length_prefix_codec.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/framing/detail/codec_text.hpp>
#include <portunus/framing/detail/length_field.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

PORTUNUS_DECL length_prefix_codec::length_prefix_codec(const length_prefix_options& options)
    : width_(static_cast<std::uint8_t>(options.width)), little_(options.order == std::endian::little) {
    static constexpr std::int64_t far = std::int64_t{1} << 62;
    if (options.width < 1 || options.width > 8)
        detail::refuse_option(detail::text("width ", options.width, " of a length field is not in 1 to 8"));
    if (options.length_offset > 0xFFFF)
        detail::refuse_option(detail::text("length_offset ", options.length_offset, " is not in 0 to 65535"));
    if (options.adjustment < -far || options.adjustment > far)
        detail::refuse_option(
            detail::text("adjustment ", options.adjustment, " is not in ", -far, " to ", far));
    const std::size_t header = options.length_offset + options.width;
    const std::size_t strip = options.strip == strip_header ? header : options.strip;
    if (strip > 0xFFFF && options.strip != strip_header)
        detail::refuse_option(detail::text("strip ", strip, " is not in 0 to 65535, nor strip_header"));
    const std::size_t max_frame = detail::checked_max_frame(options.max_frame);
    if (max_frame + strip < header)
        detail::refuse_option(detail::text("max_frame ", max_frame, " has no room for the ", header - strip,
                                           " bytes of the header that stay in the frame"));
    header_ = static_cast<std::uint32_t>(header);
    strip_ = static_cast<std::uint32_t>(strip);
    max_body_ = max_frame + strip - header;
    adjustment_ = options.adjustment - (options.header_counted ? static_cast<std::int64_t>(header) : 0);
    if (strip == 0)
        encoding_ = encoding::fills_in;
    else if (options.length_offset == 0 && strip == options.width)
        encoding_ = encoding::prepends;
}

PORTUNUS_DECL error length_prefix_codec::failure() const {
    const auto field = [this] {
        return adjustment_ == 0
                   ? detail::text("length field ", failed_value_)
                   : detail::text("length field ", failed_value_, " with adjustment ", adjustment_);
    };
    switch (failed_) {
    case failed::no:
        break;
    case failed::partial:
        return detail::partial_frame(static_cast<std::size_t>(failed_value_));
    case failed::too_large:
        return error(errc::frame_too_large,
                     detail::text(field(), " announces more than max_frame ", max_frame()));
    case failed::too_small:
        return error(errc::malformed_frame,
                     detail::text(field(), " is too small: the frame would not reach past the ",
                                  strip_ > header_ ? strip_ : header_,
                                  strip_ > header_ ? " bytes that are stripped" : " bytes of its header"));
    }
    return {};
}

PORTUNUS_DECL error length_prefix_codec::encode_failure(std::string_view payload) const {
    std::uint64_t value = 0;
    if (length_of(payload.size(), value)) return {};
    const auto because = [](std::string detail) {
        return error(errc::unencodable_payload, std::move(detail));
    };
    if (encoding_ == encoding::impossible)
        return because(detail::text(
            "decoding strips ", strip_, " bytes of a header of ", header_,
            ", which encoding cannot know: strip has to be 0, or length_offset 0 and strip the width"));
    if (payload.size() > max_frame()) return detail::payload_too_large(payload.size(), max_frame());
    if (encoding_ == encoding::fills_in && payload.size() < header_)
        return because(detail::text("payload of ", payload.size(), " bytes is shorter than the header of ",
                                    header_, " that it has to bring"));
    const std::size_t body = encoding_ == encoding::fills_in ? payload.size() - header_ : payload.size();
    if (adjustment_ > 0 && body < static_cast<std::uint64_t>(adjustment_))
        return because(detail::text("payload of ", payload.size(), " bytes: behind the length field stand ",
                                    body, ", with adjustment ", adjustment_,
                                    " at least that many are needed"));
    return because(detail::text("payload of ", payload.size(), " bytes does not fit a length field of ",
                                width_, " bytes: its value would be ", value, ", the largest is ",
                                detail::largest_of_width(width_)));
}

} // namespace portunus

#endif
