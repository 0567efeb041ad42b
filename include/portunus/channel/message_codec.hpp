// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_MESSAGE_CODEC_HPP
#define PORTUNUS_CHANNEL_MESSAGE_CODEC_HPP

#include <portunus/channel/message.hpp>
#include <portunus/core/result.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace portunus {

/// The bytes of a message, and nothing of where they begin and end on a stream: that is the framing codec's
/// affair.
///
/// - `encode(out, m)` appends one message. `m.data` is trusted to be JSON (see `message_view`).
/// - `begin(out, head)` and `finish(out, start)` are its two halves, for a value that is written straight
///   between them, by `json::write`: `begin` appends all that stands before the data, takes all of `head` but
///   its data, and returns where the message starts, which `finish` wants to know.
/// - `decode(bytes)` is the message that all of `bytes` is. Its data is a view into them, validated as JSON
///   of at most `json::max_depth` levels, without white space around it. `errc::malformed_data` names the
///   field; `errc::checksum_mismatch` comes before anything else is looked at.
/// - `salvage(bytes)` is `decode` without regard to the checksum: for the numbers that the answer to a
///   damaged message carries. Its data is not to be used for anything.
/// - `name`: for logs.
///
/// A codec has no state; all of its functions may run on several threads. None of them allocates, but for
/// errors and for room in `out`.
template <class C>
concept message_codec = std::copyable<C> && requires(const C& codec, std::string& out, std::size_t start,
                                                     const message_view& m, std::string_view bytes) {
    { codec.begin(out, m) } -> std::same_as<std::size_t>;
    { codec.finish(out, start) } -> std::same_as<void>;
    { codec.encode(out, m) } -> std::same_as<void>;
    { codec.decode(bytes) } -> std::same_as<result<message_view>>;
    { codec.salvage(bytes) } -> std::same_as<result<message_view>>;
    { C::name } -> std::convertible_to<std::string_view>;
};

} // namespace portunus

#endif
