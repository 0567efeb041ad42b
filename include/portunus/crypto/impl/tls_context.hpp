// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_IMPL_TLS_CONTEXT_HPP
#define PORTUNUS_CRYPTO_IMPL_TLS_CONTEXT_HPP

#include <portunus/crypto/tls_context.hpp>

#include <portunus/crypto/detail/openssl.hpp>
#include <portunus/crypto/detail/pem_loading.hpp>
#include <portunus/crypto/tls_error.hpp>

#include <openssl/x509v3.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

inline error context_failed(const std::string& what) {
    const openssl_errors said;
    return error(tls_errc::library_failure, what + "; " + said.text());
}

/// The protocols as they stand in the handshake: each with its length before it.
inline result<std::string> alpn_wire(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& name : protocols) {
        if (name.empty() || name.size() > 255)
            return error(errc::invalid_option, "alpn: " + quoted_bytes(name) + " has " +
                                                   std::to_string(name.size()) +
                                                   " bytes, and a protocol's name has 1 to 255");
        wire += static_cast<char>(static_cast<unsigned char>(name.size()));
        wire += name;
    }
    if (wire.size() > 65535)
        return error(errc::invalid_option, "alpn: all names together exceed 65535 bytes");
    return wire;
}

inline int wire_version(tls_version v) noexcept {
    return v == tls_version::tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

/// A context with what clients and servers have in common.
inline result<openssl_ptr<SSL_CTX>> make_context(const SSL_METHOD* method, tls_version least,
                                                 tls_version most, bool keep_buffers) {
    ERR_clear_error();
    if (least > most) return error(errc::invalid_option, "min_version is newer than max_version");
    openssl_ptr<SSL_CTX> context(SSL_CTX_new(method));
    if (!context) return context_failed("making a TLS context");
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // What is written is given from a buffer that may have moved meanwhile.
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!keep_buffers) SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(context.get(), wire_version(least)) != 1 ||
        SSL_CTX_set_max_proto_version(context.get(), wire_version(most)) != 1)
        return context_failed("setting the versions of TLS");
    return context;
}

/// Trusts what the sources hold, also where it is no authority but the very certificate of a peer.
inline result<void> trust(SSL_CTX* context, const std::vector<pem_source>& sources, bool tell_clients) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    for (const pem_source& source : sources) {
        auto certificates = load_certificates(source);
        if (!certificates) return std::move(certificates).error();
        for (const auto& one : *certificates) {
            if (X509_STORE_add_cert(store, one.get()) != 1)
                return bad_pem(source, "has a certificate that cannot be trusted");
            if (tell_clients && SSL_CTX_add_client_CA(context, one.get()) != 1)
                return bad_pem(source, "has a certificate whose name cannot be told to clients");
        }
    }
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    return {};
}

inline result<void> show(SSL_CTX* context, const tls_certificate& from, const loaded_certificate& one) {
    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(context, one.leaf.get(), one.key.get(), one.chain.get(), 1) == 1) return {};
    return bad_pem(from.chain, "has a certificate that cannot be used",
                   "its key or its signature may be too weak for the security level of this machine");
}

/// A client's context, which never changes.
class tls_client_set {
  public:
    static result<std::shared_ptr<const tls_client_set>> make(const tls_client_options& options) {
        auto context =
            make_context(TLS_client_method(), options.min_version, options.max_version, options.keep_buffers);
        if (!context) return std::move(context).error();
        SSL_CTX* const raw = context->get();
        if (!options.trust_anybody_without_verification) {
            SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
            if (options.trust.empty() && SSL_CTX_set_default_verify_paths(raw) != 1)
                return context_failed("loading the system's authorities");
            if (auto trusted = trust(raw, options.trust, false); !trusted) return trusted.error();
        }
        auto alpn = alpn_wire(options.alpn);
        if (!alpn) return std::move(alpn).error();
        if (!alpn->empty() &&
            SSL_CTX_set_alpn_protos(raw, reinterpret_cast<const unsigned char*>(alpn->data()),
                                    static_cast<unsigned>(alpn->size())) != 0)
            return context_failed("setting the application protocols");
        if (!options.certificate.chain.empty()) {
            auto own = load_certificate(options.certificate);
            if (!own) return std::move(own).error();
            if (auto shown = show(raw, options.certificate, *own); !shown) return shown.error();
        } else if (!options.certificate.key.empty()) {
            return error(errc::invalid_option,
                         "certificate: a key without a certificate; give tls_certificate::chain");
        }
        return std::shared_ptr<const tls_client_set>(std::make_shared<tls_client_set>(
            std::move(*context), !options.trust_anybody_without_verification));
    }

