// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_IMPL_TLS_ENGINE_HPP
#define PORTUNUS_CRYPTO_IMPL_TLS_ENGINE_HPP

#include <portunus/crypto/tls_engine.hpp>

#include <portunus/crypto/detail/openssl.hpp>
#include <portunus/crypto/detail/tls_buffer.hpp>

#include <boost/asio/ip/address_v6.hpp>

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus {
namespace detail {

/// A name of X.509 as text. A peer chose what stands in it: bounded, and nothing but printable characters.
inline std::string text_of(const X509_NAME* name) {
    const openssl_ptr<BIO> out(BIO_new(BIO_s_mem()));
    if (!out || !name || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(std::clamp(size, 0L, 256L)));
}

inline std::string text_of(const ASN1_TIME* time) {
    const openssl_ptr<BIO> out(BIO_new(BIO_s_mem()));
    if (!out || !time || ASN1_TIME_print(out.get(), time) != 1) return {};
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(std::max(size, 0L)));
}

/// Whom a certificate is for: "DNS:device.local", "IP:10.0.0.7"; the first 100 of its names.
inline std::vector<std::string> names_of(const X509* certificate) {
    std::vector<std::string> found;
    auto* const all =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    const int count = all ? std::min(sk_GENERAL_NAME_num(all), 100) : 0;
    for (int i = 0; i < count; ++i) {
        int kind = 0;
        const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &kind);
        if (kind != GEN_DNS && kind != GEN_URI && kind != GEN_EMAIL && kind != GEN_IPADD) continue;
        const auto* const string = static_cast<const ASN1_STRING*>(value);
        const unsigned char* const bytes = ASN1_STRING_get0_data(string);
        const auto size = static_cast<std::size_t>(ASN1_STRING_length(string));
        if (kind != GEN_IPADD) {
            std::string text = quoted_bytes({reinterpret_cast<const char*>(bytes), size}, 253);
            text.erase(0, 1);
            text.erase(text.rfind('"'), 1);
            found.push_back((kind == GEN_DNS ? "DNS:" : kind == GEN_URI ? "URI:" : "email:") + text);
        } else if (size == 4) {
            std::string text = "IP:";
            for (std::size_t j = 0; j < 4; ++j) text += (j ? "." : "") + std::to_string(bytes[j]);
            found.push_back(std::move(text));
        } else if (size == 16) {
            std::array<unsigned char, 16> v6{};
            std::memcpy(v6.data(), bytes, size);
            found.push_back("IP:" + boost::asio::ip::address_v6(v6).to_string());
        }
    }
    if (all) sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
    ERR_clear_error();
    return found;
}

/// The first certificate of the peer that was not accepted.
struct refused_certificate {
    int code = X509_V_OK;
    int depth = 0;
    std::string subject;
    std::string names;
    std::string ended; // when it was good until
    std::string began;
};

class tls_engine_state {
  public:
    static constexpr std::size_t record_payload = 16384;
    static constexpr std::size_t record_overhead = SSL3_RT_MAX_ENCRYPTED_OVERHEAD + SSL3_RT_HEADER_LENGTH;
    static constexpr std::size_t most_input = 16384 + 512;
    static constexpr std::size_t most_output = 24 * 1024;
    /// Kept free by `write`, for what the protocol has to say by itself: alerts, key updates.
    static constexpr std::size_t reserve = 2048;

    tls_engine_state(openssl_ptr<SSL> c, std::shared_ptr<const void> from, bool is_server) noexcept
        : connection(std::move(c)), set(std::move(from)), server(is_server) {}

    static result<tls_engine> make(SSL_CTX* context, std::shared_ptr<const void> from, bool is_server) {
        ERR_clear_error();
        openssl_ptr<SSL> connection(SSL_new(context));
        BIO_METHOD* const method = transport();
        openssl_ptr<BIO> bio(method ? BIO_new(method) : nullptr);
        if (!connection || !bio) return context_failed("beginning a TLS connection");
        auto state = std::make_unique<tls_engine_state>(std::move(connection), std::move(from), is_server);
        SSL* const raw = state->connection.get();
        BIO_set_data(bio.get(), state.get());
        BIO_set_init(bio.get(), 1);
        BIO* const both = bio.release();
        SSL_set_bio(raw, both, both);
        SSL_set_app_data(raw, state.get());
        SSL_set_info_callback(raw, &note_alert);
        SSL_set_verify(raw, SSL_get_verify_mode(raw), &note_certificate);
        if (is_server)
            SSL_set_accept_state(raw);
        else
            SSL_set_connect_state(raw);
        return tls_engine(std::move(state));
    }

