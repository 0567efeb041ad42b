// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_TLS_STREAM_HPP
#define PORTUNUS_NET_IMPL_TLS_STREAM_HPP

#include <portunus/net/tls_stream.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/net/peer_info.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace portunus {
namespace detail {

/// What a `tls_stream` and its pending operations share.
///
/// Reading waits for the stream below by itself. Writing never does: whoever has made output tries to send it
/// at once, and where the stream below is full one coroutine (`send_rest`) sends the rest; everybody else
/// waits for that one. So there is one reader and one writer below, though reads make output as well (alerts,
/// key updates), and what was taken is sent though nobody waits for it.
template <byte_stream Stream>
class tls_stream_state
    : public boost::intrusive_ref_counter<tls_stream_state<Stream>, boost::thread_unsafe_counter> {
  public:
    using pointer = boost::intrusive_ptr<tls_stream_state>;
    using stream_type = tls_stream<Stream>;

    tls_stream_state(Stream s, tls_engine e, const tls_stream_options& o)
        : lower(std::move(s)), engine(std::move(e)), executor(lower.get_executor()), changed(executor),
          options(o) {}

    /// Marks a direction as busy for the life of an operation.
    class mark {
      public:
        mark(tls_stream_state& s, bool& busy, bool& canceled) noexcept : state_(s), busy_(busy) {
            busy_ = true;
            canceled = false;
        }
        mark(const mark&) = delete;
        mark& operator=(const mark&) = delete;
        ~mark() {
            busy_ = false;
            if (state_.closing) state_.changed.notify(); // it waits for us
        }

      private:
        tls_stream_state& state_;
        bool& busy_;
    };

    static error second_reader() {
        return error(errc::operation_in_progress, "another coroutine already reads from this stream");
    }
    static error second_writer() {
        return error(errc::operation_in_progress, "another coroutine already writes to this stream");
    }

    // the end and its reasons

    /// What keeps an operation from starting or going on.
    std::optional<error> blocked() const {
        if (dropped) return error(errc::canceled);
        return obstacle;
    }
    void end(close_reason why, const error& failed) {
        if (ended != close_reason::none) return;
        ended = why;
        cause = failed;
        if (why == close_reason::closed_locally) return; // the stream below will see that by itself
        if constexpr (requires { lower.record_failure(failed); }) lower.record_failure(failed);
    }
    /// The peer has finished in order, which the stream below cannot know.
    void note_end() {
        if (engine.close_notify_seen()) end(close_reason::eof, error(errc::end_of_stream));
    }
    /// An error of TLS: completed with the peer's address, and remembered.
    [[gnu::cold, gnu::noinline]] error tls_failed(const error& e) {
        if (e.code().category() != tls_category()) return e;
        if (!failure) {
            failure = with_address(e);
            end(reason_of(*failure), *failure);
        }
        return *failure;
    }
    error with_address(const error& e) const {
        if constexpr (requires { to_string(lower.remote_endpoint()); })
            return e.with("from " + to_string(lower.remote_endpoint()));
        else
            return e;
    }

    /// Wakes whatever waits. Who has no cause of its own waits again.
    void wake() noexcept {
        changed.notify();
        lower.cancel();
    }
    void fail_both(errc why) {
        if (!obstacle) obstacle = error(why);
        end(reason_of(*obstacle), *obstacle);
        wake();
    }

    // output

    /// Sends what is there. The rest, where the stream below is full, goes out in the background.
    void push_output() {
        if (sending || output_failure || dropped) return;
        if (send_now() && !engine.pending_output().empty() && !output_failure) {
            sending = true;
            boost::asio::co_spawn(executor, send_rest(pointer(this)),
                                  [self = pointer(this)](const std::exception_ptr& thrown) {
                                      if (thrown) self->sending_failed(error(tls_errc::library_failure));
                                  });
        }
    }
    /// As much as the stream below takes now; false when it failed.
    bool send_now() {
        for (;;) {
            const std::string_view out = engine.pending_output();
            if (out.empty()) return true;
            auto n = lower.try_write_some(boost::asio::const_buffer(out.data(), out.size()));
            if (n && *n != 0) {
                engine.consume_output(*n);
                continue;
            }
            if (n || n.error() == errc::would_block) return true;
            output_failure = std::move(n).error();
            return false;
        }
    }
    void sending_failed(error why) {
        output_failure = std::move(why);
        sending = false;
        changed.notify();
    }

    /// The one coroutine that waits for the stream below to take something.
    static awaitable<void> send_rest(pointer s) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        co_await boost::asio::post(s->executor, use_result); // never inside of the call that began it
        while (!s->dropped && !s->gave_up && !s->engine.pending_output().empty()) {
            auto room = co_await s->lower.wait_writable();
            if (s->dropped || s->gave_up) break;
            if (!room && room.error() != errc::canceled) {
                s->output_failure = std::move(room).error();
                break;
            }
            if (!s->send_now()) break;
        }
        s->sending = false;
        const bool all = s->closing && !s->dropped && !s->gave_up && !s->output_failure;
        if (all && s->engine.close_notify_sent()) co_await end_below(s);
        if (s->closing)
            s->wake(); // it may be reading
        else
            s->changed.notify();
    }
    static awaitable<void> end_below(pointer s) {
        s->half_closed = true;
        auto ended_there = co_await s->lower.shutdown_send();
        (void)ended_there; // the reading that follows sees what is wrong
    }

