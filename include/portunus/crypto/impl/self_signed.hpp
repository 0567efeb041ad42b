// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_IMPL_SELF_SIGNED_HPP
#define PORTUNUS_CRYPTO_IMPL_SELF_SIGNED_HPP

#include <portunus/crypto/self_signed.hpp>

#include <portunus/crypto/detail/openssl.hpp>
#include <portunus/crypto/detail/pem_loading.hpp>
#include <portunus/crypto/tls_error.hpp>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>
#include <string_view>
#include <utility>

namespace portunus {
namespace detail {

/// Whoever signs other certificates.
struct certificate_issuer {
    X509* certificate;
    EVP_PKEY* key;
};

inline error not_made(std::string_view step) {
    const openssl_errors said;
    return error(tls_errc::library_failure,
                 "making a certificate: " + std::string(step) + "; " + said.text());
}

inline bool add_name(GENERAL_NAMES* all, const std::string& name) {
    GENERAL_NAME* one = GENERAL_NAME_new();
    if (!one) return false;
    if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str())) {
        GENERAL_NAME_set0_value(one, GEN_IPADD, address);
    } else {
        ERR_clear_error();
        ASN1_IA5STRING* text = ASN1_IA5STRING_new();
        if (!text || ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) != 1) {
            ASN1_IA5STRING_free(text);
            GENERAL_NAME_free(one);
            return false;
        }
        GENERAL_NAME_set0_value(one, GEN_DNS, text);
    }
    if (sk_GENERAL_NAME_push(all, one) > 0) return true;
    GENERAL_NAME_free(one);
    return false;
}

inline bool add_extension(X509* to, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    if (!extension) return false;
    const bool added = X509_add_ext(to, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

inline result<std::string> text_of(const openssl_ptr<BIO>& memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &data);
    if (size <= 0) return not_made("writing it as PEM");
    return std::string(data, static_cast<std::size_t>(size));
}

inline error bad_name(const std::string& name, const char* why) {
    return error(errc::invalid_option, "names: " + quoted_bytes(name) + " " + why);
}

/// Signed by `issuer`, or by itself where there is none; `authority`: it may sign others.
inline result<pem_pair> make_certificate(const self_signed_options& options, const certificate_issuer* issuer,
                                         bool authority) {
    if (options.names.empty()) return error(errc::invalid_option, "names: a certificate is for somebody");
    for (const std::string& name : options.names) {
        if (name.empty() || name.size() > 253) return bad_name(name, "is no name: it has 1 to 253 bytes");
        for (const char c : name)
            if (c <= ' ' || c == 0x7F || static_cast<unsigned char>(c) > 0x7F || c == '/' || c == ',')
                return bad_name(name, "is neither the name of a host nor an address");
    }
    const std::string& called = options.common_name.empty() ? options.names.front() : options.common_name;
    const std::string shown = called.substr(0, 64); // the upper bound of X.520
    ERR_clear_error();
    openssl_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"));
    openssl_ptr<X509> made(X509_new());
    openssl_ptr<BIGNUM> serial(BN_new());
    if (!key || !made || !serial) return not_made("its key");
    X509* const x = made.get();
    const auto seconds = [](std::chrono::hours h) { return static_cast<long>(h.count()) * 3600; };
    X509_NAME* const name = X509_get_subject_name(x);
    if (BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1 ||
        !BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x)) || X509_set_version(x, 2) != 1 ||
        !X509_gmtime_adj(X509_getm_notBefore(x), -seconds(options.age)) ||
        !X509_gmtime_adj(X509_getm_notAfter(x), seconds(options.validity) - seconds(options.age)) ||
        X509_set_pubkey(x, key.get()) != 1 ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(shown.data()),
                                   static_cast<int>(shown.size()), -1, 0) != 1 ||
        X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate) : name) != 1)
        return not_made("its fields");
    X509* const signer = issuer ? issuer->certificate : x;
    if (!add_extension(x, signer, NID_basic_constraints,
                       authority ? "critical,CA:TRUE" : "critical,CA:FALSE") ||
        !add_extension(x, signer, NID_key_usage,
                       authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") ||
        !add_extension(x, signer, NID_subject_key_identifier, "hash"))
        return not_made("its extensions");
    if (!authority && !add_extension(x, signer, NID_ext_key_usage, "serverAuth,clientAuth"))
        return not_made("its purposes");
    GENERAL_NAMES* const names = sk_GENERAL_NAME_new_null();
    bool named = names != nullptr;
    for (const std::string& one : options.names) named = named && add_name(names, one);
    named = named && X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    if (names) sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    if (!named) return not_made("its names");
    if (X509_sign(x, issuer ? issuer->key : key.get(), EVP_sha256()) <= 0) return not_made("its signature");

    const openssl_ptr<BIO> out(BIO_new(BIO_s_mem()));
    const openssl_ptr<BIO> secret(BIO_new(BIO_s_secmem())); // wiped when it goes
    if (!out || !secret || PEM_write_bio_X509(out.get(), x) != 1 ||
        PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return not_made("writing it as PEM");
    auto certificate = text_of(out);
    if (!certificate) return std::move(certificate).error();
    auto private_key = text_of(secret);
    if (!private_key) return std::move(private_key).error();
    return pem_pair{std::move(*certificate), std::move(*private_key)};
}

} // namespace detail

inline result<pem_pair> make_self_signed(const self_signed_options& options) {
    return detail::make_certificate(options, nullptr, false);
}

} // namespace portunus

#endif
