// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_DESCRIPTOR_STREAM_HPP
#define PORTUNUS_NET_DETAIL_DESCRIPTOR_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <sys/types.h>

namespace portunus::detail {

/// What a stream over a descriptor that is no TCP socket and its pending operations share: reading, writing,
/// limits, cancellation, stopping and the life of it all. What differs between a serial port, a pipe and a
/// local socket is in the virtual functions. The count is not atomic: a stream belongs to one thread.
///
/// The rules are those of `tcp_stream`: one reader and one writer; whoever ends a wait records why, then
/// wakes both directions, and the one without a cause waits again.
class descriptor_state : public boost::intrusive_ref_counter<descriptor_state, boost::thread_unsafe_counter>,
                         private context_bound {
  public:
    using pointer = boost::intrusive_ptr<descriptor_state>;
    using descriptor_type = boost::asio::posix::stream_descriptor;
    enum class direction : bool { reading, writing };

    /// Takes over `d`, which must not block.
    descriptor_state(descriptor_type d, steady_clock::duration idle_limit_,
                     steady_clock::duration write_limit_);
    virtual ~descriptor_state() = default;

    // what kinds of descriptors differ in

    /// The plain system calls: a count, 0 at the end, or -1 and errno.
    virtual ssize_t receive_now(void* to, std::size_t size) noexcept = 0;
    virtual ssize_t send_now(const void* from, std::size_t size) noexcept = 0;
    /// Whether this errno of reading is how the end of the stream looks here.
    virtual bool is_end(int number) const noexcept = 0;
    /// Bytes that were written and have not left the system.
    virtual std::size_t unsent() noexcept = 0;
    /// Tells the other side that there is no more; where the transport can.
    virtual void end_sending() noexcept = 0;
    /// Whether a graceful close reads to the other side's end.
    virtual bool close_waits_for_end() const noexcept = 0;
    /// Just before the descriptor is closed; with `discard`, what is unsent is to be dropped. Closing must
    /// not wait.
    virtual void before_close(bool discard) noexcept = 0;

    // the machinery

    void touch() {
        if (idle_limit > steady_clock::duration::zero()) idle.arm(idle_limit);
    }
    /// Whether bytes have left since this was asked last: then a slow line is neither idle nor stalled.
    bool bytes_leave() noexcept;
    void idle_too_long() {
        if (bytes_leave()) return touch();
        fail_both(errc::idle_timeout);
    }

    void end(close_reason why) noexcept {
        if (reason == close_reason::none) reason = why;
    }
    void end(const error& failed);
    void fail_both(errc why);
    void wake() noexcept;
    bool is_open() const noexcept { return descriptor && descriptor->is_open(); }
    std::optional<error> blocked() const;
    error broke(int number);

    result<std::size_t> receive(boost::asio::mutable_buffer into);
    /// What is read after `request_stop`.
    result<std::size_t> receive_rest(boost::asio::mutable_buffer into);
    result<std::size_t> receive_any(boost::asio::mutable_buffer into) {
        return stop_requested ? receive_rest(into) : receive(into);
    }
    result<std::size_t> send(boost::asio::const_buffer data);
    void request_stop() noexcept;
    void abort(close_reason why) noexcept;
    void drop() noexcept;
    void close_now(bool discard) noexcept;
    /// Reads and discards; whether the other side has ended.
    bool discard_input() noexcept;

    static error second(direction d);
    bool& busy(direction d) noexcept { return d == direction::reading ? reading : writing; }
    bool& canceled(direction d) noexcept { return d == direction::reading ? read_canceled : write_canceled; }

    static awaitable<result<std::size_t>> read_some(pointer s, boost::asio::mutable_buffer into);
    static awaitable<result<void>> write(pointer s, boost::asio::const_buffer data);
    static awaitable<result<void>> wait_readable(pointer s);
    static awaitable<result<void>> wait_writable(pointer s);
    static awaitable<result<void>> half_close(pointer s);
    static awaitable<result<void>> close(pointer s, steady_clock::duration limit);

    std::optional<descriptor_type> descriptor; // none once the context is gone
    event changed;                             // for a close that waits for output
    deadline idle;
    steady_clock::duration idle_limit;
    steady_clock::duration write_limit;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::unique_ptr<const error> cause;
    std::size_t unsent_before = 0;
    std::size_t left_to_read = 0; // bytes, after request_stop()
    errc obstacle{};              // why nothing goes any more
    close_reason reason = close_reason::none;
    unsigned closers = 0; // calls of close() that wait
    bool reading = false;
    bool writing = false;
    bool read_canceled = false;
    bool write_canceled = false;
    bool stop_requested = false;
    bool send_ended = false;
    bool peer_finished = false;
    bool drained = false;
    bool dropped = false;

  private:
    void release_context() noexcept override {
        close_now(true);
        descriptor.reset();
    }
};

/// The handle: what every stream over a descriptor has in common. Models `byte_stream`; `tcp_stream` says
/// what the functions mean where nothing else is said.
class descriptor_stream {
  public:
    /// A handle without a connection: operations give `errc::not_connected`.
    descriptor_stream() noexcept = default;
    descriptor_stream(descriptor_stream&&) noexcept = default;
    descriptor_stream& operator=(descriptor_stream&& other) noexcept {
        if (this != &other) {
            if (state_) state_->drop();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    ~descriptor_stream() {
        if (state_) state_->drop();
    }

    boost::asio::any_io_executor get_executor() const {
        return state_ && state_->descriptor ? state_->descriptor->get_executor()
                                            : boost::asio::any_io_executor();
    }
    awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into) {
        return state_ ? descriptor_state::read_some(state_, into) : nothing<std::size_t>();
    }
    result<std::size_t> try_read_some(boost::asio::mutable_buffer into) {
        if (!state_) return errc::not_connected;
        if (state_->reading) return descriptor_state::second(descriptor_state::direction::reading);
        return state_->receive_any(into);
    }
    awaitable<result<void>> write(boost::asio::const_buffer data) {
        return state_ ? descriptor_state::write(state_, data) : nothing<void>();
    }
    awaitable<result<void>> write(std::string_view data) { return write(boost::asio::buffer(data)); }
    result<std::size_t> try_write_some(boost::asio::const_buffer data) {
        if (!state_) return errc::not_connected;
        if (state_->writing) return descriptor_state::second(descriptor_state::direction::writing);
        return state_->send(data);
    }
    awaitable<result<void>> wait_readable() {
        return state_ ? descriptor_state::wait_readable(state_) : nothing<void>();
    }
    awaitable<result<void>> wait_writable() {
        return state_ ? descriptor_state::wait_writable(state_) : nothing<void>();
    }
    awaitable<result<void>> shutdown_send() {
        return state_ ? descriptor_state::half_close(state_) : nothing<void>();
    }
    awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit) {
        return state_ ? descriptor_state::close(state_, limit) : nothing<void>();
    }
    void abort(close_reason why = close_reason::aborted_locally) noexcept {
        if (state_) state_->abort(why);
    }
    void cancel() noexcept {
        if (!state_) return;
        state_->read_canceled = state_->reading;
        state_->write_canceled = state_->writing;
        state_->wake();
    }
    void cancel_read() noexcept {
        if (!state_ || !state_->reading) return;
        state_->read_canceled = true;
        state_->wake();
    }
    void request_stop() noexcept {
        if (state_) state_->request_stop();
    }