    // reading

    std::span<char> room() { return engine.prepare_input(); }
    static boost::asio::mutable_buffer as_buffer(std::span<char> s) { return {s.data(), s.size()}; }

    /// What came from below, or its end, goes into the engine. False: an error, which `n` has.
    bool received(const result<std::size_t>& n) {
        if (n) {
            engine.commit_input(*n);
            return true;
        }
        if (n.error() == errc::end_of_stream) {
            engine.feed_end();
            return true;
        }
        return n.error() == errc::canceled; // whether it was meant for us is for the loop to see
    }

    /// Plain bytes that are there already.
    result<std::size_t> take(boost::asio::mutable_buffer into) {
        auto got = engine.read({static_cast<char*>(into.data()), into.size()});
        if (!engine.pending_output().empty()) push_output();
        if (got)
            bytes_in += *got;
        else if (got.error() != errc::would_block)
            return tls_failed(got.error());
        return got;
    }

    result<std::size_t> try_read(boost::asio::mutable_buffer into) {
        if (auto e = blocked()) return *std::move(e);
        for (int i = 0; i < 16; ++i) { // a peer that never says anything of use does not hold the context up
            auto got = take(into);
            if (got || got.error() != errc::would_block) return got;
            const auto space = room();
            if (space.empty()) return got;
            auto n = lower.try_read_some(as_buffer(space));
            if (!n && n.error() != errc::end_of_stream) return n;
            (void)received(n);
        }
        return errc::would_block;
    }

    static awaitable<result<std::size_t>> read_some(pointer s, boost::asio::mutable_buffer into) {
        if (s->reading) co_return second_reader();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        const mark busy(*s, s->reading, s->read_canceled);
        for (;;) {
            if (auto e = s->blocked()) co_return *std::move(e);
            if (s->read_canceled || stop_asked(asked)) co_return errc::canceled;
            auto got = s->take(into);
            if (got || got.error() != errc::would_block) co_return got;
            const auto space = s->room();
            if (space.empty()) { // nothing goes before our answers have left
                if (s->output_failure) co_return *s->output_failure;
                co_await s->changed.wait_op();
                continue;
            }
            auto n = co_await s->lower.read_some(as_buffer(space));
            if (!s->received(n)) {
                if (auto e = s->blocked()) co_return *std::move(e);
                co_return n;
            }
        }
    }