    tls_client_set(openssl_ptr<SSL_CTX> c, bool v) noexcept : context(std::move(c)), verifies(v) {}

    openssl_ptr<SSL_CTX> context;
    bool verifies;
};

/// A server's context as it was made or reloaded once. Connections that began with it hold it.
class tls_server_set {
  public:
    static result<std::shared_ptr<const tls_server_set>> make(const tls_server_options& options) {
        if (options.certificates.empty())
            return error(errc::invalid_option, "certificates: a TLS server needs at least one");
        auto context =
            make_context(TLS_server_method(), options.min_version, options.max_version, options.keep_buffers);
        if (!context) return std::move(context).error();
        const auto set = std::make_shared<tls_server_set>(std::move(*context));
        SSL_CTX* const raw = set->context.get();
        for (const tls_certificate& from : options.certificates) {
            auto one = load_certificate(from);
            if (!one) return std::move(one).error();
            // Also those that are chosen later: a weak one is to be known now.
            if (auto usable = show(raw, from, *one); !usable) return usable.error();
            set->certificates.push_back(std::move(*one));
        }
        SSL_CTX_set_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
        if (!options.session_tickets) {
            SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
            SSL_CTX_set_num_tickets(raw, 0);
        }
        auto alpn = alpn_wire(options.alpn);
        if (!alpn) return std::move(alpn).error();
        set->alpn = std::move(*alpn);
        set->alpn_must_match = options.alpn_must_match;
        set->refuse_unknown_names = options.refuse_unknown_names;
        SSL_CTX_set_tlsext_servername_callback(raw, &choose_certificate);
        SSL_CTX_set_tlsext_servername_arg(raw, set.get());
        if (!set->alpn.empty()) SSL_CTX_set_alpn_select_cb(raw, &choose_protocol, set.get());
        if (auto clients = ask_clients(raw, options); !clients) return clients.error();
        return std::shared_ptr<const tls_server_set>(set);
    }

    explicit tls_server_set(openssl_ptr<SSL_CTX> c) noexcept : context(std::move(c)) {}

    openssl_ptr<SSL_CTX> context;
    std::vector<loaded_certificate> certificates;
    std::string alpn; // as in the handshake
    bool alpn_must_match = true;
    bool refuse_unknown_names = false;

  private:
    static result<void> ask_clients(SSL_CTX* context, const tls_server_options& options) {
        if (options.client_certificates == tls_client_certificates::none) {
            if (options.client_trust.empty()) return {};
            return error(
                errc::invalid_option,
                "client_trust is given and client_certificates is none: choose optional or required");
        }
        if (options.client_trust.empty())
            return error(errc::invalid_option,
                         "client_certificates without client_trust: say whose certificates are good");
        if (auto trusted = trust(context, options.client_trust, true); !trusted) return trusted;
        int mode = SSL_VERIFY_PEER;
        if (options.client_certificates == tls_client_certificates::required)
            mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        SSL_CTX_set_verify(context, mode, nullptr);
        // Without one, OpenSSL refuses to resume sessions of clients that have shown a certificate.
        static constexpr unsigned char id[] = {'p', 'o', 'r', 't', 'u', 'n', 'u', 's'};
        SSL_CTX_set_session_id_context(context, id, sizeof id);
        return {};
    }

