// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_FRAMED_STREAM_HPP
#define PORTUNUS_NET_IMPL_FRAMED_STREAM_HPP

#include <portunus/net/framed_stream.hpp>

#include <portunus/core/close_reason.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/framing/frame_decoder.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/assert.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

namespace portunus {
namespace detail {

/// Bytes on their way out: written at the end, sent from the front, one block of memory.
class output_queue {
  public:
    std::size_t size() const noexcept { return end_ - begin_; }
    boost::asio::const_buffer data() const noexcept { return {memory_.get() + begin_, size()}; }

    /// Room for `n` more bytes at the end.
    char* prepare(std::size_t n) {
        if (capacity_ - end_ < n) grow(n);
        return memory_.get() + end_;
    }
    void commit(std::size_t n) noexcept { end_ += n; }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    void release() noexcept {
        if (size() != 0) return;
        memory_.reset();
        capacity_ = begin_ = end_ = 0;
    }

  private:
    [[gnu::noinline]] void grow(std::size_t n) {
        const std::size_t used = size();
        if (capacity_ - used >= n && begin_ >= used) { // a move to the front makes room, and is cheap
            std::memcpy(memory_.get(), memory_.get() + begin_, used);
        } else {
            const std::size_t wanted = std::max({std::size_t{1024}, capacity_ * 2, used + n});
            std::unique_ptr<char[]> larger(new char[wanted]);
            if (used != 0) std::memcpy(larger.get(), memory_.get() + begin_, used);
            memory_ = std::move(larger);
            capacity_ = wanted;
        }
        begin_ = 0;
        end_ = used;
    }

    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

template <class Stream, class Codec>
class framed_state
    : public boost::intrusive_ref_counter<framed_state<Stream, Codec>, boost::thread_unsafe_counter> {
  public:
    using pointer = boost::intrusive_ptr<framed_state>;
    using batch = frame_batch<Stream, Codec>;
    enum class wake : std::uint8_t { none, park, message_limit, silence, exchanged };

    framed_state(Stream s, Codec codec, const framed_options& o)
        : stream(std::move(s)), in(std::move(codec)), time_(&time_of(stream)),
          limit(*time_, this, [](void* self) { static_cast<framed_state*>(self)->expired(); }),
          options{o.max_queued, milliseconds_of(o.message_limit), milliseconds_of(o.park_after)} {}

    deadline_service& time() const noexcept { return *time_; }

    // reading

    /// One step of the codec, with what it means for the limits.
    decode_step next() {
        const decode_step step = in.next();
        if (step.what == decode_step::kind::frame) {
            message_began = false;
            ++received;
        }
        return step;
    }

    /// Reports the messages since the last time; once a buffer, not once a message.
    void count() noexcept {
        if constexpr (requires { stream.count_messages(received, sent); })
            stream.count_messages(received, sent);
        received = sent = 0;
    }

    /// The codec gave up: remembered, and told to the stream as the reason for its end.
    [[gnu::cold, gnu::noinline]] error malformed() {
        if (!failed) {
            failed = std::make_unique<const error>(in.failure());
            if constexpr (requires { stream.record_failure(*failed); }) stream.record_failure(*failed);
        }
        return *failed;
    }

    void interrupt(wake why) {
        woken_for = why;
        if (!reading) return;
        if constexpr (requires { stream.cancel_read(); })
            stream.cancel_read(); // a write that waits keeps its own limit
        else
            stream.cancel();
    }

    void expired() {
        if (!reading) return; // armed for a wait that is over
        interrupt(limit_for);
    }

    /// Chooses what ends the wait that is about to begin, besides bytes.
    /// False when the message's limit has passed already, while nobody read.
    bool arm_limit(bool idle) {
        if constexpr (timed_codec<Codec>) {
            if (const auto at = in.deadline()) {
                limit_for = wake::silence;
                limit.arm_at(*at);
                return true;
            }
        }
        if (!in.buffered().empty()) {
            if (options.message_limit.count() == 0) {
                limit.disarm();
            } else if (!message_began) {
                limit_for = wake::message_limit;
                limit.arm(options.message_limit);
            } else if (!limit.armed()) { // a trickle does not move it
                return false;
            }
            message_began = true;
            return true;
        }
        message_began = false;
        if (idle || options.park_after.count() == 0) {
            limit.disarm();
        } else {
            limit_for = wake::park;
            limit.arm(options.park_after);
        }
        return true;
    }

    /// Where the waiting coroutine stands.
    enum class outcome : std::uint8_t { none, frame, bytes, failed };

    /// Looks for what the waiting coroutine can complete with: a frame (then in `current`), bytes, or an
    /// error (then in `got`). Kept out of the coroutine, whose frame would hold each local for as long as the
    /// connection is idle.
    template <class R>
    outcome find(result<std::size_t>& got, bool arrived, const boost::asio::cancellation_state& asked) {
        if (dropped) return fail(got, errc::canceled); // the last reference may be this frame's: no views
        if (failed) return fail(got, *failed);
        if constexpr (!std::is_void_v<R>) {
            decode_step step = next();
            if (step.what == decode_step::kind::more && ended) {
                step = in.finish();
                if (step.what == decode_step::kind::more) return fail(got, errc::end_of_stream);
            }
            if (step.what == decode_step::kind::failed) return fail(got, malformed());
            if (step.what == decode_step::kind::frame) {
                current = step.frame;
                return outcome::frame;
            }
        } else {
            if (arrived) return outcome::bytes;
            if (ended) return fail(got, errc::end_of_stream);
        }
        if (canceled || stop_asked(asked)) return fail(got, errc::canceled);
        return outcome::none;
    }
    static outcome fail(result<std::size_t>& got, error e) {
        got = std::move(e);
        return outcome::failed;
    }

    /// A read, or an idle wait, is over. False when it failed for good, with the error in `got`.
    bool goes_on(result<std::size_t>& got, bool& idle, bool& arrived) {
        if (got) {
            if (idle) { // bytes wait in the socket
                idle = false;
                return true;
            }
            in.commit(*got);
            if constexpr (timed_codec<Codec>) in.received(time().now());
            return arrived = true;
        }
        if (got.error() == errc::end_of_stream) {
            ended = true;
            arrived = !in.buffered().empty(); // what to do with the rest is for try_read to say
            return true;
        }
        if (got.error() != errc::canceled) return false;
        switch (woken_for) {
        case wake::park:
            in.release();
            out.release();
            return idle = true;
        case wake::message_limit:
            got = too_slow();
            return false;
        case wake::silence:
            if constexpr (timed_codec<Codec>) in.expired(time().now());
            return arrived = true;
        case wake::exchanged:
            return arrived = true;
        case wake::none:
            return true; // somebody else's cancellation, or ours: `find` decides
        }
        return true;
    }

    template <class R>
    static result<R> made(const pointer& s) {
        if constexpr (std::is_void_v<R>)
            return {};
        else if constexpr (std::is_same_v<R, std::string_view>)
            return s->current;
        else
            return batch(s, s->current);
    }

    /// The one reading loop. `R` void: until bytes have come (`fill`); otherwise until a frame is there.
    template <class R>
    static awaitable<result<R>> wait_for(pointer s) {
        if (s->reading) co_return second_reader();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        const reading_mark mark(*s);
        bool idle = false;
        bool arrived = false; // bytes, or a moment that the codec waited for
        result<std::size_t> got = std::size_t{0};
        for (;;) {
            switch (s->template find<R>(got, arrived, asked)) {
            case outcome::frame:
            case outcome::bytes:
                co_return made<R>(s);
            case outcome::failed:
                co_return std::move(got).error();
            case outcome::none:
                break;
            }
            if (!s->prepare_wait(got, idle)) {
                // no wait: `got` is what was there
            } else if (!idle) {
                got = co_await s->stream.read_some(s->room());
            } else if constexpr (std::is_same_v<Stream, tcp_stream>) {
                // Held by itself: the handle, and with it the stream, may be destroyed meanwhile.
                const auto socket = tcp_stream_state::pointer_of(s->stream);
                if (socket->begin_idle(got)) {
                    const auto [ec] = co_await socket->park_op();
                    socket->end_idle(ec, got);
                }
            } else {
                got = read_nothing(co_await s->stream.wait_readable());
            }
            if (!s->goes_on(got, idle, arrived)) co_return std::move(got).error();
        }
    }

    struct reading_mark {
        explicit reading_mark(framed_state& s) noexcept : state(s) {
            state.reading = true;
            state.canceled = false; // a cancellation that came too late for the last read is not for this one
            ++state.epoch;
        }
        reading_mark(const reading_mark&) = delete;
        reading_mark& operator=(const reading_mark&) = delete;
        ~reading_mark() { state.reading = false; }
        framed_state& state;
    };
    static deadline_service& time_of(const Stream& s) {
        const boost::asio::any_io_executor executor = s.get_executor();
        if (!executor) throw failure(error(errc::not_connected, "a framed_stream needs a connected stream"));
        return deadline_service::of(executor);
    }
    static error second_writer() {
        return error(errc::operation_in_progress, "another coroutine already writes to this stream");
    }
    static error second_reader() {
        return error(errc::operation_in_progress, "another coroutine already reads from this stream");
    }
    static result<std::size_t> read_nothing(result<void> ready) {
        if (ready) return std::size_t{0};
        return std::move(ready).error();
    }
    /// False when there is no time left to wait: then `got` is the outcome. What has come in time counts,
    /// though nobody read it when the limit passed.
    bool prepare_wait(result<std::size_t>& got, bool idle) {
        count();
        woken_for = wake::none;
        got = std::size_t{0};
        if (arm_limit(idle)) return true;
        got = stream.try_read_some(room());
        if (!got && got.error() == errc::would_block) got = too_slow();
        return false;
    }

    [[gnu::cold, gnu::noinline]] error too_slow() {
        failed = std::make_unique<const error>(
            errc::read_timeout, std::to_string(in.buffered().size()) + " bytes of a message arrived in " +
                                    std::to_string(options.message_limit.count()) +
                                    " ms, and its end is missing");
        if constexpr (requires { stream.record_failure(*failed); }) stream.record_failure(*failed);
        return *failed;
    }

    boost::asio::mutable_buffer room() {
        const auto space = in.prepare(1);
        return {space.data(), space.size()};
    }

    /// The next frame without waiting; false when there is none, or an error.
    [[gnu::flatten]] bool try_next(std::string_view& frame) {
        ++epoch;
        decode_step step = next();
        if (step.what == decode_step::kind::more && ended) step = in.finish();
        frame = {step.frame.data(), step.frame.size()};
        return step.what == decode_step::kind::frame;
    }
    [[gnu::cold, gnu::noinline]] error nothing_to_read() {
        if (failed) return *failed;
        if (in.failure().code().failed()) return malformed();
        return errc::would_block;
    }

    // writing

    /// False when the payload was not queued; `not_queued` says why.
    [[gnu::flatten]] bool try_queue(std::string_view payload) {
        const std::size_t bound = in.codec().encode_bound(payload);
        if (out.size() + bound > options.max_queued && out.size() != 0) [[unlikely]]
            return false;
        const std::size_t n = in.codec().encode(payload, out.prepare(bound));
        if (n == unencodable) [[unlikely]]
            return false;
        out.commit(n);
        ++sent;
        return true;
    }
    [[gnu::cold, gnu::noinline]] error not_queued(std::string_view payload) const {
        const std::size_t bound = in.codec().encode_bound(payload);
        if (out.size() + bound > options.max_queued && out.size() != 0) {
            if constexpr (requires { stream.count_full_queue(); }) stream.count_full_queue();
            return error(errc::queue_full, std::to_string(out.size()) + " bytes are queued, " +
                                               std::to_string(bound) + " more would exceed max_queued " +
                                               std::to_string(options.max_queued));
        }
        return in.codec().encode_failure(payload);
    }
    result<void> queue(std::string_view payload) {
        if (try_queue(payload)) return {};
        return not_queued(payload);
    }

    /// The one writing loop: until no more than `threshold` bytes are queued.
    static awaitable<result<void>> flush(pointer s, std::size_t threshold) {
        if (s->writing) co_return second_writer();
        while (s->out.size() > threshold) {
            auto sent = s->stream.try_write_some(s->out.data());
            if (sent) {
                s->out.consume(*sent);
                continue;
            }
            if (s->dropped) co_return errc::canceled;
            if (sent.error() != errc::would_block) co_return std::move(sent).error();
            auto room = co_await wait_for_room(s);
            if (!room) co_return room;
        }
        co_return result<void>();
    }

    static awaitable<result<void>> wait_for_room(pointer s) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        struct mark_type {
            framed_state& state;
            ~mark_type() {
                state.writing = false;
                if (state.flushed) state.flushed->notify();
            }
        } mark{*s};
        s->writing = true;
        s->flush_canceled = false;
        for (;;) {
            auto room = co_await s->stream.wait_writable();
            if (!room && room.error() != errc::canceled) co_return room;
            // Also where there was room at the same moment: the flush would go on, and wait again.
            if (s->dropped || s->flush_canceled || stop_asked(asked)) co_return errc::canceled;
            if (room) co_return room;
            // A read that was woken cancels both directions: only our own cancellation ends this one.
        }
    }

