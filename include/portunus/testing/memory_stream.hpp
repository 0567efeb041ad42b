// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_MEMORY_STREAM_HPP
#define PORTUNUS_TESTING_MEMORY_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>
#include <portunus/testing/fuse.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace portunus::testing {

namespace detail {
class memory_stream_state;
}

/// How one end of a pair behaves. All in bytes; 0 is no limit where nothing else is said.
struct memory_stream_options {
    /// How much this end can send before the other one reads: what a kernel's buffers hold. At least 1.
    std::size_t capacity{std::size_t{1} << 16};
    /// The most that one read of this end gives, however much is there.
    std::size_t read_size{0};
    /// The most that one write of this end takes, however much room there is.
    std::size_t write_size{0};
};
static_assert(std::is_trivially_destructible_v<memory_stream_options>);

/// One end of a connection that exists in memory alone; models `byte_stream`. A thin handle, move-only.
///
/// It behaves as a TCP connection on Linux does where a program can tell the difference:
/// - operations complete from the context's queue, never inside the call; an operation that has completed but
///   was not resumed yet is not affected by a later `cancel`;
/// - a pending operation completes for the first thing that happens to it;
/// - `close`, or destroying the handle, gives the other end what was sent and then the end; when input lies
///   unread, the other end sees `connection_reset` instead, and what was on its way is lost;
/// - `abort` drops what is on its way in both directions; the other end sees `connection_reset`, and goes on
///   seeing it;
/// - writing to an end that has closed gives `broken_pipe`;
/// - after `request_stop` reads give the bytes that had arrived by then, and the end if it is right behind
///   them.
///
/// It has no limits in time but that of `close`, which `deadline_service` watches: with manual time nothing
/// waits for the clock.
class memory_stream {
  public:
    /// A handle without a connection: operations give `errc::not_connected`.
    memory_stream() noexcept;
    memory_stream(memory_stream&&) noexcept;
    memory_stream& operator=(memory_stream&&) noexcept;
    ~memory_stream();

    boost::asio::any_io_executor get_executor() const;

    // byte_stream has what these mean
    awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into);
    result<std::size_t> try_read_some(boost::asio::mutable_buffer into);
    result<std::size_t> try_write_some(boost::asio::const_buffer data);
    result<std::size_t> try_write_some(std::string_view data) {
        return try_write_some(boost::asio::const_buffer(data.data(), data.size()));
    }
    awaitable<result<void>> wait_readable();
    awaitable<result<void>> wait_writable();
    awaitable<result<void>> shutdown_send();
    awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit);
    void abort() noexcept;
    void cancel() noexcept;
    /// The same for the reading direction alone.
    void cancel_read() noexcept;
    void request_stop() noexcept;
    bool stop_requested() const noexcept;

    /// From now on the operations of this end ask `f` first. The one at which it blows breaks the connection:
    /// it and all that follow give the fuse's error, and the other end sees `connection_reset`. `read_some`,
    /// `try_read_some`, `try_write_some`, `wait_readable`, `wait_writable`, `shutdown_send` and `close` count
    /// as one operation each.
    void attach(fuse f);

    /// Changes the limits of a live end.
    void set_options(const memory_stream_options& options);

    bool is_open() const noexcept;
    /// What waits in this end now: "read_some", "wait_readable" or nothing.
    std::string_view pending_read() const noexcept;
    /// "wait_writable" or nothing.
    std::string_view pending_write() const noexcept;
    /// Bytes that the other end has sent and this one has not read.
    std::size_t unread() const noexcept;

  private:
    friend struct memory_stream_pair;
    friend class detail::memory_stream_state;
    boost::intrusive_ptr<detail::memory_stream_state> state_;
};

/// Two connected ends: `auto [near, far] = make_memory_stream_pair(executor);`.
struct memory_stream_pair {
    memory_stream first;
    memory_stream second;
};

/// A connected pair on one context. The second form gives the ends limits of their own.
memory_stream_pair make_memory_stream_pair(const boost::asio::any_io_executor& executor,
                                           const memory_stream_options& both = {});
memory_stream_pair make_memory_stream_pair(const boost::asio::any_io_executor& executor,
                                           const memory_stream_options& first,
                                           const memory_stream_options& second);

} // namespace portunus::testing

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/testing/impl/memory_stream.ipp>
#endif

#endif