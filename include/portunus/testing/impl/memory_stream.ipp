// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_MEMORY_STREAM_IPP
#define PORTUNUS_TESTING_IMPL_MEMORY_STREAM_IPP

#include <portunus/testing/memory_stream.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/testing/detail/run_service.hpp>
#include <portunus/testing/fuse.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::testing {
namespace detail {

/// What a `memory_stream` and its pending operations share. It owns what the other end has sent to it.
///
/// An operation completes at the moment at which something happens to it, as in a kernel: `outcome` is set
/// then, and what happens before its coroutine is resumed changes nothing.
class memory_stream_state final
    : public boost::intrusive_ref_counter<memory_stream_state, boost::thread_unsafe_counter> {
  public:
    using pointer = boost::intrusive_ptr<memory_stream_state>;

    /// The place of one direction's operation.
    struct pending {
        explicit pending(const boost::asio::any_io_executor& executor) : woken(executor) {}
        bool waits() const noexcept { return !name.empty() && !outcome; }
        void complete(result<std::size_t> with) {
            if (!waits()) return;
            outcome.emplace(std::move(with));
            woken.notify();
        }
        portunus::detail::event woken;
        std::string_view name;              // of the operation; empty when there is none
        boost::asio::mutable_buffer into{}; // of a read
        std::optional<result<std::size_t>> outcome;
    };

    /// Marks a direction as busy for the life of an operation.
    class mark {
      public:
        mark(memory_stream_state& s, pending& p, std::string_view name, boost::asio::mutable_buffer into = {})
            : pending_(p), note_(run_service::of(s.executor), name) {
            pending_.name = name;
            pending_.into = into;
            pending_.outcome.reset();
        }
        mark(const mark&) = delete;
        mark& operator=(const mark&) = delete;
        ~mark() {
            pending_.name = {};
            pending_.into = {};
        }

      private:
        pending& pending_;
        wait_note note_;
    };

    memory_stream_state(const boost::asio::any_io_executor& e, const memory_stream_options& o)
        : executor(e), options(o), reader(e), writer(e), changed(e) {}
    ~memory_stream_state() {
        if (peer) peer->peer = nullptr;
    }

    static memory_stream_pair make_pair(const boost::asio::any_io_executor& executor,
                                        const memory_stream_options& first,
                                        const memory_stream_options& second) {
        memory_stream_pair pair;
        pair.first.state_.reset(new memory_stream_state(executor, first));
        pair.second.state_.reset(new memory_stream_state(executor, second));
        pair.first.state_->peer = pair.second.state_.get();
        pair.second.state_->peer = pair.first.state_.get();
        return pair;
    }

    // what both directions share
    // -----------------------------------------------------------------------------------------------------

    std::optional<error> blocked() const {
        if (obstacle) return obstacle;
        if (reset) return error(make_error_code(boost::asio::error::connection_reset));
        return std::nullopt;
    }
    /// Asks the fuse; a blown one breaks the connection.
    std::optional<error> fails(std::string_view operation) {
        if (obstacle || reset || !burning) return std::nullopt;
        auto e = burning->operation(operation);
        if (e) {
            obstacle = e;
            reset_peer();
            happened();
        }
        return e;
    }
    /// Completes what can complete now.
    void happened() {
        if (reader.waits()) {
            auto now = readable(reader.name == "read_some", reader.into);
            if (now || now.error() != errc::would_block) reader.complete(std::move(now));
        }
        if (writer.waits()) {
            if (obstacle)
                writer.complete(*obstacle);
            else if (reset || send_ended || peer_closed || room() != 0)
                writer.complete(std::size_t{0});
        }
        changed.notify();
    }
    void peer_happened() {
        if (peer) peer->happened();
    }

    /// The common end of all waits.
    static awaitable<void> wait_for_outcome(memory_stream_state& s, pending& p) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        if (portunus::detail::stop_asked(asked)) p.complete(errc::canceled);
        s.happened();
        // As a system call that has something to say at once: the completion is queued.
        if (p.outcome && (*p.outcome || p.outcome->error() == errc::end_of_stream))
            co_await boost::asio::post(s.executor, portunus::detail::use_result);
        while (!p.outcome) {
            co_await p.woken.wait_op();
            if (portunus::detail::stop_asked(asked)) p.complete(errc::canceled);
        }
    }
    static error second_operation(bool reads) {
        return error(errc::operation_in_progress, reads ? "another coroutine already reads from this stream"
                                                        : "another coroutine already writes to this stream");
    }
    static result<void> without_size(const result<std::size_t>& r) {
        if (r) return {};
        return r.error();
    }