    static awaitable<result<void>> wait_writable(pointer s, std::size_t threshold) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        while (s->out.size() > threshold) {
            if (s->dropped || s->closing_late || stop_asked(asked)) co_return errc::canceled;
            if (!s->writing) {
                auto done = co_await flush(s, threshold);
                if (done || done.error() != errc::operation_in_progress) co_return done;
                continue;
            }
            if (!s->flushed) s->flushed = std::make_unique<event>(s->stream.get_executor());
            co_await s->flushed->wait_op();
        }
        co_return result<void>();
    }

    static awaitable<result<void>> write(pointer s, std::string_view payload) {
        for (;;) {
            if (s->writing) co_return second_writer();
            auto queued = s->queue(payload);
            if (queued) co_return co_await flush(std::move(s), 0);
            if (queued.error() != errc::queue_full) co_return queued;
            auto room = co_await flush(s, 0);
            if (!room) co_return room;
        }
    }

    static awaitable<result<void>> close(pointer s, steady_clock::duration limit) {
        const auto end = s->time().now() + limit;
        result<void> flushed;
        if (s->out.size() != 0) {
            s->closing_late = false;
            deadline late(s->time(), s.get(), [](void* owner) {
                auto& self = *static_cast<framed_state*>(owner);
                self.closing_late = self.flush_canceled = true;
                self.stream.cancel();
                if (self.flushed) self.flushed->notify();
            });
            late.arm(limit);
            flushed = co_await wait_writable(s, 0); // also when another coroutine is at it
            if (!flushed && s->closing_late)
                flushed = error(errc::drain_timeout,
                                std::to_string(s->out.size()) + " queued bytes were not sent in time");
        }
        if (s->dropped) co_return errc::canceled;
        auto closed =
            co_await s->stream.close(std::max(end - s->time().now(), steady_clock::duration::zero()));
        s->limit.disarm();
        if (!flushed) co_return flushed;
        co_return closed;
    }

