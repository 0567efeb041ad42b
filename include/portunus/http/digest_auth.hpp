// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DIGEST_AUTH_HPP
#define PORTUNUS_HTTP_DIGEST_AUTH_HPP

#include <portunus/core/result.hpp>
#include <portunus/crypto/hash.hpp>
#include <portunus/crypto/md5.hpp>
#include <portunus/crypto/random.hpp>
#include <portunus/http/auth_challenge.hpp>
#include <portunus/http/auth_scheme.hpp>
#include <portunus/http/credentials.hpp>
#include <portunus/http/list_elements.hpp>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

/// Answers one challenge of digest authentication (RFC 7616), request by request, so that the password is
/// never sent: SHA-256 and MD5, each also in its "-sess" form, with qop "auth", or without qop as RFC 2069
/// had it. Needs OpenSSL: link `portunus::tls`. Pure.
///
/// The nonce is used again with a count, as long as the server takes it. What is not done: "auth-int" and
/// names that are hashed.
class digest_authenticator final : public authenticator {
  public:
    using make_cnonce = std::function<result<std::string>()>;

    /// `errc::unauthenticated` for a challenge that cannot be answered; the detail tells why.
    static result<digest_authenticator> open(const auth_challenge& asked,
                                             make_cnonce cnonce = &digest_authenticator::random_cnonce) {
        digest_authenticator d;
        const auto refuse = [](std::string_view why) {
            return error(errc::unauthenticated, "a digest challenge " + std::string(why));
        };
        const auto realm = asked.find("realm"), nonce = asked.find("nonce");
        if (!asked.is("Digest") || !realm || !nonce) return refuse("without realm or nonce");
        d.realm_ = *realm;
        d.nonce_ = *nonce;
        d.algorithm_ = asked.find("algorithm").value_or("");
        std::string_view name = d.algorithm_;
        constexpr std::string_view session = "-sess";
        if (name.size() > session.size() &&
            detail::same_word(name.substr(name.size() - session.size()), session)) {
            d.session_ = true;
            name.remove_suffix(session.size());
        }
        if (detail::same_word(name, "SHA-256"))
            d.sha256_ = true;
        else if (!name.empty() && !detail::same_word(name, "MD5"))
            return refuse("with the algorithm " + detail::quoted(d.algorithm_));
        if (const auto qop = asked.find("qop")) {
            if (!list_elements(*qop).contains("auth")) return refuse("without qop \"auth\"");
            d.qop_ = true;
        }
        if (d.session_ && !d.qop_) return refuse("for a session without qop");
        if (const auto opaque = asked.find("opaque")) d.opaque_ = *opaque;
        d.cnonce_ = std::move(cnonce);
        return d;
    }

    result<std::string> answer(const credentials& who, std::string_view method,
                               std::string_view target) override {
        const auto made = cnonce_();
        if (!made) return made.error();
        const std::string& cnonce = *made;
        char count[9] = {};
        std::snprintf(count, sizeof count, "%08x", static_cast<unsigned>(++count_));
        auto secret = hash({who.user(), ":", realm_, ":", who.password()});
        if (secret && session_) secret = hash({*secret, ":", nonce_, ":", cnonce});
        const auto request = hash({method, ":", target});
        if (!secret || !request) return secret ? request.error() : secret.error();
        const auto response = qop_ ? hash({*secret, ":", nonce_, ":", count, ":", cnonce, ":auth:", *request})
                                   : hash({*secret, ":", nonce_, ":", *request});
        if (!response) return response.error();
        std::string text = "Digest username=" + quoted_string(who.user());
        text.append(", realm=").append(quoted_string(realm_));
        text.append(", nonce=").append(quoted_string(nonce_));
        text.append(", uri=").append(quoted_string(target));
        if (!algorithm_.empty()) text.append(", algorithm=").append(algorithm_);
        text.append(", response=\"").append(*response).append("\"");
        if (qop_) text.append(", qop=auth, nc=").append(count).append(", cnonce=\"" + cnonce + "\"");
        if (opaque_) text.append(", opaque=").append(quoted_string(*opaque_));
        return text;
    }

    bool stale(const auth_challenge& next) const override {
        const auto nonce = next.find("nonce");
        return detail::same_word(next.find("stale").value_or(""), "true") && nonce && *nonce != nonce_;
    }

  private:
    digest_authenticator() = default;

    static result<std::string> random_cnonce() {
        const auto bytes = random_array<16>();
        if (!bytes) return bytes.error();
        return to_hex(*bytes);
    }
    template <class Hash>
    static result<std::string> hash_with(std::initializer_list<std::string_view> parts) {
        Hash sum;
        for (const std::string_view part : parts) sum.update(part);
        const auto digest = sum.finish();
        if (!digest) return digest.error();
        return to_hex(*digest);
    }
    result<std::string> hash(std::initializer_list<std::string_view> parts) const {
        return sha256_ ? hash_with<sha256>(parts) : hash_with<md5>(parts);
    }

    std::string realm_, nonce_, algorithm_;
    std::optional<std::string> opaque_;
    make_cnonce cnonce_;
    std::uint32_t count_ = 0;
    bool sha256_ = false;
    bool session_ = false, qop_ = false;
};

/// For `client_options::schemes`:
///
///     options.schemes.push_back(std::make_shared<http::digest_auth>());
class digest_auth final : public auth_scheme {
  public:
    int strength(const auth_challenge& asked) const override {
        if (!asked.is("Digest")) return 0;
        const auto opened = digest_authenticator::open(asked);
        if (!opened) return 0;
        const auto algorithm = asked.find("algorithm").value_or("MD5");
        return detail::same_word(algorithm.substr(0, 3), "SHA") ? 3 : 2;
    }
    std::unique_ptr<authenticator> begin(const auth_challenge& asked) const override {
        auto opened = digest_authenticator::open(asked);
        if (!opened) return nullptr;
        return std::make_unique<digest_authenticator>(std::move(*opened));
    }
};

} // namespace portunus::http

#endif
