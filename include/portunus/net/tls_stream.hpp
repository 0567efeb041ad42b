// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_TLS_STREAM_HPP
#define PORTUNUS_NET_TLS_STREAM_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/crypto/tls_context.hpp>
#include <portunus/crypto/tls_engine.hpp>
#include <portunus/net/byte_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus {

namespace detail {
template <byte_stream Stream>
class tls_stream_state;
}

/// Limits of TLS over a stream. Trivially destructible, so it may be written in place in a `co_await`
/// expression.
struct tls_stream_options {
    /// The whole handshake, however its bytes trickle in (`errc::handshake_timeout`). Zero: no limit.
    steady_clock::duration handshake_limit{std::chrono::seconds(10)};
    /// How long a `close()` without a limit of its own may take.
    steady_clock::duration shutdown_limit{default_drain_limit};
    /// When a handshake has failed: how long the peer has to take the alert that tells it why, before the
    /// connection is closed and the error reported. Zero: no time.
    steady_clock::duration alert_limit{std::chrono::seconds(1)};
};
static_assert(std::is_trivially_destructible_v<tls_stream_options>);

/// TLS over any stream of bytes, itself a stream of bytes: everything that works on one works on it. A thin
/// handle, move-only. Made by `tls_connect` and `tls_accept`.
///
/// Its limits in time are those of the stream below: what moves there counts against idleness, and a peer
/// that takes nothing for the write limit ends it.
///
/// Close it with `close`. Destroying the handle tells the peer that we are done (close_notify) where that
/// fits at once, and destroys the stream below; what a slow peer had not taken by then, a record of up to
/// 16 KiB, is lost, and the peer can tell.
///
/// Errors of TLS have a `tls_errc`, name the peer's address where the stream below knows it, and are final;
/// the others are those of the stream below.
template <byte_stream Stream>
class tls_stream {
  public:
    using lower_type = Stream;

    /// A handle without a connection: operations give `errc::not_connected`.
    tls_stream() noexcept;
    tls_stream(tls_stream&&) noexcept;
    tls_stream& operator=(tls_stream&&) noexcept;
    ~tls_stream();

    boost::asio::any_io_executor get_executor() const;

    /// Completes with the number of plain bytes, at least 1. `errc::end_of_stream` when the peer has finished
    /// in order; `tls_errc::truncated` when its bytes just ended: what came may be a part of what was sent.
    /// After a cancellation (`errc::canceled`) no byte is lost.
    awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into);
    /// The same without waiting.
    result<std::size_t> try_read_some(boost::asio::mutable_buffer into);
    /// Completes when `try_read_some` has something to say. A part of a record says nothing, so this reads
    /// and decrypts; while it waits it holds no buffer.
    awaitable<result<void>> wait_readable();

    /// Completes when the stream below has taken everything. All or an error, as `tcp_stream::write`.
    awaitable<result<void>> write(boost::asio::const_buffer data);
    awaitable<result<void>> write(std::string_view data) { return write(boost::asio::buffer(data)); }
    /// Takes up to 16 KiB, as one record. What the stream below does not take at once is sent by and by,
    /// without anybody waiting for it, and nothing more is taken before that (`errc::would_block`).
    result<std::size_t> try_write_some(boost::asio::const_buffer data);
    /// Completes when everything that was taken has been sent, so that there is room.
    awaitable<result<void>> wait_writable();

    /// The end of our direction (close_notify), behind what was written; reading goes on, and the connection
    /// below stays whole.
    awaitable<result<void>> shutdown_send();

    /// Graceful: sends what was taken and our end, ends our direction below as well, reads and discards until
    /// the peer's close_notify or its end, closes. `errc::drain_timeout` at the limit: how many bytes could
    /// not be sent, or that the peer did not finish. To be called once; a second call meanwhile gets
    /// `errc::operation_in_progress`.
    awaitable<result<void>> close(steady_clock::duration limit);
    /// The same with the `shutdown_limit` of the options.
    awaitable<result<void>> close();

    void abort(close_reason why = close_reason::aborted_locally) noexcept;
    void cancel() noexcept;
    void cancel_read() noexcept;
    void request_stop() noexcept;
    /// Whether that was called, here or on the stream below where that tells it.
    bool stop_requested() const noexcept;

    bool is_open() const noexcept;
    /// That of the stream below, where it knows.
    bool is_broken() noexcept requires requires(Stream& s) { s.is_broken(); }
    { return is_open() && lower().is_broken(); }
    bool peer_finished() const noexcept requires requires(const Stream& s) { s.peer_finished(); }
    { return is_open() && lower().peer_finished(); }
    /// Why it ended; `close_reason::none` while all is well, or where the stream below does not know.
    close_reason reason() const noexcept;
    void record_failure(const error& cause);
    error failure_cause() const;

    /// What the handshake has brought: version, names, the peer's certificate.
    tls_facts facts() const;
    /// `tls-exporter` of RFC 9266: what ties an authentication to this very connection.
    result<std::array<unsigned char, 32>> channel_binding() const;

    /// Plain bytes.
    std::uint64_t bytes_received() const noexcept;
    std::uint64_t bytes_sent() const noexcept;

    /// The stream below, for what only it knows: addresses, options. Reading, writing and closing it breaks
    /// the connection.
    Stream& lower() noexcept;
    const Stream& lower() const noexcept;

    // What the stream below may have besides.
    auto remote_endpoint() const noexcept requires requires(const Stream& s) { s.remote_endpoint(); }
    { return lower().remote_endpoint(); }
    auto local_endpoint() const noexcept requires requires(const Stream& s) { s.local_endpoint(); }
    { return lower().local_endpoint(); }
    void set_idle_limit(steady_clock::duration limit) noexcept requires requires(Stream& s) {
        s.set_idle_limit(limit);
    }
    { lower().set_idle_limit(limit); }
    void count_messages(std::uint64_t received, std::uint64_t sent) noexcept requires requires(Stream& s) {
        s.count_messages(received, sent);
    }
    { lower().count_messages(received, sent); }
    void count_full_queue() const noexcept requires requires(const Stream& s) { s.count_full_queue(); }
    { lower().count_full_queue(); }

  private:
    friend class detail::tls_stream_state<Stream>;
    using state = detail::tls_stream_state<Stream>;
    boost::intrusive_ptr<state> state_;
};

/// Speaks TLS as the client over a connected stream.
///
///     const tls_client_context context;                       // trusts the system's authorities
///     auto peer = co_await connect("device.local", 443);
///     auto secure = co_await tls_connect(std::move(*peer), context, "device.local");
///
/// Completes after the handshake. `host`: whom we want to talk to, a name or an address; the server's
/// certificate has to be for it. With TLS 1.3 the server judges our certificate only after that, and its
/// refusal comes with the first read.
///
/// `tls_errc` and `errc::handshake_timeout`, with the peer's address; `errc::invalid_name`; `errc::canceled`;
/// errors of the stream below. When it fails the stream is closed, and the peer has been told why.
template <byte_stream Stream>
awaitable<result<tls_stream<Stream>>> tls_connect(Stream stream, const tls_client_context& context,
                                                  std::string_view host,
                                                  const tls_stream_options& options = {});

/// Speaks TLS as the server over a connected stream. Completes after the handshake; errors as `tls_connect`.
/// A client that speaks something else is `tls_errc::not_tls`, and the detail shows how it began.
template <byte_stream Stream>
awaitable<result<tls_stream<Stream>>> tls_accept(Stream stream, const tls_server_context& context,
                                                 const tls_stream_options& options = {});

} // namespace portunus

#include <portunus/net/impl/tls_stream.hpp>

#endif
