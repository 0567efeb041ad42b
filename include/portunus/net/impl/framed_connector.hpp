// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_FRAMED_CONNECTOR_HPP
#define PORTUNUS_NET_IMPL_FRAMED_CONNECTOR_HPP

#include <portunus/net/framed_connector.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/core/task_group.hpp>

#include <boost/asio/buffer.hpp>

#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace portunus {
namespace detail {

/// Encoded frames in a row, with their ends.
class frame_backlog {
  public:
    template <class Codec>
    result<void> add(Codec& codec, std::string_view payload) {
        const std::size_t bound = codec.encode_bound(payload), before = bytes_.size();
        if (bound == 0 && !payload.empty()) return codec.encode_failure(payload);
        bytes_.resize(before + bound);
        const std::size_t size = codec.encode(payload, bytes_.data() + before);
        if (size == unencodable) {
            bytes_.resize(before);
            return codec.encode_failure(payload);
        }
        bytes_.resize(before + size);
        ends_.push_back(bytes_.size());
        return {};
    }

    /// Takes away the frames that lie wholly in the first `sent` bytes; returns how many are left.
    std::size_t drop_sent(std::uint64_t sent) {
        std::size_t done = 0;
        while (done < ends_.size() && ends_[done] <= sent) ++done;
        if (done == 0) return ends_.size();
        const std::size_t cut = ends_[done - 1];
        bytes_.erase(0, cut);
        ends_.erase(ends_.begin(), ends_.begin() + static_cast<std::ptrdiff_t>(done));
        for (std::size_t& end : ends_) end -= cut;
        return ends_.size();
    }

    /// Puts those of `later` behind these.
    void append(const frame_backlog& later) {
        const std::size_t before = bytes_.size();
        bytes_ += later.bytes_;
        for (const std::size_t end : later.ends_) ends_.push_back(before + end);
    }

