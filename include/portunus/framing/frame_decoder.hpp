// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_FRAME_DECODER_HPP
#define PORTUNUS_FRAMING_FRAME_DECODER_HPP

#include <portunus/framing/codec.hpp>
#include <portunus/framing/detail/codec_text.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace portunus {

/// A codec and the buffer it works on: bytes in at one end, frames out at the other, no I/O.
///
///     std::span<char> room = decoder.prepare();
///     decoder.commit(receive(room));                  // received(now), too, if the codec is a timed one
///     for (;;) {
///         decode_step step = decoder.next();
///         if (step.what != decode_step::kind::frame) break;
///         use(step.frame);                            // valid until the next prepare(), release() or move
///     }
///
/// The buffer: nothing before the first `prepare`, then 4 KiB. It doubles when a read filled it, up to 64
/// KiB; beyond that only while a single frame is larger, never above `max_capacity()`: what the codec's
/// largest frame takes, rounded up to 4 KiB, at least 64 KiB. It grows with the bytes that came, not with a
/// length that the peer announced. Bytes are moved to the front only when room is needed, each at most once a
/// frame. The memory is not initialised. `release()` gives it back.
///
/// Not thread-safe; movable. Views of frames survive a move of the decoder.
template <frame_codec Codec>
class frame_decoder {
  public:
    using codec_type = Codec;

    explicit frame_decoder(Codec codec = Codec()) : codec_(std::move(codec)) {}

    /// Takes the buffered bytes of `old` over, for a codec of another type; `old` is left empty. See
    /// `exchange`.
    template <class Other>
    frame_decoder(Codec codec, frame_decoder<Other>&& old) : codec_(std::move(codec)) {
        old.note_awaited_lf();
        take_buffer(old);
        codec_.reset();
    }

    frame_decoder(frame_decoder&& other) noexcept : codec_(std::move(other.codec_)) { take_buffer(other); }
    frame_decoder& operator=(frame_decoder&& other) noexcept {
        if (this != &other) {
            delete[] storage_;
            codec_ = std::move(other.codec_);
            take_buffer(other);
        }
        return *this;
    }
    ~frame_decoder() { delete[] storage_; }

    /// Room to write new bytes to, at the end of what is buffered. Ends the life of all views of frames.
    ///
    /// \param at_least bytes wanted, at least 1. There may be fewer, never none, when `max_capacity` is
    /// reached.
    ///
    /// \throws std::bad_alloc; failure `frame_too_large` when the codec asks for more bytes though as many as
    /// `max_capacity()` are buffered, which none of the library's does.
    std::span<char> prepare(std::size_t at_least = 1) {
        // Everything was decoded and the last read had room to spare: the usual case.
        if (begin_ == end_ && end_ != limit_ && at_least <= capacity()) [[likely]] {
            begin_ = end_ = storage_;
            return {storage_, limit_};
        }
        return make_room(at_least);
    }

    /// `count` bytes were written to what `prepare` returned.
    void commit(std::size_t count) noexcept {
        end_ += count;
        if (skip_lf_) [[unlikely]]
            skip_awaited_lf();
    }

    /// The next step of the codec; the bytes that it is done with are dropped. After `failed` the bytes are
    /// still there.
    decode_step next() noexcept(noexcept(std::declval<Codec&>().decode(nullptr, 0))) {
        const decode_step step = codec_.decode(begin_, size());
        begin_ += step.consumed;
        return step;
    }

    /// To be called in place of `next` when the stream has ended, until it is not `frame`: then `more` is a
    /// clean end, `failed` a partial frame, whose bytes are `buffered()`.
    decode_step finish() noexcept(noexcept(std::declval<Codec&>().finish(nullptr, 0))) {
        const decode_step step = codec_.finish(begin_, size());
        begin_ += step.consumed;
        return step;
    }

    /// Why the last step failed.
    error failure() const { return codec_.failure(); }

    /// The bytes that no frame has consumed yet, as they came. Valid until the next `prepare`, `release` or
    /// `next`.
    std::string_view buffered() const noexcept { return {begin_, size()}; }

    /// Frees the memory if nothing is buffered; views of frames end. Tells whether there is no memory held
    /// now.
    bool release() noexcept {
        if (begin_ != end_) return false;
        delete[] storage_;
        storage_ = begin_ = end_ = limit_ = nullptr;
        return true;
    }

