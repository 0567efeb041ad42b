// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_CODEC_HPP
#define PORTUNUS_FRAMING_CODEC_HPP

#include <portunus/core/error.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

/// \file
/// What a codec is. A codec cuts a stream of bytes into frames and puts frames into bytes. It owns no buffer,
/// does no I/O and reads no clock: `frame_decoder` gives it the bytes, `framed_stream` the socket.
///
/// The same bytes give the same frames, whatever the pieces in which they arrive. That is the one law that
/// every codec is tested against. (`raw_codec` and `quiet_time_codec` are about the pieces, and are exempt;
/// of `inband_codec` it holds for the commands and for all the data between them, not for where the data is
/// cut.)

namespace portunus {

/// The payload bytes that a frame may have where nothing else is said: 1 MiB.
inline constexpr std::size_t default_max_frame = std::size_t{1} << 20;

/// What `encode` returns when the codec cannot carry the payload. Nothing of the output is to be sent then.
inline constexpr std::size_t unencodable = std::string_view::npos;

/// What one call of `decode` or `finish` found.
struct decode_step {
    enum class kind : std::uint8_t {
        more,   ///< no complete frame is there; call again when bytes were appended
        frame,  ///< `frame` is one; there may be another behind it
        failed, ///< the bytes break the rules, or a limit; `failure()` of the codec says how. Final.
    };

    kind what = kind::more;

    /// Bytes of the front that are done with; the caller drops them before the next call. With `frame`: the
    /// whole of it, header and terminator included. With `more` and `failed`: bytes that belong to no frame,
    /// often 0.
    std::size_t consumed = 0;

    /// With `frame`: the payload, a view into the caller's buffer. It lives as long as those bytes do.
    std::string_view frame{};

    /// With `more`: at least this many bytes are still missing; 0 when the codec cannot know. A hint for the
    /// size of the next read. Do not allocate it ahead: the peer made it up.
    std::size_t need = 0;
};

static_assert(std::is_trivially_copyable_v<decode_step>);

/// A codec. `data` is always ALL that is not yet consumed, from its front. In the order of use:
///
/// - `decode(data, size)`: the next frame. The caller drops `consumed` bytes, appends at the end only,
///   and may move the bytes to another address between calls. The codec remembers how far it has
///   searched, relative to the front that is left, so that no byte is searched twice. `data` is mutable
///   because escapes are removed in place, inside of the frame that is returned. Nothing outside of
///   [data, data + size) is read; `data` may be null when `size` is 0.
/// - `finish(data, size)`: the stream has ended. First the frames that are still there, then either
///   `more` with nothing left (a clean end) or `failed` with `partial_frame`, the bytes of which stay
///   with the caller.
/// - `failure()`: why the last step failed, with its numbers: `frame_too_large`, `malformed_frame` or
///   `partial_frame`.
/// - `max_frame()`: the limit of a payload in bytes. A frame of just that size passes.
/// - `max_encoded()`: the most bytes that such a frame takes in the stream. With that many at hand
///   `decode` never answers `more` without consuming some, so a buffer of this size is enough.
/// - `encode_bound(payload)`: no less than `encode` writes. Cheap, does not look at the bytes. 0 when the
///   payload is refused for its size alone.
/// - `encode(payload, out)`: writes at most `encode_bound` bytes and returns how many, or `unencodable`;
///   then what is in `out` is meaningless. `payload` and `out` do not overlap.
/// - `encode_failure(payload)`: why `encode` refused that payload: always `unencodable_payload`, which is
///   not fatal, as nothing was sent.
/// - `reset()`: forget the progress, keep the configuration: these bytes were another codec's.
template <class C>
concept frame_codec = std::movable<C> &&
    requires(C& codec, const C& fixed, char* bytes, std::size_t size, std::string_view payload) {
    { codec.decode(bytes, size) } -> std::same_as<decode_step>;
    { codec.finish(bytes, size) } -> std::same_as<decode_step>;
    { fixed.failure() } -> std::same_as<error>;
    { fixed.max_frame() } -> std::same_as<std::size_t>;
    { fixed.max_encoded() } -> std::same_as<std::size_t>;
    { fixed.encode_bound(payload) } -> std::same_as<std::size_t>;
    { codec.encode(payload, bytes) } -> std::same_as<std::size_t>;
    { fixed.encode_failure(payload) } -> std::same_as<error>;
    codec.reset();
};

/// A codec for which silence means something. Time is an argument; the order is: append the bytes,
/// `received`, `decode` until it has no frame.
///
/// - `received(now, size)`: bytes were appended; `size` is what `decode` would be given, all that is
///   there.
/// - `deadline()`: when `expired` and then `decode` are to be called though no byte came; nothing when
///   there is no such moment. It changes with every `received` and every frame.
/// - `expired(now)`: the moment has come. Calling it too early does nothing; so does calling it late,
///   when bytes came in between.
template <class C>
concept timed_codec = frame_codec<C> &&
    requires(C& codec, const C& fixed, std::chrono::steady_clock::time_point now, std::size_t size) {
    codec.received(now, size);
    { fixed.deadline() } -> std::same_as<std::optional<std::chrono::steady_clock::time_point>>;
    codec.expired(now);
};

} // namespace portunus

#endif
