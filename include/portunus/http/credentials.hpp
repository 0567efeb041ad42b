// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CREDENTIALS_HPP
#define PORTUNUS_HTTP_CREDENTIALS_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

/// Which way of proving who we are is taken (semantics row Q-22: any, basic, digest).
enum class auth : std::uint8_t {
    any,    ///< the strongest that the server offers, which may be basic; nothing is sent before it has asked
    basic,  ///< sent at once: whoever reads the connection reads the password
    digest, ///< never anything weaker
};

/// A user and a password. Copies share the text, which is overwritten with the last of them; nothing prints
/// it.
class credentials {
  public:
    credentials() noexcept = default;
    credentials(std::string user, std::string password, auth way = auth::any)
        : text_(std::make_shared<const secret>(std::move(user), std::move(password))), way_(way) {}

    bool empty() const noexcept { return text_ == nullptr; }
    std::string_view user() const noexcept { return text_ ? text_->user : std::string_view(); }
    std::string_view password() const noexcept { return text_ ? text_->password : std::string_view(); }
    auth way() const noexcept { return way_; }

  private:
    struct secret {
        secret(std::string u, std::string p) : user(std::move(u)), password(std::move(p)) {
            wipe(p); // a short text was copied
        }
        secret(const secret&) = delete;
        secret& operator=(const secret&) = delete;
        ~secret() { wipe(password); }
        static void wipe(std::string& text) noexcept {
            volatile char* const bytes = text.data(); // volatile: not to be optimised away
            for (std::size_t i = 0; i != text.size(); ++i) bytes[i] = 0;
        }
        std::string user, password;
    };
    std::shared_ptr<const secret> text_;
    auth way_ = auth::any;
};

} // namespace portunus::http

#endif