    static result<tls_engine> client(const tls_client_context& context, std::string_view host) {
        const bool verifies = context.set_->verifies;
        auto engine = make(context.set_->context.get(), context.set_, false);
        if (!engine) return engine;
        tls_engine_state& state = *engine->state_;
        SSL* const raw = state.connection.get();
        const auto no_name = [host](const char* why) {
            return error(errc::invalid_name, quoted_bytes(host) + " " + why);
        };
        if (host.empty()) {
            if (!verifies) return engine;
            return no_name("is no name: a server's certificate is verified for the name that it is asked by");
        }
        std::string name(host.substr(0, host.find('%'))); // a link's scope is no part of a certificate
        if (name.size() > 2 && name.front() == '[' && name.back() == ']')
            name = name.substr(1, name.size() - 2);
        if (name.find('\0') != std::string::npos) return no_name("contains a zero byte");
        X509_VERIFY_PARAM* const parameters = SSL_get0_param(raw);
        const bool address = X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
        ERR_clear_error();
        if (!address) {
            if (name.size() > 1 && name.back() == '.') name.pop_back(); // RFC 6066 3: without it
            SSL_set_hostflags(raw, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
            if (name.empty() || name == "." || name.size() > 253 || SSL_set1_host(raw, name.c_str()) != 1 ||
                SSL_set_tlsext_host_name(raw, name.c_str()) != 1) {
                ERR_clear_error();
                return no_name("can be neither the name of a host nor an address");
            }
        }
        state.asked_for = std::move(name);
        return engine;
    }
    static result<tls_engine> server_of(const tls_server_context& context) {
        auto set = context.holder_->current();
        return make(set->context.get(), set, true);
    }

    // what OpenSSL calls

    /// A BIO that reads from `input` and writes to `output`: nothing is copied twice.
    static BIO_METHOD* transport() {
        static BIO_METHOD* const method = [] { // lives as long as the program
            BIO_METHOD* const m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "portunus");
            if (m) {
                BIO_meth_set_read_ex(m, &bio_read);
                BIO_meth_set_write_ex(m, &bio_write);
                BIO_meth_set_ctrl(m, &bio_control);
            }
            return m;
        }();
        return method;
    }
    static int bio_read(BIO* bio, char* to, std::size_t size, std::size_t* got) {
        auto& self = *static_cast<tls_engine_state*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        *got = std::min(size, self.input.size());
        if (*got == 0) {
            BIO_set_retry_read(bio); // also at the end, which is for us to see
            return 0;
        }
        std::memcpy(to, self.input.view().data(), *got);
        self.input.consume(*got);
        return 1;
    }
    static int bio_write(BIO* bio, const char* from, std::size_t size, std::size_t* taken) {
        auto& self = *static_cast<tls_engine_state*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        *taken = 0;
        try {
            const auto room = self.output.prepare(size);
            *taken = std::min(size, room.size());
            if (*taken != 0) std::memcpy(room.data(), from, *taken);
        } catch (...) { // no memory, and no way through C
            *taken = 0;
            return 0;
        }
        if (*taken == 0) {
            BIO_set_retry_write(bio);
            return 0;
        }
        self.output.commit(*taken);
        return 1;
    }
    static long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

    static void note_alert(const SSL* connection, int where, int value) {
        if ((where & SSL_CB_ALERT) != 0 && (where & SSL_CB_WRITE) != 0)
            static_cast<tls_engine_state*>(SSL_get_app_data(connection))->alert_sent = value;
    }

