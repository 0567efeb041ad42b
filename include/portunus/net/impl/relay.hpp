// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_RELAY_HPP
#define PORTUNUS_NET_IMPL_RELAY_HPP

#include <portunus/net/relay.hpp>

#include <portunus/core/detail/event.hpp>
#include <portunus/net/detail/pipe_pool.hpp>
#include <portunus/net/detail/sigpipe_block.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace portunus {
namespace detail {

/// What a direction has to wait for before it can move more bytes.
enum class relay_wait : std::uint8_t {
    input,
    room,
    turn, ///< nothing: it has moved so much that others come first
    over, ///< it has ended, in order or not
};

/// What the two directions of a relay share, whatever their streams are.
class relay_control {
  public:
    relay_control(const boost::asio::any_io_executor& e, const relay_options& o);
    relay_control(const relay_control&) = delete;
    relay_control& operator=(const relay_control&) = delete;

    /// Bytes have moved.
    void carried(std::uint64_t relay_totals::*direction, std::size_t n);
    void touch() {
        if (options.idle_limit > steady_clock::duration::zero()) idle.arm(options.idle_limit);
    }
    void publish() noexcept {
        if (options.progress) *options.progress = totals;
    }

    /// Ends both directions; the first cause counts.
    void fail(const error& cause, std::string_view where);
    /// Both streams deliver what has arrived, and then end.
    void stop();

    relay_options options;
    boost::asio::any_io_executor executor;
    relay_totals totals;
    event changed;    // a direction has ended
    pipe_pool& pipes; // of the context; not used once that is gone
    deadline idle;
    std::optional<error> broken;

  protected:
    ~relay_control() = default;

  private:
    void idle_too_long() {
        if (peers_take_bytes()) return touch();
        fail(errc::idle_timeout, {});
    }
    virtual bool peers_take_bytes() noexcept = 0;
    virtual void wake() noexcept = 0;
    virtual void ask_to_stop() noexcept = 0;
};

/// One direction of a relay: a plain function that moves what can be moved now.
template <class From, class To>
class relay_direction {
  public:
    relay_direction(relay_control& c, From& f, To& t, std::uint64_t relay_totals::*n, bool from_first)
        : from(f), to(t), control_(c), count_(n),
          reading_(from_first ? "reading from the first stream" : "reading from the second stream"),
          writing_(from_first ? "writing to the second stream" : "writing to the first stream"),
          writing_back_(from_first ? "writing to the first stream" : "writing to the second stream") {
        if constexpr (can_splice) splicing_ = c.options.way == relay_way::fastest;
    }
    relay_direction(const relay_direction&) = delete;
    relay_direction& operator=(const relay_direction&) = delete;

    relay_wait move_bytes() {
        if (control_.broken) return relay_wait::over;
        if constexpr (can_splice) {
            if (splicing_) return splice_bytes();
        }
        return copy_bytes();
    }

    /// Why a wait ended without success.
    void wait_failed(relay_wait what, const error& why) {
        // A stream that fails for want of room tells its reader as well.
        const char* const at_input = why == errc::write_timeout ? writing_back_ : reading_;
        control_.fail(why, what == relay_wait::input ? at_input : writing_);
    }

    From& from;
    To& to;
    bool over = false;

  private:
    static constexpr bool can_splice = std::is_same_v<From, tcp_stream> && std::is_same_v<To, tcp_stream>;
    static constexpr int rounds = 16; // then the context's other work has its turn

    relay_wait failed(const error& why, const char* where) {
        control_.fail(why, where);
        return relay_wait::over;
    }
    /// The source gives no more.
    relay_wait no_more(const error& why) {
        if (why == errc::end_of_stream) return relay_wait::over;
        if (why != errc::shutting_down) return failed(why, reading_);
        control_.stop();
        return relay_wait::over;
    }

    relay_wait copy_bytes() {
        if (!buffer_) {
            buffer_.reset(new (std::nothrow) char[control_.options.buffer_size]);
            if (!buffer_) return failed(make_error_code(boost::system::errc::not_enough_memory), reading_);
        }
        for (int i = 0; i < rounds; ++i) {
            while (begin_ != end_) {
                const auto taken =
                    to.try_write_some(boost::asio::buffer(buffer_.get() + begin_, end_ - begin_));
                if (!taken) {
                    if (taken.error() == errc::would_block) return relay_wait::room;
                    return failed(taken.error(), writing_);
                }
                begin_ += *taken;
                control_.carried(count_, *taken);
            }
            const auto got =
                from.try_read_some(boost::asio::buffer(buffer_.get(), control_.options.buffer_size));
            if (!got) return got.error() == errc::would_block ? relay_wait::input : no_more(got.error());
            begin_ = 0;
            end_ = *got;
            control_.touch();
        }
        return relay_wait::turn;
    }