    static awaitable<result<void>> wait_readable(pointer s) {
        if (s->reading) co_return second_reader();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        const mark busy(*s, s->reading, s->read_canceled);
        for (;;) {
            if (auto e = s->blocked()) co_return *std::move(e);
            if (s->read_canceled || stop_asked(asked)) co_return errc::canceled;
            if (s->something_to_say()) co_return result<void>();
            if (s->engine.unused_input() != 0) { // more to look at, or our answers have to leave first
                if (s->output_failure) co_return *s->output_failure;
                if (s->sending)
                    co_await s->changed.wait_op();
                else
                    co_await boost::asio::post(s->executor, use_result);
                continue;
            }
            s->engine.release_buffers();
            auto ready = co_await s->lower.wait_readable();
            if (ready || ready.error() == errc::canceled) continue;
            if (auto e = s->blocked()) co_return *std::move(e);
            co_return ready;
        }
    }
    bool something_to_say() {
        for (int i = 0; i < 16; ++i) {
            const bool readable = engine.readable();
            if (!engine.pending_output().empty()) push_output();
            if (readable) return true;
            const auto space = room();
            if (space.empty()) return false;
            const auto n = lower.try_read_some(as_buffer(space));
            if (!n && n.error() == errc::would_block) return false;
            if (!received(n)) return true; // an error, which the read will meet again
        }
        return false;
    }

    // writing

    result<std::size_t> put(boost::asio::const_buffer data) {
        if (auto e = blocked()) return *std::move(e);
        push_output();
        if (output_failure) return *output_failure;
        if (!engine.pending_output().empty() || starved()) return errc::would_block;
        auto n = engine.write({static_cast<const char*>(data.data()), data.size()});
        if (!n) return tls_failed(n.error());
        push_output();
        if (output_failure) return *output_failure;
        bytes_out += *n;
        return n;
    }

    static awaitable<result<void>> wait_writable(pointer s) {
        if (s->writing) co_return second_writer();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        const mark busy(*s, s->writing, s->write_canceled);
        for (;;) {
            if (auto e = s->blocked()) co_return *std::move(e);
            if (s->write_canceled || stop_asked(asked)) co_return errc::canceled;
            s->push_output();
            if (s->output_failure) co_return *s->output_failure;
            if (s->engine.pending_output().empty() && !s->starved()) co_return result<void>();
            co_await wait_changed(s);
        }
    }

    static awaitable<result<void>> write(pointer s, boost::asio::const_buffer data) {
        if (s->writing) co_return second_writer();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        if (stop_asked(asked)) co_return errc::canceled; // or a loop of writes would never see it
        const mark busy(*s, s->writing, s->write_canceled);
        bool some_left = false;
        while (data.size() != 0) {
            auto n = s->put(data);
            if (n) {
                data += *n;
                some_left = true;
                continue;
            }
            if (n.error() != errc::would_block) co_return std::move(n).error();
            if (s->write_canceled || stop_asked(asked)) {
                if (!some_left) co_return errc::canceled;
                // A part of a message is out: whatever followed would be read as the rest of it.
                s->fail_both(errc::torn_write);
                co_return errc::torn_write;
            }
            co_await wait_changed(s);
        }
        // All of it was taken and will be sent, also when nobody waits for that.
        while (s->sending && !s->obstacle && !s->dropped && !s->write_canceled && !stop_asked(asked))
            co_await s->changed.wait_op();
        if (s->output_failure) co_return *s->output_failure;
        if (auto e = s->blocked()) {
            if (*e != errc::closed_locally) co_return *std::move(e); // closing sends it
        }
        co_return result<void>();
    }

    /// Nothing can be written before the rest of a message of the peer's protocol is here; see
    /// `tls_engine::wants_input`. Where nobody reads, what has come is taken for it.
    bool starved() {
        while (engine.wants_input() && !reading) {
            const auto space = room();
            if (space.empty()) break;
            const auto n = lower.try_read_some(as_buffer(space));
            if (!n && n.error() != errc::end_of_stream) break;
            (void)received(n);
            if (!n) break;
        }
        return engine.wants_input();
    }
    /// Until something has changed. While starved nothing tells, so it looks again after a moment.
    static awaitable<void> wait_changed(pointer s) {
        deadline again(deadline_service::of(s->executor), s.get(),
                       [](void* owner) { static_cast<tls_stream_state*>(owner)->changed.notify(); });
        if (s->engine.wants_input()) again.arm(std::chrono::milliseconds(20));
        co_await s->changed.wait_op();
    }