    static int note_certificate(int good, X509_STORE_CTX* store) {
        if (good) return good;
        const auto* const connection =
            static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
        auto& refused = static_cast<tls_engine_state*>(SSL_get_app_data(connection))->refused;
        if (refused.code != X509_V_OK) return good;
        try {
            const X509* const bad = X509_STORE_CTX_get_current_cert(store);
            refused.depth = X509_STORE_CTX_get_error_depth(store);
            if (bad) {
                refused.subject = text_of(X509_get_subject_name(bad));
                refused.began = text_of(X509_get0_notBefore(bad));
                refused.ended = text_of(X509_get0_notAfter(bad));
                for (const std::string& name : names_of(bad)) {
                    if (refused.names.size() > 200) {
                        refused.names += ", ...";
                        break;
                    }
                    refused.names += (refused.names.empty() ? "" : ", ") + name;
                }
            }
        } catch (...) { // a text that is missing; and no way through C
        }
        refused.code = X509_STORE_CTX_get_error(store);
        return good;
    }

    // the steps

    result<void> handshake() {
        if (failed) return *failed;
        if (done) return {};
        if (auto stranger = begins_strangely()) return fail(*std::move(stranger));
        if (beginning && input.size() < 5 && !ended && !input.empty()) return errc::would_block;
        ERR_clear_error();
        const int outcome = SSL_do_handshake(connection.get());
        if (outcome == 1) {
            done = true;
            return {};
        }
        const int why = SSL_get_error(connection.get(), outcome);
        if (why == SSL_ERROR_WANT_WRITE) return errc::would_block;
        if (why == SSL_ERROR_WANT_READ) {
            if (!ended || !input.empty()) return errc::would_block;
            return fail(error(tls_errc::truncated, "the peer ended the connection in the handshake, after " +
                                                       std::to_string(fed) + " bytes"));
        }
        if (why == SSL_ERROR_ZERO_RETURN)
            return fail(error(tls_errc::truncated, "the peer ended the connection in the handshake"));
        return fail(what_went_wrong("the handshake failed"));
    }

    /// What the very first bytes tell: a record of TLS begins with its kind and the major version 3.
    std::optional<error> begins_strangely() {
        if (!beginning || input.empty()) return std::nullopt;
        const std::string_view first = input.view();
        const auto kind = static_cast<unsigned char>(first[0]);
        const bool usual = (kind == SSL3_RT_HANDSHAKE || kind == SSL3_RT_ALERT) &&
                           (first.size() < 2 || first[1] == SSL3_VERSION_MAJOR);
        if (first.size() < 5 && !ended) return std::nullopt;
        if (usual) {
            beginning = false;
            return std::nullopt;
        }
        return error(tls_errc::not_tls, "it began with " + quoted_bytes(first, 32));
    }

    result<std::size_t> read(std::span<char> into) {
        if (into.empty()) return std::size_t{0};
        std::size_t all = 0;
        while (!failed && done && !finished && all < into.size()) {
            if (all != 0 && input.empty() && !SSL_has_pending(connection.get())) break;
            std::size_t n = 0;
            ERR_clear_error();
            const int outcome = SSL_read_ex(connection.get(), into.data() + all, into.size() - all, &n);
            if (outcome == 1) {
                all += n;
                continue;
            }
            (void)goes_on(outcome);
            break;
        }
        if (all != 0) return all;
        return nothing_to_read();
    }

    bool readable() {
        if (failed || !done || finished) return true;
        if (SSL_pending(connection.get()) > 0) return true;
        char byte = 0;
        std::size_t n = 0;
        ERR_clear_error();
        const int outcome = SSL_peek_ex(connection.get(), &byte, 1, &n);
        if (outcome == 1) return true;
        return !goes_on(outcome) || (ended && input.empty());
    }

    /// After a read that gave nothing: false where there is nothing more to be had, ever.
    bool goes_on(int outcome) {
        switch (SSL_get_error(connection.get(), outcome)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return true;
        case SSL_ERROR_ZERO_RETURN:
            finished = true;
            return false;
        default:
            (void)fail(what_went_wrong("reading failed"));
            return false;
        }
    }

    error nothing_to_read() {
        if (failed) return *failed;
        if (!done) return handshake_first();
        if (finished) return errc::end_of_stream;
        if (ended && input.empty())
            return error(tls_errc::truncated, "the peer's bytes ended without its close_notify, after " +
                                                  std::to_string(fed) + " bytes of the connection");
        return errc::would_block;
    }