    // reading
    // -----------------------------------------------------------------------------------------------------

    /// What a read, or a wait for one, gives now.
    result<std::size_t> readable(bool reads, boost::asio::mutable_buffer into) {
        if (reads) return take(into);
        if (obstacle) return *obstacle;
        if (reset || peer_ended || stop_requested || !incoming.empty()) return std::size_t{0};
        return errc::would_block;
    }
    result<std::size_t> take(boost::asio::mutable_buffer into) {
        if (auto e = blocked()) return *std::move(e);
        if (into.size() == 0) return std::size_t{0};
        if (incoming.empty() && peer_ended) return errc::end_of_stream;
        const std::size_t there = stop_requested ? left_to_read : incoming.size();
        if (there == 0) return stop_requested ? errc::shutting_down : errc::would_block;
        std::size_t n = std::min(into.size(), there);
        if (options.read_size != 0) n = std::min(n, options.read_size);
        std::memcpy(into.data(), incoming.data(), n);
        incoming.erase(0, n);
        left_to_read -= std::min(left_to_read, n);
        peer_happened();
        return n;
    }

    static awaitable<result<std::size_t>> read_some(pointer s, boost::asio::mutable_buffer into) {
        if (!s->reader.name.empty()) co_return second_operation(true);
        const mark busy(*s, s->reader, "read_some", into);
        if (auto e = s->fails("read_some")) co_return *std::move(e);
        co_await wait_for_outcome(*s, s->reader);
        co_return *std::move(s->reader.outcome);
    }
    static awaitable<result<void>> wait_readable(pointer s) {
        if (!s->reader.name.empty()) co_return second_operation(true);
        const mark busy(*s, s->reader, "wait_readable");
        if (auto e = s->fails("wait_readable")) co_return *std::move(e);
        co_await wait_for_outcome(*s, s->reader);
        co_return without_size(*s->reader.outcome);
    }

    // writing
    // -----------------------------------------------------------------------------------------------------

    std::size_t room() const {
        if (!peer) return 0;
        const std::size_t capacity = std::max<std::size_t>(options.capacity, 1);
        return capacity - std::min(capacity, peer->incoming.size());
    }
    result<std::size_t> put(boost::asio::const_buffer data) {
        if (auto e = blocked()) return *std::move(e);
        if (send_ended) return error(errc::closed_locally, "the sending direction was shut down");
        if (peer_closed || !peer) return error(make_error_code(boost::asio::error::broken_pipe));
        std::size_t n = std::min(data.size(), room());
        if (options.write_size != 0) n = std::min(n, options.write_size);
        if (n == 0) {
            if (data.size() == 0) return std::size_t{0};
            return errc::would_block;
        }
        peer->incoming.append(static_cast<const char*>(data.data()), n);
        peer->happened();
        return n;
    }
    static awaitable<result<void>> wait_writable(pointer s) {
        if (!s->writer.name.empty()) co_return second_operation(false);
        const mark busy(*s, s->writer, "wait_writable");
        if (auto e = s->fails("wait_writable")) co_return *std::move(e);
        co_await wait_for_outcome(*s, s->writer);
        co_return without_size(*s->writer.outcome);
    }

    static awaitable<result<void>> shutdown_send(pointer s) {
        if (auto e = s->fails("shutdown_send")) co_return *std::move(e);
        if (auto e = s->blocked()) co_return *std::move(e);
        s->end_sending();
        co_return result<void>();
    }
    void end_sending() {
        if (std::exchange(send_ended, true)) return;
        if (peer) peer->peer_ended = true;
        peer_happened();
        happened();
    }

