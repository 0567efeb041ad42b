// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_FRAMED_STREAM_HPP
#define PORTUNUS_NET_FRAMED_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/framing/codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus {

/// Limits of a framed stream. Trivially destructible, so it may be written in place in a `co_await`
/// expression.
struct framed_options {
    /// How many encoded bytes may wait in the output queue. One frame always fits into an empty queue.
    std::size_t max_queued{std::size_t{1} << 20};
    /// A message that has begun must be complete after so long, however its bytes trickle in
    /// (`errc::read_timeout`). Zero: no limit. Idleness between messages is the stream's own limit.
    steady_clock::duration message_limit{std::chrono::seconds(30)};
    /// After so long without a byte the buffers are given back, until the next one comes. Zero: never.
    steady_clock::duration park_after{std::chrono::seconds(2)};
};
static_assert(std::is_trivially_destructible_v<framed_options>);

namespace detail {
template <class Stream, class Codec>
class framed_state;
}

/// The complete frames that were there when a batch was read, in order: a single-pass range of views into the
/// stream's buffer. Frames are decoded while the range is walked; those that are not visited stay for the
/// next read, but for the first one, which counts as read. The views are valid until the next read of the
/// same stream, also across `queue` and `flush`.
template <class Stream, class Codec>
class frame_batch {
    using state = detail::framed_state<Stream, Codec>;

  public:
    frame_batch(boost::intrusive_ptr<state> of, std::string_view first) noexcept;

    class iterator {
      public:
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        std::string_view operator*() const noexcept {
            return {batch_->first_, static_cast<std::size_t>(batch_->last_ - batch_->first_)};
        }
        iterator& operator++() {
            batch_->advance();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const noexcept { return batch_->done_; }

      private:
        friend class frame_batch;
        explicit iterator(frame_batch& b) noexcept : batch_(&b) {}
        frame_batch* batch_;
    };

    iterator begin() noexcept { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

  private:
    void advance();

    boost::intrusive_ptr<state> state_;
    void set(std::string_view frame) noexcept {
        first_ = frame.data();
        last_ = frame.data() + frame.size();
    }

    const char* first_; // two pointers: a view would be copied as one value that was written as two, and the
    const char* last_;  // processor waits for that once a frame
    std::uint32_t epoch_;
    bool done_ = false;
};

/// A stream of messages over a stream of bytes. A thin handle, move-only.
///
///     framed_stream frames(std::move(peer), line_codec{});
///     while (auto batch = co_await frames.read_batch()) {
///         for (std::string_view line : *batch)
///             if (!frames.queue(line)) co_return;
///         if (auto sent = co_await frames.flush(); !sent) break;
///     }
///
/// Three ways to read, from the simplest to the fastest: `read` (an awaitable a frame), `try_read` with
/// `fill` (a plain call a frame, an awaitable a buffer), `read_batch` (an awaitable a buffer, a loop over its
/// frames).
///
/// One reader and one writer at a time; a second one gets `errc::operation_in_progress`. Destroying the
/// handle closes the stream at once; calls that are pending complete with `errc::canceled`.
template <byte_stream Stream, frame_codec Codec = line_codec>
class framed_stream {
  public:
    using stream_type = Stream;
    using codec_type = Codec;
    using batch_type = frame_batch<Stream, Codec>;

    explicit framed_stream(Stream stream, Codec codec = Codec(), const framed_options& options = {});
    framed_stream(framed_stream&&) noexcept = default;
    framed_stream& operator=(framed_stream&&) noexcept;
    ~framed_stream();

    // reading

    /// Completes with the next frame, a view that is valid until the next read. Errors of a frame are final
    /// and end the connection's usefulness (`is_fatal`): `errc::frame_too_large`, `errc::malformed_frame`,
    /// `errc::partial_frame` when the peer finished inside a frame (its bytes: `unread()`),
    /// `errc::read_timeout`; the others are those of the stream, with `errc::end_of_stream` for a clean end.
    /// After `errc::canceled` no byte is lost.
    awaitable<result<std::string_view>> read();

    /// The next frame when it is already in the buffer; `errc::would_block` when it is not: then `fill`.
    result<std::string_view> try_read();

    /// Completes when more bytes have arrived. Errors as `read`. What remains at the end of the stream is
    /// decided here: a codec for which the rest is a frame keeps it for `try_read`, and the next call gives
    /// the end.
    awaitable<result<void>> fill();

    /// Completes with every complete frame that is there, at least one. Errors as `read`; an error that lies
    /// behind good frames is reported by the read after them.
    awaitable<result<batch_type>> read_batch();

    /// The bytes that arrived and belong to no frame yet; they stay readable after an error.
    std::string_view unread() const noexcept;

    // writing

    /// Encodes and copies `payload` into the output queue; nothing is sent yet. `errc::queue_full` with the
    /// numbers, `errc::unencodable_payload` when the codec cannot carry it: in both cases nothing was queued.
    result<void> queue(std::string_view payload);

    /// Sends what is queued, at once where the kernel takes it. Completes when the queue is empty. Errors of
    /// the stream; a cancellation leaves the queue as it is, and a later flush goes on where this one ended.
    awaitable<result<void>> flush();

    /// `queue` and `flush` in one; waits for room where `queue` would refuse. `payload` belongs to the caller
    /// until it has completed.
    awaitable<result<void>> write(std::string_view payload);

    /// Completes when no more than `threshold` bytes are queued: back-pressure for a producer. Sends by
    /// itself when nobody flushes.
    awaitable<result<void>> wait_writable(std::size_t threshold = 0);

    std::size_t queued() const noexcept;

    // both

    /// Flushes, then closes the stream gracefully; `limit` is for both together.
    awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit);
    void abort() noexcept;
    /// Pending calls complete with `errc::canceled`.
    void cancel() noexcept;
    /// Reads deliver the complete frames that have arrived and then give `errc::shutting_down`; writing goes
    /// on.
    void request_stop() noexcept;

    /// Exchanges the codec of the live stream, also while a read waits; bytes that are buffered go to the new
    /// one. (With `any_codec` the kind of framing can change.)
    void set_codec(Codec codec);
    const Codec& codec() const noexcept;

    Stream& stream() noexcept;
    const Stream& stream() const noexcept;
    boost::asio::any_io_executor get_executor() const;

  private:
    using state = detail::framed_state<Stream, Codec>;
    boost::intrusive_ptr<state> state_;
};

} // namespace portunus

#include <portunus/net/impl/framed_stream.hpp>

#endif
