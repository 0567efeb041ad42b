// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_TLS_CONTEXT_HPP
#define PORTUNUS_CRYPTO_TLS_CONTEXT_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/tls_options.hpp>

#include <memory>

namespace portunus {

namespace detail {
class tls_client_set;
class tls_server_set;
class tls_server_holder;
class tls_engine_state;
} // namespace detail

/// What all our connections to servers share: whom we trust, what we show. A thin handle on shared state, to
/// be copied and used from any thread.
///
/// On unless told otherwise: the server's certificate is verified, for the name or address that was asked
/// for; TLS 1.2 or newer; no renegotiation, no compression. Nothing is cached between connections.
class tls_client_context {
  public:
    /// Trusts the system's authorities. Throws `failure` with one of the errors of `open`.
    tls_client_context();
    explicit tls_client_context(const tls_client_options& options);

    /// The same with a result. `errc::invalid_option` when an option, or what a file holds, is of no use; the
    /// system's code (ENOENT, EACCES, ...) when a file cannot be read. The detail says which option or file,
    /// what OpenSSL says, and what to do; it never contains a key.
    static result<tls_client_context> open(const tls_client_options& options);

    /// Whether it knows whom it talks to: false with `trust_anybody_without_verification`.
    bool verifies() const noexcept;

  private:
    friend class detail::tls_engine_state;
    explicit tls_client_context(std::shared_ptr<const detail::tls_client_set> set) noexcept;
    std::shared_ptr<const detail::tls_client_set> set_;
};

/// What all connections that a server accepts share. A thin handle on shared state, to be copied and used
/// from any thread.
class tls_server_context {
  public:
    /// Throws `failure` with one of the errors of `open`.
    explicit tls_server_context(const tls_server_options& options);

    /// The same with a result; errors as those of `tls_client_context::open`.
    static result<tls_server_context> open(const tls_server_options& options);

    /// Reads all files again: for a certificate that was renewed. Connections that exist keep what they
    /// have, new ones get the new certificates and new ticket keys. When it fails nothing changes, and the
    /// error says why. Blocks for as long as reading the files takes.
    result<void> reload();
    /// The same with other options.
    result<void> reload(const tls_server_options& options);

  private:
    friend class detail::tls_engine_state;
    explicit tls_server_context(std::shared_ptr<detail::tls_server_holder> holder) noexcept;
    std::shared_ptr<detail::tls_server_holder> holder_;
};

} // namespace portunus

#include <portunus/crypto/impl/tls_context.hpp>

#endif