    relay_wait splice_bytes() {
        auto& source = tcp_stream_state::of(from);
        auto& target = tcp_stream_state::of(to);
        if (!pipe_.is_open()) {
            pipe_ = control_.pipes.take(control_.options.pipe_size);
            if (!pipe_.is_open()) return copy_from_now_on();
        }
        std::optional<sigpipe_block> quiet;
        for (int i = 0; i < rounds; ++i) {
            while (pipe_.filled != 0) {
                if (auto e = target.blocked()) return failed(*e, writing_);
                if (!quiet) quiet.emplace();
                const auto n = ::splice(pipe_.out(), nullptr, target.socket->native_handle(), nullptr,
                                        pipe_.filled, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
                if (n > 0) {
                    sent(target, static_cast<std::size_t>(n));
                    continue;
                }
                const int number = errno;
                if (number == EAGAIN) return relay_wait::room;
                if (number == EINTR) continue;
                if (number == EPIPE) quiet->raised();
                return failed(target.transport_failed(system_error(number).code()), writing_);
            }
            if (auto e = source.blocked()) return failed(*e, reading_);
            // What is read after request_stop() is counted, which splice cannot do. At the end of the stream
            // the state is to know as well.
            if (source.stop_requested || source.peer_finished || source.broken_by != 0)
                return copy_from_now_on();
            const auto n = ::splice(source.socket->native_handle(), nullptr, pipe_.in(), nullptr,
                                    control_.options.pipe_size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (n > 0) {
                pipe_.filled = static_cast<std::size_t>(n);
                source.received(pipe_.filled);
                control_.touch();
                continue;
            }
            const int number = n < 0 ? errno : 0;
            if (number == EINTR) continue;
            if (number == EAGAIN) {
                // Splice does not cross the mark of urgent data, though there may be bytes behind it.
                int at_mark = 0;
                if (::ioctl(source.socket->native_handle(), SIOCATMARK, &at_mark) == 0 && at_mark != 0)
                    return copy_from_now_on();
                control_.pipes.give(std::move(pipe_));
                return relay_wait::input;
            }
            if (number == 0 || number == EINVAL) return copy_from_now_on();
            return failed(source.transport_failed(system_error(number).code()), reading_);
        }
        return relay_wait::turn;
    }
    void sent(tcp_stream_state& target, std::size_t n) {
        pipe_.filled -= n;
        target.bytes_out += n;
        if (target.counts) target.counts->bytes_out.add(n);
        control_.carried(count_, n);
    }
    /// Only with an empty pipe.
    relay_wait copy_from_now_on() {
        control_.pipes.give(std::move(pipe_));
        splicing_ = false;
        return copy_bytes();
    }

    relay_control& control_;
    std::uint64_t relay_totals::*count_;
    const char* reading_; // where an error came from, in words
    const char* writing_;
    const char* writing_back_;
    splice_pipe pipe_;
    std::unique_ptr<char[]> buffer_;
    std::size_t begin_ = 0; // of what is in the buffer
    std::size_t end_ = 0;
    bool splicing_ = false;
};

template <class First, class Second>
class relay_state final : public relay_control {
  public:
    using pointer = std::shared_ptr<relay_state>;

    relay_state(const boost::asio::any_io_executor& e, First f, Second s, const relay_options& o)
        : relay_control(e, o), first(std::move(f)), second(std::move(s)),
          forth(*this, first, second, &relay_totals::forth, true),
          back(*this, second, first, &relay_totals::back, false) {
        prepare(first);
        prepare(second);
    }

    First first;
    Second second;
    relay_direction<First, Second> forth;
    relay_direction<Second, First> back;

    template <class Direction>
    static awaitable<void> carry(pointer s, Direction& d);
    static awaitable<result<relay_totals>> run(pointer s);
    static void start_back(const pointer& s);
    static awaitable<void> close_both(pointer s);
    void abort_both() noexcept {
        if (options.when_broken != relay_break::abort) return;
        first.abort();
        second.abort();
    }

  private:
    /// The limit for silence is the relay's own: spliced bytes are not seen by the stream.
    template <class Stream>
    static void prepare(Stream& stream) {
        if constexpr (requires { stream.set_idle_limit(steady_clock::duration::zero()); })
            stream.set_idle_limit(steady_clock::duration::zero());
        if constexpr (std::is_same_v<Stream, tcp_stream>) {
            auto& state = tcp_stream_state::of(stream);
            boost::system::error_code ignored;
            // splice() from a socket waits unless the socket itself says not to.
            if (state.socket && state.socket->is_open()) state.socket->native_non_blocking(true, ignored);
        }
    }
    /// A slow peer that takes what was sent long ago is not idle.
    template <class Stream>
    static bool takes_bytes(const Stream& stream, int& before) noexcept {
        if constexpr (std::is_same_v<Stream, tcp_stream>) {
            int now = 0;
            if (::ioctl(stream.native_handle(), SIOCOUTQ, &now) != 0) return false;
            const bool fewer = now != 0 && (before == 0 || now < before);
            before = now;
            return fewer;
        } else {
            return false;
        }
    }
    bool peers_take_bytes() noexcept override {
        const bool one = takes_bytes(first, first_before_), other = takes_bytes(second, second_before_);
        return one || other;
    }
    void wake() noexcept override {
        first.cancel();
        second.cancel();
    }
    void ask_to_stop() noexcept override {
        first.request_stop();
        second.request_stop();
    }

    int first_before_ = 0; // bytes that the peers had not acknowledged when the idle limit last passed
    int second_before_ = 0;
};

template <class First, class Second>
template <class Direction>
awaitable<void> relay_state<First, Second>::carry(pointer s, Direction& d) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    result<void> ready;
    for (;;) {
        if (stop_asked(asked)) s->fail(errc::canceled, {});
        const relay_wait what = d.move_bytes();
        if (what == relay_wait::over) break;
        if (what == relay_wait::input)
            ready = co_await d.from.wait_readable();
        else if (what == relay_wait::room)
            ready = co_await d.to.wait_writable();
        else
            co_await boost::asio::post(boost::asio::deferred);
        if (!ready) d.wait_failed(what, ready.error());
        ready = result<void>();
    }
    if (!s->broken) (void)co_await d.to.shutdown_send(); // where it fails, the other direction meets it
    d.over = true;
    s->changed.notify();
}

/// Not in the coroutine: what a full expression of it owns is destroyed once too often by some compilers.
template <class First, class Second>
void relay_state<First, Second>::start_back(const pointer& s) {
    boost::asio::co_spawn(s->executor, carry(s, s->back), [s](const std::exception_ptr& thrown) {
        if (thrown) s->fail(make_error_code(boost::system::errc::not_enough_memory), {});
        s->back.over = true;
        s->changed.notify();
    });
}

template <class First, class Second>
awaitable<void> relay_state<First, Second>::close_both(pointer s) {
    auto& time = deadline_service::of(s->executor);
    const auto end = time.now() + std::min(s->options.close_limit, deadline_service::longest);
    (void)co_await s->first.close(s->options.close_limit);
    (void)co_await s->second.close(end - time.now());
}

template <class First, class Second>
awaitable<result<relay_totals>> relay_state<First, Second>::run(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) {
        s->abort_both();
        co_return errc::canceled;
    }
    s->publish();
    s->touch();
    start_back(s);
    co_await carry(s, s->forth);
    while (!s->back.over && !stop_asked(asked)) co_await s->changed.wait_op();
    s->idle.disarm();
    if (stop_asked(asked)) s->fail(errc::canceled, {});
    s->options.progress = nullptr; // the caller's again
    if (s->broken) s->abort_both();
    co_await close_both(s);
    if (s->broken) co_return *s->broken;
    co_return s->totals;
}

inline awaitable<result<relay_totals>> relay_failed(error why) {
    co_return why;
}

} // namespace detail

template <byte_stream First, byte_stream Second>
awaitable<result<relay_totals>> relay(First first, Second second, const relay_options& options) {
    const boost::asio::any_io_executor executor = first.get_executor(), other = second.get_executor();
    if (!executor || !other) return detail::relay_failed(errc::not_connected);
    if (&boost::asio::query(executor, boost::asio::execution::context) !=
        &boost::asio::query(other, boost::asio::execution::context))
        return detail::relay_failed(
            error(errc::invalid_option, "the streams of a relay have to belong to the same context"));
    if (options.buffer_size == 0 || options.pipe_size == 0)
        return detail::relay_failed(error(
            errc::invalid_option, "buffer_size " + std::to_string(options.buffer_size) + " and pipe_size " +
                                      std::to_string(options.pipe_size) + " have to be at least 1"));
    using state = detail::relay_state<First, Second>;
    return state::run(std::make_shared<state>(executor, std::move(first), std::move(second), options));
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/relay.ipp>
#endif

#endif