    // the end
    // -----------------------------------------------------------------------------------------------------

    /// The other end gets `connection_reset` from now on.
    void reset_peer() {
        incoming.clear();
        if (!peer) return;
        peer->incoming.clear();
        peer->reset = true;
        peer->happened();
    }
    /// Nothing goes any more.
    void close_now() {
        if (std::exchange(closed, true)) return;
        incoming.clear();
        if (peer) peer->peer_closed = true;
        peer_happened();
        happened();
    }

    static awaitable<result<void>> close(pointer s, steady_clock::duration limit) {
        if (s->closed) co_return result<void>();
        if (std::exchange(s->closing, true))
            co_return error(errc::operation_in_progress, "this stream is being closed already");
        const auto blown = s->fails("close");
        const bool broken = s->obstacle.has_value(); // nothing to wait for
        if (!s->obstacle) s->obstacle = error(errc::closed_locally);
        s->happened();
        if (!s->reset) s->end_sending();
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        const auto asked = co_await boost::asio::this_coro::cancellation_state;
        struct watch { // the deadline's owner
            memory_stream_state* stream;
            bool late;
        } target{s.get(), false};
        deadline drain(deadline_service::of(s->executor), &target, [](void* owner) {
            auto& w = *static_cast<watch*>(owner);
            w.late = true;
            w.stream->changed.notify();
        });
        drain.arm(limit);
        const wait_note note(run_service::of(s->executor), "close");
        while (!broken && !s->closed && !s->reset && !target.late && !portunus::detail::stop_asked(asked)) {
            s->incoming.clear();
            s->peer_happened();
            if (s->peer_ended) break;
            co_await s->changed.wait_op();
        }
        if (s->closed) co_return s->dropped ? errc::canceled : errc::aborted_locally;
        s->close_now();
        if (blown) co_return *blown;
        if (s->peer_ended || s->reset || broken) co_return result<void>();
        if (target.late)
            co_return error(
                errc::drain_timeout,
                "the peer did not finish within " +
                    std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit).count()) +
                    " ms");
        if (portunus::detail::stop_asked(asked)) co_return errc::canceled;
        co_return result<void>();
    }

    void abort() {
        if (closed) return;
        if (!obstacle) obstacle = error(errc::aborted_locally);
        reset_peer();
        close_now();
    }
    void cancel() {
        reader.complete(errc::canceled);
        writer.complete(errc::canceled);
    }
    void request_stop() {
        if (std::exchange(stop_requested, true)) return;
        left_to_read = incoming.size();
        happened();
    }
    /// The handle is gone.
    void drop() {
        dropped = true;
        if (closed) return;
        if (!obstacle) obstacle = error(errc::canceled);
        if (!incoming.empty())
            reset_peer();
        else if (!reset)
            end_sending();
        close_now();
    }

    boost::asio::any_io_executor executor;
    memory_stream_options options;
    std::optional<fuse> burning;
    memory_stream_state* peer = nullptr; // none once its state is gone
    std::string incoming;                // sent by the peer and not read
    pending reader;
    pending writer;
    portunus::detail::event changed; // what `close` waits for
    std::optional<error> obstacle;   // why nothing goes any more, as this end knows it
    std::size_t left_to_read = 0;    // bytes, after request_stop()
    bool reset = false;              // the peer broke the connection
    bool peer_ended = false;         // the peer sends no more
    bool peer_closed = false;        // the peer reads no more
    bool send_ended = false;
    bool stop_requested = false;
    bool closing = false;
    bool closed = false;
    bool dropped = false;
};

template <class T>
awaitable<result<T>> no_connection() {
    co_return errc::not_connected;
}

} // namespace detail