    result<std::size_t> write(std::string_view plain) {
        if (failed) return *failed;
        if (!done) return handshake_first();
        if (close_sent) return error(errc::closed_locally, "the sending direction was shut down");
        if (plain.empty()) return std::size_t{0};
        constexpr std::size_t needed = record_overhead + reserve;
        if (output.room() <= needed) return errc::would_block;
        const std::size_t size = std::min({plain.size(), record_payload, output.room() - needed});
        std::size_t n = 0;
        ERR_clear_error();
        const int outcome = SSL_write_ex(connection.get(), plain.data(), size, &n);
        if (outcome == 1) return n;
        const int why = SSL_get_error(connection.get(), outcome);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return errc::would_block;
        return fail(what_went_wrong("writing failed"));
    }

    result<void> shutdown() {
        if (failed) return *failed;
        if (!done) return handshake_first();
        if (close_sent) return {};
        if (wants_input()) return errc::would_block;
        ERR_clear_error();
        const int outcome = SSL_shutdown(connection.get());
        if (outcome >= 0 || (SSL_get_shutdown(connection.get()) & SSL_SENT_SHUTDOWN) != 0) {
            close_sent = true;
            return {};
        }
        return fail(what_went_wrong("ending our direction failed"));
    }

    bool wants_input() {
        const auto midway = [this] { return done && !failed && SSL_in_init(connection.get()) == 1; };
        if (!midway()) return false;
        if (!input.empty()) (void)readable(); // the rest may be here
        return midway();
    }

    static error handshake_first() { return error(errc::not_connected, "the TLS handshake is not over"); }

    error fail(error why) {
        if (!failed) failed = std::move(why);
        return *failed;
    }

