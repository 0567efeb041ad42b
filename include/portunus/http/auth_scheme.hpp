// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_AUTH_SCHEME_HPP
#define PORTUNUS_HTTP_AUTH_SCHEME_HPP

#include <portunus/core/base64.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/auth_challenge.hpp>
#include <portunus/http/credentials.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portunus::http {

/// What one server has asked for, and how its next request is answered.
class authenticator {
  public:
    virtual ~authenticator() = default;
    /// The value of Authorization for one request. `target` as it stands in the request line. An error: the
    /// challenge cannot be answered (`errc::unauthenticated`).
    virtual result<std::string> answer(const credentials& who, std::string_view method,
                                       std::string_view target) = 0;
    /// Whether an answer that was refused is worth another try with this challenge: the server says that only
    /// its nonce was too old.
    virtual bool stale(const auth_challenge& next) const = 0;
};

/// A way to prove who we are, as `client_options::schemes` has them. Stateless.
class auth_scheme {
  public:
    virtual ~auth_scheme() = default;
    /// How good it is at answering this challenge; 0: not at all. Basic is 1.
    virtual int strength(const auth_challenge& asked) const = 0;
    virtual std::unique_ptr<authenticator> begin(const auth_challenge& asked) const = 0;
};

/// "Basic" (RFC 7617), with UTF-8.
class basic_auth final : public auth_scheme {
  public:
    int strength(const auth_challenge& asked) const override { return asked.is("Basic") ? 1 : 0; }
    std::unique_ptr<authenticator> begin(const auth_challenge&) const override {
        return std::make_unique<state>();
    }

  private:
    struct state final : authenticator {
        result<std::string> answer(const credentials& who, std::string_view, std::string_view) override {
            if (who.user().find(':') != std::string_view::npos)
                return error(errc::unauthenticated, "a user of basic authentication has no ':' in it");
            std::string both(who.user());
            both.append(":").append(who.password());
            std::string text = "Basic " + base64_encode(both);
            both.assign(both.size(), '\0');
            return text;
        }
        bool stale(const auth_challenge&) const override { return false; }
    };
};

} // namespace portunus::http

#endif