    static int choose_certificate(SSL* connection, int* alert, void* argument) {
        const auto& set = *static_cast<const tls_server_set*>(argument);
        const char* const name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
        const auto is_for = [](const loaded_certificate& one, const char* host) {
            return X509_check_host(one.leaf.get(), host, std::strlen(host),
                                   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
        };
        bool found = false;
        if (name) {
            // The last one that is put in for a kind of key is the one that counts.
            for (auto one = set.certificates.rbegin(); one != set.certificates.rend(); ++one) {
                if (!is_for(*one, name)) continue;
                if (!found) SSL_certs_clear(connection);
                found = true;
                if (!use(connection, *one)) return SSL_TLSEXT_ERR_ALERT_FATAL;
            }
            if (!found && set.refuse_unknown_names) {
                *alert = SSL_AD_UNRECOGNIZED_NAME;
                return SSL_TLSEXT_ERR_ALERT_FATAL;
            }
        }
        if (!found) {
            SSL_certs_clear(connection); // the context holds one of each kind of key, the last of its kind
            if (!use(connection, set.certificates.front())) return SSL_TLSEXT_ERR_ALERT_FATAL;
            // No acknowledgement of a name that we do not have (RFC 6066 3).
            if (name) return SSL_TLSEXT_ERR_NOACK;
        }
        return SSL_TLSEXT_ERR_OK;
    }
    static bool use(SSL* connection, const loaded_certificate& one) {
        return SSL_use_cert_and_key(connection, one.leaf.get(), one.key.get(), one.chain.get(), 1) == 1;
    }

    static int choose_protocol(SSL*, const unsigned char** out, unsigned char* size,
                               const unsigned char* offered, unsigned offered_size, void* argument) {
        const auto& set = *static_cast<const tls_server_set*>(argument);
        const std::string_view theirs(reinterpret_cast<const char*>(offered), offered_size);
        for (std::size_t i = 0; i < set.alpn.size();) {
            const std::size_t n = static_cast<unsigned char>(set.alpn[i]);
            const std::string_view mine = std::string_view(set.alpn).substr(i + 1, n);
            i += 1 + n;
            for (std::size_t j = 0; j < theirs.size();) {
                const std::size_t m = static_cast<unsigned char>(theirs[j]);
                const std::string_view one = theirs.substr(j + 1, m);
                j += 1 + m;
                if (one != mine) continue;
                *out = reinterpret_cast<const unsigned char*>(one.data());
                *size = static_cast<unsigned char>(one.size());
                return SSL_TLSEXT_ERR_OK;
            }
        }
        return set.alpn_must_match ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
    }
};

/// Where a server's context finds its present set. From any thread.
class tls_server_holder {
  public:
    tls_server_holder(tls_server_options o, std::shared_ptr<const tls_server_set> s)
        : options_(std::move(o)), set_(std::move(s)) {}

    std::shared_ptr<const tls_server_set> current() const {
        const std::lock_guard lock(mutex_);
        return set_;
    }
    result<void> reload() {
        tls_server_options same;
        {
            const std::lock_guard lock(mutex_);
            same = options_;
        }
        return reload(std::move(same));
    }
    result<void> reload(tls_server_options options) {
        auto set = tls_server_set::make(options); // outside of the lock: others go on accepting
        if (!set) return std::move(set).error();
        const std::lock_guard lock(mutex_);
        options_ = std::move(options);
        set_.swap(*set);
        return {};
    }

  private:
    mutable std::mutex mutex_;
    tls_server_options options_;
    std::shared_ptr<const tls_server_set> set_;
};

} // namespace detail

inline tls_client_context::tls_client_context(std::shared_ptr<const detail::tls_client_set> set) noexcept
    : set_(std::move(set)) {}
inline tls_client_context::tls_client_context() : tls_client_context(tls_client_options{}) {}
inline tls_client_context::tls_client_context(const tls_client_options& options)
    : set_(detail::tls_client_set::make(options).value()) {}
inline result<tls_client_context> tls_client_context::open(const tls_client_options& options) {
    auto set = detail::tls_client_set::make(options);
    if (!set) return std::move(set).error();
    return tls_client_context(std::move(*set));
}
inline bool tls_client_context::verifies() const noexcept {
    return set_->verifies;
}

inline tls_server_context::tls_server_context(std::shared_ptr<detail::tls_server_holder> holder) noexcept
    : holder_(std::move(holder)) {}
inline tls_server_context::tls_server_context(const tls_server_options& options)
    : tls_server_context(open(options).value()) {}
inline result<tls_server_context> tls_server_context::open(const tls_server_options& options) {
    auto set = detail::tls_server_set::make(options);
    if (!set) return std::move(set).error();
    return tls_server_context(std::make_shared<detail::tls_server_holder>(options, std::move(*set)));
}
inline result<void> tls_server_context::reload() {
    return holder_->reload();
}
inline result<void> tls_server_context::reload(const tls_server_options& options) {
    return holder_->reload(options);
}

} // namespace portunus

#endif
