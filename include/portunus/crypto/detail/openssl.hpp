// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_DETAIL_OPENSSL_HPP
#define PORTUNUS_CRYPTO_DETAIL_OPENSSL_HPP

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "portunus/crypto needs OpenSSL 3"
#endif

/// \file
/// Owning pointers to what OpenSSL allocates, and its queue of errors as text.

namespace portunus::detail {

struct openssl_free {
    void operator()(BIO* p) const noexcept { BIO_free_all(p); }
    void operator()(BIGNUM* p) const noexcept { BN_free(p); }
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(X509* p) const noexcept { X509_free(p); }
    void operator()(STACK_OF(X509) * p) const noexcept { sk_X509_pop_free(p, X509_free); }
    void operator()(X509_STORE* p) const noexcept { X509_STORE_free(p); }
    void operator()(SSL* p) const noexcept { SSL_free(p); }
    void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
};
template <class T>
using openssl_ptr = std::unique_ptr<T, openssl_free>;

/// What may come from a peer, in quotes: what is not printable as \xNN, and no more than `most` bytes.
inline std::string quoted_bytes(std::string_view bytes, std::size_t most = 64) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string text = "\"";
    for (const char c : bytes.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\')
            text.append("\\").append(1, c);
        else if (c == '\r' || c == '\n' || c == '\t')
            text.append(c == '\r' ? "\\r" : c == '\n' ? "\\n" : "\\t");
        else if (byte >= 0x20 && byte < 0x7F)
            text += c;
        else
            text.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return text.append(bytes.size() > most ? "\"..." : "\"");
}

/// Everything that OpenSSL has queued for this thread, oldest first, and the queue empty behind it.
class openssl_errors {
  public:
    openssl_errors() {
        const char* data = nullptr;
        int flags = 0;
        while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
            if (codes_ == 0) first_ = code;
            if (++codes_ > most) continue;
            if (!text_.empty()) text_ += "; ";
            if (const char* reason = ERR_reason_error_string(code))
                text_ += reason;
            else
                text_.append("OpenSSL error ").append(std::to_string(ERR_GET_REASON(code)));
            if ((flags & ERR_TXT_STRING) != 0 && data && *data != '\0')
                text_.append(" (").append(std::string_view(data).substr(0, 200)).append(")");
        }
    }

    bool empty() const noexcept { return codes_ == 0; }
    /// The oldest, which mostly is the cause; 0 when there was none.
    unsigned long first() const noexcept { return first_; }
    /// "OpenSSL says: no start line"
    std::string text() const { return "OpenSSL says: " + (text_.empty() ? std::string("nothing") : text_); }
    const std::string& reasons() const noexcept { return text_; }

  private:
    static constexpr int most = 8;
    unsigned long first_ = 0;
    int codes_ = 0;
    std::string text_;
};

} // namespace portunus::detail

#endif
