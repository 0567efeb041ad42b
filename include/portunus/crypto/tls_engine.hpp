// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_TLS_ENGINE_HPP
#define PORTUNUS_CRYPTO_TLS_ENGINE_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/tls_context.hpp>
#include <portunus/crypto/tls_error.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

namespace detail {
class tls_engine_state;
}

/// What is known of a connection after its handshake.
struct tls_facts {
    std::string version{};     ///< "TLSv1.3"
    std::string cipher{};      ///< "TLS_AES_256_GCM_SHA384"
    std::string alpn{};        ///< the application protocol that was agreed on; empty: none
    std::string server_name{}; ///< what the client asked for (SNI); empty: nothing
    /// The peer's certificate; all empty where it has shown none.
    std::string peer_subject{};            ///< "CN=device 7,O=Works" (RFC 2253)
    std::vector<std::string> peer_names{}; ///< "DNS:device7.local", "IP:10.0.0.7"
    std::string peer_fingerprint{};        ///< SHA-256 of it, 64 hexadecimal digits
    bool verified{false};                  ///< its certificate was verified, for the name that was asked for
    bool resumed{false};                   ///< by a session ticket
};

/// One TLS connection without a transport: bytes in, bytes out. What `tls_stream` is made of; for everything
/// else that moves bytes by itself. Move-only; for one thread.
///
///     auto engine = tls_engine::client(context, "device.local");
///     for (;;) {
///         auto step = engine->handshake();
///         send(engine->pending_output());  engine->consume_output(n);
///         if (step) break;                                    // done
///         if (step.error() != errc::would_block) return;      // failed; the alert has been sent above
///         engine->feed(receive());                            // or feed_end()
///     }
///
/// After each call there may be output to send: also after `read`, which answers for the protocol, and after
/// a failure, when it is the alert that tells the peer. `errc::would_block` means: send the output; when
/// there was none, feed more. Every failure of the protocol is final and is repeated by each later call.
///
/// Bounded: at most 16.5 KiB of input and 24 KiB of output wait in it. Once both buffers have grown to what
/// is needed, `read` and `write` allocate nothing of ours. OpenSSL does by itself: version 3.0 six times for
/// a record that is written by one side and read by the other, two of these being buffers of 17 KiB; four
/// times where the contexts have `keep_buffers`.
class tls_engine {
  public:
    /// None: every call gives `errc::not_connected`.
    tls_engine() noexcept;
    tls_engine(tls_engine&&) noexcept;
    tls_engine& operator=(tls_engine&&) noexcept;
    ~tls_engine();

    /// `host`: the name or address that the server's certificate has to be for; a name is also told to the
    /// server (SNI). `errc::invalid_name` for what can be neither, an empty one included where the context
    /// verifies.
    static result<tls_engine> client(const tls_client_context& context, std::string_view host);
    static result<tls_engine> server(const tls_server_context& context);

    // bytes from the peer

    /// Room for what comes from the peer, to be filled from its beginning and then committed. Empty where
    /// nothing more is taken before a `read`.
    std::span<char> prepare_input();
    void commit_input(std::size_t n) noexcept;
    /// The same in one: takes what fits and returns how much that was.
    std::size_t feed(std::string_view bytes);
    /// Nothing more will come.
    void feed_end() noexcept;
    /// Fed and not used yet.
    std::size_t unused_input() const noexcept;

    // bytes to the peer

    /// What is to be sent; valid until the next call.
    std::string_view pending_output() const noexcept;
    void consume_output(std::size_t n) noexcept;

    // the connection

    /// Goes on with the handshake. Success when it is over, also on later calls. `tls_errc`: what the peer
    /// and we do not agree on.
    result<void> handshake();
    bool handshake_done() const noexcept;

    /// Plain bytes from the peer: as many of those that were fed as fit, at least 1. `errc::end_of_stream`
    /// when the peer has finished in order (close_notify); `tls_errc::truncated` when its bytes ended without
    /// that.
    result<std::size_t> read(std::span<char> into);
    /// Whether `read` has something to say: bytes, the end, or an error. Takes nothing.
    bool readable();

    /// Takes plain bytes to send, at most 16 KiB at a time, at least 1. `errc::would_block` when the output
    /// has to be sent first, or while `wants_input`.
    result<std::size_t> write(std::string_view plain);
    /// The peer is in the midst of a message of the protocol, a ticket say, that came in several records:
    /// nothing is sent before the rest of it was fed.
    bool wants_input();

    /// The end of our direction: close_notify is put behind all that was written. Reading goes on. A second
    /// call does nothing. `errc::would_block` while `wants_input`.
    result<void> shutdown();
    bool close_notify_sent() const noexcept;
    bool close_notify_seen() const noexcept;

    /// After the handshake; empty before.
    tls_facts facts() const;
    /// The channel binding `tls-exporter` (RFC 9266): equal on both sides, and different on each connection.
    /// An error over TLS 1.2 without the extended master secret, where it would prove nothing.
    result<std::array<unsigned char, 32>> channel_binding() const;

    /// Asks for new keys in our direction, and, with `both`, also in the peer's (TLS 1.3).
    result<void> update_keys(bool both);

    /// Gives back the buffers that are empty; they come back when they are needed.
    void release_buffers() noexcept;

  private:
    friend class detail::tls_engine_state;
    explicit tls_engine(std::unique_ptr<detail::tls_engine_state> state) noexcept;
    std::unique_ptr<detail::tls_engine_state> state_;
};

} // namespace portunus

#include <portunus/crypto/impl/tls_engine.hpp>

#endif
