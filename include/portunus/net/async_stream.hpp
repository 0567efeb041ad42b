// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_ASYNC_STREAM_HPP
#define PORTUNUS_NET_ASYNC_STREAM_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/error.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/role.hpp> // one enumeration: async_teardown below says what for
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <cstddef>
#include <utility>

namespace portunus {

namespace detail {
template <byte_stream S>
class async_stream_state;
}

/// A stream of bytes as Asio and Beast want it: AsyncReadStream and AsyncWriteStream, with completion tokens.
///
///     async_stream live(std::move(peer)); // a tcp_stream, a tls_stream, ...
///     beast::websocket::stream<async_stream<tcp_stream>> socket(std::move(live));
///     co_await socket.async_accept(asio::use_awaitable);
///
/// For composed operations that exist already: `asio::async_read_until`, `beast::http::async_read`,
/// `beast::websocket::stream`, the client of a database that takes any stream. Code of one's own is shorter
/// and faster on the stream itself, which reports results with a detail; here there are codes alone.
///
/// A thin handle, move-only; one that was moved from may be assigned and destroyed. What the stream can give
/// or take at once completes without a coroutine and without an allocation of the adaptor's own; what has to
/// wait takes an operation object and two frames, from Asio's caches. The handle may be destroyed while
/// operations are pending: the stream below is destroyed with it, and they complete with `operation_aborted`.
/// A composed operation refers to the handle, as to every stream, and needs it to its own end.
///
/// For one thread, as the stream below; a handler runs on its associated executor. Codes are those of the
/// stream below, but those that composed operations compare with are Asio's: `errc::end_of_stream` is
/// `asio::error::eof`; `errc::canceled`, `errc::closed_locally` and `errc::aborted_locally` are
/// `asio::error::operation_aborted`.
template <byte_stream S>
class async_stream {
  public:
    using executor_type = boost::asio::any_io_executor;
    using lowest_layer_type = async_stream; ///< what `asio::ssl::stream` asks for

    /// \param close_limit how long `async_close` waits for the peer's end, and so Beast's close of a
    /// WebSocket
    explicit async_stream(S stream, steady_clock::duration close_limit = default_drain_limit);
    async_stream(async_stream&&) noexcept = default;
    async_stream& operator=(async_stream&&) noexcept;
    ~async_stream();

    executor_type get_executor() const;
    lowest_layer_type& lowest_layer() noexcept { return *this; }
    const lowest_layer_type& lowest_layer() const noexcept { return *this; }

    /// Completes with `void(error_code, std::size_t)`: at least a byte, or an error; or nothing, when the
    /// buffers have no room. Fills the first buffer that has room.
    ///
    /// One read and one write may be pending at the same time. What the buffers point to has to live until
    /// then. Cancellation of any type (`asio::cancellation_slot`) leaves the stream usable, and no byte is
    /// lost; the signal is emitted on the stream's thread.
    template <class MutableBuffers,
              boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
    auto async_read_some(const MutableBuffers& buffers, Token&& token);

    /// Completes with `void(error_code, std::size_t)` when the stream below has taken something. Small
    /// buffers in a row, as a frame's header and its payload, leave in one piece.
    template <class ConstBuffers,
              boost::asio::completion_token_for<void(boost::system::error_code, std::size_t)> Token>
    auto async_write_some(const ConstBuffers& buffers, Token&& token);

    /// The stream's graceful `close`; completes with `void(error_code)`. Pending reads and writes end as it
    /// says there.
    template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
    auto async_close(Token&& token);

    /// The stream below, for what only it has. A read of it while one of ours is pending is a second one.
    S& stream() noexcept;
    const S& stream() const noexcept;
    /// Gives the stream back, for who goes on with it without Asio's operations; the handle is without a
    /// connection then. Not while an operation is pending. Bytes that a composed operation has read ahead are
    /// in that one's buffer (`any_stream::prepend` takes them).
    S release();

    /// How Beast breaks a connection off when one of its own limits has passed.
    friend void beast_close_socket(async_stream& s) { s.stream().abort(); }

  private:
    boost::intrusive_ptr<detail::async_stream_state<S>> state_;
};

/// How `beast::websocket::stream` ends the connection below it, after the close frames: found by
/// argument-dependent lookup, for both roles.
template <byte_stream S, class Handler>
void async_teardown(boost::beast::role_type, async_stream<S>& stream, Handler&& handler) {
    stream.async_close(std::forward<Handler>(handler));
}

} // namespace portunus

#include <portunus/net/impl/async_stream.hpp>

#endif