PORTUNUS_DECL memory_stream::memory_stream() noexcept = default;
PORTUNUS_DECL memory_stream::memory_stream(memory_stream&&) noexcept = default;
PORTUNUS_DECL memory_stream& memory_stream::operator=(memory_stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL memory_stream::~memory_stream() {
    if (state_) state_->drop();
}

PORTUNUS_DECL boost::asio::any_io_executor memory_stream::get_executor() const {
    return state_ ? state_->executor : boost::asio::any_io_executor();
}
PORTUNUS_DECL awaitable<result<std::size_t>> memory_stream::read_some(boost::asio::mutable_buffer into) {
    return state_ ? detail::memory_stream_state::read_some(state_, into)
                  : detail::no_connection<std::size_t>();
}
PORTUNUS_DECL result<std::size_t> memory_stream::try_read_some(boost::asio::mutable_buffer into) {
    if (!state_) return errc::not_connected;
    if (!state_->reader.name.empty()) return detail::memory_stream_state::second_operation(true);
    if (auto e = state_->fails("try_read_some")) return *std::move(e);
    return state_->take(into);
}
PORTUNUS_DECL result<std::size_t> memory_stream::try_write_some(boost::asio::const_buffer data) {
    if (!state_) return errc::not_connected;
    if (!state_->writer.name.empty()) return detail::memory_stream_state::second_operation(false);
    if (auto e = state_->fails("try_write_some")) return *std::move(e);
    return state_->put(data);
}
PORTUNUS_DECL awaitable<result<void>> memory_stream::wait_readable() {
    return state_ ? detail::memory_stream_state::wait_readable(state_) : detail::no_connection<void>();
}
PORTUNUS_DECL awaitable<result<void>> memory_stream::wait_writable() {
    return state_ ? detail::memory_stream_state::wait_writable(state_) : detail::no_connection<void>();
}
PORTUNUS_DECL awaitable<result<void>> memory_stream::shutdown_send() {
    return state_ ? detail::memory_stream_state::shutdown_send(state_) : detail::no_connection<void>();
}
PORTUNUS_DECL awaitable<result<void>> memory_stream::close(steady_clock::duration limit) {
    return state_ ? detail::memory_stream_state::close(state_, limit) : detail::no_connection<void>();
}
PORTUNUS_DECL void memory_stream::abort() noexcept {
    if (state_) state_->abort();
}
PORTUNUS_DECL void memory_stream::cancel() noexcept {
    if (state_) state_->cancel();
}
PORTUNUS_DECL void memory_stream::cancel_read() noexcept {
    if (state_) state_->reader.complete(errc::canceled);
}
PORTUNUS_DECL bool memory_stream::stop_requested() const noexcept {
    return state_ && state_->stop_requested;
}
PORTUNUS_DECL void memory_stream::request_stop() noexcept {
    if (state_) state_->request_stop();
}
PORTUNUS_DECL void memory_stream::attach(fuse f) {
    if (state_) state_->burning = std::move(f);
}
PORTUNUS_DECL void memory_stream::set_options(const memory_stream_options& options) {
    if (!state_) return;
    state_->options = options;
    state_->happened();
}
PORTUNUS_DECL bool memory_stream::is_open() const noexcept {
    return state_ && !state_->closed && !state_->blocked();
}
PORTUNUS_DECL std::string_view memory_stream::pending_read() const noexcept {
    return state_ ? state_->reader.name : std::string_view();
}
PORTUNUS_DECL std::string_view memory_stream::pending_write() const noexcept {
    return state_ ? state_->writer.name : std::string_view();
}
PORTUNUS_DECL std::size_t memory_stream::unread() const noexcept {
    return state_ ? state_->incoming.size() : 0;
}

PORTUNUS_DECL memory_stream_pair make_memory_stream_pair(const boost::asio::any_io_executor& executor,
                                                         const memory_stream_options& both) {
    return detail::memory_stream_state::make_pair(executor, both, both);
}
PORTUNUS_DECL memory_stream_pair make_memory_stream_pair(const boost::asio::any_io_executor& executor,
                                                         const memory_stream_options& first,
                                                         const memory_stream_options& second) {
    return detail::memory_stream_state::make_pair(executor, first, second);
}

} // namespace portunus::testing

#endif