    bool is_open() const noexcept { return state_ && state_->is_open(); }
    /// Why it ended; `close_reason::none` while all is well.
    close_reason reason() const noexcept { return state_ ? state_->reason : close_reason::none; }
    void record_failure(const error& cause) {
        if (state_) state_->end(cause);
    }
    error failure_cause() const { return state_ && state_->cause ? *state_->cause : error(); }
    std::uint64_t bytes_received() const noexcept { return state_ ? state_->bytes_in : 0; }
    std::uint64_t bytes_sent() const noexcept { return state_ ? state_->bytes_out : 0; }
    /// Changes the idle limit of a live stream; zero turns it off.
    void set_idle_limit(steady_clock::duration limit) noexcept {
        if (!state_) return;
        state_->idle_limit = limit;
        state_->idle.disarm();
        if (is_open()) state_->touch();
    }
    /// For system options that have no function here; -1 when it is closed.
    int native_handle() const noexcept { return is_open() ? state_->descriptor->native_handle() : -1; }

  protected:
    explicit descriptor_stream(descriptor_state::pointer s) noexcept : state_(std::move(s)) {}

    template <class T>
    static awaitable<result<T>> nothing() {
        co_return errc::not_connected;
    }

    descriptor_state::pointer state_;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/descriptor_stream.ipp>
#endif

#endif