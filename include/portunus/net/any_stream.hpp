// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_ANY_STREAM_HPP
#define PORTUNUS_NET_ANY_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace portunus {

namespace detail {
class any_stream_state;
}

/// A stream of bytes of any kind, behind one type: for what is compiled once and serves TCP as well as TLS,
/// or that is handed on by somebody who knows the kind to somebody who need not. A thin handle, move-only;
/// models `byte_stream`.
///
/// An operation costs a virtual call more than that of the stream below, and no coroutine frame. What the
/// stream below does not have is answered with what the comments say.
class any_stream {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    /// A handle without a connection: operations give `errc::not_connected`.
    any_stream() noexcept = default;
    template <class S>
    requires(!std::same_as<S, any_stream> && byte_stream<S>) explicit any_stream(S stream);
    any_stream(any_stream&&) noexcept = default;
    any_stream& operator=(any_stream&&) noexcept;
    /// Destroys the stream below.
    ~any_stream();

    boost::asio::any_io_executor get_executor() const;

    // byte_stream has what these mean
    awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into);
    result<std::size_t> try_read_some(boost::asio::mutable_buffer into);
    awaitable<result<void>> wait_readable();
    result<std::size_t> try_write_some(boost::asio::const_buffer data);
    awaitable<result<void>> wait_writable();
    awaitable<result<void>> shutdown_send();
    awaitable<result<void>> close(steady_clock::duration limit = default_drain_limit);
    void abort(close_reason why = close_reason::aborted_locally) noexcept;
    void cancel() noexcept;
    /// `cancel` for the reading direction alone; for both where the stream below cannot tell them apart.
    void cancel_read() noexcept;
    void request_stop() noexcept;
    /// Whether somebody has called `request_stop`, here or on the stream below where that tells it.
    bool stop_requested() const noexcept;

    /// Completes when the stream below has taken everything. All or an error; `errc::canceled` when nothing
    /// had left, `errc::torn_write` when a part had, and then the connection is of no use any more.
    awaitable<result<void>> write(boost::asio::const_buffer data);
    awaitable<result<void>> write(std::string_view data) { return write(boost::asio::buffer(data)); }

    /// Gives bytes back that were read already: they come first from `read_some`, `try_read_some` and
    /// `wait_readable`, also after a stop was asked for; `close` and `abort` drop them. Several calls put the
    /// later bytes in front. Not while a read is pending.
    void prepend(std::string bytes);

    bool is_open() const noexcept;
    /// As those of `tcp_stream`; false where the stream below has no such question.
    bool is_broken() noexcept;
    bool peer_finished() const noexcept;
    /// Why it ended; `close_reason::none` while all is well, or where the stream below does not know.
    close_reason reason() const noexcept;
    error failure_cause() const;
    /// Nothing where the stream below keeps no reason.
    void record_failure(const error& cause);
    /// Nothing where the stream below has no such limit.
    void set_idle_limit(steady_clock::duration limit) noexcept;

    /// The two ends; default-constructed where the stream below has no TCP endpoints.
    endpoint_type remote_endpoint() const noexcept;
    endpoint_type local_endpoint() const noexcept;

    /// The stream below where it is an `S`, for what only that kind has; else null. To read from it while
    /// bytes that were given back are left would overtake these.
    template <byte_stream S>
    S* target() noexcept;

  private:
    friend class detail::any_stream_state;
    boost::intrusive_ptr<detail::any_stream_state> state_;
};

} // namespace portunus

#include <portunus/net/impl/any_stream.hpp>

#endif
