// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_DETAIL_CODEC_TEXT_HPP
#define PORTUNUS_FRAMING_DETAIL_CODEC_TEXT_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/framing/codec.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

/// \file
/// What the codecs say when something is wrong. Never on the way of a good frame.

namespace portunus::detail {

inline std::string_view text_piece(std::string_view text) noexcept {
    return text;
}
inline std::string text_piece(std::integral auto number) {
    return std::to_string(number);
}

/// One text out of texts and numbers.
template <class... Pieces>
std::string text(const Pieces&... pieces) {
    std::string all;
    (all.append(text_piece(pieces)), ...);
    return all;
}

/// `0x4A 'J'`, or `0x00` when it is not printable.
PORTUNUS_DECL std::string name_of_byte(unsigned char byte);

/// The text in quotes, what is not printable as \xNN, and no more than its first 64 bytes.
PORTUNUS_DECL std::string quoted(std::string_view text);

/// So large a limit that sums of it with headers, or its double, stay within std::size_t.
inline constexpr std::size_t largest_max_frame = std::numeric_limits<std::size_t>::max() / 8;

[[noreturn]] inline void refuse_option(std::string detail) {
    throw failure(error(errc::invalid_option, std::move(detail)));
}

inline std::size_t checked_max_frame(std::size_t max_frame) {
    if (max_frame == 0 || max_frame > largest_max_frame)
        refuse_option(text("max_frame ", max_frame, " is not in 1 to ", largest_max_frame));
    return max_frame;
}

inline error partial_frame(std::size_t size) {
    return error(errc::partial_frame, text("stream ended after ", size, " bytes of a frame"));
}
/// \param complete whether `size` is the frame's true size; otherwise it is what was there when the limit was
/// passed.
inline error frame_too_large(std::uint64_t size, bool complete, std::size_t max_frame) {
    return error(errc::frame_too_large, text("frame of ", complete ? "" : "at least ", size,
                                             " bytes exceeds max_frame ", max_frame));
}
inline error payload_too_large(std::size_t size, std::size_t max_frame) {
    return error(errc::unencodable_payload,
                 text("payload of ", size, " bytes exceeds max_frame ", max_frame));
}
inline error payload_contains(std::size_t size, std::string_view what, std::size_t at) {
    return error(errc::unencodable_payload, text("payload of ", size, " bytes contains ", what, " at offset ",
                                                 at, ", which would end the frame"));
}

/// What the last step of a codec failed with; where one number is enough to tell the story.
enum class codec_failure : std::uint8_t { none, partial, too_large, too_large_incomplete, malformed };

constexpr decode_step step_more(std::size_t consumed, std::size_t need = 0) noexcept {
    return {decode_step::kind::more, consumed, {}, need};
}
constexpr decode_step step_frame(std::size_t consumed, const char* frame, std::size_t size) noexcept {
    return {decode_step::kind::frame, consumed, std::string_view(frame, size), 0};
}
constexpr decode_step step_failed(std::size_t consumed) noexcept {
    return {decode_step::kind::failed, consumed, {}, 0};
}

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/framing/detail/impl/codec_text.ipp>
#endif

#endif
