// SPDX-License-Identifier: BSL-1.0
// What the tests of TLS share: a small world of authorities and certificates, made in memory once, and two
// engines that are joined by strings.
#ifndef PORTUNUS_TESTS_UNIT_CRYPTO_TLS_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_CRYPTO_TLS_SUPPORT_HPP

#include <portunus/crypto/self_signed.hpp>
#include <portunus/crypto/tls_context.hpp>
#include <portunus/crypto/tls_engine.hpp>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace portunus_tests {

using portunus::pem_pair;
using portunus::pem_source;

/// An authority that signs certificates.
class authority {
  public:
    explicit authority(const std::string& name)
        : pair(portunus::detail::make_certificate(named(name), nullptr, true).value()),
          certificate_(std::move(
              portunus::detail::load_certificates(pem_source::text(pair.certificate)).value().front())),
          key_(portunus::detail::load_key(pem_source::text(pair.key)).value()) {}

    pem_pair sign(const portunus::self_signed_options& whom) const {
        const portunus::detail::certificate_issuer me{certificate_.get(), key_.get()};
        return portunus::detail::make_certificate(whom, &me, false).value();
    }
    pem_pair sign(std::vector<std::string> names) const {
        portunus::self_signed_options whom;
        whom.names = std::move(names);
        return sign(whom);
    }
    pem_source trust() const { return pem_source::text(pair.certificate, "the authority of the test"); }

    pem_pair pair;

  private:
    static portunus::self_signed_options named(const std::string& name) {
        portunus::self_signed_options options;
        options.names = {"authority.test"};
        options.common_name = name;
        return options;
    }
    portunus::detail::openssl_ptr<X509> certificate_;
    portunus::detail::openssl_ptr<EVP_PKEY> key_;
};

/// The authority that the tests trust; keys are made once in a program.
inline const authority& good_authority() {
    static const authority one("Test Authority");
    return one;
}
inline const pem_pair& server_pair() {
    static const pem_pair one = good_authority().sign({"server.test", "*.many.test", "127.0.0.1", "::1"});
    return one;
}
inline const pem_pair& client_pair() {
    static const pem_pair one = good_authority().sign({"client.test"});
    return one;
}

inline portunus::tls_server_options server_options(const pem_pair& pair = server_pair()) {
    portunus::tls_server_options options;
    options.certificates.push_back(pair.as_certificate());
    return options;
}
inline portunus::tls_client_options client_options() {
    portunus::tls_client_options options;
    options.trust.push_back(good_authority().trust());
    return options;
}

/// Two engines, and the bytes between them.
struct engines {
    explicit engines(const portunus::tls_client_options& c = client_options(),
                     const portunus::tls_server_options& s = server_options(),
                     std::string_view host = "server.test")
        : engines(portunus::tls_client_context(c), portunus::tls_server_context(s), host) {}
    engines(const portunus::tls_client_context& c, const portunus::tls_server_context& s,
            std::string_view host = "server.test")
        : client(portunus::tls_engine::client(c, host).value()),
          server(portunus::tls_engine::server(s).value()) {}

    /// Moves what one has to say to the other; how many bytes that were.
    static std::size_t carry(portunus::tls_engine& from, portunus::tls_engine& to) {
        std::size_t all = 0;
        while (!from.pending_output().empty()) {
            const std::size_t n = to.feed(from.pending_output());
            if (n == 0) break;
            from.consume_output(n);
            all += n;
        }
        return all;
    }

    /// Until neither has anything more to say. The outcomes are in `client_outcome` and `server_outcome`.
    void shake() {
        for (int round = 0; round < 100; ++round) {
            client_outcome = client.handshake();
            std::size_t moved = carry(client, server);
            server_outcome = server.handshake();
            moved += carry(server, client);
            if (moved == 0) return;
        }
        throw std::runtime_error("the handshake does not come to an end");
    }
    void connect() {
        shake();
        client_outcome.value();
        server_outcome.value();
    }

    /// What `to` reads of what `from` has written.
    static std::string receive(portunus::tls_engine& from, portunus::tls_engine& to) {
        std::string all(1 << 20, '\0');
        std::size_t n = 0;
        for (;;) {
            const std::size_t moved = carry(from, to);
            const auto got = to.read({all.data() + n, all.size() - n});
            if (got)
                n += *got;
            else if (moved == 0)
                break;
        }
        all.resize(n);
        return all;
    }

    portunus::tls_engine client;
    portunus::tls_engine server;
    portunus::result<void> client_outcome;
    portunus::result<void> server_outcome;
};

/// A server of plain OpenSSL that sends records of 512 bytes, so that its tickets, which hold the client's
/// certificate, come in several; to be fed by hand.
class fragmenting_server {
  public:
    fragmenting_server() : context_(SSL_CTX_new(TLS_server_method())) {
        const auto own = portunus::detail::load_certificate(server_pair().as_certificate());
        SSL_CTX* const raw = context_.get();
        SSL_CTX_use_cert_and_key(raw, own->leaf.get(), own->key.get(), own->chain.get(), 1);
        SSL_CTX_set_max_send_fragment(raw, 512);
        SSL_CTX_set_num_tickets(raw, 1);
        SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
        static constexpr unsigned char id[] = {'x'};
        SSL_CTX_set_session_id_context(raw, id, sizeof id);
        connection_.reset(SSL_new(raw));
        SSL_set_bio(connection_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(connection_.get());
    }
    /// Takes bytes of the client and gives what it says to them.
    std::string answer(std::string_view bytes) {
        if (!bytes.empty())
            BIO_write(SSL_get_rbio(connection_.get()), bytes.data(), static_cast<int>(bytes.size()));
        (void)SSL_do_handshake(connection_.get());
        std::string all(1 << 16, '\0');
        const int n = BIO_read(SSL_get_wbio(connection_.get()), all.data(), static_cast<int>(all.size()));
        all.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        ERR_clear_error();
        return all;
    }
    bool done() const { return SSL_is_init_finished(connection_.get()) == 1; }
    std::string read() {
        char buffer[1000];
        const int n = SSL_read(connection_.get(), buffer, sizeof buffer);
        ERR_clear_error();
        return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
    }
    /// A client's options that make its tickets large.
    static portunus::tls_client_options client() {
        auto options = client_options();
        options.certificate = client_pair().as_certificate();
        return options;
    }

  private:
    portunus::detail::openssl_ptr<SSL_CTX> context_;
    portunus::detail::openssl_ptr<SSL> connection_;
};

/// A directory of the test's own, gone with it.
class scratch {
  public:
    scratch() {
        std::string pattern = (std::filesystem::temp_directory_path() / "portunus-tls-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("no directory for files");
        path_ = pattern;
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string write(const std::string& name, std::string_view content) const {
        const auto path = path_ / name;
        std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
        return path.string();
    }
    std::string path(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

} // namespace portunus_tests

#endif