    void cancel() {
        canceled = reading;
        flush_canceled = writing;
        stream.cancel();
    }

    /// The handle is gone: let the stream go with it, whatever still waits on this state.
    void drop() {
        dropped = true;
        count();
        limit.disarm();
        [[maybe_unused]] const Stream gone(std::move(stream));
    }

    Stream stream;
    frame_decoder<Codec> in;
    output_queue out;
    deadline_service* time_;
    deadline limit; // of the reading side: park, message limit, silence
    struct {
        std::size_t max_queued;
        milliseconds32 message_limit;
        milliseconds32 park_after;
    } options;
    std::string_view current; // the frame that the reading coroutine completes with
    std::unique_ptr<const error> failed;
    std::unique_ptr<event> flushed;
    std::uint32_t received = 0; // messages that are not reported yet
    std::uint32_t sent = 0;
    std::uint32_t epoch = 0; // counts reads: a batch of an older one is stale
    wake limit_for = wake::none;
    wake woken_for = wake::none;
    bool reading = false;
    bool writing = false;
    bool canceled = false;
    bool flush_canceled = false;
    bool message_began = false;
    bool ended = false;        // the stream has given its end
    bool closing_late = false; // the limit of `close` has passed with bytes still queued
    bool dropped = false;
};

template <class T>
awaitable<result<T>> failed_operation(error e) {
    co_return e;
}

} // namespace detail