    static awaitable<result<void>> half_close(pointer s) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        while (!s->blocked() && s->starved()) {
            if (stop_asked(asked)) co_return errc::canceled;
            co_await wait_changed(s);
        }
        if (auto e = s->blocked()) co_return *std::move(e);
        auto ended_here = s->engine.shutdown();
        s->push_output();
        if (!ended_here) co_return s->tls_failed(ended_here.error());
        if (s->output_failure) co_return *s->output_failure;
        co_return result<void>();
    }

    // closing

    /// Reads and discards; whether the peer has ended, or broken, the connection.
    bool discard() {
        char scrap[4096];
        for (;;) {
            const auto got = engine.read(scrap);
            if (got) continue;
            push_output();
            return got.error() != errc::would_block;
        }
    }
    void let_go() noexcept {
        gave_up = true;
        [[maybe_unused]] const Stream gone(std::move(lower));
        changed.notify();
    }

    struct close_watch { // the deadline's owner: it wakes this wait and nothing else
        tls_stream_state* state;
        bool late;
    };

    static awaitable<result<void>> close(pointer s, steady_clock::duration limit) {
        if (s->closed || s->aborted) co_return result<void>();
        if (s->closing) co_return error(errc::operation_in_progress, "this stream is being closed already");
        s->closing = true;
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        bool in_order = s->begin_close();
        auto& time = deadline_service::of(s->executor);
        const auto until = time.now() + limit;
        close_watch mine{s.get(), false};
        deadline drain(time, &mine, [](void* owner) {
            auto& w = *static_cast<close_watch*>(owner);
            w.late = true;
            w.state->wake();
        });
        if (in_order) drain.arm(limit);
        while (in_order && s->goes_on_closing(mine.late, asked)) {
            if (s->output_failure) break;
            if (!s->engine.close_notify_sent()) s->say_end(); // what was in its way may have gone
            if (!s->sending && !s->half_closed && !s->engine.wants_input()) {
                co_await end_below(s);
                continue;
            }
            if (s->reading) { // it was woken, and will be gone in a moment
                co_await s->changed.wait_op();
                continue;
            }
            const bool over = s->discard();
            if (over && !s->sending) break;
            const auto space = s->room();
            if (over || space.empty()) {
                co_await s->changed.wait_op();
                continue;
            }
            auto n = co_await s->lower.read_some(as_buffer(space));
            in_order = s->received(n);
        }
        drain.disarm();
        if (s->dropped) co_return errc::canceled;
        if (s->aborted) co_return errc::aborted_locally;
        if (mine.late) {
            auto why = s->not_closed(limit);
            s->closed = true;
            s->let_go();
            co_return why;
        }
        if (stop_asked(asked)) {
            s->closed = true;
            s->let_go();
            co_return errc::canceled;
        }
        // The peer has said its end: what is left is that of the connection below.
        const bool said = s->engine.close_notify_seen();
        auto rest = std::max(until - time.now(), steady_clock::duration::zero());
        if (said) rest = std::min<steady_clock::duration>(rest, std::chrono::seconds(1));
        auto below = co_await s->lower.close(rest);
        if (s->dropped) co_return errc::canceled;
        s->closed = true;
        if (s->aborted) co_return errc::aborted_locally;
        if (s->output_failure) co_return *s->output_failure;
        if (said && !below && below.error() == errc::drain_timeout) co_return result<void>();
        co_return below;
    }
    /// False when there is nothing to be ended in order any more.
    bool begin_close() {
        note_end();
        const bool in_order = !obstacle && !failure && !output_failure;
        if (!obstacle) {
            end(close_reason::closed_locally, error(errc::closed_locally));
            obstacle = error(errc::closed_locally);
        }
        if (in_order) say_end();
        push_output();
        if (reading || writing) wake();
        return in_order;
    }
    void say_end() {
        auto said = engine.shutdown();
        (void)said; // it fails where TLS has failed, and then there is nobody to be told
        push_output();
    }
    bool goes_on_closing(bool late, const boost::asio::cancellation_state& asked) const {
        return !late && !dropped && !aborted && !stop_asked(asked);
    }
    error not_closed(steady_clock::duration limit) const {
        const std::string time =
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) + " ms";
        const std::size_t left = engine.pending_output().size();
        if (left != 0)
            return error(errc::drain_timeout, std::to_string(left) + " bytes were not sent within " + time);
        return error(errc::drain_timeout, "the peer did not finish within " + time);
    }

    void abort(close_reason why) noexcept {
        if (closed || dropped) return;
        aborted = true;
        if (!obstacle || *obstacle == errc::closed_locally)
            obstacle = why == close_reason::replaced   ? error(errc::replaced)
                       : why == close_reason::shutdown ? error(errc::shutting_down)
                                                       : error(errc::aborted_locally);
        if (ended == close_reason::none) ended = why;
        gave_up = true;
        if constexpr (requires { lower.abort(why); })
            lower.abort(why);
        else
            lower.abort();
        changed.notify();
    }

    /// The handle is gone.
    void drop() noexcept {
        if (dropped) return;
        try {
            note_end();
            if (!obstacle && !failure && !output_failure && !sending && engine.handshake_done()) {
                auto said = engine.shutdown();
                if (said) (void)send_now();
            }
        } catch (...) { // no memory for a goodbye
        }
        dropped = true;
        let_go();
    }

    // the handshake

    struct handshake_watch {
        tls_stream_state* state;
        bool late;
    };

    static awaitable<result<stream_type>> shake(pointer s) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        handshake_watch mine{s.get(), false};
        deadline limit(deadline_service::of(s->executor), &mine, [](void* owner) {
            auto& w = *static_cast<handshake_watch*>(owner);
            w.late = true;
            w.state->wake();
        });
        if (s->options.handshake_limit > steady_clock::duration::zero())
            limit.arm(s->options.handshake_limit);
        std::optional<error> why; // it did not come about
        for (;;) {
            if (mine.late) {
                why = s->too_late();
                break;
            }
            if (stop_asked(asked)) {
                why = errc::canceled;
                break;
            }
            const bool went_on = s->step(why);
            if (!why && s->engine.handshake_done()) {
                s->push_output(); // tickets, say: the peer reads them with what follows
                stream_type made;
                made.state_ = std::move(s);
                co_return made;
            }
            if (!s->engine.pending_output().empty()) { // the stream below is full
                auto space = co_await s->lower.wait_writable();
                if (space || space.error() == errc::canceled) continue;
                if (!why) why = s->broke_in_handshake(space.error());
                break;
            }
            if (why) break;
            if (went_on) continue; // there was something in the way, and now there is not
            auto n = co_await s->lower.read_some(as_buffer(s->room()));
            if (!s->received(n)) {
                why = s->broke_in_handshake(n.error());
                break;
            }
        }
        // An alert would be lost with the connection, if that were torn down with bytes of the peer unread.
        if (s->told_why(*why) && !mine.late && !stop_asked(asked)) {
            auto closed_below = co_await s->lower.close(s->options.alert_limit);
            (void)closed_below;
        }
        s->dropped = true;
        s->let_go();
        co_return *std::move(why);
    }
    /// One step, and what it has to say. True when something was sent, so that the next step may get further.
    bool step(std::optional<error>& why) {
        if (!why) {
            auto stepped = engine.handshake();
            if (!stepped && stepped.error() != errc::would_block) why = tls_failed(stepped.error());
        }
        const std::size_t before = engine.pending_output().size();
        if (!send_now() && !why) why = broke_in_handshake(*output_failure);
        if (output_failure) engine.consume_output(engine.pending_output().size());
        return engine.pending_output().size() < before;
    }
    bool told_why(const error& why) const {
        return why.code().category() == tls_category() && !output_failure &&
               options.alert_limit > steady_clock::duration::zero();
    }
    error broke_in_handshake(const error& e) const {
        return e == errc::canceled ? e : with_address(e.with("in the TLS handshake"));
    }
    error too_late() const {
        return with_address(error(
            errc::handshake_timeout,
            "TLS was not agreed on within " +
                std::to_string(
                    std::chrono::duration_cast<std::chrono::milliseconds>(options.handshake_limit).count()) +
                " ms"));
    }

    Stream lower;
    tls_engine engine;
    boost::asio::any_io_executor executor;
    event changed; // output was sent, a reader has gone, or something has ended
    tls_stream_options options;
    std::optional<error> obstacle;       // why nothing goes any more, by our own doing
    std::optional<error> failure;        // of TLS
    std::optional<error> output_failure; // of the stream below
    error cause;                         // behind `ended`
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    close_reason ended = close_reason::none;
    bool reading = false;
    bool writing = false;
    bool read_canceled = false;
    bool write_canceled = false;
    bool sending = false; // `send_rest` runs
    bool closing = false;
    bool stopping = false;
    bool half_closed = false; // below
    bool closed = false;
    bool aborted = false;
    bool dropped = false; // the handle was destroyed
    bool gave_up = false; // nothing is to be sent any more
};

