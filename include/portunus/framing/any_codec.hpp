// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_ANY_CODEC_HPP
#define PORTUNUS_FRAMING_ANY_CODEC_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/delimiter_codec.hpp>
#include <portunus/framing/escaped_codec.hpp>
#include <portunus/framing/fixed_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/framing/quiet_time_codec.hpp>
#include <portunus/framing/raw_codec.hpp>
#include <portunus/framing/tagged_length_codec.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace portunus {

/// Any codec of the library, chosen at run time, from a configuration file say, and exchangeable for one of
/// another kind on a live stream: `any_codec codec = line_codec();`,
/// `frames.exchange(any_codec(fixed_codec(128)))`.
///
/// It does what the codec in it does, at the price of a jump a call. It models `timed_codec`; with a codec
/// inside for which time means nothing there is never a deadline. Row X-13 of the semantics: the boundary of
/// a live connection can be set anew at any time, and setting one removes the previous.
class any_codec {
  public:
    using time_point = std::chrono::steady_clock::time_point;
    using alternatives = std::variant<line_codec, delimiter_codec, fixed_codec, length_prefix_codec,
                                      tagged_length_codec, escaped_codec, quiet_time_codec, raw_codec>;

  private:
    // std::visit would throw for a valueless variant, which this one cannot become: its codecs move without
    // throwing.
    template <class Variant, class Function>
    static decltype(auto) visit(Variant& codec, Function function) {
        static_assert(std::variant_size_v<alternatives> == 8);
        switch (codec.index()) {
        case 0:
            return function(*std::get_if<0>(&codec));
        case 1:
            return function(*std::get_if<1>(&codec));
        case 2:
            return function(*std::get_if<2>(&codec));
        case 3:
            return function(*std::get_if<3>(&codec));
        case 4:
            return function(*std::get_if<4>(&codec));
        case 5:
            return function(*std::get_if<5>(&codec));
        case 6:
            return function(*std::get_if<6>(&codec));
        default:
            return function(*std::get_if<7>(&codec));
        }
    }

  public:
    /// Converts from each of the codecs.
    template <class Codec>
    requires(!std::same_as<Codec, any_codec> && std::constructible_from<alternatives, Codec>)
        any_codec(Codec codec)
    noexcept : codec_(std::move(codec)) {} // NOLINT: a codec is any codec

    /// The codec inside if it is a `Codec`, otherwise null: `if (auto* stp = any.get_if<escaped_codec>())`.
    template <class Codec>
    Codec* get_if() noexcept {
        return std::get_if<Codec>(&codec_);
    }
    template <class Codec>
    const Codec* get_if() const noexcept {
        return std::get_if<Codec>(&codec_);
    }

    decode_step decode(char* data, std::size_t size) noexcept {
        return visit(codec_, [=](auto& codec) { return codec.decode(data, size); });
    }
    decode_step finish(char* data, std::size_t size) noexcept {
        return visit(codec_, [=](auto& codec) { return codec.finish(data, size); });
    }
    error failure() const {
        return visit(codec_, [](const auto& codec) { return codec.failure(); });
    }
    std::size_t max_frame() const noexcept {
        return visit(codec_, [](const auto& codec) { return codec.max_frame(); });
    }
    std::size_t max_encoded() const noexcept {
        return visit(codec_, [](const auto& codec) { return codec.max_encoded(); });
    }
    std::size_t encode_bound(std::string_view payload) const noexcept {
        return visit(codec_, [=](const auto& codec) { return codec.encode_bound(payload); });
    }
    std::size_t encode(std::string_view payload, char* out) const noexcept {
        return visit(codec_, [=](const auto& codec) { return codec.encode(payload, out); });
    }
    error encode_failure(std::string_view payload) const {
        return visit(codec_, [=](const auto& codec) { return codec.encode_failure(payload); });
    }
    void reset() noexcept {
        visit(codec_, [](auto& codec) { codec.reset(); });
    }

    void received(time_point now, std::size_t size) noexcept {
        if (auto* codec = get_if<quiet_time_codec>()) codec->received(now, size);
    }
    std::optional<time_point> deadline() const noexcept {
        const auto* codec = get_if<quiet_time_codec>();
        return codec ? codec->deadline() : std::nullopt;
    }
    void expired(time_point now) noexcept {
        if (auto* codec = get_if<quiet_time_codec>()) codec->expired(now);
    }

    /// See `line_codec::awaits_lf`.
    bool awaits_lf() const noexcept {
        const auto* codec = get_if<line_codec>();
        return codec && codec->awaits_lf();
    }

  private:
    alternatives codec_;
};

static_assert(timed_codec<any_codec> && sizeof(any_codec) <= 72);

} // namespace portunus

#endif