    error what_went_wrong(const char* step) {
        const openssl_errors said;
        const int reason = ERR_GET_REASON(said.first());
        const bool of_tls = ERR_GET_LIB(said.first()) == ERR_LIB_SSL;
        tls_errc kind = tls_errc::library_failure;
        if (of_tls && reason >= SSL_AD_REASON_OFFSET)
            kind = tls_errc::refused_by_peer;
        else if (of_tls)
            kind = kind_of(reason);
        std::string text = step;
        if (kind == tls_errc::refused_by_peer) {
            text += std::string(": it sent the alert \"") +
                    SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET) + "\"" +
                    advice_for_alert(reason - SSL_AD_REASON_OFFSET);
        } else if (kind == tls_errc::certificate_refused && refused.code != X509_V_OK) {
            text += ": " + about_certificate();
        } else if (of_tls && reason == SSL_R_NO_APPLICATION_PROTOCOL) {
            text += ": it offers no application protocol of ours (ALPN)";
        } else {
            text += ": " + (said.empty() ? std::string("OpenSSL gives no reason") : said.reasons());
        }
        if (alert_sent != 0 && alert_sent >> 8 == SSL3_AL_FATAL)
            text += std::string("; it is told so with the alert \"") +
                    SSL_alert_desc_string_long(alert_sent & 0xff) + "\"";
        return error(make_error_code(kind), std::move(text));
    }

    static tls_errc kind_of(int reason) noexcept {
        switch (reason) {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return tls_errc::certificate_refused;
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_NO_PROTOCOLS_AVAILABLE:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_SHARED_GROUPS:
        case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        case SSL_R_NO_SUITABLE_KEY_SHARE:
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return tls_errc::nothing_in_common;
        case ERR_R_INTERNAL_ERROR:
        case ERR_R_MALLOC_FAILURE:
            return tls_errc::library_failure;
        default:
            return tls_errc::protocol_violation;
        }
    }

    static const char* advice_for_alert(int alert) noexcept {
        switch (alert) {
        case SSL_AD_UNKNOWN_CA:
            return ": it does not trust whoever signed our certificate";
        case SSL_AD_BAD_CERTIFICATE:
        case SSL_AD_UNSUPPORTED_CERTIFICATE:
        case SSL_AD_CERTIFICATE_UNKNOWN:
        case SSL_AD_CERTIFICATE_REVOKED:
            return ": it does not accept our certificate";
        case SSL_AD_CERTIFICATE_EXPIRED:
            return ": our certificate has expired, or its clock is wrong";
        case SSL_AD_CERTIFICATE_REQUIRED:
            return ": it wants a certificate of ours (tls_client_options::certificate)";
        case SSL_AD_PROTOCOL_VERSION:
            return ": it takes none of our versions of TLS";
        case SSL_AD_UNRECOGNIZED_NAME:
            return ": it does not have the name that it was asked for";
        case SSL_AD_NO_APPLICATION_PROTOCOL:
            return ": it has none of our application protocols (ALPN)";
        default:
            return "";
        }
    }

    std::string about_certificate() const {
        std::string text = refused.depth == 0 ? "that of " : "the authority ";
        text += "\"" + refused.subject + "\": ";
        switch (refused.code) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return text + "it is for " + (refused.names.empty() ? "no name at all" : refused.names) +
                   ", and we asked for " + quoted_bytes(asked_for, 253) +
                   "; connect by a name that it is for, or give the server a certificate for this one";
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return text + "it was good until " + refused.ended + "; renew it, or set this machine's clock";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return text + "it is good from " + refused.began + " on; set this machine's clock";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return text + "it is signed by itself and not known here; " + trust_it();
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return text + "nobody whom we trust has signed it; " + trust_it() +
                   ", or let the peer send its whole chain";
        default:
            return text + X509_verify_cert_error_string(refused.code);
        }
    }
    std::string trust_it() const {
        return std::string("if it is right, give it, or its authority, as ") +
               (server ? "tls_server_options::client_trust" : "tls_client_options::trust");
    }

    tls_facts facts() const {
        tls_facts known;
        if (!done) return known;
        const SSL* const raw = connection.get();
        known.version = SSL_get_version(raw);
        known.cipher = SSL_get_cipher_name(raw);
        const unsigned char* protocol = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(raw, &protocol, &size);
        if (size != 0) known.alpn.assign(reinterpret_cast<const char*>(protocol), size);
        if (const char* name = SSL_get_servername(raw, TLSEXT_NAMETYPE_host_name)) known.server_name = name;
        known.resumed = SSL_session_reused(raw) == 1;
        const X509* const peer = SSL_get0_peer_certificate(raw);
        if (!peer) return known;
        known.verified =
            (SSL_get_verify_mode(raw) & SSL_VERIFY_PEER) != 0 && SSL_get_verify_result(raw) == X509_V_OK;
        known.peer_subject = text_of(X509_get_subject_name(peer));
        known.peer_names = names_of(peer);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        if (X509_digest(peer, EVP_sha256(), digest, &length) == 1) {
            constexpr char digits[] = "0123456789abcdef";
            for (unsigned i = 0; i < length; ++i)
                known.peer_fingerprint.append(1, digits[digest[i] >> 4]).append(1, digits[digest[i] & 15]);
        }
        return known;
    }

    result<std::array<unsigned char, 32>> channel_binding() const {
        if (!done) return handshake_first();
        SSL* const raw = connection.get();
        if (SSL_version(raw) < TLS1_3_VERSION && SSL_get_extms_support(raw) != 1)
            return error(errc::invalid_option,
                         "tls-exporter needs TLS 1.3, or the extended master secret (RFC 9266 4.2)");
        std::array<unsigned char, 32> value{};
        constexpr std::string_view label = "EXPORTER-Channel-Binding";
        ERR_clear_error();
        if (SSL_export_keying_material(raw, value.data(), value.size(), label.data(), label.size(), nullptr,
                                       0, 1) != 1)
            return context_failed("exporting the channel binding");
        return value;
    }

    result<void> update_keys(bool both) {
        if (failed) return *failed;
        if (!done) return handshake_first();
        ERR_clear_error();
        SSL* const raw = connection.get();
        if (SSL_key_update(raw, both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) != 1) {
            const openssl_errors said;
            return error(errc::invalid_option, "new keys: " + said.text());
        }
        const int outcome = SSL_do_handshake(raw); // sends it
        if (outcome == 1 || goes_on(outcome)) return {};
        return *failed;
    }

    openssl_ptr<SSL> connection;
    std::shared_ptr<const void> set; // what the callbacks of the context look at
    tls_buffer input{4096, most_input};
    tls_buffer output{4096, most_output};
    std::optional<error> failed;
    refused_certificate refused;
    std::string asked_for;
    std::uint64_t fed = 0;
    int alert_sent = 0;
    bool server;
    bool beginning = true; // the first record has not been looked at
    bool done = false;     // the handshake
    bool finished = false; // close_notify has come
    bool close_sent = false;
    bool ended = false;  // nothing more comes from the peer
    bool filled = false; // the last input took all the room that there was
};

} // namespace detail