template <class Stream, class Codec>
frame_batch<Stream, Codec>::frame_batch(boost::intrusive_ptr<state> of, std::string_view first) noexcept
    : state_(std::move(of)), epoch_(state_->epoch) {
    set(first);
}

template <class Stream, class Codec>
[[gnu::flatten]] void frame_batch<Stream, Codec>::advance() {
    BOOST_ASSERT_MSG(epoch_ == state_->epoch, "a batch is valid until the next read of its stream");
    const decode_step step = state_->next();
    if (step.what == decode_step::kind::frame)
        set(step.frame);
    else
        done_ = true; // a failure that lies here is reported by the next read
}

template <byte_stream Stream, frame_codec Codec>
framed_stream<Stream, Codec>::framed_stream(Stream stream, Codec codec, const framed_options& options)
    : state_(new state(std::move(stream), std::move(codec), options)) {}
template <byte_stream Stream, frame_codec Codec>
framed_stream<Stream, Codec>& framed_stream<Stream, Codec>::operator=(framed_stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
template <byte_stream Stream, frame_codec Codec>
framed_stream<Stream, Codec>::~framed_stream() {
    if (state_) state_->drop();
}

template <byte_stream Stream, frame_codec Codec>
awaitable<result<std::string_view>> framed_stream<Stream, Codec>::read() {
    return state::template wait_for<std::string_view>(state_);
}
template <byte_stream Stream, frame_codec Codec>
[[gnu::always_inline]] inline result<std::string_view> framed_stream<Stream, Codec>::try_read() {
    std::string_view frame;
    if (state_->try_next(frame)) [[likely]]
        return frame;
    return state_->nothing_to_read();
}
template <byte_stream Stream, frame_codec Codec>
awaitable<result<void>> framed_stream<Stream, Codec>::fill() {
    return state::template wait_for<void>(state_);
}
template <byte_stream Stream, frame_codec Codec>
auto framed_stream<Stream, Codec>::read_batch() -> awaitable<result<batch_type>> {
    return state::template wait_for<batch_type>(state_);
}
template <byte_stream Stream, frame_codec Codec>
std::string_view framed_stream<Stream, Codec>::unread() const noexcept {
    return state_->in.buffered();
}
template <byte_stream Stream, frame_codec Codec>
[[gnu::always_inline]] inline result<void> framed_stream<Stream, Codec>::queue(std::string_view payload) {
    // The usual case is seen by the caller's compiler, which then builds and destroys no result.
    if (state_->try_queue(payload)) [[likely]]
        return {};
    return state_->not_queued(payload);
}
template <byte_stream Stream, frame_codec Codec>
awaitable<result<void>> framed_stream<Stream, Codec>::flush() {
    return state::flush(state_, 0);
}
template <byte_stream Stream, frame_codec Codec>
awaitable<result<void>> framed_stream<Stream, Codec>::write(std::string_view payload) {
    return state::write(state_, payload);
}
template <byte_stream Stream, frame_codec Codec>
awaitable<result<void>> framed_stream<Stream, Codec>::wait_writable(std::size_t threshold) {
    return state::wait_writable(state_, threshold);
}
template <byte_stream Stream, frame_codec Codec>
std::size_t framed_stream<Stream, Codec>::queued() const noexcept {
    return state_->out.size();
}
template <byte_stream Stream, frame_codec Codec>
awaitable<result<void>> framed_stream<Stream, Codec>::close(steady_clock::duration limit) {
    return state::close(state_, limit);
}
template <byte_stream Stream, frame_codec Codec>
void framed_stream<Stream, Codec>::abort() noexcept {
    state_->stream.abort();
}
template <byte_stream Stream, frame_codec Codec>
void framed_stream<Stream, Codec>::cancel() noexcept {
    state_->cancel();
}
template <byte_stream Stream, frame_codec Codec>
void framed_stream<Stream, Codec>::request_stop() noexcept {
    state_->stream.request_stop();
}
template <byte_stream Stream, frame_codec Codec>
void framed_stream<Stream, Codec>::set_codec(Codec codec) {
    state_->in.exchange(std::move(codec));
    if constexpr (timed_codec<Codec>)
        if (!state_->in.buffered().empty()) state_->in.received(state_->time().now());
    state_->message_began = false;
    if (state_->reading) state_->interrupt(detail::framed_state<Stream, Codec>::wake::exchanged);
}
template <byte_stream Stream, frame_codec Codec>
const Codec& framed_stream<Stream, Codec>::codec() const noexcept {
    return state_->in.codec();
}
template <byte_stream Stream, frame_codec Codec>
Stream& framed_stream<Stream, Codec>::stream() noexcept {
    return state_->stream;
}
template <byte_stream Stream, frame_codec Codec>
const Stream& framed_stream<Stream, Codec>::stream() const noexcept {
    return state_->stream;
}
template <byte_stream Stream, frame_codec Codec>
boost::asio::any_io_executor framed_stream<Stream, Codec>::get_executor() const {
    return state_->stream.get_executor();
}

} // namespace portunus

#endif
