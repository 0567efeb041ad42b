// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_DETAIL_PEM_LOADING_HPP
#define PORTUNUS_CRYPTO_DETAIL_PEM_LOADING_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/detail/openssl.hpp>
#include <portunus/crypto/tls_options.hpp>

#include <openssl/pem.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// \file
/// From PEM to OpenSSL's objects, with errors that say which file it was.

namespace portunus::detail {

using shared_secret = std::shared_ptr<const secret_text>;

inline error bad_pem(const pem_source& source, const std::string& what, const std::string& advice = {}) {
    const openssl_errors said;
    std::string text = source.name() + " " + what;
    if (!said.empty()) text += "; " + said.text();
    if (!advice.empty()) text += "; " + advice;
    return error(errc::invalid_option, std::move(text));
}

inline constexpr std::size_t largest_pem = std::size_t{1} << 20;

inline result<shared_secret> read_pem(const pem_source& source) {
    if (!source.is_file()) return source.content();
    const auto failed = [&source](int number) {
        return error(boost::system::error_code(number, boost::system::system_category()),
                     "reading " + source.name());
    };
    errno = 0;
    struct closer {
        void operator()(std::FILE* f) const noexcept { std::fclose(f); }
    };
    const std::unique_ptr<std::FILE, closer> file(std::fopen(source.name().c_str(), "re"));
    if (!file) return failed(errno);
    std::setvbuf(file.get(), nullptr, _IONBF, 0); // no copy of a key is left in a buffer
    std::string text;
    text.reserve(16384); // so that a key is not left behind in blocks that were outgrown
    std::size_t n = 0;
    do {
        const std::size_t before = text.size();
        if (before > largest_pem) return bad_pem(source, "is larger than 1 MiB: no certificate is");
        text.resize(before + 8192);
        n = std::fread(text.data() + before, 1, 8192, file.get());
        text.resize(before + n);
    } while (n != 0);
    if (std::ferror(file.get())) return failed(errno);
    return shared_secret(std::make_shared<const secret_text>(std::move(text)));
}

inline openssl_ptr<BIO> bio_over(std::string_view text) {
    // An empty text may have no address, which OpenSSL takes for a mistake.
    return openssl_ptr<BIO>(BIO_new_mem_buf(text.empty() ? "" : text.data(), static_cast<int>(text.size())));
}

/// Nobody is asked for a password: OpenSSL would do so on the terminal.
inline int no_password(char*, int, int, void*) {
    return -1;
}

/// All certificates of a source, in order, at least one.
inline result<std::vector<openssl_ptr<X509>>> load_certificates(const pem_source& source) {
    auto text = read_pem(source);
    if (!text) return std::move(text).error();
    ERR_clear_error();
    const auto bio = bio_over((*text)->view());
    std::vector<openssl_ptr<X509>> all;
    while (bio) {
        openssl_ptr<X509> one(PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr));
        if (!one) break;
        all.push_back(std::move(one));
    }
    // It ends with "no start line", which is the end of the text, or with what is wrong with a block.
    const unsigned long last = ERR_peek_last_error();
    if (all.empty() && ERR_GET_REASON(last) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return bad_pem(source, "has no certificate", "it should have a block -----BEGIN CERTIFICATE-----");
    }
    if (ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
        return bad_pem(source, "has a damaged certificate after " + std::to_string(all.size()) + " good ones",
                       "get the file anew");
    ERR_clear_error();
    return all;
}

inline result<openssl_ptr<EVP_PKEY>> load_key(const pem_source& source) {
    auto text = read_pem(source);
    if (!text) return std::move(text).error();
    ERR_clear_error();
    const std::string_view pem = (*text)->view();
    const auto bio = bio_over(pem);
    openssl_ptr<EVP_PKEY> key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, nullptr)
                                  : nullptr);
    if (key) {
        ERR_clear_error();
        return key;
    }
    if (pem.find("ENCRYPTED") != std::string_view::npos)
        return bad_pem(source, "has a private key that is encrypted with a password",
                       "decrypt it with openssl pkey and protect the file instead");
    if (pem.find("PRIVATE KEY-----") == std::string_view::npos) {
        ERR_clear_error();
        return bad_pem(source, "has no private key", "it should have a block -----BEGIN PRIVATE KEY-----");
    }
    return bad_pem(source, "has a private key that cannot be read", "get the file anew");
}

/// A certificate with chain and key that belong together.
struct loaded_certificate {
    openssl_ptr<X509> leaf;
    openssl_ptr<STACK_OF(X509)> chain;
    openssl_ptr<EVP_PKEY> key;
};

inline result<loaded_certificate> load_certificate(const tls_certificate& from) {
    if (from.chain.empty())
        return error(errc::invalid_option, "a certificate without a chain: give tls_certificate::chain");
    auto chain = load_certificates(from.chain);
    if (!chain) return std::move(chain).error();
    const pem_source& key_source = from.key.empty() ? from.chain : from.key;
    auto key = load_key(key_source);
    if (!key) return std::move(key).error();
    loaded_certificate one;
    one.leaf = std::move(chain->front());
    one.key = std::move(*key);
    one.chain.reset(sk_X509_new_null());
    if (!one.chain) return bad_pem(from.chain, "could not be kept in memory");
    for (std::size_t i = 1; i < chain->size(); ++i)
        if (sk_X509_push(one.chain.get(), (*chain)[i].get()) > 0) (void)(*chain)[i].release();
    if (X509_check_private_key(one.leaf.get(), one.key.get()) != 1)
        return bad_pem(from.chain, "and the private key of " + key_source.name() + " do not belong together",
                       "the server's own certificate has to come first in its file");
    return one;
}

} // namespace portunus::detail

#endif