template <class T>
awaitable<result<T>> tls_not_possible(error why) {
    co_return why;
}

template <byte_stream Stream>
awaitable<result<tls_stream<Stream>>> tls_begin(Stream stream, result<tls_engine> engine,
                                                const tls_stream_options& options) {
    if (!stream.get_executor()) return tls_not_possible<tls_stream<Stream>>(errc::not_connected);
    if (!engine) return tls_not_possible<tls_stream<Stream>>(engine.error());
    using state = tls_stream_state<Stream>;
    return state::shake(new state(std::move(stream), std::move(*engine), options));
}

} // namespace detail

template <byte_stream Stream>
tls_stream<Stream>::tls_stream() noexcept = default;
template <byte_stream Stream>
tls_stream<Stream>::tls_stream(tls_stream&&) noexcept = default;
template <byte_stream Stream>
tls_stream<Stream>& tls_stream<Stream>::operator=(tls_stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
template <byte_stream Stream>
tls_stream<Stream>::~tls_stream() {
    if (state_) state_->drop();
}

template <byte_stream Stream>
boost::asio::any_io_executor tls_stream<Stream>::get_executor() const {
    return state_ ? state_->executor : boost::asio::any_io_executor();
}
template <byte_stream Stream>
awaitable<result<std::size_t>> tls_stream<Stream>::read_some(boost::asio::mutable_buffer into) {
    return state_ ? state::read_some(state_, into)
                  : detail::tls_not_possible<std::size_t>(errc::not_connected);
}
template <byte_stream Stream>
result<std::size_t> tls_stream<Stream>::try_read_some(boost::asio::mutable_buffer into) {
    if (!state_) return errc::not_connected;
    if (state_->reading) return state::second_reader();
    return state_->try_read(into);
}
template <byte_stream Stream>
awaitable<result<void>> tls_stream<Stream>::wait_readable() {
    return state_ ? state::wait_readable(state_) : detail::tls_not_possible<void>(errc::not_connected);
}
template <byte_stream Stream>
awaitable<result<void>> tls_stream<Stream>::write(boost::asio::const_buffer data) {
    return state_ ? state::write(state_, data) : detail::tls_not_possible<void>(errc::not_connected);
}
template <byte_stream Stream>
result<std::size_t> tls_stream<Stream>::try_write_some(boost::asio::const_buffer data) {
    if (!state_) return errc::not_connected;
    if (state_->writing) return state::second_writer();
    return state_->put(data);
}
template <byte_stream Stream>
awaitable<result<void>> tls_stream<Stream>::wait_writable() {
    return state_ ? state::wait_writable(state_) : detail::tls_not_possible<void>(errc::not_connected);
}
template <byte_stream Stream>
awaitable<result<void>> tls_stream<Stream>::shutdown_send() {
    return state_ ? state::half_close(state_) : detail::tls_not_possible<void>(errc::not_connected);
}
template <byte_stream Stream>
awaitable<result<void>> tls_stream<Stream>::close(steady_clock::duration limit) {
    return state_ ? state::close(state_, limit) : detail::tls_not_possible<void>(errc::not_connected);
}
template <byte_stream Stream>
awaitable<result<void>> tls_stream<Stream>::close() {
    return close(state_ ? state_->options.shutdown_limit : default_drain_limit);
}
template <byte_stream Stream>
void tls_stream<Stream>::abort(close_reason why) noexcept {
    if (state_) state_->abort(why);
}
template <byte_stream Stream>
void tls_stream<Stream>::cancel() noexcept {
    if (!state_) return;
    state_->read_canceled = state_->reading;
    state_->write_canceled = state_->writing;
    state_->wake();
}
template <byte_stream Stream>
void tls_stream<Stream>::cancel_read() noexcept {
    if (!state_ || !state_->reading) return;
    state_->read_canceled = true;
    if constexpr (requires { state_->lower.cancel_read(); }) {
        state_->changed.notify();
        state_->lower.cancel_read();
    } else {
        state_->wake();
    }
}
template <byte_stream Stream>
void tls_stream<Stream>::request_stop() noexcept {
    if (!state_) return;
    state_->stopping = true;
    state_->lower.request_stop();
}
template <byte_stream Stream>
bool tls_stream<Stream>::stop_requested() const noexcept {
    if (!state_) return false;
    if constexpr (requires { state_->lower.stop_requested(); })
        return state_->lower.stop_requested();
    else
        return state_->stopping;
}
template <byte_stream Stream>
bool tls_stream<Stream>::is_open() const noexcept {
    if (!state_ || state_->closed || state_->aborted) return false;
    if constexpr (requires { state_->lower.is_open(); })
        return state_->lower.is_open();
    else
        return true;
}
template <byte_stream Stream>
close_reason tls_stream<Stream>::reason() const noexcept {
    if (!state_) return close_reason::none;
    if (state_->ended != close_reason::none) return state_->ended;
    if constexpr (requires { state_->lower.reason(); })
        return state_->lower.reason();
    else
        return close_reason::none;
}
template <byte_stream Stream>
void tls_stream<Stream>::record_failure(const error& cause) {
    if (state_) state_->end(reason_of(cause), cause);
}
template <byte_stream Stream>
error tls_stream<Stream>::failure_cause() const {
    if (!state_) return error();
    if (state_->ended != close_reason::none) return state_->cause;
    if constexpr (requires { state_->lower.failure_cause(); })
        return state_->lower.failure_cause();
    else
        return error();
}
template <byte_stream Stream>
tls_facts tls_stream<Stream>::facts() const {
    return state_ ? state_->engine.facts() : tls_facts();
}
template <byte_stream Stream>
result<std::array<unsigned char, 32>> tls_stream<Stream>::channel_binding() const {
    if (!state_) return errc::not_connected;
    return state_->engine.channel_binding();
}
template <byte_stream Stream>
std::uint64_t tls_stream<Stream>::bytes_received() const noexcept {
    return state_ ? state_->bytes_in : 0;
}
template <byte_stream Stream>
std::uint64_t tls_stream<Stream>::bytes_sent() const noexcept {
    return state_ ? state_->bytes_out : 0;
}
template <byte_stream Stream>
Stream& tls_stream<Stream>::lower() noexcept {
    return state_->lower;
}
template <byte_stream Stream>
const Stream& tls_stream<Stream>::lower() const noexcept {
    return state_->lower;
}

template <byte_stream Stream>
awaitable<result<tls_stream<Stream>>> tls_connect(Stream stream, const tls_client_context& context,
                                                  std::string_view host, const tls_stream_options& options) {
    return detail::tls_begin(std::move(stream), tls_engine::client(context, host), options);
}
template <byte_stream Stream>
awaitable<result<tls_stream<Stream>>> tls_accept(Stream stream, const tls_server_context& context,
                                                 const tls_stream_options& options) {
    return detail::tls_begin(std::move(stream), tls_engine::server(context), options);
}

} // namespace portunus

#endif