    void clear() noexcept {
        bytes_.clear();
        ends_.clear();
    }
    bool empty() const noexcept { return ends_.empty(); }
    std::size_t frames() const noexcept { return ends_.size(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    boost::asio::const_buffer buffer() const noexcept { return boost::asio::buffer(bytes_); }

  private:
    std::string bytes_;
    std::vector<std::size_t> ends_;
};

template <class Codec>
class framed_connector_state final : public std::enable_shared_from_this<framed_connector_state<Codec>> {
  public:
    using pointer = std::shared_ptr<framed_connector_state>;
    using stream_type = framed_stream<tcp_stream, Codec>;
    using options_type = framed_connector_options<Codec>;

    framed_connector_state(const boost::asio::any_io_executor& executor, options_type o, Codec c)
        : options(std::move(o)), time(deadline_service::of(executor)), link(executor, options.link),
          changed(executor), tasks(executor, options.link.log), blank(c), encoder(std::move(c)) {}

    /// Why nothing goes any more; empty while it does.
    std::optional<error> over() const { return ended; }

    void finish(error why) {
        if (ended) return;
        ended = std::move(why);
        link.stop();
        changed.notify();
    }

    std::size_t queued() const noexcept { return pending.size() + sending.size(); }

    /// The background: a connection, its greeting, its writer, and again.
    static awaitable<void> run(pointer s) {
        for (;;) {
            auto stream = co_await s->link.next();
            if (!stream) {
                if (stream.error() != errc::canceled) s->finish(std::move(stream).error());
                co_return;
            }
            auto fresh = std::make_shared<stream_type>(std::move(*stream), s->blank, s->options.frames);
            if (s->options.greet) {
                auto greeted = co_await greet(s, fresh);
                if (s->ended) co_return;
                if (!greeted) {
                    s->link.reject(greeted.error().with("(the greeting failed)"));
                    continue;
                }
            }
            ++s->connections;
            s->live = fresh;
            s->changed.notify();
            co_await write_all(s, fresh);
            if (s->live == fresh) s->live = nullptr;
            fresh->request_stop(); // the reader still gets the complete frames that have arrived
            if (s->ended) co_return;
        }
    }

    /// The program's own words. What they throw costs this connection, as in a session.
    static awaitable<result<void>> greet(pointer s, std::shared_ptr<stream_type> with) {
        std::exception_ptr thrown;
        try {
            auto greeted = co_await s->options.greet(*with);
            co_return greeted;
        } catch (...) {
            thrown = std::current_exception();
        }
        co_return error(errc::aborted_locally, "an exception left the greeting: " + text_of(thrown));
    }

    /// Sends what is queued until the connection is lost.
    static awaitable<void> write_all(pointer s, std::shared_ptr<stream_type> to) {
        while (!s->ended && s->live == to) {
            if (s->pending.empty()) {
                co_await s->changed.wait_op();
                continue;
            }
            std::swap(s->pending, s->sending);
            const std::uint64_t before = to->stream().bytes_sent();
            auto sent = co_await to->stream().write(s->sending.buffer());
            if (sent) {
                s->settled += s->sending.size();
                s->sending.clear();
                s->changed.notify();
                continue;
            }
            const std::size_t had = s->sending.size();
            s->sending.drop_sent(to->stream().bytes_sent() - before);
            s->settled += had - s->sending.size();
            s->settle_unsent();
            break;
        }
    }

    /// The rule for what was queued, after a loss.
    void settle_unsent() {
        if (ended) {
            pending.clear();
        } else if (options.on_loss == unsent_frames::drop) {
            dropped += sending.frames() + pending.frames();
            settled += queued();
            pending.clear();
        } else {
            sending.append(pending);
            std::swap(sending, pending);
        }
        sending.clear();
        changed.notify();
    }

    /// The reader has met the end of its connection.
    void lost(const std::shared_ptr<stream_type>& which, const error& why) {
        if (live != which) return;
        const bool broken = why == condition::malformed || why == condition::too_large;
        options.link.log(broken ? log_level::warning : log_level::info, "a connection was lost",
                         {{"error", why.message()}});
        live = nullptr;
        // A write that waits ends, and the writer settles what was unsent. A peer that has finished in good
        // order may still read: what the kernel has taken for it is left alone.
        if (why == errc::end_of_stream)
            which->stream().cancel();
        else
            which->stream().abort();
        if (sending.empty() && options.on_loss == unsent_frames::drop) settle_unsent();
        changed.notify();
    }

    static awaitable<result<std::string_view>> read(pointer s) {
        if (s->reading)
            co_return error(errc::operation_in_progress, "another coroutine already waits in read()");
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        struct mark {
            bool& flag;
            ~mark() { flag = false; }
        } here{s->reading};
        s->reading = true;
        for (;;) {
            if (stop_asked(asked)) co_return errc::canceled;
            if (!s->source) s->source = s->live; // the views of the last frame end here
            if (!s->source) {
                if (auto why = s->over()) co_return *std::move(why);
                co_await s->changed.wait_op();
                continue;
            }
            const auto from = s->source;
            auto frame = co_await from->read();
            if (frame) co_return frame;
            if (frame.error() == errc::canceled && stop_asked(asked)) co_return errc::canceled;
            s->source = nullptr;
            s->lost(from, frame.error());
        }
    }

    static awaitable<result<void>>
    wait(pointer s, bool (*reached)(const framed_connector_state&, std::uint64_t), std::uint64_t what) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        for (;;) {
            if (reached(*s, what)) co_return result<void>();
            if (auto why = s->over()) co_return *std::move(why);
            if (stop_asked(asked)) co_return errc::canceled;
            co_await s->changed.wait_op();
        }
    }

    static awaitable<result<void>> close(pointer s, steady_clock::duration limit) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        if (s->ended) co_return result<void>();
        s->closing = true;
        struct watch {
            framed_connector_state* state;
            bool late = false;
        } mine{s.get()};
        deadline late(s->time, &mine, [](void* self) {
            auto& w = *static_cast<watch*>(self);
            w.late = true;
            w.state->changed.notify();
        });
        const auto began = s->time.now();
        late.arm(limit);
        while (s->live && s->queued() != 0 && !mine.late && !stop_asked(asked) && !s->ended)
            co_await s->changed.wait_op();
        const auto last = s->live;
        const std::size_t unsent = s->queued();
        s->finish(errc::closed_locally);
        s->tasks.cancel();
        if (stop_asked(asked)) co_return errc::canceled;
        if (unsent != 0)
            co_return error(errc::drain_timeout, std::to_string(unsent) + " bytes of frames were not sent");
        if (!last) co_return result<void>();
        const auto left = limit - (s->time.now() - began);
        auto closed = co_await last->close(left);
        co_return closed;
    }