    /// Bytes of memory that are held.
    std::size_t capacity() const noexcept { return static_cast<std::size_t>(limit_ - storage_); }
    std::size_t max_capacity() const noexcept {
        return std::max(read_capacity, (codec_.max_encoded() + (first_capacity - 1)) & ~(first_capacity - 1));
    }

    Codec& codec() noexcept { return codec_; }
    const Codec& codec() const noexcept { return codec_; }

    /// From now on another codec cuts the stream; the buffered bytes are its. To be called right after the
    /// last frame of the old codec and before `next`, which could find a frame where the old codec sees one
    /// and the new one does not.
    ///
    /// If the last line ended with a CR that was the last byte there was, an LF that comes next is dropped:
    /// it belongs to that line. With a timed codec call `received` next if anything is buffered.
    void exchange(Codec codec) {
        note_awaited_lf();
        codec_ = std::move(codec);
        codec_.reset();
    }

    void received(std::chrono::steady_clock::time_point now) noexcept requires timed_codec<Codec> {
        codec_.received(now, size());
    }
    std::optional<std::chrono::steady_clock::time_point>
    deadline() const noexcept requires timed_codec<Codec> {
        return codec_.deadline();
    }
    void expired(std::chrono::steady_clock::time_point now) noexcept requires timed_codec<Codec> {
        codec_.expired(now);
    }

  private:
    template <frame_codec>
    friend class frame_decoder;

    static constexpr std::size_t first_capacity = 4096;
    static constexpr std::size_t read_capacity = 65536; // a larger read is not worth its cache

    std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - begin_); }

    template <class Other>
    void take_buffer(frame_decoder<Other>& other) noexcept {
        storage_ = std::exchange(other.storage_, nullptr);
        begin_ = std::exchange(other.begin_, nullptr);
        end_ = std::exchange(other.end_, nullptr);
        limit_ = std::exchange(other.limit_, nullptr);
        skip_lf_ = std::exchange(other.skip_lf_, false);
    }
    void note_awaited_lf() noexcept {
        if constexpr (requires(const Codec& codec) {
                          { codec.awaits_lf() } -> std::same_as<bool>;
                      })
            if (codec_.awaits_lf()) skip_lf_ = true;
        if (skip_lf_) skip_awaited_lf();
    }
    void skip_awaited_lf() noexcept {
        if (begin_ == end_) return;
        if (*begin_ == '\n') ++begin_;
        skip_lf_ = false;
    }
    [[gnu::noinline]] std::span<char> make_room(std::size_t at_least);

    char* storage_ = nullptr;
    char* begin_ = nullptr; // of what is buffered
    char* end_ = nullptr;
    char* limit_ = nullptr; // of the storage
    bool skip_lf_ = false;  // an LF that comes next belongs to a line of the previous codec
    Codec codec_;
};

template <frame_codec Codec>
std::span<char> frame_decoder<Codec>::make_room(std::size_t at_least) {
    const std::size_t kept = size(), held = capacity(), most = std::max(max_capacity(), held);
    at_least = std::clamp<std::size_t>(at_least, 1, most);
    std::size_t wanted = std::max(held, first_capacity);
    // A read that filled the buffer leaves more in the system: read more at once, but keep to what a cache
    // holds, unless it is one frame that needs the room.
    const bool filled = storage_ && end_ == limit_;
    if (filled && (held < read_capacity || kept > held / 2)) wanted = 2 * held;
    if (wanted < kept + at_least) wanted = std::bit_ceil(kept + at_least);
    wanted = std::min(wanted, most);
    if (wanted <= kept)
        throw portunus::failure(
            error(errc::frame_too_large, detail::text("the codec asks for more than ", kept,
                                                      " bytes, its max_encoded is ", codec_.max_encoded())));
    if (wanted > held) {
        char* const larger = new char[wanted];
        if (kept != 0) std::memcpy(larger, begin_, kept);
        delete[] storage_;
        storage_ = begin_ = larger;
        end_ = larger + kept;
        limit_ = larger + wanted;
    } else if (begin_ != storage_ && static_cast<std::size_t>(limit_ - end_) <
                                         std::max(std::min(at_least, held - kept), held / 2)) {
        if (kept != 0) std::memmove(storage_, begin_, kept);
        begin_ = storage_;
        end_ = storage_ + kept;
    }
    return {end_, limit_};
}

} // namespace portunus

#endif
