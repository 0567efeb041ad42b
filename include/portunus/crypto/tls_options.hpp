// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_TLS_OPTIONS_HPP
#define PORTUNUS_CRYPTO_TLS_OPTIONS_HPP

#include <portunus/crypto/pem_source.hpp>

#include <string>
#include <vector>

namespace portunus {

enum class tls_version { tls1_2, tls1_3 };

/// A certificate with its chain, and the key that belongs to it.
struct tls_certificate {
    /// The certificate itself first, then those that lead to the authority.
    pem_source chain{};
    /// Its private key, not encrypted. None: it stands in `chain` as well.
    pem_source key{};
};

/// How we connect. It owns things: name it, and give it to `tls_client_context`.
struct tls_client_options {
    /// The certificates, of authorities or of single peers, that are trusted. None: the system's.
    std::vector<pem_source> trust{};
    /// Takes whoever answers for the peer that was meant. Encryption without knowing to whom protects against
    /// nobody who can answer in the peer's place; for tests, and for devices whose certificate cannot be had.
    bool trust_anybody_without_verification{false};
    /// Application protocols in the order of our preference (RFC 7301), as "http/1.1"; 1 to 255 bytes each.
    std::vector<std::string> alpn{};
    /// What we show to a server that asks for it.
    tls_certificate certificate{};
    tls_version min_version{tls_version::tls1_2};
    tls_version max_version{tls_version::tls1_3};
    /// Keeps OpenSSL's two buffers of a connection, 17 KiB each, also while nothing moves, and so saves it an
    /// allocation a record and direction.
    bool keep_buffers{false};
};

/// Whether a server asks its clients for certificates.
enum class tls_client_certificates {
    none,
    optional, ///< one that is shown has to be good
    required,
};

/// How we accept. It owns things: name it, and give it to `tls_server_context`.
struct tls_server_options {
    /// One or more. The client's server name (SNI) chooses: the certificates that are for it, of which there
    /// may be one for each kind of key; the first one for everybody else.
    std::vector<tls_certificate> certificates{};
    /// Clients that name a server which no certificate is for are refused (alert unrecognized_name). Clients
    /// that name none get the first certificate all the same.
    bool refuse_unknown_names{false};
    /// Application protocols in the order of our preference (RFC 7301); 1 to 255 bytes each.
    std::vector<std::string> alpn{};
    /// A client that offers application protocols, none of which is ours, is refused (alert
    /// no_application_protocol), as RFC 7301 3.2 wants it. Otherwise it is served without one.
    bool alpn_must_match{true};
    tls_client_certificates client_certificates{tls_client_certificates::none};
    /// The authorities (or single certificates) of clients; needed where certificates are asked for.
    std::vector<pem_source> client_trust{};
    tls_version min_version{tls_version::tls1_2};
    tls_version max_version{tls_version::tls1_3};
    /// Clients may resume (RFC 5077, RFC 8446 2.2). Their keys are made with each context and each reload,
    /// and the server stores nothing.
    bool session_tickets{true};
    /// As in `tls_client_options`.
    bool keep_buffers{false};
};

} // namespace portunus

#endif