inline tls_engine::tls_engine() noexcept = default;
inline tls_engine::tls_engine(tls_engine&&) noexcept = default;
inline tls_engine& tls_engine::operator=(tls_engine&&) noexcept = default;
inline tls_engine::~tls_engine() = default;
inline tls_engine::tls_engine(std::unique_ptr<detail::tls_engine_state> state) noexcept
    : state_(std::move(state)) {}

inline result<tls_engine> tls_engine::client(const tls_client_context& context, std::string_view host) {
    return detail::tls_engine_state::client(context, host);
}
inline result<tls_engine> tls_engine::server(const tls_server_context& context) {
    return detail::tls_engine_state::server_of(context);
}
inline std::span<char> tls_engine::prepare_input() {
    if (!state_) return {};
    auto& in = state_->input;
    // A read that took all there was room for: the next one is to take more at a time.
    if (state_->filled && in.empty()) return in.prepare(in.room());
    return in.prepare(1);
}
inline void tls_engine::commit_input(std::size_t n) noexcept {
    if (!state_) return;
    state_->input.commit(n);
    state_->fed += n;
    state_->filled = state_->input.size() == state_->input.capacity();
}
inline std::size_t tls_engine::feed(std::string_view bytes) {
    if (!state_ || bytes.empty()) return 0;
    const auto room = state_->input.prepare(bytes.size());
    const std::size_t n = std::min(room.size(), bytes.size());
    if (n != 0) std::memcpy(room.data(), bytes.data(), n);
    commit_input(n);
    return n;
}
inline void tls_engine::feed_end() noexcept {
    if (state_) state_->ended = true;
}
inline std::size_t tls_engine::unused_input() const noexcept {
    return state_ ? state_->input.size() : 0;
}
inline std::string_view tls_engine::pending_output() const noexcept {
    return state_ ? state_->output.view() : std::string_view();
}
inline void tls_engine::consume_output(std::size_t n) noexcept {
    if (state_) state_->output.consume(n);
}
inline result<void> tls_engine::handshake() {
    if (!state_) return errc::not_connected;
    return state_->handshake();
}
inline bool tls_engine::handshake_done() const noexcept {
    return state_ && state_->done;
}
inline result<std::size_t> tls_engine::read(std::span<char> into) {
    if (!state_) return errc::not_connected;
    return state_->read(into);
}
inline bool tls_engine::readable() {
    return !state_ || state_->readable();
}
inline result<std::size_t> tls_engine::write(std::string_view plain) {
    if (!state_) return errc::not_connected;
    return state_->write(plain);
}
inline bool tls_engine::wants_input() {
    return state_ && state_->wants_input();
}
inline result<void> tls_engine::shutdown() {
    if (!state_) return errc::not_connected;
    return state_->shutdown();
}
inline bool tls_engine::close_notify_sent() const noexcept {
    return state_ && state_->close_sent;
}
inline bool tls_engine::close_notify_seen() const noexcept {
    return state_ && state_->finished;
}
inline tls_facts tls_engine::facts() const {
    return state_ ? state_->facts() : tls_facts();
}
inline result<std::array<unsigned char, 32>> tls_engine::channel_binding() const {
    if (!state_) return errc::not_connected;
    return state_->channel_binding();
}
inline result<void> tls_engine::update_keys(bool both) {
    if (!state_) return errc::not_connected;
    return state_->update_keys(both);
}
inline void tls_engine::release_buffers() noexcept {
    if (!state_) return;
    state_->input.release();
    state_->output.release();
}

} // namespace portunus

#endif