    void abort() {
        finish(errc::closed_locally);
        if (live) live->abort();
        pending.clear();
        tasks.cancel();
    }

    options_type options;
    deadline_service& time;
    connector link;
    event changed;
    task_group tasks;
    Codec blank;                         // what each connection begins with
    Codec encoder;                       // what `queue` encodes with
    std::shared_ptr<stream_type> live;   // greeted, and not known to be lost
    std::shared_ptr<stream_type> source; // the reader's: it may still have frames when it is lost
    frame_backlog pending;
    frame_backlog sending; // in the hands of a write
    std::optional<error> ended;
    std::uint64_t taken = 0;   // bytes that were ever queued
    std::uint64_t settled = 0; // of those: sent, or dropped by the rule
    std::uint64_t dropped = 0; // frames
    std::uint64_t connections = 0;
    bool reading = false;
    bool closing = false;
};

} // namespace detail

template <frame_codec Codec>
framed_connector<Codec>::framed_connector(const boost::asio::any_io_executor& executor, options_type options,
                                          Codec codec)
    : state_(std::make_shared<detail::framed_connector_state<Codec>>(executor, std::move(options),
                                                                     std::move(codec))) {
    state_->tasks.spawn(detail::framed_connector_state<Codec>::run(state_));
}
template <frame_codec Codec>
framed_connector<Codec>& framed_connector<Codec>::operator=(framed_connector&& other) noexcept {
    if (this != &other) {
        if (state_) state_->abort();
        state_ = std::move(other.state_);
    }
    return *this;
}
template <frame_codec Codec>
framed_connector<Codec>::~framed_connector() {
    if (state_) state_->abort();
}
template <frame_codec Codec>
awaitable<result<std::string_view>> framed_connector<Codec>::read() {
    return state_ ? detail::framed_connector_state<Codec>::read(state_)
                  : detail::no_connector<std::string_view>();
}
template <frame_codec Codec>
result<void> framed_connector<Codec>::queue(std::string_view payload) {
    if (!state_) return errc::closed_locally;
    auto& s = *state_;
    if (s.ended || s.closing) return errc::closed_locally;
    const std::size_t bound = s.encoder.encode_bound(payload), used = s.queued();
    if (used != 0 && used + bound > s.options.max_queued) // one always fits
        return error(errc::queue_full, std::to_string(used) + " bytes wait, " + std::to_string(bound) +
                                           " more exceed max_queued " + std::to_string(s.options.max_queued));
    auto added = s.pending.add(s.encoder, payload);
    if (!added) return added;
    s.taken += s.queued() - used;
    s.changed.notify();
    return added;
}
template <frame_codec Codec>
awaitable<result<void>> framed_connector<Codec>::flush() {
    using state = detail::framed_connector_state<Codec>;
    if (!state_) return detail::no_connector<void>();
    return state::wait(
        state_, [](const state& s, std::uint64_t up_to) { return s.settled >= up_to; }, state_->taken);
}
template <frame_codec Codec>
awaitable<result<void>> framed_connector<Codec>::wait_connected() {
    using state = detail::framed_connector_state<Codec>;
    if (!state_) return detail::no_connector<void>();
    return state::wait(
        state_, [](const state& s, std::uint64_t) { return s.live != nullptr; }, 0);
}
template <frame_codec Codec>
awaitable<result<void>> framed_connector<Codec>::close(steady_clock::duration limit) {
    return state_ ? detail::framed_connector_state<Codec>::close(state_, limit)
                  : detail::no_connector<void>();
}
template <frame_codec Codec>
void framed_connector<Codec>::abort() {
    if (state_) state_->abort();
}
template <frame_codec Codec>
bool framed_connector<Codec>::connected() const noexcept {
    return state_->live != nullptr;
}
template <frame_codec Codec>
std::size_t framed_connector<Codec>::queued() const noexcept {
    return state_->queued();
}
template <frame_codec Codec>
std::uint64_t framed_connector<Codec>::dropped() const noexcept {
    return state_->dropped;
}
template <frame_codec Codec>
std::uint64_t framed_connector<Codec>::connections() const noexcept {
    return state_->connections;
}
template <frame_codec Codec>
connector& framed_connector<Codec>::link() noexcept {
    return state_->link;
}

} // namespace portunus

#endif
